"""How far the groups of a topic are behind, asked from outside, without joining any of them."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from gateway.errors import Unreachable
from gateway.stream import Backlog
from gateway.stream.marks import Ranges, from_text

_ASK_SECONDS = 5.0
_STOP_SECONDS = 3.0


class Observer:
    """Looks at one topic: committed marks, ends of partitions, single records. Connects when first asked."""

    def __init__(self, topic: str, partitions: int, connection: dict[str, Any]) -> None:
        self._topic = topic
        self._places = [TopicPartition(topic, number) for number in range(partitions)]
        self._connection = {**connection, "request_timeout_ms": int(_ASK_SECONDS * 1000)}
        self._admin: AIOKafkaAdminClient | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._asking = asyncio.Lock()

    async def marks(self, group: str, partitions: Iterable[int]) -> dict[int, tuple[int, Ranges]]:
        """Return the committed marks of those partitions that have one; raises Unreachable."""
        places = [self._places[number] for number in partitions]
        if not places:
            return {}
        async with self._asking, self._bounded():
            return await self._committed(group, places)

    async def _committed(self, group: str, places: list[TopicPartition]) -> dict[int, tuple[int, Ranges]]:
        if self._admin is None:
            self._admin = await self._connected()
        # Unlike a consumer's `committed`, this answers with the metadata, where the done ranges are.
        offsets = await self._admin.list_consumer_group_offsets(group, partitions=places)
        return {
            place.partition: (mark.offset, from_text(mark.offset, mark.metadata))
            for place, mark in offsets.items()
            if mark.offset >= 0
        }

    async def _connected(self) -> AIOKafkaAdminClient:
        admin = AIOKafkaAdminClient(**self._connection)
        try:
            await admin.start()
        except BaseException:  # whoever asked may have given up: half connected, it would fail the next one
            await admin.close()
            raise
        return admin

    async def backlog(self, group: str) -> Backlog:
        """Return how many records the group has not done and the age of the oldest; raises Unreachable.

        The work does not grow with the backlog: ends of partitions, and one record of each that has any left.
        """
        async with self._asking, self._bounded():
            marks = await self._committed(group, self._places)
            consumer = await self._observing()
            starts = await consumer.beginning_offsets(self._places)
            ends = await consumer.end_offsets(self._places)
            count, oldest = 0, {}
            for place in self._places:
                low, done = marks.get(place.partition, (0, ()))
                first = max(low, starts[place])
                left = ends[place] - first - sum(end - start + 1 for start, end in done)
                if left > 0:
                    count += left
                    oldest[place] = first
            return Backlog(count, await self._age(consumer, oldest))

    async def _observing(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            # A fetch brings at least one batch whole, however small the limit.
            arguments = {
                **self._connection,
                "max_partition_fetch_bytes": 1024,
                "auto_offset_reset": "earliest",
            }
            self._consumer = AIOKafkaConsumer(**arguments)
            self._consumer.assign(self._places)
            self._consumer.pause(*self._places)
            await self._consumer.start()
        return self._consumer

    async def _age(self, consumer: AIOKafkaConsumer, oldest: dict[TopicPartition, int]) -> float:
        """Return how many seconds ago the first of those records was appended."""
        if not oldest:
            return 0.0
        for place, offset in oldest.items():
            consumer.seek(place, offset)
        consumer.resume(*oldest)
        try:
            times = [(await consumer.getone(place)).timestamp for place in oldest]
        finally:
            consumer.pause(*oldest)
        return max(0.0, time.time() - float(min(times)) / 1000)

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                yield
        except (KafkaError, TimeoutError, OSError) as problem:
            await self._stop()
            raise Unreachable(f"Kafka does not tell about {self._topic}: {problem!r}") from problem

    async def _stop(self) -> None:
        """Disconnect; the next question connects anew."""
        admin, self._admin = self._admin, None
        consumer, self._consumer = self._consumer, None
        with suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(_STOP_SECONDS):
                if consumer is not None:
                    await consumer.stop()
                if admin is not None:
                    await admin.close()

    async def close(self) -> None:
        """Disconnect. Bounded in time."""
        await self._stop()
