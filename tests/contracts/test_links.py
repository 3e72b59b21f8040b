"""The cases of who is behind a cookie, each on both databases."""

import asyncio
import itertools
import multiprocessing
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.demo.parts import Postgres
from gateway.errors import Unreachable
from gateway.event import LINK_MESSAGE, PROBE, Record
from gateway.store import Store, open_store
from tests.contracts.shop import (
    DAY,
    HOUR,
    SETTINGS,
    Shop,
    counted,
    customers,
    event,
    info,
    placed,
    sent,
    words,
)

A, B = "customer/A", "customer/B"
AGE = SETTINGS.link_age_ms


# Links, by the numbers of the cases they show.


async def test_01_a_visitor_who_logs_in_is_anonymous_before_and_the_customer_after(shop: Shop) -> None:
    stitched = await shop.post_each(
        event(1, 0), event(2, 10, kind="CustomerData", customer="A", email="a@x.ua"), event(3, 20)
    )
    assert words(stitched) == ["anonymous:no_link", "created:first_owner", "linked:inside_link"]
    assert customers(stitched) == [None, "A", "A"]
    assert info(stitched[2])["externalCustomerId"] == "A"
    assert info(stitched[2])["user_email"] == "a@x.ua"
    assert "externalCustomerId" not in info(stitched[0])
    assert await shop.owners() == [(A, 10, 10 + AGE)]


async def test_02_a_login_sent_three_times_is_one_link(shop: Shop) -> None:
    stitched = await shop.post_each(*(event(number, number, customer="A") for number in (1, 2, 3)))
    assert words(stitched) == ["created:first_owner", "kept:same_owner", "kept:same_owner"]
    assert await shop.owners() == [(A, 1, 3 + AGE)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_03_two_devices_of_one_customer_are_two_links_in_either_order(
    shop: Shop, order: tuple[int, int]
) -> None:
    logins = [event(1, 1, cookie="phone", customer="A"), event(2, 2, cookie="desktop", customer="A")]
    await shop.post_each(*(logins[place] for place in order))
    stitched = await shop.post_each(event(3, 5, cookie="phone"), event(4, 6, cookie="desktop"))
    assert customers(stitched) == ["A", "A"]
    assert await shop.owners("phone") == [(A, 1, 1 + AGE)]
    assert await shop.owners("desktop") == [(A, 2, 2 + AGE)]


async def test_05_06_another_login_closes_the_link_and_the_first_owners_past_stays_his(shop: Shop) -> None:
    await shop.post_each(event(1, 10, customer="A"), event(2, 20, customer="B"))
    stitched = await shop.post(event(3, 15), event(4, 25))
    assert customers(stitched) == ["A", "B"]
    first, second = await shop.links()
    assert (first.owner, first.closed_by) == (A, second.opened_by)
    assert await shop.owners() == [(A, 10, 20), (B, 20, 20 + AGE)]


async def test_07_after_the_link_age_in_silence_nobody_is_guessed(shop: Shop) -> None:
    stitched = await shop.post_each(
        event(1, 0, customer="A"), event(2, AGE), event(3, AGE + 1), event(4, AGE + 2, customer="B")
    )
    assert words(stitched) == [
        "created:first_owner",
        "linked:inside_link",
        "anonymous:link_ended",
        "created:after_silence",
    ]


async def test_08_after_a_cookie_reset_the_next_login_links_the_new_cookie_too(shop: Shop) -> None:
    await shop.post_each(event(1, 0, cookie="old", customer="A"), event(2, 10, cookie="new", customer="A"))
    stitched = await shop.post(event(3, 20, cookie="old"), event(4, 20, cookie="new"))
    assert customers(stitched) == ["A", "A"]


async def test_09_every_order_of_login_and_anonymous_events_ends_in_the_same_links(store: Store) -> None:
    for order in itertools.permutations(range(4)):
        site = "".join(map(str, order))
        events = [
            event(1, 10, site=site),
            event(2, 20, site=site, customer="A"),
            event(3, 30, site=site),
            event(4, 40, site=site, customer="B"),
        ]
        shop = Shop(store, site)
        await shop.post_each(*(events[place] for place in order))
        assert await shop.owners(site=site) == [(A, 20, 40), (B, 40, 40 + AGE)], order


async def test_09_in_one_batch_every_event_is_judged_by_its_time_not_by_its_place(shop: Shop) -> None:
    stitched = await shop.post(event(3, 30), event(1, 10), event(2, 20, customer="A"))
    assert customers(stitched) == ["A", None, "A"]


async def test_10_a_login_that_comes_26_hours_late_counts_from_when_it_happened(shop: Shop) -> None:
    await shop.post_each(event(1, 5, customer="B", late=26 * HOUR), event(2, 0, customer="A", late=26 * HOUR))
    assert await shop.owners() == [(A, 0, 5), (B, 5, 5 + AGE)]


async def test_10_login_a_at_1_5_9_and_b_at_4_come_out_in_order_of_time_whatever_came_first(
    shop: Shop,
) -> None:
    await shop.post_each(*(event(at, at, customer="A") for at in (9, 1, 5)), event(4, 4, customer="B"))
    assert await shop.owners() == [(A, 1, 4), (B, 4, 5), (A, 5, 9 + AGE)]


async def test_11_an_identity_from_1970_opens_no_link_and_says_why(shop: Shop) -> None:
    ancient = event(1, 0, customer="A", late=AGE + 1)
    stitched = await shop.post_each(ancient, event(2, AGE + 2))
    assert words(stitched) == ["refused:older_than_link_age", "anonymous:no_link"]
    assert customers(stitched)[0] == "A"
    assert await shop.links() == []


async def test_13_one_contact_key_is_one_owner(shop: Shop) -> None:
    stitched = await shop.post_each(event(1, 1, email="a@x.ua"), event(2, 2, email="a@x.ua"), event(3, 3))
    assert words(stitched) == ["created:first_owner", "kept:same_owner", "linked:inside_link"]
    assert info(stitched[2])["user_email"] == "a@x.ua"


async def test_14_two_customers_with_one_email_stay_apart_and_the_first_keeps_it(shop: Shop) -> None:
    before = counted("gateway_identity_conflicts_total", site="shop")
    stitched = await shop.post_each(
        event(1, 1, cookie="hers", customer="A", email="family@x.ua"),
        event(2, 2, cookie="his", customer="B", email="family@x.ua"),
        event(3, 3, cookie="his"),
        event(4, 4, cookie="third", email="family@x.ua"),
    )
    assert words(stitched)[1] == "created:first_owner,contact_key_set_aside"
    assert counted("gateway_identity_conflicts_total", site="shop") == before + 1
    assert customers(stitched) == ["A", "B", "B", None]
    assert "user_email" not in info(stitched[2])
    assert [link.owner for link in await shop.links("his")] == [B]
    assert [link.owner for link in await shop.links("third")] == [A]


async def test_15_a_guest_known_by_email_becomes_the_customer_who_registers_with_it(shop: Shop) -> None:
    await shop.post(event(1, 1, kind="PurchasedItems", email="guest@x.ua"))
    guest = await shop.post(event(2, 2))
    await shop.post(event(3, 3, kind="CustomerData", cookie="desktop", customer="A", email="guest@x.ua"))
    account = await shop.post(event(4, 4))
    assert (customers(guest), info(guest[0])["user_email"]) == ([None], "guest@x.ua")
    assert (customers(account), info(account[0])["user_email"]) == (["A"], "guest@x.ua")
    assert await shop.owners() == [(A, 1, 1 + AGE)]


async def test_15_a_guests_phone_is_taken_over_the_same_way(shop: Shop) -> None:
    await shop.post_each(
        event(1, 1, phone="+380501234567"), event(2, 2, cookie=None, customer="A", phone="+380501234567")
    )
    assert await shop.owners() == [(A, 1, 1 + AGE)]


async def test_16_a_customer_who_changes_his_email_is_known_by_the_newer_one(shop: Shop) -> None:
    stitched = await shop.post_each(
        event(1, 1, customer="A", email="old@x.ua"),
        event(2, 2, customer="A", email="new@x.ua"),
        event(3, 3),
        event(4, 4, cookie=None, email="old@x.ua"),
    )
    assert info(stitched[2])["user_email"] == "new@x.ua"
    assert words(stitched)[3] == "linked:latest_cookie"


async def test_26_equal_cookies_on_two_sites_are_two_cookies(store: Store) -> None:
    shop = Shop(store, "shop", "other")
    await shop.post(event(1, 1, customer="A"), event(2, 1, site="other", customer="B"))
    stitched = await shop.post(event(3, 2), event(4, 2, site="other"))
    assert customers(stitched) == ["A", "B"]
    assert await shop.owners(site="other") == [(B, 1, 1 + AGE)]


async def test_29_replaying_a_whole_day_gives_the_same_links_and_the_same_outcomes(shop: Shop) -> None:
    day = placed(
        [
            event(1, 0),
            event(2, HOUR, customer="A", email="a@x.ua"),
            event(3, 2 * HOUR),
            event(4, 3 * HOUR, customer="B"),
            event(5, 4 * HOUR, cookie=None, customer="B", kind="StatusCart"),
            event(6, 5 * HOUR, caller_id=True),
        ]
    )
    live = [(await shop.stitcher.stitch([entry]))[0] for entry in day]
    links = await shop.links()
    assert sent(await shop.stitcher.stitch(day)) == sent(live)
    assert await shop.links() == links


async def test_31_a_backend_event_without_cookie_gets_the_customers_latest_one_and_its_lane(
    shop: Shop,
) -> None:
    await shop.post_each(
        event(1, 1, cookie="old", customer="A"),
        event(2, 2, cookie="new", customer="A"),
        event(3, 3, cookie="old", customer="A"),
    )
    cart = event(4, 4, kind="StatusCart", cookie=None, customer="A")
    (stitched,) = await shop.post(cart)
    assert stitched.record is not None
    assert str(stitched.decision) == "linked:latest_cookie"
    assert (stitched.record.cookie, stitched.record.lane) == ("new", "shop/cookie/new")
    assert info(stitched)["cookies"] == {"sc": "new"}
    assert orjson.loads(stitched.record.body)["StatusCart"] == {}


async def test_31_a_cookie_that_another_customer_has_taken_is_not_given(shop: Shop) -> None:
    await shop.post_each(event(1, 1, customer="A"), event(2, 2, customer="B"))
    (stitched,) = await shop.post(event(3, 3, cookie=None, customer="A"))
    assert str(stitched.decision) == "kept:no_open_link"
    assert stitched.record is not None
    assert (stitched.record.cookie, stitched.record.lane) == (None, "shop/customer/A")


async def test_31_a_cookie_is_given_as_it_stood_at_the_events_time(shop: Shop) -> None:
    await shop.post_each(event(1, 10, customer="A"), event(2, 30, customer="B"))
    stitched = await shop.post_each(
        event(3, 5, cookie=None, customer="A"),
        event(4, 20, cookie=None, customer="A"),
        event(5, 10 + AGE + 1, cookie=None, customer="A"),
    )
    assert [outcome.decision.cookie for outcome in stitched] == [None, "C", None]


async def test_31_a_contact_or_order_call_stays_in_the_customers_lane(store: Store) -> None:
    shop = Shop(store, staying=frozenset({"contact"}))
    call = event(2, 2, kind="contact", cookie=None, customer="A")
    _, stitched = await shop.post(event(1, 1, customer="A"), call)
    assert stitched.record is not None
    assert (stitched.record.lane, stitched.record.body) == (call.lane, call.body)


async def test_31_a_customer_is_found_by_his_email_and_by_a_guests_cookie(shop: Shop) -> None:
    await shop.post_each(
        event(1, 1, cookie="guest", email="a@x.ua"), event(2, 2, cookie=None, customer="A", email="a@x.ua")
    )
    stitched = await shop.post_each(
        event(3, 3, cookie=None, customer="A"), event(4, 4, cookie=None, email="a@x.ua")
    )
    assert [outcome.decision.cookie for outcome in stitched] == ["guest", "guest"]


async def test_31_names_that_meet_only_in_the_batch_find_the_cookie_too(shop: Shop) -> None:
    await shop.post(event(1, 1, cookie="guest", email="a@x.ua"))
    stitched = await shop.post(
        event(2, 2, cookie=None, customer="A"), event(3, 3, cookie="desktop", customer="A", email="a@x.ua")
    )
    assert stitched[0].decision.cookie == "guest"


async def test_31_the_latest_cookie_is_the_one_linked_last_whatever_else_the_batch_asks(shop: Shop) -> None:
    await shop.post_each(
        event(1, 1, cookie="old", customer="A"),
        event(2, 2, cookie="new", customer="A"),
        event(3, 3, cookie="old", customer="A"),
    )
    stitched = await shop.post(event(4, 4, cookie="old"), event(5, 5, cookie=None, customer="A"))
    assert stitched[1].decision.cookie == "new"


async def test_07_the_last_moment_of_the_link_age_is_still_inside(shop: Shop) -> None:
    stitched = await shop.post_each(
        event(1, 0, customer="A"),
        event(2, AGE, cookie=None, customer="A"),
        event(3, AGE, customer="A"),
    )
    assert words(stitched)[1:] == ["linked:latest_cookie", "kept:same_owner"]
    assert await shop.owners() == [(A, 0, 2 * AGE)]


async def test_33_the_longest_ids_that_are_let_in_fit_the_tables(store: Store) -> None:
    site = "s" * 128
    shop = Shop(store, site)
    cookie, customer, email = ("\U00020000" * 300, "\U00020001" * 300, "\U00020002" * 300)
    login = event(1, 1, site=site, cookie=cookie, customer=customer, email=email)
    stitched = await shop.post_each(login, event(2, 2, site=site, cookie=cookie))
    assert customers(stitched) == [customer, customer]


# What goes on.


async def test_what_an_event_says_itself_is_never_overwritten(shop: Shop) -> None:
    said = {"externalCustomerId": "guest", "user_email": "", "cookies": {"sc": "C"}, "user_name": "Іван"}
    stitched = await shop.post_each(
        event(1, 1, customer="A", email="a@x.ua"),
        event(2, 2, info=said),
        event(3, 3, customer="B", email="b@x.ua"),
    )
    assert info(stitched[1]) == said | {"user_email": "a@x.ua"}
    assert customers(stitched) == ["A", "A", "B"]
    assert info(stitched[2])["user_email"] == "b@x.ua"


async def test_a_cookie_link_message_opens_a_link_and_goes_on_unchanged(shop: Shop) -> None:
    body = {"externalCustomerId": "A", "webId": "C", "orgId": "1"}
    message = event(1, 1, kind=LINK_MESSAGE, customer="A")
    message.body = orjson.dumps(body)
    stitched = await shop.post(message, event(2, 2), event(3, 3, kind=LINK_MESSAGE, info={}))
    assert customers(stitched) == ["A", "A", None]
    assert stitched[0].record is not None
    assert (stitched[0].record.body, stitched[0].record.lane) == (message.body, message.lane)
    assert str(stitched[2].decision) == "kept:not_tracking"


async def test_the_decision_stands_on_the_record_and_is_counted(shop: Shop) -> None:
    before = counted("gateway_stitched_total", site="shop", decision="created")
    (stitched,) = await shop.post(event(1, 1, customer="A"))
    assert stitched.record is not None
    assert stitched.record.decision == str(stitched.decision) == "created:first_owner"
    assert counted("gateway_stitched_total", site="shop", decision="created") == before + 1


async def test_records_given_are_left_as_they_are(shop: Shop) -> None:
    given, same = event(2, 2), event(2, 2)
    await shop.post(event(1, 1, customer="A"), given)
    assert given == same


async def test_a_probe_goes_no_further(shop: Shop) -> None:
    probe = event(1, kind=PROBE, site="", cookie=None)
    assert [outcome.record for outcome in await shop.post(probe)] == [None]


# Repeats of callers' ids.


async def test_a_repeat_of_a_callers_id_is_dropped_and_counted_and_teaches_nothing(shop: Shop) -> None:
    before = counted("gateway_events_duplicate_total", site="shop", stage="stitch")
    stitched = await shop.post_each(
        event(1, 1, customer="A", caller_id=True), event(1, 2, customer="B", caller_id=True), event(3, 3)
    )
    assert words(stitched) == ["created:first_owner", "dropped:repeat", "linked:inside_link"]
    assert customers(stitched) == ["A", None, "A"]
    assert counted("gateway_events_duplicate_total", site="shop", stage="stitch") == before + 1


async def test_a_repeat_within_one_batch_is_dropped(shop: Shop) -> None:
    stitched = await shop.post(*(event(1, 1, caller_id=True) for _ in range(3)))
    assert [outcome.record is None for outcome in stitched] == [False, True, True]


async def test_the_record_that_holds_an_id_is_no_repeat_of_itself_when_read_again(shop: Shop) -> None:
    entry = placed([event(1, 1, caller_id=True)])
    first = await shop.stitcher.stitch(entry)
    assert await shop.stitcher.stitch(entry) == first
    assert first[0].record is not None


async def test_equal_ids_on_two_sites_are_two_ids(store: Store) -> None:
    shop = Shop(store, "shop", "other")
    stitched = await shop.post(event(1, caller_id=True), event(1, site="other", caller_id=True))
    assert all(outcome.record for outcome in stitched)


async def test_after_24_hours_an_id_may_be_used_again_and_its_new_record_holds_it(shop: Shop) -> None:
    again = event(1, DAY, caller_id=True)
    stitched = await shop.post_each(event(1, 0, caller_id=True), event(1, DAY - 1, caller_id=True), again)
    assert [outcome.record is None for outcome in stitched] == [False, True, False]
    (repeat,) = await shop.post(event(1, DAY + 1, caller_id=True))
    assert repeat.record is None
    (first_read_again,) = await shop.stitcher.stitch(placed([event(1, 0, caller_id=True)]))
    assert first_read_again.record is not None


async def test_old_ids_are_swept_in_small_steps(shop: Shop) -> None:
    await shop.post(*(event(number, number, caller_id=True) for number in range(10)))
    await shop.post(*(event(number, 3 * DAY, caller_id=True) for number in (20, 21)))
    async with shop.store.transaction() as transaction:
        ((left,),) = await transaction.fetch("SELECT count(*) FROM caller_ids")
    assert left == 10 - 2 * 2 + 2


# Crashes, absences, several at once.


async def test_24_a_batch_done_again_after_a_crash_comes_out_the_same(shop: Shop) -> None:
    batch = placed(
        [
            event(3, 30),
            event(2, 20, customer="A", email="a@x.ua", caller_id=True),
            event(4, 5, customer="B"),
            event(5, 31, cookie=None, customer="A"),
            event(6, 10),
            event(2, 20, customer="A", caller_id=True),
        ]
    )
    stored_but_not_passed_on = await shop.stitcher.stitch(batch)
    assert await Shop(shop.store).stitcher.stitch(batch) == stored_but_not_passed_on


async def test_a_batch_that_fails_in_the_middle_leaves_nothing_half(shop: Shop) -> None:
    async with shop.store.transaction() as transaction:
        await transaction.execute("ALTER TABLE sightings RENAME TO away")
    login = event(1, 1, customer="A", caller_id=True)
    with pytest.raises(Exception, match="sightings"):
        await shop.post(login)
    async with shop.store.transaction() as transaction:
        assert await transaction.fetch("SELECT * FROM caller_ids") == []
        await transaction.execute("ALTER TABLE away RENAME TO sightings")
    assert words(await shop.post(login)) == ["created:first_owner"]


async def test_23_while_the_store_is_away_stitching_waits_and_the_login_counts_when_it_is_back() -> None:
    with Postgres() as server:
        store = await open_store(server.url())
        shop = Shop(store)
        await asyncio.to_thread(server.kill)
        with pytest.raises(Unreachable):
            await shop.post(event(1, 1, customer="A"))
        await asyncio.to_thread(server.start)
        stitched = await shop.post_each(event(1, 1, customer="A"), event(2, 2))
        assert customers(stitched) == ["A", "A"]
        await store.close()


ROUNDS = 9


def _work(url: str, worker: int, barrier: Any) -> None:
    """Stitch round after round at the same moment as the other processes."""

    async def main() -> None:
        store = await open_store(url)
        shop = Shop(store)
        for round_ in range(ROUNDS):
            await asyncio.to_thread(barrier.wait, 30)
            batch = _round(worker, round_)
            await shop.stitcher.stitch([(f"{worker}:{round_}-{n}", record) for n, record in enumerate(batch)])
        await store.close()

    asyncio.run(main())


def _round(worker: int, round_: int) -> list[Record]:
    """Return events that meet those of the other workers in one of the tables, in an order of our own.

    By turns: contact keys, ever earlier, so that each round claims them anew; the same sightings, as after a
    rebalance; the same callers' ids.
    """
    meet = ("contact keys", "sightings", "caller ids")[round_ % 3]
    events = [
        event(
            100 * round_ + place + (1000 * (worker + 1) if meet == "contact keys" else 0),
            place + 10 * (ROUNDS - round_),
            cookie=f"C{place % 3}",
            customer="A" if place % 2 else "B",
            email=f"{place}@x.ua" if meet == "contact keys" else None,
            caller_id=meet == "caller ids",
        )
        for place in range(100)
    ]
    return events if worker % 2 else events[::-1]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("workers", [2, 8])
async def test_22_processes_at_once_on_one_cookie_never_deadlock_and_end_in_the_links_of_one(
    postgres_url: str, tmp_path: Path, workers: int
) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(workers)
    processes = [
        context.Process(target=_work, args=(postgres_url, number, barrier)) for number in range(workers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join, 200)
    assert [process.exitcode for process in processes] == [0] * workers
    assert await _links(postgres_url) == await _links_of_one_worker(tmp_path, workers)


async def _links(url: str) -> list[Any]:
    store = await open_store(url)
    try:
        return [await Shop(store).links(cookie) for cookie in ("C0", "C1", "C2")]
    finally:
        await store.close()


async def _links_of_one_worker(folder: Path, workers: int) -> list[Any]:
    url = f"sqlite:{folder}/one.db"
    store = await open_store(url)
    for worker, round_ in itertools.product(range(workers), range(ROUNDS)):
        await Shop(store).post(*_round(worker, round_))
    await store.close()
    return await _links(url)
