"""The importing side's client of the gateway itself."""

import asyncio
import hashlib
from typing import Any, Self

import aiohttp
import orjson

from gateway.errors import GatewayError

_PATIENCE_SECONDS = 300.0
_JOB_SECONDS = 0.5


class Gateway:
    """One site's calls to a running gateway; an async context manager. Waits while that asks for it."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._headers = {"X-Api-Key": key}

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, path: str, body: Any, run: str) -> tuple[int, Any]:
        """Post a call once within a run, however often it has to be tried; return status and answer."""
        payload = orjson.dumps(body)
        # The same rows have the same key, so a batch that was posted before a stop is not sent twice. Those
        # of another run are meant to be: since then eSputnik may have been told otherwise.
        key = hashlib.blake2b(payload, digest_size=16, key=run.encode()).hexdigest()
        headers = {**self._headers, "Idempotency-Key": key, "Content-Type": "application/json"}
        status, answer, request_id = await self._ask("POST", path, data=payload, headers=headers)
        if isinstance(answer, dict):
            answer.setdefault("requestId", request_id)
        return status, answer

    async def ended(self, job: str) -> dict[str, Any]:
        """Return an import with its failed rows once it has ended."""
        while True:
            status, answer, _ = await self._ask("GET", f"/v1/jobs/{job}?rows=3000", headers=self._headers)
            if status == 200 and answer["status"] not in ("STARTED", "IMPORTING"):
                found: dict[str, Any] = answer
                return found
            if status not in (200, 404):
                raise GatewayError(f"the gateway answered {status}: {message_of(answer)}")
            await asyncio.sleep(_JOB_SECONDS)

    async def _ask(self, method: str, path: str, **arguments: Any) -> tuple[int, Any, str]:
        waited = 0.0
        while True:
            wait = 1.0
            try:
                async with self._session.request(method, self._url + path, **arguments) as answer:
                    body = await answer.read()
                    if answer.status not in (429, 503):
                        return answer.status, _json(body), answer.headers.get("X-Request-Id", "")
                    wait = float(answer.headers.get("Retry-After", "1"))
                    reason = f"answers {answer.status}"
            except (aiohttp.ClientError, TimeoutError, OSError) as problem:
                reason = f"does not answer: {type(problem).__name__}"
            if waited >= _PATIENCE_SECONDS:
                raise GatewayError(f"the gateway at {self._url} {reason}; call again to go on")
            waited += wait
            await asyncio.sleep(wait)


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")


def message_of(answer: Any) -> str:
    """Return what an answer says in words."""
    if isinstance(answer, dict):
        return str(answer.get("message") or answer.get("errorMessage") or answer.get("detail") or answer)
    return str(answer)
