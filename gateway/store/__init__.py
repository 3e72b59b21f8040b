"""The shared database, SQLite or PostgreSQL: open, migrate, transaction. Each room keeps its own queries.

One SQL text serves both. It is written as PostgreSQL reads it (`$1`); two things are said once, in `dialect`:

    FROM rows($1)            many rows in one parameter, made by `bulk`; each `value` is a JSON array
    FOR UPDATE SKIP LOCKED, FOR SHARE    are left out for SQLite, which has only one writer

The numbered list of tables is `migrations`; a room that needs one adds a step there.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import orjson

Argument = str | int | bytes | None


class Statement(NamedTuple):
    """A statement with the rows that `bulk` made, its only parameter `$1`."""

    sql: str
    rows: str


class Row(Protocol):
    """One row of an answer: unpack it, or read it by position or by name."""

    def __getitem__(self, key: int | str, /) -> Any: ...

    def __iter__(self) -> Any: ...

    def __len__(self) -> int: ...


class Transaction(Protocol):
    """A transaction that has begun; it commits when its block ends and rolls back when that raises."""

    async def fetch(self, sql: str, *arguments: Argument) -> Sequence[Row]:
        """Return every row of the answer. Raises Unreachable."""

    async def execute(self, sql: str, *arguments: Argument) -> None:
        """Run one statement. Raises Unreachable."""

    async def executemany(self, sql: str, arguments: Iterable[Sequence[Argument]]) -> None:
        """Run one statement for each row of arguments. Raises Unreachable.

        Rows that several processes write at once are sorted by key: none waits on another in a circle.
        """

    async def write(self, statements: Sequence[Statement]) -> None:
        """Run the statements, each on a table of its own, in one round trip. Raises Unreachable."""


class Store(Protocol):
    """An open, migrated database that several tasks may use at once."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Begin a transaction; what it wrote is durable once its block has ended without an error.

        Raises Unreachable within bounded time where the database is away; all of it may then be done again.
        The outcome of a commit whose answer was lost is unknown, so a write must bear repetition.
        """

    async def close(self) -> None:
        """Release the connections. Bounded in time."""


async def open_store(url: str, ca_file: Path | None = None) -> Store:
    """Open the database at `sqlite:path` or `postgresql://...` and bring its tables up to date.

    A SQLite file belongs to one process; of several that start at once on PostgreSQL one migrates and the
    others wait for it. `ca_file` holds the authorities that PostgreSQL's certificate is verified by, instead
    of the system's. Raises Unreachable where the database does not answer, ConfigError where the URL is none,
    the file has an owner, the certificate is not valid or a newer version has been at work there.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "sqlite":
        from gateway.store.sqlite import open_sqlite  # noqa: PLC0415 -- imported only when chosen

        return await open_sqlite(rest.removeprefix("//"))
    from gateway.store.postgres import open_postgres  # noqa: PLC0415 -- imported only when chosen

    return await open_postgres(url, ca_file)


def bulk(rows: Iterable[Sequence[str | int | None]]) -> str:
    """Return many rows as the one parameter that `rows($n)` in a statement unfolds."""
    return orjson.dumps([tuple(row) for row in rows]).decode()
