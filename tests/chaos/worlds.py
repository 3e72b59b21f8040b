"""What faults can hit: a gateway in one process on SQLite, or in several on Kafka and PostgreSQL."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import aiohttp

from gateway.demo.parts import Kafka, Part, Postgres, free_port
from gateway.sandbox import Sandbox
from tests.processes import Process, running, write_config

_SUPERVISOR_SECONDS = 0.5
_READY_SECONDS = 20

Fault = Callable[[random.Random], Awaitable[None]]

_IMPATIENT = """
[delivery]
timeout_seconds = 2
backoff_max_seconds = 1
probe_seconds = 1
"""
_ESPUTNIK = [
    {"status": 503, "times": 20},
    {"status": 500, "times": 5},
    {"status": 429, "times": 3, "retry_after": 1},
    {"reset": True, "times": 10},
    {"reset": True, "taken": True, "times": 10},
    {"hang": True, "times": 2},
    {"slow": 0.5, "times": 20},
]


class World:
    """A running gateway with everything around it."""

    def __init__(self, url: str, sandbox: Sandbox, faults: dict[str, Fault]) -> None:
        self.url = url
        self.sandbox = sandbox
        self.faults = faults | {"eSputnik": self._esputnik}

    async def _esputnik(self, shuffle: random.Random) -> None:
        async with aiohttp.ClientSession() as http:
            orders = [{"path": "/api/v2", **shuffle.choice(_ESPUTNIK)}]
            await http.post(f"{self.sandbox.url}/_sandbox/faults", json=orders)
            await asyncio.sleep(shuffle.uniform(0.2, 2))


@asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[World]:
    """Run everything in one process on SQLite."""
    port = free_port()
    parts = f"""
[stream]
path = "{folder / "stream.db"}"
[links]
url = "sqlite:{folder / "links.db"}"
{_IMPATIENT}"""
    async with Sandbox(rate=None) as sandbox:
        config = write_config(folder / "gateway.toml", sandbox.url, port, parts)
        gateway = Process("run", "--config", str(config), port=port)
        async with _supervised(gateway):
            yield World(f"http://127.0.0.1:{port}", sandbox, {"gateway": _ended(gateway)})


@asynccontextmanager
async def apart(folder: Path) -> AsyncIterator[World]:
    """Run ingest, and two each of stitching and delivery, on a real Kafka and a real PostgreSQL."""
    port = free_port()
    with ExitStack() as stack:
        kafka, postgres = stack.enter_context(Kafka()), stack.enter_context(Postgres())
        parts = f"""
[stream]
kind = "kafka"
brokers = ["{kafka.address}"]
replication = 1
min_insync = 1
spool_path = "{folder / "spool.db"}"
[links]
url = "{postgres.create_database("gateway")}"
{_IMPATIENT}"""
        async with Sandbox(rate=None) as sandbox:
            config = write_config(folder / "gateway.toml", sandbox.url, port, parts)
            config.write_text("dev = true\n" + config.read_text())
            create = Process("topics", "create", "--config", str(config))
            with running(create):
                assert await asyncio.to_thread(create.end, signal.SIGCONT) == 0, create.log()
            serve = Process("serve", "--config", str(config), port=port)
            stages = [
                Process(mode, "--config", str(config)) for mode in ("stitch", "stitch", "deliver", "deliver")
            ]
            faults = {
                "serve": _ended(serve),
                "a stage": lambda shuffle: _ended(shuffle.choice(stages))(shuffle),
                "a stage stopped": lambda shuffle: _stopped(shuffle.choice(stages), shuffle),
                "Kafka": _broken(kafka),
                "PostgreSQL": _broken(postgres),
            }
            async with _supervised(serve, *stages):
                yield World(f"http://127.0.0.1:{port}", sandbox, faults)


def _ended(process: Process) -> Fault:
    async def end(shuffle: random.Random) -> None:
        await asyncio.to_thread(process.end, shuffle.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
        await asyncio.sleep(shuffle.uniform(0, 0.5))
        if process.port is not None and shuffle.random() < 0.5:
            # Else a machine where a start takes longer than the next fault would never see it at work.
            await _until_ready(process.port)

    return end


async def _until_ready(port: int) -> None:
    """Return once whoever keeps it up has brought it back, or when that takes too long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_READY_SECONDS), aiohttp.ClientSession() as http:
            while True:
                with suppress(aiohttp.ClientError):
                    async with http.get(f"http://127.0.0.1:{port}/readyz") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)


@asynccontextmanager
async def _supervised(*processes: Process) -> AsyncIterator[None]:
    """Keep the processes up, as Kubernetes or systemd would."""

    async def keep_up() -> None:
        while True:
            for process in processes:
                process.keep_up()
            await asyncio.sleep(_SUPERVISOR_SECONDS)

    with running(*processes):
        supervisor = asyncio.create_task(keep_up())
        try:
            yield
        finally:
            supervisor.cancel()
            await asyncio.wait((supervisor,))


async def _stopped(process: Process, shuffle: random.Random) -> None:
    process.send(signal.SIGSTOP)
    await asyncio.sleep(shuffle.uniform(0.2, 3))
    process.send(signal.SIGCONT)


def _broken(part: Part) -> Fault:
    async def hit(shuffle: random.Random) -> None:
        pausing = shuffle.random() < 0.5
        await asyncio.to_thread(part.pause if pausing else part.kill)
        await asyncio.sleep(shuffle.uniform(0.2, 3))
        await asyncio.to_thread(part.resume if pausing else part.start)

    return hit
