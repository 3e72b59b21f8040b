"""`make bench`: what ingest costs on a real Kafka, beside the floor, the naive way and a sketch, in one run.

The server under measure has one core to itself, load and broker share the other. Each shape of load goes over
every server in turn; the count in the topic is held against the count accepted. Reports, asserts no time.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from rich.console import Console
from rich.table import Table

from gateway.demo.parts import Kafka, free_port
from tests.load import poster, rivals

SERVER_CORE, LOAD_CORE = 0, 1
KINDS = ("floor", "naive", "sketch", "gateway")
TOPICS = {"naive": "naive", "sketch": "sketch", "gateway": "bench.events"}


@dataclass
class Row:
    server: str
    batch: int
    connections: int
    events: int
    events_per_second: float
    cpu_us_per_event: float
    p50_ms: float
    p99_ms: float


def config(folder: Path, brokers: str, port: int, metrics_port: int, append_seconds: float = 5) -> Path:
    path = folder / "bench.toml"
    path.write_text(f"""
dev = true
[listen]
port = {port}
metrics_port = {metrics_port}
[stream]
kind = "kafka"
brokers = ["{brokers}"]
topic_prefix = "bench"
partitions = {rivals.PARTITIONS}
replication = 1
min_insync = 1
append_seconds = {append_seconds}
spool_path = "{folder / "spool.db"}"
[links]
url = "postgresql://unused@127.0.0.1:1/unused"
[[sites]]
id = "{poster.SITE}"
keys = ["{poster.KEY}"]
""")
    return path


@contextmanager
def server(kind: str, folder: Path, brokers: str) -> Iterator[tuple[psutil.Process, int]]:
    port = free_port()
    if kind == "gateway":
        command = ["gateway", "serve", "--config", str(config(folder, brokers, port, free_port()))]
    else:
        command = ["tests.load.rivals", kind, str(port), brokers]
    process = subprocess.Popen([sys.executable, "-m", *command])
    try:
        wait_for(port, process)
        os.sched_setaffinity(process.pid, {SERVER_CORE})
        yield psutil.Process(process.pid), port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def wait_for(port: int, process: subprocess.Popen) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1)
        except urllib.error.HTTPError as answer:
            if answer.code == 404:
                return
        except OSError:
            pass
        else:
            return
        time.sleep(0.1)
    raise SystemExit("the server does not answer")


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


async def stored(brokers: str, topic: str) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers)
    await consumer.start()
    try:
        ends = await consumer.end_offsets([TopicPartition(topic, p) for p in range(rivals.PARTITIONS)])
        return sum(ends.values())
    finally:
        await consumer.stop()


async def measure(kind: str, folder: Path, brokers: str, shapes: list[tuple[int, int, int]]) -> list[Row]:
    rows = []
    with server(kind, folder, brokers) as (process, port):
        shuffle = random.Random(7)
        for batch, connections, events in shapes:
            requests = [poster.request([poster.event(shuffle) for _ in range(batch)]) for _ in range(200)]
            await poster.post(port, requests, max(connections, 2000 // batch), connections)  # warm up
            before = await stored(brokers, TOPICS[kind]) if kind in TOPICS else 0
            cpu = cpu_seconds(process)
            outcome = await poster.post(port, requests, events // batch, connections)
            cpu = cpu_seconds(process) - cpu
            accepted = outcome.statuses.get(202, 0) * batch
            if kind in TOPICS:
                in_topic = await stored(brokers, TOPICS[kind]) - before
                assert in_topic == accepted, f"{kind}: {accepted} accepted, {in_topic} in the topic"
            rows.append(
                Row(
                    kind,
                    batch,
                    connections,
                    accepted,
                    accepted / outcome.elapsed,
                    cpu / accepted * 1e6,
                    outcome.percentile(0.5) * 1000,
                    outcome.percentile(0.99) * 1000,
                )
            )
    return rows


async def run(scale: float) -> list[Row]:
    shapes = [(1, 64, int(60_000 * scale)), (10, 64, int(200_000 * scale)), (100, 32, int(500_000 * scale))]
    os.sched_setaffinity(0, {LOAD_CORE})
    rows = []
    with tempfile.TemporaryDirectory() as folder, Kafka() as broker:
        for task in Path(f"/proc/{broker.pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {LOAD_CORE})
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
        await admin.start()
        await admin.create_topics([NewTopic(name, rivals.PARTITIONS, 1) for name in ("naive", "sketch")])
        await admin.close()
        path = config(Path(folder), broker.address, free_port(), free_port())
        subprocess.run(
            [sys.executable, "-m", "gateway", "topics", "create", "--config", str(path)], check=True
        )
        for kind in KINDS:
            rows += await measure(kind, Path(folder), broker.address, shapes)
    return rows


def show(rows: list[Row]) -> None:
    table = Table(
        "events a request", "server", "events/s", "CPU us/event", "of the sketch", "p50 ms", "p99 ms"
    )
    for batch in sorted({row.batch for row in rows}):
        sketch = next(row for row in rows if row.batch == batch and row.server == "sketch")
        for row in rows:
            if row.batch == batch:
                table.add_row(
                    str(batch),
                    row.server,
                    f"{row.events_per_second:,.0f}",
                    f"{row.cpu_us_per_event:.1f}",
                    f"{row.cpu_us_per_event / sketch.cpu_us_per_event:.2f}",
                    f"{row.p50_ms:.1f}",
                    f"{row.p99_ms:.1f}",
                )
        table.add_section()
    Console(width=100).print(table)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--scale", type=float, default=1.0, help="share of the usual number of events")
    options.add_argument("--json", type=Path, default=Path("bench-results/ingest.json"))
    chosen = options.parse_args()
    rows = uvloop.run(run(chosen.scale))
    show(rows)
    chosen.json.parent.mkdir(exist_ok=True)
    chosen.json.write_text(json.dumps([asdict(row) for row in rows], indent=2))
    print(f"as JSON: {chosen.json}")


if __name__ == "__main__":
    main()
