"""kill -9, and what was answered is there."""

import asyncio
import random
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.demo.parts import free_port
from gateway.sandbox import Sandbox
from tests.ledger import Ledger, place, until_all_arrived, until_taken, visits
from tests.processes import Process, running, write_config

SEED = 20261123
KILLS = 5
STORES = 8
"""Posters side by side, each with its own persons, so that there is an order to keep."""


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
    async with Sandbox(rate=None) as sandbox, aiohttp.ClientSession() as http:
        config = write_config(tmp_path / "gateway.toml", sandbox.url, port, embedded(tmp_path))
        process = Process("run", "--config", str(config), port=port)
        ledger = Ledger(f"http://127.0.0.1:{port}")
        with running(process):
            up = asyncio.Event()
            up.set()
            async with asyncio.TaskGroup() as work:
                killing = work.create_task(kill_now_and_then(process, ledger, len(events), up))
                for store in range(STORES):
                    mine = [one for one in events if int(place(one).partition("/")[0]) % STORES == store]
                    work.create_task(post_one_by_one(ledger, http, mine, up))
            assert killing.result() == KILLS
            assert len(ledger.accepted) > len(events) * 0.95
            arrivals = await until_all_arrived(ledger, sandbox.url, 120)
            assert ledger.overtaken(arrivals) == []


RATE = 400
AT_WORST = 32 + RATE
"""Repeats of one kill: what was under way (`delivery.concurrency`), and what was done since the last mark, of
which one is written every 0.1 s; a slow machine has a second here."""


@pytest.mark.timeout(200)
async def test_a_kill_repeats_what_was_under_way_or_just_done_and_no_more(tmp_path: Path):
    events = visits(persons=200, each=10, seed=SEED)
    port = free_port()
    async with Sandbox(rate=None) as sandbox, aiohttp.ClientSession() as http:
        config = write_config(tmp_path / "gateway.toml", sandbox.url, port, embedded(tmp_path))
        config.write_text(config.read_text().replace("rate = 100000", f"rate = {RATE}"))
        process = Process("run", "--config", str(config), port=port)
        ledger = Ledger(f"http://127.0.0.1:{port}")
        with running(process):
            for at in range(0, len(events), 500):
                assert await ledger.post(http, events[at : at + 500])
            for moment in (700, 1400):
                await until_taken(sandbox.url, moment, 60)
                process.end(signal.SIGKILL)
                await asyncio.to_thread(process.start)
            arrivals = await until_all_arrived(ledger, sandbox.url, 60)
    assert len(arrivals) - len(events) <= 2 * AT_WORST


async def post_one_by_one(
    ledger: Ledger, http: aiohttp.ClientSession, events: list[dict[str, Any]], up: asyncio.Event
) -> None:
    """Post every event once; what was cut off has an unknown end and is not posted again."""
    for one in events:
        await up.wait()
        await ledger.post(http, [one])


async def kill_now_and_then(process: Process, ledger: Ledger, count: int, up: asyncio.Event) -> int:
    """Kill the process at five random moments, with posts under way; return how often it was killed."""
    shuffle = random.Random(SEED)
    for moment in sorted(shuffle.sample(range(count // 20, count - count // 5), KILLS)):
        while len(ledger.accepted) < moment:
            await asyncio.sleep(0)
        process.end(signal.SIGKILL)
        up.clear()
        await asyncio.to_thread(process.start)
        up.set()
    return KILLS


async def test_sigterm_answers_what_is_in_flight_and_exits_0(tmp_path: Path):
    port = free_port()
    async with Sandbox(rate=None) as sandbox, aiohttp.ClientSession() as http:
        config = write_config(tmp_path / "gateway.toml", sandbox.url, port, embedded(tmp_path))
        process = Process("run", "--config", str(config), port=port)
        ledger = Ledger(f"http://127.0.0.1:{port}")
        with running(process):
            for one in visits(persons=5, each=10, seed=SEED):
                assert await ledger.post(http, [one])
            assert await asyncio.to_thread(process.end, signal.SIGTERM) == 0, process.log()
            await asyncio.to_thread(process.start)
            arrivals = await until_all_arrived(ledger, sandbox.url, 60)
            ids = [request["headers"]["X-Request-Id"] for request in arrivals]
            assert len(ids) == len(set(ids)), "a clean stop repeats nothing"
