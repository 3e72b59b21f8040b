"""The shared database as PostgreSQL, through asyncpg: many processes on many machines."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg

from gateway.errors import ConfigError, Unreachable
from gateway.store import Argument, Row, Statement
from gateway.store.dialect import POSTGRES, statement
from gateway.store.migrations import migrate
from gateway.tls import trusting

_CONNECTIONS = 8
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 10
"""How long one statement may take before the database counts as away."""
_MIGRATE_SECONDS = 600
"""How long another process may migrate before we stop waiting for it."""
_MIGRATION_LOCK = 0x65537075746E696B
"""Number of the advisory lock under which the tables are changed; any number that nobody else uses."""

_THIS_MACHINE = frozenset({"", "localhost", "127.0.0.1", "::1"})

_SETTINGS = {
    "application_name": "esputnik-gateway",
    "jit": "off",  # compiling our short statements takes longer than running them
    # Each statement looks its keys up by an index. Left to its estimates, PostgreSQL read tables of middling
    # size whole: 55 ms for the facts of a batch among 30 000 sightings, where by the indexes they take 0.7.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}

_REFUSED = (
    asyncpg.InvalidAuthorizationSpecificationError,  # with wrong passwords among them
    asyncpg.InvalidCatalogNameError,
)
"""The server is there and does not let us in: a mistake in the configuration when we start."""

_AWAY = (
    OSError,  # with TimeoutError among them
    asyncpg.InterfaceError,  # the connection is closed under our hands
    asyncpg.InternalClientError,  # it broke in mid-answer
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, statement cancelled
    asyncpg.InsufficientResourcesError,  # disk full, too many connections
    asyncpg.TransactionRollbackError,  # deadlock: asked again, it goes through
    asyncpg.ReadOnlySQLTransactionError,  # failed over; this one is a standby now
    *_REFUSED,
)
"""Failures that pass by themselves or by an operator's hand: all of the work may be done again."""


class PostgresStore:
    """A pool of connections that recovers by itself; see `gateway.store.Store`."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["PostgresTransaction"]:
        """Begin a transaction on a connection of the pool."""
        connection = await _answered(self._pool.acquire, timeout=_CONNECT_SECONDS)
        try:
            await _answered(connection.execute, "BEGIN")
            yield PostgresTransaction(connection)
            await _answered(connection.execute, "COMMIT")
        except Exception as problem:
            await _roll_back(connection, sound=not isinstance(problem, Unreachable))
            raise
        except BaseException:
            await _roll_back(connection, sound=False)
            raise
        finally:
            await self._pool.release(connection)

    async def close(self) -> None:
        """Release the connections."""
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()


class PostgresTransaction:
    """See `gateway.store.Transaction`."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def fetch(self, sql: str, *arguments: Argument) -> Sequence[Row]:
        """Return every row of the answer."""
        rows: Sequence[Row] = await _answered(self._connection.fetch, statement(sql, POSTGRES), *arguments)
        return rows

    async def execute(self, sql: str, *arguments: Argument) -> None:
        """Run one statement."""
        await _answered(self._connection.execute, statement(sql, POSTGRES), *arguments)

    async def lock(self, number: int, seconds: float) -> None:
        """Return when nobody else holds that advisory lock; the end of the transaction frees it."""
        await _answered(self._connection.execute, f"SELECT pg_advisory_xact_lock({number})", timeout=seconds)

    async def executemany(self, sql: str, arguments: Iterable[Sequence[Argument]]) -> None:
        """Run one statement for each row of arguments."""
        await _answered(self._connection.executemany, statement(sql, POSTGRES), arguments)

    async def write(self, statements: Sequence[Statement]) -> None:
        """Run the statements as one."""
        if statements:
            sql = _as_one(tuple(sql for sql, _ in statements))
            await _answered(self._connection.execute, sql, *(rows for _, rows in statements))


async def open_postgres(url: str, ca_file: Path | None) -> PostgresStore:
    """Connect, and bring the tables up to date under an advisory lock."""
    try:
        tls = _tls(url, ca_file)
    except ValueError as problem:
        raise ConfigError([f"links.url: {_why_refused(problem)}"]) from None
    pool = asyncpg.create_pool(
        url,
        ssl=tls,
        min_size=0,
        max_size=_CONNECTIONS,
        timeout=_CONNECT_SECONDS,
        command_timeout=_ANSWER_SECONDS,
        reset=_nothing_to_reset,
        server_settings=_SETTINGS,
    )
    store = PostgresStore(pool)
    try:
        await _answered(pool.__aenter__)
        async with store.transaction() as transaction:
            await transaction.lock(_MIGRATION_LOCK, _MIGRATE_SECONDS)
            await migrate(transaction, POSTGRES)
    except BaseException as problem:
        await store.close()
        if isinstance(problem, ValueError) or _is_a_mistake(problem.__cause__):
            raise ConfigError([f"links.url: {_why_refused(problem)}"]) from None
        raise
    return store


def _tls(url: str, ca_file: Path | None) -> ssl.SSLContext | None:
    """Return how the connection is secured; None leaves it to the URL's own `sslmode`.

    Left alone, asyncpg would take any certificate, and go on without TLS where there is none. On this very
    machine that is right; anywhere else it has to be said.
    """
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    if "sslmode" in query or "PGSSLMODE" in os.environ:
        return None
    hosts = query.get("host") or [parts.hostname or os.environ.get("PGHOST", "")]
    if ca_file is None and all(host in _THIS_MACHINE or host.startswith("/") for host in hosts):
        return None
    return trusting("links.ca_file", ca_file)


def _is_a_mistake(cause: BaseException | None) -> bool:
    """Return whether the server is there and an operator has to change something."""
    # asyncpg raises a bare ConnectionError for a server without TLS; those of the network are subclasses.
    return isinstance(cause, (*_REFUSED, ssl.SSLError)) or type(cause) is ConnectionError


def _why_refused(problem: BaseException) -> str:
    """Return a sentence without what the URL holds, which may be a password."""
    if isinstance(problem.__cause__, asyncpg.InvalidCatalogNameError):
        return "PostgreSQL has no database of that name"
    if isinstance(problem.__cause__, ssl.SSLError):
        return "PostgreSQL's certificate is not valid here; links.ca_file names the authorities to trust"
    if type(problem.__cause__) is ConnectionError:
        return "PostgreSQL takes no TLS; on a network that you trust, add ?sslmode=disable"
    if isinstance(problem.__cause__, _REFUSED):
        return "PostgreSQL does not take that user and password"
    return "is not the address of a PostgreSQL database (postgresql://user:password@host:port/name)"


@lru_cache(maxsize=64)
def _as_one(statements: tuple[str, ...]) -> str:
    """Return one statement that does what several do: all but the last stand in its WITH.

    They see one snapshot and run in no promised order, which is no matter where each has a table of its own.
    """
    numbered = [
        statement(sql, POSTGRES).replace("$1", f"${number}") for number, sql in enumerate(statements, 1)
    ]
    steps = ", ".join(f"step{number} AS ({sql})" for number, sql in enumerate(numbered[:-1], 1))
    return f"WITH {steps} {numbered[-1]}" if steps else numbered[-1]


async def _answered(ask: Callable[..., Awaitable[Any]], *arguments: Any, **options: Any) -> Any:
    """Return what the database answers. Raises Unreachable where it is away."""
    try:
        return await ask(*arguments, **options)
    except ssl.SSLError as problem:  # some of them are ValueErrors, too
        raise Unreachable(f"PostgreSQL cannot be trusted: {type(problem).__name__}") from problem
    except ValueError:  # a bad URL or argument, which asyncpg counts among its InterfaceErrors
        raise
    except _AWAY as problem:
        raise Unreachable(f"PostgreSQL does not answer: {type(problem).__name__}") from problem


async def _roll_back(connection: Any, sound: bool) -> None:
    """Undo the transaction; a connection whose state is not known is thrown away, which undoes it too."""
    if sound:
        with suppress(Unreachable):
            await _answered(connection.execute, "ROLLBACK")
            return
    with suppress(asyncpg.InterfaceError):  # the pool has already noticed
        connection.terminate()


async def _nothing_to_reset(_connection: Any) -> None:
    """Save the round trip by which asyncpg clears session state: our transactions leave none."""
