"""What a worker keeps in mind changes no decision: it saves looks at the database, and forgets in time."""

import random
from dataclasses import replace

import pytest

from gateway.event import Record
from gateway.identity.stitcher import Stitched
from gateway.store import Store
from tests.contracts.shop import DAY, HOUR, SETTINGS, Shop, counted, customers, event, logout, stitcher, words

A = "customer/A"


def recalled() -> float:
    return counted("gateway_stitched_from_memory_total")


async def test_of_a_cookie_in_mind_neither_anonymous_events_nor_its_customers_ask_the_facts(
    shop: Shop,
) -> None:
    await shop.post(event(1, 0, customer="A", email="a@x.ua"))
    before = recalled()
    stitched = await shop.post_each(
        event(2, 10), event(3, 20, customer="A", email="a@x.ua"), event(4, 30, customer="A"), event(5, 40)
    )
    assert recalled() == before + 4
    assert words(stitched) == [
        "linked:inside_link",
        "kept:same_owner",
        "kept:same_owner",
        "linked:inside_link",
    ]
    assert await shop.owners() == [(A, 0, 30 + SETTINGS.link_age_ms)]


@pytest.mark.parametrize(
    "news",
    [
        event(9, 50, customer="B"),
        event(9, 50, email="guest@x.ua"),
        logout(9, 50),
        event(9, 50, customer="A", email="new@x.ua"),
        event(9, -50, customer="A"),
        event(9, DAY, customer="A", email="a@x.ua"),
    ],
    ids=["another customer", "a guest", "a logout", "a new email", "an older login", "another day"],
)
async def test_whatever_is_new_about_a_cookie_asks_the_facts(shop: Shop, news: Record) -> None:
    await shop.post_each(event(1, 0, customer="A", email="a@x.ua"))
    before = recalled()
    await shop.post(news)
    assert recalled() == before


async def test_a_new_email_on_one_device_reaches_the_other_that_is_in_mind(shop: Shop) -> None:
    await shop.post_each(
        event(1, 0, cookie="C", customer="A", email="a@x.ua"), event(2, 1, cookie="E", customer="A")
    )
    (before,) = await shop.post(event(3, 2, cookie="C"))
    together = await shop.post(
        event(4, 3, cookie="E", customer="A", email="new@x.ua"), event(5, 4, cookie="C")
    )
    (after,) = await shop.post(event(6, 5, cookie="C"))
    emails = [one.record.email for one in (before, together[1], after) if one.record]
    assert emails == ["a@x.ua", "new@x.ua", "new@x.ua"]


async def test_a_link_in_mind_ends_with_its_age(shop: Shop) -> None:
    await shop.post_each(event(1, 0, customer="A"), event(2, HOUR, customer="A"))
    stitched = await shop.post(
        event(3, HOUR + SETTINGS.link_age_ms), event(4, HOUR + SETTINGS.link_age_ms + 1)
    )
    assert customers(stitched) == ["A", None]


async def test_no_more_cookies_are_kept_in_mind_than_the_setting_says(store: Store) -> None:
    shop = Shop(store)
    shop.stitcher = stitcher(store, remembered=10)
    await shop.post(*(event(number, number, cookie=f"c{number}", customer="A") for number in range(40)))
    assert counted("gateway_remembered_cookies") == 10
    shop.stitcher = stitcher(store, remembered=0)
    await shop.post(event(50, 50))
    assert counted("gateway_remembered_cookies") == 0


async def test_what_was_not_stored_is_not_kept_in_mind(store: Store) -> None:
    shop = Shop(store)
    await shop.post(event(1, 0, customer="A"))
    working, shop.stitcher._store = shop.stitcher._store, Broken(store)
    with pytest.raises(RuntimeError):
        await shop.post(event(2, 10, customer="B"))
    shop.stitcher._store = working
    assert customers(await shop.post(event(3, 20))) == ["A"]


class Broken:
    """A real store that breaks before the end of every transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def transaction(self) -> "Broken":
        self._manager = self._store.transaction()
        return self

    async def __aenter__(self) -> object:
        return await self._manager.__aenter__()

    async def __aexit__(self, *_: object) -> None:
        problem = RuntimeError("cut")
        await self._manager.__aexit__(RuntimeError, problem, None)
        raise problem


@pytest.mark.parametrize("seed", range(25))
async def test_with_and_without_a_memory_the_same_goes_on(store: Store, seed: int) -> None:
    draw = random.Random(seed)
    settings = replace(SETTINGS, cookies=2, emails=2, phones=1, kiosk=4)
    batches = [
        [_event(draw, batch * 20 + place, batch * HOUR) for place in range(draw.randint(1, 6))]
        for batch in range(25)
    ]
    outcomes: list[list[list[Stitched]]] = []
    for site, remembered in (("with", 1000), ("without", 0)):
        shop = Shop(store, site, settings=settings)
        shop.stitcher = stitcher(store, (site,), settings, remembered=remembered)
        outcomes.append([await shop.post(*(_at(record, site) for record in batch)) for batch in batches])
    for remembering, asking in zip(*outcomes, strict=True):
        assert [one.decision for one in remembering] == [one.decision for one in asking]


def _event(draw: random.Random, number: int, at: int) -> Record:
    kind = draw.choice(["PageView"] * 8 + ["Logout"])
    late = draw.choice([0, 0, 0, 0, 3 * HOUR])
    return event(
        number,
        at + draw.randint(0, 5) - late,
        cookie=draw.choice("CCDE") if kind == "Logout" else draw.choice(["C", "C", "D", "E", None]),
        customer=draw.choice([None, None, "A", "A", "B", "K"]),
        email=draw.choice([None, None, "a@x.ua", "b@x.ua", "d@x.ua"]),
        phone=draw.choice([None, None, None, "+380501111111", "+380502222222"]),
        kind=kind,
        late=late,
    )


def _at(record: Record, site: str) -> Record:
    return replace(record, site=site)
