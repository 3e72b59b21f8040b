"""Keeps the samples of what this process delivers, compares them, sets the metric and warns."""

import asyncio
from collections.abc import Iterable

import structlog

from gateway import metrics
from gateway.clock import Clock
from gateway.event import Record
from gateway.news import write_news
from gateway.product_keys import table
from gateway.product_keys.comparing import standings
from gateway.product_keys.sample import DAY_MS, Sample
from gateway.store import Store

SECONDS = 60.0
"""How often new keys are written and compared at most."""

_log = structlog.get_logger()


class KeyWatch:
    """Watches the product keys of some sites; several processes may watch the same."""

    def __init__(self, store: Store, sites: Iterable[str], clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._news = asyncio.Event()
        self._samples = {site: Sample(self._news.set) for site in sites}
        self._apart: set[tuple[str, str]] = set()

    def look(self, record: Record) -> None:
        """Take in a delivered record's product keys; the database is not asked."""
        sample = self._samples.get(record.site)
        if sample is not None:
            sample.look(record)

    async def run(self) -> None:
        """Write and compare whenever there is news, until cancelled."""
        await write_news(self._news, self.write, SECONDS, self._clock, "product_keys_wait")

    async def write(self) -> None:
        """Write what is new, and tell how the sites concerned stand. Raises Unreachable."""
        today = self._clock.now_ms() // DAY_MS
        for site, sample in self._samples.items():
            writing = list(sample.fresh)
            if writing:
                await table.keep(self._store, site, writing, today)
                del sample.fresh[: len(writing)]
                self._tell(site, await table.read(self._store, site, today))

    def _tell(self, site: str, rows: table.Rows) -> None:
        for source, standing in standings(rows).items():
            if not standing.compared:
                continue
            share = len(standing.unknown) / standing.compared
            metrics.PRODUCT_KEYS_UNKNOWN.labels(site, source).set(share)
            if not standing.is_apart:
                self._apart.discard((site, source))
            elif (site, source) not in self._apart:
                self._apart.add((site, source))
                _log.warning(
                    "product_keys_apart",
                    site=site,
                    source=source.value,
                    compared=standing.compared,
                    unknown=len(standing.unknown),
                    groups=standing.groups,
                )
