"""One disaster at a time, aimed at: each row of what may fail, with a whole gateway and what it accepted."""

import asyncio
import resource
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer

from gateway.demo.parts import Postgres, free_port
from gateway.event import Record
from gateway.sandbox import Sandbox
from gateway.stream.kafka_topics import create_topics
from tests.conftest import FarKafka
from tests.ledger import Ledger, place, taken, until_all_arrived, until_taken, visits
from tests.processes import Process, running, write_config
from tests.proxy import Proxy
from tests.service.conftest import event, running_shop, settings
from tests.service.test_operating import embedded

PERSONS, EACH = 10, 12
DAY_NS = 86_400 * 10**9


def unidentified(arrivals: Sequence[dict[str, Any]]) -> list[str]:
    """Return the places of events behind their person's login that arrived without the customer.

    Of person 0 nothing is known: "0" is nobody's id.
    """
    anonymous = [
        request for request in arrivals if "externalCustomerId" not in request["body"]["GeneralInfo"]
    ]
    places = [place(request["body"]).partition("/") for request in anonymous]
    return [
        f"{person}/{number}" for person, _, number in places if person != "0" and int(number) >= EACH // 3
    ]


@asynccontextmanager
async def served(config: Path, port: int, mode: str = "run") -> AsyncIterator[tuple[Process, Ledger]]:
    process = Process(mode, "--config", str(config), port=port)
    with running(process):
        yield process, Ledger(f"http://127.0.0.1:{port}")


def leave_room(process: Process, folder: Path, room: int) -> None:
    """Let no file of the process grow further than the largest in the folder and that many bytes more."""
    largest = max(path.stat().st_size for path in folder.iterdir())
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (largest + room, resource.RLIM_INFINITY))


async def fill(http: aiohttp.ClientSession, ledger: Ledger, events: Sequence[dict[str, Any]]) -> int:
    """Post one by one until one is refused, see that it is a 503 that names a time; return how many went."""
    count = 0
    async with asyncio.timeout(60):
        while await ledger.post(http, [events[count]]):
            count += 1
    assert ledger.refused is not None
    code, retry_after = ledger.refused
    assert (code, retry_after != "") == (503, True)
    return count


async def status(http: aiohttp.ClientSession, url: str) -> int:
    async with http.get(url) as answer:
        return answer.status


async def test_a_full_disk_is_answered_503_in_time_and_what_was_accepted_arrives(tmp_path: Path):
    events = visits(persons=200, each=6, seed=1)
    port = free_port()
    data = tmp_path / "data"
    async with Sandbox(rate=None) as sandbox, aiohttp.ClientSession() as http:
        config = write_config(tmp_path / "gateway.toml", sandbox.url, port, embedded(data))
        async with served(config, port) as (process, ledger):
            assert await ledger.post(http, events[:50])
            leave_room(process, data, 200_000)
            count = 50 + await fill(http, ledger, events[50:])
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            async with asyncio.timeout(30):
                while not await ledger.post(http, events[count + 1 : count + 20]):
                    await asyncio.sleep(0.05)
            arrivals = await until_all_arrived(ledger, sandbox.url, 60)
            assert ledger.overtaken(arrivals) == []
            async with asyncio.timeout(20):
                while await status(http, f"{ledger.url}/readyz") != 200:
                    await asyncio.sleep(0.05)


async def test_a_full_disk_under_the_spool_is_answered_503_and_what_was_accepted_is_drained(
    far_kafka: FarKafka, tmp_path: Path, topic_prefix: str
):
    events = visits(persons=100, each=6, seed=2)
    port = free_port()
    spool = tmp_path / "spool"
    stream = f"""
[stream]
kind = "kafka"
brokers = ["127.0.0.1:{far_kafka.port}"]
topic_prefix = "{topic_prefix}"
partitions = 1
replication = 1
min_insync = 1
spool_path = "{spool / "spool.db"}"
"""
    async with (
        aiohttp.ClientSession() as http,
        Proxy(far_kafka.broker.port, port=far_kafka.port) as to_kafka,
    ):
        config = write_config(tmp_path / "gateway.toml", "http://127.0.0.1:1", port, stream)
        config.write_text("dev = true\n" + config.read_text())
        create = Process("topics", "create", "--config", str(config))
        with running(create):
            assert await asyncio.to_thread(create.end, signal.SIGCONT) == 0, create.log()
        async with served(config, port, "serve") as (process, ledger):
            assert await ledger.post(http, events[:10])
            to_kafka.refusing = True
            to_kafka.cut()
            try:
                assert await ledger.post(http, events[10:20])
                leave_room(process, spool, 100_000)
                count = 20 + await fill(http, ledger, events[20:])
            finally:
                to_kafka.refusing = False
            assert ledger.durable["disk"] > 10
            async with asyncio.timeout(30):
                while not await ledger.post(http, events[count + 1 : count + 20]):
                    await asyncio.sleep(0.05)
            found = await in_kafka(f"127.0.0.1:{far_kafka.port}", f"{topic_prefix}.events", ledger)
    assert found == list(ledger.accepted)


async def in_kafka(address: str, topic: str, ledger: Ledger) -> list[str]:
    """Return the ids of the accepted events as they first stand in the topic's only partition."""
    found = dict[str, None]()
    async with (
        AIOKafkaConsumer(topic, bootstrap_servers=address, auto_offset_reset="earliest") as consumer,
        asyncio.timeout(30),
    ):
        while len(found) < len(ledger.accepted):
            record = Record.decode((await consumer.getone()).value)
            if record.id in ledger.accepted:
                found[record.id] = None
    return list(found)


async def test_postgres_killed_and_restarted_in_mid_run_is_waited_for_and_nothing_is_lost(tmp_path: Path):
    events = visits(PERSONS, EACH, seed=3)
    third = len(events) // 3
    port = free_port()
    with Postgres() as server:
        stream = f'[stream]\npath = "{tmp_path / "stream.db"}"\nappend_seconds = 5\n'
        links = f'[links]\nurl = "{server.create_database("gateway")}"\n'
        async with Sandbox(rate=None) as sandbox, aiohttp.ClientSession() as http:
            config = write_config(tmp_path / "gateway.toml", sandbox.url, port, stream + links)
            async with served(config, port) as (process, ledger):
                for one in events[:third]:
                    assert await ledger.post(http, [one])
                server.kill()
                for one in events[third : 2 * third]:
                    assert await ledger.post(http, [one]), "ingest knows nothing of PostgreSQL"
                before = len(await taken(sandbox.url))
                assert before < 2 * third, "nothing passes unstitched"
                await asyncio.to_thread(server.start)
                for one in events[2 * third :]:
                    assert await ledger.post(http, [one])
                arrivals = await until_all_arrived(ledger, sandbox.url, 60)
                assert await asyncio.to_thread(process.end, signal.SIGTERM) == 0
    assert len(ledger.accepted) == len(events)
    assert ledger.overtaken(arrivals) == []
    assert unidentified(arrivals) == []


# aiokafka forgets a connection that breaks while it is being made.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(240)
async def test_connections_cut_in_the_middle_lose_and_swap_nothing(
    far_kafka: FarKafka, postgres: Postgres, postgres_url: str, topic_prefix: str, tmp_path: Path
):
    events = visits(PERSONS, EACH, seed=4)
    broker, port = far_kafka
    async with Sandbox(rate=None) as sandbox:
        esputnik_port = int(sandbox.url.rpartition(":")[2])
        async with (
            Proxy(broker.port, port=port) as to_kafka,
            Proxy(postgres.port) as to_postgres,
            Proxy(esputnik_port) as to_esputnik,
        ):
            config = settings(
                tmp_path,
                sandbox,
                dev=True,
                stream={
                    "kind": "kafka",
                    "brokers": [f"127.0.0.1:{port}"],
                    "topic_prefix": topic_prefix,
                    "partitions": 2,
                    "replication": 1,
                    "min_insync": 1,
                    "spool_path": tmp_path / "spool.db",
                },
                links={"url": postgres_url.replace(f":{postgres.port}/", f":{to_postgres.port}/")},
                delivery={"backoff_max_seconds": 0.5, "probe_seconds": 0.5},
            )
            (shop, *_) = config.sites
            through = {"tracker_url": f"http://127.0.0.1:{to_esputnik.port}/api/v2", "rate": 10_000.0}
            config = config.model_copy(update={"sites": [shop.model_copy(update=through)]})
            await create_topics(config.stream, ["events", "stitched.shop"])
            async with running_shop(config, sandbox) as running, aiohttp.ClientSession() as http:
                ledger = Ledger(running.url)
                for number, one in enumerate(events):
                    assert await ledger.post(http, [one])
                    if number % 30 == 15:
                        for proxy in (to_kafka, to_postgres, to_esputnik):
                            proxy.cut()
                    # Half an answer, for a while: eSputnik has the event, and nobody knows.
                    to_esputnik.cut_after = 30 if 20 < number % 60 < 30 else None
                arrivals = await until_all_arrived(ledger, sandbox.url, 90)
            cuts = [proxy.cuts for proxy in (to_kafka, to_postgres, to_esputnik)]
    assert min(cuts) > 2, cuts
    assert len(ledger.accepted) == len(events)
    assert ledger.overtaken(arrivals) == []
    assert unidentified(arrivals) == []


async def test_a_clock_that_jumps_to_and_fro_loses_and_swaps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    events = visits(PERSONS, EACH, seed=5)
    offset_ns = 0
    true_time, true_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: true_time() + offset_ns / 1e9)
    monkeypatch.setattr(time, "time_ns", lambda: true_ns() + offset_ns)
    async with Sandbox(rate=None) as sandbox, aiohttp.ClientSession() as http:
        config = settings(tmp_path, sandbox)
        quick = [site.model_copy(update={"rate": 10_000.0}) for site in config.sites]
        async with running_shop(config.model_copy(update={"sites": quick}), sandbox) as shop:
            ledger = Ledger(shop.url)
            for number, one in enumerate(events):
                offset_ns = [0, 3, -400, -1, 30, 2][number // 10 % 6] * DAY_NS
                assert await ledger.post(http, [one])
            arrivals = await until_all_arrived(ledger, sandbox.url, 30)
    assert len(ledger.accepted) == len(events), "every event has an id of its own"
    assert ledger.overtaken(arrivals) == []
    assert len(arrivals) == len(events), "and none went twice"


async def test_a_request_cut_off_in_its_middle_stores_nothing_and_harms_nobody(tmp_path: Path):
    async with Sandbox() as sandbox, running_shop(settings(tmp_path, sandbox), sandbox) as shop:
        for _ in range(50):
            _, writer = await asyncio.open_connection("127.0.0.1", shop.gateway.port)
            writer.write(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nX-Api-Key: shop-key\r\n")
            writer.write(b'Content-Length: 500\r\n\r\n[{"GeneralInfo": ')
            await writer.drain()
            writer.transport.abort()
        assert (await shop.post(event()))[0] == 202
        assert len(await until_taken(sandbox.url, 1)) == 1
