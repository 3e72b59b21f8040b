"""The sample in the shared database: the newest few of each site, type and code, for some days."""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.store import Store, bulk

OF_A_KIND = 20
"""Kept of one type and code of a site."""
OF_A_SITE = 500
DAYS = 7
MOST = 100
"""Read at once."""
SWEPT = 1000
"""Removed at once for their age."""

_DAY_MS = 24 * 3600 * 1000


class Refusal(NamedTuple):
    """One refused event as it is kept."""

    site: str
    id: str
    """Of this row alone; ids ascend with time."""
    type: str
    code: str
    at: int
    errors: str
    """JSON: findings as they were answered."""
    event: str
    """JSON: the event's shape."""


_KEEP = """
    INSERT INTO refused (site, id, type, code, at, errors, event)
    SELECT value->>0, value->>1, value->>2, value->>3, CAST(value->>4 AS bigint), value->>5, value->>6
    FROM rows($1) WHERE true
    ON CONFLICT (site, id) DO NOTHING
"""
_EXPIRE = """
    WITH old AS MATERIALIZED (
        SELECT site, id FROM refused WHERE at < $1 ORDER BY site, id LIMIT $2 FOR UPDATE SKIP LOCKED)
    DELETE FROM refused WHERE (site, id) IN (SELECT site, id FROM old) RETURNING id
"""
_TRIM_KIND = """
    DELETE FROM refused WHERE site = $1 AND type = $2 AND code = $3 AND id <= (
        SELECT id FROM refused WHERE site = $1 AND type = $2 AND code = $3
        ORDER BY id DESC LIMIT 1 OFFSET $4)
"""
_TRIM_SITE = """
    DELETE FROM refused WHERE site = $1 AND id <= (
        SELECT id FROM refused WHERE site = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)
"""
_READ = """
    SELECT site, id, type, code, at, errors, event FROM refused
    WHERE (site = $1 OR $1 = '') AND (type = $2 OR $2 = '') AND (code = $3 OR $3 = '') AND at >= $4
    ORDER BY id DESC LIMIT $5
"""


async def keep(store: Store, refusals: Sequence[Refusal]) -> None:
    """Keep the refusals; of their sites goes what is too much. Raises Unreachable."""
    async with store.transaction() as transaction:
        await transaction.execute(_KEEP, bulk(sorted(refusals)))
        for site, type_, code in sorted({(one.site, one.type, one.code) for one in refusals}):
            await transaction.execute(_TRIM_KIND, site, type_, code, OF_A_KIND)
        for site in sorted({one.site for one in refusals}):
            await transaction.execute(_TRIM_SITE, site, OF_A_SITE)


async def expire(store: Store, now_ms: int) -> int:
    """Remove what is past its days, of any site, at most `SWEPT`; return how many. Raises Unreachable."""
    async with store.transaction() as transaction:
        return len(await transaction.fetch(_EXPIRE, _oldest(now_ms), SWEPT))


async def read(store: Store, site: str, type_: str, code: str, now_ms: int) -> list[Refusal]:
    """Return the newest `MOST` of that site, type and code, "" being any. Raises Unreachable."""
    async with store.transaction() as transaction:
        rows = await transaction.fetch(_READ, site, type_, code, _oldest(now_ms), MOST)
    return [Refusal(*row) for row in rows]


def _oldest(now_ms: int) -> int:
    return now_ms - DAYS * _DAY_MS
