"""Orders that go out together, and what of a bulk eSputnik did not take. Pure.

Queued orders are sent as one call (docs page 29860881116, Add orders: at most 1000). Single contacts are not:
that would lose the id in the answer and their order, and may blank fields.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import orjson

from gateway.calls import ApiCall
from gateway.delivery.reading import Pending
from gateway.esputnik.answers import Answer, elements, words
from gateway.event import Record

BULK_BYTES = 2 * 2**20
"""Of one call; what several stores' servers take in one piece."""


def gather(first: Pending) -> Callable[[Pending], bool] | None:
    """Return what tells of another record whether it goes along; None where the first one goes alone.

    One state of an order is in a call at most. A bulk that was rejected comes in smaller ones (`most`).
    """
    if first.record is None or first.letters or first.record.type != ApiCall.ADD_ORDERS or first.most < 2:
        return None
    ids = {order_id(first.record)}
    if "" in ids:
        return None
    size = len(first.record.body)
    most = first.most

    def joins(other: Pending) -> bool:
        nonlocal size, most
        record = other.record
        if record is None or other.letters or record.type != ApiCall.ADD_ORDERS:
            return False
        if len(ids) >= min(most, other.most) or size + len(record.body) > BULK_BYTES:
            return False
        other_id = order_id(record)
        if not other_id or other_id in ids:
            return False
        ids.add(other_id)
        size += len(record.body)
        most = min(most, other.most)
        return True

    return joins


def order_id(record: Record) -> str:
    """Return the order's own id at the store; "" where an operator has patched it away."""
    return str(orjson.loads(record.body).get("externalOrderId") or "")


class Sorted(NamedTuple):
    """What a bulk of orders came to."""

    failed: dict[str, Any]
    """What eSputnik says of each order that it did not take, by the order's id."""
    unclear: bool
    """Whether it says that of an order that cannot be told."""


def failed_orders(answer: Answer, ids: Sequence[str]) -> Sorted:
    """Return which of the orders the answer lists as failed, as an array or as one bare object."""
    failed: dict[str, Any] = {}
    unclear = False
    for element in elements(answer.field("failedOrders")):
        named = {str(value) for value in _values(element, "externalOrderId")} & set(ids)
        if len(ids) == 1:
            failed[ids[0]] = element
        elif len(named) == 1:
            failed[named.pop()] = element
        else:
            unclear = True
    return Sorted(failed, unclear)


Keys = Callable[[Any], Iterator[str]]
"""What one element is known by, the best first."""


class Failure(NamedTuple):
    """One element that eSputnik did not take of a call with many."""

    body: bytes
    """The call with this element alone."""
    said: str


def failures(record: Record, answer: Answer) -> list[Failure]:
    """Return what a success lists as not taken: `failedContacts`, or `items` that are rejected."""
    match record.type:
        case ApiCall.ADD_CONTACTS:
            return _failures(record, "contacts", elements(answer.field("failedContacts")), _contact_keys)
        case ApiCall.UPDATE_PRODUCTS | ApiCall.DELETE_PRODUCTS | ApiCall.UPDATE_MARKETS:
            name = "markets" if record.type == ApiCall.UPDATE_MARKETS else "products"
            items = elements(answer.field("items"))
            rejected = [i for i in items if isinstance(i, dict) and i.get("status") == "rejected"]
            return _failures(record, name, rejected, _market_keys if name == "markets" else _product_keys)
    return []


def _failures(record: Record, name: str, failed: Sequence[Any], keys: Keys) -> list[Failure]:
    """Return each failed element with the one of ours that it is about; both are known by their keys."""
    if not failed:
        return []
    body: dict[str, Any] = orjson.loads(record.body)
    ours: dict[str, Any] = {}
    # Of a letter that an operator has patched anything may stand there.
    for candidate in (one for one in elements(body.get(name)) if isinstance(one, dict)):
        for key in keys(candidate):
            ours.setdefault(key, candidate)
    found = []
    for element in failed:
        mine = next((ours[key] for key in keys(element) if key in ours), element)
        alone = {**body, name: [mine] if isinstance(mine, dict) else []}
        found.append(Failure(orjson.dumps(alone), words(orjson.dumps(element))))
    return found


def letter_record(record: Record, number: int, failure: Failure) -> Record:
    """Return the record of one failed element, under an id of its own."""
    return replace(record, id=f"{record.id}-{number}", body=failure.body, answer_by=0)


def _contact_keys(contact: Any) -> Iterator[str]:
    """Yield what a contact is known by: its external id, then its channels."""
    for name in ("externalCustomerId", "value"):
        yield from (f"{name}/{value}" for value in _values(contact, name))


def _product_keys(product: Any) -> Iterator[str]:
    yield str(product.get("productId"))


def _market_keys(market: Any) -> Iterator[str]:
    yield str(market.get("marketId"))


def _values(element: Any, name: str) -> Iterator[Any]:
    """Yield what stands under a name, wherever in the element."""
    if isinstance(element, Mapping):
        for key, value in element.items():
            if key == name and isinstance(value, str | int):
                yield value
            yield from _values(value, name)
    elif isinstance(element, list):
        for value in element:
            yield from _values(value, name)
