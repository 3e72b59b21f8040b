"""Gathering: appends of concurrent callers share one write, and nobody waits longer than promised.

Idle, a write starts in the loop's next turn, so that all requests of one turn share it; busy, callers gather
until the write under way is over. One future per caller, however many writes hold its entries.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway import metrics
from gateway.errors import NotDurable
from gateway.stream import Entry

DISK_SECONDS = 1.0
"""How long a spool may take before the caller is refused."""


class Landing:
    """One caller's wait for its entries, which `parts` writes hold."""

    __slots__ = ("_failed", "_left", "_over", "on_disk")

    def __init__(self, parts: int) -> None:
        self._left = parts
        self.on_disk: set[Gatherer] = set()
        """Parts that are durable in the spool, not in the log itself."""
        self._failed: dict[Gatherer, str] = {}
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def part(self, gatherer: "Gatherer", reason: str | None, on_disk: bool = False) -> None:
        """Take note of what became of a part: None once durable, else the reason."""
        if reason is not None:
            self._failed[gatherer] = reason
        elif on_disk:
            self.on_disk.add(gatherer)
        self._left -= 1
        if not self._left and not self._over.done():  # done: the caller was cancelled
            self._over.set_result(None)

    async def wait(self) -> "dict[Gatherer, str]":
        """Return which parts are not durable, and why, once every part has its outcome."""
        await self._over
        return self._failed


class Spool(Protocol):
    """Where entries go that the log does not take in time."""

    @property
    def is_behind(self) -> bool:
        """Whether what was appended before has yet to reach the log, so that it has to be followed there."""

    async def take(self, entries: list[Entry], late: "asyncio.Future[None] | None") -> None:
        """Make the entries durable, `late` being a write of them that may succeed yet; raises NotDurable."""


@dataclass(slots=True)
class _Group:
    """What shares one write, and who waits for it."""

    deadline: float
    entries: list[Entry] = field(default_factory=list)
    landings: list[Landing] = field(default_factory=list)


class Gatherer:
    """One flusher in front of one ordered log (a SQLite topic, a Kafka partition).

    `write` makes entries durable in the order given or raises; it ends some time after it has become useless,
    and until then nothing is written behind it. What it does not do in time goes to the `spool`, if there is
    one.
    """

    def __init__(
        self,
        write: Callable[[list[Entry]], Awaitable[None]],
        seconds: float,
        topic: str,
        spool: Spool | None = None,
    ) -> None:
        self._write = write
        self._spool = spool
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._group: _Group | None = None
        self._flusher: asyncio.Task[None] | None = None
        self._late = False
        self._closed = False
        self._observe_seconds = metrics.APPEND_SECONDS.labels(topic).observe
        self._count_entries = metrics.APPEND_ENTRIES.labels(topic).inc
        self._count_failure = metrics.APPEND_FAILURES.labels(topic).inc

    def join(self, entries: Sequence[Entry], landing: Landing) -> None:
        """Add the entries to the next write, whose outcome is a part of the landing.

        That is `seconds` after the group's oldest entries came, at the latest; at once when closed.
        """
        if self._closed:
            landing.part(self, "the stream is closed")
            return
        group = self._group or self._new_group()
        group.entries.extend(entries)
        group.landings.append(landing)

    def _new_group(self) -> _Group:
        group = self._group = _Group(self._loop.time() + self._seconds)
        if self._flusher is None:
            self._flusher = self._loop.create_task(self._flush())
        elif self._late:
            self._loop.call_at(group.deadline, self._expire, group)
        return group

    async def _flush(self) -> None:
        while (group := self._group) is not None:
            self._group = None
            if self._spool is not None and self._spool.is_behind:
                await self._to_disk(self._spool, group, None)
            else:
                await self._to_log(group)
        self._flusher = None

    async def _to_log(self, group: _Group) -> None:
        started = time.perf_counter()
        write = asyncio.ensure_future(self._write(group.entries))
        await asyncio.wait((write,), timeout=group.deadline - self._loop.time())
        reason = self._reason(write)
        if reason is None:
            self._tell(group, None)
            self._observe_seconds(time.perf_counter() - started)
            self._count_entries(len(group.entries))
        elif self._spool is not None:
            await self._to_disk(self._spool, group, write)
        else:
            self._tell(group, reason)
            self._fail_what_waits(reason)
            await self._let_it_end(write)

    async def _to_disk(self, spool: Spool, group: _Group, late: asyncio.Future[None] | None) -> None:
        try:
            await spool.take(group.entries, late)
        except NotDurable as problem:
            self._tell(group, str(problem))
            self._fail_what_waits(str(problem))
        else:
            self._tell(group, None, on_disk=True)

    def _tell(self, group: _Group, reason: str | None, on_disk: bool = False) -> None:
        for landing in group.landings:
            landing.part(self, reason, on_disk)

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
            self._tell(group, reason)

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
            patience = 2 * self._seconds + (0 if self._spool is None else DISK_SECONDS)
            await asyncio.wait((self._flusher,), timeout=patience)
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.wait((self._flusher,))
