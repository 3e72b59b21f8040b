"""A decision into the record: identity into its head and into the body's GeneralInfo, or out of both."""

from collections.abc import Container
from dataclasses import replace
from typing import Any

import orjson

from gateway.event import Record, lane_of
from gateway.identity.facts import EMAIL, PHONE
from gateway.identity.owners import Identity
from gateway.identity.rules import Decision

_IDENTITY = ("externalCustomerId", "user_email", "user_phone", "user_name", "user_es_contact_id")
"""What GeneralInfo says of a person."""


def decided(record: Record, decision: Decision) -> Record | None:
    """Return the record as it goes on with that decision, None where it is dropped."""
    if decision.word == "dropped":
        return None
    stitched = record.copy()
    stitched.decision = str(decision)
    if decision.identity:
        _give_identity(stitched, decision.identity)
    elif decision.cookie:
        _give_cookie(stitched, decision.cookie)
    return stitched


def without_identity(record: Record) -> Record:
    """Return the record as of somebody unknown; what else it says stays."""
    body, info = _parsed(record)
    for name in _IDENTITY:
        info.pop(name, None)
    lane = lane_of(record.site, record.cookie, None, None, None, record.id)
    return replace(record, customer=None, email=None, phone=None, lane=lane, body=orjson.dumps(body))


def without_contacts(record: Record, contacts: Container[str]) -> Record:
    """Return the record without those of its contact keys."""
    body, info = _parsed(record)
    email, phone = record.email, record.phone
    if EMAIL + str(email) in contacts:
        info.pop("user_email", None)
        email = None
    if PHONE + str(phone) in contacts:
        info.pop("user_phone", None)
        phone = None
    return replace(record, email=email, phone=phone, body=orjson.dumps(body))


def _give_identity(record: Record, identity: Identity) -> None:
    """Make an anonymous event its link's owner's."""
    body, info = _parsed(record)
    _fill(info, "externalCustomerId", identity.customer)
    _fill(info, "user_email", identity.email)
    _fill(info, "user_phone", identity.phone)
    record.customer, record.email, record.phone = identity
    record.body = orjson.dumps(body)


def _give_cookie(record: Record, cookie: str) -> None:
    """Give a record the cookie it lacked, and move it to that cookie's lane."""
    body, info = _parsed(record)
    if not isinstance(info.get("cookies"), dict):
        info["cookies"] = {}
    _fill(info["cookies"], "sc", cookie)
    record.cookie = cookie
    record.lane = lane_of(record.site, cookie, record.customer, record.email, record.phone, record.id)
    record.body = orjson.dumps(body)


def _parsed(record: Record) -> tuple[Any, dict[str, Any]]:
    body = orjson.loads(record.body)
    return body, body.setdefault("GeneralInfo", {})


def _fill(place: dict[str, Any], name: str, value: str | None) -> None:
    """Set a value where there is none; what the event says stays, also where it identifies nobody."""
    if value and place.get(name) in (None, ""):
        place[name] = value
