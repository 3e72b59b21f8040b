import asyncio
from collections.abc import Sequence

import pytest
from prometheus_client import REGISTRY

from gateway.stream import Entry
from gateway.stream.gather import Gatherer

SECONDS = 0.2


class Disk:
    """A log whose writes end when the test says so."""

    def __init__(self) -> None:
        self.written: list[list[bytes]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.problem: Exception | None = None

    async def write(self, entries: list[Entry]) -> None:
        self.written.append([entry.value for entry in entries])
        await self.gate.wait()
        if self.problem is not None:
            raise self.problem


@pytest.fixture
async def disk() -> Disk:
    return Disk()


@pytest.fixture
async def gatherer(disk: Disk) -> Gatherer:
    return Gatherer(disk.write, SECONDS, "unit")


def some(*values: bytes) -> list[Entry]:
    return [Entry("lane", value) for value in values]


async def started(disk: Disk, count: int = 1) -> None:
    """Return when that many writes have begun."""
    async with asyncio.timeout(5):
        while len(disk.written) < count:
            await asyncio.sleep(0)


async def reasons(*outcomes: asyncio.Future[str | None]) -> Sequence[str | None]:
    return await asyncio.gather(*outcomes)


async def test_entries_of_one_loop_turn_share_a_write(gatherer: Gatherer, disk: Disk) -> None:
    outcomes = [gatherer.join(some(b"%d" % number)) for number in range(100)]
    assert await reasons(*outcomes) == [None] * 100
    assert disk.written == [[b"%d" % number for number in range(100)]]


async def test_while_a_write_is_under_way_the_next_gathers(gatherer: Gatherer, disk: Disk) -> None:
    disk.gate.clear()
    first = gatherer.join(some(b"1"))
    await started(disk)
    later = [gatherer.join(some(b"2")), gatherer.join(some(b"3", b"4"))]
    disk.gate.set()
    assert await reasons(first, *later) == [None, None, None]
    assert disk.written == [[b"1"], [b"2", b"3", b"4"]]


async def test_a_group_has_one_future_however_many_wait_for_it(gatherer: Gatherer) -> None:
    assert gatherer.join(some(b"1")) is gatherer.join(some(b"2"))
    assert await gatherer.join(some(b"3")) is None


async def test_a_failed_write_fails_what_queued_behind_it(gatherer: Gatherer, disk: Disk) -> None:
    disk.gate.clear()
    disk.problem = OSError("the disk is full")
    first = gatherer.join(some(b"1"))
    await started(disk)
    behind = gatherer.join(some(b"2"))
    disk.gate.set()
    assert await reasons(first, behind) == ["OSError: the disk is full"] * 2
    assert disk.written == [[b"1"]]
    disk.problem = None
    assert await gatherer.join(some(b"3")) is None


async def test_a_late_write_fails_in_time_with_what_queued_behind_it(gatherer: Gatherer, disk: Disk) -> None:
    disk.gate.clear()
    first = gatherer.join(some(b"1"))
    await started(disk)
    behind = gatherer.join(some(b"2"))
    async with asyncio.timeout(SECONDS + 1):
        assert await reasons(first, behind) == ["not durable within 0.2 s"] * 2
    assert disk.written == [[b"1"]]
    disk.gate.set()


async def test_nothing_is_written_behind_a_late_write_until_it_is_over(
    gatherer: Gatherer, disk: Disk
) -> None:
    disk.gate.clear()
    assert await gatherer.join(some(b"1")) is not None
    async with asyncio.timeout(SECONDS + 1):
        assert await gatherer.join(some(b"2")) is not None
    waiting = gatherer.join(some(b"3"))
    assert disk.written == [[b"1"]]
    disk.gate.set()
    assert await waiting is None
    assert disk.written == [[b"1"], [b"3"]]


async def test_a_late_write_that_fails_in_the_end_fails_nobody_anew(gatherer: Gatherer, disk: Disk) -> None:
    disk.gate.clear()
    disk.problem = OSError()
    assert await gatherer.join(some(b"1")) is not None
    waiting = gatherer.join(some(b"2"))
    disk.gate.set()
    assert await waiting == "OSError: "
    assert disk.written == [[b"1"], [b"2"]]


async def test_close_waits_for_what_was_taken_and_refuses_the_rest(gatherer: Gatherer, disk: Disk) -> None:
    outcome = gatherer.join(some(b"1"))
    await gatherer.close()
    assert outcome.result() is None
    assert gatherer.join(some(b"2")).result() == "the stream is closed"
    assert disk.written == [[b"1"]]


async def test_close_is_bounded_while_a_write_hangs(gatherer: Gatherer, disk: Disk) -> None:
    disk.gate.clear()
    outcome = gatherer.join(some(b"1"))
    await started(disk)
    async with asyncio.timeout(2 * SECONDS + 1):
        await gatherer.close()
    assert outcome.result() is not None
    disk.gate.set()


async def test_writes_entries_and_failures_are_counted(gatherer: Gatherer, disk: Disk) -> None:
    def counted() -> list[float]:
        names = ("seconds_count", "entries_total", "failures_total")
        return [REGISTRY.get_sample_value(f"gateway_append_{name}", {"topic": "unit"}) or 0 for name in names]

    before = counted()
    await gatherer.join(some(b"1", b"2"))
    disk.problem = OSError()
    await gatherer.join(some(b"3"))
    assert [now - then for now, then in zip(counted(), before, strict=True)] == [1, 2, 1]
