"""A whole gateway on SQLite and a stand-in eSputnik, both in this process, over real HTTP."""

import io
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.app import Gateway
from gateway.clock import Clock
from gateway.config import Config
from gateway.parts import Part
from gateway.sandbox import Sandbox

KEY = "shop-key"


def event(
    name: str = "PageView", block: Any = None, cookie: str | None = "c-1", **info: Any
) -> dict[str, Any]:
    """Return an event of site `shop` in eSputnik's REST form."""
    general = {"eventName": name, "siteId": "shop", "datetime": int(time.time() * 1000), **info}
    if cookie is not None:
        general["cookies"] = {"sc": cookie}
    return {"GeneralInfo": general} if block is None else {"GeneralInfo": general, name: block}


def cart(quantity: int = 1, **of: Any) -> dict[str, Any]:
    """Return a StatusCart with one product."""
    product = {"productKey": "kettle-1", "price": "899.00", "quantity": quantity}
    guid = "8a1f7c0e-5d41-4a53-9a50-0d6fb1a3e001"
    return event("StatusCart", {"GUID": guid, "Products": [product]}, **of)


def settings(tmp_path: Path, sandbox: Sandbox, **changes: Any) -> Config:
    """Return the configuration of a shop whose eSputnik is the sandbox."""
    outgoing = {
        "tracker_url": f"{sandbox.url}/api/v2",
        "api_url": f"{sandbox.url}/api",
        "api_key": "sandbox-key",
    }
    values: dict[str, Any] = {
        "listen": {"port": 0, "metrics_port": 0},
        "stream": {"path": tmp_path / "stream.db", "append_seconds": 5},
        "links": {"url": f"sqlite:{tmp_path / 'links.db'}"},
        "sites": [
            {"id": "shop", "keys": [KEY], **outgoing},
            {"id": "open-shop", "tracker": "open", "org_id": "7", **outgoing},
            {"id": "strict-shop", "keys": ["strict-key"], "strict": True, **outgoing},
        ],
    }
    return Config(**(values | changes))


class Shop:
    """What a test does with the pair."""

    def __init__(self, gateway: Gateway, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        self.gateway = gateway
        self.sandbox = sandbox
        self.http = http

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"

    async def post(
        self, body: Any, path: str = "/v1/events", key: str | None = KEY, **headers: str
    ) -> tuple[int, Any]:
        """Post JSON (or bytes as they are); return the status and the answer's JSON."""
        if key is not None:
            headers.setdefault("X-Api-Key", key)
        payload = {"data": io.BytesIO(body)} if isinstance(body, bytes) else {"json": body}
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.post(self.url + path, headers=names, **payload) as answer:
            return answer.status, await answer.json(content_type=None)

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.http.get(self.url + path) as answer:
            return answer.status, await answer.json(content_type=None)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@asynccontextmanager
async def running_shop(config: Config, sandbox: Sandbox, clock: Clock | None = None) -> AsyncIterator[Shop]:
    """Run a gateway of that configuration in this process."""
    gateway = Gateway(config, set(Part), clock)
    await gateway.start()
    try:
        async with aiohttp.ClientSession() as http:
            yield Shop(gateway, sandbox, http)
    finally:
        await gateway.stop()


@pytest.fixture
async def shop(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Shop]:
    async with running_shop(settings(tmp_path, sandbox), sandbox) as shop:
        yield shop
