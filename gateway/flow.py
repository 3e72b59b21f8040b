"""The path of an event, what is done on each side of the durable line.

accept      a batch from a store: judge, append, answer           before it returns, a client waits
─────────── the durable line ───────────
stitch      records of the stream: whose they are                 after it, nobody waits
pass_on     stitched records: append to their site's stream
            (from there `gateway.delivery` takes them to eSputnik)
"""

import asyncio
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from typing import Any

from gateway.errors import ConfigError, NotDurable
from gateway.event import PROBE, Record
from gateway.identity.stitcher import Stitcher
from gateway.ingest.desk import Desk
from gateway.ingest.reply import Result, tell_on_disk
from gateway.stream import Entry, Stream

Positioned = Sequence[tuple[str, Record]]
"""Records, each with its position in the stream."""
Waiting = dict[str, list[Entry]]
"""What has to be appended, by site."""


async def accept(events: Sequence[Any], desk: Desk, stream: Stream, now_ms: int) -> list[Result]:
    """Return one result per event; what is answered as accepted is durable by then.

    Raises NotDurable when that cannot be promised in time: then nothing of the batch is promised.
    """
    judged = desk.judge(events, now_ms)
    if judged.records:
        on_disk = await stream.append([Entry(record.lane, record.encode()) for record in judged.records])
        if on_disk:
            tell_on_disk(judged.results, {judged.records[place].id for place in on_disk})
    desk.settle(judged.records, now_ms)
    assert len(judged.results) == len(events)
    return judged.results


async def stitch(records: Positioned, stitcher: Stitcher, sites: Container[str]) -> Waiting:
    """Return what goes on of the records, by site and stitched, in order.

    Raises ConfigError naming a site that is not configured here: what was accepted is not dropped. Raises
    Unreachable where the links are away; the same records may then be stitched again.
    """
    strange = {record.site for _, record in records if record.type != PROBE and record.site not in sites}
    if strange:
        names = ", ".join(sorted(strange))
        raise ConfigError([f"sites: the stream holds events of {names}, not configured here; add it again"])
    waiting: Waiting = defaultdict(list)
    for stitched in await stitcher.stitch(records):
        if stitched.record is not None:
            waiting[stitched.record.site].append(Entry(stitched.record.lane, stitched.record.encode()))
    return waiting


async def pass_on(waiting: Waiting, sites: Mapping[str, Stream]) -> None:
    """Append what waits to the streams of its sites; each leaves `waiting` as soon as it stands there.

    Raises NotDurable with the rest still in `waiting`, where it may be passed on again: what fails of a lane
    fails as a whole, so its order stays.
    """
    names = list(waiting)
    outcomes = await asyncio.gather(*(_append(waiting, name, sites[name]) for name in names))
    if reasons := {reason for reason in outcomes if reason is not None}:
        raise NotDurable("; ".join(sorted(reasons)))


async def _append(waiting: Waiting, site: str, stream: Stream) -> str | None:
    entries = waiting[site]
    try:
        await stream.append(entries)
    except NotDurable as problem:
        # One that names none has promised none.
        waiting[site] = [entries[place] for place in problem.failed] or entries
        return str(problem)
    del waiting[site]
    return None
