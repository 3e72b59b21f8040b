"""Reading a topic of Kafka as a member of a group: what comes next, what was done before, and letting go.

aiokafka has only eager rebalancing: each takes every partition away and gives some back. The reader says so
once, in `revoked`, and the group waits until the next `read` or until `LET_GO_SECONDS` are over.
"""

import asyncio
from collections.abc import Callable, Container, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from gateway.errors import Unreachable
from gateway.stream import Chunk, Item, Mark, Taken
from gateway.stream.marks import Ranges, not_done, to_text

LET_GO_SECONDS = 12.0
"""How long a rebalance waits for this reader to let go: longer than a request to eSputnik may take."""
_REBALANCE_SECONDS = 15.0
"""How long the group waits for its slowest member."""
_SESSION_SECONDS = 10.0
_HEARTBEAT_SECONDS = 1.0
"""How often a reader asks whether a rebalance has begun."""
_PATIENCE = 0.5
_FULL_PATIENCE = 0.05
"""How long a read lasts while partitions are full: the caller asks again, and may have room by then."""
_COMMIT_SECONDS = 5.0
_STOP_SECONDS = 5.0

Marks = Callable[[Iterable[int]], Coroutine[Any, Any, dict[int, tuple[int, Ranges]]]]

log = structlog.get_logger()


class Reader:
    """One member of one group in one topic. One caller of `read` at a time."""

    def __init__(
        self, topic: str, partitions: int, group: str, arguments: dict[str, Any], marks: Marks
    ) -> None:
        """`partitions` is how many the topic has; `marks` tells what the group has committed for some."""
        self._topic = topic
        self._partitions = partitions
        self._group = group
        self._arguments = arguments
        self._marks = marks
        self._consumer: AIOKafkaConsumer | None = None
        self._listener: _Listener | None = None
        self._starting: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[dict[int, tuple[int, Ranges]]] | None = None
        """The question for the marks of what is ours; it may take longer than one `read`."""
        self._poll: asyncio.Task[dict[TopicPartition, list[Any]]] | None = None
        self._assigned: frozenset[int] | None = None
        """What is ours now; None during a rebalance."""
        self._done: dict[int, Ranges] | None = None
        """What the marks leave out of what is ours; None until they were read."""
        self._revoked: frozenset[int] = frozenset()
        """What was taken from us, until `read` has said so."""
        self._let_go: asyncio.Event | None = None
        self._change = asyncio.Event()
        self._background: set[asyncio.Task[None]] = set()
        self._closed = False

    async def read(self, limit: int, full: Container[int]) -> Taken:
        """Return some next items, or what is being taken away, or nothing after about a second."""
        if self._let_go is not None and not self._revoked:
            self._let_go.set()
        try:
            async with asyncio.timeout(2 * _PATIENCE):
                return await self._take(limit, full)
        except TimeoutError:
            return self._say_revoked()
        except (KafkaError, Unreachable) as problem:
            log.warning("kafka consumer failed and is replaced", topic=self._topic, problem=repr(problem))
            self._start_over()
            return self._say_revoked()

    async def _take(self, limit: int, full: Container[int]) -> Taken:
        while not self._closed:
            if self._revoked:
                return self._say_revoked()
            self._change.clear()
            if self._assigned is None:
                self._start()
                await self._change.wait()
            elif self._done is None:
                await self._load_marks(self._assigned)
            else:
                return await self._next(self._assigned, limit, full)
        await asyncio.sleep(_FULL_PATIENCE)  # whoever reads on must not keep the loop to himself
        return self._taken([])

    def _say_revoked(self) -> Taken:
        revoked, self._revoked = self._revoked, frozenset()
        return self._taken([], revoked)

    def _taken(self, chunks: list[Chunk], revoked: frozenset[int] = frozenset()) -> Taken:
        return Taken(chunks, revoked, len(self._assigned or ()) / self._partitions)

    def _start(self) -> None:
        if self._consumer is None:
            self._listener = _Listener(self)
            self._consumer = AIOKafkaConsumer(group_id=self._group, **self._arguments)
            self._starting = asyncio.create_task(self._join(self._consumer, self._listener))
        elif self._consumer._coordinator is not None:
            # Nothing is polled during a rebalance, and only a poll would tell that it cannot succeed.
            self._consumer._coordinator.check_errors()

    async def _join(self, consumer: AIOKafkaConsumer, listener: "_Listener") -> None:
        try:
            await consumer.start()
            # Subscribed before, it would start no sooner than the group has assigned something.
            consumer.subscribe([self._topic], listener=listener)
        except Exception as problem:  # aiokafka asserts where a cluster is not as it thinks
            log.warning("kafka consumer cannot start", topic=self._topic, problem=repr(problem))
            await asyncio.sleep(_PATIENCE)
            if consumer is self._consumer:
                self._starting = None
                self._start_over()

    def _start_over(self) -> None:
        """Give up the consumer, and with it what it held; the next read starts another."""
        if self._consumer is not None:
            self._spawn(_discard(self._consumer, self._starting))
        self._consumer = self._listener = self._starting = None
        self._revoked |= self._assigned or frozenset()
        self._assigned = self._done = None
        self._drop_poll()
        self._drop_question()
        self._change.set()

    def _drop_poll(self) -> None:
        poll, self._poll = self._poll, None
        self._drop(poll)

    def _drop_question(self) -> None:
        asking, self._asking = self._asking, None
        self._drop(asking)

    def _drop(self, task: asyncio.Task[Any] | None) -> None:
        if task is not None:
            task.cancel()
            self._spawn(_over(task))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _load_marks(self, assigned: frozenset[int]) -> None:
        if self._asking is None:
            self._asking = asyncio.create_task(self._marks(assigned))
        asking = self._asking
        await self._done_or_change(asking)
        if asking is self._asking and asking.done():
            self._asking = None
            self._done = {partition: done for partition, (_, done) in asking.result().items() if done}

    async def _next(self, assigned: frozenset[int], limit: int, full: Container[int]) -> Taken:
        wanted = [TopicPartition(self._topic, number) for number in assigned if number not in full]
        patience = _PATIENCE if len(wanted) == len(assigned) else _FULL_PATIENCE
        if self._poll is None:
            # aiokafka takes an empty choice for every partition; and asking for none still counts as polling,
            # without which the group throws a reader out in a long outage.
            choice = wanted or [TopicPartition(self._topic, -1)]
            assert self._consumer is not None
            self._poll = asyncio.create_task(
                self._consumer.getmany(*choice, timeout_ms=int(patience * 1000), max_records=limit)
            )
        await self._done_or_change(self._poll)
        if self._revoked or not self._poll.done():
            return self._say_revoked()
        poll, self._poll = self._poll, None
        return self._taken(list(self._chunks(poll.result(), full)))

    async def _done_or_change(self, task: asyncio.Task[Any]) -> None:
        """Wait for the task, but only until a rebalance begins: a poll may wait for that to end."""
        change = asyncio.ensure_future(self._change.wait())
        try:
            await asyncio.wait((task, change), return_when=asyncio.FIRST_COMPLETED)
        finally:
            change.cancel()

    def _chunks(self, polled: dict[TopicPartition, list[Any]], full: Container[int]) -> Iterable[Chunk]:
        for place, records in polled.items():
            if place.partition in full:
                # Asked for before a rebalance, when it was not full.
                self._rewind(place, records[0].offset)
                continue
            items = [Item(record.offset, record.value) for record in records]
            done = (self._done or {}).get(place.partition, ())
            if items := not_done(items, done):
                yield Chunk(place.partition, items, done)

    def _rewind(self, place: TopicPartition, offset: int) -> None:
        assert self._consumer is not None
        with suppress(IllegalStateError):
            self._consumer.seek(place, offset)

    async def lose(self, partitions: frozenset[int]) -> None:
        """Say with the next answer what is lost, and return when the reader comes again after that."""
        self._assigned = self._done = None
        self._drop_question()
        if self._poll is not None and self._poll.done():
            self._drop_poll()  # what it holds is ours no more
        if not partitions or self._closed:
            return
        self._revoked |= partitions
        self._let_go = asyncio.Event()
        self._change.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(LET_GO_SECONDS):
                await self._let_go.wait()
        self._let_go = None

    def gain(self, partitions: frozenset[int]) -> None:
        """Go on from the committed marks of what is ours now."""
        self._assigned = partitions
        self._done = None
        self._drop_question()
        self._change.set()

    def hears(self, listener: "_Listener") -> bool:
        """Tell whether the listener is of the present consumer, not of one given up."""
        return listener is self._listener

    async def commit(self, marks: Sequence[Mark]) -> None:
        """Store the marks of what is still held, in one request; raises Unreachable when Kafka is away."""
        consumer = self._consumer
        if consumer is None:
            return
        held = consumer.assignment()
        offsets = {
            place: OffsetAndMetadata(mark.low, to_text(mark.low, mark.done))
            for mark in marks
            if (place := TopicPartition(self._topic, mark.partition)) in held
        }
        if not offsets:
            return
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                await consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError):
            return  # the group has given them to another reader, which starts from the mark before
        except (KafkaError, TimeoutError) as problem:
            raise Unreachable(f"the marks of {self._topic} could not be stored: {problem!r}") from problem

    async def close(self) -> None:
        """Leave the group. Bounded in time."""
        self._closed = True
        self._change.set()
        if self._let_go is not None:
            self._let_go.set()
        self._start_over()
        if self._background:
            await asyncio.wait(self._background, timeout=2 * _STOP_SECONDS)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka ships no types
    """Passes on what the group decides, until its consumer is given up."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        if self._reader.hears(self):
            await self._reader.lose(frozenset(place.partition for place in revoked))

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        if self._reader.hears(self):
            self._reader.gain(frozenset(place.partition for place in assigned))


async def _over(task: asyncio.Task[Any]) -> None:
    """Wait for a task that nobody wants any more, and look at its error."""
    await asyncio.gather(task, return_exceptions=True)


def consumer_arguments(connection: dict[str, Any]) -> dict[str, Any]:
    """Return how the consumers of a group are made."""
    return {
        **connection,
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "session_timeout_ms": int(_SESSION_SECONDS * 1000),
        "heartbeat_interval_ms": int(_HEARTBEAT_SECONDS * 1000),
        "rebalance_timeout_ms": int(_REBALANCE_SECONDS * 1000),
        # Joining takes as long as the slowest member, up to the rebalance timeout.
        "request_timeout_ms": int((_REBALANCE_SECONDS + 5) * 1000),
    }


async def _discard(consumer: AIOKafkaConsumer, starting: asyncio.Task[None] | None) -> None:
    """Stop a consumer, by force where it does not stop."""
    if starting is not None and not starting.done():
        await asyncio.wait((starting,), timeout=_STOP_SECONDS)
        starting.cancel()
    with suppress(TimeoutError, KafkaError):
        async with asyncio.timeout(_STOP_SECONDS):
            await consumer.stop()
    if (coordinator := consumer._coordinator) is not None:
        for task in (coordinator._coordination_task, coordinator._heartbeat_task):
            if task is not None and not task.done():
                task.cancel()
    await consumer._client.close()
