"""Segments of the type List, and addresses that unsubscribed."""

from collections.abc import Iterator

from aiohttp import web

from gateway.sandbox.account import Group
from gateway.sandbox.answers import bad, sentence, told
from gateway.sandbox.cards import Contact
from gateway.sandbox.gate import State
from gateway.sandbox.identity import Identity, as_email, elements, text
from gateway.sandbox.journal import Request
from gateway.sandbox.search import PAGE

IDS = 500
"""Contacts in one attach or detach (docs page 29359639788)."""


async def groups(state: State, request: Request) -> web.Response:
    """`GET /v1/groups`: every segment; with `name` those that have it in their name."""
    name = request.query.get("name", "").lower()
    found = [group for group in state.account.groups.values() if name in group.name.lower()]
    return told([{"id": group.id, "name": group.name, "type": "Static"} for group in found])


async def members(state: State, request: Request) -> web.Response:
    """`GET /v1/group/{id}/contacts`: who is in the segment, 500 at most from `startindex` (1)."""
    group = _named(state, request)
    if group is None:
        return _no_group()
    try:
        start, rows = int(request.query.get("startindex", "1")), int(request.query.get("maxrows", str(PAGE)))
    except ValueError:
        return bad("startindex and maxrows must be numbers")
    found = [state.account.cards.get(contact) for contact in group.contacts]
    living = [contact for contact in found if contact is not None and not contact.deleted]
    return told([contact.card() for contact in living[max(0, start - 1) :][: min(max(1, rows), PAGE)]])


async def attach(state: State, request: Request) -> web.Response:
    """`POST /v1/group/{id}/contacts/attach`: by eSputnik's ids or by external ids, not both; 500 at most."""
    group = _named(state, request)
    if group is None:
        return _no_group()
    kind, ids, problem = _ids(request.body)
    if problem or not ids:
        return bad(problem or "contactIds or externalCustomerIds is required")
    for contact in _contacts(state, kind, ids):
        group.contacts[contact.id] = None
    return sentence("Contacts have been attached")


async def detach(state: State, request: Request) -> web.Response:
    """`POST /v1/group/{id}/contacts/detach`: the same; without ids it empties the list.

    "If you do not specify IDs, all contacts will be removed from the segment" (docs page 29359639788): an
    empty list of them does it too, and no body at all. The answer is a sentence, as a production client
    found.
    """
    group = _named(state, request)
    if group is None:
        return _no_group()
    kind, ids, problem = _ids(request.body)
    if problem:
        return bad(problem)
    if not ids:
        group.contacts.clear()
    for contact in _contacts(state, kind, ids):
        group.contacts.pop(contact.id, None)
    return sentence("Contacts have been detached")


def _named(state: State, request: Request) -> Group | None:
    number = request.match["id"]
    return state.account.groups.get(int(number)) if number.isdecimal() else None


def _no_group() -> web.Response:
    return sentence("Group not found", 404)


def _ids(body: object) -> tuple[str, list[str], str]:
    """Return the kind of the ids, the ids, and what is wrong with them."""
    call = body if isinstance(body, dict) else {}
    given = {
        "contact": elements(call.get("contactIds")),
        "customer": elements(call.get("externalCustomerIds")),
    }
    if all(given.values()):
        return "", [], "Use only one contact identifier in the request"
    kind = "customer" if given["customer"] else "contact"
    ids = [text(one) for one in given[kind]]
    return kind, ids, f"More than {IDS} contacts" if len(ids) > IDS else ""


def _contacts(state: State, kind: str, ids: list[str]) -> Iterator[Contact]:
    for one in filter(None, ids):
        contact = state.account.cards.find(Identity(**{kind: one}))
        if contact is not None:
            yield contact


async def unsubscribe(state: State, request: Request) -> web.Response:
    """`POST /v1/emails/unsubscribed/add`: acts on addresses, whether a contact has them or not."""
    emails = _emails(request.body)
    state.account.unsubscribed |= dict.fromkeys(emails)
    return sentence("Emails have been unsubscribed") if emails else bad("emails is required")


async def resubscribe(state: State, request: Request) -> web.Response:
    """`POST /v1/emails/unsubscribed/delete`: takes addresses from that list."""
    emails = _emails(request.body)
    for email in emails:
        state.account.unsubscribed.pop(email, None)
    return sentence("Emails have been removed") if emails else bad("emails is required")


def _emails(body: object) -> list[str]:
    given = body.get("emails") if isinstance(body, dict) else None
    return [email for email in map(as_email, elements(given)) if email]


CALLS = [
    ("GET", "/v1/groups", groups),
    ("GET", "/v1/group/{id}/contacts", members),
    ("POST", "/v1/group/{id}/contacts/attach", attach),
    ("POST", "/v1/group/{id}/contacts/detach", detach),
    ("POST", "/v1/emails/unsubscribed/add", unsubscribe),
    ("POST", "/v1/emails/unsubscribed/delete", resubscribe),
]
