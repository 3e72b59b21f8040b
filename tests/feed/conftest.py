"""The stand-in eSputnik for the tests that need one, and a shop that pushes to it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.clock import SystemClock
from gateway.esputnik.client import EsputnikClient
from gateway.feed.push import Outcome, Push
from gateway.feed.pushed import Pushed
from gateway.feed.source import Source
from gateway.sandbox import Sandbox
from tests.service.conftest import sandbox

__all__ = ["sandbox"]


class Hurried(SystemClock):
    """Passes only when somebody waits, and then at once; remembers what it was asked to wait."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Shop:
    def __init__(self, tmp_path: Path, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        self._folder = tmp_path
        self.sandbox = sandbox
        self.http = http
        self.clock = Hurried()
        self.markets: dict[str, Outcome] = {}

    async def push(
        self, *feeds: str, key: str = "sandbox-key", markets: Any = None, **options: Any
    ) -> Outcome:
        """Push feeds, in uk, en and de, and those of markets; return what was done, `markets` beside it."""
        named = zip(("uk", "en", "de"), feeds, strict=False)
        sources = {language: self._source(language, content) for language, content in named}
        client = EsputnikClient(
            tracker_url=f"{self.sandbox.url}/api/v2",
            api_url=f"{self.sandbox.url}/api",
            api_key=key,
            timeout=10,
            connections=1,
        )
        remove_many = options.pop("remove_many", False)
        with Pushed(self._folder / "pushed.db") as pushed:
            async with client:
                push = Push(client, pushed, self.clock, **options)
                outcome = await push.run(sources, remove_many)
                self.markets = {
                    market: await push.run_market(market, self._source(market, content), "uk", remove_many)
                    for market, content in (markets or {}).items()
                }
                return outcome

    def _source(self, name: str, content: str) -> Source:
        path = self._folder / f"{name}.xml"
        path.write_text(content)
        return Source(name, path)

    async def shown(self, what: str, part: str = "") -> list[dict[str, Any]]:
        async with self.http.get(f"{self.sandbox.url}/_sandbox/{what}") as answer:
            return (await answer.json())[part or what.partition("?")[0]]

    async def products(self) -> dict[str, dict[str, Any]]:
        return {one["productId"]: one for one in await self.shown("products")}

    async def requests(self) -> list[tuple[str, int]]:
        found = await self.shown("requests?path=*/v1/products")
        return [(one["method"], len(one["body"]["products"])) for one in found]

    async def faults(self, *orders: Any) -> None:
        async with self.http.post(f"{self.sandbox.url}/_sandbox/faults", json=orders) as answer:
            assert answer.status == 200


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with Sandbox(product_rate=None) as sandbox, aiohttp.ClientSession() as http:
        yield Shop(tmp_path, sandbox, http)
