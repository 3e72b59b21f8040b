"""The event as it stands in the stream: a small JSON head, a newline, the body's bytes.

The body is the event in the REST form that eSputnik documents, dumped once at ingest. Stages read and rewrite
the head only; the body is parsed again only where identity must be filled in.
"""

import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.errors import UnreadableRecord

HEAD_VERSION = 2
"""What this code reads. A tracking event is still written as version 1, which has no `target`: an older
process goes on with events, and waits at a call that it would take for one."""
_EVENT_VERSION = 1

LINK_MESSAGE = "CookieLink"
"""Type of the cookie-to-contact message of the WooCommerce plugin, which has no name of its own."""

LOGOUT = "Logout"
"""Type of the gateway's own event that ends a cookie's link; eSputnik knows none, so it is not sent on."""

PROBE = "_probe"
"""Type of the record that readiness appends to see whether the stream takes writes; stitching drops it."""


@dataclass(slots=True)
class Record:
    """One event with what the stages need to know about it.

    Times are milliseconds since 1970, UTC. Identifiers are normalised and screened (`gateway.identifiers`):
    one that may not take part in identity is None here, though it stays in the body as it came.
    """

    id: str
    """UUIDv7, or uuid5 of the site and the caller's own id; sent to eSputnik as X-Request-Id."""
    site: str
    type: str
    """Event name as in the schema catalogue, `CookieLink`, or one of `gateway.calls.ApiCall`."""
    lane: str
    """Key under which order is kept; see `lane_of`."""
    cookie: str | None
    customer: str | None
    """externalCustomerId."""
    email: str | None
    phone: str | None
    """E.164, with the leading plus."""
    occurred_at: int
    """When it happened by the event's own account; corrected for the sender's clock, never in the future."""
    accepted_at: int
    """When the gateway took it: the record's only "now", so that a replay decides the same."""
    body: bytes
    caller_id: bool = False
    """Whether the caller chose the id, so that a repeat of it is to be dropped."""
    decision: str | None = None
    """What stitching decided: linked, created, kept, refused or anonymous, with a reason after a colon."""
    replays: int = 0
    """How often an operator has sent it again; tells a replay from a copy that a write left."""
    target: str = ""
    """Of a call of eSputnik's API: method and path with query, `PUT v1/contact/42`."""
    answer_by: int = 0
    """Until when a caller waits for eSputnik's own answer; 0 where nobody does."""

    def copy(self) -> "Record":
        """Return a record that may be changed without changing this one; half as dear as `replace`."""
        return Record(
            self.id,
            self.site,
            self.type,
            self.lane,
            self.cookie,
            self.customer,
            self.email,
            self.phone,
            self.occurred_at,
            self.accepted_at,
            self.body,
            self.caller_id,
            self.decision,
            self.replays,
            self.target,
            self.answer_by,
        )

    def encode(self) -> bytes:
        """Return the record as it stands in the stream."""
        head: dict[str, Any] = {
            "v": _EVENT_VERSION,
            "id": self.id,
            "site": self.site,
            "type": self.type,
            "lane": self.lane,
            "cookie": self.cookie,
            "customer": self.customer,
            "email": self.email,
            "phone": self.phone,
            "occurred_at": self.occurred_at,
            "accepted_at": self.accepted_at,
            "caller_id": self.caller_id,
            "decision": self.decision,
        }
        if self.replays:
            head["replays"] = self.replays
        if self.target:
            head |= {"v": HEAD_VERSION, "target": self.target, "answer_by": self.answer_by}
        return b"%b\n%b" % (orjson.dumps(head), self.body)

    @classmethod
    def decode(cls, value: bytes) -> "Record":
        """Return the record that `encode` wrote, by this version or an older one.

        Raises UnreadableRecord where a newer version wrote it.
        """
        line, _, body = value.partition(b"\n")
        head = orjson.loads(line)
        version = head.pop("v")
        if version > HEAD_VERSION:
            raise UnreadableRecord(f"record head version {version} is newer than {HEAD_VERSION}")
        return cls(**head, body=body)


def json_to_keep(value: object) -> bytes:
    """Return the value as JSON that takes no more memory than it is long; raises TypeError as orjson does.

    What orjson returns keeps its whole buffer, 4 KB for 500 bytes and 32 KB for 4 000; a copy takes 0.2 us.
    """
    return b"".join((orjson.dumps(value), b""))


def lane_of(
    site: str, cookie: str | None, customer: str | None, email: str | None, phone: str | None, event_id: str
) -> str:
    """Return the lane: the cookie, else the customer, else the contact key, else the event's own id."""
    if cookie:
        return f"{site}/cookie/{cookie}"
    if customer:
        return f"{site}/customer/{customer}"
    if email or phone:
        return f"{site}/contact/{email or phone}"
    return f"{site}/event/{event_id}"


def caller_event_id(site: str, caller_id: str) -> str:
    """Return the event id for a caller's own id: the same on every process and after every restart."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{site}\0{caller_id}"))


_DRAW = 18
"""Random hexadecimal digits that one request's ids take."""
_DRAWS = 400
"""Requests served by one call of the operating system's source of randomness."""


def _random_digits() -> Iterator[str]:
    while True:
        digits = os.urandom(_DRAW * _DRAWS // 2).hex()
        for at in range(0, len(digits), _DRAW):
            yield digits[at : at + _DRAW]


_draws = _random_digits()


def event_ids(count: int) -> list[str]:
    """Return `count` new UUIDv7 texts (RFC 9562), ascending, unique across processes.

    One millisecond and one random start for the whole request; the ids count on from there.
    """
    stamp = f"{time.time_ns() // 1_000_000:012x}"
    digits = next(_draws)
    head = f"{stamp[:8]}-{stamp[8:]}-7{digits[:3]}-8{digits[3:6]}-"
    start = int(digits[6:], 16) >> 1
    return [f"{head}{number:012x}" for number in range(start, start + count)]
