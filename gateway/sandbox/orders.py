"""Orders: `POST /v1/orders`, `DELETE /v1/orders`, and what events of the order types do to them.

The rules are those of docs page 29860881116 ("Add orders"), of yespo.io/api (schema ns1_order) and, for
deletion, of docs.esputnik.com/reference/removehistoryorders. What cannot be read (an unknown status, a date
that is none) spoils the request, what is missing spoils the order; no page tells which does which.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson
from aiohttp import web

from gateway.sandbox.account import ORDERS, Account
from gateway.sandbox.answers import bad, sentence, told
from gateway.sandbox.cards import Contact
from gateway.sandbox.gate import State
from gateway.sandbox.identity import Body, Identity, of_plain, text
from gateway.sandbox.journal import Request

MOST = 1000
"""Orders in one request (docs page 29549050932, FAQ)."""
DELETION_WINDOW = timedelta(hours=24)
STATUSES = ("INITIALIZED", "IN_PROGRESS", "DELIVERED", "CANCELLED", "ABANDONED_SHOPPING_CART")
_DECIMALS = ("totalCost", "shipping", "discount", "taxes")
_REQUIRED = ("externalOrderId", "totalCost", "status", "date")


async def add(state: State, request: Request) -> web.Response:
    """`POST /v1/orders`: take up to 1000 orders; those it does not take are in `failedOrders`.

    Each comes back as its externalOrderId with `errorMessage`; clients know no more than "object or list of
    objects" (Yespo-CDP/yespo-shopify).
    """
    orders = request.body.get("orders") if isinstance(request.body, dict) else None
    if not isinstance(orders, list) or not 1 <= len(orders) <= MOST:
        return bad(f"orders must be a list of 1 to {MOST}")
    for order in orders:
        if problem := _unreadable(order):
            return bad(problem)
    failed = []
    for order in orders:
        if problem := _unusable(order) or state.account.refusal(of_plain(order)):
            failed.append({"externalOrderId": order.get("externalOrderId"), "errorMessage": problem})
        else:
            contact = _owner(state.account, order) or _new_owner(state.account, order)
            place(state.account, order, contact)
            event = {"eventTypeKey": f"order{order['status']}", "keyValue": text(order["externalOrderId"])}
            state.account.raised(event | {"params": order}, contact, request.at)
    return told({"failedOrders": failed})


def _unreadable(order: Any) -> str:
    if not isinstance(order, dict):
        return "Order is not an object"
    if order.get("status") is not None and order["status"] not in STATUSES:
        return f"status must be one of {', '.join(STATUSES)}"
    for name in _DECIMALS:
        if order.get(name) not in (None, "") and not _is_decimal(order[name]):  # WooCommerce sends ""
            return f"{name} must be a decimal"
    if order.get("date") is not None and _moment(order["date"]) is None:
        return "date must be a dateTime"
    items = order.get("items")
    if items is not None and not (isinstance(items, list) and all(isinstance(one, dict) for one in items)):
        return "items must be a list of objects"
    return ""


def _unusable(order: Body) -> str:
    for name in _REQUIRED:
        if order.get(name) is None or not str(order[name]).strip():
            return f"{name} is required"
    if not text(order["externalOrderId"]):
        return "externalOrderId must be a text"
    if not any(of_plain(order).ids()):  # "" is no identity
        return "externalCustomerId, email or phone is required"
    for item in order.get("items") or ():
        if not text(item.get("externalItemId")) or not _is_decimal(item.get("quantity")):
            return "items need externalItemId and quantity"
    return ""


def _owner(account: Account, order: Body) -> Contact | None:
    """Return whose order it is: by external id if that is known, else by email or phone.

    A contact that is marked as deleted keeps its orders (CMS integration guide 1.4): it gets this one too,
    and stays deleted.
    """
    identity = of_plain(order)
    by_customer = account.cards.find(Identity(customer=identity.customer), deleted=True)
    return by_customer or account.cards.find(identity._replace(customer=""))


def _new_owner(account: Account, order: Body) -> Contact:
    """Return a contact made from the order: orders create a missing one, and never update one."""
    names = {name: text(order.get(name)) for name in ("firstName", "lastName")}
    return account.create(of_plain(order), **names)


def place(account: Account, order: Body, contact: Contact | None) -> None:
    """Write the order down; one that is known by its externalOrderId is updated."""
    number = text(order["externalOrderId"])
    known = account.orders.get(number, {})
    account.orders[number] = known | order | {"contact": contact.id if contact else known.get("contact")}
    if contact is not None:
        contact.orders[number] = None
    if len(account.orders) > ORDERS:
        account.orders.popitem(last=False)


def place_by_event(account: Account, event_type: str, params: Body) -> None:
    """Do to the orders what an event of that type does (docs page 29493944397, orders by Generate event).

    Where anything is missing, in an item too, the event is ignored without a word; an order that is not known
    can be neither delivered nor cancelled. "Existing contact only": it creates none.
    """
    given = params | ({"items": _unescaped(params["items"])} if "items" in params else {})
    order: Body | None = given if event_type in _PLACES else None
    if event_type in _ENDS:
        known = account.orders.get(text(params.get("externalOrderId")))
        order = None if known is None else known | given | {"status": _ENDS[event_type]}
    if order is None or _unreadable(order) or _unusable(order):
        return
    if all(map(_is_whole, given.get("items") or ())):
        place(account, order, _owner(account, order))


_PLACES = ("orderCreated", "orderUpdated")
_ENDS = {"orderDelivered": "DELIVERED", "orderCancelled": "CANCELLED"}
_IN_ITEMS = ("externalItemId", "name", "quantity", "cost", "url", "imageUrl")


def _unescaped(items: Any) -> Any:
    """Return items that came as escaped text, as they do in v1."""
    try:
        return orjson.loads(items) if isinstance(items, str) else items
    except orjson.JSONDecodeError:
        return items


def _is_whole(item: Body) -> bool:
    return all(str(item.get(name) or "").strip() for name in _IN_ITEMS)


async def delete(state: State, request: Request) -> web.Response:
    """`DELETE /v1/orders`: one by externalOrderId, or those of a time of at most 24 hours in UTC.

    An order that is not there is no error: the deletion is asynchronous, the answer says that it will be.
    """
    call = request.body if isinstance(request.body, dict) else {}
    number = text(call.get("externalOrderId"))
    span = _span(call)
    if bool(number) == ("from" in call or "to" in call):
        return bad("externalOrderId, or from and to, is required")
    if number:
        _remove(state.account, number)
    elif span is None:
        return bad("from and to must be yyyy-MM-dd'T'HH:mm:ss in UTC")
    elif not span[0] < span[1] <= span[0] + DELETION_WINDOW:
        return bad("from must be before to, by at most 24 hours")
    else:
        for name, order in list(state.account.orders.items()):
            if span[0] <= (_moment(order["date"]) or span[1]) < span[1]:
                _remove(state.account, name)
    return sentence("Orders will be deleted")


def _remove(account: Account, number: str) -> None:
    order = account.orders.pop(number, None)
    contact = account.cards.get(order["contact"]) if order and order["contact"] else None
    if contact is not None:
        contact.orders.pop(number, None)


def _span(call: Body) -> tuple[datetime, datetime] | None:
    given = [text(call.get(name)) for name in ("from", "to")]
    if not all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", one) for one in given):
        return None
    start, end = map(_moment, given)
    return (start, end) if start and end else None


def _moment(value: object) -> datetime | None:
    """Return a dateTime, in UTC where it names no zone; None for what is none."""
    try:
        moment = datetime.fromisoformat(text(value))
    except ValueError:
        return None
    if "T" not in text(value):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _is_decimal(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return False
    try:
        return Decimal(str(value)).is_finite()
    except InvalidOperation:
        return False


CALLS = [("POST", "/v1/orders", add), ("DELETE", "/v1/orders", delete)]
