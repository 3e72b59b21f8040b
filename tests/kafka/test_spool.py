"""Kafka is away, and what comes is durable all the same, in order."""

import asyncio
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import REGISTRY

from gateway.config import StreamSettings
from gateway.demo.parts import Kafka, Postgres, free_port
from gateway.errors import ConfigError, NotDurable
from gateway.sandbox import Sandbox
from gateway.stream import Entry, Stream
from gateway.stream.kafka_topics import create_topics
from gateway.stream.opening import open_log
from tests.ledger import Ledger, until_all_arrived, visits
from tests.processes import Process, running, write_config

LANES = 40
OPERATOR = "operator-key"


@pytest.fixture(scope="module")
def kafka() -> Iterator[Kafka]:
    """A broker for this module to break; every test leaves it running."""
    with Kafka() as broker:
        yield broker


@pytest.fixture
async def spooling(settings: StreamSettings, tmp_path: Path) -> StreamSettings:
    await create_topics(settings, ["events"])
    return settings.model_copy(update={"spool_path": tmp_path / "spool.db"})


@pytest.fixture
async def stream(spooling: StreamSettings) -> AsyncIterator[Stream]:
    async with open_log(spooling, "events") as log:
        yield await log.topic("events")


def some(number: int) -> list[Entry]:
    """Return one entry for each lane, that number in its order."""
    return [Entry(f"lane{lane}", f"{lane}:{number}".encode()) for lane in range(LANES)]


def spooled() -> float:
    return REGISTRY.get_sample_value("gateway_spool_records", {"topic": "events"}) or 0


async def read(stream: Stream, numbers: int) -> None:
    """Read until every lane has that many numbers; they came in order, repeats left out."""
    found: dict[str, list[int]] = defaultdict(list)
    async with asyncio.timeout(40):
        while sum(map(len, found.values())) < numbers * LANES:
            for chunk in (await stream.read("readers", 1000)).chunks:
                for item in chunk.items:
                    lane, _, number = item.value.decode().partition(":")
                    if int(number) not in found[lane]:
                        found[lane].append(int(number))
    assert all(found[f"{lane}"] == list(range(numbers)) for lane in range(LANES))


async def until_drained() -> None:
    async with asyncio.timeout(40):
        while spooled():
            await asyncio.sleep(0.02)


async def append(stream: Stream, numbers: Sequence[int]) -> list[int]:
    """Append those numbers of every lane; return how many of each went to disk."""
    return [len(await stream.append(some(number))) for number in numbers]


@pytest.mark.parametrize("how", ["pause", "kill"])
async def test_what_comes_while_kafka_is_away_is_on_disk_and_reaches_it_in_order(
    kafka: Kafka, stream: Stream, how: str
):
    assert await append(stream, [0, 1]) == [0, 0]
    {"pause": kafka.pause, "kill": kafka.kill}[how]()
    try:
        assert await append(stream, [2, 3, 4]) == [LANES] * 3
        assert spooled() == 3 * LANES
    finally:
        await asyncio.to_thread({"pause": kafka.resume, "kill": kafka.start}[how])
    await append(stream, [5, 6])
    await until_drained()
    assert await append(stream, [7]) == [0]
    await read(stream, 8)


async def test_order_holds_through_many_short_absences(kafka: Kafka, stream: Stream):
    number = 0
    for _ in range(4):
        kafka.pause()
        try:
            await append(stream, range(number, number + 3))
        finally:
            kafka.resume()
        await append(stream, range(number + 3, number + 20))
        number += 20
    await until_drained()
    await read(stream, number)


async def test_what_an_earlier_run_left_on_disk_is_drained_before_what_comes_next(
    kafka: Kafka, spooling: StreamSettings
):
    async with open_log(spooling, "events") as log:
        stream = await log.topic("events")
        kafka.pause()
        try:
            await append(stream, [0, 1])
        finally:
            kafka.resume()
    async with open_log(spooling, "events") as log:
        stream = await log.topic("events")
        await append(stream, [2])
        await until_drained()
        await read(stream, 3)


async def test_a_full_spool_refuses_in_time_and_takes_again_when_it_is_drained(
    kafka: Kafka, spooling: StreamSettings
):
    small = spooling.model_copy(update={"spool_bytes": 3 * sum(4 + len(e.lane) + 4 for e in some(0))})
    async with open_log(small, "events") as log:
        stream = await log.topic("events")
        kafka.pause()
        try:
            with pytest.raises(NotDurable, match="the spool is full") as refusal:
                await append(stream, range(100))
            assert 0 < len(refusal.value.failed) <= LANES
        finally:
            kafka.resume()
        await until_drained()
        await stream.append(some(100))


async def test_a_lone_broker_that_lost_its_disk_takes_again_once_the_topics_are_made(
    kafka: Kafka, spooling: StreamSettings
):
    async with open_log(spooling, "events") as log:
        stream = await log.topic("events")
        kafka.kill()
        kafka.wipe()
        await asyncio.to_thread(kafka.start)
        assert await append(stream, [0, 1]) == [LANES, LANES]
        await create_topics(spooling, ["events"])
        await until_drained()
        await append(stream, [2])
        await read(stream, 3)


async def test_one_spool_belongs_to_one_process(spooling: StreamSettings):
    async with open_log(spooling, "events") as log, open_log(spooling, "events") as other:
        await log.topic("events")
        with pytest.raises(ConfigError, match=r"spool\.db is in use by process"):
            await other.topic("events")


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(rate=None) as sandbox:
        yield sandbox


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
async def config(kafka: Kafka, sandbox: Sandbox, tmp_path: Path, topic_prefix: str, port: int) -> Path:
    """A configuration of parts apart whose topics are there; the database is still to be named."""
    parts = f"""
[stream]
kind = "kafka"
brokers = ["{kafka.address}"]
topic_prefix = "{topic_prefix}"
replication = 1
min_insync = 1
spool_path = "{tmp_path / "spool.db"}"
"""
    config = write_config(tmp_path / "gateway.toml", sandbox.url, port, parts)
    config.write_text("dev = true\n" + config.read_text())
    create = Process("topics", "create", "--config", str(config))
    with running(create):
        assert await asyncio.to_thread(create.end, signal.SIGCONT) == 0, create.log()
    return config


def name_database(config: Path, url: str, more: str = "") -> None:
    config.write_text(f'{config.read_text()}\n[links]\nurl = "{url}"\n{more}')


async def test_ingest_starts_and_takes_events_while_kafka_and_the_database_are_both_away(
    kafka: Kafka, sandbox: Sandbox, config: Path, port: int
):
    events = visits(persons=5, each=10, seed=8)
    ledger = Ledger(f"http://127.0.0.1:{port}")
    serve = Process("serve", "--config", str(config), port=port)
    async with aiohttp.ClientSession() as http:
        with Postgres() as postgres, closing(serve):
            name_database(config, postgres.url(), f'[operator]\nkeys = ["{OPERATOR}"]')
            await asyncio.to_thread(postgres.kill)
            kafka.kill()
            try:
                await asyncio.to_thread(serve.start)
                for one in events:
                    assert await ledger.post(http, [one])
                assert ledger.durable.keys() == {"disk"}
                assert await status_of_dead_letters(http, port) == 503
            finally:
                await asyncio.to_thread(kafka.start)
            await asyncio.to_thread(postgres.start)
            assert await status_of_dead_letters(http, port) == 200
            with running(*(Process(mode, "--config", str(config)) for mode in ("stitch", "deliver"))):
                arrivals = await until_all_arrived(ledger, sandbox.url, 60)
            assert ledger.overtaken(arrivals) == []


async def status_of_dead_letters(http: aiohttp.ClientSession, port: int) -> int:
    headers = {"X-Api-Key": OPERATOR}
    async with http.get(f"http://127.0.0.1:{port}/v1/dead", headers=headers) as answer:
        return answer.status


@pytest.mark.timeout(200)
async def test_a_gateway_answers_durable_on_disk_while_kafka_is_away_also_after_kill_9(
    kafka: Kafka, sandbox: Sandbox, config: Path, port: int, postgres_url: str
):
    name_database(config, postgres_url)
    async with aiohttp.ClientSession() as http:
        process = Process("serve", "--config", str(config), port=port)
        ledger = Ledger(f"http://127.0.0.1:{port}")
        events = visits(persons=20, each=15, seed=7)
        with running(process):
            for one in events[:100]:
                assert await ledger.post(http, [one])
            kafka.pause()
            try:
                for one in events[100:200]:
                    assert await ledger.post(http, [one])
                async with http.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    assert answer.status == 200
                process.end(signal.SIGKILL)
                await asyncio.to_thread(process.start)
                for one in events[200:250]:
                    assert await ledger.post(http, [one])
            finally:
                kafka.resume()
            for one in events[250:]:
                assert await ledger.post(http, [one])
            with running(*(Process(mode, "--config", str(config)) for mode in ("stitch", "deliver"))):
                arrivals = await until_all_arrived(ledger, sandbox.url, 60)
            assert len(ledger.accepted) == len(events)
            assert ledger.overtaken(arrivals) == []
            assert ledger.durable.keys() == {"stream", "disk"}
