"""Kafka hangs, dies and comes back, while this process stays."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest

from gateway.config import StreamSettings
from gateway.demo.parts import Kafka
from gateway.errors import NotDurable, Unreachable
from gateway.stream import Entry, Mark, Stream
from gateway.stream.kafka import KafkaLog
from gateway.stream.kafka_backlog import Observer
from gateway.stream.kafka_topics import connection, create_topics, topic_name
from gateway.stream.opening import Log, open_log

SLACK = 2.0
"""Seconds above the deadline that a machine shared with a broker may take to tell."""


@pytest.fixture(scope="module")
def kafka() -> Iterator[Kafka]:
    """A broker for this module to break; every test leaves it running."""
    with Kafka() as broker:
        yield broker


@pytest.fixture
def settings(settings: StreamSettings) -> StreamSettings:
    return settings.model_copy(update={"append_seconds": 0.5})


@pytest.fixture
async def log(settings: StreamSettings) -> AsyncIterator[Log]:
    await create_topics(settings, ["events"])
    async with open_log(settings) as log:
        yield log


@pytest.fixture
async def stream(log: Log) -> Stream:
    stream = await log.topic("events")
    await stream.append(some(8))
    return stream


def some(count: int) -> list[Entry]:
    return [Entry(f"lane{number}", f"{number}".encode()) for number in range(count)]


async def refused(stream: Stream, entries: list[Entry], seconds: float) -> list[int]:
    """Return the places an append refuses, having seen that it does so in time."""
    started = time.monotonic()
    with pytest.raises(NotDurable) as refusal:
        await stream.append(entries)
    assert time.monotonic() - started < seconds + SLACK
    return refusal.value.failed


async def until_taken(stream: Stream, entries: list[Entry]) -> None:
    """Append until it is taken: a broker that is back listens before all of it is."""
    async with asyncio.timeout(40):
        while True:
            with suppress(NotDurable):
                await stream.append(entries)
                return


async def drain(stream: Stream, count: int) -> list[bytes]:
    found: list[bytes] = []
    async with asyncio.timeout(40):
        while len(found) < count:
            found += [item.value for c in (await stream.read("readers", 100)).chunks for item in c.items]
    return found


@pytest.mark.parametrize("how", ["pause", "kill"])
async def test_an_append_that_cannot_be_made_durable_raises_within_its_deadline_and_the_next_works(
    kafka: Kafka, settings: StreamSettings, stream: Stream, how: str
) -> None:
    back = {"pause": kafka.resume, "kill": kafka.start}[how]
    {"pause": kafka.pause, "kill": kafka.kill}[how]()
    try:
        for _ in range(4):
            assert await refused(stream, some(8), settings.append_seconds) == list(range(8))
    finally:
        await asyncio.to_thread(back)
    await until_taken(stream, some(8))


async def test_many_callers_are_all_refused_in_time_and_memory_of_them_is_let_go(
    kafka: Kafka, settings: StreamSettings, stream: Stream
) -> None:
    kafka.pause()
    try:
        for _ in range(3):
            await asyncio.gather(
                *(refused(stream, some(number % 7 + 1), settings.append_seconds) for number in range(200))
            )
    finally:
        kafka.resume()
    await until_taken(stream, some(8))
    before = len(asyncio.all_tasks())
    for _ in range(3):
        await until_taken(stream, some(8))
    assert len(asyncio.all_tasks()) <= before


async def test_what_was_refused_is_not_sent_after_what_came_later(kafka: Kafka, stream: Stream) -> None:
    await drain(stream, 8)
    kafka.pause()
    try:
        with pytest.raises(NotDurable):
            await stream.append([Entry("lane", b"first")])
        with pytest.raises(NotDurable):
            await stream.append([Entry("lane", b"second")])
    finally:
        kafka.resume()
    await until_taken(stream, [Entry("lane", b"third")])
    found = await drain(stream, 1)
    while b"third" not in found:
        found += await drain(stream, 1)
    await asyncio.sleep(0)
    assert (await stream.read("readers", 10)).chunks == []


async def test_a_reader_survives_a_broker_that_dies_and_comes_back(kafka: Kafka, stream: Stream) -> None:
    await drain(stream, 8)
    kafka.kill()
    try:
        async with asyncio.timeout(10):
            assert (await stream.read("readers", 10)).chunks == []
    finally:
        await asyncio.to_thread(kafka.start)
    await until_taken(stream, [Entry("lane", b"after")])
    async with asyncio.timeout(40):
        while b"after" not in await drain(stream, 1):
            pass


async def test_marks_and_backlog_say_that_kafka_is_away(kafka: Kafka, stream: Stream) -> None:
    (chunk, *_) = [chunk for _ in range(9) for chunk in (await stream.read("readers", 1)).chunks]
    kafka.pause()
    try:
        async with asyncio.timeout(20):
            with pytest.raises(Unreachable):
                await stream.commit("readers", [Mark(chunk.partition, 1)])
            with pytest.raises(Unreachable):
                await stream.backlog("readers")
    finally:
        kafka.resume()
    async with asyncio.timeout(40):  # away for longer than a session lasts, the reader joins again first
        left = 8
        while left != 7:
            with suppress(Unreachable):  # it may take a moment until all of Kafka is back
                await stream.read("readers", 1)
                await stream.commit("readers", [Mark(chunk.partition, 1)])
                left = (await stream.backlog("readers")).count


async def test_a_question_about_marks_that_was_given_up_does_not_spoil_the_next_one(
    kafka: Kafka, settings: StreamSettings, stream: Stream
) -> None:
    observer = Observer(topic_name(settings, "events"), 4, connection(settings))
    kafka.pause()
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await observer.marks("nobody", range(4))
    finally:
        kafka.resume()
    try:
        assert await observer.marks("nobody", range(4)) == {}
    finally:
        await observer.close()


@pytest.mark.parametrize("how", ["pause", "kill"])
async def test_close_is_bounded_when_the_broker_is_gone(
    kafka: Kafka, settings: StreamSettings, how: str
) -> None:
    await create_topics(settings, ["events"])
    log = await KafkaLog.open(settings)
    stream = await log.topic("events")
    await stream.append(some(8))
    await drain(stream, 8)
    await stream.backlog("readers")
    tasks = asyncio.all_tasks()
    back = {"pause": kafka.resume, "kill": kafka.start}[how]
    {"pause": kafka.pause, "kill": kafka.kill}[how]()
    try:
        with pytest.raises(NotDurable):
            await stream.append(some(8))
        async with asyncio.timeout(20):
            await log.close()
    finally:
        await asyncio.to_thread(back)
    assert asyncio.all_tasks() < tasks


async def test_a_producer_that_lost_its_sender_is_replaced(log: Log, stream: Stream) -> None:
    assert isinstance(log, KafkaLog)
    stuck = log._producer._current
    assert stuck is not None
    stuck._sender.sender_task.cancel()
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        while log._producer._current in (None, stuck):
            await asyncio.sleep(0.02)
    await until_taken(stream, some(8))


async def test_a_producer_that_does_not_answer_at_all_is_replaced(
    kafka: Kafka, log: Log, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.stream.kafka_producer.STUCK_SECONDS", 0.6)  # before its requests expire
    assert isinstance(log, KafkaLog)
    stuck = log._producer._current
    kafka.pause()
    try:
        with pytest.raises(NotDurable):
            await stream.append(some(1))
        async with asyncio.timeout(10):
            while log._producer._current is stuck:
                await asyncio.sleep(0.02)
    finally:
        kafka.resume()
    async with asyncio.timeout(10):
        while log._producer._current is None:
            await asyncio.sleep(0.02)
    await until_taken(stream, some(8))
