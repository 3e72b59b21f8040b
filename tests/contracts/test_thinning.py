"""Thinning takes away sightings, and no link notices."""

import random
from dataclasses import replace

import pytest

from gateway.identity.changes import merge
from gateway.identity.facts import Facts, Sighting
from gateway.identity.people import look_up_cookie
from gateway.identity.rules import Rules
from gateway.identity.settings import StitchSettings
from gateway.identity.thinning import ROWS, Place, Thinning, needless
from gateway.store import Store
from tests.contracts.shop import DAY, HOUR, NOON, SETTINGS, Shop, event, logout, words

AGE = SETTINGS.link_age_ms
SPAN = AGE // 3


class LaterClock:
    """A clock that shows a time long after noon."""

    def __init__(self, at: int) -> None:
        self._now = NOON + at

    def now_ms(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None: ...


async def thinned(store: Store, at: int, settings: StitchSettings = SETTINGS) -> int:
    """Go once through everything, as of that time; return how many sightings are gone."""
    thinning = Thinning(store, {"shop": settings}, LaterClock(at))
    gone = await thinning.step()
    while thinning._from.cookie:
        gone += await thinning.step()
    return gone


async def count(store: Store) -> int:
    async with store.transaction() as transaction:
        ((rows,),) = await transaction.fetch("SELECT count(*) FROM sightings")
    return int(rows)


async def test_a_daily_customer_leaves_a_few_sightings_a_month_and_the_same_links(shop: Shop) -> None:
    visits = [event(n, n * HOUR, customer="A") for n in range(24 * 60)]
    for at in range(0, len(visits), 500):
        await shop.post(*visits[at : at + 500])
    await shop.post(event(9000, 61 * DAY, customer="B"), logout(9001, 62 * DAY), event(9002, 63 * DAY))
    before = await look_up_cookie(shop.store, "shop", "C", SETTINGS)
    assert await thinned(shop.store, 200 * DAY) > 1400
    assert await count(shop.store) < 25
    assert await look_up_cookie(shop.store, "shop", "C", SETTINGS) == before
    assert await thinned(shop.store, 200 * DAY) == 0


async def test_within_the_link_age_every_sighting_stays_for_what_may_come_late(shop: Shop) -> None:
    await shop.post(*(event(n, n * HOUR, customer="A") for n in range(100)))
    assert await thinned(shop.store, 20 * DAY) == 0


async def test_of_a_customer_past_the_limit_of_cookies_every_sighting_stays(store: Store) -> None:
    settings = replace(SETTINGS, cookies=2)
    shop = Shop(store, settings=settings)
    turns = enumerate([("C", "A"), ("D", "B"), ("C", "A"), ("E", "A"), ("C", "A")])
    await shop.post(*(event(at, at, cookie=cookie, customer=customer) for at, (cookie, customer) in turns))
    assert await thinned(store, 200 * DAY, settings) == 1
    await merge(store, "shop", "B", "A", who="test", reason="the same", now_ms=NOON)
    await shop.post(event(2, 2, cookie="C", customer="A"))
    links = await shop.links()
    assert [link.why for link in links] == ["silence"]
    assert await thinned(store, 200 * DAY, settings) == 0
    assert await shop.links() == links


async def test_behind_the_mark_of_a_shared_cookie_what_is_old_goes_and_nothing_notices(store: Store) -> None:
    settings = replace(SETTINGS, kiosk=3)
    shop = Shop(store, settings=settings)
    till = [event(n, n * HOUR, customer=f"K{n}") for n in range(40)]
    await shop.post(*till, logout(100, 40 * HOUR), event(101, 100 * DAY, customer="A"))
    before = await look_up_cookie(store, "shop", "C", settings)
    assert before.shared
    assert await thinned(store, 120 * DAY, replace(settings, kiosk=4)) == 0
    assert await thinned(store, 120 * DAY, settings) == 38
    assert await count(store) == 4
    assert await look_up_cookie(store, "shop", "C", settings) == before
    assert words(await shop.post(event(102, 120 * DAY, customer="A"))) == ["refused:shared_cookie"]


async def test_it_goes_through_more_rows_than_fit_a_step(shop: Shop) -> None:
    visits = [event(n, n * 60_000, cookie=f"c{n % 3}", customer="A") for n in range(ROWS + ROWS // 2)]
    for at in range(0, len(visits), 500):
        await shop.post(*visits[at : at + 500])
    assert await thinned(shop.store, 200 * DAY) > ROWS
    assert await count(shop.store) <= 3 * 4


@pytest.mark.parametrize("seed", range(200))
def test_no_link_of_any_history_changes_at_any_time(seed: int) -> None:
    draw = random.Random(seed)
    moments = sorted(draw.randint(0, 8 * SPAN) for _ in range(30))
    rows = [
        Place("C", at, f"{n:03}", draw.choice(["customer/A"] * 6 + ["customer/B", "email/a@x.ua", ""]))
        for n, at in enumerate(moments)
    ]
    gone = set(needless(rows, 10**9 * DAY, SPAN))
    whole, rest = rules(rows), rules([row for row in rows if row not in gone])
    assert whole.timelines.links("C") == rest.timelines.links("C")
    for at in range(0, 9 * SPAN, SPAN // 7):
        moment = at, "x"
        links = [one.timelines.before("C", moment) for one in (whole, rest)]
        assert [link and link.is_open(moment) for link in links[:1]] == [
            link and link.is_open(moment) for link in links[1:]
        ]


def rules(rows: list[Place]) -> Rules:
    facts = Facts()
    for _, at, event_id, owner, _ in rows:
        facts.recall_sighting("C", Sighting(at, event_id, owner))
    return Rules(facts, SETTINGS)
