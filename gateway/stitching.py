"""The stage between the two topics: reads events, stitches them, passes them on to their site's stream."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TypeVar

import structlog

from gateway import metrics
from gateway.clock import Clock
from gateway.errors import NotDurable, Unreachable
from gateway.event import Record
from gateway.flow import Positioned, pass_on, stitch
from gateway.identity.stitcher import Stitcher
from gateway.recent import RecentIds
from gateway.stopping import unless_stopped
from gateway.stream import Mark, Stream, Taken

GROUP = "stitch"
REMEMBERED = 50_000
"""Ids kept in mind: a write that is tried again stands in the stream twice, a batch or two apart."""
REPEAT_WINDOW_MS = 3600 * 1000
BATCH = 500
"""Records stitched and passed on at once: what a crash between passing on and marking repeats."""
_RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)

_log = structlog.get_logger()

T = TypeVar("T")


class _Stopped(Exception):
    """`stop` was called while something was waited for."""


class Stitching:
    """Runs the stage until it is stopped; what is away is waited for, and nothing passes unstitched."""

    def __init__(self, events: Stream, stitcher: Stitcher, sites: Mapping[str, Stream], clock: Clock) -> None:
        self._events = events
        self._stitcher = stitcher
        self._sites = sites
        self._clock = clock
        self._recent = RecentIds(REMEMBERED, REPEAT_WINDOW_MS)
        self._held: frozenset[int] = frozenset()
        self._copies = metrics.Bound(metrics.COPIES_DROPPED)
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Read, stitch, pass on, commit, until `stop`; raises what nobody can wait away.

        A batch is whole before the next read, so nothing has to be done when partitions are revoked. Raises
        ConfigError for a record of a site that is not configured: with nothing of its batch committed, it is
        read again once the site is.
        """
        with suppress(_Stopped):
            while not self._stopping.is_set():
                taken = await self._patiently(self._read)
                self._note(taken)
                if taken.chunks:
                    await self._pass_on(taken)

    def stop(self) -> None:
        """Let `run` return behind the batch it is at."""
        self._stopping.set()

    async def _read(self) -> Taken:
        """Return what comes next, nothing once stopped: what is read then is not marked and comes again."""
        return await unless_stopped(self._stopping, self._events.read(GROUP, BATCH)) or Taken([])

    def _note(self, taken: Taken) -> None:
        """Trust no memory of cookies that another process may have seen in the meantime."""
        held = self._held.union(chunk.partition for chunk in taken.chunks) - taken.revoked
        if taken.revoked or held != self._held:
            self._stitcher.start_anew()
        self._held = held

    async def _pass_on(self, taken: Taken) -> None:
        records = self._without_copies(_records(taken))
        waiting = await self._patiently(lambda: stitch(records, self._stitcher, self._sites))
        await self._patiently(lambda: pass_on(waiting, self._sites))
        now = self._clock.now_ms()
        for _, record in records:
            self._recent.add(record.id, now)
        marks = [Mark(chunk.partition, chunk.items[-1].offset + 1) for chunk in taken.chunks if chunk.items]
        await self._patiently(lambda: self._events.commit(GROUP, marks))

    def _without_copies(self, records: Positioned) -> Positioned:
        """Leave out what this process has passed on or what stands in the batch before.

        Of callers' ids the store alone decides: dropped here, the very record that holds the id might go.
        """
        now = self._clock.now_ms()
        fresh: dict[str, tuple[str, Record]] = {}
        for position, record in records:
            key = position if record.caller_id else record.id
            if key in fresh or (not record.caller_id and self._recent.knows(record.id, now)):
                self._copies[record.site, "stitch"].inc()
            else:
                fresh[key] = position, record
        return list(fresh.values())

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what the attempt does in the end, waiting while a part is away; raises _Stopped."""
        failures = 0
        while True:
            try:
                return await attempt()
            except (Unreachable, NotDurable) as problem:
                if self._stopping.is_set():
                    raise _Stopped from problem
                if not failures:
                    _log.warning("stitching_waits", reason=str(problem))
                wait = _RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)]
                failures += 1
            await self._clock.sleep(wait)


def _records(taken: Taken) -> Positioned:
    return [
        (f"{chunk.partition}:{item.offset}", Record.decode(item.value))
        for chunk in taken.chunks
        for item in chunk.items
    ]
