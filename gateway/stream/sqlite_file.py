"""The file under the embedded stream: its schema, and the one thread that writes to it."""

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError

SCHEMA_VERSION = 1
TIDY_SECONDS = 0.2

_SCHEMA = """
CREATE TABLE topics (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE entries (
    topic  INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    at     INTEGER NOT NULL,  -- when it was appended, milliseconds since 1970
    value  BLOB NOT NULL,
    PRIMARY KEY (topic, offset)
) WITHOUT ROWID;
CREATE TABLE marks (
    topic  INTEGER NOT NULL,
    reader TEXT NOT NULL,     -- the group
    low    INTEGER NOT NULL,
    done   TEXT NOT NULL,
    PRIMARY KEY (topic, reader)
) WITHOUT ROWID;
"""

Work = Callable[[sqlite3.Connection], Any]


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection that commits only when told to and whose commits outlive a crash of the machine."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def prepare(path: Path) -> None:
    """Make the file, readable by its owner alone, or see that it is one this code understands.

    Raises ConfigError for a file that a newer version wrote, or that is no such file at all.
    """
    path.touch(mode=0o600)
    try:
        connection = connect(path)
    except sqlite3.DatabaseError as problem:
        raise ConfigError([f"{path} cannot be used as a stream: {problem}"]) from None
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise ConfigError(
                [f"{path} was written by a newer gateway (schema {version}, this one knows {SCHEMA_VERSION})"]
            )
        if version == 0:
            connection.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {SCHEMA_VERSION};COMMIT")
    finally:
        connection.close()


class Writer:
    """One thread that commits: whatever waits when it looks goes into one transaction, one disk sync."""

    def __init__(self, path: Path, tidy: Work) -> None:
        """`tidy` is done now and then, in a transaction of its own; when it fails, nobody else does."""
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[tuple[Work, asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._connection = connect(path)
        self._tidy = tidy
        self._tidied = time.monotonic()
        self._over = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="stream-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> asyncio.Future[Any]:
        """Have the work done in the next transaction; the future holds what it returns, once committed.

        One failing work fails its whole transaction: all of it is rolled back, each future gets the error.
        """
        done = self._loop.create_future()
        self._jobs.put((work, done))
        return done

    async def close(self, seconds: float) -> None:
        """Finish what was submitted; give up on a disk that does not answer after `seconds`."""
        self._jobs.put(None)
        await asyncio.wait((self._over,), timeout=seconds)

    def _run(self) -> None:
        while jobs := self._waiting():
            works = [work for work, _ in jobs]
            try:
                results: list[Any] = self._transaction(works)
                problem = None
            except Exception as failure:  # the disk, most likely full
                results, problem = [], failure
            self._tell(_resolve, [done for _, done in jobs], results, problem)
            if problem is None:
                self._keep_tidy()
        self._connection.close()
        self._tell(self._over.set_result, None)

    def _waiting(self) -> list[tuple[Work, asyncio.Future[Any]]]:
        """Return all that waits, at least one job; empty once closed."""
        jobs = []
        job = self._jobs.get()
        while job is not None:
            jobs.append(job)
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return jobs
        if jobs:
            self._jobs.put(None)
        return jobs

    def _transaction(self, works: list[Work]) -> list[Any]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            results = [work(self._connection) for work in works]
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return results

    def _keep_tidy(self) -> None:
        if time.monotonic() - self._tidied < TIDY_SECONDS:
            return
        self._tidied = time.monotonic()
        with suppress(sqlite3.Error):  # tried again after another commit
            self._transaction([self._tidy])

    def _tell(self, callback: Callable[..., None], *args: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(callback, *args)


def _resolve(futures: list[asyncio.Future[Any]], results: list[Any], problem: Exception | None) -> None:
    for place, future in enumerate(futures):
        if future.done():
            continue
        if problem is None:
            future.set_result(results[place])
        else:
            future.set_exception(problem)
