"""What a whole request is refused with: RFC 9457 problem details, one shape on every route."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson
from aiohttp import web

from gateway.validation import Finding

NO_ROUTE = "no route has this path; GET /docs shows them"
"""The detail of a 404 that comes from no handler."""

_TITLES = {
    "not_an_object": "The body is not an object",
    "schema_violation": "The body breaks the contract",
    "strict_mode": "The body needs repairs, which this site does not want",
    "malformed_json": "The body is not JSON",
    "malformed_encoding": "The body does not match its Content-Encoding",
    "too_large": "The request is too large",
    "too_many_events": "The request holds too many events",
    "too_many_lines": "The request holds too many lines",
    "too_many_values": "The request holds too many values",
    "unsupported_encoding": "The Content-Encoding is not supported",
    "unsupported_charset": "The charset is not supported",
    "body_timeout": "The body took too long to arrive",
    "body_incomplete": "The body ended early",
    "not_an_event": "The body is not an event",
    "idempotency_key_on_batch": "Idempotency-Key goes with a single event",
    "key_missing": "A key is missing",
    "key_unknown": "The key is not known",
    "wrong_site": "The key belongs to another site",
    "unknown_site": "The site is not known",
    "not_found": "Nothing is here",
    "method_not_allowed": "The method is not allowed here",
    "not_durable": "The events cannot be made durable now",
    "internal": "The gateway failed",
    "busy": "Too much is under way",
    "too_fast": "The site posts too fast",
    "esputnik_away": "eSputnik does not answer",
    "away": "A part of the gateway is away",
    "bad_request": "The request cannot be understood",
    "change_refused": "The change makes no sense as things stand",
    "setup_refused": "It cannot be set up as things stand",
    "bad_patch": "The patch cannot be applied",
    "unreadable": "The record cannot be read",
    "other_worker": "The shop has another service worker",
    "shop_not_seen": "The shop cannot be looked at",
}


class Problem(Exception):
    """A request that is refused whole; nothing of it was stored.

    `detail` names the rule and never repeats what the caller sent.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Finding] = (),
        more: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """`errors`: what was found in the body of a call, each with its place; `more`: further members."""
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers or {}
        self.errors = errors
        self.more = more

    def response(self) -> web.Response:
        """Return the problem as an HTTP answer."""
        content: dict[str, Any] = {
            "type": f"urn:esputnik-gateway:problem:{self.code}",
            "title": _TITLES[self.code],
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "message": self.detail,  # where eSputnik's own clients look for it
        }
        if self.errors:
            content["errors"] = self.errors
        content |= self.more
        return web.Response(
            body=orjson.dumps(content),
            status=self.status,
            headers={"Content-Type": "application/problem+json", **self.headers},
        )
