"""Whom operators have erased, for a stage that knows nothing else of identity: it drops what is left."""

from collections.abc import Container, Iterable

import structlog

from gateway.clock import Clock
from gateway.errors import Unreachable
from gateway.event import Record
from gateway.identity.links import epochs
from gateway.identity.sites import Sites
from gateway.store import Store

LOOK_SECONDS = 2.0
"""How long an erasure takes at most to reach a stage."""

_log = structlog.get_logger()


class Erasures:
    """Knows the erasures of some sites, as of a moment ago."""

    def __init__(self, store: Store, sites: Iterable[str], clock: Clock, exempt: Container[str] = ()) -> None:
        """`exempt` names the types of deletion calls: they go on though they name the erased."""
        self._store = store
        self._ids = sorted(sites)
        self._clock = clock
        self._exempt = exempt
        self._sites = Sites()

    def cover(self, record: Record) -> bool:
        """Return whether the record was accepted before somebody whom it names was erased."""
        return (
            self._sites.has_erased(record.site)
            and record.type not in self._exempt
            and self._sites.were_erased_since(record)
        )

    async def watch(self) -> None:
        """Look again and again, until cancelled; while the database is away what was known holds."""
        away = False
        while True:
            try:
                await self.look()
            except Unreachable as problem:
                if not away:
                    _log.warning("erasures_unknown", reason=str(problem))
                away = True
            else:
                away = False
            await self._clock.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Read what has changed since the last look. Raises Unreachable."""
        async with self._store.transaction() as transaction:
            known = await epochs(transaction, self._ids)
            await self._sites.are_current(transaction, known, self._ids)
