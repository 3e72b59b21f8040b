"""What a developer or a test asks of the stand-in itself: /_sandbox/... and the page at /."""

from datetime import datetime
from importlib.resources import files
from typing import Any

import orjson
from aiohttp import web

from gateway.sandbox.account import json_of
from gateway.sandbox.faults import BadFault
from gateway.sandbox.gate import STATE, State
from gateway.sandbox.identity import Identity, of_contact, of_tracker
from gateway.sandbox.journal import Request, iso

_PAGE = files("gateway.sandbox").joinpath("page.html").read_text(encoding="utf-8")


def routes() -> list[web.RouteDef]:
    """Return the routes that are the stand-in's own."""
    return [
        web.get("/", page),
        web.get("/_sandbox/requests", requests),
        web.get("/_sandbox/contacts", contacts),
        web.post("/_sandbox/reset", reset),
        web.get("/_sandbox/faults", faults),
        web.post("/_sandbox/faults", set_faults),
    ]


async def page(_: web.Request) -> web.Response:
    """The page that shows live what arrives, grouped by person."""
    return web.Response(text=_PAGE, content_type="text/html")


async def requests(http: web.Request) -> web.Response:
    """What came, in order of arrival; `path`, `person`, `since`, `after` choose, `limit` keeps the newest."""
    state, query = http.app[STATE], http.query
    try:
        since = iso(datetime.fromisoformat(query["since"].replace(" ", "+"))) if "since" in query else ""
        limit, after = int(query.get("limit", "0")), int(query.get("after", "0"))
    except ValueError:
        return _json({"error": "since must be an ISO 8601 time, limit and after numbers"}, 400)
    person = query.get("person")
    names = state.account.names(person) if person else None
    found = list(state.journal.find(query.get("path", "*"), since, names, after))
    return _json({"requests": [_shown(state, request) for request in found[-limit:]]})


def _shown(state: State, request: Request) -> dict[str, Any]:
    body = request.body if isinstance(request.body, dict) else {}
    is_contact = "channels" in body
    identity = (of_contact if is_contact else of_tracker)(body)
    return {
        "number": request.number,
        "at": request.at,
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "headers": request.headers,
        "body": request.body,
        "status": request.status,
        "taken": request.taken,
        "person": None if identity == Identity() else state.account.person(identity),
    }


async def contacts(http: web.Request) -> web.Response:
    """Every contact with its channels, cookies and history."""
    return _json({"contacts": [json_of(contact) for contact in http.app[STATE].account.contacts()]})


async def reset(http: web.Request) -> web.Response:
    """Forget everything."""
    http.app[STATE].reset()
    return web.Response(status=204)


async def faults(http: web.Request) -> web.Response:
    """The faults that are still to come."""
    return _json({"faults": http.app[STATE].faults.left()})


async def set_faults(http: web.Request) -> web.Response:
    """Take a list of faults in place of those there were."""
    try:
        http.app[STATE].faults.set(orjson.loads(await http.read()))
    except orjson.JSONDecodeError:
        return _json({"error": "the body is not JSON"}, 400)
    except BadFault as problem:
        return _json({"error": str(problem)}, 400)
    return await faults(http)


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")
