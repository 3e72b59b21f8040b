"""Kafka's side of a topic: what it is called, how it is made, and whether it is as configured."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from gateway.config import StreamSettings
from gateway.errors import ConfigError, Unreachable
from gateway.tls import trusting

MESSAGE_BYTES = 12 * 2**20
"""A topic's limit for one message: above the largest body that ingest takes, with room for its head."""
_CONTROLLER_SECONDS = 0.1
_ADMIN_SECONDS = 10.0
_VISIBLE_SECONDS = 10.0


def topic_name(settings: StreamSettings, topic: str) -> str:
    """Return what the topic is called on Kafka, for example `gateway.stitched.demo-shop`."""
    return f"{settings.topic_prefix}.{topic}"


def connection(settings: StreamSettings) -> dict[str, Any]:
    """Return what every client of Kafka is made with; raises ConfigError for an unusable certificate."""
    security = ("SASL_" if settings.sasl_mechanism else "") + ("SSL" if settings.tls else "PLAINTEXT")
    arguments: dict[str, Any] = {"bootstrap_servers": settings.brokers, "security_protocol": security}
    if settings.tls:
        arguments["ssl_context"] = _ssl_context(settings)
    if settings.sasl_mechanism and settings.sasl_password:
        arguments["sasl_mechanism"] = settings.sasl_mechanism
        arguments["sasl_plain_username"] = settings.sasl_username
        arguments["sasl_plain_password"] = settings.sasl_password.get_secret_value()
    return arguments


def _ssl_context(settings: StreamSettings) -> ssl.SSLContext:
    context = trusting("stream.ca_file", settings.ca_file)
    if settings.cert_file:
        try:
            context.load_cert_chain(settings.cert_file, settings.key_file)
        except OSError as problem:
            mistake = f"stream.cert_file, stream.key_file: cannot be used: {problem.strerror}"
            raise ConfigError([mistake]) from None
    return context


@asynccontextmanager
async def admin_client(settings: StreamSettings, seconds: float = _ADMIN_SECONDS) -> AsyncIterator[Any]:
    """Lend an admin client; raises Unreachable when no broker answers, or not in time."""
    client = AIOKafkaAdminClient(**connection(settings), request_timeout_ms=int(seconds * 1000))
    try:
        async with asyncio.timeout(2 * seconds):
            await client.start()
            await _controller(client)
            yield client
    except (KafkaError, TimeoutError, OSError) as problem:
        raise Unreachable(f"Kafka at {', '.join(settings.brokers)} does not answer: {problem!r}") from problem
    finally:
        await client.close()


async def _controller(client: Any) -> None:
    """Return once a controller is known: a broker that has just started names none, and aiokafka stumbles."""
    while client._client.cluster.controller is None:
        await asyncio.sleep(_CONTROLLER_SECONDS)
        await client._client.force_metadata_update()


async def check_topic(settings: StreamSettings, topic: str) -> None:
    """Return when the topic is there with the configured number of partitions; raises ConfigError if not."""
    name = topic_name(settings, topic)
    async with admin_client(settings) as admin:
        described = await _describe(admin, name)
    if described is None:
        raise ConfigError([f"stream: topic {name} does not exist; `gateway topics create` makes it"])
    if mistake := _partition_mistake(settings, name, described):
        raise ConfigError([mistake])


async def _describe(admin: Any, name: str) -> dict[str, Any] | None:
    # Of all topics, since a broker may be set up to make a topic that is asked for by name.
    for topic in await admin.describe_topics():
        if topic["topic"] == name:
            described: dict[str, Any] = topic
            return described
    return None


def _partition_mistake(settings: StreamSettings, name: str, described: dict[str, Any]) -> str | None:
    count = len(described["partitions"])
    if count == settings.partitions:
        return None
    return (
        f"stream.partitions is {settings.partitions}, but topic {name} has {count}: "
        "with another count a lane would change its partition and lose its order"
    )


class TopicReport(NamedTuple):
    """What `create_topics` found or did."""

    name: str
    outcome: Literal["created", "exists"]
    differences: list[str]
    """Sentences about an existing topic that is not as configured."""


async def create_topics(settings: StreamSettings, topics: Sequence[str]) -> list[TopicReport]:
    """Make the topics that are missing, wait until they take records, and report on every one.

    Raises ConfigError with the broker's reason when it refuses one, Unreachable when none answers.
    """
    async with admin_client(settings) as admin:
        reports = []
        for topic in topics:
            name = topic_name(settings, topic)
            if await _create(admin, settings, name):
                reports.append(TopicReport(name, "created", []))
            else:
                reports.append(TopicReport(name, "exists", await _differences(admin, settings, name)))
        for report in reports:
            await _wait_for_leaders(admin, report.name)
    return reports


async def _create(admin: Any, settings: StreamSettings, name: str) -> bool:
    new = NewTopic(name, settings.partitions, settings.replication, topic_configs=_topic_config(settings))
    answer = await admin.create_topics([new])
    for _, code, message in answer.topic_errors:
        if code == TopicAlreadyExistsError.errno:
            return False
        if code:
            raise ConfigError([f"stream: topic {name} cannot be made: {message or for_code(code).__name__}"])
    return True


def _topic_config(settings: StreamSettings) -> dict[str, str]:
    return {
        # The broker's clock, not ours: a gateway whose clock is an hour ahead would be refused, and what one
        # that is a week behind writes would be past its retention at once.
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": str(int(settings.retention_days * 86_400_000)),
        "min.insync.replicas": str(settings.min_insync),
        "max.message.bytes": str(MESSAGE_BYTES),
    }


async def _differences(admin: Any, settings: StreamSettings, name: str) -> list[str]:
    described = await _describe(admin, name)
    differences = []
    if described is not None:
        if mistake := _partition_mistake(settings, name, described):
            differences.append(mistake)
        replication = len(described["partitions"][0]["replicas"])
        if replication != settings.replication:
            differences.append(
                f"stream.replication is {settings.replication}, topic {name} has {replication}"
            )
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    actual = {entry[0]: entry[1] for resource in answer.resources for entry in resource[4]}
    for key, wanted in _topic_config(settings).items():
        if actual.get(key) != wanted:
            differences.append(f"{key} of topic {name} is {actual.get(key)}, configured is {wanted}")
    return differences


async def _wait_for_leaders(admin: Any, name: str) -> None:
    async with asyncio.timeout(_VISIBLE_SECONDS):
        while True:
            described = await _describe(admin, name)
            if described and all(partition["leader"] >= 0 for partition in described["partitions"]):
                return
            await asyncio.sleep(0.05)
