"""kill -9, and what was answered is there."""

import random
import signal
from pathlib import Path

import aiohttp
import pytest

from gateway.demo.parts import free_port
from gateway.sandbox import Sandbox
from tests.ledger import Ledger, until_all_arrived, visits
from tests.processes import Process, running, write_config

SEED = 20261123
KILLS = 5


def embedded(folder: Path) -> str:
    return f"""
[stream]
path = "{folder / "stream.db"}"
append_seconds = 5
[links]
url = "sqlite:{folder / "links.db"}"
"""


@pytest.mark.timeout(300)
async def test_an_event_answered_2xx_survives_kill_9_and_keeps_its_order(tmp_path: Path):
    events = visits(persons=100, each=50, seed=SEED)
    port = free_port()
    shuffle = random.Random(SEED)
    kill_after = sorted(shuffle.sample(range(200, len(events) - 200), KILLS))
    async with Sandbox(rate=None) as sandbox, aiohttp.ClientSession() as http:
        config = write_config(tmp_path / "gateway.toml", sandbox.url, port, embedded(tmp_path))
        process = Process("run", "--config", str(config), port=port)
        ledger = Ledger(f"http://127.0.0.1:{port}")
        with running(process):
            at = 0
            while at < len(events):
                size = shuffle.choice([1, 1, 1, 5, 20])
                await ledger.post(http, events[at : at + size])
                at += size
                if kill_after and at >= kill_after[0]:
                    kill_after.pop(0)
                    process.end(signal.SIGKILL)
                    process.start()
            arrivals = await until_all_arrived(ledger, sandbox.url, 120)
            assert not kill_after
            assert len(ledger.accepted) > len(events) * 0.95
            assert ledger.overtaken(arrivals) == []


async def test_sigterm_answers_what_is_in_flight_and_exits_0(tmp_path: Path):
    port = free_port()
    async with Sandbox(rate=None) as sandbox, aiohttp.ClientSession() as http:
        config = write_config(tmp_path / "gateway.toml", sandbox.url, port, embedded(tmp_path))
        process = Process("run", "--config", str(config), port=port)
        ledger = Ledger(f"http://127.0.0.1:{port}")
        with running(process):
            for one in visits(persons=5, each=10, seed=SEED):
                assert await ledger.post(http, [one])
            assert process.end(signal.SIGTERM) == 0, process.log()
            process.start()
            arrivals = await until_all_arrived(ledger, sandbox.url, 60)
            ids = [request["headers"]["X-Request-Id"] for request in arrivals]
            assert len(ids) == len(set(ids)), "a clean stop repeats nothing"
