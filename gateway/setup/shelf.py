"""What is set up, kept in memory for a while: pages load it whatever becomes of the database."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.ingest.problem import Problem
from gateway.setup import table
from gateway.setup.table import Kept, Thing
from gateway.store import Store

SECONDS = 60.0
"""How long a row is served before the database is asked again."""
_AGAIN_SECONDS = 5.0
"""The same for a row that is not there yet, and while the database is away."""


@dataclass(slots=True)
class _Place:
    """One row's place."""

    kept: Kept | None = None
    is_known: bool = False
    """Whether the database has answered at all."""
    until: float = 0.0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One question at a time; who comes meanwhile takes its answer."""


class Shelf:
    """The newest rows of the configured sites."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._places: defaultdict[tuple[str, Thing], _Place] = defaultdict(_Place)

    async def newest(self, site: str, thing: Thing) -> Kept | None:
        """Return what counts, at most a minute old, or the last known while the database is away.

        Raises Problem 503 where it is away and was never asked.
        """
        place = self._places[site, thing]
        if self._clock.monotonic() >= place.until:
            async with place.asking:
                if self._clock.monotonic() >= place.until:
                    await self._look(place, site, thing)
        if not place.is_known:
            raise Problem(503, "away", "the database is away; ask again", {"Retry-After": "5"})
        return place.kept

    def forget(self, site: str, thing: Thing) -> None:
        """Ask the database next time: the row has changed. While it is away the old one serves."""
        self._places[site, thing].until = 0.0

    async def _look(self, place: _Place, site: str, thing: Thing) -> None:
        try:
            place.kept = await table.newest(self._store, site, thing)
        except GatewayError:
            found = None
        else:
            place.is_known, found = True, place.kept
        place.until = self._clock.monotonic() + (SECONDS if found else _AGAIN_SECONDS)
