"""`GET /v1/contacts`: the search for contacts, page by page."""

from collections.abc import Callable, Iterable

from aiohttp import web

from gateway.sandbox.answers import bad, told
from gateway.sandbox.cards import Contact
from gateway.sandbox.contacts import card
from gateway.sandbox.gate import State
from gateway.sandbox.identity import as_email, as_phone, text
from gateway.sandbox.journal import Request

PAGE = 500
"""Contacts that are returned at most (yespo.io/api, el_ns0_contacts)."""
_TOTAL_COUNT_IS_OFF_BY = 10_000


async def search(state: State, request: Request) -> web.Response:
    """`GET /v1/contacts`: contacts that have what is asked for somewhere in them, 500 at most.

    By email it is no exact match, and its TotalCount is four orders of magnitude off, as a production client
    found; `startindex` counts from 1. An external id stands alone, and is looked up exactly.
    """
    query = {name: value for name, value in request.query.items() if value}
    try:
        start, rows = int(query.pop("startindex", "1")), int(query.pop("maxrows", str(PAGE)))
    except ValueError:
        return bad("startindex and maxrows must be numbers")
    if start < 1 or rows < 1:
        return bad("startindex and maxrows count from 1")
    customer = query.pop("externalCustomerId", "")
    if customer and query.keys() & _ASKED.keys():
        return bad("externalCustomerId cannot be combined with other parameters")
    if customer:
        found = [c for c in state.account.cards.owners(("customer", customer)) if not c.deleted]
    else:
        found = [c for c in _candidates(state, query) if not c.deleted and _matches(c, query)]
    shown = [card(state, contact) for contact in found[start - 1 :][: min(rows, PAGE)]]
    return told(shown, {"TotalCount": str(max(1, len(found)) * _TOTAL_COUNT_IS_OFF_BY)})


_ASKED: dict[str, Callable[[str], str]] = {
    "email": as_email,
    "sms": as_phone,
    "firstname": str.lower,
    "lastname": str.lower,
}


def _candidates(state: State, query: dict[str, str]) -> Iterable[Contact]:
    """Return contacts of which those that match are some, each once."""
    for kind, name in (("email", "email"), ("phone", "sms")):
        if name in query:
            found = state.account.cards.holding(kind, _ASKED[name](query[name]))
            return {contact.id: contact for contact in found}.values()
    return state.account.cards


def _matches(contact: Contact, query: dict[str, str]) -> bool:
    held = {
        "email": [c["value"] for c in contact.channels if c["type"] == "email"],
        "sms": [c["value"] for c in contact.channels if c["type"] == "sms"],
        "firstname": [contact.fields.get("firstName")],
        "lastname": [contact.fields.get("lastName")],
    }
    return all(
        any(normal(query[name]) in normal(text(value)) for value in held[name])
        for name, normal in _ASKED.items()
        if name in query
    )


CALLS = [("GET", "/v1/contacts", search)]
