"""What every stream promises, asked of each implementation."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from gateway.config import StreamSettings
from gateway.errors import NotDurable
from gateway.stream import Chunk, Entry, Mark, Stream, Taken
from gateway.stream.opening import Log, open_log

PARTITIONS = 4


@pytest.fixture(params=["sqlite", "kafka"])
async def settings(request: pytest.FixtureRequest, tmp_path: Path, topic_prefix: str) -> StreamSettings:
    if request.param == "sqlite":
        return StreamSettings(path=tmp_path / "folder" / "stream.db", append_seconds=5, partitions=1)
    from gateway.stream.kafka_topics import create_topics

    settings = StreamSettings(
        kind="kafka",
        brokers=[request.getfixturevalue("kafka").address],
        topic_prefix=topic_prefix,
        partitions=PARTITIONS,
        replication=1,
        min_insync=1,
        append_seconds=5,
    )
    await create_topics(settings, ["events", "others"])
    return settings


@pytest.fixture
async def log(settings: StreamSettings) -> AsyncIterator[Log]:
    async with open_log(settings) as log:
        yield log


@pytest.fixture
async def stream(log: Log) -> Stream:
    return await log.topic("events")


def entries(*texts: str) -> list[Entry]:
    """Entries whose lane is the part of the text before the dash."""
    return [Entry(text.partition("-")[0], text.encode()) for text in texts]


def texts(taken: Taken) -> list[str]:
    return [item.value.decode() for chunk in taken.chunks for item in chunk.items]


async def take(stream: Stream, count: int, group: str = "readers", limit: int = 100) -> list[Chunk]:
    """Read until there are that many items, saying nothing of what is revoked."""
    chunks: list[Chunk] = []
    async with asyncio.timeout(40):
        while sum(len(chunk.items) for chunk in chunks) < count:
            chunks += (await stream.read(group, limit)).chunks
    return chunks


async def take_texts(stream: Stream, count: int, group: str = "readers") -> list[str]:
    return texts(Taken(await take(stream, count, group)))


def mark_of(chunks: list[Chunk]) -> list[Mark]:
    """The marks that say all of it is done."""
    return [
        Mark(partition, max(c.items[-1].offset for c in chunks if c.partition == partition) + 1)
        for partition in {chunk.partition for chunk in chunks}
    ]


def of_lane(found: list[str], lane: str) -> list[str]:
    return [text for text in found if text.startswith(f"{lane}-")]


async def test_what_is_appended_is_read_with_its_bytes(stream: Stream) -> None:
    values = [b"", b"\x00\xff\n", b"x" * 3_000_000]
    await stream.append([Entry("lane", value) for value in values])
    chunks = await take(stream, 3)
    assert [item.value for chunk in chunks for item in chunk.items] == values


async def test_entries_of_a_lane_are_read_in_the_order_of_their_appends(stream: Stream) -> None:
    lanes = [f"lane{number}" for number in range(10)]

    async def post(lane: str) -> None:
        for number in range(0, 30, 3):
            await stream.append(entries(*(f"{lane}-{number + step}" for step in range(3))))

    await asyncio.gather(*(post(lane) for lane in lanes))
    found = await take_texts(stream, 300)
    for lane in lanes:
        assert of_lane(found, lane) == [f"{lane}-{number}" for number in range(30)]


async def test_appends_given_in_one_order_to_one_lane_are_kept_in_it(stream: Stream) -> None:
    appends = [asyncio.ensure_future(stream.append(entries(f"a-{number}"))) for number in range(200)]
    await asyncio.gather(*appends)
    assert await take_texts(stream, 200) == [f"a-{number}" for number in range(200)]


async def test_an_append_of_nothing_returns(stream: Stream) -> None:
    await stream.append([])


def written(name: str, topic: str) -> float:
    return REGISTRY.get_sample_value(name, {"topic": topic}) or 0.0


async def test_concurrent_appends_share_writes(stream: Stream) -> None:
    writes = written("gateway_append_seconds_count", "events")
    counted = written("gateway_append_entries_total", "events")
    await asyncio.gather(*(stream.append(entries(f"l{number}-x")) for number in range(500)))
    assert written("gateway_append_entries_total", "events") - counted == 500
    assert written("gateway_append_seconds_count", "events") - writes <= 2 * PARTITIONS


async def test_a_cancelled_append_harms_no_other(stream: Stream) -> None:
    appends = [asyncio.ensure_future(stream.append(entries(f"l-{number}"))) for number in range(10)]
    await asyncio.sleep(0)
    appends[3].cancel()
    outcomes = await asyncio.gather(*appends, return_exceptions=True)
    assert [number for number, outcome in enumerate(outcomes) if isinstance(outcome, BaseException)] == [3]
    found = await take_texts(stream, 9)
    assert set(found) >= {f"l-{number}" for number in range(10)} - {"l-3"}


async def test_topics_of_one_log_keep_apart(log: Log) -> None:
    events, others = await log.topic("events"), await log.topic("others")
    await asyncio.gather(events.append(entries("a-1")), others.append(entries("a-2")))
    assert await take_texts(events, 1) == ["a-1"]
    assert await take_texts(others, 1) == ["a-2"]
    assert await log.topic("events") is events


async def test_groups_read_independently(stream: Stream) -> None:
    await stream.append(entries("a-1", "b-2"))
    assert sorted(await take_texts(stream, 2, "first")) == ["a-1", "b-2"]
    assert sorted(await take_texts(stream, 2, "second")) == ["a-1", "b-2"]


async def test_a_read_keeps_its_limit(stream: Stream) -> None:
    await stream.append(entries(*(f"a-{number}" for number in range(10))))
    chunks = await take(stream, 10, limit=3)
    assert max(len(chunk.items) for chunk in chunks) <= 3


async def test_a_read_of_nothing_returns_after_about_a_second(stream: Stream) -> None:
    async with asyncio.timeout(5):
        assert (await stream.read("readers", 10)).chunks == []


async def test_a_waiting_read_is_woken_by_an_append(stream: Stream) -> None:
    await stream.append(entries("a-1"))
    await take(stream, 1)
    reading = asyncio.ensure_future(take_texts(stream, 1))
    await asyncio.sleep(0)
    await stream.append(entries("a-2"))
    assert await reading == ["a-2"]


async def test_a_full_partition_is_left_out_and_loses_nothing(stream: Stream) -> None:
    await stream.append(entries("a-1"))
    (chunk,) = await take(stream, 1)
    await stream.append(entries("a-2"))
    for _ in range(3):
        assert (await stream.read("readers", 10, full={chunk.partition})).chunks == []
    assert await take_texts(stream, 1) == ["a-2"]


async def test_a_new_reader_goes_on_from_the_committed_mark(settings: StreamSettings) -> None:
    async with open_log(settings) as log:
        stream = await log.topic("events")
        await stream.append(entries("a-1", "a-2", "a-3"))
        (chunk,) = await take(stream, 3)
        await stream.commit("readers", [Mark(chunk.partition, chunk.items[2].offset)])
    async with open_log(settings) as log:
        stream = await log.topic("events")
        assert await take_texts(stream, 1) == ["a-3"]
        await stream.append(entries("a-4"))
        assert await take_texts(stream, 1) == ["a-4"]


async def test_what_was_done_beyond_the_mark_is_not_read_again(settings: StreamSettings) -> None:
    async with open_log(settings) as log:
        stream = await log.topic("events")
        await stream.append(entries(*(f"a-{number}" for number in range(10))))
        chunks = await take(stream, 10)
        offsets = [item.offset for chunk in chunks for item in chunk.items]
        done = ((offsets[3], offsets[4]), (offsets[7], offsets[7]))
        await stream.commit("readers", [Mark(chunks[0].partition, offsets[1], done)])
        assert (await stream.backlog("readers")).count == 6
    async with open_log(settings) as log:
        chunks = await take(await log.topic("events"), 6)
    assert texts(Taken(chunks)) == ["a-1", "a-2", "a-5", "a-6", "a-8", "a-9"]


async def test_with_what_is_read_comes_what_the_mark_says_is_done_far_beyond_it(
    settings: StreamSettings,
) -> None:
    async with open_log(settings) as log:
        stream = await log.topic("events")
        await stream.append(entries(*(f"a-{number}" for number in range(10))))
        chunks = await take(stream, 10)
        offsets = [item.offset for chunk in chunks for item in chunk.items]
        done = ((offsets[5], offsets[8]),)
        await stream.commit("readers", [Mark(chunks[0].partition, offsets[0], done)])
    async with open_log(settings) as log:
        (first, *_) = await take(await log.topic("events"), 1, limit=2)
    assert first.done == done, "a mark written before the reader has come there must not forget it"


async def test_a_mark_for_a_partition_not_held_is_dropped(stream: Stream) -> None:
    await stream.append(entries("a-1"))
    await take(stream, 1)
    await stream.commit("readers", [])
    if not hasattr(stream, "_number"):  # SQLite's reader always holds its one partition
        await stream.commit("readers", [Mark(PARTITIONS + 5, 1)])


async def test_backlog_counts_what_is_not_done_and_tells_the_age_of_the_oldest(stream: Stream) -> None:
    assert await stream.backlog("readers") == (0, 0.0)
    await stream.append(entries("a-1"))
    await stream.append(entries("a-2", "b-3"))
    first = await stream.backlog("readers")
    assert first.count == 3
    chunks = await take(stream, 3)
    assert (await stream.backlog("readers")).count == 3
    later = await stream.backlog("readers")
    assert 0 <= first.oldest_age <= later.oldest_age < 60
    (of_a,) = [chunk for chunk in chunks if b"a-1" in [item.value for item in chunk.items]]
    offset = next(item.offset for item in of_a.items if item.value == b"a-1")
    await stream.commit("readers", [Mark(of_a.partition, offset + 1)])
    assert (await stream.backlog("readers")).count == 2
    await stream.commit("readers", mark_of(chunks))
    assert await stream.backlog("readers") == (0, 0.0)


async def test_close_finishes_what_was_taken_and_refuses_the_rest(settings: StreamSettings) -> None:
    async with open_log(settings) as log:
        stream = await log.topic("events")
        appending = asyncio.ensure_future(stream.append(entries("a-1")))
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await stream.close()
        await appending
        with pytest.raises(NotDurable, match="closed") as refusal:
            await stream.append(entries("a-2", "b-3"))
        assert refusal.value.failed == [0, 1]


async def test_a_closed_stream_reads_nothing_and_leaves_the_loop_to_others(settings: StreamSettings) -> None:
    async with open_log(settings) as log:
        stream = await log.topic("events")
        await stream.append(entries("a-1"))
        await take(stream, 1)
        await stream.close()
        reading_on = asyncio.ensure_future(take(stream, 1))
        await asyncio.sleep(0.05)  # its turn comes, and this one's again
        assert not reading_on.done()
        reading_on.cancel()


async def test_a_reader_that_is_alone_has_the_whole_of_the_topic(stream: Stream) -> None:
    await stream.append(entries("a-1"))
    async with asyncio.timeout(40):
        while not (taken := await stream.read("readers", 10)).chunks:
            pass
    assert taken.share == 1


async def test_close_lets_a_waiting_reader_go(settings: StreamSettings) -> None:
    async with open_log(settings) as log:
        stream = await log.topic("events")
        reading = asyncio.ensure_future(stream.read("readers", 1))
        await asyncio.sleep(0)
        await stream.close()
        async with asyncio.timeout(5):
            assert (await reading).chunks == []


_CHILD = """
import asyncio, sys
from gateway.config import StreamSettings
from gateway.stream import Entry
from gateway.stream.opening import open_log

async def main():
    settings = StreamSettings.model_validate_json(sys.argv[1])
    async with open_log(settings) as log:
        stream = await log.topic("events")
        for number in range(50):
            await stream.append([Entry(f"l{number % 7}", f"l{number % 7}-{number}".encode())])
        found = 0
        while found < 50:
            found += sum(len(chunk.items) for chunk in (await stream.read("readers", 10)).chunks)
        print("read", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_everything_appended_is_read_after_a_kill_of_the_process_before_its_commit(
    settings: StreamSettings,
) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _CHILD, settings.model_dump_json(), stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        assert await child.stdout.readline() == b"read\n"
    finally:
        child.kill()
        await child.communicate()
    async with open_log(settings) as log:
        found = await take_texts(await log.topic("events"), 50)
    assert sorted(found) == sorted(f"l{number % 7}-{number}" for number in range(50))
    for lane in range(7):
        assert of_lane(found, f"l{lane}") == [f"l{lane}-{number}" for number in range(lane, 50, 7)]
