"""The sample of refused events, in both databases."""

import asyncio
from collections import Counter

import orjson

from gateway.clock import SystemClock
from gateway.errors import Unreachable
from gateway.refused import table
from gateway.refused.sample import OF_A_SITE, RefusedSample
from gateway.refused.sweeping import sweep
from gateway.refused.table import DAYS, OF_A_KIND, Refusal, keep, read
from gateway.store import Store
from gateway.store.lazy import LazyStore
from gateway.validation import Finding, Refused

NOW = SystemClock().now_ms()
DAY_MS = 24 * 3600 * 1000


def refusal(number: int, kind: str = "PageView", code: str = "strict_mode", **of: object) -> Refusal:
    return Refusal("shop", f"{number:09}", kind, code, NOW, "[]", "{}")._replace(**of)


async def ids(store: Store, site: str = "", kind: str = "", code: str = "") -> list[int]:
    return [int(one.id) for one in await read(store, site, kind, code, NOW)]


async def test_the_newest_few_of_a_kind_are_kept_and_chosen_by_site_type_and_code(store: Store) -> None:
    many = [refusal(number) for number in range(30)]
    await keep(store, many[:15])
    await keep(store, [*many[10:], refusal(30, "MainPage"), refusal(31, site="other")])
    assert await ids(store, "shop", "PageView") == list(range(29, 29 - OF_A_KIND, -1))
    assert await ids(store, kind="MainPage") == [30]
    assert await ids(store, site="other") == [31]
    assert await ids(store, code="no_such") == []


async def test_a_site_keeps_no_more_than_its_share_whatever_it_sends(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(table, "OF_A_SITE", 25)
    await keep(store, [refusal(number, f"Type{number}") for number in range(40)])
    await keep(store, [refusal(1, site="other")])
    assert await ids(store, "shop") == list(range(39, 14, -1))
    assert await ids(store, "other") == [1]


async def test_what_is_older_than_a_week_goes_also_of_a_site_that_refuses_nothing_more(store: Store) -> None:
    old = NOW - DAYS * DAY_MS - 1
    await keep(store, [refusal(number, f"Type{number}", at=old) for number in range(4)])
    await keep(store, [refusal(4, site="silent", at=old), refusal(5)])
    assert await ids(store) == [5]
    sweeping = asyncio.create_task(sweep(store, SystemClock()))
    async with asyncio.timeout(10):
        while len(rows := await read(store, "", "", "", 0)) > 1:
            await asyncio.sleep(0.01)
    sweeping.cancel()
    assert [one.id for one in rows] == ["000000005"]


async def test_a_sweep_takes_a_bounded_number_of_rows_at_once(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(table, "SWEPT", 3)
    await keep(store, [refusal(number, f"Type{number}") for number in range(5)])
    later = NOW + DAYS * DAY_MS + 1
    assert [await table.expire(store, later) for _ in range(3)] == [3, 2, 0]


ERROR = Finding("/StatusCart", "type", "text where an object belongs")
BROKEN = Refused("StatusCart", "schema_violation", [ERROR])


async def test_a_flood_of_refused_events_costs_a_look_at_few_of_them(store: Store) -> None:
    sample = RefusedSample(frozenset({"StatusCart"}), store, SystemClock())
    for number in range(5000):
        sample.look("shop", BROKEN, {"StatusCart": "o@x.ua"})
        sample.look("wide", Refused(f"Type{number}", "strict_mode", []), {})
    await sample.write()
    assert len(await ids_of_rows(store, "shop")) == OF_A_KIND
    assert len(await ids_of_rows(store, "wide")) == OF_A_SITE
    (newest, *_) = await read(store, "shop", "", "", NOW)
    assert orjson.loads(newest.event) == {"StatusCart": "<6 characters>"}
    assert orjson.loads(newest.errors) == [
        {"pointer": "/StatusCart", "code": "type", "message": "text where an object belongs"}
    ]
    sample.look("shop", BROKEN, {})
    await sample.write()
    (newest, *_) = await read(store, "shop", "", "", NOW)
    assert newest.event == "{}"


async def ids_of_rows(store: Store, site: str) -> list[str]:
    async with store.transaction() as transaction:
        return [row[0] for row in await transaction.fetch("SELECT id FROM refused WHERE site = $1", site)]


async def test_while_the_database_is_away_samples_are_dropped_and_later_ones_are_kept(store: Store) -> None:
    tries = Counter[str]()

    class AwayAtFirst(LazyStore):
        async def open(self) -> Store:
            tries["away" if not tries else "there"] += 1
            if not tries["there"]:
                raise Unreachable("away")
            return store

    class Hurried(SystemClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(0)

    sample = RefusedSample(frozenset(), AwayAtFirst("sqlite:"), Hurried())
    running = asyncio.create_task(sample.run())
    async with asyncio.timeout(10):
        sample.look("shop", BROKEN, "dropped")
        while not tries["away"]:
            await asyncio.sleep(0)
        sample.look("shop", BROKEN, [1])
        while not (found := await read(store, "shop", "", "", NOW)):
            await asyncio.sleep(0.01)
    running.cancel()
    assert [one.event for one in found] == ['["<1 digit>"]']
