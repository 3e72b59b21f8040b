"""Setting up a site over HTTP, for whoever has the operator's key."""

import re
from collections.abc import Mapping
from typing import Annotated

from aiohttp import hdrs, web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

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
from gateway.setup.place import DEFAULT_PATH, checked_path, checked_scope
from gateway.setup.script import javascript_of
from gateway.setup.shelf import Shelf
from gateway.setup.status import Missing, missing, no_public_url, status_of
from gateway.setup.table import Thing
from gateway.setup.tracking import LONGEST, Given, Tracking, set_up, tracking_of
from gateway.setup.webpush import WORKER_PAGE, Wish, is_merged, notes, set_up_web_push, web_push_of
from gateway.setup.worker import FILE_CHARACTERS
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


def _script(html: str) -> str:
    if javascript_of(html) is None:
        raise ValueError("holds no whole <script> element: give the HTML as the account shows it")
    return html


class TrackingOrder(BaseModel):
    """Which domain is to be tracked."""

    model_config = ConfigDict(extra="forbid", strict=True)

    domain: Annotated[str, Field(max_length=1000), AfterValidator(_domain)]
    site_id: Annotated[str, AfterValidator(_site_id)] | None = None
    """eSputnik's siteId of a domain that was registered elsewhere."""
    script: Annotated[str, Field(max_length=LONGEST), AfterValidator(_script)] | None = None
    """The script's HTML as the account shows it, where eSputnik's answer is another domain's."""


class WebPushOrder(BaseModel):
    """Which domain is to have web push, and where its worker is to stand."""

    model_config = ConfigDict(extra="forbid", strict=True)

    domain: Annotated[str, Field(max_length=1000), AfterValidator(_domain)]
    worker_path: Annotated[str, Field(max_length=200), AfterValidator(checked_path)] = DEFAULT_PATH
    scope: Annotated[str, Field(max_length=200), AfterValidator(checked_scope)] = "/"
    file: str | None = Field(None, max_length=FILE_CHARACTERS)
    """What stands in the file that the worker is to be written to."""
    look: bool = True
    """Whether the gateway looks at the shop for another's worker; without it the operator has."""

    @field_validator("domain")
    @classmethod
    def _runs_workers(cls, domain: str) -> str:
        if domain.strip().startswith("http://") and not domain_of(domain).host.startswith("localhost"):
            raise ValueError("begin it with https://, for browsers run workers over https alone")
        return domain

    def wish(self) -> Wish:
        """Return what is to be set up."""
        return Wish(domain_of(self.domain), self.worker_path, self.scope, self.file, self.look)


class Setup:
    """The handlers, with the parts they need."""

    def __init__(
        self,
        config: Config,
        store: Store,
        clients: Mapping[str, EsputnikClient],
        clock: Clock,
    ) -> None:
        self.change(config)
        self._store = store
        self._clients = clients
        self._clock = clock
        self._shelf = Shelf(store, clock)
        self.pages = Pages(store, clients, self._shelf, clock)

    def change(self, config: Config) -> None:
        """Take over what is said of sites; the clients are told their keys by whoever opened them."""
        self._public_url = config.listen.public_url
        self._sites = {site.id: site for site in config.sites}

    def routes(self) -> list[Route]:
        """Return method, path and handler of each route; whoever serves them asks for the operator's key."""
        return [
            (hdrs.METH_GET, STATUS_PATH, self.get_status),
            (hdrs.METH_POST, f"{STATUS_PATH}/tracking", self.post_tracking),
            (hdrs.METH_POST, f"{STATUS_PATH}/webpush", self.post_web_push),
        ]

    async def get_status(self, request: web.Request) -> web.Response:
        """Return what of a site is set up, what is missing, and when its events were last delivered."""
        site, store = self._site(request), self._store
        kept = await table.newest(store, site.id, Thing.TRACKING)
        tracking = tracking_of(kept) if kept else None
        kept = await table.newest(store, site.id, Thing.WEBPUSH)
        web_push = web_push_of(kept) if kept else None
        last = await last_events(store, site.id)
        return json_of(status_of(site, tracking, web_push, last, self._clock.now_ms()))

    async def post_tracking(self, request: web.Request) -> web.Response:
        """Register a domain at eSputnik, keep its siteId and script, and say what its pages need."""
        site = self._site(request)
        order = await order_of(request, TrackingOrder)
        domain, now_ms = domain_of(order.domain), self._clock.now_ms()
        client = self._clients[site.id]
        given = Given(order.site_id, order.script)
        tracking, notes = await set_up(self._store, client, site.id, domain, given, now_ms)
        self._shelf.forget(site.id, Thing.TRACKING)
        return json_of(
            {
                "site": site.id,
                "domain": tracking.domain,
                "site_id": tracking.site_id,
                "snippet": tracking.html,
                "link": self._link(request, site),
                "missing": [one._asdict() for one in self._missing(request, site, tracking)],
                "notes": notes,
            }
        )

    async def post_web_push(self, request: web.Request) -> web.Response:
        """Register a domain for web push, keep its script and worker, and say what its pages need.

        Where another's worker is in the way nothing is changed, and the problem has `advice`.
        """
        site = self._site(request)
        order = await order_of(request, WebPushOrder)
        store, client, now_ms = self._store, self._clients[site.id], self._clock.now_ms()
        found, workers = await set_up_web_push(store, client, site, order.wish(), now_ms)
        self._shelf.forget(site.id, Thing.WEBPUSH)
        return json_of(
            {
                "site": site.id,
                "domain": found.domain,
                "snippet": found.script,
                "worker": {
                    "address": found.origin + found.path,
                    "path": found.path,
                    "scope": found.scope,
                    "text": found.worker,
                    "served_at": self._public(request) + WORKER_PAGE.format(site=site.id),
                    "is_merged": is_merged(found, workers),
                },
                "notes": list(notes(found, workers)),
            }
        )

    def _missing(self, request: web.Request, site: Site, tracking: Tracking) -> list[Missing]:
        is_for_shoppers = not tracking.domain.startswith("localhost")
        nowhere = [no_public_url(request.host)] if is_for_shoppers and not self._public_url else []
        return missing(site, tracking) + nowhere

    def _link(self, request: web.Request, site: Site) -> str:
        address = self._public(request) + TRACKING_PATH.format(site=site.id)
        return f'<script async src="{address}"></script>'

    def _public(self, request: web.Request) -> str:
        return self._public_url or f"{request.scheme}://{request.host}"

    def _site(self, request: web.Request) -> Site:
        site = self._sites.get(request.match_info["site"])
        if site is None:
            raise Problem(
                404,
                "not_found",
                "site: no such site is configured: name one by the id that the configuration gives it",
            )
        return site
