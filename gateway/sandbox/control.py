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
from gateway.sandbox.imports import FINISHED, STATUSES
from gateway.sandbox.journal import Request, iso, now

_PAGE = files("gateway.sandbox").joinpath("page.html").read_text(encoding="utf-8")


def routes() -> list[web.RouteDef]:
    """Return the routes that are the stand-in's own."""
    return [
        web.get("/", page),
        web.get("/_sandbox/requests", requests),
        web.get("/_sandbox/contacts", contacts),
        web.get("/_sandbox/orders", orders),
        web.get("/_sandbox/events", events),
        web.get("/_sandbox/groups", groups),
        web.post("/_sandbox/groups", add_group),
        web.get("/_sandbox/unsubscribed", unsubscribed),
        web.get("/_sandbox/imports", imports),
        web.post("/_sandbox/imports", set_imports),
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


def _settled(http: web.Request) -> State:
    """Return the state by now: imports that are due have happened."""
    state = http.app[STATE]
    state.settle()
    return state


async def contacts(http: web.Request) -> web.Response:
    """Every contact, deleted ones too, with its channels, cookies, orders and history."""
    return _json({"contacts": [json_of(contact) for contact in _settled(http).account.cards]})


async def orders(http: web.Request) -> web.Response:
    """Every order as it stands, with the id of its contact."""
    return _json({"orders": list(_settled(http).account.orders.values())})


async def events(http: web.Request) -> web.Response:
    """What events came or were raised by other calls, the oldest first; `type` chooses."""
    wanted = http.query.get("type")
    found = _settled(http).account.events
    return _json({"events": [one for one in found if wanted in {None, one["eventTypeKey"]}]})


async def groups(http: web.Request) -> web.Response:
    """Every segment with the ids of its contacts."""
    found = _settled(http).account.groups.values()
    return _json({"groups": [vars(group) | {"contacts": list(group.contacts)} for group in found]})


async def add_group(http: web.Request) -> web.Response:
    """Make the segment {"name"}, as somebody does in the account: the API has no call for it."""
    order = _order(await http.read())
    if not isinstance(order.get("name"), str) or not order["name"]:
        return _json({"error": "/name: must be a text"}, 400)
    return _json({"id": http.app[STATE].account.group(order["name"]).id})


async def unsubscribed(http: web.Request) -> web.Response:
    """The addresses that are unsubscribed."""
    return _json({"emails": list(http.app[STATE].account.unsubscribed)})


async def imports(http: web.Request) -> web.Response:
    """Every import session with its counts and failed rows, and how long the next ones take."""
    found = _settled(http).imports
    return _json({"seconds": found.seconds, "imports": [one.json() for one in found.sessions.values()]})


async def set_imports(http: web.Request) -> web.Response:
    """Take {"seconds"}, how long imports take from now on, null for until told; or {"move"}, a status.

    All imports that wait are brought to that status at once; ERROR ends them.
    """
    order, state = _order(await http.read()), _settled(http)
    seconds, move = order.get("seconds", 0), order.get("move", FINISHED)
    if not order or order.keys() - {"seconds", "move"}:
        return _json({"error": "the body must be an object of seconds or move"}, 400)
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float)):
        return _json({"error": "/seconds: must be seconds, or null for until told"}, 400)
    if move not in STATUSES:
        return _json({"error": f"/move: must be one of {', '.join(STATUSES)}"}, 400)
    if "seconds" in order:
        state.imports.seconds = seconds
    if "move" in order:
        state.imports.move(move, state.account, now())
    return await imports(http)


def _order(raw: bytes) -> dict[str, Any]:
    """Return the object that was posted; an empty one for what is none."""
    try:
        order = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return order if isinstance(order, dict) else {}


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
