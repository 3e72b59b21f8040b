"""The API: contacts and the account, with the key as the password of any user."""

import base64
import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from gateway.sandbox.gate import STATE, Call, State, gated, refusal
from gateway.sandbox.identity import channels, text
from gateway.sandbox.journal import Request

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_CHANNELS = {"email", "sms", "viber", "mobilepush", "webpush"}


def routes() -> list[web.RouteDef]:
    """Return the routes of the API, each under /api/v1 and /v1, with and without a trailing slash."""
    calls = [
        ("GET", "/account/info", account_info),
        ("POST", "/contact", add_contact),
        ("DELETE", "/contact", delete_contact),
        ("GET", "/contact/{id}", get_contact),
    ]
    return [
        web.route(method, prefix + path + slash, _keyed(call))
        for method, path, call in calls
        for prefix in ("/api/v1", "/v1")
        for slash in ("", "/")
    ]


def _keyed(call: Call) -> Handler:
    handle = gated(call, repeats=False)

    async def with_key(http: web.Request) -> web.StreamResponse:
        if not _opens(http.headers.get("Authorization", ""), http.app[STATE].api_key):
            return await gated(_unauthorized, repeats=True)(http)
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


async def _unauthorized(_: State, request: Request) -> web.Response:
    return refusal(401, "Unauthorized", request.path)


async def account_info(_: State, __: Request) -> web.Response:
    """`GET /v1/account/info`: whose key it is."""
    return web.json_response(
        {"userEmail": "owner@sandbox.example", "organisationName": "Sandbox", "orgId": 7}
    )


async def add_contact(state: State, request: Request) -> web.Response:
    """`POST /v1/contact`: create, update or restore one contact; at least one channel is needed."""
    call = request.body
    if not isinstance(call, dict):
        return web.Response(status=400, text="Request body is not a contact")
    given = channels(call)
    if not given:
        return web.Response(status=400, text="Contact must have at least one channel")
    for channel in given:
        if channel["type"] not in _CHANNELS:
            return web.Response(status=400, text="Unknown channel type")
    return web.json_response({"id": state.account.add(call).id})


async def get_contact(state: State, request: Request) -> web.Response:
    """`GET /v1/contact/{id}`: one contact's card, by eSputnik's own id."""
    contact = state.account.contact(request.path.rstrip("/").rpartition("/")[2])
    if contact is None:
        return web.Response(status=404, text="Contact not found")
    return web.json_response(as_esputnik(contact.card()))


async def delete_contact(state: State, request: Request) -> web.Response:
    """`DELETE /v1/contact?externalCustomerId=…&erase=…`: the answer is a sentence, as it always was."""
    customer = text(request.query.get("externalCustomerId"))
    if not customer:
        return web.Response(status=400, text="externalCustomerId is required")
    if not state.account.delete(customer, erase=request.query.get("erase") == "true"):
        return web.Response(status=404, text="Contact not found")
    return web.Response(text="Contact has been deleted")


def as_esputnik(value: Any) -> Any:
    """Return JSON as eSputnik writes it: a list of one is its bare element, numbers and booleans are text.

    Both are told by the FAQ's samples (docs page 29549050932) and by what official clients repair.
    """
    if isinstance(value, dict):
        return {name: as_esputnik(held) for name, held in value.items()}
    if isinstance(value, list):
        return as_esputnik(value[0]) if len(value) == 1 else [as_esputnik(held) for held in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value
