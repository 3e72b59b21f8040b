"""Opening: the one place that knows which kinds of stream there are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from gateway.config import StreamSettings
from gateway.stream import Stream


class Log(Protocol):
    """What gives out topics as streams: one SQLite file, or one Kafka cluster."""

    async def topic(self, name: str) -> Stream:
        """Return the stream of that topic, always the same one; raises ConfigError when it cannot be used."""

    async def close(self) -> None:
        """Close every topic and release all resources. Bounded in time."""


@asynccontextmanager
async def open_log(settings: StreamSettings, spooled: str | None = None) -> AsyncIterator[Log]:
    """Lend the configured log: `await log.topic("events")` is a Stream.

    What a Kafka that is away does not take of the topic `spooled` goes to this machine's disk meanwhile.

    Raises ConfigError when the file belongs to another process or a newer version, Unreachable when no broker
    answers.
    """
    log = await _open(settings, spooled)
    try:
        yield log
    finally:
        await log.close()


async def _open(settings: StreamSettings, spooled: str | None) -> Log:
    if settings.kind == "sqlite":
        from gateway.stream.sqlite import SqliteLog  # noqa: PLC0415 -- only what was chosen is imported

        return SqliteLog(settings)
    from gateway.stream.kafka import KafkaLog  # noqa: PLC0415 -- only what was chosen is imported

    return await KafkaLog.open(settings, spooled)
