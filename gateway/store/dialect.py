"""Where SQLite and PostgreSQL say the same thing in different words."""

import re
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Dialect:
    """What a database's own words are for those that our statements and tables use."""

    parameter: str
    """What stands for `$1`."""
    rows: str
    """What unfolds the parameter that `bulk` made."""
    skip_locked: str
    key: str
    """A text column compared code by code, whatever the database's language is."""
    serial: str
    """A primary key that counts up."""
    clustered: str
    """Ends a CREATE TABLE whose rows are best kept in the order of their primary key."""


SQLITE = Dialect(
    parameter=r"?\1",
    rows=r"json_each(?\1)",
    skip_locked="",
    key="text",
    serial="integer PRIMARY KEY AUTOINCREMENT",
    clustered="WITHOUT ROWID",
)

POSTGRES = Dialect(
    parameter=r"$\1",
    rows=r"jsonb_array_elements($\1::jsonb)",
    skip_locked="FOR UPDATE SKIP LOCKED",
    key='text COLLATE "C"',
    serial="bigserial PRIMARY KEY",
    clustered="",
)

_ROWS = re.compile(r"\brows\(\$(\d+)\)")
_PARAMETER = re.compile(r"\$(\d+)(?!::jsonb)")


@lru_cache(maxsize=256)
def statement(sql: str, dialect: Dialect) -> str:
    """Return the statement as that database reads it."""
    sql = _ROWS.sub(dialect.rows, sql)
    sql = _PARAMETER.sub(dialect.parameter, sql)
    return sql.replace("SKIP LOCKED", dialect.skip_locked) if dialect is SQLITE else _locking(sql)


def table(sql: str, dialect: Dialect) -> str:
    """Return a step's statement with `{key}`, `{serial}` and `{clustered}` filled in."""
    return sql.format(key=dialect.key, serial=dialect.serial, clustered=dialect.clustered)


def _locking(sql: str) -> str:
    return sql.replace("SKIP LOCKED", POSTGRES.skip_locked)
