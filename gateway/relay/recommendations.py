"""Recommendations for a shop's page: in time whatever happens, and for whom the links know.

Asked for by a cookie, it is the cookie's customer whom eSputnik is asked about first, and the cookie where
that brings nothing; by a customer, the customer first and then the cookie that he was last seen on. Nothing
that goes wrong beyond the gateway breaks the page: it gets an empty list then, with the reason in a header.
"""

import asyncio
from collections.abc import Mapping

from aiohttp import web

from gateway.clock import Clock
from gateway.config import Config, Site
from gateway.identifiers import blocked_values
from gateway.identity.settings import settings_of
from gateway.ingest.api_routes import PREFIXES
from gateway.ingest.auth import Keys
from gateway.ingest.problem import Problem
from gateway.ingest.routes import Route
from gateway.metrics import RECOMMENDATIONS, Bound
from gateway.relay.answers import Answers
from gateway.relay.asking import (
    COOKIE,
    CUSTOMER,
    FULL,
    IDENTIFIERS,
    UNHELPFUL,
    Asked,
    Outcome,
    Recommended,
    asked,
)
from gateway.relay.links import Links
from gateway.relay.routes import api_path, wants_fresh
from gateway.relay.site import SiteRelay

PATH = "v2/contacts/recoms/{id}"
WHY_EMPTY = "Gateway-Empty"


class _Shop:
    """What is asked on behalf of one site."""

    def __init__(self, site: Site, answers: Answers) -> None:
        self.answers = answers
        self.counted = Bound(RECOMMENDATIONS, site.id)
        self._api_key = site.api_key
        self.change(site)

    def change(self, site: Site) -> None:
        """Take over the site's settings."""
        self.id = site.id
        self.links = settings_of(site)
        self.blocked = blocked_values(site.blocked_ids)
        if site.api_key != self._api_key:
            self._api_key = site.api_key
            self.answers.use_key(site.api_key.get_secret_value())


class Recommendations:
    """The handler, with the parts it needs."""

    def __init__(self, config: Config, sites: Mapping[str, SiteRelay], links: Links, clock: Clock) -> None:
        self._seconds = config.relay.recommendations_seconds
        keep_seconds = config.relay.recommendations_keep_seconds
        self._shops = {
            site.id: _Shop(site, Answers(sites[site.id], keep_seconds, clock)) for site in config.sites
        }
        self._links = links
        self.change(config)

    def change(self, config: Config) -> None:
        """Take over the sites' keys and settings; with another key of eSputnik's nothing kept is good."""
        self._keys = Keys({site.id: site.keys for site in config.sites})
        for site in config.sites:
            self._shops[site.id].change(site)

    def routes(self) -> list[Route]:
        """Return method, path and handler."""
        return [("GET", f"{prefix}/{PATH}", self.get) for prefix in PREFIXES]

    async def stop(self) -> None:
        """End what is under way in the background."""
        await asyncio.gather(self._links.stop(), *(shop.answers.stop() for shop in self._shops.values()))

    async def get(self, request: web.Request) -> web.Response:
        """Answer with a list, empty where eSputnik has none in time; an error is a caller's own mistake."""
        shop = self._shops[self._keys.holder(request.headers)]
        wanted = asked(api_path(request), request.rel_url.raw_query_string, shop.blocked)
        if wanted is None:
            raise Problem(400, "bad_request", f"say for whom: one of {', '.join(IDENTIFIERS)} is required")
        try:
            async with asyncio.timeout(self._seconds):
                recommended = await self._recommended(shop, wanted, wants_fresh(request))
        except TimeoutError:
            recommended = Recommended(Outcome.DEADLINE)
        shop.counted[recommended.outcome,].inc()
        headers = {} if recommended.outcome in FULL else {WHY_EMPTY: recommended.outcome}
        return web.Response(body=recommended.body, content_type="application/json", headers=headers)

    async def _recommended(self, shop: _Shop, wanted: Asked, fresh: bool) -> Recommended:
        if wanted.whole:
            return await shop.answers.answer(wanted.whole, fresh)
        recommended = Recommended(Outcome.NOBODY)
        customer, cookie = wanted.customer, wanted.cookie
        if customer is None and cookie is not None:
            customer = await self._links.customer_on(shop.id, cookie, shop.links)
        if customer is not None:
            recommended = await shop.answers.answer(wanted.of(CUSTOMER, customer), fresh)
            if recommended.outcome not in UNHELPFUL:
                return recommended
        if cookie is None and customer is not None:
            cookie = await self._links.cookie_of(shop.id, customer, shop.links)
        if cookie is not None:
            recommended = await shop.answers.answer(wanted.of(COOKIE, cookie), fresh)
        return recommended
