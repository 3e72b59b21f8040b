"""The process's one Kafka producer, never waited for longer than said, and replaced when it hangs.

Idempotence is off on purpose: with it, aiokafka never gives up on brokers that vanished (its issue 1101),
neither sending nor stopping. Without it a batch expires with its request; order is still kept, because
aiokafka has one batch of a partition under way at a time and puts a retried one back in front. What a retry
may repeat is known downstream by its record id.
"""

import asyncio
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from gateway.config import StreamSettings
from gateway.errors import NotDurable, Unreachable
from gateway.stream import Entry
from gateway.stream.kafka_topics import MESSAGE_BYTES, connection

BATCH_BYTES = 2**20
"""Where a gathered group is split; a larger value goes alone."""
STUCK_SECONDS = 8.0
"""A write takes longer only when the producer has lost track: requests expire long before."""
_START_SECONDS = 5.0
_STOP_SECONDS = 3.0
_AGAIN_SECONDS = 0.2

log = structlog.get_logger()


class Producer:
    """Writes to every topic of this process."""

    def __init__(self, settings: StreamSettings) -> None:
        self._brokers = ", ".join(settings.brokers)
        self._seconds = settings.append_seconds
        self._arguments = {
            **connection(settings),
            "acks": "all",
            "enable_idempotence": False,
            "max_batch_size": BATCH_BYTES,
            "max_request_size": MESSAGE_BYTES,
            "request_timeout_ms": int(max(1.0, settings.append_seconds) * 1000),
        }
        self._current: AIOKafkaProducer | None = None
        self._ready = asyncio.Event()
        self._background: set[asyncio.Task[None]] = set()

    async def start(self, patient: bool = False) -> None:
        """Connect; when no broker answers, go on trying if `patient`, else raise Unreachable."""
        try:
            self._use(await self._new())
        except (KafkaError, TimeoutError, OSError) as problem:
            if not patient:
                raise Unreachable(f"Kafka at {self._brokers} does not answer: {problem!r}") from problem
            self._spawn(self._start_again())

    @property
    def is_connected(self) -> bool:
        """Whether there is a producer to write with now."""
        return self._current is not None

    async def write(self, topic: str, partition: int, entries: Sequence[Entry]) -> None:
        """Return when the partition's in-sync replicas have the entries, in order, the lane as key.

        Raises KafkaError or NotDurable otherwise, at the latest when a request has expired: what failed is
        not sent later. One write of a partition at a time.
        """
        producer = await self._usable()
        try:
            async with asyncio.timeout(STUCK_SECONDS):
                for batch in _batches(producer, entries):
                    await (await producer.send_batch(batch, topic, partition=partition))
        except TimeoutError:
            self._replace(producer)
            raise NotDurable("the Kafka producer was stuck") from None

    async def _usable(self) -> AIOKafkaProducer:
        if self._current is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._ready.wait()
        if self._current is None:
            raise NotDurable("no Kafka broker answers")
        return self._current

    async def _new(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(**self._arguments)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await producer.start()
        except BaseException:
            await _discard(producer)
            raise
        return producer

    def _use(self, producer: AIOKafkaProducer) -> None:
        # Without its sender a producer takes batches and never sends them.
        producer._sender.sender_task.add_done_callback(lambda _: self._replace(producer))
        self._current = producer
        self._ready.set()

    def _replace(self, producer: AIOKafkaProducer) -> None:
        if producer is not self._current:
            return
        log.warning("kafka producer is stuck and replaced")
        self._current = None
        self._ready.clear()
        self._spawn(_discard(producer))
        self._spawn(self._start_again())

    async def _start_again(self) -> None:
        while True:
            try:
                self._use(await self._new())
            except (KafkaError, TimeoutError, OSError):
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def close(self) -> None:
        """Stop sending and release every connection. Bounded in time."""
        producer, self._current = self._current, None
        for task in self._background:
            task.cancel()
        if self._background:
            await asyncio.wait(self._background)
        if producer is not None:
            await _discard(producer)


def _batches(producer: AIOKafkaProducer, entries: Sequence[Entry]) -> Iterator[Any]:
    now = time.time_ns() // 1_000_000
    batch = producer.create_batch()
    append = batch.append
    for lane, value in entries:
        key = lane.encode()
        if append(timestamp=now, key=key, value=value) is None:
            yield batch
            batch = producer.create_batch()
            append = batch.append
            append(timestamp=now, key=key, value=value)
    yield batch


async def _discard(producer: AIOKafkaProducer) -> None:
    """Stop a producer, by force where it does not stop; nothing of it is left running."""
    with suppress(TimeoutError, KafkaError):
        async with asyncio.timeout(_STOP_SECONDS):
            await producer.stop()
    # A producer that lost its sender, or waits for brokers that are gone, leaves its batches unanswered and
    # tasks of its own waiting for them. Whoever wrote them has been told long ago.
    producer._message_accumulator.fail_all(KafkaError("the producer was given up"))
    if sender := producer._sender.sender_task:
        sender.cancel()
        await asyncio.wait((sender,), timeout=_STOP_SECONDS)
    await producer.client.close()
