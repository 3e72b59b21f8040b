"""The stage behind a site's stitched topic: reads it, feeds the lanes, commits what is done."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import structlog

from gateway import metrics
from gateway.clock import Clock
from gateway.config import Delivery, Site
from gateway.contacts import Contacts
from gateway.delivery.bulk import gather
from gateway.delivery.dead_letters import DeadLetters
from gateway.delivery.gates import Gates
from gateway.delivery.lanes import Aside, Lanes
from gateway.delivery.reading import Pending, read
from gateway.delivery.sender import Follow, Sender
from gateway.errors import NotDurable, Unreachable
from gateway.esputnik.client import EsputnikClient
from gateway.event import Record
from gateway.outcomes import Callers
from gateway.recent import RecentIds
from gateway.stopping import unless_stopped
from gateway.stream import Chunk, Mark, Stream, Taken

GROUP = "deliver"
REMEMBERED = 20_000
"""Ids kept in mind: a write that is tried again stands in the stream twice, a batch or two apart."""
REPEAT_WINDOW_MS = 3600 * 1000

_BATCH = 500
_COMMIT_SECONDS = 0.1
"""Marks are committed this often at most: what was done since is what a crash repeats."""
_AWAY_SECONDS = 1.0
"""Wait before a stream that is away is read again."""

_log = structlog.get_logger()


class Deliverer:
    """Delivers everything in the stream of one site to eSputnik, in order per lane, until it is stopped.

    It keeps to the part of the site's rate that its reader has of the site's partitions.
    """

    def __init__(
        self,
        stream: Stream,
        site: Site,
        settings: Delivery,
        client: EsputnikClient,
        dead_letters: DeadLetters,
        clock: Clock,
        callers: Callers,
        erased: Callable[[Record], bool],
        follow: Follow,
        contacts: Contacts | None,
        look: Callable[[Record], None],
        delivered: Callable[[Record], None],
    ) -> None:
        """`erased` tells whether a record is not to be sent any more, since whom it names was erased.

        `look` sees every record once that nothing is left to do for, `delivered` those that eSputnik took.
        """
        self._stream = stream
        self._site = site.id
        self._clock = clock
        # A request is over by then one way or the other, so a lane stops with its outcome known.
        self._stop_seconds = settings.timeout_seconds
        self._share = 0.0
        self._is_erased = erased
        self._look = look
        self._erased = metrics.ERASED.labels(site.id)
        self._copies = metrics.COPIES_DROPPED.labels(site.id, "deliver")
        self._client = client
        self._gates = gates = Gates(site, settings, clock, lambda: self._share, self._release)
        self._sender = Sender(
            site, settings, client, gates, dead_letters, clock, callers, follow, contacts, delivered
        )
        self._lanes: Lanes[Pending] = Lanes(
            self._deliver, gates.turn, settings.concurrency, settings.window, gather
        )
        self._recent = RecentIds(REMEMBERED, REPEAT_WINDOW_MS)
        self._unsaved: dict[int, Mark] = {}
        self._committing = asyncio.Lock()
        self._commit_fails = False
        self._stream_is_away = False
        self._stopping = asyncio.Event()
        self._finished = asyncio.Event()
        self._finished.set()

    def _release(self) -> None:
        self._lanes.release()

    def change(self, site: Site) -> None:
        """Take over the site's rate, key and name at the tracker; what is under way ends as it began."""
        self._gates.change(site.rate)
        self._sender.change(site)
        self._client.use_key(site.api_key.get_secret_value())

    async def run(self) -> None:
        """Deliver until `stop`; raises what nobody can wait away.

        UnreadableRecord tells that a newer version has written to the stream: nothing of that is thrown away.
        """
        self._finished.clear()
        self._lanes.start()
        committer = asyncio.create_task(self._commit_regularly())
        try:
            while not self._stopping.is_set():
                await self._go_on()
                self._lanes.check()
                if committer.done():
                    committer.result()
        except asyncio.CancelledError:
            self._lanes.cancel()
            raise
        finally:
            committer.cancel()
            await asyncio.gather(committer, return_exceptions=True)
            await self._commit(await self._lanes.stop_all(self._stop_seconds))
            self._finished.set()

    async def stop(self) -> None:
        """Start nothing more, let what is under way end, commit. Returns within the timeout of a request."""
        self._stopping.set()
        await self._finished.wait()

    async def _go_on(self) -> None:
        taken = await self._read()
        for chunk in taken.chunks:
            if chunk.items:
                self._feed(chunk)
        if taken.revoked:
            await self._let_go(taken.revoked)

    async def _let_go(self, partitions: Iterable[int]) -> None:
        await self._commit(await self._lanes.stop(partitions, self._stop_seconds))
        for partition in partitions:
            # Stored any later, it could set back what the partition's next reader has marked.
            self._unsaved.pop(partition, None)

    async def _read(self) -> Taken:
        try:
            reading = self._stream.read(GROUP, _BATCH, self._lanes.full())
            # What is read at a stop is not marked and comes again.
            taken = await unless_stopped(self._stopping, reading) or Taken([])
        except (Unreachable, NotDurable) as problem:
            if not self._stream_is_away:
                _log.warning("delivery_waits", site=self._site, reason=str(problem))
            self._stream_is_away = True
            await self._clock.sleep(_AWAY_SECONDS)
            return Taken([])
        self._stream_is_away = False
        self._share = taken.share
        return taken

    def _feed(self, chunk: Chunk) -> None:
        self._lanes.hold(chunk.partition, chunk.done)
        unreadable = 0
        for item in chunk.items:
            lane, pending = read(self._site, chunk.partition, item)
            unreadable += pending.record is None
            self._lanes.add(chunk.partition, item.offset, lane, pending)
        if unreadable:
            _log.error("records_unreadable", site=self._site, partition=chunk.partition, count=unreadable)

    async def _deliver(self, together: Sequence[Pending]) -> Sequence[Aside | None]:
        """Deliver, and leave out the copies of what this process is done with: they share its lane.

        Where nothing is left to send nothing is taken of the pace.
        """
        fresh = [
            pending for pending in together if not self._is_copy(pending) and not self._is_dropped(pending)
        ]
        if not fresh:
            self._gates.give_back()
            return [None] * len(together)
        outcomes = await self._sender.deliver(fresh)
        waiting = {
            pending.key: aside for pending, aside in zip(fresh, outcomes, strict=True) if aside is not None
        }
        for pending in fresh:
            if pending.key not in waiting:
                self._recent.add(pending.key, self._clock.now_ms())
                if pending.record is not None:
                    self._look(pending.record)
        return [waiting.get(pending.key) for pending in together]

    def _is_copy(self, pending: Pending) -> bool:
        if not self._recent.knows(pending.key, self._clock.now_ms()):
            return False
        self._copies.inc()
        return True

    def _is_dropped(self, pending: Pending) -> bool:
        """Tell whether whom the record names was erased since; then nothing of it is sent or kept."""
        if pending.record is None or not self._is_erased(pending.record):
            return False
        self._erased.inc()
        return True

    async def _commit_regularly(self) -> None:
        while True:
            await self._lanes.news.wait()
            self._lanes.news.clear()
            await self._commit(self._lanes.marks())
            await self._clock.sleep(_COMMIT_SECONDS)
            if self._unsaved:
                self._lanes.news.set()

    async def _commit(self, marks: Iterable[Mark]) -> None:
        """Store the marks; those that the stream does not take now are stored with the next ones."""
        self._unsaved.update((mark.partition, mark) for mark in marks)
        async with self._committing:
            saving = list(self._unsaved.values())
            if not saving:
                return
            try:
                await self._stream.commit(GROUP, saving)
            except (Unreachable, NotDurable) as problem:
                if not self._commit_fails:
                    _log.warning("marks_wait", site=self._site, reason=str(problem))
                self._commit_fails = True
                return
            self._commit_fails = False
        for mark in saving:
            if self._unsaved.get(mark.partition) is mark:
                del self._unsaved[mark.partition]
