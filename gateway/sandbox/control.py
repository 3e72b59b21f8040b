"""What a developer or a test tells the stand-in itself: /_sandbox/... and the page at /."""

import asyncio
from datetime import datetime
from importlib.resources import files
from itertools import islice
from typing import Any

import orjson
from aiohttp import web

from gateway.sandbox.arrived import answer, imports
from gateway.sandbox.faults import BadFault
from gateway.sandbox.gate import STATE, State
from gateway.sandbox.identity import people
from gateway.sandbox.imports import FINISHED, STATUSES
from gateway.sandbox.journal import Request, iso, now

_PAGE = files("gateway.sandbox").joinpath("page.html").read_text(encoding="utf-8")


def routes() -> list[web.RouteDef]:
    """Return the routes that are the stand-in's own."""
    return [
        web.get("/", page),
        web.get("/_sandbox/requests", requests),
        web.post("/_sandbox/groups", add_group),
        web.post("/_sandbox/event-types", set_event_types),
        web.post("/_sandbox/refused", set_refused),
        web.post("/_sandbox/imports", set_imports),
        web.post("/_sandbox/feeds", load_feed),
        web.post("/_sandbox/activity", set_activity),
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
        return answer({"error": "since must be an ISO 8601 time, limit and after numbers"}, 400)
    person = query.get("person")
    names = state.account.names(person) if person else None
    found = list(state.journal.find(query.get("path", "*"), since, names, after))
    return answer({"requests": [_shown(state, request) for request in found[-limit:]]})


def _shown(state: State, request: Request) -> dict[str, Any]:
    named = list(islice(people(request.body), 2))
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
        "person": state.account.person(named[0]) if len(named) == 1 else None,
    }


async def add_group(http: web.Request) -> web.Response:
    """Make the segment {"name"}, as somebody does in the account: the API has no call for it."""
    order = _order(await http.read())
    if not isinstance(order.get("name"), str) or not order["name"]:
        return answer({"error": "/name: must be a text"}, 400)
    return answer({"id": http.app[STATE].account.group(order["name"]).id})


async def set_event_types(http: web.Request) -> web.Response:
    """Take {event type: [parameters that it must have]}, as if its validation was switched on."""
    order, account = _order(await http.read()), http.app[STATE].account
    if not all(isinstance(names, list) and all(map(_is_text, names)) for names in order.values()):
        return answer({"error": "the body must be an object of lists of texts"}, 400)
    account.required_params = order
    return answer(order)


async def set_refused(http: web.Request) -> web.Response:
    """Take {external id, email or phone: reason}: contacts and orders of those people are refused with it."""
    order = _order(await http.read())
    if not all(map(_is_text, order.values())):
        return answer({"error": "the body must be an object of texts"}, 400)
    http.app[STATE].account.refused = order
    return answer(order)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


async def set_imports(http: web.Request) -> web.Response:
    """Take {"seconds"}, how long imports take from now on, null for until told; or {"move"}, a status.

    All imports that wait are brought to that status at once; ERROR ends them.
    """
    order, state = _order(await http.read()), http.app[STATE]
    seconds, move = order.get("seconds", 0), order.get("move")
    if not order or order.keys() - {"seconds", "move"}:
        return answer({"error": "the body must be an object of seconds or move"}, 400)
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float)):
        return answer({"error": "/seconds: must be seconds, or null for until told"}, 400)
    if move not in (None, *STATUSES):
        return answer({"error": f"/move: must be one of {', '.join(STATUSES)}"}, 400)
    if "seconds" in order:
        state.imports.seconds = seconds
    if move == FINISHED:
        for _ in range(state.imports.waiting()):
            state.imports.run_next(state.account, now())
            await asyncio.sleep(0)  # others have their turn between imports
    elif move is not None:
        state.imports.move(move)
    return await imports(http)


async def load_feed(http: web.Request) -> web.Response:
    """Fetch the feed {"url", "language"} at once, as the account does once a day or week."""
    order, state = _order(await http.read()), http.app[STATE]
    url, language = order.get("url"), order.get("language")
    if not (isinstance(url, str) and isinstance(language, str) and url and language):
        return answer({"error": "/url and /language: must be texts"}, 400)
    if not state.site.script_made:
        return answer({"error": "the feed opens only after the tracking script was generated"}, 400)
    return answer((await state.feeds.load(url, language)).json(language))


async def set_activity(http: web.Request) -> web.Response:
    """Take a list of rows, each with activityDateTime, as what became of messages."""
    try:
        rows = orjson.loads(await http.read())
        for row in rows:
            datetime.fromisoformat(row["activityDateTime"])
    except (orjson.JSONDecodeError, TypeError, KeyError, ValueError):
        return answer({"error": "the body must be a list of objects with activityDateTime"}, 400)
    http.app[STATE].activity = rows
    return answer({"rows": len(rows)})


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
    return answer({"faults": http.app[STATE].faults.left()})


async def set_faults(http: web.Request) -> web.Response:
    """Take a list of faults in place of those there were."""
    try:
        http.app[STATE].faults.set(orjson.loads(await http.read()))
    except orjson.JSONDecodeError:
        return answer({"error": "the body is not JSON"}, 400)
    except BadFault as problem:
        return answer({"error": str(problem)}, 400)
    return await faults(http)
