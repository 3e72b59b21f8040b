"""What a stop, a crash, a rebalance and a restart leave: nothing lost, order per lane, and few repeats."""

import asyncio
from collections.abc import AsyncIterator, Container, Sequence
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from gateway.delivery.deliverer import GROUP
from gateway.errors import Unreachable, UnreadableRecord
from gateway.event import Record
from gateway.stream import Backlog, Chunk, Entry, Item, Mark, Stream, Taken
from gateway.stream.marks import not_done
from tests.service.tracker import Parts, Tracker, append, in_order, opened, record, says, until

LANES = "abcdefghij"
IDS = [f"{lane}-{number}" for number in range(100) for lane in LANES]


@pytest.fixture
async def tracker() -> AsyncIterator[Tracker]:
    async with Tracker() as running:
        yield running


class Wire:
    """The real stream, and what may happen between it and its reader."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.away = False
        """Nothing gets through."""
        self.deaf = False
        """Marks are lost, as in a crash before they are written."""
        self.revoke = False
        """The next read takes the partition away, the one after gives it back from its last mark."""
        self.share = 1.0
        """What the reader is told to have of the partitions."""
        self.given: dict[int, bytes] = {}
        self.mark = Mark(0, 0)
        self._gone = False

    async def append(self, entries: Sequence[Entry]) -> None:
        await self._stream.append(entries)

    async def read(self, group: str, limit: int, full: Container[int] = ()) -> Taken:
        if self.away:
            raise Unreachable("the stream is away")
        if self.revoke:
            self.revoke, self._gone = False, True
            return Taken([], frozenset({0}))
        if self._gone:
            self._gone = False
            items = [Item(*item) for item in self.given.items() if item[0] >= self.mark.low]
            return Taken([Chunk(0, not_done(items, self.mark.done), self.mark.done)])
        taken = await self._stream.read(group, limit, full)
        self.given.update(item for chunk in taken.chunks for item in chunk.items)
        return taken._replace(share=self.share)

    async def commit(self, group: str, marks: Sequence[Mark]) -> None:
        if self.away:
            raise Unreachable("the stream is away")
        if not self.deaf:
            await self._stream.commit(group, marks)
            self.mark = marks[-1]

    async def backlog(self, group: str) -> Backlog:
        return await self._stream.backlog(group)

    async def close(self) -> None:
        await self._stream.close()

    def not_marked(self) -> list[str]:
        """Return the ids of what was given and is not done by the last mark that was written."""
        items = [Item(*item) for item in self.given.items() if item[0] >= self.mark.low]
        return [Record.decode(item.value).id for item in not_done(items, self.mark.done)] if items else []


def firsts(event_ids: Sequence[str]) -> list[str]:
    """Return each id where it stands first."""
    return list(dict.fromkeys(event_ids))


async def left(parts: Parts) -> int:
    return (await (await parts.stream()).backlog(GROUP)).count


async def test_a_stop_under_load_is_clean_and_the_next_start_repeats_nothing(
    tmp_path: Path, tracker: Tracker
) -> None:
    tracker.seconds = 0.01
    async with opened(tmp_path) as parts:
        await append(await parts.stream(), *IDS)
        async with parts.delivering(tracker) as deliverer:
            await until(lambda: len(tracker.taken) >= 100)
            async with asyncio.timeout(5):
                await deliverer.stop()
        assert len(tracker.taken) < len(IDS)
    async with opened(tmp_path) as parts, parts.delivering(tracker):
        await until(lambda: len(tracker.taken) >= len(IDS))
    assert len(tracker.taken) == len(tracker.arrived) == len(IDS)
    assert all(in_order(tracker.lane(lane)) for lane in LANES)


async def test_a_stop_does_not_wait_for_records_that_wait(tmp_path: Path, tracker: Tracker) -> None:
    tracker.always = says(503, retry_after="600")
    async with opened(tmp_path) as parts:
        await append(await parts.stream(), *IDS)
        async with asyncio.timeout(15), parts.delivering(tracker, probe_seconds=600):
            await until(lambda: len(tracker.arrived) >= 10)
        assert await left(parts) == len(IDS)


async def test_what_is_done_beyond_a_stuck_record_is_not_sent_again_after_a_restart(
    tmp_path: Path, tracker: Tracker
) -> None:
    tracker.script["a-0"] = [says(500)] * 100_000
    others = [event_id for event_id in IDS if not event_id.startswith("a-")]
    async with opened(tmp_path) as parts:
        await append(await parts.stream(), *IDS)
        async with parts.delivering(tracker):
            await until(lambda: len(tracker.taken) == len(others))
    tracker.script.clear()
    async with opened(tmp_path) as parts, parts.delivering(tracker):
        await until(lambda: len(tracker.taken) == len(IDS))
    assert sorted(tracker.taken) == sorted(IDS)
    assert in_order(tracker.lane("a"))


async def test_a_crash_repeats_what_was_not_marked_and_nothing_else(tmp_path: Path, tracker: Tracker) -> None:
    tracker.seconds = 0.01
    async with opened(tmp_path) as parts:
        await append(await parts.stream(), *IDS)
        wire = Wire(await parts.stream())
        async with parts.delivering(tracker, stream=wire):
            await until(lambda: wire.mark.low > 100)
            wire.deaf = True
            done = len(tracker.taken)
            await until(lambda: len(tracker.taken) >= done + 50)
    before = set(tracker.taken)
    repeated = before & set(wire.not_marked())
    assert repeated
    async with opened(tmp_path) as parts, parts.delivering(tracker):
        await until(lambda: len(tracker.taken) == len(IDS) + len(repeated))
    assert set(tracker.taken) == set(IDS)
    assert all(in_order(firsts(tracker.lane(lane))) for lane in LANES)


async def test_a_partition_taken_away_and_given_back_repeats_nothing(
    tmp_path: Path, tracker: Tracker
) -> None:
    tracker.seconds = 0.005
    async with opened(tmp_path) as parts:
        await append(await parts.stream(), *IDS)
        wire = Wire(await parts.stream())
        async with parts.delivering(tracker, stream=wire, window=100):
            for done in (100, 300, 500):
                await until(lambda done=done: len(tracker.taken) >= done)
                wire.revoke = True
            await until(lambda: len(tracker.taken) >= len(IDS))
        assert await left(parts) == 0
    assert sorted(tracker.taken) == sorted(IDS)
    assert all(in_order(tracker.lane(lane)) for lane in LANES)


async def test_the_pace_follows_the_share_of_the_partitions(tmp_path: Path, tracker: Tracker) -> None:
    def pace() -> float | None:
        return REGISTRY.get_sample_value("gateway_pace_per_second", {"site": "shop"})

    async with opened(tmp_path) as parts:
        wire = Wire(await parts.stream())
        wire.share = 0.25
        async with parts.delivering(tracker, stream=wire, rate=1000):
            await until(lambda: pace() == 250)
            wire.share = 0.0
            await until(lambda: pace() == 0)
            await append(wire, "a-1")
            await until(lambda: len(wire.given) == 1)
            assert tracker.arrived == []
            wire.share = 1.0
            await until(lambda: pace() == 1000)
            await until(lambda: tracker.taken == ["a-1"])


async def test_a_stream_that_is_away_for_a_while_is_waited_for(tmp_path: Path, tracker: Tracker) -> None:
    async with opened(tmp_path) as parts:
        stream = await parts.stream()
        wire = Wire(stream)
        await append(stream, *IDS[:10])
        async with parts.delivering(tracker, stream=wire):
            await until(lambda: len(tracker.taken) == 10)
            wire.away = True
            await append(stream, *IDS[10:20])
            await until(lambda: len(tracker.taken) == 20)
            wire.away = False
            await append(stream, *IDS[20:30])
            await until(lambda: len(tracker.taken) == 30)
        assert await left(parts) == 0


async def test_a_dead_letter_waits_for_a_store_that_is_away_and_is_not_sent_again(
    tmp_path: Path, tracker: Tracker
) -> None:
    tracker.script["a-1"] = [says(400, b"no")] * 2
    async with opened(tmp_path) as parts:
        await append(await parts.stream(), "a-1", "a-2", "b-1")
        async with parts.store.transaction() as transaction:
            await transaction.execute("ALTER TABLE dead_letters RENAME TO elsewhere")
        async with parts.delivering(tracker):
            await until(lambda: tracker.taken == ["b-1"])
            await until(lambda: tracker.requests_of("a-1") == 1)
            async with parts.store.transaction() as transaction:
                await transaction.execute("ALTER TABLE elsewhere RENAME TO dead_letters")
            await until(lambda: tracker.taken == ["b-1", "a-2"])
        assert [letter["event_id"] for letter in await parts.dead_letters()] == ["a-1"]
        assert tracker.requests_of("a-1") == 1


async def test_a_dead_letter_that_comes_again_is_renewed_and_not_doubled(
    tmp_path: Path, tracker: Tracker
) -> None:
    tracker.script["a-1"] = [says(400, b"first"), says(413, b"second")]
    async with opened(tmp_path) as parts:
        for follower in ("a-2", "a-3"):
            await append(await parts.stream(), "a-1", follower)
            async with parts.delivering(tracker):
                await until(lambda follower=follower: follower in tracker.taken)
        (letter,) = await parts.dead_letters()
        assert (letter["reason"], letter["answer"]) == ("too_large", "second")


async def test_a_record_that_stands_twice_is_delivered_once(tmp_path: Path, tracker: Tracker) -> None:
    tracker.script["a-2"] = [says(503)]
    tracker.script["a-3"] = [says(400)]
    async with opened(tmp_path) as parts:
        stream = await parts.stream()
        await append(stream, "a-1", "a-2", "a-3", "b-1", "a-1", "a-2", "a-3", "b-1", "a-4", "b-2")
        async with parts.delivering(tracker):
            await until(lambda: len(tracker.taken) == 5)
            await append(stream, "b-2", "b-3")
            await until(lambda: "b-3" in tracker.taken)
        assert await left(parts) == 0
        assert len(await parts.dead_letters()) == 1
    assert tracker.lane("a") == ["a-1", "a-2", "a-4"]
    assert tracker.lane("b") == ["b-1", "b-2", "b-3"]
    assert tracker.requests_of("a-3") == 1


async def test_copies_are_counted_and_take_nothing_of_the_pace(tmp_path: Path, tracker: Tracker) -> None:
    def counted() -> float:
        labels = {"site": "shop", "stage": "deliver"}
        return REGISTRY.get_sample_value("gateway_copies_dropped_total", labels) or 0

    async with opened(tmp_path) as parts:
        stream = await parts.stream()
        await append(stream, "a-1", *["a-1"] * 1000, "b-1")
        before = counted()
        async with asyncio.timeout(30), parts.delivering(tracker, rate=2):  # 500 s, were each of them paced
            await until(lambda: "b-1" in tracker.taken and counted() == before + 1000)
    assert tracker.requests_of("a-1") == 1


async def test_a_record_of_a_newer_version_stops_the_deliverer_with_a_sentence_and_stays(
    tmp_path: Path, tracker: Tracker
) -> None:
    newer = record("b-1").encode().replace(b'"v":1', b'"v":3')
    async with opened(tmp_path) as parts:
        stream = await parts.stream()
        await append(stream, "a-1")
        await stream.append([Entry("b", newer)])
        wire = Wire(stream)
        with pytest.raises(UnreadableRecord, match="upgrade this process"):
            await _read_both(parts, tracker, wire)
        assert await left(parts) >= 1
        assert await parts.dead_letters() == []


async def _read_both(parts: Parts, tracker: Tracker, wire: Wire) -> None:
    async with parts.delivering(tracker, stream=wire):
        await until(lambda: len(wire.given) == 2)
        await asyncio.sleep(0.05)  # what was read is looked at before a stop is told


async def test_a_full_window_stops_reading_and_loses_nothing(tmp_path: Path, tracker: Tracker) -> None:
    tracker.always = says(503)
    ids = [f"a-{number}" for number in range(1500)]
    async with opened(tmp_path) as parts:
        await append(await parts.stream(), *ids)
        wire = Wire(await parts.stream())
        async with parts.delivering(tracker, stream=wire, window=50):
            await until(lambda: len(tracker.arrived) >= 6)
            assert len(wire.given) <= 50 + 500
            tracker.always = None
            await until(lambda: len(tracker.taken) == len(ids))
    assert tracker.taken == ids
