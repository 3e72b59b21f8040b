"""Broken requests without end against a real gateway: it answers each, and never with a mistake of its own.

python -m tests.load.fuzz --count 1000000 --seed 1
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import psutil

from gateway.demo.parts import free_port
from tests.load.mutator import KEY, SITE, Mutator, Sent
from tests.processes import Process, running

EVENTS, TRACKER = "/v1/events", "/api/v2"
OPERATOR = "operator-key"
_NOT_FUZZED = {"operator", "relay"}
_CONNECTIONS = 16
_ANSWER_SECONDS = 30.0
_BROKEN_SECONDS = 2.0
_MB = 2**20


@dataclass
class Findings:
    """What the requests came to."""

    answers: Counter[str] = field(default_factory=Counter)
    """By status; "closed" stands for a broken request that got none."""
    mistakes: list[str] = field(default_factory=list)
    """Whatever should not have happened, with the request that did it."""
    seconds: float = 0.0
    memory: list[float] = field(default_factory=list)
    """MB that the gateway took after each tenth: a leak climbs for ever, what is remembered levels off."""

    @property
    def growth(self) -> float:
        """Return by how many MB the gateway grew after the first tenth."""
        return self.memory[-1] - self.memory[0]

    def look_at(self, sent: Sent, status: int, body: bytes) -> None:
        """Note an answer, and what is wrong with it."""
        self.answers[str(status)] += 1
        if wrong := _what_is_wrong(sent, status, body):
            self.mistakes.append(f"{wrong}: {sent.raw[:2000]!r} -> {status} {body[:500]!r}")


def _what_is_wrong(sent: Sent, status: int, body: bytes) -> str | None:
    if status >= 500 and status != 505:  # 505 is the HTTP version that nobody speaks
        return "a mistake of the gateway's own"
    if sent.path not in (EVENTS, TRACKER) or not sent.is_sound:
        return None
    answer = orjson.loads(body)
    if "results" in answer:
        return _what_is_wrong_with_results(answer, sent.events)
    is_problem = answer.get("status") == status and answer.get("code")
    return None if is_problem else "neither results nor problem"


def _what_is_wrong_with_results(answer: Any, events: int | None) -> str | None:
    results = answer["results"]
    if answer["accepted"] + answer["refused"] != len(results):
        return "the sums are wrong"
    if [result["index"] for result in results] != list(range(len(results))):
        return "the results are not in order"
    if events is not None and len(results) != events:
        return f"{len(results)} results for {events} events"
    return None


async def fuzz(process: Process, count: int, seed: int) -> Findings:
    """Send that many requests made from the seed, and return what they came to."""
    findings = Findings()
    paths = await post_paths(process.port)
    memory = psutil.Process(process.pid).memory_info
    began = time.monotonic()
    for tenth in range(10):
        per_worker = -(-count // 10 // _CONNECTIONS)
        shuffle = random.Random(f"{seed}/{tenth}")
        makers = [Mutator(shuffle.randrange(2**32), paths) for _ in range(_CONNECTIONS)]
        await asyncio.gather(
            *(_send_all(process.port, maker.requests(per_worker), findings) for maker in makers)
        )
        findings.memory.append(memory().rss / _MB)
        made, mistakes = sum(findings.answers.values()), len(findings.mistakes)
        print(f"  {made} requests, {mistakes} mistakes, {findings.memory[-1]:.0f} MB", flush=True)
    findings.seconds = time.monotonic() - began
    return findings


async def post_paths(port: int | None) -> list[str]:
    """Return every path that takes a POST, the two for events more often.

    Without those for an operator's key, and those that eSputnik itself would have to answer.
    """
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/openapi.json") as answer:
        paths = (await answer.json())["paths"]
    others = [
        path
        for path, item in paths.items()
        if "post" in item and "{" not in path and not _NOT_FUZZED & set(item["post"].get("tags", ()))
    ]
    return [EVENTS] * 2 * len(others) + [TRACKER] * len(others) + others


async def _send_all(port: int | None, requests: Iterator[Sent], findings: Findings) -> None:
    connection = _Connection(port)
    for sent in requests:
        try:
            if sent.is_sound:
                findings.look_at(sent, *await connection.ask(sent.raw))
            elif (answer := await connection.try_to_ask(sent.raw)) is not None:
                findings.look_at(sent, *answer)
            else:
                findings.answers["closed"] += 1
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as problem:
            findings.mistakes.append(f"no answer ({type(problem).__name__}): {sent.raw[:2000]!r}")
            connection.close()
    connection.close()


class _Connection:
    """One connection that is kept as long as it lasts."""

    def __init__(self, port: int | None) -> None:
        self._port = port
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, raw: bytes) -> tuple[int, bytes]:
        """Return the status and the body of the answer."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        async with asyncio.timeout(_ANSWER_SECONDS):
            self._writer.write(raw)
            status, body, goes_on = await _answer(self._reader)
        if not goes_on:
            self.close()
        return status, body

    async def try_to_ask(self, raw: bytes) -> tuple[int, bytes] | None:
        """Return the answer to something that may not deserve one, on a connection of its own."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            async with asyncio.timeout(_BROKEN_SECONDS):
                writer.write(raw)
                status, body, _ = await _answer(reader)
                return status, body
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            return None
        finally:
            writer.transport.abort()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    headers = dict(line.split(b": ", 1) for line in lines[1:] if b": " in line)
    body = await reader.readexactly(int(headers.get(b"content-length", 0)))
    return int(lines[0].split()[1]), body, headers.get(b"connection") != b"close"


@asynccontextmanager
async def fuzzed(folder: Path) -> AsyncIterator[Process]:
    """Run a gateway whose eSputnik is away: what is accepted waits on disk."""
    port = free_port()
    config = folder / "gateway.toml"
    config.write_text(f"""
[listen]
port = {port}
metrics_port = 0
body_seconds = 0.3
[stream]
path = "{folder / "stream.db"}"
append_seconds = 20
[links]
url = "sqlite:{folder / "links.db"}"
[operator]
keys = ["{OPERATOR}"]
[[sites]]
id = "{SITE}"
keys = ["{KEY}"]
org_id = "7"
tracker_url = "http://127.0.0.1:1/api/v2"
api_url = "http://127.0.0.1:1/api"
answer_wait = 0
""")
    process = Process("run", "--config", str(config), port=port)
    with running(process):
        yield process


async def main(count: int, seed: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        async with fuzzed(Path(folder)) as process:
            findings = await fuzz(process, count, seed)
            failed = [
                line for line in process.log().splitlines() if "request_failed" in line or "Traceback" in line
            ]
    mistakes = findings.mistakes + failed
    print(f"seed {seed}: {sum(findings.answers.values())} requests in {findings.seconds:.0f} s")
    print("answers:", ", ".join(f"{status} x {times}" for status, times in findings.answers.most_common()))
    told = " ".join(f"{size:.0f}" for size in findings.memory)
    print(f"memory after each tenth, MB: {told}; {len(mistakes)} mistakes")
    for mistake in mistakes[:20]:
        print(mistake)
    return 1 if mistakes else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    with suppress(KeyboardInterrupt):
        raise SystemExit(asyncio.run(main(options.count, options.seed)))
