"""Single contacts: add, subscribe, get, update, delete, search, and the App Inbox token."""

import uuid
from typing import Any

from aiohttp import web

from gateway.sandbox.answers import bad, sentence, told
from gateway.sandbox.cards import Contact
from gateway.sandbox.gate import State
from gateway.sandbox.identity import Body, Identity, as_email, as_phone, elements, of_contact, text
from gateway.sandbox.journal import Request
from gateway.sandbox.refusals import unreadable, unusable

PAGE = 500
"""Contacts that a search returns at most (yespo.io/api, el_ns0_contacts)."""
_TOTAL_COUNT_IS_OFF_BY = 10_000

_NOT_FOUND = "Contact not found"


async def add(state: State, request: Request) -> web.Response:
    """`POST /v1/contact`: create, update or restore one contact; at least one channel is needed."""
    if problem := unreadable(request.body) or unusable(request.body):
        return bad(problem)
    contact = state.account.add(request.body)
    contact.confirmed = True
    return web.json_response({"id": contact.id})


async def subscribe(state: State, request: Request) -> web.Response:
    """`POST /v1/contact/subscribe`: add or update a contact, and raise an event that tells which it was.

    A new contact is unconfirmed; external id, email, phone decide in that order; segments are made when they
    are missing; the event's key is the contact's id (docs page 29359639788, "Subscribe contact").
    """
    body = request.body if isinstance(request.body, dict) else {}
    call: Any = body.get("contact")
    if problem := unreadable(call) or unusable(call):
        return bad(problem)
    contact = state.account.cards.find(of_contact(call))
    event = "subscribeUpdateFromApi" if contact else "subscribeFromApi"
    if contact is None:
        contact = state.account.add(call)
        contact.confirmed = False
    else:
        state.account.update(contact, call)
    for name in filter(None, map(text, elements(body.get("groups")))):
        state.account.group(name).contacts[contact.id] = None
    form = text(body.get("formType"))
    email = contact.value("email")
    params = {"ContactId": contact.id} | ({"EmailAddress": email} if email else {})
    raised = {"eventTypeKey": f"{event}-{form}" if form else event, "keyValue": str(contact.id)}
    state.account.raised(raised | {"params": params}, contact, request.at)
    return web.json_response({"id": contact.id})


def _by_id(state: State, request: Request) -> Contact | None:
    return state.account.cards.find(Identity(contact=request.match["id"]))


def _card(state: State, contact: Contact) -> Body:
    groups = [
        {"id": group.id, "name": group.name, "type": "Static"}
        for group in state.account.groups.values()
        if contact.id in group.contacts
    ]
    return contact.card() | ({"groups": groups} if groups else {})


async def get(state: State, request: Request) -> web.Response:
    """`GET /v1/contact/{id}`: one contact's card, by eSputnik's own id."""
    contact = _by_id(state, request)
    return told(_card(state, contact)) if contact else sentence(_NOT_FOUND, 404)


async def update(state: State, request: Request) -> web.Response:
    """`PUT /v1/contact/{id}`: update only; an external id that another contact owns is an error.

    The answer is a sentence, as a live one was in 2015 (Multitest/python-esputnik-api); the rule about the id
    is told by docs page 29829152407, "External ID".
    """
    contact = _by_id(state, request)
    if contact is None:
        return sentence(_NOT_FOUND, 404)
    if problem := unreadable(request.body):
        return bad(problem)
    if "channels" in request.body and (problem := unusable(request.body)):
        return bad(problem)
    customer = text(request.body.get("externalCustomerId"))
    if any(owner is not contact for owner in state.account.cards.owners(("customer", customer))):
        return bad("externalCustomerId belongs to another contact")
    state.account.update(contact, request.body)
    return sentence("Contact has been updated")


async def delete(state: State, request: Request) -> web.Response:
    """`DELETE /v1/contact/{id}`: mark as deleted; the answer is a sentence, as it always was."""
    return _deleted(state, _by_id(state, request), erase=False)


async def delete_customer(state: State, request: Request) -> web.Response:
    """`DELETE /v1/contact?externalCustomerId=…&erase=…`: `erase=true` removes all data.

    It finds a contact that is marked as deleted already when it is to be erased: the profile is still there
    (CMS integration guide 1.4).
    """
    customer = text(request.query.get("externalCustomerId"))
    if not customer:
        return bad("externalCustomerId is required")
    erase = request.query.get("erase") == "true"
    return _deleted(state, state.account.cards.find(Identity(customer=customer), deleted=erase), erase)


def _deleted(state: State, contact: Contact | None, erase: bool) -> web.Response:
    if contact is None:
        return sentence(_NOT_FOUND, 404)
    state.account.delete(contact, erase)
    return sentence("Contact has been deleted")


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
        found = [c for c in state.account.cards if not c.deleted and _matches(c, query)]
    shown = [_card(state, contact) for contact in found[start - 1 :][: min(rows, PAGE)]]
    return told(shown, {"TotalCount": str(max(1, len(found)) * _TOTAL_COUNT_IS_OFF_BY)})


_ASKED = {"email": as_email, "sms": as_phone, "firstname": str.lower, "lastname": str.lower}


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


async def token(state: State, request: Request) -> web.Response:
    """`POST /v1/auth/contact/token`: a token of App Inbox for a contact that exists.

    One of email, phone and externalCustomerId is needed (docs page 29499908720); the OpenCart plugin says
    `extid`.
    """
    call: Any = request.body if isinstance(request.body, dict) else {}
    identity = Identity(
        customer=text(call.get("externalCustomerId")) or text(call.get("extid")),
        email=as_email(call.get("email")),
        phone=as_phone(call.get("phone")),
    )
    if not any(identity.ids()):
        return bad("email, phone or externalCustomerId is required")
    if state.account.cards.find(identity) is None:
        return sentence(_NOT_FOUND, 404)
    return web.json_response({"token": str(uuid.uuid4())})


CALLS = [
    ("POST", "/v1/contact", add),
    ("DELETE", "/v1/contact", delete_customer),
    ("POST", "/v1/contact/subscribe", subscribe),
    ("GET", "/v1/contact/{id}", get),
    ("PUT", "/v1/contact/{id}", update),
    ("DELETE", "/v1/contact/{id}", delete),
    ("GET", "/v1/contacts", search),
    ("POST", "/v1/auth/contact/token", token),
]
