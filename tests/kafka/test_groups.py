"""Readers of one group, as members that come and go."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable

import pytest

from gateway.config import StreamSettings
from gateway.stream import Entry, Mark, Stream, Taken
from gateway.stream.kafka import KafkaStream
from gateway.stream.kafka_topics import create_topics
from gateway.stream.marks import Ranges
from gateway.stream.opening import Log, open_log

LANES = 40


@pytest.fixture
async def log(settings: StreamSettings) -> AsyncIterator[Log]:
    await create_topics(settings, ["events"])
    async with open_log(settings) as log:
        yield log


class Worker:
    """Reads as a stage does: takes items, does them a little later, commits, lets go when told."""

    def __init__(self, stream: Stream, owners: dict[int, "Worker"]) -> None:
        self.stream = stream
        self.owners = owners
        self.seen: list[str] = []
        self.partitions: set[int] = set()
        self.revocations: list[frozenset[int]] = []
        self.share = 0.0
        self.task = asyncio.create_task(self.run())

    async def run(self) -> None:
        while True:
            taken = await self.stream.read("readers", 5)
            self.share = taken.share
            for partition in taken.revoked:
                self.partitions.discard(partition)
                if self.owners.get(partition) is self:
                    del self.owners[partition]
            if taken.revoked:
                self.revocations.append(taken.revoked)
            for chunk in taken.chunks:
                assert self.owners.setdefault(chunk.partition, self) is self, "a partition at two readers"
                self.partitions.add(chunk.partition)
                self.seen += [item.value.decode() for item in chunk.items]
            await self.stream.commit(
                "readers", [Mark(chunk.partition, chunk.items[-1].offset + 1) for chunk in taken.chunks]
            )

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        for partition in self.partitions:
            del self.owners[partition]


async def post(stream: Stream, start: int, count: int) -> list[str]:
    posted = [f"{number % LANES}-{number}" for number in range(start, start + count)]
    await stream.append([Entry(text.partition("-")[0], text.encode()) for text in posted])
    return posted


async def until(condition: Callable[[], object], *workers: Worker) -> None:
    async with asyncio.timeout(40):
        while not condition():
            for worker in workers:
                if worker.task.done():
                    worker.task.result()
            await asyncio.sleep(0.02)


async def test_two_readers_of_a_group_share_the_partitions_and_never_hold_one_at_once(
    settings: StreamSettings, log: Log
) -> None:
    stream = await log.topic("events")
    owners: dict[int, Worker] = {}
    posted = await post(stream, 0, 200)
    first = Worker(stream, owners)
    await until(lambda: len(first.seen) == 200, first)
    assert first.partitions == {0, 1, 2, 3}
    assert first.share == 1
    async with open_log(settings) as other:
        second = Worker(await other.topic("events"), owners)
        await until(lambda: first.revocations, first, second)
        assert first.revocations == [frozenset({0, 1, 2, 3})]
        await until(lambda: not first.partitions, first, second)
        posted += await post(stream, len(posted), 200)
        await until(lambda: first.partitions and second.partitions, first, second)
        assert not first.partitions & second.partitions
        assert (first.share, second.share) == (0.5, 0.5)
        await until(lambda: len(first.seen) + len(second.seen) == len(posted), first, second)
        assert sorted(first.seen + second.seen) == sorted(posted), "each was read once"
        await second.stop()
    await until(lambda: first.share == 1, first)
    posted += await post(stream, len(posted), 200)
    await until(lambda: len(first.seen) + len(second.seen) == len(posted), first)
    assert first.partitions == {0, 1, 2, 3}
    for lane in range(LANES):
        for worker in (first, second):
            numbers = [int(text.partition("-")[2]) for text in worker.seen if text.startswith(f"{lane}-")]
            assert numbers == sorted(numbers)
    await first.stop()


async def test_marks_committed_after_the_revocation_are_kept(settings: StreamSettings, log: Log) -> None:
    stream = await log.topic("events")
    await post(stream, 0, 100)
    marks: dict[int, Mark] = {}
    seen = 0
    while seen < 100:
        for chunk in (await stream.read("readers", 100)).chunks:
            seen += len(chunk.items)
            marks[chunk.partition] = Mark(chunk.partition, chunk.items[-1].offset + 1)
    async with open_log(settings) as other:
        newcomer = await other.topic("events")
        joining = asyncio.create_task(newcomer.read("readers", 100))
        while not (taken := await stream.read("readers", 100)).revoked:
            assert not taken.chunks
            if joining.done():
                assert not joining.result().chunks
                joining = asyncio.create_task(newcomer.read("readers", 100))
        await stream.commit("readers", list(marks.values()))
        await joining
        for _ in range(4):
            both = await asyncio.gather(stream.read("readers", 100), newcomer.read("readers", 100))
            assert [taken.chunks for taken in both] == [[], []]
        assert (await stream.backlog("readers")).count == 0


async def test_a_reader_whose_partitions_are_full_for_longer_than_it_may_be_silent_stays_in_the_group(
    settings: StreamSettings, log: Log
) -> None:
    from gateway.stream.kafka import KafkaStream

    stream = await log.topic("events")
    assert isinstance(stream, KafkaStream)
    reader = stream._reader("readers")
    reader._arguments["max_poll_interval_ms"] = 3000  # hours, in short
    await post(stream, 0, 100)
    while not (await stream.read("readers", 10)).chunks:
        pass
    for _ in range(90):
        assert await stream.read("readers", 10, full=range(4)) == Taken([])
    assert (await stream.read("readers", 10)).chunks


async def test_marks_that_take_longer_to_come_than_a_read_lasts_are_waited_for(
    settings: StreamSettings, log: Log
) -> None:
    stream = await log.topic("events")
    assert isinstance(stream, KafkaStream)
    ask = stream._observer.marks

    async def late(group: str, partitions: Iterable[int]) -> dict[int, tuple[int, Ranges]]:
        await asyncio.sleep(2.5)
        return await ask(group, partitions)

    stream._observer.marks = late  # type: ignore[method-assign] # Kafka itself cannot be made slow
    posted = await post(stream, 0, 40)
    worker = Worker(stream, {})
    await until(lambda: len(worker.seen) == len(posted), worker)
    assert sorted(worker.seen) == sorted(posted)
    await worker.stop()
