"""Dead letters go back into the stream once and in their order, in both databases."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.clock import Clock, SystemClock
from gateway.config import StreamSettings
from gateway.console.letters import Choice, change, letters, newest, remove
from gateway.console.replay import replay
from gateway.delivery.dead_letters import DeadLetters
from gateway.delivery.reading import dead
from gateway.delivery.retry import Reason
from gateway.event import Record
from gateway.store import Store
from gateway.stream import Entry, Stream
from gateway.stream.sqlite import SqliteLog, SqliteStream

NOW = SystemClock().now_ms()


@pytest.fixture
async def stream(tmp_path: Path) -> AsyncIterator[SqliteStream]:
    log = SqliteLog(StreamSettings(path=tmp_path / "stream.db"))
    yield await log.topic("stitched.shop")
    await log.close()


def record(event_id: str, accepted_at: int = NOW) -> Record:
    return Record(
        id=event_id,
        site="shop",
        type="PageView",
        lane="shop/cookie/c-1",
        cookie="c-1",
        customer=None,
        email=None,
        phone=None,
        occurred_at=accepted_at,
        accepted_at=accepted_at,
        body=b"{}",
    )


class Later(SystemClock):
    def now_ms(self) -> int:
        return super().now_ms() + 1000


async def refuse(store: Store, *records: Record, clock: Clock | None = None) -> None:
    """Keep each as a dead letter, as delivery does."""
    for one in records:
        await DeadLetters(store, clock or SystemClock()).keep(dead(one, Reason.BAD_REQUEST, 400))


class RefusedAtOnce:
    """A stream behind which eSputnik has refused everything by the time that the append returns."""

    def __init__(self, stream: Stream, store: Store) -> None:
        self._stream = stream
        self._store = store

    async def append(self, entries: Sequence[Entry]) -> Sequence[int]:
        places = await self._stream.append(entries)
        await refuse(self._store, *(Record.decode(entry.value) for entry in entries), clock=Later())
        return places

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


async def test_a_letter_that_fails_again_before_its_replay_is_over_is_kept(
    store: Store, stream: SqliteStream
) -> None:
    await refuse(store, record("e-1"))
    replayed = await replay(await letters(store, Choice()), store, {"shop": RefusedAtOnce(stream, store)})  # type: ignore[dict-item]
    assert [letter.event_id for letter in replayed.sent] == ["e-1"]
    (letter,) = await letters(store, Choice())
    again = letter.opened()
    assert again
    assert again.replays == 1


async def test_events_of_one_request_are_replayed_in_its_order_whatever_ids_their_caller_chose(
    store: Store, stream: SqliteStream
) -> None:
    await refuse(store, record("e-3"), record("e-1"), record("e-2"), record("e-0", NOW - 1))
    await replay(await letters(store, Choice()), store, {"shop": stream})
    (chunk,) = (await stream.read("deliver", 10)).chunks
    assert [Record.decode(item.value).id for item in chunk.items] == ["e-0", "e-3", "e-1", "e-2"]
    assert await letters(store, Choice()) == []


async def test_what_is_kept_after_a_replay_began_is_not_among_its_batches(store: Store) -> None:
    assert await newest(store) == 0
    await refuse(store, record("e-1"))
    until = await newest(store)
    await refuse(store, record("e-2"))
    assert [letter.event_id for letter in await letters(store, Choice(), until=until)] == ["e-1"]


async def test_a_letter_that_was_kept_anew_or_sent_since_it_was_read_is_not_edited(store: Store) -> None:
    await refuse(store, record("e-1"))
    (read,) = await letters(store, Choice())
    edited = replace(record("e-1"), body=b'{"edited": 1}')
    await refuse(store, replace(record("e-1"), replays=1))
    assert not await change(store, read, edited)
    (renewed,) = await letters(store, Choice())
    assert Record.decode(renewed.record).replays == 1
    assert await change(store, renewed, replace(edited, replays=1))
    (changed,) = await letters(store, Choice())
    assert Record.decode(changed.record) == replace(edited, replays=1)
    await remove(store, [changed])
    assert not await change(store, changed, edited)
