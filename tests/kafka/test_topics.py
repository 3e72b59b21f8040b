import asyncio
import time
from collections import defaultdict
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from gateway.config import StreamSettings
from gateway.demo.parts import free_port
from gateway.errors import ConfigError, Unreachable
from gateway.stream import Entry
from gateway.stream.kafka_topics import TopicReport, connection, create_topics, topic_name
from gateway.stream.opening import open_log


async def test_missing_topics_are_made_and_existing_ones_reported(settings: StreamSettings) -> None:
    events, stitched = f"{settings.topic_prefix}.events", f"{settings.topic_prefix}.stitched.shop"
    assert await create_topics(settings, ["events"]) == [TopicReport(events, "created", [])]
    assert await create_topics(settings, ["events", "stitched.shop"]) == [
        TopicReport(events, "exists", []),
        TopicReport(stitched, "created", []),
    ]


async def test_an_existing_topic_that_is_not_as_configured_is_told_in_sentences(
    settings: StreamSettings,
) -> None:
    await create_topics(settings, ["events"])
    other = settings.model_copy(update={"partitions": 5, "retention_days": 1.0})
    (report,) = await create_topics(other, ["events"])
    assert report.outcome == "exists"
    partitions, retention = report.differences
    assert "stream.partitions is 5" in partitions
    assert "has 4" in partitions
    assert "retention.ms" in retention


async def test_a_topic_the_broker_refuses_is_a_sentence(settings: StreamSettings) -> None:
    with pytest.raises(ConfigError, match=r"cannot be made.*replication"):
        await create_topics(settings.model_copy(update={"replication": 3}), ["events"])


async def test_a_missing_topic_is_a_sentence_and_is_not_made_by_asking(settings: StreamSettings) -> None:
    async with open_log(settings) as log:
        for _ in range(2):
            with pytest.raises(ConfigError, match=r"events does not exist; `gateway topics create` makes it"):
                await log.topic("events")


async def test_a_topic_with_another_number_of_partitions_is_refused(settings: StreamSettings) -> None:
    await create_topics(settings, ["events"])
    async with open_log(settings.model_copy(update={"partitions": 8})) as log:
        with pytest.raises(ConfigError, match=r"stream.partitions is 8, but topic .* has 4"):
            await log.topic("events")


async def test_no_broker_at_start_is_a_sentence_not_a_hang(settings: StreamSettings) -> None:
    nobody = settings.model_copy(update={"brokers": [f"127.0.0.1:{free_port()}"]})
    with pytest.raises(Unreachable, match="does not answer"):
        async with open_log(nobody):
            pass
    with pytest.raises(Unreachable, match="does not answer"):
        await create_topics(nobody, ["events"])


async def test_the_lane_is_the_key_of_its_messages(settings: StreamSettings) -> None:
    await create_topics(settings, ["events"])
    posted = [Entry(f"lane{number % 5}", b"%d" % number) for number in range(20)]
    async with open_log(settings) as log:
        await (await log.topic("events")).append(posted)
    topic = f"{settings.topic_prefix}.events"
    found: dict[int, list[Any]] = defaultdict(list)
    async with (
        AIOKafkaConsumer(topic, bootstrap_servers=settings.brokers, auto_offset_reset="earliest") as consumer,
        asyncio.timeout(20),
    ):
        for _ in posted:
            message = await consumer.getone()
            found[message.partition].append(Entry(message.key.decode(), message.value))
    assert sorted(entry for entries in found.values() for entry in entries) == sorted(posted)
    lanes = [{entry.lane for entry in entries} for entries in found.values()]
    assert sum(map(len, lanes)) == 5, "each lane in one partition"


def test_tls_and_sasl_settings_reach_the_client_and_certificates_are_verified() -> None:
    settings = StreamSettings(
        kind="kafka",
        brokers=["broker:9093"],
        tls=True,
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="gateway",
        sasl_password="secret-password",  # type: ignore[arg-type] # pydantic makes it a secret
    )
    arguments = connection(settings)
    assert arguments["security_protocol"] == "SASL_SSL"
    assert arguments["sasl_mechanism"] == "SCRAM-SHA-512"
    assert arguments["sasl_plain_password"] == "secret-password"
    assert arguments["ssl_context"].check_hostname


def test_an_unusable_certificate_is_a_sentence() -> None:
    settings = StreamSettings(kind="kafka", brokers=["broker:9093"], tls=True, ca_file="/nowhere/ca.pem")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"stream\.ca_file: cannot be used"):
        connection(settings)


@pytest.mark.parametrize("years", [-40, 40])
async def test_a_clock_that_is_wrong_by_years_neither_refuses_nor_outdates_what_is_appended(
    settings: StreamSettings, monkeypatch: pytest.MonkeyPatch, years: int
):
    await create_topics(settings, ["events"])
    clock = time.time_ns
    async with open_log(settings) as log:
        stream = await log.topic("events")
        monkeypatch.setattr(time, "time_ns", lambda: clock() + years * 365 * 86_400 * 10**9)
        await stream.append([Entry("lane", b"value")])
        monkeypatch.undo()
    topic = topic_name(settings, "events")
    places = [TopicPartition(topic, number) for number in range(settings.partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.brokers, auto_offset_reset="earliest")
    consumer.assign(places)
    async with consumer, asyncio.timeout(20):
        message = await consumer.getone()
    assert abs(message.timestamp / 1000 - time.time()) < 3600, "the broker's clock counts, not ours"
