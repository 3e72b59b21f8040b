"""The embedded stream: one SQLite file for all topics of one process on one machine.

WAL with synchronous=FULL: what was acknowledged is on disk, whatever is killed. Every topic has one
partition, number 0, and one reader per group, in this process; the append itself wakes a waiting reader.
"""

import asyncio
import sqlite3
import time
from collections.abc import Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from gateway.config import StreamSettings
from gateway.errors import NotDurable, Unreachable
from gateway.lock import Lock
from gateway.stream import Backlog, Chunk, Entry, Item, Mark, Taken
from gateway.stream.gather import Gatherer, Landing
from gateway.stream.marks import Ranges, from_text, not_done, to_text
from gateway.stream.sqlite_file import Writer, connect, prepare

PARTITION = 0
_PATIENCE = 1.0
"""Seconds a read waits for the first item."""
_FULL_PATIENCE = 0.05
"""Seconds a read lasts while its partition is full or closed: the caller asks again, not without end."""
_SWEEP_ROWS = 2000
"""Rows removed at once, some 10 ms: removal keeps pace with 10 000 events a second and delays no append."""
_TEXT_LIMIT = 2**20


class SqliteLog:
    """The file and its threads; gives out its topics as streams."""

    def __init__(self, settings: StreamSettings) -> None:
        """Raises ConfigError when another process owns the file or a newer gateway wrote it."""
        path = settings.path.absolute()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = Lock(path)
        try:
            prepare(path)
        except BaseException:
            self._lock.release()
            raise
        self.seconds = settings.append_seconds
        self._keep_ms = int(settings.keep_hours * 3_600_000)
        self._topics: dict[str, SqliteStream] = {}
        self.writer = Writer(path, self._sweep)
        self._readers = ThreadPoolExecutor(1, "stream-reader")
        self._reading = connect(path)
        self._closed = False

    async def topic(self, name: str) -> "SqliteStream":
        """Return the stream of that topic, always the same one; a topic not known so far is empty."""
        if name not in self._topics:
            number, following = await self.writer.submit(lambda connection: _open_topic(connection, name))
            self._topics.setdefault(name, SqliteStream(self, name, number, following))
        return self._topics[name]

    async def query(self, sql: str, *values: object) -> list[Any]:
        """Return rows, read beside the writer. Raises Unreachable when the file cannot be read."""
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._readers, lambda: self._reading.execute(sql, values).fetchall()
            )
        except (sqlite3.Error, RuntimeError) as problem:
            raise Unreachable(f"the stream cannot be read: {problem}") from problem

    def _sweep(self, connection: sqlite3.Connection) -> None:
        """Remove a step of what every group of a topic has done and is older than it must be kept."""
        before = time.time_ns() // 1_000_000 - self._keep_ms
        for topic, low in connection.execute("SELECT topic, min(low) FROM marks GROUP BY topic").fetchall():
            connection.execute(
                "DELETE FROM entries WHERE topic = ?1 AND at <= ?2 AND offset < min(?3, ?4 + "
                "(SELECT min(offset) FROM entries WHERE topic = ?1))",
                (topic, before, low, _SWEEP_ROWS),
            )

    async def close(self) -> None:
        """Close every topic, finish what was submitted, release the file. Bounded in time."""
        if self._closed:
            return
        self._closed = True
        for stream in self._topics.values():
            await stream.close()
        await self.writer.close(2 * self.seconds + 1)
        self._readers.submit(self._reading.close)
        self._readers.shutdown(wait=False)
        self._lock.release()


def _open_topic(connection: sqlite3.Connection, name: str) -> tuple[int, int]:
    """Return a topic's number and the offset of its next entry, making the topic where it is new."""
    connection.execute("INSERT INTO topics (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
    (number,) = connection.execute("SELECT id FROM topics WHERE name = ?", (name,)).fetchone()
    # Rows go only once every group's low is past them, so the marks remember an offset no row shows any more.
    (following,) = connection.execute(
        "SELECT max(coalesce((SELECT max(offset) + 1 FROM entries WHERE topic = ?1), 0),"
        " coalesce((SELECT max(low) FROM marks WHERE topic = ?1), 0))",
        (number,),
    ).fetchone()
    return number, following


@dataclass(slots=True)
class _Place:
    """Where a group's reader stands, and what beyond it was done before it started."""

    next: int
    done: Ranges


class SqliteStream:
    """One topic of the file."""

    def __init__(self, log: SqliteLog, name: str, number: int, following: int) -> None:
        self._log = log
        self.name = name
        self._number = number
        self._following = following
        self._gatherer = Gatherer(self._write, log.seconds, name)
        self._places: dict[str, _Place] = {}
        self._arrival = asyncio.get_running_loop().create_future()
        self._closed = False

    @property
    def end(self) -> int:
        """The offset of the next entry."""
        return self._following

    async def append(self, entries: Sequence[Entry]) -> Sequence[int]:
        """Return when every entry is on disk; raises NotDurable for all of them otherwise."""
        if not entries:
            return ()
        landing = Landing(1)
        self._gatherer.join(entries, landing)
        for reason in (await landing.wait()).values():
            raise NotDurable(reason, range(len(entries)))
        return ()

    async def _write(self, entries: list[Entry]) -> None:
        now = time.time_ns() // 1_000_000
        numbered = enumerate(entries, self._following)
        rows = [(self._number, offset, now, entry.value) for offset, entry in numbered]
        await self._log.writer.submit(
            lambda connection: connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?)", rows)
        )
        self._following += len(entries)
        self._wake_readers()

    def _wake_readers(self) -> None:
        self._arrival.set_result(None)
        self._arrival = asyncio.get_running_loop().create_future()

    async def read(self, group: str, limit: int, full: Container[int] = ()) -> Taken:
        """Return the group's next items, waiting up to a second for the first."""
        if PARTITION in full or self._closed:
            await asyncio.sleep(_FULL_PATIENCE)
            return Taken([])
        place = self._places.get(group)
        if place is None:
            place = self._places[group] = _Place(*await self._committed(group))
        deadline = time.monotonic() + _PATIENCE
        while (patience := deadline - time.monotonic()) > 0 and not self._closed:
            arrival = self._arrival
            if items := await self._next(place, limit):
                return Taken([Chunk(PARTITION, items, place.done)])
            if place.next >= self._following:
                await asyncio.wait((arrival,), timeout=patience)
        return Taken([])

    async def _next(self, place: _Place, limit: int) -> list[Item]:
        if place.next >= self._following:
            return []
        rows = await self._log.query(
            "SELECT offset, value FROM entries WHERE topic = ? AND offset BETWEEN ? AND ?"
            " ORDER BY offset LIMIT ?",
            self._number,
            place.next,
            self._following - 1,
            limit,
        )
        items = [Item(*row) for row in rows]
        place.next = items[-1].offset + 1 if items else self._following
        return not_done(items, place.done) if items else []

    async def _committed(self, group: str) -> tuple[int, Ranges]:
        rows = await self._log.query(
            "SELECT low, done FROM marks WHERE topic = ? AND reader = ?", self._number, group
        )
        if not rows:
            return 0, ()
        low, done = rows[0]
        return low, from_text(low, done)

    async def commit(self, group: str, marks: Sequence[Mark]) -> None:
        """Store the mark; raises Unreachable when the disk does not take it."""
        rows = [(self._number, group, mark.low, to_text(mark.low, mark.done, _TEXT_LIMIT)) for mark in marks]
        try:
            await self._log.writer.submit(
                lambda connection: connection.executemany("REPLACE INTO marks VALUES (?, ?, ?, ?)", rows)
            )
        except sqlite3.Error as problem:
            raise Unreachable(f"the mark could not be stored: {problem}") from problem

    async def backlog(self, group: str) -> Backlog:
        """Return how much the group has before it and how old that is."""
        low, done = await self._committed(group)
        count = self._following - low - sum(last - first + 1 for first, last in done)
        oldest = await self._log.query(
            "SELECT at FROM entries WHERE topic = ? AND offset >= ? ORDER BY offset LIMIT 1",
            self._number,
            low,
        )
        if not oldest:
            return Backlog(0, 0.0)
        return Backlog(count, max(0.0, time.time() - oldest[0][0] / 1000))

    async def bytes_left(self, group: str) -> int:
        """Return how large what the group has before it is."""
        low, _ = await self._committed(group)
        ((size,),) = await self._log.query(
            "SELECT coalesce(sum(length(value)), 0) FROM entries WHERE topic = ? AND offset >= ?",
            self._number,
            low,
        )
        return int(size)

    async def close(self) -> None:
        """Finish what was taken and let waiting readers go; the file stays open for the other topics."""
        if self._closed:
            return
        self._closed = True
        await self._gatherer.close()
        self._wake_readers()
