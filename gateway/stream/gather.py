"""Gathering: appends of concurrent callers share one write, and nobody waits longer than promised.

Idle, a write starts in the loop's next turn, so that all requests of one turn share it; busy, callers gather
until the write under way is over. One future per group, whoever and how many wait for it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from gateway import metrics
from gateway.stream import Entry


@dataclass(slots=True)
class _Group:
    """What shares one write, and what became of it: None, or why it is not durable."""

    deadline: float
    outcome: asyncio.Future[str | None]
    entries: list[Entry] = field(default_factory=list)


class Gatherer:
    """One flusher in front of one ordered log (a SQLite topic, a Kafka partition).

    `write` makes entries durable in the order given or raises; it ends some time after it has become useless,
    and until then nothing is written behind it.
    """

    def __init__(self, write: Callable[[list[Entry]], Awaitable[None]], seconds: float, topic: str) -> None:
        self._write = write
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._group: _Group | None = None
        self._flusher: asyncio.Task[None] | None = None
        self._late = False
        self._closed = False
        self._observe_seconds = metrics.APPEND_SECONDS.labels(topic).observe
        self._count_entries = metrics.APPEND_ENTRIES.labels(topic).inc
        self._count_failure = metrics.APPEND_FAILURES.labels(topic).inc

    def join(self, entries: Sequence[Entry]) -> asyncio.Future[str | None]:
        """Add the entries to the next write and return its outcome: None once durable, else the reason.

        The future is shared, so whoever awaits it shields it. It is done `seconds` after the group's oldest
        entries came, at the latest; at once when closed.
        """
        group = self._group
        if group is None:
            group = self._new_group()
        group.entries.extend(entries)
        return group.outcome

    def _new_group(self) -> _Group:
        group = _Group(self._loop.time() + self._seconds, self._loop.create_future())
        if self._closed:
            group.outcome.set_result("the stream is closed")
            return group
        self._group = group
        if self._flusher is None:
            self._flusher = self._loop.create_task(self._flush())
        elif self._late:
            self._loop.call_at(group.deadline, self._expire, group)
        return group

    async def _flush(self) -> None:
        while (group := self._group) is not None:
            self._group = None
            started = time.perf_counter()
            write = asyncio.ensure_future(self._write(group.entries))
            await asyncio.wait((write,), timeout=group.deadline - self._loop.time())
            reason = self._reason(write)
            group.outcome.set_result(reason)
            if reason is None:
                self._observe_seconds(time.perf_counter() - started)
                self._count_entries(len(group.entries))
            else:
                self._fail_what_waits(reason)
                await self._let_it_end(write)
        self._flusher = None

    def _reason(self, write: asyncio.Future[None]) -> str | None:
        if not write.done():
            return f"not durable within {self._seconds:g} s"
        if write.cancelled():
            return "the write was given up"
        problem = write.exception()
        return None if problem is None else f"{type(problem).__name__}: {problem}"

    def _fail_what_waits(self, reason: str) -> None:
        """Fail what queued behind a failed write: sent on, it would overtake what callers then post again."""
        self._count_failure()
        group, self._group = self._group, None
        if group is not None:
            group.outcome.set_result(reason)

    async def _let_it_end(self, write: asyncio.Future[None]) -> None:
        """Wait for the end of a late write; what comes meanwhile gathers, each group for its own time."""
        self._late = True
        await asyncio.wait((write,))
        self._late = False
        self._reason(write)  # looks at its exception, which nobody waits for any more

    def _expire(self, group: _Group) -> None:
        if group is self._group:
            self._fail_what_waits(f"not durable within {self._seconds:g} s")

    async def close(self) -> None:
        """Refuse further values and return when what was taken has its outcome, within its deadline."""
        self._closed = True
        if self._flusher is not None:
            await asyncio.wait((self._flusher,), timeout=2 * self._seconds)
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.wait((self._flusher,))
