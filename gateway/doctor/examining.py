"""Looks at everything, one after another; what does not answer is itself a finding."""

import asyncio
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import TypeVar
from urllib.parse import urlsplit

from gateway.clients import esputnik_client
from gateway.config import Config, Site
from gateway.doctor import judging, judging_shop
from gateway.doctor.asking import Told, ask
from gateway.doctor.finding import Finding, unknown, warning
from gateway.esputnik.errors import EsputnikError
from gateway.feed.checking import check
from gateway.feed.ids import FeedIds, seen_of
from gateway.feed.source import of_market, opened
from gateway.setup.domain import domain_of
from gateway.setup.shop import NotSeen, visit
from gateway.setup.worker import imported

T = TypeVar("T")


async def examine(config: Config, site: Site, url: str) -> list[Finding]:
    """Return what was found of a site; `url` is where the gateway listens, else the configuration tells."""
    gateway, told = await ask(config, site, url)
    return [
        judging.configuration(config, site),
        *gateway,
        *await _esputnik(config, site),
        *judging.tracking(told.setup),
        *await _shop(site, told),
        *await _feed(config, site, told),
        judging.events(told.setup, site),
        *judging.delivery(told.metrics, site.id),
        judging.dead_letters(told.dead, site.id),
    ]


async def _esputnik(config: Config, site: Site) -> list[Finding]:
    seconds, ca_file = config.delivery.timeout_seconds, config.delivery.ca_file
    async with esputnik_client(site, seconds, 2, ca_file) as client:
        account = await _outcome(client.account_info())
        reached = [await _outcome(client.reach_tracker()), await _outcome(client.reach_api())]
    return [
        judging.key(account, site.api_url),
        judging.tracker(reached[0], site.tracker_url),
        judging.clock(reached),
    ]


async def _outcome(call: Awaitable[T]) -> T | EsputnikError:
    try:
        return await call
    except EsputnikError as problem:
        return problem


async def _shop(site: Site, told: Told) -> list[Finding]:
    """Look at the shop's page and its worker."""
    tracking, push = ((told.setup or {}).get(name) for name in ("tracking", "webpush"))
    if not tracking:
        return [unknown("page", "no domain is known whose page could be looked at")]
    domain, origin = tracking["domain"], domain_of(tracking["domain"]).origin
    here = push if push and push["domain"] == domain else None
    path = urlsplit(here["worker"]).path if here else None
    unseen = unknown("worker", f"cannot be looked at, for {domain} cannot")
    if here is None:
        unseen = judging_shop.no_worker(site.id, domain, push["domain"] if push else None)
    elif other := here.get("registered_instead"):
        path, unseen = None, judging_shop.unregistered_worker(site.id, domain, path, other)
    try:
        page, seen = await visit(origin, path)
    except NotSeen as problem:
        return [warning("page", str(problem), f"open {origin}/ from the host where this runs"), unseen]
    found = [judging_shop.page(site.id, domain, page, told.script)]
    if here is None or seen is None:
        return [*found, unseen]
    ours = [*imported(told.worker or ""), site.push_worker_url]
    return [*found, judging_shop.worker(site.id, domain, seen, here["scope"], told.worker, ours)]


async def _feed(config: Config, site: Site, told: Told) -> list[Finding]:
    """Check the feeds, and hold the main one's ids against those that the gateway has seen."""
    ids, links = FeedIds(), site.feed.links.values()
    if not links:
        do = f"write its address to feed.links of {site.id}"
        return [unknown("feed", "none is configured", do), _ids(ids, told)]
    async with AsyncExitStack() as stack:
        limit = config.feeds.max_bytes
        sources = [await stack.enter_async_context(opened(link, limit)) for link in links]
        for market, link in site.feed.markets.items():
            sources.append(of_market(market, await stack.enter_async_context(opened(link, limit))))
        report = await asyncio.to_thread(check, sources, look=ids.look)
    whole = FeedIds() if report.feeds[0].unreadable else ids
    return [*judging_shop.feed(report.json(), config.feeds, site.id), _ids(whole, told)]


def _ids(ids: FeedIds, told: Told) -> Finding:
    if told.keys is None:
        return unknown("product ids", "only the running gateway knows those that were tracked")
    return judging_shop.ids(ids.standings(seen_of(told.keys)))
