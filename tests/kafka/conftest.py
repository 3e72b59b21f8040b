"""Settings for the Kafka that a test runs on."""

import pytest

from gateway.config import StreamSettings
from gateway.demo.parts import Kafka


@pytest.fixture
def settings(kafka: Kafka, topic_prefix: str) -> StreamSettings:
    """One node without replicas, four partitions, topics of this test's own; time for a busy machine."""
    return StreamSettings(
        kind="kafka",
        brokers=[kafka.address],
        append_seconds=2,
        topic_prefix=topic_prefix,
        partitions=4,
        replication=1,
        min_insync=1,
    )
