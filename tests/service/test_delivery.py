"""Delivery from a real stream to a tracker that fails in every way, over real HTTP."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest
from aiohttp import web
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from gateway.delivery.deliverer import GROUP
from gateway.stream import Entry
from tests.service.tracker import (
    KEY,
    Answer,
    Parts,
    Tracker,
    append,
    hangs,
    opened,
    record,
    resets,
    says,
    until,
)


@pytest.fixture
async def tracker() -> AsyncIterator[Tracker]:
    async with Tracker() as running:
        yield running


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    async with opened(tmp_path) as running:
        yield running


def gauge(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


async def test_a_record_arrives_with_its_body_unchanged_and_its_id(parts: Parts, tracker: Tracker) -> None:
    await append(await parts.stream(), "a-1")
    async with parts.delivering(tracker):
        await until(lambda: tracker.taken == ["a-1"])
    assert tracker.bodies["a-1"] == record("a-1").body
    assert tracker.headers[0]["Content-Type"] == "application/json; charset=UTF-8"


async def test_order_of_each_lane_holds_and_two_of_one_are_never_under_way_whatever_fails(
    parts: Parts, tracker: Tracker
) -> None:
    ids = [f"{lane}-{number}" for number in range(30) for lane in "abcde"]
    for place, event_id in enumerate(ids):
        tracker.script[event_id] = [[says(500)], [says(503)] * 2, [resets], [], []][place % 5].copy()
    tracker.seconds = 0.002
    await append(await parts.stream(), *ids)
    async with parts.delivering(tracker):
        await until(lambda: len(tracker.taken) == len(ids))
    for lane in "abcde":
        assert tracker.lane(lane) == [event_id for event_id in ids if event_id.startswith(lane)]
    assert tracker.most_of_a_lane == 1
    assert await parts.dead_letters() == []


@pytest.mark.parametrize("status", [500, 502, 503, 504, 302, 408])
async def test_what_is_not_taken_now_is_sent_again(parts: Parts, tracker: Tracker, status: int) -> None:
    tracker.script["a-1"] = [says(status)] * 2
    await append(await parts.stream(), "a-1", "a-2")
    async with parts.delivering(tracker):
        await until(lambda: tracker.taken == ["a-1", "a-2"])
    assert tracker.requests_of("a-1") == 3


async def halves(request: web.Request) -> web.StreamResponse:
    """Answer 200 and half a body, then cut the connection."""
    answer = web.StreamResponse(headers={"Content-Length": "100"})
    await answer.prepare(request)
    await answer.write(b'{"id": ')
    return await resets(request)


@pytest.mark.parametrize(
    "wrong",
    [halves, says(200, b"<!doctype html><title>Sign in</title>"), says(502, b"<html>Bad Gateway</html>")],
    ids=["half", "page", "gateway"],
)
async def test_half_an_answer_or_a_web_page_is_sent_again_and_nothing_is_lost(
    parts: Parts, tracker: Tracker, wrong: Answer
) -> None:
    tracker.script["a-1"] = [wrong] * 3
    await append(await parts.stream(), "a-1", "a-2")
    async with parts.delivering(tracker):
        await until(lambda: tracker.taken == ["a-1", "a-2"])
    assert tracker.requests_of("a-1") == 4
    assert await parts.dead_letters() == []


async def test_a_hang_ends_with_the_timeout_and_is_sent_again(parts: Parts, tracker: Tracker) -> None:
    tracker.script["a-1"] = [hangs]
    await append(await parts.stream(), "a-1", "b-1")
    async with parts.delivering(tracker, timeout_seconds=0.3):
        await until(lambda: "a-1" in tracker.taken)
    assert tracker.taken == ["b-1", "a-1"]


async def test_a_503_that_names_a_time_is_not_sent_again_before(parts: Parts, tracker: Tracker) -> None:
    tracker.script["a-1"] = [says(503, retry_after="1")]
    await append(await parts.stream(), "a-1")
    async with parts.delivering(tracker):
        await until(lambda: tracker.taken == ["a-1"])
    (_, first), (_, second) = tracker.arrived
    assert second - first >= 0.95


@pytest.mark.parametrize("in_words", ["1", "date"])
async def test_a_429_pauses_the_site_for_the_time_it_names_and_loses_nothing(
    parts: Parts, tracker: Tracker, in_words: str
) -> None:
    # An HTTP date has whole seconds: two from now is at least one away.
    wait = formatdate(time.time() + 2, usegmt=True) if in_words == "date" else in_words
    tracker.script["a-1"] = [says(429, retry_after=wait)]
    await append(await parts.stream(), "a-1")
    async with parts.delivering(tracker):
        await until(lambda: len(tracker.arrived) == 1)
        await append(await parts.stream(), "a-2", "b-1")
        await until(lambda: len(tracker.taken) == 3)
        assert gauge("gateway_pace_per_second", site="shop") < 10_000
    times = [at for _, at in tracker.arrived]
    assert times[1] - times[0] >= 0.95
    assert tracker.lane("a") == ["a-1", "a-2"]
    assert tracker.requests_of("a-1") == 2


async def test_a_409_is_taken_for_the_repeat_that_it_is(parts: Parts, tracker: Tracker) -> None:
    tracker.script["a-1"] = [says(500), says(409, b"Duplicated request")]
    await append(await parts.stream(), "a-1", "a-2")
    async with parts.delivering(tracker):
        await until(lambda: tracker.taken == ["a-2"])
    assert tracker.requests_of("a-1") == 2
    assert await parts.dead_letters() == []


async def test_what_is_refused_becomes_a_dead_letter_and_its_lane_goes_on(
    parts: Parts, tracker: Tracker
) -> None:
    tracker.script["a-1"] = [says(400, b'{"message": "no such site, ask anna@example.com"}')]
    tracker.script["a-2"] = [says(200, b'{"errors": {"message": "siteId is wrong"}}')]
    await append(await parts.stream(), "a-1", "a-2", "a-3")
    async with parts.delivering(tracker):
        await until(lambda: tracker.taken == ["a-3"])
    first, second = await parts.dead_letters()
    assert first == {
        "event_id": "a-1",
        "site": "shop",
        "type": "PageView",
        "reason": "bad_request",
        "status": 400,
        "answer": "no such site, ask ***",
        "record": record("a-1").encode(),
    }
    assert (second["event_id"], second["reason"], second["status"]) == ("a-2", "refused", 200)
    assert second["answer"] == "siteId is wrong"


async def test_a_record_that_never_gets_through_is_given_up_at_last(parts: Parts, tracker: Tracker) -> None:
    tracker.script["a-1"] = [says(500)] * 1000
    await append(await parts.stream(), "a-1", "a-2", *(f"b-{number}" for number in range(50)))
    async with parts.delivering(tracker, tries=3, give_up_hours=0.01 / 3600):
        await until(lambda: "a-2" in tracker.taken)
    (letter,) = await parts.dead_letters()
    assert (letter["event_id"], letter["reason"], letter["status"]) == ("a-1", "gave_up", 500)
    assert tracker.requests_of("a-1") >= 3


async def test_a_refused_key_stops_the_site_and_nothing_is_lost_when_it_is_repaired(
    parts: Parts, tracker: Tracker
) -> None:
    ids = [f"{lane}-{number}" for number in range(5) for lane in "abcdefgh"]
    tracker.always = says(401)
    await append(await parts.stream(), *ids)
    with capture_logs() as lines:
        await _stop_and_repair(parts, tracker, ids)
    assert [line["log_level"] for line in lines if line["event"] == "site_stopped"] == ["error"]
    assert sorted(tracker.taken) == sorted(ids)
    assert all(tracker.lane(lane) == [f"{lane}-{number}" for number in range(5)] for lane in "abcdefgh")
    assert await parts.dead_letters() == []


async def _stop_and_repair(parts: Parts, tracker: Tracker, ids: list[str]) -> None:
    async with parts.delivering(tracker, concurrency=4):
        await until(lambda: gauge("gateway_site_stopped", site="shop") == 1)
        # Those four were under way; then one probe at a time.
        await until(lambda: len(tracker.arrived) >= 4 + 2)
        assert len(tracker.arrived) < len(ids)
        tracker.always = None
        await until(lambda: len(tracker.taken) == len(ids))
        assert gauge("gateway_site_stopped", site="shop") == 0


async def test_a_circuit_opens_lets_probes_through_and_closes_without_loss(
    parts: Parts, tracker: Tracker
) -> None:
    ids = [f"{lane}-{number}" for number in range(10) for lane in "abcdefghij"]
    tracker.always = says(503)
    await append(await parts.stream(), *ids)
    async with parts.delivering(tracker, concurrency=4, tries=1, give_up_hours=0.001):
        await until(lambda: gauge("gateway_circuit_open", site="shop", endpoint="tracker") == 1)
        tried = len(tracker.arrived)
        await until(lambda: len(tracker.arrived) >= tried + 2)
        assert len(tracker.arrived) < 30
        tracker.always = None
        await until(lambda: len(tracker.taken) == len(ids))
        assert gauge("gateway_circuit_open", site="shop", endpoint="tracker") == 0
    assert all(tracker.lane(lane) == [f"{lane}-{number}" for number in range(10)] for lane in "abcdefghij")
    assert await parts.dead_letters() == []


async def test_a_record_that_esputnik_chokes_on_does_not_keep_the_circuit_open_for_the_others(
    parts: Parts, tracker: Tracker
) -> None:
    tracker.script["a-1"] = [says(500)] * 100_000
    await append(await parts.stream(), "a-1")
    async with parts.delivering(tracker):
        await until(lambda: gauge("gateway_circuit_open", site="shop", endpoint="tracker") == 1)
        await append(await parts.stream(), "b-1", "c-1", "d-1")
        await until(lambda: set(tracker.taken) == {"b-1", "c-1", "d-1"})


async def test_nobody_listening_is_waited_for(parts: Parts) -> None:
    async with Tracker() as gone:
        pass
    await append(await parts.stream(), "a-1", "a-2")
    async with parts.delivering(gone):
        await until(lambda: gauge("gateway_circuit_open", site="shop", endpoint="tracker") == 1)
    assert await parts.dead_letters() == []
    assert (await (await parts.stream()).backlog(GROUP)).count == 2


async def test_a_site_that_hangs_does_not_hold_up_another(parts: Parts, tracker: Tracker) -> None:
    async with Tracker() as slow:
        slow.always = hangs
        await append(await parts.stream("slow"), *(f"{lane}-1" for lane in "abcdefgh"))
        await append(await parts.stream(), *(f"a-{number}" for number in range(100)))
        async with parts.delivering(slow, site="slow", timeout_seconds=1), parts.delivering(tracker):
            await until(lambda: len(slow.arrived) == 8)
            await until(lambda: len(tracker.taken) == 100)
            assert slow.taken == []


async def test_the_pace_of_a_site_is_kept(parts: Parts, tracker: Tracker) -> None:
    await append(await parts.stream(), *(f"{number}-1" for number in range(60)))
    async with parts.delivering(tracker, rate=50):
        await until(lambda: len(tracker.taken) == 60)
    times = [at for _, at in tracker.arrived]
    # 50 a second at most is 1.2 s for 60; a server sees it a little blurred.
    assert times[-1] - times[0] >= 1.0


async def test_an_unreadable_record_becomes_a_dead_letter_and_holds_up_nobody(
    parts: Parts, tracker: Tracker, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = await parts.stream()
    good = record("a-1").encode()
    broken = [
        b"",
        b"no json at all, but anna@example.com\n{}",
        b"[1]\n{}",
        b'{"v":1,"id":"known-1","type":"StatusCart","surprise":true}\n{}',
        b'{"v":"one"}\n{}',
        good.replace(b'"a-1"', b'"a\\r\\nX-Evil: 1"'),
        good.replace(b'"lane":"shop/cookie/a"', b'"lane":["a"]'),
        replace(record("a-3"), body=b"[]").encode(),
        replace(record("a-4"), body=b"{").encode(),
        replace(record("a-5"), type="AddNothingWeKnow", target="POST v1/nothing").encode(),
    ]
    await append(stream, "a-1")
    for value in broken:
        await stream.append([Entry("a", value)])
    await append(stream, "a-2")
    before = gauge("gateway_dead_letters_total", site="shop", reason="unreadable") or 0
    async with parts.delivering(tracker):
        await until(lambda: tracker.taken == ["a-1", "a-2"])
        await until(
            lambda: (
                gauge("gateway_dead_letters_total", site="shop", reason="unreadable") == before + len(broken)
            )
        )
    letters = await parts.dead_letters()
    assert sorted(letter["record"] for letter in letters) == sorted(broken)
    assert {letter["reason"] for letter in letters} == {"unreadable"}
    assert ("known-1", "StatusCart") in {(letter["event_id"], letter["type"]) for letter in letters}
    assert "anna" not in "".join(capsys.readouterr())


async def test_the_key_stands_in_no_request_to_the_tracker(parts: Parts, tracker: Tracker) -> None:
    await append(await parts.stream(), "a-1")
    async with parts.delivering(tracker):
        await until(lambda: tracker.taken == ["a-1"])
    assert "Authorization" not in tracker.headers[0]
    assert KEY not in str(tracker.headers)
