import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.config import StreamSettings
from gateway.errors import ConfigError, NotDurable
from gateway.stream import Entry
from gateway.stream import spool as spool_room
from gateway.stream.spool import Spool


class Away:
    """A partition of Kafka that takes nothing until it is back."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.asked = 0
        self.problem: Exception | None = NotDurable("no Kafka broker answers")

    async def write(self, entries: list[Entry]) -> None:
        self.asked += 1
        if self.problem is not None:
            raise self.problem
        self.taken += [entry.value for entry in entries]


@pytest.fixture
def kafka() -> Away:
    return Away()


@pytest.fixture
async def spool(tmp_path: Path, kafka: Away, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Spool]:
    monkeypatch.setattr(spool_room, "DISK_SECONDS", 0.2)
    monkeypatch.setattr(spool_room, "_RETRY_SECONDS", (0.01,))
    spool = await Spool.open(StreamSettings(spool_path=tmp_path / "spool.db"), "unit", [kafka.write])
    yield spool
    await spool.close()


async def until_taken(kafka: Away, *values: bytes) -> None:
    async with asyncio.timeout(5):
        while kafka.taken[-len(values) :] != list(values):
            await asyncio.sleep(0.01)


async def test_what_the_disk_took_too_late_for_its_caller_confuses_nothing_behind_it(
    spool: Spool, kafka: Away
) -> None:
    (partition,) = spool.partitions
    disk = threading.Event()
    stalled = spool._log.writer.submit(lambda _: disk.wait(5))
    with pytest.raises(NotDurable):
        await partition.take([Entry("lane", b"refused")], None)
    disk.set()
    await stalled
    await partition.take([Entry("lane", b"1")], None)
    kafka.problem = None
    await until_taken(kafka, b"refused", b"1")
    async with asyncio.timeout(3):
        while partition.is_behind:
            await asyncio.sleep(0.01)
    assert spool.used == 0
    kafka.problem = NotDurable("away again")
    await partition.take([Entry("lane", b"2")], None)
    assert partition.is_behind
    kafka.problem = None
    await until_taken(kafka, b"2")


async def test_a_mistake_in_the_client_of_kafka_does_not_end_the_draining_and_is_told_once(
    spool: Spool, kafka: Away
) -> None:
    (partition,) = spool.partitions
    kafka.problem = AssertionError("the cluster is not as it thinks")
    with capture_logs() as logs:
        await partition.take([Entry("lane", b"1")], None)
        async with asyncio.timeout(5):
            while kafka.asked < 3:
                await asyncio.sleep(0.01)
    (told,) = [line for line in logs if line["event"] == "spool_waits"]
    assert told["reason"] == "AssertionError: the cluster is not as it thinks"
    kafka.problem = None
    await until_taken(kafka, b"1")


async def test_what_was_spooled_with_another_count_of_partitions_is_neither_stranded_nor_swapped(
    tmp_path: Path, kafka: Away
) -> None:
    settings = StreamSettings(spool_path=tmp_path / "spool.db")
    spool = await Spool.open(settings, "unit", [kafka.write] * 3)
    await spool.partitions[2].take([Entry("lane", b"1")], None)
    await spool.close()
    for count in (2, 4):
        with pytest.raises(ConfigError, match=f"partitions is {count}, .* holds 1 records"):
            await Spool.open(settings, "unit", [kafka.write] * count)
    kafka.problem = None
    spool = await Spool.open(settings, "unit", [kafka.write] * 3)
    await until_taken(kafka, b"1")
    async with asyncio.timeout(5):
        while spool.partitions[2].is_behind:
            await asyncio.sleep(0.01)
    await spool.close()
    await (await Spool.open(settings, "unit", [kafka.write] * 2)).close()
