"""Where SQLite and PostgreSQL say the same thing in different words."""

import re
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Dialect:
    """A database's own words for what our statements and tables say."""

    parameter: str
    """What stands for `$1`."""
    rows: str
    """What stands for `rows($1)`: it unfolds the parameter that `bulk` made."""
    locks: bool
    """Whether it knows `FOR UPDATE SKIP LOCKED` and `FOR SHARE`; with one writer there is nothing to lock."""
    key: str
    """Type of a text column compared code by code, whatever the database's language is."""
    bytes: str
    """Type of a column of bytes."""
    serial: str
    """Type of a primary key that counts up."""
    clustered: str
    """Ends a CREATE TABLE whose rows are best kept in the order of their primary key."""


SQLITE = Dialect(
    parameter=r"?\1",
    rows=r"json_each($\1)",
    locks=False,
    key="text",
    bytes="blob",
    serial="integer PRIMARY KEY AUTOINCREMENT",
    clustered="WITHOUT ROWID",
)

POSTGRES = Dialect(
    parameter=r"$\1",
    rows=r"jsonb_array_elements($\1::jsonb)",
    locks=True,
    key='text COLLATE "C"',
    bytes="bytea",
    serial="bigserial PRIMARY KEY",
    clustered="",
)

_ROWS = re.compile(r"\brows\(\$(\d+)\)")
_LOCK = re.compile(r"\bFOR (UPDATE SKIP LOCKED|SHARE)\b")
_PARAMETER = re.compile(r"\$(\d+)")


@lru_cache(maxsize=256)
def statement(sql: str, dialect: Dialect) -> str:
    """Return the statement as that database reads it."""
    sql = _PARAMETER.sub(dialect.parameter, _ROWS.sub(dialect.rows, sql))
    return sql if dialect.locks else _LOCK.sub("", sql)


def table(sql: str, dialect: Dialect) -> str:
    """Return a migration's statement with `{key}`, `{bytes}`, `{serial}` and `{clustered}` filled in."""
    return sql.format(
        key=dialect.key, bytes=dialect.bytes, serial=dialect.serial, clustered=dialect.clustered
    )
