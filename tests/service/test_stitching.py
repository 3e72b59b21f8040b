"""The stage between the topics, on a real stream and a real store: nothing lost, nothing twice."""

import asyncio
from collections.abc import AsyncIterator, Container, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.errors import ConfigError, NotDurable, Unreachable
from gateway.event import PROBE, Record
from gateway.identity.stitcher import Stitcher
from gateway.stitching import BATCH, GROUP, Stitching
from gateway.stream import Backlog, Entry, Mark, Stream, Taken
from tests.contracts.shop import SETTINGS as SHOP_SETTINGS
from tests.contracts.shop import stitcher
from tests.service.tracker import Parts, opened, record, until

SETTINGS = replace(SHOP_SETTINGS, link_age_ms=1000)


class Wire:
    """The real stream, and what may happen between it and the stage."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.refuse: list[int] = []
        """How many entries of the next appends fail, from their end."""
        self.commits_refused = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.appends = 0
        self.is_silent = False
        """Whether a read waits for ever."""

    async def append(self, entries: Sequence[Entry]) -> None:
        self.appends += 1
        await self.gate.wait()
        stands = len(entries) - (self.refuse.pop(0) if self.refuse else 0)
        await self._stream.append(entries[:stands])
        if stands < len(entries):
            raise NotDurable("the broker is away", range(stands, len(entries)))

    async def read(self, group: str, limit: int, full: Container[int] = ()) -> Taken:
        if self.is_silent:
            await asyncio.Event().wait()
        return await self._stream.read(group, limit, full)

    async def commit(self, group: str, marks: Sequence[Mark]) -> None:
        if self.commits_refused:
            self.commits_refused -= 1
            raise Unreachable("the broker is away")
        await self._stream.commit(group, marks)

    async def backlog(self, group: str) -> Backlog:
        return await self._stream.backlog(group)

    async def close(self) -> None:
        await self._stream.close()


class Stage:
    """The stage with its streams: `shop` and `other` are configured unless said otherwise."""

    def __init__(self, parts: Parts, events: Stream, sites: dict[str, Wire]) -> None:
        self.parts = parts
        self.events = Wire(events)
        self.sites = sites

    def stitcher(self) -> Stitcher:
        return stitcher(self.parts.store, self.sites, SETTINGS)

    async def post(self, *records: Record) -> None:
        await self.events.append([Entry(one.lane, one.encode()) for one in records])

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """Run the stage as a process does, and stop it as a process does."""
        stitching = Stitching(self.events, self.stitcher(), self.sites, SystemClock())
        task = asyncio.create_task(stitching.run())
        try:
            yield task
        finally:
            stitching.stop()
            await task

    async def left(self) -> int:
        return (await self.events.backlog(GROUP)).count

    async def done(self) -> None:
        async with asyncio.timeout(20):
            while await self.left():
                await asyncio.sleep(0.005)

    async def passed_on(self, site: str = "shop") -> list[str]:
        """Return the ids that stand in the site's stream."""
        found: list[str] = []
        while chunks := (await self.sites[site].read("test", 100)).chunks:
            found += [Record.decode(item.value).id for chunk in chunks for item in chunk.items]
            if (await self.sites[site].backlog("test")).count == len(found):
                break
        return found


async def stage_of(parts: Parts, *sites: str) -> Stage:
    wires = {site: Wire(await parts.stream(site)) for site in sites or ("shop", "other")}
    return Stage(parts, await parts.log.topic("events"), wires)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with opened(tmp_path) as parts:
        yield await stage_of(parts)


def of_other(event_id: str) -> Record:
    return replace(record(event_id), site="other")


async def test_a_record_that_stands_twice_is_passed_on_once(stage: Stage) -> None:
    await stage.post(record("a-1"), record("a-2"), record("a-1"), record("a-2"))
    async with stage.running():
        await stage.done()
        await stage.post(record("a-2"), record("a-3"))
        await stage.done()
    assert await stage.passed_on() == ["a-1", "a-2", "a-3"]


async def test_a_stage_that_waits_for_records_stops_at_once(stage: Stage) -> None:
    stage.events.is_silent = True
    async with asyncio.timeout(20), stage.running():
        await asyncio.sleep(0.01)


async def test_of_a_callers_id_the_position_that_holds_it_is_passed_on_wherever_it_stands(
    stage: Stage,
) -> None:
    called = replace(record("a-1"), caller_id=True)
    await stage.stitcher().stitch([("0:1", called)])  # claimed, and killed before it was passed on
    await stage.post(called, called, called)
    async with stage.running():
        await stage.done()
    assert await stage.passed_on() == ["a-1"]


async def test_what_fails_is_passed_on_again_in_order_and_what_stands_is_not(stage: Stage) -> None:
    stage.sites["shop"].refuse = [7, 4, 1]
    ids, others = ([f"{lane}-{number}" for number in range(10)] for lane in "ab")
    await stage.post(*map(record, ids), *map(of_other, others))
    async with stage.running():
        await stage.done()
    assert await stage.passed_on("shop") == ids
    assert await stage.passed_on("other") == others
    assert (stage.sites["shop"].appends, stage.sites["other"].appends) == (4, 1)


async def test_a_replay_after_a_stop_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    ids = [f"a-{number}" for number in range(10)]
    async with opened(tmp_path) as parts:
        stage = await stage_of(parts)
        await stage.post(*(replace(record(each), caller_id=each in ids[::2]) for each in ids))
        stage.sites["shop"].refuse = [5, 5, *[1] * 1000]
        async with stage.running():
            await until(lambda: stage.sites["shop"].appends > 2)
        assert await stage.left() == 10
    async with opened(tmp_path) as parts:
        stage = await stage_of(parts)
        async with stage.running():
            await stage.done()
        found = await stage.passed_on()
    assert list(dict.fromkeys(found)) == ids


async def test_a_stage_that_ends_before_its_mark_passes_one_batch_on_again_at_most(tmp_path: Path) -> None:
    ids = [f"a-{number}" for number in range(3 * BATCH)]
    async with opened(tmp_path) as parts:
        stage = await stage_of(parts)
        await stage.post(*map(record, ids))
        async with stage.running():
            await until(lambda: stage.sites["shop"].appends == 1)
            stage.events.commits_refused = 10**6
            await until(lambda: stage.events.commits_refused < 10**6)
    async with opened(tmp_path) as parts:
        stage = await stage_of(parts)
        async with stage.running():
            await stage.done()
        found = await stage.passed_on()
    assert list(dict.fromkeys(found)) == ids
    assert 0 < len(found) - len(ids) <= BATCH


async def test_a_stop_lets_the_batch_end_and_commits_it(stage: Stage) -> None:
    shop = stage.sites["shop"]
    shop.gate.clear()
    await stage.post(record("a-1"))
    stitching = Stitching(stage.events, stage.stitcher(), stage.sites, SystemClock())
    task = asyncio.create_task(stitching.run())
    await until(lambda: shop.appends == 1)
    stitching.stop()
    shop.gate.set()
    await task
    assert await stage.left() == 0
    assert await stage.passed_on() == ["a-1"]


async def test_marks_that_are_not_taken_are_stored_later_and_nothing_is_passed_on_again(
    stage: Stage,
) -> None:
    stage.events.commits_refused = 3
    await stage.post(record("a-1"))
    async with stage.running():
        await stage.done()
    assert stage.events.commits_refused == 0
    assert await stage.passed_on() == ["a-1"]


async def test_a_record_of_a_site_that_is_not_configured_stops_the_stage_with_a_sentence_and_stays(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as parts:
        stage = await stage_of(parts, "shop")
        await stage.post(record("a-1"), of_other("b-1"), record("a-2"))
        with pytest.raises(ConfigError, match="the stream holds events of other, not configured here"):
            async with stage.running() as task:
                await asyncio.wait((task,), timeout=20)
        assert await stage.left() == 3
        assert stage.sites["shop"].appends == 0
    async with opened(tmp_path) as parts:
        stage = await stage_of(parts, "shop", "other")
        async with stage.running():
            await stage.done()
        assert await stage.passed_on("shop") == ["a-1", "a-2"]
        assert await stage.passed_on("other") == ["b-1"]


async def test_a_probe_of_readiness_goes_no_further(stage: Stage) -> None:
    await stage.post(replace(record("a-1"), site="", type=PROBE), record("a-2"))
    async with stage.running():
        await stage.done()
    assert await stage.passed_on() == ["a-2"]
