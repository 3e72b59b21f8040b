"""Single contacts: add, subscribe, get, update, delete, and the App Inbox token."""

import uuid
from typing import Any

from aiohttp import web

from gateway.sandbox.answers import bad, sentence, told
from gateway.sandbox.cards import Contact
from gateway.sandbox.gate import State
from gateway.sandbox.identity import Body, Identity, as_email, as_phone, elements, of_contact, text
from gateway.sandbox.journal import Request
from gateway.sandbox.merging import Terms, meant
from gateway.sandbox.refusals import unreadable, unusable

_NOT_FOUND = "Contact not found"


async def add(state: State, request: Request) -> web.Response:
    """`POST /v1/contact`: create, update or restore one contact; at least one channel is needed."""
    if problem := unreadable(request.body) or unusable(request.body):
        return bad(problem)
    if problem := state.account.refusal(of_contact(request.body)):
        return bad(problem)
    contact = state.account.add(request.body)
    contact.confirmed = True
    return web.json_response({"id": contact.id})


async def subscribe(state: State, request: Request) -> web.Response:
    """`POST /v1/contact/subscribe`: add or update a contact, and raise an event that tells which it was.

    A new contact is unconfirmed; external id, email, phone decide in that order; segments are made when they
    are missing; the event's key is the contact's id (docs page 29359639788, "Subscribe contact"). As in a
    bulk call an external id is never replaced, and only by its external id is a deleted contact found.
    """
    body = request.body if isinstance(request.body, dict) else {}
    call: Any = body.get("contact")
    if problem := unreadable(call) or unusable(call):
        return bad(problem)
    contact, _ = meant(state.account, call, Terms())
    customer = text(call.get("externalCustomerId"))
    if contact is not None and contact.deleted and (not customer or contact.customer != customer):
        contact = None
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


def card(state: State, contact: Contact) -> Body:
    """Return the contact with the segments that it is in."""
    groups = [
        {"id": group.id, "name": group.name, "type": "Static"}
        for group in state.account.groups.values()
        if contact.id in group.contacts
    ]
    return contact.card() | ({"groups": groups} if groups else {})


async def get(state: State, request: Request) -> web.Response:
    """`GET /v1/contact/{id}`: one contact's card, by eSputnik's own id."""
    contact = _by_id(state, request)
    return told(card(state, contact)) if contact else sentence(_NOT_FOUND, 404)


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
    ("POST", "/v1/auth/contact/token", token),
]
