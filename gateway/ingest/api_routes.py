"""eSputnik's own API: the calls that are kept and delivered, each where eSputnik has it.

Each is there with and without `/api` before it and with and without a slash behind it, so that a client of
eSputnik's needs only another base URL (docs page 29187720564, Getting started with the API).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import quote

from aiohttp import web

from gateway.calls import ApiCall
from gateway.clock import Clock
from gateway.config import Config
from gateway.errors import NotDurable, Unreachable
from gateway.ingest.admission import Hold, Rates, Room
from gateway.ingest.api_desk import ApiDesk, Judged, Posting
from gateway.ingest.api_reply import call_reply
from gateway.ingest.auth import Keys
from gateway.ingest.body import read_document
from gateway.ingest.desk import TurnedAway, nobody_asks
from gateway.ingest.problem import Problem
from gateway.ingest.readiness import Readiness
from gateway.ingest.routes import Handler, Route
from gateway.outcomes import Outcome, WaitingRoom
from gateway.stream import Entry, Stream
from gateway.validation import Catalogue

PREFIXES = ("", "/api")
_SCHEMA = "/v1/schemas/api/{type}"
_DRY_RUN = "dry_run"
_OF_DELETION = ("externalCustomerId", "erase")


Preview = Callable[[str, str], Awaitable[dict[str, Any]]]
"""What would go of a site's customer."""


class Write(NamedTuple):
    """A call that is kept and delivered."""

    method: str
    path: str
    call: ApiCall
    subject: str = ""
    """What order is kept by where the body names nobody; `{id}` is the path's."""


WRITES = (
    Write("POST", "v1/contact", ApiCall.ADD_CONTACT),
    Write("PUT", "v1/contact/{id}", ApiCall.UPDATE_CONTACT, "esputnik/{id}"),
    Write("POST", "v1/contact/subscribe", ApiCall.SUBSCRIBE_CONTACT),
    Write("DELETE", "v1/contact", ApiCall.DELETE_CONTACT),
    Write("DELETE", "v1/contact/{id}", ApiCall.DELETE_CONTACT, "esputnik/{id}"),
    Write("POST", "v1/contacts", ApiCall.ADD_CONTACTS),
    Write("POST", "v1/contacts/upload", ApiCall.UPLOAD_CONTACTS),
    Write("POST", "v1/orders", ApiCall.ADD_ORDERS),
    Write("DELETE", "v1/orders", ApiCall.DELETE_ORDERS),
    Write("POST", "v1/event", ApiCall.GENERATE_EVENT),
    Write("POST", "v2/event", ApiCall.GENERATE_EVENT),
    Write("POST", "v3/event", ApiCall.GENERATE_EVENT_V3),
    Write("POST", "v1/past_events", ApiCall.ADD_PAST_EVENTS),
    Write("POST", "v2/past_events", ApiCall.ADD_PAST_EVENTS),
    Write("POST", "v3/past_events", ApiCall.ADD_PAST_EVENTS),
    Write("POST", "v1/group/{id}/contacts/attach", ApiCall.ATTACH_CONTACTS, "group/{id}"),
    Write("POST", "v1/group/{id}/contacts/detach", ApiCall.DETACH_CONTACTS, "group/{id}"),
    Write("POST", "v1/emails/unsubscribed/add", ApiCall.ADD_UNSUBSCRIBED, "unsubscribed"),
    Write("POST", "v1/emails/unsubscribed/delete", ApiCall.DELETE_UNSUBSCRIBED, "unsubscribed"),
    Write("POST", "v1/products", ApiCall.UPDATE_PRODUCTS, "products"),
    Write("DELETE", "v1/products", ApiCall.DELETE_PRODUCTS, "products"),
    Write("POST", "v1/markets", ApiCall.UPDATE_MARKETS, "products"),
)


class ApiRoutes:
    """The handlers, with the parts they need."""

    def __init__(
        self,
        config: Config,
        stream: Stream,
        readiness: Readiness,
        waiting: WaitingRoom,
        room: Room,
        rates: Rates,
        clock: Clock,
        preview: Preview,
        turned_away: TurnedAway = nobody_asks,
    ) -> None:
        self._catalogue = Catalogue("api")
        self._limits = config.limits
        self._body_seconds = config.listen.body_seconds
        self._stream = stream
        self._readiness = readiness
        self._waiting = waiting
        self._room = room
        self._rates = rates
        self._clock = clock
        self._preview = preview
        self._turned_away = turned_away
        self.change(config)

    def change(self, config: Config) -> None:
        """Take over keys and settings of the same sites, for every request whose key is not yet looked at."""
        self._keys = Keys({site.id: site.keys for site in config.sites})
        self._desks = {site.id: ApiDesk(site, self._catalogue, self._turned_away) for site in config.sites}

    def routes(self) -> list[Route]:
        """Return method, path and handler of each call."""
        calls = [
            (write.method, f"{prefix}/{write.path}", self._handler(write))
            for write in WRITES
            for prefix in PREFIXES
        ]
        schemas = [("GET", "/v1/schemas/api", self.get_schemas), ("GET", _SCHEMA, self.get_schema)]
        return [*calls, *schemas]

    async def get_schemas(self, request: web.Request) -> web.Response:
        """List the calls with where their schemas are."""
        listed = [
            {"type": one.call, "call": f"{one.method} /{one.path}", "href": _SCHEMA.format(type=one.call)}
            for one in WRITES
        ]
        return web.json_response(listed)

    async def get_schema(self, request: web.Request) -> web.Response:
        """Return the JSON Schema of one call's body."""
        schema = self._catalogue.schema(request.match_info["type"])
        if schema is None:
            raise Problem(404, "not_found", "no call has this name; GET /v1/schemas/api lists them")
        return web.json_response(schema, content_type="application/schema+json")

    def _handler(self, write: Write) -> Handler:
        async def take(request: web.Request) -> web.Response:
            desk = self._desks[self._keys.holder(request.headers)]
            hold = Hold(self._room)
            try:
                body = await read_document(request, self._limits, self._body_seconds, hold)
                if write.call is ApiCall.DELETE_CONTACT and is_true(request.query.get(_DRY_RUN, "")):
                    return await self._show_erasure(desk, request.query.get("externalCustomerId", ""))
                judged = desk.judge(_posting(write, request, body), self._clock.now_ms())
                self._rates.admit(desk.site.id, len(judged.records))
                return call_reply(judged, await self._outcomes(judged, desk))
            finally:
                hold.release()

        return take

    async def _show_erasure(self, desk: ApiDesk, raw: str) -> web.Response:
        """Answer what an erasure would take from the gateway's own stores; nothing is deleted anywhere."""
        customer = desk.customer(raw)
        if customer is None:
            raise Problem(400, "bad_request", "a dry run needs an externalCustomerId that names somebody")
        try:
            found = await self._preview(desk.site.id, customer)
        except Unreachable:
            raise Problem(503, "away", "the database is away; ask again", {"Retry-After": "5"}) from None
        return web.json_response(found)

    async def _outcomes(self, judged: Judged, desk: ApiDesk) -> dict[str, Outcome]:
        """Make the call durable, and return what eSputnik has answered by the site's `answer_wait`."""
        ids = [record.id for record in judged.records]
        with self._waiting.expecting(ids) as outcomes:
            await self._append(judged)
            desk.settle(judged)
            if outcomes and desk.site.answer_wait:
                await asyncio.wait(outcomes.values(), timeout=desk.site.answer_wait)
            return {id_: future.result() for id_, future in outcomes.items() if future.done()}

    async def _append(self, judged: Judged) -> None:
        try:
            await self._stream.append([Entry(record.lane, record.encode()) for record in judged.records])
        except NotDurable:
            self._readiness.append_failed()
            detail = "nothing of this request is promised; post it again"
            raise Problem(503, "not_durable", detail, {"Retry-After": "1"}) from None


def is_true(text: str) -> bool:
    """Tell whether a query says yes; what is neither yes nor no is yes, for a dry run is the safe way."""
    return text.strip().lower() not in ("", "0", "false", "no")


def _posting(write: Write, request: web.Request, body: Any) -> Posting:
    """Return the call as it came; the deletion of a contact has what path and query say as its body."""
    contact_id = request.match_info.get("id", "")
    path = write.path.replace("{id}", quote(contact_id, safe=""))
    subject = write.subject.replace("{id}", contact_id)
    if write.call is ApiCall.DELETE_CONTACT:
        body = {name: value for name, value in request.query.items() if name in _OF_DELETION}
        if contact_id:
            body["id"] = contact_id
    caller_id = request.headers.get("Idempotency-Key")
    return Posting(write.call, f"{write.method} {path}", body, subject, caller_id)
