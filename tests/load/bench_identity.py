"""`make bench-identity`: what stitching costs, on both databases, with few and with very many stored links.

One process stitches batches of 500 records, pinned to one core; PostgreSQL has the other. `hot`: 10 000
cookies come again and again, after all of them have been seen once. `cold`: every cookie comes for the first
time. Of the events 80 % are anonymous on a linked cookie, 15 % name the customer, 4 % are visitors without a
link, 1 % are logins on a new cookie. Reports, asserts no time.
"""

import argparse
import gc
import json
import os
import random
import resource
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncpg
import orjson
import uvloop
from prometheus_client import REGISTRY
from rich.console import Console
from rich.table import Table

from gateway.clock import SystemClock
from gateway.demo.parts import Postgres
from gateway.event import Record, lane_of
from gateway.identity.settings import StitchSettings
from gateway.identity.stitcher import Stitcher
from gateway.store import open_store

CORE, SERVER_CORE = 0, 1
BATCH = 500
HOT = 10_000
DAY = 24 * 3600 * 1000
NOW = 1_790_000_000_000
SITE = "shop"
SETTINGS = StitchSettings(30 * DAY, 30 * DAY, 50, 5, 5, 200, 200, 300_000)

# Two cookies a customer, each seen once within the last three weeks.
_LOAD_SQLITE = """
    INSERT INTO sightings (site, cookie, at, event_id, owner, type)
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :last)
    SELECT 'shop', printf('c%08d', i), :now - (i * 7919) % :span, printf('e%08d', i),
        printf('customer/k%08d', i / 2), 'CustomerData' FROM n
"""
_LOAD_POSTGRES = """
    INSERT INTO sightings (site, cookie, at, event_id, owner, type)
    SELECT 'shop', 'c' || lpad(i::text, 8, '0'), $2::bigint - (i * 7919) % $3::bigint,
        'e' || lpad(i::text, 8, '0'), 'customer/k' || lpad((i / 2)::text, 8, '0'), 'CustomerData'
    FROM generate_series(0, $1::bigint) AS i
"""


@dataclass
class Row:
    database: str
    links: int
    cache: str
    events: int
    events_per_second: float
    cpu_us_per_event: float
    from_memory: float
    rss_mb: float


def record(number: int, cookie: str, customer: str | None) -> Record:
    info = {
        "eventName": "ProductPage",
        "siteId": SITE,
        "datetime": NOW + number,
        "cookies": {"sc": cookie},
        "s_location": "https://shop.example/kettles/steel-kettle-17?utm_source=mail&utm_campaign=spring",
    }
    if customer:
        info["externalCustomerId"] = customer
    product = {"productKey": f"kettle-{number % 1000}", "price": "899.00", "isInStock": 1}
    body = {"GeneralInfo": info, "ProductPage": {"Product": product, "Tags": {"colour": ["steel", "blue"]}}}
    event_id = f"01a2098c-437d-7a05-888b-{number:012x}"
    return Record(
        event_id,
        SITE,
        "ProductPage",
        lane_of(SITE, cookie, None, None, None, event_id),
        cookie,
        customer,
        None,
        None,
        NOW + number,
        NOW + number,
        orjson.dumps(body),
    )


def batches(count: int, links: int, hot: bool, first: int) -> Iterator[list[tuple[str, Record]]]:
    """Yield batches of records with their positions."""
    draw = random.Random(first)
    fresh = iter(draw.sample(range(links), min(links, count))) if not hot else iter(())
    entries = []
    for number in range(first, first + count):
        kind = draw.random()
        if kind < 0.95:
            place = draw.randrange(min(HOT, links)) * (links // min(HOT, links)) if hot else next(fresh, 0)
            customer = f"k{place // 2:08d}" if kind >= 0.80 else None
            entries.append(record(number, f"c{place:08d}", customer))
        elif kind < 0.99:
            entries.append(record(number, f"v{draw.randrange(HOT) if hot else number}", None))
        else:
            entries.append(record(number, f"n{number}", f"k{draw.randrange(links // 2):08d}"))
        if len(entries) == BATCH:
            yield [(f"0:{one.occurred_at}", one) for one in entries]
            entries = []


async def measure(database: str, url: str, links: int, events: int) -> list[Row]:
    rows = []
    store = await open_store(url)
    for cache, count, first in (("cold", min(events, links) // 2, 10**7), ("hot", events, 2 * 10**7)):
        stitcher = Stitcher(store, {SITE: SETTINGS}, remembered=100_000, seconds=3600, clock=SystemClock())
        if cache == "hot":
            for batch in batches(6 * HOT, links, True, first - 10**6):
                await stitcher.stitch(batch)
        work = list(batches(count, links, cache == "hot", first))
        gc.collect()
        gc.freeze()
        recalled, cpu, wall = from_memory(), time.process_time(), time.perf_counter()
        for batch in work:
            await stitcher.stitch(batch)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        done = len(work) * BATCH
        rows.append(
            Row(
                database,
                links,
                cache,
                done,
                done / wall,
                cpu / done * 1e6,
                (from_memory() - recalled) / done,
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            )
        )
    await store.close()
    return rows


def from_memory() -> float:
    return REGISTRY.get_sample_value("gateway_stitched_from_memory_total") or 0.0


async def in_sqlite(links: int, events: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "links.db"
        await (await open_store(f"sqlite:{path}")).close()
        with closing(sqlite3.connect(path)) as database:
            database.execute(_LOAD_SQLITE, {"last": links - 1, "now": NOW, "span": 20 * DAY})
            database.commit()
        return await measure("sqlite", f"sqlite:{path}", links, events)


async def in_postgres(server: Postgres, links: int, events: int) -> list[Row]:
    url = server.create_database(f"links_{links}")
    await (await open_store(url)).close()
    connection = await asyncpg.connect(url)
    await connection.execute(_LOAD_POSTGRES, links - 1, NOW, 20 * DAY, timeout=3600)
    await connection.execute("ANALYZE")
    await connection.close()
    rows = await measure("postgresql", url, links, events)
    server.drop_database(f"links_{links}")
    return rows


async def run(sizes: list[int], events: int, databases: list[str]) -> list[Row]:
    rows = []
    with ExitStack() as closing_:
        if "postgresql" in databases:
            os.sched_setaffinity(0, {SERVER_CORE})  # inherited by the server
            server = closing_.enter_context(Postgres())
        os.sched_setaffinity(0, {CORE})
        for links in sizes:
            if "sqlite" in databases:
                rows += await in_sqlite(links, events)
            if "postgresql" in databases:
                rows += await in_postgres(server, links, events)
    return rows


def show(rows: list[Row]) -> None:
    table = Table(
        "database", "links", "cache", "events/s", "CPU us/event", "of the smallest", "from memory", "RSS MB"
    )
    for row in sorted(rows, key=lambda row: (row.database, row.cache, row.links)):
        smallest = next(one for one in rows if (one.database, one.cache) == (row.database, row.cache))
        table.add_row(
            row.database,
            f"{row.links:,}",
            row.cache,
            f"{row.events_per_second:,.0f}",
            f"{row.cpu_us_per_event:.1f}",
            f"{row.cpu_us_per_event / smallest.cpu_us_per_event:.2f}",
            f"{row.from_memory:.1%}",
            f"{row.rss_mb:.0f}",
        )
    Console(width=110).print(table)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--links", type=int, nargs="+", default=[10_000, 1_000_000, 10_000_000])
    options.add_argument("--events", type=int, default=200_000)
    options.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    options.add_argument("--json", type=Path, default=Path("bench-results/identity.json"))
    chosen = options.parse_args()
    rows = uvloop.run(run(chosen.links, chosen.events, chosen.databases))
    show(rows)
    chosen.json.parent.mkdir(exist_ok=True)
    chosen.json.write_text(json.dumps([asdict(row) for row in rows], indent=2))
    print(f"as JSON: {chosen.json}")


if __name__ == "__main__":
    main()
