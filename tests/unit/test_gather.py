import asyncio
from collections.abc import Sequence

import pytest
from prometheus_client import REGISTRY

from gateway.stream import Entry
from gateway.stream.gather import Gatherer, Landing

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


async def started(disk: Disk, count: int = 1) -> None:
    """Return when that many writes have begun."""
    async with asyncio.timeout(5):
        while len(disk.written) < count:
            await asyncio.sleep(0)


def joined(gatherer: Gatherer, *values: bytes) -> asyncio.Task[str | None]:
    """Append the values, and return the task of a caller that waits for the outcome."""
    landing = Landing(1)
    gatherer.join([Entry("lane", value) for value in values], landing)

    async def wait() -> str | None:
        return (await landing.wait()).get(gatherer)

    return asyncio.ensure_future(wait())


async def reasons(*outcomes: asyncio.Future[str | None]) -> Sequence[str | None]:
    return await asyncio.gather(*outcomes)


async def test_entries_of_one_loop_turn_share_a_write(gatherer: Gatherer, disk: Disk) -> None:
    outcomes = [joined(gatherer, b"%d" % number) for number in range(100)]
    assert await reasons(*outcomes) == [None] * 100
    assert disk.written == [[b"%d" % number for number in range(100)]]


async def test_while_a_write_is_under_way_the_next_gathers(gatherer: Gatherer, disk: Disk) -> None:
    disk.gate.clear()
    first = joined(gatherer, b"1")
    await started(disk)
    later = [joined(gatherer, b"2"), joined(gatherer, b"3", b"4")]
    disk.gate.set()
    assert await reasons(first, *later) == [None, None, None]
    assert disk.written == [[b"1"], [b"2", b"3", b"4"]]


async def test_a_caller_that_is_cancelled_harms_no_other(gatherer: Gatherer, disk: Disk) -> None:
    disk.gate.clear()
    gone, stays = joined(gatherer, b"1"), joined(gatherer, b"2")
    await started(disk)
    gone.cancel()
    disk.gate.set()
    assert await stays is None
    assert gone.cancelled()
    assert disk.written == [[b"1", b"2"]]


async def test_a_landing_is_over_when_every_part_is_and_names_those_that_failed(
    gatherer: Gatherer, disk: Disk
) -> None:
    broken = Disk()
    broken.problem = OSError("the disk is full")
    other = Gatherer(broken.write, SECONDS, "unit")
    landing = Landing(2)
    for part in (gatherer, other):
        part.join([Entry("lane", b"1")], landing)
    assert await landing.wait() == {other: "OSError: the disk is full"}
    assert disk.written == broken.written == [[b"1"]]


async def test_a_failed_write_fails_what_queued_behind_it(gatherer: Gatherer, disk: Disk) -> None:
    disk.gate.clear()
    disk.problem = OSError("the disk is full")
    first = joined(gatherer, b"1")
    await started(disk)
    behind = joined(gatherer, b"2")
    disk.gate.set()
    assert await reasons(first, behind) == ["OSError: the disk is full"] * 2
    assert disk.written == [[b"1"]]
    disk.problem = None
    assert await joined(gatherer, b"3") is None


async def test_a_late_write_fails_in_time_with_what_queued_behind_it(gatherer: Gatherer, disk: Disk) -> None:
    disk.gate.clear()
    first = joined(gatherer, b"1")
    await started(disk)
    behind = joined(gatherer, b"2")
    async with asyncio.timeout(SECONDS + 1):
        assert await reasons(first, behind) == ["not durable within 0.2 s"] * 2
    assert disk.written == [[b"1"]]
    disk.gate.set()


async def test_nothing_is_written_behind_a_late_write_until_it_is_over(
    gatherer: Gatherer, disk: Disk
) -> None:
    disk.gate.clear()
    assert await joined(gatherer, b"1") is not None
    async with asyncio.timeout(SECONDS + 1):
        assert await joined(gatherer, b"2") is not None
    waiting = joined(gatherer, b"3")
    assert disk.written == [[b"1"]]
    disk.gate.set()
    assert await waiting is None
    assert disk.written == [[b"1"], [b"3"]]


async def test_a_late_write_that_fails_in_the_end_fails_nobody_anew(gatherer: Gatherer, disk: Disk) -> None:
    disk.gate.clear()
    disk.problem = OSError()
    assert await joined(gatherer, b"1") is not None
    waiting = joined(gatherer, b"2")
    disk.gate.set()
    assert await waiting == "OSError: "
    assert disk.written == [[b"1"], [b"2"]]


async def test_close_waits_for_what_was_taken_and_refuses_the_rest(gatherer: Gatherer, disk: Disk) -> None:
    outcome = joined(gatherer, b"1")
    await gatherer.close()
    assert await outcome is None
    assert await joined(gatherer, b"2") == "the stream is closed"
    assert disk.written == [[b"1"]]


async def test_close_is_bounded_while_a_write_hangs(gatherer: Gatherer, disk: Disk) -> None:
    disk.gate.clear()
    outcome = joined(gatherer, b"1")
    await started(disk)
    async with asyncio.timeout(2 * SECONDS + 1):
        await gatherer.close()
    assert await outcome is not None
    disk.gate.set()


async def test_writes_entries_and_failures_are_counted(gatherer: Gatherer, disk: Disk) -> None:
    def counted() -> list[float]:
        names = ("seconds_count", "entries_total", "failures_total")
        return [REGISTRY.get_sample_value(f"gateway_append_{name}", {"topic": "unit"}) or 0 for name in names]

    before = counted()
    await joined(gatherer, b"1", b"2")
    disk.problem = OSError()
    await joined(gatherer, b"3")
    assert [now - then for now, then in zip(counted(), before, strict=True)] == [1, 2, 1]
