"""The shared database as one SQLite file: one process of one machine, one thread that does all of it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from gateway.errors import ConfigError, Unreachable
from gateway.lock import Lock
from gateway.store import Argument, Row, Statement
from gateway.store.dialect import SQLITE, statement
from gateway.store.migrations import migrate

_LOCK_SECONDS = 10
"""How long somebody's own SQLite may hold the file before it counts as away."""

_CACHE_KB = 64 * 1024
"""With SQLite's own 2 MB, looking up among a million rows took a fifth longer."""

T = TypeVar("T")


class SqliteStore:
    """Transactions one after another on a single connection; see `gateway.store.Store`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._turn = asyncio.Lock()
        self._lock: Lock | None = None
        self._connection: sqlite3.Connection

    async def open(self) -> None:
        """Open or make the file and bring its tables up to date; raises ConfigError where it has an owner."""
        try:
            await self.run(self._connect)
            async with self.transaction() as transaction:
                await migrate(transaction, SQLITE)
        except BaseException:
            await self.close()
            raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["SqliteTransaction"]:
        """Begin a transaction once the ones before it have ended."""
        async with self._turn:
            try:
                await self.run(lambda: self._connection.execute("BEGIN IMMEDIATE"))
                yield SqliteTransaction(self)
                await self.run(self._connection.commit)
            except BaseException:
                # The thread works in order: this comes after a statement that a cancelled task left behind.
                await asyncio.shield(self.run(self._roll_back))
                raise

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns in the store's own thread. Raises Unreachable where SQLite cannot."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.OperationalError, OSError) as problem:
            raise Unreachable(f"the SQLite store does not take it: {problem}") from problem

    def execute(self, sql: str, arguments: Sequence[Argument]) -> list[Any]:
        """Run one statement and return its rows; in the store's thread."""
        return self._connection.execute(statement(sql, SQLITE), arguments).fetchall()

    def executemany(self, sql: str, arguments: Iterable[Sequence[Argument]]) -> None:
        """Run one statement for each row of arguments; in the store's thread."""
        self._connection.executemany(statement(sql, SQLITE), arguments)

    def write(self, statements: Sequence[Statement]) -> None:
        """Run the statements one after another; in the store's thread."""
        for sql, rows in statements:
            self._connection.execute(statement(sql, SQLITE), (rows,))

    async def close(self) -> None:
        """Close the file once the running statement has ended."""
        await self.run(self._disconnect)
        self._thread.shutdown()

    def _connect(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = Lock(self._path)
        self._path.touch(mode=0o600)  # SQLite gives its journal the same mode
        self._connection = sqlite3.connect(self._path, isolation_level=None, timeout=_LOCK_SECONDS)
        self._connection.row_factory = sqlite3.Row
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:  # in use, or no room: it may be well later
            raise
        except sqlite3.DatabaseError as problem:
            raise ConfigError([f"links: {self._path} cannot be used as a database: {problem}"]) from None
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(f"PRAGMA cache_size=-{_CACHE_KB}")

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.rollback()

    def _disconnect(self) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()
        if self._lock is not None:
            self._lock.release()


class SqliteTransaction:
    """See `gateway.store.Transaction`."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def fetch(self, sql: str, *arguments: Argument) -> Sequence[Row]:
        """Return every row of the answer."""
        return await self._store.run(lambda: self._store.execute(sql, arguments))

    async def execute(self, sql: str, *arguments: Argument) -> None:
        """Run one statement."""
        await self._store.run(lambda: self._store.execute(sql, arguments))

    async def executemany(self, sql: str, arguments: Iterable[Sequence[Argument]]) -> None:
        """Run one statement for each row of arguments."""
        rows = list(arguments)
        await self._store.run(lambda: self._store.executemany(sql, rows))

    async def write(self, statements: Sequence[Statement]) -> None:
        """Run the statements in one visit to the store's thread."""
        await self._store.run(lambda: self._store.write(statements))


async def open_sqlite(path: str) -> SqliteStore:
    """Open the file; its folder is made where it is missing, for its owner alone."""
    store = SqliteStore(Path(path))
    await store.open()
    return store
