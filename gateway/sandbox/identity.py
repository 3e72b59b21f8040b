"""Who a tracker message or a contact call is about, as far as it says so itself; pure."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

Body = dict[str, Any]


class Identity(NamedTuple):
    """Identifiers as eSputnik compares them: text, emails in lower case, phones as digits; "" is none."""

    customer: str = ""
    email: str = ""
    phone: str = ""
    contact: str = ""
    """eSputnik's own id of a contact."""
    cookie: str = ""

    def ids(self) -> Iterator[tuple[str, str]]:
        """Return (kind, value) of what can match a contact, strongest first.

        The order is that of docs page 29339534465, "Identification of contacts".
        """
        named = zip(self._fields[:3], self[:3], strict=True)
        return ((kind, value) for kind, value in (("contact", self.contact), *named) if value)

    def names(self) -> set[str]:
        """Return every identifier that is there."""
        return {value for value in self if value}


def of_tracker(message: Body) -> Identity:
    """Return who an event with GeneralInfo, or the WooCommerce plugin's link message, is about."""
    info = message.get("GeneralInfo")
    if not isinstance(info, dict):
        return of_plain(message)
    cookies = info.get("cookies")
    return Identity(
        customer=text(info.get("externalCustomerId")),
        email=as_email(info.get("user_email")),
        phone=as_phone(info.get("user_phone")),
        contact=text(info.get("user_es_contact_id")),
        cookie=text(cookies.get("sc")) if isinstance(cookies, dict) else "",
    )


def of_contact(call: Body) -> Identity:
    """Return who a body of `POST /v1/contact` is about: its external id, first email and first phone."""
    values = {
        kind: [c.get("value") for c in channels(call) if c.get("type") == kind] for kind in ("email", "sms")
    }
    return Identity(
        customer=text(call.get("externalCustomerId")),
        email=as_email(next(iter(values["email"]), None)),
        phone=as_phone(next(iter(values["sms"]), None)),
    )


def of_plain(call: Body) -> Identity:
    """Return who an order, a request for a token, or a link message is about."""
    return Identity(
        customer=text(call.get("externalCustomerId")),
        email=as_email(call.get("email")),
        phone=as_phone(call.get("phone")),
        cookie=text(call.get("webId")),
    )


_PARAMS = {
    "contact": ("contactid", "contact_id"),
    "customer": ("externalcustomerid",),
    "email": ("email", "emailaddress", "useremail", "contactemail"),
    "phone": ("phone", "sms", "phonenumber"),
    "push": ("pushtoken",),
    "key": ("contactkey", "contact_key"),
}
"""Parameters of events that identify, in lower case: case does not matter (docs page 29432212138)."""


def in_params(params: Body) -> list[tuple[str, str]]:
    """Return (kind, value) of what identifies a contact in an event, best first (docs page 29685675536)."""
    lowered = {name.lower(): value for name, value in params.items()}
    return [
        (kind, text(lowered[name]))
        for kind, names in _PARAMS.items()
        for name in names
        if text(lowered.get(name))
    ]


def of_event(event: Body) -> Identity:
    """Return who an event is about, by its parameters in any of their forms."""
    params = event.get("params")
    if not isinstance(params, dict):
        listed = [one for one in elements(params) if isinstance(one, dict)]
        params = {text(one.get("name")): one.get("value") for one in listed}
    held = dict(reversed(in_params(params)))
    email, phone = as_email(held.get("email")), as_phone(held.get("phone"))
    return Identity(held.get("customer", ""), email, phone, held.get("contact", ""))


def people(body: object) -> Iterator[Identity]:
    """Yield whom a request's body is about, once for each contact, order or event in it that tells."""
    return (identity for identity in _read(body) if identity != Identity())


def _read(body: object) -> Iterator[Identity]:
    if not isinstance(body, dict):
        return
    for name, read in (("contacts", of_contact), ("orders", of_plain), ("events", of_event)):
        if isinstance(body.get(name), list):
            yield from (read(one) for one in body[name] if isinstance(one, dict))
            return
    held = body.get("contact")
    if "eventTypeKey" in body:
        yield of_event(body)
    elif isinstance(held, dict):
        yield of_contact(held)
    else:
        yield (of_contact if "channels" in body else of_tracker)(body)


def channels(call: Body) -> list[Body]:
    """Return the channels that are objects with a type and a value."""
    return [
        c
        for c in elements(call.get("channels"))
        if isinstance(c, dict) and isinstance(c.get("type"), str) and text(c.get("value"))
    ]


def elements(value: Any) -> list[Any]:
    """Return a list, also where there is its only element, bare, or nothing."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def text(value: object) -> str:
    """Return an identifier as text; what is no identifier is ""."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    return str(value).strip()


def as_email(value: object) -> str:
    """Return an email in lower case."""
    return text(value).lower()


def as_phone(value: object) -> str:
    """Return the digits of a phone number."""
    return re.sub(r"\D", "", text(value))
