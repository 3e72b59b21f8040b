"""Who is on a cookie now and where a customer is, on every store; and how a page fares without the store."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from gateway.clock import SystemClock
from gateway.identity import changes
from gateway.identity.present import cookie_of, customer_on
from gateway.relay.links import Links
from gateway.store import Store, open_store
from gateway.store.lazy import LazyStore
from tests.contracts.shop import DAY, HOUR, NOON, SETTINGS, Shop, event, logout

LATER = NOON + DAY


async def on(store: Store, cookie: str, now_ms: int = LATER) -> str | None:
    return await customer_on(store, "shop", cookie, SETTINGS, now_ms)


async def of(store: Store, customer: str, now_ms: int = LATER) -> str | None:
    return await cookie_of(store, "shop", customer, SETTINGS, now_ms)


async def test_the_newest_open_link_tells_whose_a_cookie_is_and_where_a_customer_is(shop: Shop, store: Store):
    await shop.post(
        event(1, 0, cookie="C", customer="A"),
        event(2, HOUR, cookie="D", customer="A"),
        event(3, HOUR, cookie="E", email="guest@x.ua"),
        event(4, 0, cookie="F", customer="B"),
    )
    assert [await on(store, cookie) for cookie in "CDEFG"] == ["A", "A", None, "B", None]
    assert [await of(store, customer) for customer in "ABX"] == ["D", "F", None]
    assert await on(store, "C", NOON + 31 * DAY) is None
    assert await of(store, "A", NOON + 31 * DAY) is None
    # a sender whose clock is ahead of ours has just logged in
    assert await on(store, "C", NOON - 1000) == "A"
    await shop.post(logout(5, 2 * HOUR, cookie="D"), event(6, 3 * HOUR, cookie="F", customer="A"))
    assert [await on(store, cookie) for cookie in "DF"] == [None, "A"]
    assert [await of(store, customer) for customer in "AB"] == ["F", None]


async def test_a_merged_customer_is_where_the_one_is_who_he_is_now(shop: Shop, store: Store):
    await shop.post(event(1, 0, cookie="C", customer="A"), event(2, HOUR, cookie="D", customer="B"))
    await changes.merge(store, "shop", "A", "B", "ann", "one person", LATER)
    assert [await on(store, cookie) for cookie in "CD"] == ["B", "B"]
    assert [await of(store, customer) for customer in "AB"] == ["D", "D"]


async def test_a_page_goes_on_without_links_while_the_store_is_slow_and_has_them_again_afterwards(
    tmp_path: Path,
):
    store = await open_store(f"sqlite:{tmp_path / 'links.db'}")
    clock = SystemClock()
    now = clock.now_ms() - NOON
    await Shop(store).post(event(1, now, cookie="C", customer="A"))
    links = Links(store, 0.05, clock)
    with closing(sqlite3.connect(tmp_path / "links.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await links.customer_on("shop", "C", SETTINGS) is None
        other.execute("ROLLBACK")
    async with asyncio.timeout(20):
        while await links.customer_on("shop", "C", SETTINGS) != "A":
            pass
    await links.stop()
    await store.close()


async def test_a_store_that_is_away_is_asked_now_and_then_and_not_by_every_page():
    opened = 0

    class Away(LazyStore):
        async def open(self) -> Store:
            nonlocal opened
            opened += 1
            return await super().open()

    store = Away("postgresql://shop@127.0.0.1:1/nowhere")
    links = Links(store, 5, SystemClock())
    for _ in range(30):
        assert await links.cookie_of("shop", "A", SETTINGS) is None
    assert 1 <= opened <= 15
    await links.stop()
    await store.close()
