"""The spool: what Kafka does not take in time goes to this machine's disk, and from there to Kafka, in order.

It works partition by partition. Once something of a partition lies on disk, everything of it goes there,
until a drainer has brought all of it to Kafka: so order is kept, one leaderless partition takes no other with
it, and nobody waits for a Kafka that is known to be away. What Kafka took late, after all, stands there
twice; downstream knows it by its record id.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from gateway import metrics
from gateway.config import StreamSettings
from gateway.errors import ConfigError, NotDurable
from gateway.stream import Chunk, Entry, Mark
from gateway.stream.gather import DISK_SECONDS
from gateway.stream.sqlite import SqliteLog, SqliteStream

GROUP = "drain"
_BATCH = 500
_RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0)
_LANE_LENGTH_BYTES = 4

T = TypeVar("T")
Write = Callable[[list[Entry]], Awaitable[None]]

_log = structlog.get_logger()


class Spool:
    """One file for one topic. Make it with `open`."""

    def __init__(self, log: SqliteLog, settings: StreamSettings, topic: str) -> None:
        self._log = log
        self._topic = topic
        self._limit = settings.spool_bytes
        self.used = 0
        """Bytes on disk, or on their way to it."""
        self.partitions: list[SpooledPartition] = []
        self._is_empty = True
        self._path = settings.spool_path
        self._count = metrics.SPOOL_RECORDS.labels(topic)

    @classmethod
    async def open(cls, settings: StreamSettings, topic: str, writes: Sequence[Write]) -> "Spool":
        """Return the spool in front of one write for each partition, draining what an earlier run left.

        Raises ConfigError when the file belongs to another process or a newer version, or holds what was
        spooled for another number of partitions.
        """
        disk = {"path": settings.spool_path, "append_seconds": DISK_SECONDS, "keep_hours": 0}
        log = SqliteLog(settings.model_copy(update=disk))
        spool = cls(log, settings, topic)
        names = [f"{topic}.{number}" for number in range(len(writes))]
        try:
            await _check_partitions(log, names, settings)
            for name, write in zip(names, writes, strict=True):
                partition = SpooledPartition(spool, await log.topic(name), write)
                spool.partitions.append(partition)
                await partition.start()
        except BaseException:
            await spool.close()
            raise
        return spool

    def take(self, size: int) -> None:
        """Reserve room; raises NotDurable when there is none."""
        if self.used + size > self._limit:
            raise NotDurable("the spool is full")
        self.used += size

    def give_back(self, size: int) -> None:
        """Let go of room. A write that was refused for its lateness may be given back twice."""
        self.used = max(0, self.used - size)

    def tell(self) -> None:
        """Set the gauge to what lies on disk, and log when that begins and ends."""
        count = sum(partition.left for partition in self.partitions)
        self._count.set(count)
        if self._is_empty and count:
            _log.warning("spooling", topic=self._topic, path=str(self._path))
        elif not self._is_empty and not count:
            _log.info("spool_drained", topic=self._topic)
        self._is_empty = not count

    async def close(self) -> None:
        """Stop draining and close the file; what is left in it is drained after the next start."""
        await asyncio.gather(*(partition.stop() for partition in self.partitions))
        await self._log.close()


class SpooledPartition:
    """One partition: Kafka while it takes what comes, else the disk until all of that is in Kafka."""

    def __init__(self, spool: Spool, disk: SqliteStream, write: Write) -> None:
        self._spool = spool
        self._disk = disk
        self._write = write
        self._late: asyncio.Future[None] | None = None
        """A write to Kafka that was no longer waited for, and may succeed yet."""
        self._drainer: asyncio.Task[None] | None = None
        self._drained = disk.end
        """Offset up to which all is in Kafka."""

    async def start(self) -> None:
        """Drain what an earlier run left."""
        self._drained -= (await self._disk.backlog(GROUP)).count
        if self.left:
            self._spool.used += await self._disk.bytes_left(GROUP)
            self._drain()

    @property
    def left(self) -> int:
        """Entries on disk: also those that it took too late for whoever waited for them."""
        return self._disk.end - self._drained

    @property
    def is_behind(self) -> bool:
        """Whether entries lie on disk, or a write to Kafka is late: what comes then has to follow them."""
        return bool(self.left) or (self._late is not None and not self._late.done())

    async def take(self, entries: list[Entry], late: asyncio.Future[None] | None) -> None:
        """Make the entries durable on disk, behind all that came before, and see that they reach Kafka.

        Raises NotDurable when the spool is full or the disk fails. One call at a time.
        """
        if late is not None:
            late.add_done_callback(_look_at)
            self._late = late
        self._drain()
        packed = [Entry("", _packed(entry)) for entry in entries]
        size = sum(len(entry.value) for entry in packed)
        self._spool.take(size)
        try:
            await self._disk.append(packed)
        except BaseException:
            self._spool.give_back(size)
            raise
        self._drain()

    def _drain(self) -> None:
        self._spool.tell()
        if self.left and self._drainer is None:
            self._drainer = asyncio.create_task(self._until_empty())

    async def _until_empty(self) -> None:
        if self._late is not None:  # two writes of a partition at once could change places
            await asyncio.wait((self._late,))
            self._late = None
        while self.left:
            for chunk in (await _patiently(lambda: self._disk.read(GROUP, _BATCH))).chunks:
                await self._move(chunk)
        self._drainer = None

    async def _move(self, chunk: Chunk) -> None:
        entries = [_unpacked(item.value) for item in chunk.items]
        await _patiently(lambda: self._write(entries), self._tell_why)
        mark = Mark(chunk.partition, chunk.items[-1].offset + 1)
        await _patiently(lambda: self._disk.commit(GROUP, [mark]))
        self._spool.give_back(sum(len(item.value) for item in chunk.items))
        self._drained = mark.low
        self._spool.tell()

    def _tell_why(self, problem: Exception) -> None:
        """Log what keeps Kafka from taking them: it may be one that waits for an operator."""
        _log.warning("spool_waits", partition=self._disk.name, reason=f"{type(problem).__name__}: {problem}")

    async def stop(self) -> None:
        """Stop draining."""
        for work in (self._drainer, self._late):
            if work is not None:
                work.cancel()
                await asyncio.wait((work,))


async def _check_partitions(log: SqliteLog, names: list[str], settings: StreamSettings) -> None:
    """Raise ConfigError for a file with records of other partitions: nobody would drain them, or in order."""
    known = {str(name) for (name,) in await log.query("SELECT name FROM topics")}
    stranded = known.difference(names) if known.issuperset(names) else known
    left = sum([(await (await log.topic(name)).backlog(GROUP)).count for name in sorted(stranded)])
    if left:
        raise ConfigError(
            [
                f"stream.partitions is {len(names)}, but {settings.spool_path} holds {left} records that "
                "were spooled with another count; start with that one until they are drained"
            ]
        )


def _look_at(late: asyncio.Future[None]) -> None:
    """Take note of how it ended, which nobody waits for any more."""
    if not late.cancelled():
        late.exception()


async def _patiently(
    attempt: Callable[[], Awaitable[T]], tell: Callable[[Exception], None] = lambda _: None
) -> T:
    """Return what the attempt does in the end, however often Kafka or the disk is away.

    What fails in the same way again is told once.
    """
    failures = 0
    told: set[type[Exception]] = set()
    while True:
        try:
            return await attempt()
        except Exception as problem:  # any, for aiokafka asserts: without a drainer it all would stay on disk
            if type(problem) not in told:
                told.add(type(problem))
                tell(problem)
            await asyncio.sleep(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
            failures += 1


def _packed(entry: Entry) -> bytes:
    lane = entry.lane.encode()
    return len(lane).to_bytes(_LANE_LENGTH_BYTES) + lane + entry.value


def _unpacked(value: bytes) -> Entry:
    end = _LANE_LENGTH_BYTES + int.from_bytes(value[:_LANE_LENGTH_BYTES])
    return Entry(value[_LANE_LENGTH_BYTES:end].decode(), value[end:])
