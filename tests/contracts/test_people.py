"""What an operator changes about people: merges and their undoing, erasure and what comes after it."""

import asyncio
import multiprocessing
from dataclasses import replace
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.errors import Unreachable
from gateway.identity import changes
from gateway.identity.changes import ChangeRefused, Forgotten
from gateway.identity.erasures import Erasures
from gateway.identity.owners import person_of
from gateway.identity.people import look_up_cookie, look_up_person
from gateway.store import Store, open_store
from tests.contracts.shop import DAY, HOUR, NOON, SETTINGS, Shop, customers, event, info, stitcher, words

A, B, D = "customer/A", "customer/B", "customer/D"
LATER = NOON + DAY
PHONE = "+380501234567"


async def merge(store: Store, customer: str, into: str) -> None:
    await changes.merge(store, "shop", customer, into, "ann", "one person", LATER)


async def unmerge(store: Store, customer: str) -> None:
    await changes.unmerge(store, "shop", customer, "ann", "a mistake", LATER)


async def forget(store: Store, name: str, *, at: int = LATER, dry_run: bool = False) -> Forgotten:
    return await changes.forget(store, "shop", name, SETTINGS, "ann", at, dry_run)


async def everything(store: Store) -> list[Any]:
    """Return all that is known of the people in these stories, without the trail."""
    people = [await look_up_person(store, "shop", name, SETTINGS) for name in (A, B, D, "email/a@x.ua")]
    cookies = [await look_up_cookie(store, "shop", cookie, SETTINGS) for cookie in "CE"]
    return [replace(found, trail=()) for found in (*people, *cookies)]


# Merges.


async def test_20_a_merge_joins_what_is_known_of_both_and_is_undone_without_a_trace(shop: Shop) -> None:
    await shop.post_each(
        event(1, 0, customer="A", email="a@x.ua"), event(2, HOUR, cookie="E", customer="B", phone=PHONE)
    )
    before = await everything(shop.store)
    await merge(shop.store, "B", "A")
    stitched = await shop.post(event(3, 2 * HOUR, cookie="E"), event(4, 2 * HOUR, cookie=None, customer="B"))
    assert customers(stitched) == ["A", "B"]
    assert info(stitched[0])["user_phone"] == PHONE
    assert stitched[1].decision.cookie == "E"
    assert [link.owner for link in await shop.links("E")] == [A]
    person = await look_up_person(shop.store, "shop", B, SETTINGS)
    assert (person.owner, person.merged, person.person) == (A, ["B"], str(person_of("shop", A)))
    await unmerge(shop.store, "B")
    assert customers(await shop.post(event(5, 3 * HOUR, cookie="E"))) == ["B"]
    assert await everything(shop.store) == before


async def test_20_a_merged_customer_is_not_another_owner_of_the_others_cookie(shop: Shop) -> None:
    await merge(shop.store, "B", "A")
    stitched = await shop.post_each(event(1, 0, customer="A"), event(2, HOUR, customer="B"))
    assert words(stitched) == ["created:first_owner", "kept:same_owner"]


async def test_20_a_merge_reaches_a_worker_that_has_the_cookie_in_mind(shop: Shop) -> None:
    await shop.post_each(event(1, 0, cookie="E", customer="B"), event(2, 1, cookie="E"))
    await merge(shop.store, "B", "A")
    assert customers(await shop.post(event(3, 2, cookie="E"))) == ["A"]


async def test_20_a_merge_leaves_a_trail_without_any_identifier(shop: Shop) -> None:
    await merge(shop.store, "B", "A")
    (entry,) = (await look_up_person(shop.store, "shop", A, SETTINGS)).trail
    assert (entry.word, entry.who, entry.reason) == ("merged", "ann", "one person")
    assert (entry.person, entry.other) == (str(person_of("shop", A)), str(person_of("shop", B)))


async def test_20_a_merge_that_makes_no_sense_is_refused_and_changes_nothing(shop: Shop) -> None:
    await merge(shop.store, "B", "A")
    for customer, into in (("B", "D"), ("A", "B"), ("A", "A"), ("B", "B")):
        with pytest.raises(ChangeRefused):
            await merge(shop.store, customer, into)
    with pytest.raises(ChangeRefused):
        await unmerge(shop.store, "A")
    assert (await look_up_person(shop.store, "shop", A, SETTINGS)).merged == ["B"]


async def test_21_a_chain_of_merges_ends_at_one_customer_and_comes_apart_again(shop: Shop) -> None:
    await shop.post(event(1, 0, customer="A"))
    await merge(shop.store, "A", "B")
    await merge(shop.store, "B", "D")
    assert [link.owner for link in await shop.links()] == [D]
    await unmerge(shop.store, "B")
    assert [link.owner for link in await shop.links()] == [B]
    await unmerge(shop.store, "A")
    assert [link.owner for link in await shop.links()] == [A]


def _merge_in_a_circle(url: str, customer: str, into: str, barrier: Any, refused: Any) -> None:
    async def work() -> None:
        store = await open_store(url)
        await asyncio.to_thread(barrier.wait)
        for _ in range(20):
            try:
                await merge(store, customer, into)
                await unmerge(store, customer)
            except ChangeRefused:
                refused.value += 1
        await merge(store, customer, "Z")
        await store.close()

    asyncio.run(work())


async def test_21_two_processes_that_merge_in_a_circle_never_close_it(postgres_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, refused = context.Barrier(2), context.Value("i", 0)
    pairs = [("A", "B"), ("B", "A")]
    processes = [
        context.Process(target=_merge_in_a_circle, args=(postgres_url, *pair, barrier, refused))
        for pair in pairs
    ]
    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join, 100)
    assert [process.exitcode for process in processes] == [0, 0]
    store = await open_store(postgres_url)
    person = await look_up_person(store, "shop", "customer/Z", SETTINGS)
    assert sorted(person.merged) == ["A", "B"]
    await store.close()


# Erasure.


async def told(shop: Shop) -> None:
    await shop.post_each(
        event(1, 0, customer="A", email="a@x.ua", phone=PHONE),
        event(2, HOUR, cookie="E", customer="A"),
        event(3, 2 * HOUR, cookie="E", customer="B", email="family@x.ua"),
        event(4, 3 * HOUR, cookie="F", customer="A", email="family@x.ua"),
    )


@pytest.mark.parametrize("name", [A, "email/a@x.ua", f"phone/{PHONE}"])
async def test_27_erasure_by_any_id_removes_the_person_and_nobody_else(shop: Shop, name: str) -> None:
    await told(shop)
    shown = await forget(shop.store, name, dry_run=True)
    assert await shop.owners("C") != []
    found = await forget(shop.store, name)
    assert found == shown
    assert (found.person, found.cookies, found.sightings) == (str(person_of("shop", A)), 3, 3)
    assert found.names == {A, "email/a@x.ua", f"phone/{PHONE}"}
    assert [await shop.owners(cookie) for cookie in "CF"] == [[], []]
    assert [owner for owner, *_ in await shop.owners("E")] == [B]
    (entry,) = (await look_up_person(shop.store, "shop", A, SETTINGS)).trail
    assert (entry.word, entry.who) == ("forgotten", "ann")
    again = await forget(shop.store, name, dry_run=True)
    assert (again.sightings, again.claims, again.cookies) == (0, 0, 0)


async def test_27_nothing_that_names_the_erased_is_left_in_the_database(shop: Shop) -> None:
    await told(shop)
    await merge(shop.store, "D", "A")
    await forget(shop.store, A)
    async with shop.store.transaction() as transaction:
        for table, columns in {
            "sightings": "cookie || owner",
            "claims": "contact || owner",
            "merges": "'customer/' || customer || 'customer/' || into_customer",
            "tombstones": "digest",
            "identity_audit": "reason || who || person || other || cookie",
        }.items():
            rows = await transaction.fetch(f"SELECT {columns} FROM {table}")
            text = " ".join(row[0] for row in rows)
            for name in (A, D, "a@x.ua", PHONE, str(person_of("shop", D))):
                assert name not in text, table


async def test_27_what_was_accepted_before_the_erasure_is_dropped_at_the_next_stage(shop: Shop) -> None:
    await told(shop)
    await forget(shop.store, A)
    stitched = await shop.post(
        event(5, 4 * HOUR, customer="A"), event(6, 4 * HOUR, cookie=None, email="a@x.ua")
    )
    assert words(stitched) == ["dropped:erased", "dropped:erased"]
    erasures = Erasures(shop.store, ["shop"], SystemClock(), exempt={"delete"})
    await erasures.look()
    waiting = event(7, 0, customer="A")
    assert erasures.cover(waiting)
    assert not erasures.cover(replace(waiting, type="delete"))
    assert not erasures.cover(event(8, 0, customer="B"))
    assert not erasures.cover(event(9, 2 * DAY, customer="A"))


async def test_27_the_deletion_call_itself_goes_on_though_it_names_the_erased(shop: Shop) -> None:
    await told(shop)
    await forget(shop.store, A)
    kinds = frozenset({"delete"})
    shop.stitcher = stitcher(shop.store, staying=kinds, exempt=kinds)
    call = event(5, 4 * HOUR, kind="delete", cookie=None, customer="A")
    (stitched,) = await shop.post(call)
    assert stitched.record is not None
    assert stitched.record.body == call.body


async def test_27_a_late_event_of_the_erased_stays_anonymous_and_carries_no_identity_on(shop: Shop) -> None:
    await told(shop)
    await forget(shop.store, A)
    late = event(5, 4 * HOUR, customer="A", email="a@x.ua", phone=PHONE, late=2 * DAY)
    login = event(6, 4 * HOUR, kind="CustomerData", customer="A", late=2 * DAY)
    guest = event(7, 4 * HOUR, cookie="E", email="a@x.ua", late=2 * DAY)
    stitched = await shop.post(late, login, guest)
    assert words(stitched) == ["anonymous:erased", "dropped:erased", "anonymous:erased"]
    for one in (stitched[0], stitched[2]):
        assert one.record is not None
        assert (one.record.customer, one.record.email, one.record.phone) == (None, None, None)
        for text in ("a@x.ua", PHONE, '"A"', "externalCustomerId"):
            assert text.encode() not in one.record.body
    assert await shop.owners("C") == []


async def test_27_who_registers_again_after_his_erasure_is_a_new_acquaintance(shop: Shop) -> None:
    await told(shop)
    await forget(shop.store, A)
    stitched = await shop.post_each(
        event(5, 2 * DAY, customer="A", email="a@x.ua"), event(6, 2 * DAY + 1), event(7, HOUR, late=2 * DAY)
    )
    assert customers(stitched) == ["A", "A", None]
    assert await shop.owners() == [(A, 2 * DAY, 2 * DAY + SETTINGS.link_age_ms)]


async def test_27_anothers_late_event_with_an_erased_email_keeps_its_customer_and_loses_the_email(
    shop: Shop,
) -> None:
    await told(shop)
    await forget(shop.store, A)
    (stitched,) = await shop.post(event(5, 4 * HOUR, customer="B", email="a@x.ua", late=2 * DAY))
    assert stitched.record is not None
    assert (stitched.record.customer, stitched.record.email) == ("B", None)
    assert b"a@x.ua" not in stitched.record.body


async def test_27_an_erasure_reaches_a_worker_that_has_the_cookie_in_mind(shop: Shop) -> None:
    await shop.post_each(event(1, 0, customer="A"), event(2, 1))
    await forget(shop.store, A)
    assert customers(await shop.post(event(3, 2))) == [None]


async def test_28_the_erasure_of_a_merged_customer_erases_every_id_of_his(shop: Shop) -> None:
    await told(shop)
    await merge(shop.store, "A", "D")
    found = await forget(shop.store, A)
    assert found.names >= {A, D}
    assert found.merges == 1
    stitched = await shop.post(event(5, 4 * HOUR, customer="D"), event(6, 4 * HOUR, customer="A"))
    assert words(stitched) == ["dropped:erased"] * 2


async def test_an_erasure_that_fails_in_the_middle_leaves_everything(shop: Shop) -> None:
    await told(shop)
    before = await everything(shop.store)
    failing = Failing(shop.store, "tombstones")
    with pytest.raises(Unreachable):
        await forget(failing, A)
    assert await everything(shop.store) == before


class Failing:
    """A real store that goes away at the first statement about a table."""

    def __init__(self, store: Store, table: str) -> None:
        self._store = store
        self._table = table

    def transaction(self) -> Any:
        return FailingTransaction(self._store.transaction(), f"INTO {self._table}")

    async def close(self) -> None: ...


class FailingTransaction:
    def __init__(self, transaction: Any, text: str) -> None:
        self._manager = transaction
        self._text = text

    async def __aenter__(self) -> "FailingTransaction":
        self._transaction = await self._manager.__aenter__()
        return self

    async def __aexit__(self, *failure: Any) -> bool | None:
        return await self._manager.__aexit__(*failure)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._transaction, name)

        async def checked(sql: str, *arguments: Any) -> Any:
            if self._text in str(sql):
                raise Unreachable("away")
            return await method(sql, *arguments)

        return checked
