"""The command line's side of the console: asks a running gateway over HTTP, as any other client could."""

from collections.abc import AsyncIterator
from typing import Any, Self

import aiohttp
import orjson

from gateway.errors import GatewayError
from gateway.ingest.problem import NO_ROUTE

KEY_VARIABLE = "GATEWAY_OPERATOR_KEY"
"""Holds the key to present, before those of the configuration."""


class Refusal(GatewayError):
    """The gateway's no."""

    def __init__(self, problem: dict[str, Any]) -> None:
        """`problem` is what it answered."""
        super().__init__(problem["detail"])
        self.problem = problem


class ConsoleClient:
    """Asks the gateway at `url` with the operator's key; an async context manager.

    Every call raises GatewayError with a sentence where the gateway does not answer or refuses.
    """

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"}

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(headers=self._headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, path: str, **query: str) -> Any:
        """Return the answer's JSON."""
        return await self._ask("GET", path, params={name: value for name, value in query.items() if value})

    async def text(self, path: str) -> str | None:
        """Return what stands there for everybody; None where that is nothing."""
        status, body = await self._exchange("GET", path)
        return body.decode("utf-8", "replace") if status == 200 else None

    async def patch(self, path: str, patch: bytes, content_type: str) -> Any:
        """Send a patch and return the answer's JSON."""
        return await self._ask("PATCH", path, data=patch, headers={"Content-Type": content_type})

    async def post(self, path: str, **order: Any) -> Any:
        """Post an order and return the answer's JSON."""
        return await self._ask("POST", path, data=orjson.dumps(order))

    async def batches(self, path: str, **order: Any) -> AsyncIterator[Any]:
        """Post an order batch by batch until there is nothing left; stopped in between, the rest stays."""
        place: dict[str, int] = {}
        while True:
            answer = await self.post(path, **order, **place)
            yield answer
            if answer["next"] is None:
                return
            place = {"after": answer["next"], "until": answer["until"]}

    async def _ask(self, method: str, path: str, **arguments: Any) -> Any:
        status, body = await self._exchange(method, path, **arguments)
        if status == 404 and NO_ROUTE.encode() in body:
            raise GatewayError(
                f"the gateway at {self._url} has no operator routes: it was started without operator.keys"
            )
        if status == 401:
            raise GatewayError(
                f"the gateway at {self._url} does not know this operator's key: let {KEY_VARIABLE} or the "
                "first of operator.keys be one of those that it was started with"
            )
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise GatewayError(f"{self._url} answered {status} without JSON") from None
        if status >= 400:
            raise Refusal({"detail": f"the gateway answered {status}"} | content)
        return content

    async def _exchange(self, method: str, path: str, **arguments: Any) -> tuple[int, bytes]:
        try:
            async with self._session.request(method, self._url + path, **arguments) as answer:
                return answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise GatewayError(
                f"no gateway answers at {self._url} ({type(problem).__name__}): start it with `gateway run`, "
                "or name where it listens by --url"
            ) from None
