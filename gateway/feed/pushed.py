"""What was pushed of one site's products, in a SQLite file: only what changed since is sent again."""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import orjson

PRODUCTS = ""
"""Stands for no market: the products themselves."""

_TABLES = """
    CREATE TABLE IF NOT EXISTS taken (
        market text, product text, digest blob NOT NULL, optional text NOT NULL,
        PRIMARY KEY (market, product)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS pushed (product text PRIMARY KEY, digest blob, optional text) WITHOUT ROWID;
    INSERT OR IGNORE INTO taken SELECT '', product, digest, optional FROM pushed;
    DROP TABLE pushed;
    CREATE TABLE IF NOT EXISTS moment (last integer NOT NULL);
    CREATE TEMP TABLE feed (market text, product text, url text, PRIMARY KEY (market, product)) WITHOUT ROWID;
    CREATE TEMP TABLE words (
        product text, language text, words blob, PRIMARY KEY (product, language)) WITHOUT ROWID;
"""
"""`pushed` is what there was before markets."""


class Known(NamedTuple):
    """A product as it was sent."""

    digest: bytes
    optional: frozenset[str]


class Pushed:
    """The file, and for the length of one push what the feeds hold; a context manager."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA temp_store = FILE")
        self._db.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def moment(self, now: int) -> int:
        """Return `now` in milliseconds, or later than any push before: eSputnik passes over what is older."""
        last = self._db.execute("SELECT max(last) FROM moment").fetchone()[0]
        moment = now if last is None else max(now, last + 1)
        self._db.execute("DELETE FROM moment")
        self._db.execute("INSERT INTO moment VALUES (?)", (moment,))
        return int(moment)

    def keep_words(self, product: str, language: str, words: dict[str, Any]) -> None:
        """Keep what another language says of a product."""
        row = (product, language, orjson.dumps(words))
        self._db.execute("INSERT OR IGNORE INTO words VALUES (?, ?, ?)", row)

    def words(self, product: str) -> list[dict[str, Any]]:
        """Return what other languages say of a product: [{language: words}, ...]."""
        found = self._db.execute(
            "SELECT language, words FROM words WHERE product = ? ORDER BY language", (product,)
        )
        return [{language: orjson.loads(words)} for language, words in found]

    def of(self, market: str = PRODUCTS) -> "Taken":
        """Return what is known of a market, or of the products themselves."""
        return Taken(self._db, market)


class Taken:
    """What eSputnik took of one market, and what the market's feed holds."""

    def __init__(self, db: sqlite3.Connection, market: str) -> None:
        self._db = db
        self._market = market

    def is_first(self, product: str, url: str) -> bool:
        """Note that the feed has the product, at that address; False where it had it already."""
        sql = (
            "INSERT INTO feed VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET url = excluded.url WHERE feed.url IS NULL"
        )
        return self._db.execute(sql, (self._market, product, url)).rowcount == 1

    def is_faulty(self, product: str) -> None:
        """Note that the feed has the product, and not so that it could be sent: it is not gone."""
        self._db.execute("INSERT OR IGNORE INTO feed VALUES (?, ?, NULL)", (self._market, product))

    def is_empty(self) -> bool:
        """Return whether the feed has had no product."""
        sql = "SELECT 1 FROM feed WHERE market = ? LIMIT 1"
        return self._db.execute(sql, (self._market,)).fetchone() is None

    def url(self, product: str) -> str | None:
        """Return the product's address in the feed; None where the feed does not have it, or faulty."""
        sql = "SELECT url FROM feed WHERE market = ? AND product = ?"
        row = self._db.execute(sql, (self._market, product)).fetchone()
        return row[0] if row else None

    def known(self, product: str) -> Known | None:
        """Return how the product was sent, if it was."""
        sql = "SELECT digest, optional FROM taken WHERE market = ? AND product = ?"
        row = self._db.execute(sql, (self._market, product)).fetchone()
        return Known(row[0], frozenset(row[1].split())) if row else None

    def took(self, products: Iterable[tuple[str, Known]]) -> None:
        """Note what eSputnik took."""
        rows = [
            (self._market, product, known.digest, " ".join(sorted(known.optional)))
            for product, known in products
        ]
        self._write("INSERT OR REPLACE INTO taken VALUES (?, ?, ?, ?)", rows)

    def removed(self, products: Iterable[str]) -> None:
        """Note what eSputnik removed; a product that is gone itself is gone from every market."""
        rows = [(product, self._market) for product in products]
        self._write("DELETE FROM taken WHERE product = ? AND ? IN ('', market)", rows)

    def _write(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        self._db.execute("BEGIN")
        self._db.executemany(sql, rows)
        self._db.execute("COMMIT")

    def gone(self) -> Iterator[str]:
        """Yield what was sent and is not in the feed any more."""
        rows = self._db.execute(
            "SELECT product FROM taken WHERE market = ?1 "
            "AND product NOT IN (SELECT product FROM feed WHERE market = ?1) ORDER BY product",
            (self._market,),
        ).fetchall()
        return (product for (product,) in rows)

    def count(self) -> int:
        """Return how many products were sent."""
        sql = "SELECT count(*) FROM taken WHERE market = ?"
        return int(self._db.execute(sql, (self._market,)).fetchone()[0])
