"""Real parts for the tests, started once a session and only when a test asks for them."""

import os
import uuid
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import settings

from gateway.demo.parts import Kafka, Postgres, free_port


class FarKafka(NamedTuple):
    """A broker, and the port where its clients look for it."""

    broker: Kafka
    port: int


# How long an example takes depends on what else the machine does, so no example has a deadline.
settings.register_profile("here", deadline=None)
settings.register_profile("nightly", max_examples=20_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "here"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL for the whole session; a test that stops or pauses it starts its own."""
    with Postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The address of a database of this test alone, empty."""
    name = f"test_{uuid.uuid4().hex}"
    yield postgres.create_database(name)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """One Kafka for the whole session; a test that stops or pauses it starts its own."""
    with Kafka() as broker:
        yield broker


@pytest.fixture(scope="session")
def far_kafka() -> Iterator[FarKafka]:
    """One Kafka that clients reach through a proxy of the test's own, which may do to them what it likes."""
    port = free_port()
    with Kafka(advertised_port=port) as broker:
        yield FarKafka(broker, port)


@pytest.fixture
def own_kafka() -> Iterator[Kafka]:
    """A Kafka of this test alone, to be broken as it likes."""
    with Kafka() as broker:
        yield broker


@pytest.fixture
def topic_prefix() -> str:
    """A prefix that makes this test's topics and groups its own on a shared broker."""
    return f"t{uuid.uuid4().hex[:12]}"
