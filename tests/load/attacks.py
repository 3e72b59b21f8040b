"""What hostile clients do, and what it costs: the gateway's memory, and the time of a well-behaved neighbour.

    python -m tests.load.attacks            each attack at full size, as a table
    pytest tests/service/test_attacks.py    the same, small, with bounds

An attack is a coroutine that gets a `Target` and a size, 1 being full.
"""

import argparse
import asyncio
import gzip
import io
import signal
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import psutil
import zstandard
from rich.console import Console
from rich.table import Table

from gateway.demo.parts import free_port
from gateway.sandbox import Sandbox
from tests.processes import Process, running

CALM, GREEDY, WILD, OPEN = "calm", "greedy", "wild", "open"
"""Sites: of the neighbour, one with a rate, the attacker's, and one without a key."""
GREEDY_RATE = 50
BODY_SECONDS = 1.0
_SAMPLE_SECONDS = 0.05
_MB = 2**20


def page_view(site: str = WILD, name: str = "PageView", **info: Any) -> dict[str, Any]:
    general = {
        "eventName": name,
        "siteId": site,
        "datetime": int(time.time() * 1000),
        "cookies": {"sc": "c-1"},
    }
    return {"GeneralInfo": general | info, name: {}}


@dataclass
class Target:
    """A gateway, where it listens, and whom it is attacked by."""

    process: Process
    port: int
    metrics_port: int
    http: aiohttp.ClientSession
    said: Counter[str] = field(default_factory=Counter)
    """Answers to the attacker, by status."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def memory(self) -> float:
        """Resident memory of the gateway, in MB."""
        return psutil.Process(self.process.pid).memory_info().rss / _MB

    async def post(self, body: bytes, path: str = "/v1/events", key: str = WILD, **headers: str) -> int:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.post(
            self.url + path, data=io.BytesIO(body), headers={"X-Api-Key": f"{key}-key", **names}
        ) as answer:
            await answer.read()
            self.said[str(answer.status)] += 1
            return answer.status

    async def connect(self, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        return reader, writer

    async def hear(self, reader: asyncio.StreamReader) -> None:
        """Note the status that a raw connection is answered with, or that it was closed without one."""
        head = b""
        with suppress(OSError):
            head = await reader.readline()
        self.said[head.split()[1].decode() if head else "closed"] += 1


async def many(count: int, at_once: int, attempt: Callable[[int], Awaitable[object]]) -> None:
    """Make that many attempts, so many of them side by side."""
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            with suppress(OSError, aiohttp.ClientError, TimeoutError):
                await attempt(number)

    await asyncio.gather(*(work() for _ in range(at_once)))


def scaled(count: int, size: float) -> int:
    return max(1, int(count * size))


async def idle_connections(target: Target, size: float) -> None:
    await _hold_open(target, scaled(9_000, size), b"", max(1, 2 * size))


async def slow_heads(target: Target, size: float) -> None:
    await _hold_open(
        target, scaled(2_000, size), b"POST /v1/events HTTP/1.1\r\nHost: x\r\nX-A: ", max(1, 5 * size), b"a"
    )


async def slow_bodies(target: Target, size: float) -> None:
    """Each announces four megabytes and sends a byte now and then; none needs a key to get so far."""
    head = b"POST /api/v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n{"
    await _hold_open(target, scaled(2_000, size), head, BODY_SECONDS, b" ", hear=True)


async def bodies_at_once(target: Target, size: float) -> None:
    """While the gateway is held up, all connections send most of a body; none needs a key to get so far."""
    head = b"POST /api/v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n"
    connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def open_one(_: int) -> None:
        connections.append(await target.connect(head))

    await many(scaled(3_000, size), 200, open_one)
    block = b" " * 300_000
    target.process.send(signal.SIGSTOP)
    for _, writer in connections:
        writer.write(block)
    await asyncio.sleep(0.5)
    target.process.send(signal.SIGCONT)
    await asyncio.gather(*(target.hear(reader) for reader, _ in connections))
    for _, writer in connections:
        writer.transport.abort()


async def _hold_open(
    target: Target, count: int, sent: bytes, seconds: float, drip: bytes = b"", hear: bool = False
) -> None:
    """Open connections, hold them for a while, let a byte drip into each now and then."""
    opened: list[asyncio.StreamWriter] = []
    hearing: list[asyncio.Task[None]] = []

    async def open_one(_: int) -> None:
        reader, writer = await target.connect(sent)
        opened.append(writer)
        if hear:
            hearing.append(asyncio.create_task(target.hear(reader)))

    await many(count, 100, open_one)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(0.5)
        for writer in opened if drip else ():
            if not writer.is_closing():
                writer.write(drip)
    await asyncio.gather(*hearing)
    if not hear:
        target.said["opened"] += len(opened)
    for writer in opened:
        writer.transport.abort()


async def answers_never_read(target: Target, size: float) -> None:
    """Ask for the largest answer there is, over and over, and read none."""
    asking = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100
    await _hold_open(target, scaled(300, size), asking, max(1, 5 * size), asking)


async def nested_brackets(target: Target, size: float) -> None:
    bodies = [b"[" * _MB, b'{"a":' * (_MB // 5), b'[{"a":' * 500 + b"1" + b"}]" * 500]
    await many(scaled(300, size), 16, lambda number: target.post(bodies[number % len(bodies)]))


async def small_objects(target: Target, size: float) -> None:
    """Bodies of the largest size that become as many objects in memory as they can."""
    event = orjson.dumps(page_view())[:-1] + b',"junk":['
    body = event + b"[]," * ((4 * _MB - len(event)) // 3 - 10) + b"0]}"
    bodies = [body, b"[" + b"{}," * (4 * _MB // 3 - 10) + b"0]"]
    await many(scaled(100, size), 32, lambda number: target.post(bodies[number % len(bodies)]))


async def endless_lines(target: Target, size: float) -> None:
    """Some KB that become 8 MB of lines, each of them an event that is refused."""
    lines = [gzip.compress(line * (8 * _MB // len(line) - 10)) for line in (b"x\n", b"1\n", b"\n")]
    headers = {"Content_Encoding": "gzip", "Content_Type": "application/x-ndjson"}
    await many(scaled(200, size), 16, lambda number: target.post(lines[number % len(lines)], **headers))


async def gzip_bombs(target: Target, size: float) -> None:
    bomb = await asyncio.to_thread(gzip.compress, b" " * (scaled(1000, size) * _MB))
    await many(scaled(200, size), 16, lambda _: target.post(bomb, Content_Encoding="gzip"))


async def zstd_bombs(target: Target, size: float) -> None:
    zeros = b" " * (scaled(1000, size) * _MB)
    stated = await asyncio.to_thread(zstandard.ZstdCompressor().compress, zeros)
    unstated = await asyncio.to_thread(zstandard.ZstdCompressor(write_content_size=False).compress, zeros)
    bombs = [stated, unstated]
    await many(scaled(200, size), 16, lambda number: target.post(bombs[number % 2], Content_Encoding="zstd"))


async def large_bodies(target: Target, size: float) -> None:
    """Bodies of the largest size that are allowed, more at once than there is room for."""
    event = orjson.dumps(page_view(s_location="https://shop.example/" + "x" * 4000))
    body = b"[" + b",".join([event] * (4 * _MB // len(event) - 20)) + b"]"
    await many(scaled(300, size), 64, lambda _: target.post(body))


async def strange_names(target: Target, size: float) -> None:
    """As many sites and event names as can be made up."""

    async def post(number: int) -> None:
        events = [
            page_view(name=f"Event{number}-{place}")
            if place % 2
            else page_view(site=f"site-{number}-{place}")
            for place in range(500)
        ]
        await target.post(orjson.dumps(events), key=CALM)

    await many(scaled(200, size), 8, post)


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")


async def strange_requests(target: Target, size: float) -> None:
    """As many paths, headers, keys and encodings as can be made up."""

    async def ask(number: int) -> None:
        headers = {"X-Api-Key": f"key-{number}", "Content-Encoding": f"enc-{number}", f"X-{number}": "x"}
        async with target.http.request(
            METHODS[number % len(METHODS)], f"{target.url}/path-{number}/v1", headers=headers, data=b"{}"
        ) as answer:
            await answer.read()
            target.said[str(answer.status)] += 1

    await many(scaled(10_000, size), 32, ask)


async def ten_times_its_rate(target: Target, size: float) -> None:
    """A site that posts ten times what it may, one event a request, for a few seconds."""
    body = orjson.dumps(page_view(GREEDY))
    end = time.monotonic() + max(1.5, 6 * size)

    async def poster() -> None:
        while time.monotonic() < end:
            began = time.monotonic()
            await target.post(body, key=GREEDY)
            await asyncio.sleep(max(0.0, 16 / (10 * GREEDY_RATE) - (time.monotonic() - began)))

    await asyncio.gather(*(poster() for _ in range(16)))


ATTACKS: dict[str, Callable[[Target, float], Awaitable[None]]] = {
    attack.__name__: attack
    for attack in (
        idle_connections,
        slow_heads,
        slow_bodies,
        bodies_at_once,
        answers_never_read,
        nested_brackets,
        small_objects,
        endless_lines,
        gzip_bombs,
        zstd_bombs,
        large_bodies,
        strange_names,
        strange_requests,
        ten_times_its_rate,
    )
}


@dataclass
class Neighbour:
    """A store that posts an event now and then, and wants its answer."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    async def post_on(self, target: Target) -> None:
        body = orjson.dumps(page_view(CALM))
        async with aiohttp.ClientSession() as http:
            while True:
                began = time.monotonic()
                async with http.post(
                    f"{target.url}/v1/events", data=body, headers={"X-Api-Key": f"{CALM}-key"}
                ) as answer:
                    self.statuses[answer.status] += 1
                self.seconds.append(time.monotonic() - began)
                await asyncio.sleep(0.02)

    def percentile(self, part: float) -> float:
        """Return that percentile of the answers' times, in milliseconds."""
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(len(self.seconds) * part))] * 1000


@dataclass
class Report:
    """What an attack came to; memory in MB."""

    before: float
    peak: float
    after: float
    said: Counter[str]
    neighbour: Neighbour


async def report(target: Target, name: str, size: float) -> Report:
    """Run one attack and watch the gateway's memory and a neighbour meanwhile."""
    target.said.clear()
    neighbour = Neighbour()
    before = peak = target.memory
    posting = asyncio.create_task(neighbour.post_on(target))
    attack = asyncio.ensure_future(ATTACKS[name](target, size))
    while not attack.done():
        peak = max(peak, target.memory)
        await asyncio.sleep(_SAMPLE_SECONDS)
    await attack
    await asyncio.sleep(0.5)
    posting.cancel()
    with suppress(asyncio.CancelledError):
        await posting
    return Report(before, peak, target.memory, Counter(target.said), neighbour)


@asynccontextmanager
async def attacked(folder: Path) -> AsyncIterator[Target]:
    """Run a gateway with a calm site, one with a rate, and one without a key."""
    port, metrics_port = free_port(), free_port()
    async with Sandbox(rate=None) as sandbox, aiohttp.ClientSession() as http:
        outgoing = f'tracker_url = "{sandbox.url}/api/v2"\napi_url = "{sandbox.url}/api"\n'
        config = folder / "gateway.toml"
        config.write_text(f"""
[listen]
port = {port}
metrics_port = {metrics_port}
body_seconds = {BODY_SECONDS}
[stream]
path = "{folder / "stream.db"}"
append_seconds = 10
[links]
url = "sqlite:{folder / "links.db"}"
[[sites]]
id = "{CALM}"
keys = ["{CALM}-key"]
{outgoing}
[[sites]]
id = "{GREEDY}"
keys = ["{GREEDY}-key"]
ingest_rate = {GREEDY_RATE}
{outgoing}
[[sites]]
id = "{WILD}"
keys = ["{WILD}-key"]
{outgoing}
[[sites]]
id = "{OPEN}"
tracker = "open"
{outgoing}""")
        process = Process("run", "--config", str(config), port=port)
        with running(process):
            yield Target(process, port, metrics_port, http)


async def main(names: list[str], size: float) -> None:
    table = Table(
        "attack", "RSS before", "peak", "after", "attacker was told", "neighbour: told", "p50 ms", "p99 ms"
    )
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            async with attacked(Path(folder)) as target:
                found = await report(target, name, size)
        told = ", ".join(f"{status} x {count}" for status, count in found.said.most_common())
        answered = ", ".join(f"{status} x {count}" for status, count in found.neighbour.statuses.items())
        times = (f"{found.neighbour.percentile(part):.1f}" for part in (0.5, 0.99))
        memory = (f"{value:.0f}" for value in (found.before, found.peak, found.after))
        table.add_row(name, *memory, told, answered, *times)
    Console(width=150).print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(ATTACKS)}; all without any")
    parser.add_argument("--size", type=float, default=1.0, help="1 is full")
    options = parser.parse_args()
    asyncio.run(main(options.names or list(ATTACKS), options.size))
