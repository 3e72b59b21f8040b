"""Identity into an event: into the record's head, and into the body's GeneralInfo where that is silent."""

from dataclasses import replace
from typing import Any

import orjson

from gateway.event import Record, lane_of
from gateway.identity.rules import Identity


def with_identity(record: Record, identity: Identity) -> Record:
    """Return the record of an anonymous event with the identity of its link's owner."""
    body, info = _parsed(record)
    _fill(info, "externalCustomerId", identity.customer)
    _fill(info, "user_email", identity.email)
    _fill(info, "user_phone", identity.phone)
    return replace(record, **identity._asdict(), body=orjson.dumps(body))


def with_cookie(record: Record, cookie: str) -> Record:
    """Return the record with the cookie it lacked, in that cookie's lane."""
    body, info = _parsed(record)
    if not isinstance(info.get("cookies"), dict):
        info["cookies"] = {}
    _fill(info["cookies"], "sc", cookie)
    lane = lane_of(record.site, cookie, record.customer, record.email, record.phone, record.id)
    return replace(record, cookie=cookie, lane=lane, body=orjson.dumps(body))


def _parsed(record: Record) -> tuple[Any, dict[str, Any]]:
    body = orjson.loads(record.body)
    return body, body.setdefault("GeneralInfo", {})


def _fill(place: dict[str, Any], name: str, value: str | None) -> None:
    """Set a value where there is none; what the event says stays, also where it identifies nobody."""
    if value and place.get(name) in (None, ""):
        place[name] = value
