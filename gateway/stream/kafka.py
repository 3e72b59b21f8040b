"""The stream on Kafka: a lane's checksum chooses its partition, and nothing is waited for without end."""

import asyncio
from collections.abc import Container, Sequence
from functools import partial
from zlib import crc32

import structlog

from gateway.config import StreamSettings
from gateway.errors import ConfigError, NotDurable, Unreachable
from gateway.stream import Backlog, Entry, Mark, Taken
from gateway.stream.gather import Gatherer, Landing
from gateway.stream.kafka_backlog import Observer
from gateway.stream.kafka_producer import Producer
from gateway.stream.kafka_reader import Reader, consumer_arguments
from gateway.stream.kafka_topics import check_topic, connection, topic_name
from gateway.stream.spool import Spool

_CHECK_SECONDS = 1.0

_log = structlog.get_logger()


class KafkaLog:
    """The cluster as this process uses it: one producer for all topics. Make it with `open`."""

    def __init__(self, settings: StreamSettings, spooled: str | None) -> None:
        self._settings = settings
        self._spooled = spooled
        self._producer = Producer(settings)
        self._topics: dict[str, KafkaStream] = {}
        self._checks: list[asyncio.Task[None]] = []

    @classmethod
    async def open(cls, settings: StreamSettings, spooled: str | None = None) -> "KafkaLog":
        """Return the log; the topic `spooled` has this machine's disk for what Kafka does not take.

        Raises Unreachable when no broker answers and nothing is spooled meanwhile.
        """
        log = cls(settings, spooled)
        await log._producer.start(patient=spooled is not None)
        return log

    async def topic(self, name: str) -> "KafkaStream":
        """Return the stream of that topic, always the same one.

        Raises ConfigError when the topic is missing or has another number of partitions than configured.
        """
        if name not in self._topics:
            await self._check(name)
            stream = self._topics.setdefault(name, KafkaStream(self._settings, self._producer, name))
            if name == self._spooled:
                await stream.spool()
        return self._topics[name]

    async def _check(self, name: str) -> None:
        if self._spooled is not None and not self._producer.is_connected:
            _log.warning("kafka_is_away_at_start", topic=name)
            self._checks.append(asyncio.create_task(self._check_later(name)))
        else:
            await check_topic(self._settings, name)

    async def _check_later(self, name: str) -> None:
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            try:
                return await check_topic(self._settings, name)
            except Unreachable:
                continue
            except ConfigError as problem:
                _log.error("topic_cannot_be_used", reason=str(problem))
                return None

    async def close(self) -> None:
        """Close every topic and disconnect. Bounded in time."""
        for check in self._checks:
            check.cancel()
        await asyncio.gather(*(stream.close() for stream in self._topics.values()))
        await self._producer.close()


class KafkaStream:
    """One topic."""

    def __init__(self, settings: StreamSettings, producer: Producer, topic: str) -> None:
        self._settings = settings
        self._name = topic
        self._topic = topic_name(settings, topic)
        self._partitions = settings.partitions
        self._writes = [partial(producer.write, self._topic, number) for number in range(settings.partitions)]
        # One for each partition: one without a leader does not hold up the others.
        self._gatherers = [Gatherer(write, settings.append_seconds, topic) for write in self._writes]
        self._spool: Spool | None = None
        self._connection = connection(settings)
        self._observer = Observer(self._topic, settings.partitions, self._connection)
        self._readers: dict[str, Reader] = {}

    async def spool(self) -> None:
        """From now on have what Kafka does not take in time on this machine's disk; raises ConfigError."""
        self._spool = await Spool.open(self._settings, self._name, self._writes)
        self._gatherers = [
            Gatherer(write, self._settings.append_seconds, self._name, partition)
            for write, partition in zip(self._writes, self._spool.partitions, strict=True)
        ]

    async def append(self, entries: Sequence[Entry]) -> Sequence[int]:
        """Return when the in-sync replicas or the spool have every entry, with the places of the latter.

        Raises NotDurable naming those that may miss.
        """
        shares: dict[Gatherer, list[Entry]] = {}
        for entry in entries:
            shares.setdefault(self._gatherer(entry.lane), []).append(entry)
        if not shares:
            return ()
        landing = Landing(len(shares))
        for gatherer, share in shares.items():
            gatherer.join(share, landing)
        if failed := await landing.wait():
            raise NotDurable("; ".join(sorted(set(failed.values()))), self._places(entries, failed))
        return self._places(entries, landing.on_disk) if landing.on_disk else ()

    def _places(self, entries: Sequence[Entry], gatherers: Container[Gatherer]) -> list[int]:
        return [place for place, entry in enumerate(entries) if self._gatherer(entry.lane) in gatherers]

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
        if self._spool is not None:
            await self._spool.close()
