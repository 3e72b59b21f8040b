"""What is where: the routes of ingest and their handlers."""

import traceback
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson
import structlog
from aiohttp import hdrs, web

from gateway import metrics
from gateway.clock import Clock
from gateway.config import Config
from gateway.errors import NotDurable
from gateway.flow import accept
from gateway.ingest.admission import Hold, Rates, Room
from gateway.ingest.auth import Keys
from gateway.ingest.body import Events, read_events
from gateway.ingest.desk import Desk, TurnedAway, nobody_asks
from gateway.ingest.openapi import DOCS_PAGE, openapi
from gateway.ingest.problem import NO_ROUTE, Problem
from gateway.ingest.readiness import Readiness
from gateway.ingest.reply import batch_reply, tracker_reply
from gateway.stream import Stream
from gateway.validation import Catalogue

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Route = tuple[str, str, Handler]
"""Method, path, handler."""

_log = structlog.get_logger()
_RETRY_SOON = {"Retry-After": "1"}


class Routes:
    """The handlers, with the parts they need; `table` puts them where they belong."""

    def __init__(
        self,
        config: Config,
        catalogue: Catalogue,
        stream: Stream,
        readiness: Readiness,
        clock: Clock,
        room: Room,
        rates: Rates,
        others: Sequence[Route] = (),
        contract: Mapping[str, Any] = MappingProxyType({}),
        turned_away: TurnedAway = nobody_asks,
    ) -> None:
        """`others` are routes of other rooms, answered as these are; `contract` has their path items.

        All of them share the `room` and the `rates`.
        """
        self._limits = config.limits
        self._body_seconds = config.listen.body_seconds
        self._room = room
        self._rates = rates
        self._desks = {site.id: Desk(site, catalogue, turned_away) for site in config.sites}
        self._clock = clock
        self.change(config)
        self._catalogue = catalogue
        self._stream = stream
        self._readiness = readiness
        self._others = others
        self._openapi = orjson.dumps(openapi(catalogue, contract), option=orjson.OPT_INDENT_2)

    def change(self, config: Config) -> None:
        """Take over keys and settings of the same sites, for every request whose key is not yet looked at."""
        self._keys = Keys({site.id: site.keys for site in config.sites})
        for site in config.sites:
            if site != self._desks[site.id].site:
                self._desks[site.id].change(site)
        self._desks_by_name = {name: self._desks[site.id] for site in config.sites for name in site.names}

    def table(self) -> list[web.RouteDef]:
        """Return every route, a path's other methods and all other paths among them."""
        known: list[Route] = [
            (hdrs.METH_POST, "/v1/events", self.post_events),
            (hdrs.METH_POST, "/api/v2", self.post_tracker),
            (hdrs.METH_GET, "/v1/schemas", self.get_schemas),
            (hdrs.METH_GET, "/v1/schemas/{type}", self.get_schema),
            (hdrs.METH_GET, "/openapi.json", self.get_openapi),
            (hdrs.METH_GET, "/docs", self.get_docs),
            (hdrs.METH_GET, "/livez", self.get_livez),
            (hdrs.METH_GET, "/readyz", self.get_readyz),
            *self._others,
        ]
        methods = defaultdict[str, list[str]](list)
        routes = []
        for method, path, handler in known:
            methods[path].append(method)
            answer = _answering(path, handler)
            routes += [web.route(method, spelling, answer) for spelling in (path, path + "/")]
        for path, allowed in methods.items():
            answer = _answering(path, _only(allowed))
            routes += [web.route(hdrs.METH_ANY, spelling, answer) for spelling in (path, path + "/")]
        routes.append(web.route(hdrs.METH_ANY, "/{path:.*}", _answering("other", _nothing_here)))
        return routes

    async def post_events(self, request: web.Request) -> web.Response:
        """Take one event, an array, or lines of NDJSON, for the site whose key is presented."""
        desk = self._desks[self._keys.holder(request.headers)]
        hold = Hold(self._room)
        try:
            events = await read_events(request, self._limits, self._body_seconds, hold)
            _take_idempotency_key(request, events)
            return batch_reply(await self._accept(events.items, desk))
        finally:
            hold.release()

    async def post_tracker(self, request: web.Request) -> web.Response:
        """Take one event as eSputnik's own tracker does: 200 or 400, without a key where the site is open."""
        hold = Hold(self._room)
        try:
            events = await read_events(request, self._limits, self._body_seconds, hold)
            if not events.single:
                raise Problem(400, "not_an_event", "this route takes one event; post arrays to /v1/events")
            _take_idempotency_key(request, events)
            desk = self._tracker_desk(request, events.items[0])
            (result,) = await self._accept(events.items, desk)
            return tracker_reply(result)
        finally:
            hold.release()

    async def _accept(self, events: list[Any], desk: Desk) -> list[dict[str, Any]]:
        self._rates.admit(desk.site.id, len(events))
        try:
            return await accept(events, desk, self._stream, self._clock.now_ms())
        except NotDurable:
            self._readiness.append_failed()
            detail = "nothing of this request is promised; post it again"
            raise Problem(503, "not_durable", detail, _RETRY_SOON) from None

    def _tracker_desk(self, request: web.Request, event: dict[str, Any]) -> Desk:
        """Return the desk of the event's site if that is open, else of the key's site."""
        desk = self._open_desk(event)
        return desk or self._desks[self._keys.holder(request.headers)]

    def _open_desk(self, event: dict[str, Any]) -> Desk | None:
        info = event.get("GeneralInfo")
        if isinstance(info, dict):
            site_id = info.get("siteId")
            desk = self._desks_by_name.get(site_id) if isinstance(site_id, str) else None
            return desk if desk and desk.site.tracker == "open" else None
        # The WooCommerce link message and plugin logs name the organisation, not the site.
        org_id = str(event.get("orgId"))
        open_desks = [desk for desk in self._desks.values() if desk.site.tracker == "open"]
        named = [desk for desk in open_desks if desk.site.org_id == org_id]
        if len(named) == 1:
            return named[0]
        return open_desks[0] if len(open_desks) == 1 and open_desks[0].site.org_id is None else None

    async def get_schemas(self, request: web.Request) -> web.Response:
        """List the event types with where their schemas are."""
        return _json([{"type": name, "href": f"/v1/schemas/{name}"} for name in self._catalogue.names])

    async def get_schema(self, request: web.Request) -> web.Response:
        """Return one event type's JSON Schema."""
        schema = self._catalogue.schema(request.match_info["type"])
        if schema is None:
            raise Problem(404, "not_found", "no event type has this name; GET /v1/schemas lists them")
        return _json(schema, "application/schema+json")

    async def get_openapi(self, request: web.Request) -> web.Response:
        """Return this contract as OpenAPI 3.1."""
        return web.Response(body=self._openapi, content_type="application/json")

    async def get_docs(self, request: web.Request) -> web.Response:
        """Return a page that shows the contract."""
        return web.Response(text=DOCS_PAGE, content_type="text/html")

    async def get_livez(self, request: web.Request) -> web.Response:
        """Return 200 while the process can answer at all."""
        return _json({"status": "alive"})

    async def get_readyz(self, request: web.Request) -> web.Response:
        """Return 200 while events can be made durable, else 503 with the reason."""
        reason = self._readiness.reason
        if reason:
            return _json({"status": "not ready", "reason": reason}, status=503)
        return _json({"status": "ready"})


def _answering(path: str, handler: Handler) -> Handler:
    """Return the handler with its problems as answers and its answers counted."""
    counted = metrics.Bound(metrics.REQUESTS, path)

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            response = await handler(request)
        except Problem as problem:
            response = problem.response()
        except Exception as error:
            _log.error("request_failed", route=path, error=type(error).__name__, at=_frames(error))
            response = Problem(500, "internal", "this is a mistake of ours; nothing was promised").response()
        counted[str(response.status),].inc()
        return response

    return answer


def _frames(error: Exception) -> list[str]:
    """Return where the error came from, without its text, which may hold what a caller sent."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def _only(methods: Sequence[str]) -> Handler:
    allowed = ", ".join(methods)

    async def refuse(request: web.Request) -> web.Response:
        raise Problem(405, "method_not_allowed", f"use {allowed}", {"Allow": allowed})

    return refuse


async def _nothing_here(request: web.Request) -> web.Response:
    raise Problem(404, "not_found", NO_ROUTE)


def _take_idempotency_key(request: web.Request, events: Events) -> None:
    """Make the Idempotency-Key the event's own id, unless it brings one."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return
    if not events.single:
        detail = "in a batch, give each event an id of its own beside GeneralInfo"
        raise Problem(400, "idempotency_key_on_batch", detail)
    events.items[0].setdefault("id", key)


def _json(
    content: Mapping[str, Any] | list[Any], content_type: str = "application/json", status: int = 200
) -> web.Response:
    return web.Response(body=orjson.dumps(content), content_type=content_type, status=status)
