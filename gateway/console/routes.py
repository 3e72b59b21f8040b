"""The operator's routes; each wants the operator's key, and without one configured there are none."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

import orjson
from aiohttp import hdrs, web
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.clock import Clock
from gateway.config import Config
from gateway.console import letters
from gateway.console.answers import json_of, order_of, time_of
from gateway.console.letters import Choice, Letter
from gateway.console.patch import BadPatch, patched
from gateway.console.people import People
from gateway.console.product_keys import told
from gateway.console.refused import shown
from gateway.console.replay import replay
from gateway.errors import NotDurable, Unreachable
from gateway.event import Record
from gateway.ingest.auth import Keys
from gateway.ingest.problem import Problem
from gateway.ingest.routes import Handler, Route
from gateway.product_keys import table
from gateway.product_keys.sample import DAY_MS
from gateway.refused.table import read
from gateway.store import Store
from gateway.stream import Stream

_OPERATOR = "operator"
_RETRY_SOON = {"Retry-After": "5"}
_BATCH = 200


class Order(BaseModel):
    """Which letters are to be replayed or dropped."""

    model_config = ConfigDict(extra="forbid", strict=True)

    site: str = ""
    type: str = ""
    reason: str = ""
    event_id: str = ""
    after: int = Field(0, ge=0, le=letters.LAST)
    """Go on behind this letter's number."""
    until: int | None = Field(None, ge=0, le=letters.LAST)
    """Go no further than this number, as the first batch told it: what fails again comes behind it."""
    most: int = Field(_BATCH, ge=1, le=letters.MOST)
    dry_run: bool = False

    def choice(self) -> Choice:
        """Return which letters are meant."""
        return Choice(self.site, self.type, self.reason, self.event_id)


class DropOrder(Order):
    """Which letters are to be dropped; every one of them only if that is said."""

    all: bool = False

    @model_validator(mode="after")
    def _is_meant(self) -> Self:
        if self.choice() == Choice() and not (self.all or self.dry_run):
            raise ValueError(
                "names no site, type, reason or event_id; to drop every letter, say so by all: true"
            )
        return self


class Console:
    """What the routes need."""

    def __init__(self, config: Config, store: Store, sites: Mapping[str, Stream], clock: Clock) -> None:
        self._people = People(config, store, clock)
        self.change(config)
        self._store = store
        self._sites = sites
        self._clock = clock

    def change(self, config: Config) -> None:
        """Take over the operator's keys, and what is said of sites."""
        self._keys = Keys({_OPERATOR: config.operator.keys})
        self._people.change(config)

    def routes(self) -> list[Route]:
        """Return method, path and handler of each route."""
        routes = [
            (hdrs.METH_GET, "/v1/dead", self.get_groups),
            (hdrs.METH_GET, "/v1/dead/letters", self.get_letters),
            (hdrs.METH_GET, "/v1/dead/letters/{event_id}", self.get_letter),
            (hdrs.METH_PATCH, "/v1/dead/letters/{event_id}", self.patch_letter),
            (hdrs.METH_POST, "/v1/dead/replay", self.post_replay),
            (hdrs.METH_POST, "/v1/dead/drop", self.post_drop),
            (hdrs.METH_GET, "/v1/product-keys", self.get_product_keys),
            (hdrs.METH_GET, "/v1/refused", self.get_refused),
            *self._people.routes(),
        ]
        return self.guarding(routes)

    def guarding(self, routes: Iterable[Route]) -> list[Route]:
        """Return the routes, of another room too, behind the operator's key."""
        return [(method, path, self._guarded(handler)) for method, path, handler in routes]

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            self._keys.holder(request.headers)
            try:
                return await handler(request)
            except (Unreachable, NotDurable):
                detail = "the database or the stream is away; ask again"
                raise Problem(503, "away", detail, _RETRY_SOON) from None
            except web.HTTPRequestEntityTooLarge:
                raise Problem(413, "too_large", "the body is larger than limits.body_bytes") from None

        return guarded

    async def get_groups(self, request: web.Request) -> web.Response:
        """Return dead letters counted by site, type and reason; `site`, `type`, `reason` choose."""
        found = await letters.groups(self._store, _choice(request))
        return json_of({"groups": [_with_times(group) for group in found]})

    async def get_letters(self, request: web.Request) -> web.Response:
        """Return dead letters without their events, oldest first; `after` goes on behind a number."""
        try:
            after = int(request.query.get("after", "0"))
        except ValueError:
            after = -1
        if not 0 <= after <= letters.LAST:
            raise Problem(400, "bad_request", "after: must be a letter's number")
        found = await letters.letters(self._store, _choice(request), after)
        return json_of({"letters": [_told(letter) for letter in found]})

    async def get_letter(self, request: web.Request) -> web.Response:
        """Return one dead letter with its event as eSputnik would get it."""
        letter, record = await self._letter(request)
        return json_of(_told(letter) | _shown(record))

    async def patch_letter(self, request: web.Request) -> web.Response:
        """Change a dead letter's event by a JSON Patch or a JSON Merge Patch, and return the letter."""
        letter, record = await self._letter(request)
        if record is None:
            raise Problem(409, "unreadable", "this record cannot be read, so it cannot be changed")
        try:
            changed = patched(record, orjson.loads(await request.read()), request.content_type)
        except (BadPatch, orjson.JSONDecodeError) as problem:
            detail = str(problem) if isinstance(problem, BadPatch) else "the body is not JSON"
            raise Problem(400, "bad_patch", detail) from None
        if not await letters.change(self._store, letter, changed):
            raise Problem(409, "changed_meanwhile", "the letter was sent again meanwhile; look at it anew")
        return json_of(_told(letter) | _shown(changed))

    async def post_replay(self, request: web.Request) -> web.Response:
        """Send chosen dead letters again, a batch a request; the next goes on `after` `next`, to `until`."""
        order = await order_of(request, Order)
        batch, chosen = await self._chosen(order)
        if order.dry_run:
            return json_of(batch | {"letters": [_told(c) | _shown(c.opened()) for c in chosen]})
        replayed = await replay(chosen, self._store, self._sites)
        kept = [letter.event_id for letter in replayed.unreadable]
        return json_of(batch | {"replayed": len(replayed.sent), "kept": kept})

    async def post_drop(self, request: web.Request) -> web.Response:
        """Remove chosen dead letters for good, a batch a request."""
        order = await order_of(request, DropOrder)
        batch, chosen = await self._chosen(order)
        if not order.dry_run:
            await letters.remove(self._store, chosen)
        return json_of(batch | {"dropped": 0 if order.dry_run else len(chosen)})

    async def _chosen(self, order: Order) -> tuple[dict[str, Any], list[Letter]]:
        """Return a batch of letters, and what is answered of it: how many, and how to ask for the next."""
        until = await letters.newest(self._store) if order.until is None else order.until
        chosen = await letters.letters(self._store, order.choice(), order.after, order.most, until)
        more = len(chosen) == order.most
        return {"chosen": len(chosen), "next": chosen[-1].id if more else None, "until": until}, chosen

    async def get_product_keys(self, request: web.Request) -> web.Response:
        """Return whether a `site` names its products alike everywhere, with examples of what differs.

        `keys=true` adds the samples that were compared.
        """
        site = request.query.get("site", "")
        if site not in self._sites:
            raise Problem(
                404,
                "not_found",
                "site: no such site is configured: name one by the id that the configuration gives it",
            )
        rows = await table.read(self._store, site, self._clock.now_ms() // DAY_MS)
        return json_of(told(site, rows, request.query.get("keys") == "true"))

    async def get_refused(self, request: web.Request) -> web.Response:
        """Return a masked sample of refused events, newest first; `site`, `type`, `code` choose."""
        site, type_, code = (request.query.get(name, "") for name in ("site", "type", "code"))
        refusals = await read(self._store, site, type_, code, self._clock.now_ms())
        return json_of({"refused": [shown(one) for one in refusals]})

    async def _letter(self, request: web.Request) -> tuple[Letter, Record | None]:
        choice = Choice(event_id=request.match_info["event_id"])
        found = await letters.letters(self._store, choice, most=1)
        if not found:
            raise Problem(404, "not_found", "no dead letter has this event id")
        return found[0], found[0].opened()


def _choice(request: web.Request) -> Choice:
    query = request.query
    return Choice(query.get("site", ""), query.get("type", ""), query.get("reason", ""))


def _told(letter: Letter) -> dict[str, Any]:
    names = ("id", "event_id", "site", "type", "reason", "status", "answer", "first_at", "last_at")
    return _with_times({name: getattr(letter, name) for name in names})


def _shown(record: Record | None) -> dict[str, Any]:
    if record is None:
        return {"lane": None, "event": None}
    return {"lane": record.lane, "event": orjson.Fragment(record.body)}


def _with_times(values: dict[str, Any]) -> dict[str, Any]:
    times = {name: time_of(values[name]) for name in ("first_at", "last_at")}
    return values | times
