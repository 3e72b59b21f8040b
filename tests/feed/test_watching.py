"""A gateway that runs keeps each feed's last good version, and alarms when the newest is bad."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from gateway import metrics
from gateway.app import Gateway
from gateway.clock import SystemClock
from gateway.config import Config
from gateway.errors import ConfigError
from gateway.feed.watching import Watch
from gateway.parts import Part, refuse_what_cannot_keep_its_promises
from gateway.sandbox import Sandbox
from tests.feed.shop import feed, product
from tests.service.conftest import KEY, running_shop, settings

GOOD = feed(*map(product, range(1, 11)))
BETTER = feed(*map(product, range(1, 12)))


class FeedHost:
    """The shop's own server; what it answers for each path is a test's to change."""

    def __init__(self) -> None:
        self.feeds: dict[str, str | bytes | int] = {}

    async def answer(self, request: web.Request) -> web.Response:
        content = self.feeds[request.path]
        if isinstance(content, int):
            return web.Response(status=content)
        body = content.encode() if isinstance(content, str) else content
        return web.Response(body=body, content_type="application/xml")


@pytest.fixture
async def host() -> AsyncIterator[FeedHost]:
    host = FeedHost()
    app = web.Application()
    app.router.add_get("/{path:.*}", host.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield host
    await runner.cleanup()


def configured(tmp_path: Path, host: FeedHost, *languages: str, minutes: float = 60) -> Config:
    links = {language: f"{host.url}/{language}.xml" for language in languages}
    return Config(
        listen={"port": 0, "metrics_port": 0},
        stream={"path": tmp_path / "stream.db"},
        links={"url": f"sqlite:{tmp_path / 'links.db'}"},
        feeds={"path": tmp_path / "feeds", "minutes": minutes},
        sites=[{"id": "shop", "keys": [KEY], "feed": {"links": links}}],
    )


async def look(config: Config) -> Watch:
    watch = Watch(config, SystemClock())
    await watch.look(config.sites[0])
    return watch


def good(language: str) -> float:
    return metrics.FEED_GOOD.labels("shop", language)._value.get()


def kept(config: Config, language: str) -> str | None:
    path = config.feeds.path / "shop" / f"{language}.xml"
    return path.read_text() if path.exists() else None


async def test_a_good_version_is_kept_and_a_bad_one_does_not_take_its_place(tmp_path: Path, host: FeedHost):
    config = configured(tmp_path, host, "uk")
    host.feeds["/uk.xml"] = GOOD
    watch = await look(config)
    assert (kept(config, "uk"), good("uk")) == (GOOD, 1)
    for bad in ("<html>", 403, GOOD[:-40], feed(), feed(*(product(n, price="x") for n in range(10)))):
        host.feeds["/uk.xml"] = bad
        await watch.look(config.sites[0])
        assert (kept(config, "uk"), good("uk")) == (GOOD, 0)
    host.feeds["/uk.xml"] = BETTER
    await watch.look(config.sites[0])
    assert (kept(config, "uk"), good("uk")) == (BETTER, 1)
    assert metrics.FEED_PRODUCTS.labels("shop", "uk")._value.get() == 11
    assert sorted(path.name for path in (config.feeds.path / "shop").iterdir()) == ["report.json", "uk.xml"]


async def test_one_language_does_not_touch_the_others(tmp_path: Path, host: FeedHost):
    config = configured(tmp_path, host, "uk", "en")
    host.feeds |= {"/uk.xml": GOOD, "/en.xml": 500}
    await look(config)
    assert (kept(config, "uk"), good("uk")) == (GOOD, 1)
    assert (kept(config, "en"), good("en")) == (None, 0)


async def test_a_markets_feed_is_watched_against_the_main_one_and_not_kept(tmp_path: Path, host: FeedHost):
    config = configured(tmp_path, host, "uk")
    (site,) = config.sites
    site.feed.markets["pl"] = f"{host.url}/pl.xml"
    host.feeds |= {"/uk.xml": GOOD, "/pl.xml": feed(*(product(n, price="9 PLN") for n in range(1, 11)))}
    watch = await look(config)
    assert (good("market pl"), good("uk")) == (1, 1)
    assert metrics.FEED_PRODUCTS.labels("shop", "market pl")._value.get() == 10
    for bad in (403, feed(*(product(n, price="9 PLN") for n in range(101, 111)))):
        host.feeds["/pl.xml"] = bad
        await watch.look(site)
        assert (good("market pl"), good("uk")) == (0, 1)
    assert sorted(path.name for path in (config.feeds.path / "shop").iterdir()) == ["report.json", "uk.xml"]


async def test_a_few_bad_products_do_not_hold_a_new_version_back(tmp_path: Path, host: FeedHost):
    config = configured(tmp_path, host, "uk")
    host.feeds["/uk.xml"] = feed(*map(product, range(1, 20)), product(20, brand=None))
    await look(config)
    assert good("uk") == 1
    assert metrics.FEED_FINDINGS.labels("shop", "uk", "errors")._value.get() == 1


async def test_a_packed_feed_is_kept_unpacked(tmp_path: Path, host: FeedHost):
    config = configured(tmp_path, host, "uk")
    host.feeds["/uk.xml"] = gzip.compress(GOOD.encode())
    await look(config)
    assert kept(config, "uk") == GOOD


async def test_a_gateway_that_runs_watches_and_serves(tmp_path: Path, host: FeedHost, sandbox: Sandbox):
    config = configured(tmp_path, host, "uk", "en", minutes=0.001)
    host.feeds |= {"/uk.xml": GOOD, "/en.xml": 404}
    async with running_shop(config, sandbox) as shop:

        async def served(language: str) -> tuple[int, str]:
            async with shop.http.get(f"{shop.url}/sites/shop/feed/{language}.xml") as answer:
                return answer.status, await answer.text()

        async with asyncio.timeout(30):
            while (await served("uk"))[0] != 200:
                await asyncio.sleep(0.05)
            assert await served("uk") == (200, GOOD)
            assert (await served("en"))[0] == 404
            host.feeds["/uk.xml"] = BETTER
            while (await served("uk"))[1] != BETTER:
                await asyncio.sleep(0.05)
            host.feeds["/uk.xml"] = "no feed"
            while good("uk"):
                await asyncio.sleep(0.05)
        assert await served("uk") == (200, BETTER)
        for path in (
            "/sites/shop/feed/..%2f..%2fstream.db.xml",
            "/sites/other/feed/uk.xml",
            "/sites/shop/feed/fr.xml",
        ):
            async with shop.http.get(shop.url + path) as answer:
                assert answer.status == 404
        async with shop.http.head(f"{shop.url}/sites/shop/feed/uk.xml") as answer:
            assert (answer.status, answer.content_type) == (200, "application/xml")
        assert "/sites/{site}/feed/{language}.xml" in (await shop.get("/openapi.json"))[1]["paths"]


async def test_watching_alone_opens_no_stream(tmp_path: Path, host: FeedHost):
    config = configured(tmp_path, host, "uk")
    host.feeds["/uk.xml"] = GOOD
    gateway = Gateway(config, {Part.FEED})
    await gateway.start()
    try:
        async with asyncio.timeout(30):
            while kept(config, "uk") is None:
                await asyncio.sleep(0.05)
    finally:
        await gateway.stop()
    assert not (tmp_path / "stream.db").exists()


def test_watching_nothing_is_a_mistake(tmp_path: Path, sandbox: Sandbox):
    with pytest.raises(ConfigError, match=r"none has feed\.links"):
        refuse_what_cannot_keep_its_promises(settings(tmp_path, sandbox), {Part.FEED})
