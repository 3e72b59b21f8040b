"""A real Chromium, a real gateway with a stand-in eSputnik, and a small shop's own server."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from gateway.sandbox import Sandbox
from tests.service.conftest import running_shop, sandbox, settings
from tests.service.test_console import OPERATOR, Operated
from tests.storefront import PAGE, File, Storefront

__all__ = ["sandbox"]

_FLAGS = (
    "--headless",
    "--no-sandbox",  # as root there is no other way
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_SCRIPT_SECONDS = 60


class Browser:
    """What a test does in a page; other tasks go on meanwhile."""

    def __init__(self, driver: Chrome) -> None:
        self._driver = driver

    async def open(self, address: str) -> None:
        await asyncio.to_thread(self._driver.get, address)

    async def run(self, script: str, *arguments: Any) -> Any:
        """Run the body of an async function in the page, and return what it returns.

        What it throws is returned as `{"error": its name}`.
        """
        body = (
            "const done = arguments[arguments.length - 1];"
            f"(async (...given) => {{{script}}})(...arguments)"
            ".then(done, problem => done({error: problem.name}));"
        )
        return await asyncio.to_thread(self._driver.execute_async_script, body, *arguments)

    async def cookie(self, name: str) -> str | None:
        found = await asyncio.to_thread(self._driver.get_cookie, name)
        return found["value"] if found else None


class Connected(Operated):
    """A shop that is connected by the operator's routes, with its own server."""

    front: Storefront

    async def set_up(self, thing: str, **order: Any) -> tuple[int, Any]:
        path = f"/v1/sites/shop/setup/{thing}"
        return await self.ask("POST", path, {"domain": self.front.domain} | order)

    def show(self, head: str) -> None:
        """Make it the home page."""
        self.front.files["/"] = File(f"<!doctype html><title>Shop</title>{head}", PAGE)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    paths = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    assert all(paths.values()), "install Debian's packages chromium and chromium-driver"
    options = ChromeOptions()
    options.binary_location = paths["chromium"]
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    driver = Chrome(options=options, service=Service(paths["chromedriver"]))
    driver.set_script_timeout(_SCRIPT_SECONDS)
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium: Chrome) -> Browser:
    """The browser without what the test before left: cookies are the same for every port of a host."""
    chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})
    return Browser(chromium)


@pytest.fixture
async def shop(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Connected]:
    config = settings(tmp_path, sandbox, operator={"keys": [OPERATOR]})
    worker = {"push_worker_url": f"{sandbox.url}/webpush/service-worker.js"}
    config = config.model_copy(update={"sites": [site.model_copy(update=worker) for site in config.sites]})
    async with running_shop(config, sandbox) as shop, Storefront() as front:
        connected = Connected(shop.gateway, sandbox, shop.http)
        connected.front = front
        yield connected
