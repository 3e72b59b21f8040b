"""eSputnik's answers on their way back to callers of other processes, through a shared database."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.calls import ApiCall
from gateway.clock import SystemClock
from gateway.delivery.deliverer import GROUP
from gateway.event import Record
from gateway.outcomes import DistantCallers, Outcome, WaitingRoom, bring
from gateway.store import Store
from gateway.store.lazy import LazyStore
from gateway.stream import Entry
from tests.service.tracker import Parts, Tracker, opened, says

CLOCK = SystemClock()


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    async with opened(tmp_path) as running:
        yield running


@pytest.fixture
async def esputnik() -> AsyncIterator[Tracker]:
    async with Tracker() as running:
        yield running


@pytest.fixture
async def room(parts: Parts) -> AsyncIterator[WaitingRoom]:
    """A waiting room to which nothing comes but through the database, as in another process."""
    room = WaitingRoom()
    bringing = asyncio.create_task(bring(room, parts.store, CLOCK))
    yield room
    bringing.cancel()
    await asyncio.gather(bringing, return_exceptions=True)


def contact(event_id: str, wait_ms: int) -> Record:
    until = CLOCK.now_ms() + wait_ms
    kind, target = ApiCall.ADD_CONTACT, "POST v1/contact"
    return Record(
        event_id, "shop", kind, "lane", None, None, None, None, 0, 0, b"{}", target=target, answer_by=until
    )


async def deliver(parts: Parts, esputnik: Tracker, record: Record) -> None:
    """Deliver one record as a process that nobody waits in, until there is nothing left to do."""
    stream = await parts.stream()
    await stream.append([Entry(record.lane, record.encode())])
    callers = DistantCallers(parts.store, CLOCK)
    async with parts.delivering(esputnik, callers=callers), asyncio.timeout(20):
        while (await stream.backlog(GROUP)).count:
            await asyncio.sleep(0.01)


async def test_an_answer_reaches_the_caller_of_another_process(
    parts: Parts, esputnik: Tracker, room: WaitingRoom
) -> None:
    esputnik.script["a-1"] = [says(200, b'{"id": 7}')]
    record = contact("a-1", 20_000)
    with room.expecting(["a-1"]) as outcomes:
        await deliver(parts, esputnik, record)
        assert await outcomes["a-1"] == Outcome(200, b'{"id": 7}')


async def test_a_refusal_that_the_caller_takes_is_no_dead_letter(
    parts: Parts, esputnik: Tracker, room: WaitingRoom
) -> None:
    esputnik.script["a-1"] = [says(400, b"wrong")]
    with room.expecting(["a-1"]) as outcomes:
        await deliver(parts, esputnik, contact("a-1", 1500))
        assert await outcomes["a-1"] == Outcome(400, b"wrong")
    assert await parts.dead_letters() == []


async def test_a_refusal_that_nobody_takes_is_a_dead_letter_once(parts: Parts, esputnik: Tracker) -> None:
    esputnik.script["a-1"] = [says(400, b"wrong")]
    await deliver(parts, esputnik, contact("a-1", 500))
    assert [letter["event_id"] for letter in await parts.dead_letters()] == ["a-1"]
    assert esputnik.requests_of("a-1") == 1
    async with parts.store.transaction() as transaction:
        assert await transaction.fetch("SELECT event_id FROM outcomes") == []


async def test_nobody_is_told_after_his_time(parts: Parts, esputnik: Tracker) -> None:
    esputnik.script["a-1"] = [says(200, b'{"id": 7}')]
    await deliver(parts, esputnik, contact("a-1", -1))
    async with parts.store.transaction() as transaction:
        assert await transaction.fetch("SELECT event_id FROM outcomes") == []


async def test_a_caller_who_left_while_his_outcome_was_brought_leaves_it_to_delivery(
    parts: Parts, room: WaitingRoom
) -> None:
    callers = DistantCallers(parts.store, CLOCK)
    record = contact("a-1", 20_000)
    assert await callers.tell(record, Outcome(400, b"wrong")) is None
    room.give = lambda event_id, outcome: False  # type: ignore[method-assign] # he has just left
    with room.expecting(["a-1"]):
        await asyncio.sleep(0.2)
    assert not await callers.heard("a-1")
    assert await callers.heard("a-1")


async def test_a_database_that_is_away_keeps_no_caller_waiting_for_it() -> None:
    tried = asyncio.Event()

    class Away(LazyStore):
        async def open(self) -> Store:
            tried.set()
            return await super().open()

    room, store = WaitingRoom(), Away("postgresql://shop@127.0.0.1:1/nowhere")
    bringing = asyncio.create_task(bring(room, store, CLOCK))
    with room.expecting(["a-1"]) as outcomes:
        await tried.wait()
        done, _ = await asyncio.wait(outcomes.values(), timeout=0.05)
        assert done == set()
    assert not bringing.done()
    bringing.cancel()
    await asyncio.gather(bringing, return_exceptions=True)
    await store.close()
