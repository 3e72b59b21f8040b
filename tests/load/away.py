"""How long answers take while Kafka hangs, vanishes and comes back: a real broker, one event a request.

    python -m tests.load.away --seconds 20 --rate 300

Requests are sent by the clock, whether or not earlier ones are answered, so nothing that is slow is left out.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson
from rich.console import Console
from rich.table import Table

from gateway.config import load
from gateway.demo.parts import Kafka, free_port
from gateway.stream.kafka_topics import create_topics
from tests.load import bench, poster
from tests.processes import Process, running


@dataclass
class Phase:
    """What was answered to requests that were sent within one phase."""

    name: str
    said: Counter[str] = field(default_factory=Counter)
    """Status, and where accepted events are durable."""
    took: list[tuple[float, float]] = field(default_factory=list)
    """When a request was sent, in seconds since the phase began, and in how many it was answered."""

    def row(self) -> list[str]:
        """Return count, answers, and p50, p99 and max in ms: of all, of the first second, and behind it."""
        told = ", ".join(f"{words} x {count}" for words, count in self.said.most_common())
        first = sorted(took for at, took in self.took if at < 1)
        rest = sorted(took for at, took in self.took if at >= 1)
        return [self.name, told, *map(_percentiles, (sorted(first + rest), first, rest))]


def _percentiles(seconds: list[float]) -> str:
    places = (len(seconds) // 2, int(len(seconds) * 0.99), len(seconds) - 1)
    return " ".join(f"{seconds[place] * 1000:7.1f}" for place in places) if seconds else "-"


async def post_by_the_clock(
    http: aiohttp.ClientSession, url: str, phase: Phase, seconds: float, rate: int
) -> None:
    """Send that many requests a second for so long, and return when all are answered."""
    body = orjson.dumps(poster.event(random.Random(1)))
    began = time.monotonic()

    async def post(at: float) -> None:
        await asyncio.sleep(began + at - time.monotonic())
        sent = time.monotonic()
        async with http.post(f"{url}/v1/events", data=body, headers={"X-Api-Key": poster.KEY}) as answer:
            content = await answer.json(content_type=None)
        phase.took.append((at, time.monotonic() - sent))
        durable = content["results"][0]["durable"] if "results" in content else content["code"]
        phase.said[f"{answer.status} {durable}"] += 1

    await asyncio.gather(*(post(number / rate) for number in range(int(seconds * rate))))


async def main(seconds: float, rate: int) -> None:
    with tempfile.TemporaryDirectory() as folder, Kafka() as broker:
        port = free_port()
        config = bench.config(Path(folder), broker.address, port, free_port(), append_seconds=0.5)
        await create_topics(load(config).stream, ["events"])
        steps: list[tuple[str, Callable[[], None]]] = [
            ("Kafka is there", lambda: None),
            ("hangs (SIGSTOP)", broker.pause),
            ("goes on (SIGCONT)", broker.resume),
            ("is gone (SIGKILL)", broker.kill),
            ("is back", broker.start),
        ]
        table = Table("Kafka", "answers", "all: p50, p99, max in ms", "in the first second", "after it")
        connector = aiohttp.TCPConnector(limit=0)
        process = Process("serve", "--config", str(config), port=port)
        with running(process):
            async with aiohttp.ClientSession(connector=connector) as http:
                url = f"http://127.0.0.1:{port}"
                await post_by_the_clock(http, url, Phase("warm"), 2, rate)
                for name, step in steps:
                    phase = Phase(name)
                    fault = asyncio.create_task(asyncio.to_thread(step))
                    await post_by_the_clock(http, url, phase, seconds, rate)
                    await fault
                    table.add_row(*phase.row())
    Console(width=150).print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="of each phase")
    parser.add_argument("--rate", type=int, default=300, help="requests a second")
    options = parser.parse_args()
    asyncio.run(main(options.seconds, options.rate))
