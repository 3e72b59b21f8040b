"""Looks at every site's feeds on a schedule: keeps the last good version, alarms when a new one is bad."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import structlog

from gateway import metrics
from gateway.clock import Clock
from gateway.config import Config, Feeds, Site, SiteFeed
from gateway.errors import FeedUnreadable, GatewayError
from gateway.feed.apart import check_apart
from gateway.feed.kept import Kept
from gateway.feed.source import Source, loaded, of_market

_FRAME = frozenset(["unreadable", "no_products", "namespace", "undeclared"])
"""Findings that make a whole feed useless."""

_log = structlog.get_logger()


class Watch:
    """Watches the feeds of all sites that have links, in all languages and for all markets."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._feeds = config.feeds
        self._sites = [site for site in config.sites if site.feed.links]
        self._clock = clock
        self._was_good: dict[tuple[str, str], bool] = {}

    async def run(self) -> None:
        """Look at every feed now and then; runs until cancelled."""
        while True:
            for site in self._sites:
                try:
                    await self.look(site)
                except (GatewayError, OSError) as problem:
                    _log.error("feed_not_checked", site=site.id, reason=str(problem))
            await self._clock.sleep(self._feeds.minutes * 60)

    async def look(self, site: Site) -> Any:
        """Load and check a site's feeds, keep the good ones, and return the report.

        A bad version of one language does not touch the others. A market's feed is not kept: nobody loads it
        from here. Raises GatewayError or OSError where they could not be checked.
        """
        folder = self._feeds.path / site.id
        folder.mkdir(parents=True, exist_ok=True)
        kept = Kept(folder)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as new:
            sources = await self._loaded(site.feed, Path(new))
            report = await check_apart(sources)
            for source, feed in zip(sources, report["feeds"], strict=True):
                good = is_good(feed, report, self._feeds)
                if good and not source.is_market:
                    good = await self._keep(kept, source)
                self._tell(site.id, feed, good)
        kept.tell(report)
        return report

    async def _loaded(self, feed: SiteFeed, folder: Path) -> list[Source]:
        most = self._feeds.max_bytes
        languages = [
            await loaded(url, folder / f"{language}.xml", most, language)
            for language, url in feed.links.items()
        ]
        markets = [
            of_market(market, await loaded(url, folder / f"market-{market}.xml", most))
            for market, url in feed.markets.items()
        ]
        return languages + markets

    async def _keep(self, kept: Kept, source: Source) -> bool:
        try:
            await asyncio.to_thread(kept.keep, source.name, source, self._feeds.max_bytes)
        except FeedUnreadable:
            return False
        return True

    def _tell(self, site: str, feed: Any, good: bool) -> None:
        language = feed["name"]
        metrics.FEED_GOOD.labels(site, language).set(good)
        metrics.FEED_CHECKED.labels(site, language).set(self._clock.now_ms() / 1000)
        metrics.FEED_PRODUCTS.labels(site, language).set(feed["products"])
        for severity in ("errors", "warnings"):
            metrics.FEED_FINDINGS.labels(site, language, severity).set(feed[severity])
        before = self._was_good.get((site, language))
        self._was_good[site, language] = good
        if good and before is False:
            _log.info("feed_good_again", site=site, language=language)
        elif not good and before is not False:
            _log.error(
                "feed_bad",
                site=site,
                language=language,
                reason=feed["unreadable"] or f"{feed['errors']} errors in {feed['products']} products",
            )


def is_good(feed: Any, report: Any, feeds: Feeds) -> bool:
    """Return whether a feed, as the report tells of it, is fit to take the place of the version before."""
    frame = any(
        group["code"] in _FRAME and any(one["feed"] == feed["name"] for one in group["examples"])
        for group in report["groups"]
    )
    return not frame and feed["errors"] <= feeds.tolerated_errors * feed["products"]
