"""Setting up a site over HTTP, for whoever has the operator's key."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

from aiohttp import hdrs, web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gateway.clock import Clock
from gateway.config import Config, Site
from gateway.console.answers import json_of, order_of
from gateway.esputnik.client import EsputnikClient
from gateway.ingest.problem import Problem
from gateway.ingest.routes import Route
from gateway.last_events import last_events
from gateway.setup import table
from gateway.setup.domain import domain_of
from gateway.setup.pages import TRACKING_PATH, Pages
from gateway.setup.shelf import Shelf
from gateway.setup.status import missing, status_of
from gateway.setup.table import Thing
from gateway.setup.tracking import set_up, tracking_of
from gateway.store import Store

STATUS_PATH = "/v1/sites/{site}/setup"


_SITE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def _domain(text: str) -> str:
    domain_of(text)
    return text


def _site_id(text: str) -> str:
    if not _SITE_ID.fullmatch(text):
        raise ValueError(
            "give eSputnik's siteId as it stands there: up to 128 letters, digits, dots, underscores, hyphens"
        )
    return text


class TrackingOrder(BaseModel):
    """Which domain is to be tracked."""

    model_config = ConfigDict(extra="forbid", strict=True)

    domain: Annotated[str, Field(max_length=1000), AfterValidator(_domain)]
    site_id: Annotated[str, AfterValidator(_site_id)] | None = None
    """eSputnik's siteId of a domain that was registered elsewhere."""


class Setup:
    """The handlers, with the parts they need."""

    def __init__(
        self,
        config: Config,
        open_store: Callable[[], Awaitable[Store]],
        clients: Mapping[str, EsputnikClient],
        clock: Clock,
    ) -> None:
        """The database is opened by the first request: ingest may never need it."""
        self.change(config)
        self._open = open_store
        self._clients = clients
        self._clock = clock
        self._shelf = Shelf(open_store, clock)
        self.pages = Pages(open_store, clients, self._shelf, clock)

    def change(self, config: Config) -> None:
        """Take over what is said of sites; the clients are told their keys by whoever opened them."""
        self._public_url = config.listen.public_url
        self._sites = {site.id: site for site in config.sites}

    def routes(self) -> list[Route]:
        """Return method, path and handler of each route; whoever serves them asks for the operator's key."""
        return [
            (hdrs.METH_GET, STATUS_PATH, self.get_status),
            (hdrs.METH_POST, f"{STATUS_PATH}/tracking", self.post_tracking),
        ]

    async def get_status(self, request: web.Request) -> web.Response:
        """Return what of a site is set up, what is missing, and when its events were last delivered."""
        site, store = self._site(request), await self._open()
        kept = await table.newest(store, site.id, Thing.TRACKING)
        tracking = tracking_of(kept) if kept else None
        last = await last_events(store, site.id)
        return json_of(status_of(site, tracking, last, self._clock.now_ms()))

    async def post_tracking(self, request: web.Request) -> web.Response:
        """Register a domain at eSputnik, keep its siteId and script, and say what its pages need."""
        site = self._site(request)
        order = await order_of(request, TrackingOrder)
        domain, now_ms = domain_of(order.domain), self._clock.now_ms()
        client = self._clients[site.id]
        tracking = await set_up(await self._open(), client, site.id, domain, order.site_id, now_ms)
        self._shelf.forget(site.id, Thing.TRACKING)
        return json_of(
            {
                "site": site.id,
                "domain": tracking.domain,
                "site_id": tracking.site_id,
                "snippet": tracking.html,
                "link": self._link(request, site),
                "missing": [one._asdict() for one in missing(site, tracking)],
            }
        )

    def _link(self, request: web.Request, site: Site) -> str:
        public = self._public_url or f"{request.scheme}://{request.host}"
        return f'<script async src="{public}{TRACKING_PATH.format(site=site.id)}"></script>'

    def _site(self, request: web.Request) -> Site:
        site = self._sites.get(request.match_info["site"])
        if site is None:
            raise Problem(404, "not_found", "site: no such site is configured")
        return site
