"""TLS to every server that the gateway talks to: a certificate that nobody vouches for is refused."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from gateway.clients import esputnik_client
from gateway.config import Site, StreamSettings
from gateway.demo.parts import Postgres
from gateway.errors import ConfigError, Unreachable
from gateway.esputnik.errors import Unavailable
from gateway.store import open_store
from gateway.stream import Entry
from gateway.stream.kafka_topics import create_topics
from gateway.stream.opening import open_log
from tests.conftest import FarKafka
from tests.proxy import Proxy

ELSEWHERE = "127.0.0.2"
"""An address of this machine that the gateway takes for another one's."""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def foreign_ca_file(tmp_path: Path) -> Path:
    path = tmp_path / "foreign.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return path


def certified(authority: trustme.CA, host: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host).configure_cert(context)
    return context


async def test_kafka_is_refused_without_a_valid_certificate_and_taken_with_its_authority(
    far_kafka: FarKafka, authority: trustme.CA, ca_file: Path, topic_prefix: str
):
    broker, port = far_kafka
    settings = StreamSettings(
        kind="kafka",
        brokers=[f"127.0.0.1:{port}"],
        topic_prefix=topic_prefix,
        partitions=1,
        replication=1,
        min_insync=1,
        append_seconds=5,
        tls=True,
    )
    async with Proxy(broker.port, port=port, tls=certified(authority, "127.0.0.1")):
        with pytest.raises(Unreachable, match="does not answer"):
            async with open_log(settings):
                pass
        trusting = settings.model_copy(update={"ca_file": ca_file})
        await create_topics(trusting, ["events"])
        async with open_log(trusting) as log:
            stream = await log.topic("events")
            await stream.append([Entry("lane", b"secured")])
            async with asyncio.timeout(30):
                while not (chunks := (await stream.read("readers", 1)).chunks):
                    pass
            assert chunks[0].items[0].value == b"secured"


@pytest.fixture
async def secured_postgres(
    authority: trustme.CA, postgres: Postgres, postgres_url: str
) -> AsyncIterator[str]:
    tls = certified(authority, ELSEWHERE)
    async with Proxy(postgres.port, host=ELSEWHERE, tls=tls, as_postgres=True) as proxy:
        yield postgres_url.replace(f"127.0.0.1:{postgres.port}", f"{ELSEWHERE}:{proxy.port}")


async def test_postgres_elsewhere_is_refused_without_a_valid_certificate_and_taken_with_its_authority(
    secured_postgres: str, ca_file: Path, foreign_ca_file: Path
):
    for trusted in (None, foreign_ca_file):
        with pytest.raises(ConfigError, match=r"certificate is not valid here; links\.ca_file"):
            await open_store(secured_postgres, trusted)
    store = await open_store(secured_postgres, ca_file)
    async with store.transaction() as transaction:
        assert [tuple(row) for row in await transaction.fetch("SELECT 1")] == [(1,)]
    await store.close()


async def test_a_certificate_of_another_host_is_refused(
    authority: trustme.CA, postgres: Postgres, ca_file: Path
):
    tls = certified(authority, "elsewhere.example")
    async with Proxy(postgres.port, host=ELSEWHERE, tls=tls, as_postgres=True) as proxy:
        with pytest.raises(ConfigError, match="certificate is not valid"):
            await open_store(f"postgresql://postgres@{ELSEWHERE}:{proxy.port}/postgres", ca_file)


async def test_postgres_elsewhere_without_tls_is_refused_unless_the_url_allows_it(
    postgres: Postgres, postgres_url: str
):
    async with Proxy(postgres.port, host=ELSEWHERE) as proxy:
        url = postgres_url.replace(f"127.0.0.1:{postgres.port}", f"{ELSEWHERE}:{proxy.port}")
        with pytest.raises(ConfigError, match="takes no TLS"):
            await open_store(url)
        await (await open_store(f"{url}?sslmode=disable")).close()


async def test_esputnik_is_refused_without_a_valid_certificate_and_taken_with_its_authority(
    authority: trustme.CA, ca_file: Path, foreign_ca_file: Path
):
    arrived = []

    async def answer(request: web.Request) -> web.Response:
        arrived.append(request.path)
        return web.Response(status=204)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certified(authority, "127.0.0.1")).start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    site = Site(id="shop", tracker="open", tracker_url=url, api_url=url)
    try:
        for trusted in (None, foreign_ca_file):
            async with esputnik_client(site, 8, 1, trusted) as client:
                with pytest.raises(Unavailable, match="Certificate"):
                    await client.track(b"{}", "e-1")
        assert arrived == []
        async with esputnik_client(site, 8, 1, ca_file) as client:
            await client.track(b"{}", "e-1")
        assert arrived == ["/"]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_ca_file_that_is_none_is_a_sentence(tmp_path: Path, content: str | None):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=r"delivery\.ca_file: cannot be used"):
        esputnik_client(Site(id="shop", tracker="open"), 8, 1, path)
    with pytest.raises(ConfigError, match=r"links\.ca_file: cannot be used"):
        await open_store("postgresql://postgres@127.0.0.1/postgres", path)
