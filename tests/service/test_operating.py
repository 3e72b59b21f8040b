"""What an operator relies on: checks, logs and metrics, of a gateway in a process of its own."""

import asyncio
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from gateway.demo.parts import free_port
from gateway.sandbox import Sandbox
from tests.ledger import until_taken
from tests.processes import Process, running, write_config
from tests.service.conftest import KEY, cart, event


def embedded(folder: Path, **listen: float) -> str:
    settings = "\n".join(f"{name} = {value}" for name, value in listen.items())
    return f"""{settings}
[stream]
path = "{folder / "stream.db"}"
append_seconds = 5
[links]
url = "sqlite:{folder / "links.db"}"
"""


def gateway(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


async def check(config: Path) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(gateway, "check", "--config", str(config))


async def test_check_reaches_every_part_and_says_what_is_wrong(tmp_path: Path):
    async with Sandbox() as sandbox:
        good = write_config(tmp_path / "good.toml", sandbox.url, 0, embedded(tmp_path))
        ended = await check(good)
        assert (ended.returncode, ended.stdout.count("ok "), ended.stderr) == (0, 4, "")
        wrong_key = tmp_path / "wrong.toml"
        wrong_key.write_text(good.read_text().replace("sandbox-key", "another-key"))
        ended = await check(wrong_key)
        assert ended.returncode == 1
        assert "WRONG eSputnik for site shop" in ended.stdout
    ended = await check(good)
    assert (ended.returncode, ended.stdout.count("WRONG")) == (1, 1)
    assert "Traceback" not in ended.stderr


async def test_check_names_every_mistake_of_the_configuration_at_once(tmp_path: Path):
    config = tmp_path / "bad.toml"
    config.write_text('[listen]\nport = 99999\n[stream]\nkind = "files"\n[[sites]]\nid = "shop"\n')
    ended = await check(config)
    assert ended.returncode == 2
    assert {line.split(":")[1].strip() for line in ended.stderr.splitlines()} >= {
        "listen.port",
        "stream.kind",
    }
    assert "Traceback" not in ended.stderr


async def test_a_port_that_is_taken_is_told_in_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = await asyncio.to_thread(gateway, "sandbox", "--port", port)
    assert ended.returncode == 2
    assert re.fullmatch(
        rf"gateway: .*\b{port}\b.* in use: choose another, or stop what has it\n", ended.stderr
    )


async def test_metrics_tell_what_was_taken_refused_warned_and_delivered(tmp_path: Path):
    port, metrics_port = free_port(), free_port()
    async with Sandbox() as sandbox, aiohttp.ClientSession() as http:
        config = write_config(tmp_path / "gateway.toml", sandbox.url, port, embedded(tmp_path))
        config.write_text(config.read_text().replace("metrics_port = 0", f"metrics_port = {metrics_port}"))
        with running(Process("run", "--config", str(config), port=port)):
            batch = [event(), cart(), cart(0), event("MainPage", cookie=" c-1 ")]
            async with http.post(
                f"http://127.0.0.1:{port}/v1/events", json=batch, headers={"X-Api-Key": KEY}
            ) as answer:
                assert answer.status == 207
            await until_taken(sandbox.url, 3)
            samples = await scraped(http, metrics_port)
    shop = 'site="shop"'
    assert samples[f'gateway_events_accepted_total{{{shop},type="PageView"}}'] == 1
    assert samples[f'gateway_events_refused_total{{code="schema_violation",{shop},type="StatusCart"}}'] == 1
    assert samples[f'gateway_events_warned_total{{code="trimmed",{shop},type="MainPage"}}'] == 1
    assert samples[f'gateway_deliveries_total{{endpoint="tracker",outcome="delivered",{shop}}}'] == 3
    assert samples['gateway_requests_total{route="/v1/events",status="207"}'] == 1
    assert samples['gateway_append_seconds_count{topic="events"}'] >= 1
    assert samples["gateway_stitch_seconds_count"] >= 1


async def scraped(http: aiohttp.ClientSession, port: int) -> dict[str, float]:
    async with http.get(f"http://127.0.0.1:{port}/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        text = await answer.text()
    samples = re.findall(r"^(gateway_\S+?(?:\{.*\})?) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in samples}


@pytest.mark.parametrize("head", [b"", b"POST /v1/ev", b"POST /v1/events HTTP/1.1\r\nHost: x\r\nX-A: "])
async def test_a_connection_whose_request_head_never_ends_is_closed(tmp_path: Path, head: bytes):
    port = free_port()
    async with Sandbox() as sandbox:
        settings = embedded(tmp_path, idle_seconds=1)
        config = write_config(tmp_path / "gateway.toml", sandbox.url, port, settings)
        with running(Process("run", "--config", str(config), port=port)):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head)
            async with asyncio.timeout(20):
                assert b" 200 " not in await reader.read()
            writer.close()


async def test_a_connection_over_the_limit_is_asked_to_come_again(tmp_path: Path):
    port = free_port()
    async with Sandbox() as sandbox:
        settings = embedded(tmp_path, connections=2)
        config = write_config(tmp_path / "gateway.toml", sandbox.url, port, settings)
        with running(Process("run", "--config", str(config), port=port)):
            connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            async with asyncio.timeout(20):
                head = await reader.read()
            assert head.startswith(b"HTTP/1.1 503 ")
            assert b"Retry-After: " in head
            for _, one in [*connections, (reader, writer)]:
                one.close()


async def test_a_client_that_never_reads_its_answers_is_cut_off(tmp_path: Path):
    port, metrics_port = free_port(), free_port()
    async with Sandbox() as sandbox, aiohttp.ClientSession() as http:
        settings = embedded(tmp_path, idle_seconds=1)
        config = write_config(tmp_path / "gateway.toml", sandbox.url, port, settings)
        config.write_text(config.read_text().replace("metrics_port = 0", f"metrics_port = {metrics_port}"))
        with running(Process("run", "--config", str(config), port=port)):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 500)
            async with asyncio.timeout(30):
                while not (await scraped(http, metrics_port))["gateway_connections_cut_total"]:
                    await asyncio.sleep(0.1)
            writer.close()


async def test_a_client_that_never_reads_its_answers_does_not_use_up_the_time_of_a_stop(tmp_path: Path):
    port, metrics_port = free_port(), free_port()
    async with Sandbox() as sandbox, aiohttp.ClientSession() as http:
        settings = embedded(tmp_path, grace_seconds=10)
        config = write_config(tmp_path / "gateway.toml", sandbox.url, port, settings)
        config.write_text(config.read_text().replace("metrics_port = 0", f"metrics_port = {metrics_port}"))
        process = Process("run", "--config", str(config), port=port)
        with running(process):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 500)
            before, answered = -1.0, 0.0
            async with asyncio.timeout(30):
                while answered != before or not answered:  # until an answer is stuck
                    await asyncio.sleep(0.2)
                    counts = await scraped(http, metrics_port)
                    before = answered
                    answered = counts.get('gateway_requests_total{route="/openapi.json",status="200"}', 0)
            assert await asyncio.to_thread(process.end, signal.SIGTERM) == 0
            assert "stopped_late" not in process.log()
            writer.close()
