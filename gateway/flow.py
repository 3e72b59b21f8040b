"""The path of an event, one function on each side of the durable line.

accept      a batch from a store: judge, append, answer           before it returns, a client waits
─────────── the durable line ───────────
pass_on     records of the stream: stitch, append to their site   after it, nobody waits
            (from there `gateway.delivery` takes them to eSputnik)
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.event import Record
from gateway.identity.stitcher import Stitcher
from gateway.ingest.desk import Desk
from gateway.ingest.reply import Result
from gateway.stream import Entry, Mark, Stream, Taken


async def accept(events: Sequence[Any], desk: Desk, stream: Stream, now_ms: int) -> list[Result]:
    """Return one result per event; what is answered as accepted is durable by then.

    Raises NotDurable when that cannot be promised in time: then nothing of the batch is promised.
    """
    judged = desk.judge(events, now_ms)
    if judged.records:
        await stream.append([Entry(record.lane, record.encode()) for record in judged.records])
    desk.settle(judged.records, now_ms)
    assert len(judged.results) == len(events)
    return judged.results


async def pass_on(taken: Taken, stitcher: Stitcher, sites: Mapping[str, Stream]) -> list[Mark]:
    """Return the marks to commit for what was taken: every record of it stands in its site's stream by then.

    Raises Unreachable or NotDurable where a part is away; the same records may then be passed on again.
    """
    records = [
        (f"{chunk.partition}:{item.offset}", Record.decode(item.value))
        for chunk in taken.chunks
        for item in chunk.items
    ]
    by_site = defaultdict[str, list[Entry]](list)
    for stitched in await stitcher.stitch(records):
        if stitched.record is not None:
            by_site[stitched.record.site].append(Entry(stitched.record.lane, stitched.record.encode()))
    await asyncio.gather(*(sites[site].append(entries) for site, entries in by_site.items()))
    return [Mark(chunk.partition, chunk.items[-1].offset + 1) for chunk in taken.chunks if chunk.items]
