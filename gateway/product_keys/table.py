"""The samples of all processes in the shared database; at most `SIZE` keys of one source of a site."""

from collections.abc import Iterable, Mapping

from gateway.product_keys.reading import Source
from gateway.product_keys.sample import SIZE, Key
from gateway.store import Store, bulk

Rows = Mapping[Source, list[tuple[int, str]]]
"""Of each source its keys with their ranks, the lowest first."""

DAYS: Mapping[Source, int] = {Source.TRACKING: 7, Source.ORDERS: 7, Source.PRODUCTS: 90, Source.GROUPS: 90}
"""How long a key counts that is not seen again: a shop sends a product again only when it changes."""

_KEEP = """
    INSERT INTO product_keys (site, source, rank, product_key, until)
    SELECT value->>0, value->>1, CAST(value->>2 AS bigint), value->>3, CAST(value->>4 AS bigint)
    FROM rows($1) WHERE true
    ON CONFLICT (site, source, rank, product_key) DO UPDATE SET until = excluded.until
"""
_EXPIRE = "DELETE FROM product_keys WHERE site = $1 AND until < $2"
_TRIM = """
    DELETE FROM product_keys WHERE site = $1 AND source = $2 AND rank > (
        SELECT rank FROM product_keys WHERE site = $1 AND source = $2 ORDER BY rank LIMIT 1 OFFSET $3)
"""
_READ = """
    SELECT source, rank, product_key FROM product_keys WHERE site = $1 AND until >= $2
    ORDER BY source, rank, product_key
"""


async def keep(store: Store, site: str, keys: Iterable[Key], today: int) -> None:
    """Keep the keys, `today` in days since 1970; what is over the size or was not seen for long goes.

    Raises Unreachable.
    """
    rows = sorted({(site, source, rank, key, today + DAYS[source]) for source, rank, key in keys})
    async with store.transaction() as transaction:
        await transaction.execute(_KEEP, bulk(rows))
        await transaction.execute(_EXPIRE, site, today)
        for source in Source:
            await transaction.execute(_TRIM, site, source, SIZE - 1)


async def read(store: Store, site: str, today: int) -> Rows:
    """Return the site's samples. Raises Unreachable."""
    found: dict[Source, list[tuple[int, str]]] = {source: [] for source in Source}
    async with store.transaction() as transaction:
        for source, rank, key in await transaction.fetch(_READ, site, today):
            found[Source(source)].append((rank, key))
    return found
