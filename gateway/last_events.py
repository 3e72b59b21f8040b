"""When an event of each type was last delivered: noted in memory, written in batches."""

import asyncio
from collections.abc import Mapping

import structlog

from gateway.clock import Clock
from gateway.event import Record
from gateway.news import write_news
from gateway.store import Store, bulk

SECONDS = 3.0
"""How often news is written at most."""

_KEEP = """
    INSERT INTO last_events (site, type, at)
    SELECT value->>0, value->>1, CAST(value->>2 AS bigint) FROM rows($1) WHERE true
    ON CONFLICT (site, type) DO UPDATE SET at = excluded.at WHERE last_events.at < excluded.at
"""
_READ = "SELECT type, at FROM last_events WHERE site = $1 ORDER BY at DESC, type"

_log = structlog.get_logger()


class LastEvents:
    """Notes what this process delivers; several processes may note the same site."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._fresh: dict[tuple[str, str], int] = {}
        self._news = asyncio.Event()

    def note(self, record: Record) -> None:
        """Take in that the record is delivered; the database is not asked."""
        self._fresh[record.site, record.type] = self._clock.now_ms()
        self._news.set()

    async def run(self) -> None:
        """Write whenever there is news, until cancelled."""
        await write_news(self._news, self.write, SECONDS, self._clock, "last_events_wait")

    async def write(self) -> None:
        """Write what is new; where that fails it is new still. Raises Unreachable."""
        writing = dict(self._fresh)
        async with self._store.transaction() as transaction:
            await transaction.execute(_KEEP, bulk(sorted((*key, at) for key, at in writing.items())))
        for key, at in writing.items():
            if self._fresh[key] == at:
                del self._fresh[key]


async def last_events(store: Store, site: str) -> Mapping[str, int]:
    """Return when each type of the site was last delivered, in ms, the newest first. Raises Unreachable."""
    async with store.transaction() as transaction:
        rows = await transaction.fetch(_READ, site)
    return {row["type"]: row["at"] for row in rows}
