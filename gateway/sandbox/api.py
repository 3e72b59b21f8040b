"""The API's paths, each under /api and without, with and without a trailing slash; the key opens them."""

import base64
import hmac
from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.sandbox import about, bulk, contacts, events, groups, orders, products, recoms, search, site
from gateway.sandbox.answers import refusal
from gateway.sandbox.gate import STATE, Call, State, gated
from gateway.sandbox.journal import Request

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ROOMS = (about, contacts, search, bulk, groups, orders, events, site, products, recoms)
_REPEATABLE = (products,)
"""Calls that may be sent again as they are: their contract asks for that when an answer is lost."""


def routes() -> list[web.RouteDef]:
    """Return the routes of every call."""
    return [
        web.route(method, prefix + path + slash, _keyed(call, repeats=room in _REPEATABLE))
        for room in ROOMS
        for method, path, call in room.CALLS
        for prefix in ("/api", "")
        for slash in ("", "/")
    ]


def _keyed(call: Call, *, repeats: bool) -> Handler:
    handle = gated(call, repeats=repeats)

    async def with_key(http: web.Request) -> web.StreamResponse:
        if not _opens(http.headers.get("Authorization", ""), http.app[STATE].api_key):
            return await gated(_unauthorized, repeats=True)(http)
        if http.body_exists and http.content_type != "application/json":
            return await gated(_unsupported, repeats=True)(http)
        return await handle(http)

    return with_key


def _opens(header: str, key: str) -> bool:
    """Return whether the header carries the key: the password of any user, or a Bearer token."""
    scheme, _, given = header.partition(" ")
    if scheme.lower() == "bearer":
        return hmac.compare_digest(given.strip().encode(), key.encode())
    try:
        password = base64.b64decode(given, validate=True).partition(b":")[2]
    except ValueError:
        return False
    return hmac.compare_digest(password, key.encode())


async def _unsupported(_: State, request: Request) -> web.Response:
    return refusal(415, "Unsupported Media Type", request.path)


async def _unauthorized(_: State, request: Request) -> web.Response:
    return refusal(401, "Unauthorized", request.path)
