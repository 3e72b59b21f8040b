"""What was pushed of one site's products, in a SQLite file: only what changed since is sent again."""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import orjson

_TABLES = """
    CREATE TABLE IF NOT EXISTS pushed (
        product text PRIMARY KEY, digest blob NOT NULL, optional text NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS moment (last integer NOT NULL);
    CREATE TEMP TABLE feed (product text PRIMARY KEY) WITHOUT ROWID;
    CREATE TEMP TABLE words (
        product text, language text, words blob, PRIMARY KEY (product, language)) WITHOUT ROWID;
"""


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

    def is_first(self, product: str) -> bool:
        """Note that the feed has the product; False where it had it already."""
        return self._db.execute("INSERT OR IGNORE INTO feed VALUES (?)", (product,)).rowcount == 1

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

    def known(self, product: str) -> Known | None:
        """Return how the product was sent, if it was."""
        row = self._db.execute("SELECT digest, optional FROM pushed WHERE product = ?", (product,)).fetchone()
        return Known(row[0], frozenset(row[1].split())) if row else None

    def took(self, products: Iterable[tuple[str, Known]]) -> None:
        """Note what eSputnik took."""
        rows = [(product, known.digest, " ".join(sorted(known.optional))) for product, known in products]
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR REPLACE INTO pushed VALUES (?, ?, ?)", rows)
        self._db.execute("COMMIT")

    def removed(self, products: Iterable[str]) -> None:
        """Note what eSputnik removed."""
        self._db.execute("BEGIN")
        self._db.executemany("DELETE FROM pushed WHERE product = ?", [(product,) for product in products])
        self._db.execute("COMMIT")

    def gone(self) -> Iterator[str]:
        """Yield what was sent and is not in the feed any more."""
        rows = self._db.execute(
            "SELECT product FROM pushed WHERE product NOT IN (SELECT product FROM feed) ORDER BY product"
        ).fetchall()
        return (product for (product,) in rows)

    def count(self) -> int:
        """Return how many products were sent."""
        return int(self._db.execute("SELECT count(*) FROM pushed").fetchone()[0])
