"""The stage between the two topics: reads events, stitches them, passes them on to their site's stream."""

import asyncio
from collections.abc import Mapping

import structlog

from gateway.clock import Clock
from gateway.errors import NotDurable, Unreachable
from gateway.flow import pass_on
from gateway.identity.stitcher import Stitcher
from gateway.stream import Mark, Stream, Taken

GROUP = "stitch"
_BATCH = 500
_RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)

_log = structlog.get_logger()


class Stitching:
    """Runs the stage until it is stopped; what is away is waited for, and nothing passes unstitched."""

    def __init__(self, events: Stream, stitcher: Stitcher, sites: Mapping[str, Stream], clock: Clock) -> None:
        self._events = events
        self._stitcher = stitcher
        self._sites = sites
        self._clock = clock
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Read, pass on, commit, until `stop`; raises what nobody can wait away.

        A batch is whole before the next read, so nothing has to be done when partitions are revoked.
        """
        while not self._stopping.is_set():
            taken = await self._events.read(GROUP, _BATCH)
            if taken.chunks:
                marks = await self._until_passed_on(taken)
                await self._events.commit(GROUP, marks)

    def stop(self) -> None:
        """Let `run` return behind the batch it is at."""
        self._stopping.set()

    async def _until_passed_on(self, taken: Taken) -> list[Mark]:
        failures = 0
        while not self._stopping.is_set():
            try:
                return await pass_on(taken, self._stitcher, self._sites)
            except (Unreachable, NotDurable) as problem:
                if not failures:
                    _log.warning("stitching_waits", reason=str(problem))
                wait = _RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)]
                failures += 1
                await self._clock.sleep(wait)
        return []
