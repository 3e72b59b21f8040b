"""What is wrong with products together: ids twice, variants, language versions, markets, ids in tracking.

Every product leaves a row in a SQLite file of this check alone, which SQLite itself deletes: exact, with
lines, in bounded memory whatever the feed's size (700 000 products: 7 us each to keep, 4 s to compare).
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from types import TracebackType
from typing import Any, NamedTuple, Self

from gateway.feed import money
from gateway.feed.findings import Finding
from gateway.feed.item import Item
from gateway.feed.rules import IN_STOCK
from gateway.feed.source import Source

_BATCH = 500
_CACHE_KB = 4_000
_VARIES_BY = ("color", "size", "material", "pattern", "gender", "age_group", "size_type", "size_system")
"""What may tell variants of one product apart (Google Merchant specification, item_group_id)."""
_WORDS = frozenset(["title", "description", "link", "google_product_category", "product_type", *_VARIES_BY])
"""What languages may differ in; the rest of a product, and which fields it has, may not."""

_TABLES = """
    CREATE TABLE items (
        feed integer, line integer, id text, folded text, parent text, variant text, brand text,
        stock integer, price, currency text, levels integer, fields integer);
    CREATE TABLE seen (id text PRIMARY KEY, folded text) WITHOUT ROWID;
"""
_SAME_IDS = """
    SELECT i.feed, i.id, i.folded, i.line FROM items i
    JOIN (SELECT feed, folded FROM items GROUP BY feed, folded HAVING count(*) > 1) twice
    ON i.feed = twice.feed AND i.folded = twice.folded ORDER BY i.feed, i.folded, i.line
"""
_GROUP_CASES = """
    SELECT feed, max(line), min(parent), max(parent), max(id) FROM items WHERE parent <> ''
    GROUP BY feed, lower(parent) HAVING min(parent) <> max(parent)
"""
_ALIKE = """
    SELECT feed, max(line), parent, variant, max(id) FROM items WHERE parent <> ''
    GROUP BY feed, parent, variant HAVING count(DISTINCT id) > 1
"""
_GROUP_BRANDS = """
    SELECT feed, max(line), parent, min(brand) || ', ' || max(brand), max(id) FROM items
    WHERE parent <> '' AND brand <> ''
    GROUP BY feed, parent HAVING min(brand) <> max(brand)
"""
_LACKS = """
    SELECT a.id, a.line FROM items a WHERE a.feed = ?
    AND NOT EXISTS (SELECT 1 FROM items b WHERE b.feed = ? AND b.id = a.id) ORDER BY a.line
"""
_DIFFERS = """
    SELECT b.id, b.line, a.parent = b.parent, a.stock = b.stock,
        a.price = b.price AND a.currency = b.currency, a.levels = b.levels, a.fields = b.fields
    FROM items b JOIN items a ON a.feed = ? AND a.id = b.id WHERE b.feed = ?
    AND (a.parent, a.stock, a.price, a.currency, a.levels, a.fields)
        <> (b.parent, b.stock, b.price, b.currency, b.levels, b.fields)
    ORDER BY b.line
"""
_ASPECTS = ("item_group_id", "availability", "price", "depth of category", "fields")
_NOT_IN_MAIN = """
    SELECT b.id, b.line, (SELECT id FROM items WHERE feed = ?1 AND folded = b.folded LIMIT 1)
    FROM items b WHERE b.feed = ?2
    AND NOT EXISTS (SELECT 1 FROM items a WHERE a.feed = ?1 AND a.id = b.id) ORDER BY b.line
"""
_PRICES = """
    SELECT count(*), sum(a.price = b.price), sum(a.currency = b.currency)
    FROM items b JOIN items a ON a.feed = ?1 AND a.id = b.id WHERE b.feed = ?2
"""
_BY_FOLDED = "CREATE INDEX IF NOT EXISTS by_folded ON items (feed, folded)"
_SEEN = """
    SELECT seen.id, (SELECT id FROM items WHERE feed = ?1 AND folded = seen.folded LIMIT 1),
        EXISTS (SELECT 1 FROM items WHERE feed = ?1 AND parent = seen.id)
    FROM seen WHERE NOT EXISTS (SELECT 1 FROM items WHERE feed = ?1 AND id = seen.id)
"""


class Found(NamedTuple):
    """A finding, and which of the feeds it is about, from 0."""

    feed: int
    finding: Finding


class Across:
    """Takes the products of one feed after another, then says what is wrong with them together."""

    def __init__(self, sources: Sequence[Source]) -> None:
        """`sources` are the feeds in their order."""
        self._names = [source.name for source in sources]
        self._markets = {number for number, source in enumerate(sources) if source.is_market}
        self._are_compared = len(sources) > 1
        self._db = sqlite3.connect("", isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KB}"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_TABLES)
        self._rows: list[tuple[Any, ...]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def add(self, feed: int, item: Item) -> None:
        """Take a product of that feed."""
        if not item.id:
            return
        compared = _compared(item) if self._are_compared else _NOT_COMPARED
        self._rows.append((feed, *_row(item), *compared))
        if len(self._rows) >= _BATCH:
            self._write()

    def findings(self, whole: Sequence[int], seen: Iterable[str] = ()) -> Iterator[Found]:
        """Yield what is wrong; `whole` are the feeds read to their end, `seen` ids that tracking sent."""
        self._write()
        yield from self._same_ids()
        yield from (found for found in self._variants() if found.feed not in self._markets)
        if len(whole) > 1 or seen:
            self._db.execute("CREATE INDEX by_id ON items (feed, id)")
        languages = [feed for feed in whole if feed not in self._markets]
        if not languages:
            return
        main, *others = languages
        for other in others:
            yield from self._languages(main, other)
        for market in sorted(self._markets.intersection(whole)):
            yield from self._market(main, market)
        yield from self._tracking(main, seen)

    def _write(self) -> None:
        self._db.execute("BEGIN")
        self._db.executemany("INSERT INTO items VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", self._rows)
        self._db.execute("COMMIT")
        self._rows.clear()

    def _same_ids(self) -> Iterator[Found]:
        first: tuple[int, str] | None = None
        lines: dict[str, int] = {}
        for feed, product, folded, line in self._db.execute(_SAME_IDS):
            if (feed, folded) != first:
                first = (feed, folded)
                lines = {product: line}
            elif product in lines:
                yield Found(
                    feed, Finding("duplicate_id", line, product, "id", f"first on line {lines[product]}")
                )
            elif len(lines) < _BATCH:  # one id has no more spellings than a hostile feed has
                other, where = next(iter(lines.items()))
                lines[product] = line
                yield Found(feed, Finding("id_case", line, product, "id", f"{other} on line {where}"))

    def _variants(self) -> Iterator[Found]:
        for feed, line, one, other, product in self._db.execute(_GROUP_CASES):
            yield Found(feed, Finding("group_case", line, product, "item_group_id", f"{one} and {other}"))
        for feed, line, parent, variant, product in self._db.execute(_ALIKE):
            detail = f"group {parent}" + (f", all of them {variant}" if variant else "")
            yield Found(feed, Finding("variants_alike", line, product, "item_group_id", detail))
        for feed, line, parent, brands, product in self._db.execute(_GROUP_BRANDS):
            yield Found(feed, Finding("group_brands", line, product, "brand", f"group {parent}: {brands}"))

    def _languages(self, main: int, other: int) -> Iterator[Found]:
        for one, another in ((main, other), (other, main)):
            for product, line in self._db.execute(_LACKS, (one, another)):
                detail = f"on line {line} of {self._names[one]}"
                yield Found(another, Finding("language_lacks", 0, product, "id", detail))
        for product, line, *same in self._db.execute(_DIFFERS, (main, other)):
            aspects = [name for name, equal in zip(_ASPECTS, same, strict=True) if not equal]
            yield Found(other, Finding("language_differs", line, product, ", ".join(aspects)))

    def _market(self, main: int, market: int) -> Iterator[Found]:
        self._db.execute(_BY_FOLDED)
        for product, line, spelled in self._db.execute(_NOT_IN_MAIN, (main, market)):
            code, detail = ("market_case", f"{spelled} there") if spelled else ("market_unknown", "")
            yield Found(market, Finding(code, line, product, "id", detail))
        for product, line in self._db.execute(_LACKS, (main, market)):
            detail = f"on line {line} of {self._names[main]}"
            yield Found(market, Finding("market_lacks", 0, product, "id", detail))
        shared, same_price, same_currency = self._db.execute(_PRICES, (main, market)).fetchone()
        if shared and shared == same_price and same_currency in (0, shared):
            yield Found(market, Finding("market_prices" if same_currency else "market_numbers", 0))

    def _tracking(self, main: int, seen: Iterable[str]) -> Iterator[Found]:
        rows = ((product, product.casefold()) for product in seen)
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", rows)
        self._db.execute("COMMIT")
        if not self._db.execute("SELECT count(*) FROM seen").fetchone()[0]:
            return
        self._db.execute(_BY_FOLDED)
        self._db.execute("CREATE INDEX by_parent ON items (feed, parent)")
        for product, spelled, is_parent in self._db.execute(_SEEN, (main,)):
            code = "seen_are_groups" if is_parent else "seen_case" if spelled else "seen_not_in_feed"
            detail = f"{spelled} in the feed" if code == "seen_case" else ""
            yield Found(main, Finding(code, 0, product, "id", detail))


def _row(item: Item) -> tuple[Any, ...]:
    value = item.fields.get
    product = item.id
    parent = value("item_group_id", "")
    return (
        item.line,
        product,
        product.casefold(),
        parent,
        "/".join([value(name, "") for name in _VARIES_BY]).strip("/") if parent else "",
        value("brand", ""),
    )


_NOT_COMPARED = (None,) * 5


def _compared(item: Item) -> tuple[Any, ...]:
    """Return what languages may not differ in besides; a feed of one language saves 3 us for each product."""
    value = item.fields.get
    price = money.read(value("price", ""))
    category = value("google_product_category") or value("product_type", "")
    return (
        value("availability") in IN_STOCK,
        float(price.amount) if price else value("price", ""),
        price.currency if price else "",
        category.count(">"),
        _shape(tuple(item.fields)),
    )


@lru_cache(maxsize=4096)  # a feed has a few shapes of products
def _shape(names: tuple[str, ...]) -> int:
    """Return a number that products with the same fields share, whatever their order and words."""
    return hash(frozenset(names) - _WORDS)
