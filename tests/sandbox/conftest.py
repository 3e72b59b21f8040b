"""A stand-in eSputnik, and what a test asks of it over real HTTP."""

import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import encode_basic_auth

from gateway.sandbox import Sandbox

KEY = encode_basic_auth("any user", "sandbox-key")
OLENA = {
    "externalCustomerId": "42",
    "firstName": "Олена",
    "channels": [
        {"type": "email", "value": "Olena@example.com"},
        {"type": "sms", "value": "+38 050 123 45 67"},
    ],
}


def person(customer: str | None = None, email: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return a contact as clients send it; `sms` among the fields is a channel too."""
    given = (("email", email), ("sms", fields.pop("sms", None)))
    channels = [{"type": kind, "value": value} for kind, value in given if value]
    return ({"externalCustomerId": customer} if customer else {}) | {"channels": channels} | fields


class Account:
    """What a test asks of one stand-in."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self.http = http

    async def track(self, event: str, cookie: str | None = None, block: Any = None, **info: Any) -> int:
        general: dict[str, Any] = {"eventName": event, "siteId": "shop", **info}
        if cookie:
            general["cookies"] = {"sc": cookie}
        message = {"GeneralInfo": general} if block is None else {"GeneralInfo": general, event: block}
        async with self.http.post(f"{self.url}/api/v2", json=message) as answer:
            return answer.status

    async def call(self, method: str, path: str, body: Any = None, auth: str | None = KEY) -> tuple[int, Any]:
        headers = {"Authorization": auth} if auth else {}
        payload = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            payload = io.BytesIO(json.dumps(body).encode())
        async with self.http.request(method, self.url + path, data=payload, headers=headers) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await (answer.json() if is_json else answer.text())

    async def contact(self, call: Any, path: str = "/api/v1/contact") -> tuple[int, Any]:
        return await self.call("POST", path, call)

    async def bulk(self, *rows: Any, **terms: Any) -> dict[str, Any]:
        """Send a bulk call, let its import happen, and return what it was answered."""
        status, answer = await self.call("POST", "/api/v1/contacts", {"contacts": list(rows)} | terms)
        assert status == 200, answer
        await self.imports(move="FINISHED")
        return answer

    async def imports(self, **order: Any) -> list[dict[str, Any]]:
        _, answer = await self.call("POST" if order else "GET", "/_sandbox/imports", order or None)
        return answer["imports"]

    async def shown(self, name: str) -> list[dict[str, Any]]:
        _, answer = await self.call("GET", f"/_sandbox/{name}")
        return answer[name]

    async def contacts(self) -> list[dict[str, Any]]:
        _, answer = await self.call("GET", "/_sandbox/contacts")
        return answer["contacts"]

    async def requests(self, **query: str) -> list[dict[str, Any]]:
        async with self.http.get(f"{self.url}/_sandbox/requests", params=query) as answer:
            return (await answer.json())["requests"]

    async def faults(self, *orders: Any) -> int:
        return (await self.call("POST", "/_sandbox/faults", list(orders)))[0]


@pytest.fixture
async def account() -> AsyncIterator[Account]:
    async with Sandbox() as sandbox, aiohttp.ClientSession() as http:
        yield Account(sandbox.url, http)
