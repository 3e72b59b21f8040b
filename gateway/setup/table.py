"""What is set up, in the shared database: one row for each site, thing and domain.

A domain that a site had before keeps its row: eSputnik told its siteId once and does not tell it again. The
row with the latest time is the one that counts.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import orjson

from gateway.store import Row, Store


class Thing(StrEnum):
    """What is set up; the values stand in the database."""

    TRACKING = "tracking"
    WEBPUSH = "webpush"


class Kept(NamedTuple):
    """What is known of one thing of a site."""

    domain: str
    content: dict[str, Any]
    updated_at: int


_KEEP = """
    INSERT INTO site_setup (site, thing, domain, content, updated_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (site, thing, domain)
        DO UPDATE SET content = excluded.content, updated_at = excluded.updated_at
"""
_RENEW = """
    UPDATE site_setup SET content = $5 WHERE site = $1 AND thing = $2 AND domain = $3 AND updated_at = $4
"""
_ONE = "SELECT domain, content, updated_at FROM site_setup WHERE site = $1 AND thing = $2 AND domain = $3"
_OTHERS = """
    SELECT domain, content, updated_at FROM site_setup WHERE thing = $1 AND domain <> $2 ORDER BY site, domain
"""
_NEWEST = """
    SELECT domain, content, updated_at FROM site_setup WHERE site = $1 AND thing = $2
    ORDER BY updated_at DESC, domain LIMIT 1
"""


async def keep(
    store: Store, site: str, thing: Thing, domain: str, content: Mapping[str, Any], at: int
) -> None:
    """Keep what is known of it; it counts unless another domain's was kept `at` a later time, in ms.

    Raises Unreachable.
    """
    async with store.transaction() as transaction:
        await transaction.execute(_KEEP, site, thing, domain, orjson.dumps(content).decode(), at)


async def renew(store: Store, site: str, thing: Thing, kept: Kept, content: Mapping[str, Any]) -> None:
    """Put other content into a row, unless it was kept anew since that was read. Raises Unreachable."""
    text = orjson.dumps(content).decode()
    async with store.transaction() as transaction:
        await transaction.execute(_RENEW, site, thing, kept.domain, kept.updated_at, text)


async def one(store: Store, site: str, thing: Thing, domain: str) -> Kept | None:
    """Return what is known of it on that domain. Raises Unreachable."""
    return await _read(store, _ONE, site, thing, domain)


async def others(store: Store, thing: Thing, domain: str) -> list[Kept]:
    """Return what is known of it on all other domains, of any site. Raises Unreachable."""
    async with store.transaction() as transaction:
        return [_kept(row) for row in await transaction.fetch(_OTHERS, thing, domain)]


async def newest(store: Store, site: str, thing: Thing) -> Kept | None:
    """Return what counts. Raises Unreachable."""
    return await _read(store, _NEWEST, site, thing)


async def _read(store: Store, sql: str, *arguments: str) -> Kept | None:
    async with store.transaction() as transaction:
        rows = await transaction.fetch(sql, *arguments)
    return _kept(rows[0]) if rows else None


def _kept(row: Row) -> Kept:
    domain, content, updated_at = row
    return Kept(domain, orjson.loads(content), updated_at)
