"""What is set up, and when events were last delivered, in both databases."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.errors import Unreachable
from gateway.event import Record
from gateway.last_events import LastEvents, last_events
from gateway.setup import table
from gateway.setup.table import Thing
from gateway.store import Store, open_store


async def test_the_latest_domain_counts_and_an_earlier_one_is_not_forgotten(store: Store) -> None:
    await table.keep(store, "shop", Thing.TRACKING, "a.example", {"site_id": "A"}, 1)
    await table.keep(store, "shop", Thing.TRACKING, "b.example", {"site_id": "B"}, 2)
    await table.keep(store, "shop", Thing.WEBPUSH, "https://a.example", {}, 3)
    await table.keep(store, "other", Thing.TRACKING, "c.example", {}, 4)
    assert await table.newest(store, "shop", Thing.TRACKING) == ("b.example", {"site_id": "B"}, 2)
    assert await table.one(store, "shop", Thing.TRACKING, "a.example") == ("a.example", {"site_id": "A"}, 1)
    await table.keep(store, "shop", Thing.TRACKING, "a.example", {"site_id": "A", "html": "<script>"}, 5)
    kept = await table.newest(store, "shop", Thing.TRACKING)
    assert kept == ("a.example", {"site_id": "A", "html": "<script>"}, 5)
    assert await table.one(store, "shop", Thing.TRACKING, "c.example") is None
    assert await table.newest(store, "nobody's", Thing.WEBPUSH) is None


async def test_what_is_renewed_counts_as_before_and_undoes_nothing_that_was_kept_meanwhile(
    store: Store,
) -> None:
    await table.keep(store, "shop", Thing.TRACKING, "a.example", {"site_id": None}, 1)
    read = await table.newest(store, "shop", Thing.TRACKING)
    assert read is not None
    await table.renew(store, "shop", Thing.TRACKING, read, {"site_id": None, "html": "new"})
    renewed = await table.newest(store, "shop", Thing.TRACKING)
    assert renewed == ("a.example", {"site_id": None, "html": "new"}, 1)
    await table.keep(store, "shop", Thing.TRACKING, "a.example", {"site_id": "told"}, 2)
    await table.renew(store, "shop", Thing.TRACKING, read, {"site_id": None})
    assert await table.newest(store, "shop", Thing.TRACKING) == ("a.example", {"site_id": "told"}, 2)


@asynccontextmanager
async def away(database: Path, name: str) -> AsyncIterator[None]:
    """Let a SQLite database fail at everything that needs a table.

    It waits for its turn in a thread: the store that has the lock is in this very loop.
    """
    with closing(sqlite3.connect(database, check_same_thread=False, timeout=20)) as other:
        await asyncio.to_thread(other.execute, f"ALTER TABLE {name} RENAME TO hidden")
        yield
        await asyncio.to_thread(other.execute, f"ALTER TABLE hidden RENAME TO {name}")


class Fixed(SystemClock):
    def __init__(self, now: int) -> None:
        self.now = now

    def now_ms(self) -> int:
        return self.now


def record(site: str, kind: str) -> Record:
    return Record("id", site, kind, "lane", None, None, None, None, 1, 1, b"{}")


async def test_of_each_type_the_latest_delivery_of_all_processes_is_told(store: Store) -> None:
    one, other = LastEvents(store, early := Fixed(1000)), LastEvents(store, Fixed(5000))
    for kind in ("PageView", "PageView", "StatusCart"):
        one.note(record("shop", kind))
    other.note(record("shop", "PageView"))
    other.note(record("other", "MainPage"))
    await other.write()
    await one.write()
    assert list((await last_events(store, "shop")).items()) == [("PageView", 5000), ("StatusCart", 1000)]
    early.now = 9000
    one.note(record("shop", "StatusCart"))
    await one.write()
    assert await last_events(store, "shop") == {"StatusCart": 9000, "PageView": 5000}
    assert await last_events(store, "other") == {"MainPage": 5000}


async def test_what_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:{tmp_path}/links.db")
    noted = LastEvents(store, Fixed(1000))
    noted.note(record("shop", "PageView"))
    async with away(tmp_path / "links.db", "last_events"):
        with pytest.raises(Unreachable):
            await noted.write()
    await noted.write()
    assert await last_events(store, "shop") == {"PageView": 1000}
    await store.close()
