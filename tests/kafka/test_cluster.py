"""Three brokers, as in production: replicas go, disks go, and what was accepted stays."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config import StreamSettings
from gateway.demo.parts import Kafka, kafka_cluster
from gateway.errors import NotDurable
from gateway.stream.kafka import KafkaStream
from gateway.stream.kafka_topics import admin_client, create_topics
from gateway.stream.opening import open_log
from tests.kafka.test_away import refused
from tests.kafka.test_spool import LANES, append, read, some, until_drained

pytestmark = pytest.mark.timeout(300)  # three Java processes on two cores


@pytest.fixture(scope="module")
def brokers() -> Iterator[list[Kafka]]:
    """Three brokers for this module to break; every test leaves them running and in sync."""
    with kafka_cluster(3) as brokers:
        yield brokers


@pytest.fixture
def replicated(brokers: list[Kafka], topic_prefix: str, tmp_path: Path) -> StreamSettings:
    return StreamSettings(
        kind="kafka",
        brokers=[broker.address for broker in brokers],
        topic_prefix=topic_prefix,
        append_seconds=2,
        partitions=4,
        replication=3,
        min_insync=2,
        spool_path=tmp_path / "spool.db",
    )


async def until_in_sync(settings: StreamSettings) -> None:
    """Return once every partition of every topic has all of its replicas."""
    async with asyncio.timeout(60):
        while True:
            async with admin_client(settings) as admin:
                topics = await admin.describe_topics()
            partitions = [partition for topic in topics for partition in topic["partitions"]]
            if partitions and all(len(one["isr"]) == len(one["replicas"]) for one in partitions):
                return
            await asyncio.sleep(0.2)


async def test_a_broker_that_comes_back_with_an_empty_disk_takes_nothing_with_it(
    brokers: list[Kafka], replicated: StreamSettings
):
    await create_topics(replicated, ["events"])
    async with open_log(replicated, "events") as log:
        stream = await log.topic("events")
        await append(stream, range(3))
        brokers[0].kill()
        brokers[0].wipe()
        await append(stream, range(3, 6))
        await asyncio.to_thread(brokers[0].start)
        await append(stream, range(6, 9))
        await until_in_sync(replicated)
        await until_drained()
        await read(stream, 9)


async def test_with_too_few_replicas_in_sync_nothing_is_accepted_but_on_disk(
    brokers: list[Kafka], replicated: StreamSettings
):
    strict = replicated.model_copy(update={"min_insync": 3})
    await create_topics(strict, ["events", "stitched.shop"])
    async with open_log(strict, "events") as log:
        stream, without_spool = await log.topic("events"), await log.topic("stitched.shop")
        await append(stream, [0])
        await until_drained()
        brokers[2].kill()
        try:
            assert await append(stream, [1]) == [LANES]
            with pytest.raises(NotDurable) as refusal:
                await without_spool.append(some(0))
            assert refusal.value.failed == list(range(LANES))
        finally:
            await asyncio.to_thread(brokers[2].start)
        await until_in_sync(strict)
        await until_drained()
        await append(stream, [2])
        await read(stream, 3)
        await without_spool.append(some(1))


async def test_a_partition_without_a_leader_takes_no_other_with_it(
    brokers: list[Kafka], replicated: StreamSettings
):
    alone = replicated.model_copy(update={"partitions": 6, "replication": 1, "min_insync": 1})
    await create_topics(alone, ["events"])
    async with open_log(alone, "events") as log:
        stream = await log.topic("events")
        await append(stream, [0])
        await until_drained()
        brokers[0].kill()
        try:
            (first, second) = await append(stream, [1, 2])
            assert 0 < first == second < LANES
        finally:
            await asyncio.to_thread(brokers[0].start)
        await until_drained()
        await read(stream, 3)


async def test_partitions_whose_broker_is_dead_fail_alone(brokers: list[Kafka], replicated: StreamSettings):
    alone = replicated.model_copy(update={"partitions": 6, "replication": 1, "min_insync": 1})
    await create_topics(alone, ["events"])
    async with open_log(alone) as log:
        stream = await log.topic("events")
        assert isinstance(stream, KafkaStream)
        entries = some(0)
        await stream.append(entries)
        brokers[0].kill()
        try:
            first = await refused(stream, entries, alone.append_seconds)
            assert 0 < len(first) < LANES
            dead = {stream._gatherer(entries[place].lane) for place in first}
            assert first == [i for i, entry in enumerate(entries) if stream._gatherer(entry.lane) in dead]
            alive = [entry for i, entry in enumerate(entries) if i not in first]
            for _ in range(5):
                waiting = asyncio.ensure_future(refused(stream, entries, alone.append_seconds))
                await stream.append(alive)
                assert not waiting.done()
                assert await waiting == first
        finally:
            await asyncio.to_thread(brokers[0].start)
