"""Events: `POST /v1|v2|v3/event`, and past ones.

The rules are those of docs pages 30168914290 ("Using Generate event"), 29685675536 (validating event
parameters), 29432212138 (segmentation by events) and 29352572214 (past events). About whether an event
creates a contact the pages contradict each other; here it never does. `ip` adds no place, and a keyValue may
come again: the pages tell firmly only of identical requests.
"""

import re
from functools import partial
from typing import Any

import orjson
from aiohttp import web

from gateway.sandbox.account import Account
from gateway.sandbox.answers import bad, refusal
from gateway.sandbox.cards import Contact
from gateway.sandbox.gate import State
from gateway.sandbox.identity import Body, Identity, as_email, as_phone, in_params, text
from gateway.sandbox.journal import Request
from gateway.sandbox.orders import place_by_event
from gateway.sandbox.refusals import unreadable, unusable, unusable_word

BYTES = 20_000
"""Of one event's body."""
PAST = 500
"""Past events in one request."""
_TYPE, _KEY, _NAME = 100, 300, 100
"""Characters of eventTypeKey, keyValue, a parameter's name."""
_NAME_OF_A_PERSON = 60


class Refused(ValueError):
    """An event that is not taken; its text says why."""


async def generate(version: str, state: State, request: Request) -> web.Response:
    """`POST /v1|v2|v3/event`: one event; the answer has no body that any page tells of."""
    if request.length > BYTES:
        return bad("Event is larger than 20 kB")
    try:
        event = _read(version, request.body)
        _check_required(state.account, event)
    except Refused as problem:
        return bad(str(problem))
    _raise(state.account, event, request.at)
    return web.Response(status=200)


async def past(version: str, state: State, request: Request) -> web.Response:
    """`POST /v1|v2|v3/past_events`: up to 500 events of the past, each with `occurred`.

    v1's path is told by esputnik.com/en/support/how-send-past-events; the others' follow from it. An event
    without a contact that was imported before finds nobody and is kept as nobody's.
    """
    events = request.body.get("events") if isinstance(request.body, dict) else None
    if not isinstance(events, list) or not 1 <= len(events) <= PAST:
        return bad(f"events must be a list of 1 to {PAST}")
    try:
        read = [_read(version, event) | {"occurred": _occurred(event)} for event in events]
        for event in read:
            _check_required(state.account, event)
    except Refused as problem:
        return bad(str(problem))
    for event in read:
        _raise(state.account, event, request.at)
    return web.Response(status=200)


async def delete(_: State, request: Request) -> web.Response:
    """`DELETE /v1/event`: off until eSputnik's support enables it (page 29352572214)."""
    return refusal(403, "Forbidden", request.path)


def _read(version: str, body: Any) -> Body:
    """Return {"version", "eventTypeKey", "keyValue", "params": {name: value}}; raises Refused."""
    if not isinstance(body, dict):
        raise Refused("Request body is not an event")
    event_type, key = text(body.get("eventTypeKey")), text(body.get("keyValue"))
    if not event_type:
        raise Refused("eventTypeKey is required")
    _check(unusable_word("eventTypeKey", event_type, _TYPE) or unusable_word("keyValue", key, _KEY))
    params = _params(version, body.get("params"))
    if version == "v2":
        params = {name: value for name, value in params.items() if not _is_ignored(name, value)}
    _check_contact(params)
    if not key:
        key = next((value for _, value in in_params(params)), "")
    if not key:
        raise Refused("keyValue, or a parameter that identifies a contact, is required")
    return {"version": version, "eventTypeKey": event_type, "keyValue": key, "params": params}


def _params(version: str, given: Any) -> Body:
    """Return parameters by name: a list of {name, value} in v1 and v2, an object in v3."""
    if version == "v3":
        if not isinstance(given, dict | None):
            raise Refused("params must be an object")
        pairs = list((given or {}).items())
    else:
        if not isinstance(given, list | None):
            raise Refused("params must be a list of name and value")
        if not all(isinstance(one, dict) and {"name", "value"} <= one.keys() for one in given or ()):
            raise Refused("Each of params must have name and value")
        pairs = [(text(one["name"]), one["value"]) for one in given or ()]
    if len(dict(pairs)) < len(pairs):
        raise Refused("Names of params must be unique")
    for name, value in pairs:
        if not 1 <= len(name) <= _NAME:
            raise Refused(f"A name in params must have 1 to {_NAME} characters")
        if version == "v1" and isinstance(value, dict | list):
            raise Refused("Nested JSON in params must be escaped text")
    return {name: _to_second_level(value) for name, value in pairs}


def _to_second_level(value: Any, level: int = 1) -> Any:
    """Return the value with what lies deeper than the second level as text (page 30168914290)."""
    if not isinstance(value, dict | list):
        return value
    if level > 2:
        return orjson.dumps(value).decode()
    if isinstance(value, dict):
        return {name: _to_second_level(held, level + 1) for name, held in value.items()}
    return [_to_second_level(held, level if isinstance(held, dict) else level + 1) for held in value]


def _is_ignored(name: str, value: Any) -> bool:
    """Return whether v2 takes it for no external id: "", " ", "null" and null are none."""
    return name.lower() == "externalcustomerid" and text(value) in {"", "null"}


def _check(problem: str) -> None:
    if problem:
        raise Refused(problem)


def _check_required(account: Account, event: Body) -> None:
    """Check an event of a type whose validation is on: a 400 is a sentence, then the list as JSON."""
    required = account.required_params.get(event["eventTypeKey"], [])
    if not event["params"].keys() >= set(required):
        raise Refused(f"Event params are not valid. Required params: {orjson.dumps(required).decode()}")


def _check_contact(params: Body) -> None:
    """Check `contactJson` as a contact: its names have up to 60 characters and at most 3 digits."""
    if "contactJson" not in params:
        return
    given = params["contactJson"]
    try:
        contact = orjson.loads(given) if isinstance(given, str) else given
    except orjson.JSONDecodeError as error:
        raise Refused("contactJson is not JSON") from error
    _check(unreadable(contact) or unusable(contact))
    for name in ("firstName", "lastName"):
        value = text(contact.get(name))
        if len(value) > _NAME_OF_A_PERSON or len(re.findall(r"\d", value)) > 3:
            raise Refused(f"contactJson has an invalid {name}")


def _contact(account: Account, event: Body) -> Contact | None:
    for kind, value in in_params(event["params"]):
        if kind in {"push", "key"}:
            found = next((c for c in account.cards.owners((kind, value)) if not c.deleted), None)
        else:
            normal = {"email": as_email, "phone": as_phone}.get(kind, text)
            found = account.cards.find(Identity(**{kind: normal(value)}))
        if found is not None:
            return found
    key = event["keyValue"]
    return account.cards.find(Identity(key, as_email(key), as_phone(key) if "@" not in key else "", key))


def _raise(account: Account, event: Body, at: str) -> None:
    account.raised(event, _contact(account, event), at)
    place_by_event(account, event["eventTypeKey"], event["params"])


def _occurred(event: Body) -> str:
    occurred = text(event.get("occurred"))
    if not re.fullmatch(r"\d{4}-\d\d-\d\d(T\d\d:\d\d)?", occurred):
        raise Refused("occurred must be YYYY-MM-DD or YYYY-MM-DDTHH:mm")
    return occurred


CALLS = [
    *(("POST", f"/{version}/event", partial(generate, version)) for version in ("v1", "v2", "v3")),
    *(("POST", f"/{version}/past_events", partial(past, version)) for version in ("v1", "v2", "v3")),
    ("DELETE", "/v1/event", delete),
]
