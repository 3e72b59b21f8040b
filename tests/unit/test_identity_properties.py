"""What holds for every history, on the pure rules and through the store."""

import asyncio
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.event import Record
from gateway.identity.facts import Facts
from gateway.identity.rules import Decision, Link, decide, links_of, observe, person_of
from gateway.identity.stitcher import Stitched
from gateway.store import open_store
from tests.contracts.shop import SETTINGS as SITE
from tests.contracts.shop import Shop, event, placed

COOKIES = ("C", "D")
AGE = SITE.link_age_ms


@st.composite
def histories(draw: st.DrawFn, contacts: bool = True) -> list[Record]:
    """Some events of a few people on two cookies, at times that meet or are further than the age apart."""
    times = st.one_of(st.integers(0, 6), st.integers(0, 6).map(lambda at: at + AGE - 3))
    names = st.sampled_from([None, None, "A", "B"])
    emails = st.sampled_from([None, None, "one@x.ua", "two@x.ua"]) if contacts else st.none()
    return [
        event(
            number,
            draw(times),
            cookie=draw(st.sampled_from([None, *COOKIES, *COOKIES])),
            customer=draw(names),
            email=draw(emails),
            late=draw(st.sampled_from([0, 0, 5, AGE - 1, AGE + 10])),
        )
        for number in range(draw(st.integers(1, 10)))
    ]


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[Record], list[list[Record]]]:
    """A history, and the same in another order with repeats, cut into batches."""
    history = draw(histories())
    again = draw(st.lists(st.sampled_from(history), max_size=4))
    shuffled = draw(st.permutations(history + again))
    size = draw(st.integers(1, len(shuffled)))
    return history, [shuffled[start : start + size] for start in range(0, len(shuffled), size)]


def learned(records: Iterable[Record]) -> Facts:
    facts = Facts()
    for record in records:
        observe(record, facts, SITE)
    return facts


def links(facts: Facts) -> dict[str, list[Link]]:
    return {cookie: links_of(facts.history(cookie), facts.owner, SITE) for cookie in COOKIES}


def decisions(records: Sequence[Record], facts: Facts) -> list[Decision]:
    return [decide(record, facts, SITE, tracking=True) for record in records]


@given(arrivals())
@settings(max_examples=500, deadline=None)
def test_order_of_arrival_and_repeats_change_no_link_and_no_decision(
    case: tuple[list[Record], list[list[Record]]],
) -> None:
    history, batches = case
    facts = learned(history)
    shuffled = learned(record for batch in batches for record in batch)
    assert links(shuffled) == links(facts)
    assert decisions(history, shuffled) == decisions(history, facts)


@given(histories())
@settings(max_examples=500, deadline=None)
def test_learning_everything_twice_adds_no_fact(history: list[Record]) -> None:
    facts = learned(history)
    known = len(facts.new_sightings), dict(facts.new_claims)
    for record in history:
        observe(record, facts, SITE)
    assert (len(facts.new_sightings), facts.new_claims) == known


@given(histories())
@settings(max_examples=500, deadline=None)
def test_an_anonymous_event_has_at_most_one_owner_and_it_is_its_links(history: list[Record]) -> None:
    facts = learned(history)
    of_cookie = links(facts)
    for record, decision in zip(history, decisions(history, facts), strict=True):
        if record.customer or record.email or not record.cookie:
            continue
        moment = record.occurred_at, record.id
        inside = [
            link
            for link in of_cookie[record.cookie]
            if (link.start, link.opened_by) <= moment
            and (moment < (link.end, link.closed_by) if link.closed_by else record.occurred_at <= link.end)
        ]
        assert len(inside) <= 1
        given_to = decision.identity and (decision.identity.customer or decision.identity.email)
        assert given_to == (inside[0].owner.partition("/")[2] if inside else None)


@given(histories())
@settings(max_examples=500, deadline=None)
def test_two_customer_ids_never_share_a_person_and_an_event_keeps_its_own(history: list[Record]) -> None:
    facts = learned(history)
    persons = {owner: person_of("shop", owner, "C") for owner in ("customer/A", "customer/B", None)}
    assert len(set(persons.values())) == 3
    for record, decision in zip(history, decisions(history, facts), strict=True):
        if record.customer:
            assert decision.identity is None
        if decision.cookie:
            owner = facts.owner(f"customer/{record.customer}" if record.customer else f"email/{record.email}")
            assert owner in {link.owner for link in links(facts)[decision.cookie]}


@given(histories())
@settings(max_examples=500, deadline=None)
def test_links_are_the_ones_that_the_whole_history_tells_the_slow_way(history: list[Record]) -> None:
    facts = learned(history)
    for cookie in COOKIES:
        for at in sorted({record.occurred_at for record in history}):
            by_links = {link.owner for link in links(facts)[cookie] if link.start <= at < link.end}
            assert by_links == _owner_the_slow_way(history, cookie, at)


def _owner_the_slow_way(history: list[Record], cookie: str, at: int) -> set[str]:
    """Return who has the cookie right after that time, recomputed from nothing but the events."""
    valid = sorted(
        (record for record in history if record.accepted_at - record.occurred_at <= AGE),
        key=lambda record: (record.occurred_at, record.id),
    )
    first_with: dict[str, str] = {}
    for record in valid:
        if record.customer and record.email:
            first_with.setdefault(record.email, record.customer)
    seen = [
        (record.occurred_at, record.customer or first_with.get(record.email or "") or record.email)
        for record in valid
        if record.cookie == cookie and (record.customer or record.email) and record.occurred_at <= at
    ]
    if not seen or at >= seen[-1][0] + AGE:
        return set()
    owner = seen[-1][1]
    return {f"email/{owner}" if "@" in str(owner) else f"customer/{owner}"}


# Through the store. Each example has a site of its own, so one database serves all of them.


def _as_site(records: Iterable[Record], site: str) -> list[Record]:
    renamed = []
    for record in records:
        copy = Record.decode(record.encode())
        copy.site = site
        renamed.append(copy)
    return renamed


_site_numbers = iter(range(10**9))


def _check_store(url: str, case: tuple[list[Record], list[list[Record]]]) -> None:
    asyncio.run(_same_through_the_store(url, case))


async def _same_through_the_store(url: str, case: tuple[list[Record], list[list[Record]]]) -> None:
    history, batches = case
    site = f"site{next(_site_numbers)}"
    store = await open_store(url)
    try:
        shop = Shop(store, site)
        arrived: list[Record] = []
        for batch in batches:
            arrived += batch
            stitched = await shop.post(*_as_site(batch, site))
            assert [outcome.decision for outcome in stitched] == decisions(batch, learned(arrived))
        facts = learned(history)
        assert {cookie: await shop.links(cookie, site) for cookie in COOKIES} == links(facts)
        live = await shop.post(*_as_site(history, site))
        assert [outcome.decision for outcome in live] == decisions(history, facts)
        assert await shop.post(*_as_site(history, site)) == live
    finally:
        await store.close()


def test_through_sqlite_links_and_decisions_are_those_of_the_pure_rules() -> None:
    with tempfile.TemporaryDirectory() as folder:

        @given(arrivals())
        @settings(max_examples=150, deadline=None)
        def check(case: tuple[list[Record], list[list[Record]]]) -> None:
            _check_store(f"sqlite:{Path(folder)}/links.db", case)

        check()


def test_through_postgres_links_and_decisions_are_those_of_the_pure_rules(postgres_url: str) -> None:
    @given(arrivals())
    @settings(max_examples=150, deadline=None)
    def check(case: tuple[list[Record], list[list[Record]]]) -> None:
        _check_store(postgres_url, case)

    check()


@given(histories(contacts=False))
@settings(max_examples=60, deadline=None)
def test_a_replay_in_one_batch_is_what_came_out_live_one_by_one(history: list[Record]) -> None:
    ordered = placed(sorted(history, key=lambda record: (record.occurred_at, record.id)))

    async def live_and_replay() -> tuple[list[Stitched], list[Stitched]]:
        with tempfile.TemporaryDirectory() as folder:
            store = await open_store(f"sqlite:{Path(folder)}/links.db")
            shop = Shop(store)
            live = [(await shop.stitcher.stitch([entry]))[0] for entry in ordered]
            replay = await shop.stitcher.stitch(ordered)
            await store.close()
            return live, replay

    live, replay = asyncio.run(live_and_replay())
    assert replay == live
