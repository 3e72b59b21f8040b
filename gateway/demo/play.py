"""`gateway demo`: starts a stand-in eSputnik and the gateway on free ports, and plays the story on them."""

import asyncio
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from gateway.app import Gateway
from gateway.config import Config, Logs
from gateway.demo.story import KEY, SITE, show, story, tell
from gateway.logs import set_up
from gateway.parts import Part, topics_of
from gateway.sandbox import Sandbox
from gateway.stream.kafka_topics import create_topics


async def play(stay: bool, kafka: bool) -> int:
    """Play the story and print it; return 0 only if all of it arrived, in order, about the right person."""
    console = Console(width=None if Console().is_terminal else 150)
    set_up(Logs(format="console", level="warning"))
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-demo-")))
        parts = (
            await stack.enter_async_context(_real_parts(console, folder))
            if kafka
            else _embedded_parts(folder)
        )
        sandbox = await stack.enter_async_context(Sandbox())
        gateway = await stack.enter_async_context(_running(_config(sandbox.url, parts)))
        gateway_url = f"http://127.0.0.1:{gateway.port}"
        started = time.perf_counter()
        steps = story()
        well = await tell(steps, gateway_url, sandbox.url)
        seconds = time.perf_counter() - started
        show(steps, console)
        posted, arrived = len(steps), sum(step.arrived is not None for step in steps)
        refused = sum(step.refused for step in steps)
        console.print(
            f"{posted} posted, {refused} refused as it should be, {arrived} arrived, in {seconds:.1f} s."
        )
        console.print("All of it arrived, in order." if well else "[red]Not all of it arrived as it should.")
        if stay:
            console.print(
                f"The gateway: {gateway_url}/docs  eSputnik's stand-in: {sandbox.url}/  Ctrl-C ends both."
            )
            await _until_interrupted()
    return 0 if well else 1


def _embedded_parts(folder: Path) -> dict[str, Any]:
    return {
        "stream": {"kind": "sqlite", "path": folder / "stream.db", "append_seconds": 5},
        "links": {"url": f"sqlite:{folder / 'links.db'}"},
    }


@asynccontextmanager
async def _real_parts(console: Console, folder: Path) -> AsyncIterator[dict[str, Any]]:
    from gateway.demo.parts import Kafka, Postgres  # noqa: PLC0415 - they need the extra `local`

    console.print("Starting Kafka and PostgreSQL (the first time, Kafka is fetched from Maven Central) …")
    broker, postgres = (
        await asyncio.to_thread(Kafka().__enter__),
        await asyncio.to_thread(Postgres().__enter__),
    )
    try:
        stream = {
            "kind": "kafka",
            "brokers": [broker.address],
            "replication": 1,
            "min_insync": 1,
            "append_seconds": 5,
            "spool_path": folder / "spool.db",
        }
        links = {"url": await asyncio.to_thread(postgres.create_database, "gateway")}
        yield {"dev": True, "stream": stream, "links": links}
    finally:
        await asyncio.gather(asyncio.to_thread(broker.__exit__), asyncio.to_thread(postgres.__exit__))


def _config(sandbox_url: str, parts: dict[str, Any]) -> Config:
    site = {
        "id": SITE,
        "keys": [KEY],
        "sources": {"StatusCart": "backend"},
        "tracker_url": f"{sandbox_url}/api/v2",
        "api_url": f"{sandbox_url}/api",
        "api_key": "sandbox-key",
    }
    return Config(listen={"port": 0, "metrics_port": 0}, sites=[site], **parts)


@asynccontextmanager
async def _running(config: Config) -> AsyncIterator[Gateway]:
    if config.stream.kind == "kafka":
        await create_topics(config.stream, topics_of(config))
    gateway = Gateway(config, set(Part))
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


async def _until_interrupted() -> None:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    await told.wait()
