"""The stream on Kafka: a lane's checksum chooses its partition, and nothing is waited for without end."""

import asyncio
from collections.abc import Container, Sequence
from functools import partial
from zlib import crc32

from gateway.config import StreamSettings
from gateway.errors import NotDurable
from gateway.stream import Backlog, Entry, Mark, Taken
from gateway.stream.gather import Gatherer, Landing
from gateway.stream.kafka_backlog import Observer
from gateway.stream.kafka_producer import Producer
from gateway.stream.kafka_reader import Reader, consumer_arguments
from gateway.stream.kafka_topics import check_topic, connection, topic_name


class KafkaLog:
    """The cluster as this process uses it: one producer for all topics. Make it with `open`."""

    def __init__(self, settings: StreamSettings) -> None:
        self._settings = settings
        self._producer = Producer(settings)
        self._topics: dict[str, KafkaStream] = {}

    @classmethod
    async def open(cls, settings: StreamSettings) -> "KafkaLog":
        """Return the connected log; raises Unreachable when no broker answers."""
        log = cls(settings)
        await log._producer.start()
        return log

    async def topic(self, name: str) -> "KafkaStream":
        """Return the stream of that topic, always the same one.

        Raises ConfigError when the topic is missing or has another number of partitions than configured.
        """
        if name not in self._topics:
            await check_topic(self._settings, name)
            self._topics.setdefault(name, KafkaStream(self._settings, self._producer, name))
        return self._topics[name]

    async def close(self) -> None:
        """Close every topic and disconnect. Bounded in time."""
        await asyncio.gather(*(stream.close() for stream in self._topics.values()))
        await self._producer.close()


class KafkaStream:
    """One topic."""

    def __init__(self, settings: StreamSettings, producer: Producer, topic: str) -> None:
        self._topic = topic_name(settings, topic)
        self._partitions = settings.partitions
        # One for each partition: one without a leader does not hold up the others.
        self._gatherers = [
            Gatherer(partial(producer.write, self._topic, number), settings.append_seconds, topic)
            for number in range(settings.partitions)
        ]
        self._connection = connection(settings)
        self._observer = Observer(self._topic, settings.partitions, self._connection)
        self._readers: dict[str, Reader] = {}

    async def append(self, entries: Sequence[Entry]) -> None:
        """Return when the in-sync replicas have every entry; raises NotDurable naming those that may miss."""
        shares: dict[Gatherer, list[Entry]] = {}
        for entry in entries:
            shares.setdefault(self._gatherer(entry.lane), []).append(entry)
        if not shares:
            return
        landing = Landing(len(shares))
        for gatherer, share in shares.items():
            gatherer.join(share, landing)
        if failed := await landing.wait():
            places = [place for place, entry in enumerate(entries) if self._gatherer(entry.lane) in failed]
            raise NotDurable("; ".join(sorted(set(failed.values()))), places)

    def _gatherer(self, lane: str) -> Gatherer:
        return self._gatherers[crc32(lane.encode()) % len(self._gatherers)]

    async def read(self, group: str, limit: int, full: Container[int] = ()) -> Taken:
        """Return the group's next items from the partitions this reader holds."""
        return await self._reader(group).read(limit, full)

    async def commit(self, group: str, marks: Sequence[Mark]) -> None:
        """Store the marks in one request; raises Unreachable when Kafka does not take them."""
        await self._reader(group).commit(marks)

    def _reader(self, group: str) -> Reader:
        reader = self._readers.get(group)
        if reader is None:
            name = self._group_name(group)
            arguments = consumer_arguments(self._connection)
            marks = partial(self._observer.marks, name)
            reader = Reader(self._topic, self._partitions, name, arguments, marks)
            self._readers[group] = reader
        return reader

    def _group_name(self, group: str) -> str:
        # A group of the topic alone: in a shared one a slow site would hold up every other site's rebalance.
        return f"{self._topic}.{group}"

    async def backlog(self, group: str) -> Backlog:
        """Return how much the group has before it and how old that is; raises Unreachable."""
        return await self._observer.backlog(self._group_name(group))

    async def close(self) -> None:
        """Finish what was taken and leave every group. Bounded in time."""
        await asyncio.gather(
            *(gatherer.close() for gatherer in self._gatherers),
            *(reader.close() for reader in self._readers.values()),
            self._observer.close(),
        )
