"""Judges a call of eSputnik's API: what is mended, whom it is about, what eSputnik could not use. Pure.

The limits are eSputnik's (esputnik.com/api, docs.reteno.com/reference): they stand in the schemas of
`schemas/api`, and here what a schema cannot say.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import orjson

from gateway import identifiers
from gateway.calls import ApiCall
from gateway.validation import messages
from gateway.validation.catalogue import Catalogue
from gateway.validation.finding import MOST, Finding
from gateway.validation.forms import is_unknown
from gateway.validation.identity import Identity
from gateway.validation.judge import Refused
from gateway.validation.repair import warn
from gateway.validation.statuses import INITIALIZED, STATUSES, folded
from gateway.validation.times import milliseconds

Body = dict[str, Any]

EVENT_BYTES = 20 * 1024
"""Of one event (docs page 30168914290, Using Generate event); support can raise it."""
_DAY_MS = 24 * 3600 * 1000
_NOBODY = Identity(None, None, None, None)
_LISTS = frozenset(["contacts", "orders", "events", "emails", "products", "markets"])

_PARAMS: Mapping[str, frozenset[str]] = {
    "customer": frozenset(["externalcustomerid"]),
    "email": frozenset(["email", "emailaddress", "useremail", "contactemail"]),
    "phone": frozenset(["phone", "sms", "phonenumber"]),
}
"""Names of an event's parameters that tell who it is about, in any case (docs page 29432212138)."""


class Part(NamedTuple):
    """What one record of the call is to hold."""

    body: Body
    identity: Identity = _NOBODY
    subject: str = ""
    """What its order is kept by where it names nobody."""


class BadOrder(NamedTuple):
    """One order of a call that eSputnik could not use, while the others go on."""

    order_id: str
    errors: list[Finding]


@dataclass(slots=True)
class Taken:
    """A call that goes on."""

    parts: list[Part]
    warnings: list[Finding]
    bad_orders: list[BadOrder]


class CallJudge:
    """Judges the calls of one site; the same call has the same verdict, always.

    `statuses` tells eSputnik's status for the store's own, by its folded name. The rest is as for `Judge`.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        country: str,
        strict: bool,
        blocked: frozenset[str],
        statuses: Mapping[str, str],
    ) -> None:
        self._contracts = {call: catalogue.contract(call) for call in ApiCall}
        self._order = catalogue.part("Order")
        self._most_orders: int = self._contracts[ApiCall.ADD_ORDERS].schema["properties"]["orders"][
            "maxItems"
        ]
        self._country = country
        self._strict = strict
        self._blocked = identifiers.blocked_values(blocked)
        self._statuses = statuses

    def judge(self, call: ApiCall, body: object) -> Taken | Refused:
        """Return what becomes of the call's body, which is not changed."""
        if not isinstance(body, dict):
            return Refused(call, "not_an_object", [messages.wrong_type("", body, "object")])
        body = {name: _listed(name, value) for name, value in body.items()}
        verdict = self._orders(body) if call is ApiCall.ADD_ORDERS else self._whole(call, body)
        if self._strict and isinstance(verdict, Taken) and verdict.warnings:
            return Refused(call, "strict_mode", verdict.warnings)
        return verdict

    def _whole(self, call: ApiCall, body: Body) -> Taken | Refused:
        contract = self._contracts[call]
        findings: list[Finding] = []
        body = contract.mended(body, findings)
        identity = self._identity(call, body, findings)
        # Both sides of a $ref may find the same.
        errors = list(dict.fromkeys(contract.errors(body))) or list(_RULES.get(call, _no_more)(body))
        if errors:
            return Refused(call, "schema_violation", errors)
        if call is ApiCall.ADD_CONTACTS and not body.get("contactFields"):
            warn(findings, "/contactFields", "contact_fields_missing")
        return Taken([Part(body, identity, _subject(call, body))], findings, [])

    def _orders(self, body: Body) -> Taken | Refused:
        """Judge each order on its own, as eSputnik does; the call is refused where all of them are."""
        orders = body.get("orders")
        if not isinstance(orders, list) or not orders:
            errors = self._contracts[ApiCall.ADD_ORDERS].errors(body)
            return Refused(ApiCall.ADD_ORDERS, "schema_violation", errors)
        if len(orders) > self._most_orders:
            too_many = messages.too_many("/orders", len(orders), self._most_orders)
            return Refused(ApiCall.ADD_ORDERS, "schema_violation", [too_many])
        taken = Taken([], [], [])
        for index, order in enumerate(orders):
            errors = self._one_order(order, f"/orders/{index}", taken)
            if errors:
                order_id = order.get("externalOrderId") if isinstance(order, dict) else None
                taken.bad_orders.append(BadOrder(identifiers.text_of(order_id) or "", errors))
        if taken.parts:
            return taken
        errors = [error for order in taken.bad_orders for error in order.errors]
        return Refused(ApiCall.ADD_ORDERS, "schema_violation", errors[:MOST])

    def _one_order(self, order: Any, place: str, taken: Taken) -> list[Finding]:
        if not isinstance(order, dict):
            return [messages.wrong_type(place, order, "object")]
        findings: list[Finding] = []
        order = self._order.mended(self._with_status(order, findings), findings)
        identity = self._screened(order, "", findings)
        taken.warnings += [_at(place, finding) for finding in findings]
        del taken.warnings[MOST:]
        errors = [_at(place, error) for error in self._order.errors(order)]
        if not errors:
            taken.parts.append(Part(order, identity, f"order/{order['externalOrderId']}"))
        return errors

    def _with_status(self, order: Body, findings: list[Finding]) -> Body:
        status = order.get("status")
        if not isinstance(status, str) or status in STATUSES or is_unknown(status):
            return order
        own = self._statuses.get(folded(status)) or (status.upper() if status.upper() in STATUSES else None)
        if own is None:
            warn(findings, "/status", "status_unknown")
        return {**order, "status": own or INITIALIZED}

    def _identity(self, call: ApiCall, body: Body, findings: list[Finding]) -> Identity:
        match call:
            case ApiCall.ADD_CONTACT | ApiCall.UPDATE_CONTACT:
                return self._of_contact(body, "", findings)
            case ApiCall.SUBSCRIBE_CONTACT if isinstance(body.get("contact"), dict):
                return self._of_contact(body["contact"], "/contact", findings)
            case ApiCall.DELETE_CONTACT:
                return self._screened(body, "", findings)
            case ApiCall.ADD_CONTACTS if isinstance(body.get("contacts"), list):
                for index, contact in enumerate(body["contacts"]):
                    if isinstance(contact, dict):
                        self._of_contact(contact, f"/contacts/{index}", findings)
            case ApiCall.GENERATE_EVENT | ApiCall.GENERATE_EVENT_V3:
                return self._of_event(body)
        return _NOBODY

    def _of_contact(self, contact: Body, place: str, findings: list[Finding]) -> Identity:
        values: dict[str, Any] = {}
        channels = contact.get("channels")
        for channel in channels if isinstance(channels, list) else ():
            if isinstance(channel, dict) and isinstance(channel.get("type"), str):
                values.setdefault(channel["type"], channel.get("value"))
        who = self._screened(contact, place, findings)
        return who._replace(email=self._email(values.get("email")), phone=self._phone(values.get("sms")))

    def _of_event(self, body: Body) -> Identity:
        told = {name.lower(): value for name, value in _params(body)}
        found = {
            kind: next((told[name] for name in names if name in told), None)
            for kind, names in _PARAMS.items()
        }
        customer = identifiers.customer(found["customer"], self._blocked)
        email = self._email(found["email"]) or self._email(body.get("keyValue"))
        return Identity(None, customer, email, self._phone(found["phone"]))

    def _screened(self, holder: Body, place: str, findings: list[Finding]) -> Identity:
        """Return who `holder` names; leaves out of it a customer id that would make one person of many."""
        raw = holder.get("externalCustomerId")
        customer = identifiers.customer(raw, self._blocked)
        if customer is None and isinstance(raw, str):
            del holder["externalCustomerId"]
            warn(findings, f"{place}/externalCustomerId", "identifier_dropped")
        return Identity(None, customer, self._email(holder.get("email")), self._phone(holder.get("phone")))

    def _email(self, raw: object) -> str | None:
        return identifiers.email(raw, self._blocked)

    def _phone(self, raw: object) -> str | None:
        return identifiers.phone(raw, self._country, self._blocked)


def _listed(name: str, value: Any) -> Any:
    """Return a list of one where eSputnik's own way of writing lists left its element bare."""
    bare = name in _LISTS and isinstance(value, dict if name != "emails" else str) and value
    return [value] if bare else value


def _at(place: str, finding: Finding) -> Finding:
    return replace(finding, pointer=place + finding.pointer)


def _params(body: Body) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of an event, in the list of v1 and v2 or in the object of v3."""
    params = body.get("params")
    if isinstance(params, dict):
        yield from params.items()
    for param in params if isinstance(params, list) else ():
        if isinstance(param, dict) and isinstance(param.get("name"), str):
            yield param["name"], param.get("value")


def _subject(call: ApiCall, body: Body) -> str:
    match call:
        case ApiCall.DELETE_ORDERS if "externalOrderId" in body:
            return f"order/{body['externalOrderId']}"
        case ApiCall.GENERATE_EVENT | ApiCall.GENERATE_EVENT_V3 if body.get("keyValue"):
            return f"key/{body['keyValue']}"
    return ""


Rule = Callable[[Body], Iterable[Finding]]


def _no_more(body: Body) -> Iterable[Finding]:
    return ()


def _event_rules(body: Body) -> Iterator[Finding]:
    size = len(orjson.dumps(body))
    if size > EVENT_BYTES:
        yield Finding("", "too_large", f"{size} bytes are more than the maximum of {EVENT_BYTES}")
    if not body.get("keyValue") and not body.get("params"):
        yield Finding("", "no_identifier", "without keyValue, params have to tell whose event it is")
    names = set[str]()
    for index, (name, _) in enumerate(_params(body)):
        if name in names:
            yield Finding(f"/params/{index}/name", "unique", "a parameter's name stands twice")
        names.add(name)


def _group_rules(body: Body) -> Iterator[Finding]:
    kinds = [name for name in ("contactIds", "externalCustomerIds") if body.get(name)]
    if not kinds:
        message = "one of contactIds, externalCustomerIds is required; a detach without ids empties the list"
        yield Finding("", "no_ids", message)
    elif len(kinds) > 1:
        yield Finding("", "two_kinds_of_ids", "contactIds and externalCustomerIds exclude each other")


def _window_rules(body: Body) -> Iterator[Finding]:
    if "externalOrderId" in body:
        return
    first, last = milliseconds(body["from"]), milliseconds(body["to"])
    if first is None or last is None or not 0 < last - first <= _DAY_MS:
        yield Finding("/to", "window", "to must be later than from, by at most 24 hours")


_RULES: Mapping[ApiCall, Rule] = {
    ApiCall.GENERATE_EVENT: _event_rules,
    ApiCall.GENERATE_EVENT_V3: _event_rules,
    ApiCall.ATTACH_CONTACTS: _group_rules,
    ApiCall.DETACH_CONTACTS: _group_rules,
    ApiCall.DELETE_ORDERS: _window_rules,
}
