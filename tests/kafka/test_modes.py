"""serve, stitch and deliver as processes of their own, on a real Kafka and a real PostgreSQL."""

import asyncio
import signal
from pathlib import Path

import aiohttp
import pytest

from gateway.demo.parts import Kafka, free_port
from gateway.sandbox import Sandbox
from tests.ledger import Ledger, until_all_arrived, visits
from tests.processes import Process, running, write_config

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
        parts = apart(kafka, topic_prefix, postgres_url, tmp_path)
        path = write_config(tmp_path / "gateway.toml", sandbox_url, port, parts)
        path.write_text("dev = true\n" + path.read_text())
        return str(path)

    return write


@pytest.mark.timeout(300)
async def test_two_stitchers_and_two_deliverers_bring_every_event_in_order(config):
    events = visits(persons=500, each=20, seed=SEED)
    port = free_port()
    async with Sandbox(rate=None) as sandbox, aiohttp.ClientSession() as http:
        path = config(sandbox.url, port)
        create = Process("topics", "create", "--config", path)
        with running(create):
            assert await asyncio.to_thread(create.end, signal.SIGCONT) == 0, create.log()
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


async def test_a_missing_topic_is_a_sentence_at_start(config):
    async with Sandbox() as sandbox:
        process = Process("serve", "--config", config(sandbox.url, free_port()))
        with running(process):
            assert await asyncio.to_thread(process.end, signal.SIGCONT) == 2
            assert "gateway topics create" in process.log()
