"""serve, stitch and deliver as processes of their own, on a real Kafka and a real PostgreSQL."""

import asyncio
import signal
from pathlib import Path

import aiohttp
import pytest

from gateway.demo.parts import Kafka, free_port
from gateway.sandbox import Sandbox
from tests.ledger import Ledger, until_all_arrived, until_taken, visits
from tests.processes import Process, running, write_config
from tests.service.conftest import KEY, event

SEED = 20261123


def apart(kafka: Kafka, prefix: str, postgres_url: str, folder: Path) -> str:
    return f"""
[stream]
kind = "kafka"
brokers = ["{kafka.address}"]
topic_prefix = "{prefix}"
replication = 1
min_insync = 1
append_seconds = 5
spool_path = "{folder / "spool.db"}"
[links]
url = "{postgres_url}"
"""


@pytest.fixture
def config(tmp_path: Path, kafka: Kafka, topic_prefix: str, postgres_url: str):
    def write(sandbox_url: str, port: int) -> str:
        parts = apart(kafka, topic_prefix, postgres_url, tmp_path / str(port))
        path = write_config(tmp_path / f"{port}.toml", sandbox_url, port, parts)
        path.write_text("dev = true\n" + path.read_text())
        return str(path)

    return write


async def create_topics(path: str) -> None:
    create = Process("topics", "create", "--config", path)
    with running(create):
        assert await asyncio.to_thread(create.end, signal.SIGCONT) == 0, create.log()


@pytest.mark.timeout(300)
async def test_two_stitchers_and_two_deliverers_bring_every_event_in_order(config):
    events = visits(persons=500, each=20, seed=SEED)
    port = free_port()
    async with Sandbox(rate=None) as sandbox, aiohttp.ClientSession() as http:
        path = config(sandbox.url, port)
        await create_topics(path)
        serve = Process("serve", "--config", path, port=port)
        others = [Process(mode, "--config", path) for mode in ("stitch", "stitch", "deliver", "deliver")]
        ledger = Ledger(f"http://127.0.0.1:{port}")
        with running(serve, *others):
            for at in range(0, len(events), 20):
                assert await ledger.post(http, events[at : at + 20])
            arrivals = await until_all_arrived(ledger, sandbox.url, 200)
            assert len(ledger.accepted) == 10_000
            assert ledger.overtaken(arrivals) == []
            stops = [await asyncio.to_thread(p.end, signal.SIGTERM) for p in (serve, *others)]
            assert stops == [0] * 5, "\n".join(process.log() for process in (serve, *others))


async def test_a_repeat_of_a_callers_id_at_another_ingest_process_goes_on_once(config):
    ports = [free_port(), free_port()]
    async with Sandbox() as sandbox, aiohttp.ClientSession() as http:
        paths = [config(sandbox.url, port) for port in ports]
        await create_topics(paths[0])
        ingests = [
            Process("serve", "--config", path, port=port) for path, port in zip(paths, ports, strict=True)
        ]
        stages = [Process(mode, "--config", paths[0]) for mode in ("stitch", "deliver")]
        with running(*ingests, *stages):
            results = []
            for port in ports:
                for one in (event(cookie="c-1") | {"id": "order-1"}, event("MainPage", cookie="c-1")):
                    async with http.post(
                        f"http://127.0.0.1:{port}/v1/events", json=one, headers={"X-Api-Key": KEY}
                    ) as answer:
                        assert answer.status == 202
                        results += (await answer.json())["results"]
            arrived = await until_taken(sandbox.url, 3)
    assert results[0]["id"] == results[2]["id"]
    events = [request["body"]["GeneralInfo"]["eventName"] for request in arrived]
    assert events == ["PageView", "MainPage", "MainPage"]


async def test_a_missing_topic_is_a_sentence_at_start(config):
    async with Sandbox() as sandbox:
        process = Process("serve", "--config", config(sandbox.url, free_port()))
        with running(process):
            assert await asyncio.to_thread(process.end, signal.SIGCONT) == 2
            assert "gateway topics create" in process.log()


async def test_a_call_is_answered_by_esputnik_itself_though_every_part_runs_apart(config):
    port = free_port()
    contact = {"channels": [{"type": "email", "value": "o@example.com"}], "externalCustomerId": "42"}
    async with Sandbox() as sandbox, aiohttp.ClientSession() as http:
        path = config(sandbox.url, port)
        await create_topics(path)
        serve = Process("serve", "--config", path, port=port)
        stages = [Process(mode, "--config", path) for mode in ("stitch", "deliver")]
        with running(serve, *stages):
            async with asyncio.timeout(60):
                while True:  # until every part has its partitions, calls are answered as queued
                    async with http.post(
                        f"http://127.0.0.1:{port}/api/v1/contact", json=contact, headers={"X-Api-Key": KEY}
                    ) as answer:
                        assert answer.status == 200
                        content = await answer.json()
                    if "queued" not in content:
                        break
                    contact["firstName"] = f"{contact.get('firstName', '')}a"
    assert list(content) == ["id"]
