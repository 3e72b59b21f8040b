"""The scheduler: order in a lane, fairness between lanes, and letting go, whatever deliveries do."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.delivery.lanes import Aside, Lanes
from gateway.stream import Mark

Delivery = Callable[[str], Awaitable[Aside | None]]


async def at_once() -> None:
    return


@asynccontextmanager
async def running(
    deliver: Delivery, workers: int = 4, window: int = 1000, turn: Callable[[], Awaitable[None]] = at_once
) -> AsyncIterator[Lanes[str]]:
    async def each(records: Sequence[str]) -> list[Aside | None]:
        return [await deliver(record) for record in records]

    lanes = Lanes(each, turn, workers, window)
    lanes.start()
    try:
        yield lanes
    finally:
        await lanes.stop_all(0)


def fill(lanes: Lanes[str], records: list[str], partition: int = 0, start: int = 0) -> None:
    """Add records named `lane:number`, at offsets that count up."""
    lanes.hold(partition, ())
    for offset, record in enumerate(records, start):
        lanes.add(partition, offset, record.partition(":")[0], record)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


class Desk:
    """Deliveries that wait for the test to end them."""

    def __init__(self) -> None:
        self.under_way: dict[str, asyncio.Future[Aside | None]] = {}
        self.begun: list[str] = []

    async def deliver(self, record: str) -> Aside | None:
        self.begun.append(record)
        self.under_way[record] = asyncio.get_running_loop().create_future()
        try:
            return await self.under_way[record]
        finally:
            del self.under_way[record]

    async def end(self, record: str, outcome: Aside | None = None) -> None:
        await until(lambda: record in self.under_way)
        self.under_way[record].set_result(outcome)


async def test_lanes_go_side_by_side_and_two_of_one_lane_never() -> None:
    desk = Desk()
    async with running(desk.deliver) as lanes:
        fill(lanes, ["a:1", "a:2", "b:1", "c:1"])
        await until(lambda: len(desk.under_way) == 3)
        assert set(desk.under_way) == {"a:1", "b:1", "c:1"}
        await desk.end("a:1")
        await until(lambda: "a:2" in desk.under_way)


async def test_no_more_are_under_way_than_there_are_workers() -> None:
    desk = Desk()
    async with running(desk.deliver, workers=2) as lanes:
        fill(lanes, ["a:1", "b:1", "c:1"])
        await until(lambda: len(desk.under_way) == 2)
        await asyncio.sleep(0.01)
        assert len(desk.begun) == 2


async def test_a_lane_goes_to_the_end_of_the_queue_after_each_delivery() -> None:
    delivered = []

    async def deliver(record: str) -> None:
        delivered.append(record)

    async with running(deliver, workers=1) as lanes:
        fill(lanes, ["a:1", "a:2", "a:3", "b:1", "b:2", "c:1"])
        await until(lambda: len(delivered) == 6)
    assert delivered == ["a:1", "b:1", "c:1", "a:2", "b:2", "a:3"]


async def test_a_lane_that_waits_for_its_retry_holds_no_worker_and_keeps_its_order() -> None:
    delivered = []
    failing = {"a:1": 3}

    async def deliver(record: str) -> Aside | None:
        if failing.get(record, 0):
            failing[record] -= 1
            return Aside(0.01)
        delivered.append(record)
        return None

    async with running(deliver, workers=1) as lanes:
        fill(lanes, ["a:1", "a:2", "b:1", "b:2"])
        await until(lambda: len(delivered) == 4)
    assert delivered == ["b:1", "b:2", "a:1", "a:2"]


async def test_release_ends_the_waits_for_a_gate_and_no_other() -> None:
    delivered = []
    waits = {"held:1": Aside(3600, held=True), "own:1": Aside(3600)}

    async def deliver(record: str) -> Aside | None:
        if record in waits:
            return waits.pop(record)
        delivered.append(record)
        return None

    async with running(deliver) as lanes:
        fill(lanes, ["held:1", "own:1"])
        await until(lambda: not waits)
        lanes.release()
        await until(lambda: bool(delivered))
        await asyncio.sleep(0.01)
        assert delivered == ["held:1"]


async def test_nothing_starts_without_its_turn() -> None:
    desk, turns = Desk(), asyncio.Semaphore(0)

    async def turn() -> None:
        await turns.acquire()

    async with running(desk.deliver, turn=turn) as lanes:
        fill(lanes, ["a:1", "b:1"])
        await asyncio.sleep(0.01)
        assert desk.begun == []
        turns.release()
        await until(lambda: desk.begun == ["a:1"])


async def test_a_stop_does_not_wait_for_what_waits_for_its_turn() -> None:
    desk = Desk()

    async def never() -> None:
        await asyncio.Event().wait()

    async with running(desk.deliver, turn=never) as lanes:
        fill(lanes, ["a:1"])
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            assert await lanes.stop([0], 3600) == [Mark(0, 0)]


async def test_a_partition_is_full_at_its_window_and_has_room_again() -> None:
    desk = Desk()
    async with running(desk.deliver, window=3) as lanes:
        fill(lanes, ["a:1", "a:2"], partition=0)
        fill(lanes, ["b:1", "b:2", "b:3"], partition=1)
        assert lanes.full() == {1}
        await desk.end("b:1")
        await until(lambda: not lanes.full())


async def test_marks_tell_what_is_done_and_only_when_it_changes() -> None:
    desk = Desk()
    async with running(desk.deliver) as lanes:
        fill(lanes, ["a:1", "b:1", "c:1"], start=5)
        assert lanes.marks() == [Mark(0, 5)]
        await desk.end("b:1")
        await lanes.news.wait()
        assert lanes.marks() == [Mark(0, 5, ((6, 6),))]
        assert lanes.marks() == []


async def test_a_new_mark_does_not_forget_what_an_earlier_reader_had_done() -> None:
    desk = Desk()
    async with running(desk.deliver) as lanes:
        lanes.hold(0, ((6, 1000),))
        lanes.add(0, 5, "a", "a:1")
        assert lanes.marks() == [Mark(0, 5, ((6, 1000),))]
        await desk.end("a:1")
        await lanes.news.wait()
        assert lanes.marks() == [Mark(0, 1001)]


async def test_a_stop_lets_what_is_under_way_end_and_starts_nothing_more_of_the_partition() -> None:
    desk = Desk()
    async with running(desk.deliver, workers=2) as lanes:
        fill(lanes, ["a:1", "a:2", "b:1"], partition=0)
        await until(lambda: len(desk.under_way) == 2)
        stopping = asyncio.create_task(lanes.stop([0], 60))
        await desk.end("b:1")
        await asyncio.sleep(0.01)
        assert not stopping.done()
        await desk.end("a:1")
        assert await stopping == [Mark(0, 1, ((2, 2),))]
        assert desk.begun == ["a:1", "b:1"]


async def test_a_stop_cancels_what_outlasts_the_deadline_and_does_not_call_it_done() -> None:
    desk = Desk()
    async with running(desk.deliver, workers=1) as lanes:
        fill(lanes, ["a:1"], partition=0)
        await until(lambda: "a:1" in desk.under_way)
        assert await lanes.stop([0], 0.01) == [Mark(0, 0)]
        assert not desk.under_way
        fill(lanes, ["a:1"], partition=1)
        await until(lambda: desk.begun == ["a:1", "a:1"])


async def test_other_partitions_go_on_while_one_stops() -> None:
    desk = Desk()
    async with running(desk.deliver) as lanes:
        fill(lanes, ["a:1"], partition=0)
        fill(lanes, ["b:1", "b:2"], partition=1)
        stopping = asyncio.create_task(lanes.stop([0], 60))
        await desk.end("b:1")
        await desk.end("b:2")
        await until(lambda: lanes.marks() == [Mark(1, 2)])
        await desk.end("a:1")
        await stopping


async def test_a_partition_given_back_begins_anew_while_its_former_lanes_are_gone() -> None:
    desk = Desk()
    waiting = Aside(0.02)
    async with running(desk.deliver) as lanes:
        fill(lanes, ["a:1", "a:2"])
        await desk.end("a:1", waiting)
        await until(lambda: not desk.under_way)
        assert await lanes.stop([0], 60) == [Mark(0, 0)]
        fill(lanes, ["a:1", "a:2"])
        await desk.end("a:1")
        await desk.end("a:2")
        await asyncio.sleep(0.05)
        assert desk.begun == ["a:1", "a:1", "a:2"]


async def test_a_delivery_that_raises_is_not_passed_over_in_silence() -> None:
    async def deliver(record: str) -> None:
        raise LookupError(record)

    async with running(deliver) as lanes:
        fill(lanes, ["a:1"])
        with pytest.raises(LookupError):
            await until(lambda: lanes.check() is not None)


@given(
    records=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=60),
    failures=st.lists(st.integers(0, 2), min_size=60, max_size=60),
    workers=st.integers(1, 8),
)
@settings(max_examples=50, deadline=None)
def test_order_of_each_lane_holds_whatever_fails(
    records: list[str], failures: list[int], workers: int
) -> None:
    asyncio.run(_every_lane_arrives_in_order(records, failures, workers))


async def _every_lane_arrives_in_order(records: list[str], failures: list[int], workers: int) -> None:
    left = {f"{lane}:{number}": failures[number] for number, lane in enumerate(records)}
    arrived: dict[str, list[str]] = defaultdict(list)
    flying: set[str] = set()

    async def deliver(record: str) -> Aside | None:
        lane = record.partition(":")[0]
        assert lane not in flying
        flying.add(lane)
        await asyncio.sleep(0)
        flying.remove(lane)
        if left[record]:
            left[record] -= 1
            return Aside(0.0, held=left[record] == 1)
        arrived[lane].append(record)
        return None

    async with running(deliver, workers) as lanes:
        fill(lanes, list(left))
        expected = Mark(0, len(records))
        await until(lambda: lanes.check() is None and lanes.marks() == [expected])
    for lane, got in arrived.items():
        assert got == [record for record in left if record.startswith(lane)]
