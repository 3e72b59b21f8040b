"""kill -9 between what is stored of a batch and what is passed on of it: nothing missing, nothing doubled."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.event import Record
from gateway.stream import Entry, Stream
from tests.contracts.shop import Shop, event
from tests.service.test_stitching import Stage, Wire
from tests.service.tracker import opened, until

HISTORY = [
    event(1, 0),
    event(2, 10, kind="CustomerData", customer="A", email="a@x.ua"),
    event(3, 20),
    event(4, 30, customer="B", caller_id=True),
    event(5, 40, cookie=None, customer="B", kind="StatusCart"),
    event(6, 50),
]


class Deadly(Wire):
    """A stream at which the process dies: before what it is given stands there, or right after."""

    def __init__(self, stream: Stream, after: bool) -> None:
        super().__init__(stream)
        self._after = after

    async def append(self, entries: Sequence[Entry]) -> None:
        if self._after:
            await super().append(entries)
        os.kill(os.getpid(), signal.SIGKILL)


def _die(folder: str, after: bool) -> None:
    async def stitch() -> None:
        async with opened(Path(folder)) as parts:
            wire = Deadly(await parts.stream("shop"), after)
            stage = Stage(parts, await parts.log.topic("events"), {"shop": wire})
            async with stage.running():
                await asyncio.Event().wait()

    asyncio.run(stitch())


@pytest.mark.parametrize("after", [False, True], ids=["before it is passed on", "after it is passed on"])
async def test_24_a_process_killed_between_storing_links_and_its_mark_leaves_nothing_out_and_no_other_id(
    tmp_path: Path, after: bool
) -> None:
    async with opened(tmp_path) as parts:
        stage = Stage(parts, await parts.log.topic("events"), {"shop": Wire(await parts.stream("shop"))})
        await stage.post(*HISTORY)
    process = multiprocessing.get_context("spawn").Process(target=_die, args=(str(tmp_path), after))
    process.start()
    await asyncio.to_thread(process.join, 60)
    assert process.exitcode == -signal.SIGKILL
    async with opened(tmp_path) as parts:
        assert [owner for owner, *_ in await Shop(parts.store).owners()] == ["customer/A", "customer/B"]
        stage = Stage(parts, await parts.log.topic("events"), {"shop": Wire(await parts.stream("shop"))})
        async with stage.running():
            await stage.done()
        await until(lambda: stage.sites["shop"].appends > 0)
        passed = await _passed_on(stage)
    ids = [record.id for record in HISTORY]
    assert [record.id for record in passed] == ids * (2 if after else 1)
    first, again = passed[: len(ids)], passed[-len(ids) :]
    assert [(one.body, one.lane) for one in again] == [(one.body, one.lane) for one in first]
    assert [record.customer for record in again] == [None, "A", "A", "B", "B", "B"]


async def _passed_on(stage: Stage) -> list[Record]:
    wire = stage.sites["shop"]
    count = (await wire.backlog("test")).count
    found: list[Record] = []
    while len(found) < count:
        taken = await wire.read("test", 100)
        found += [Record.decode(item.value) for chunk in taken.chunks for item in chunk.items]
    return found
