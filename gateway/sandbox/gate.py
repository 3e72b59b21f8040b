"""What stands before every call to eSputnik: the journal, faults, the rate, repeats within a minute."""

import asyncio
import hashlib
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from gateway.sandbox.account import Account, Site
from gateway.sandbox.answers import refusal
from gateway.sandbox.catalog import Catalog
from gateway.sandbox.faults import Fault, Faults
from gateway.sandbox.feeds import Feeds
from gateway.sandbox.imports import Imports
from gateway.sandbox.journal import Journal, Request, masked, now

RATE = 200
"""Requests a second past which eSputnik answers 429 (docs.reteno.com/reference/addcontact-1)."""
PRODUCT_RATE = 60
"""Requests a minute that the Products and Markets API takes."""
REPEAT_SECONDS = 60.0
"""An identical API request within this time is answered 409 (the same page)."""
_REMEMBERED = 50_000

Call = Callable[["State", Request], Awaitable[web.StreamResponse]]


class Rate:
    """At most `most` requests within `seconds`; any number where it is None."""

    def __init__(self, most: int | None, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._times: deque[float] = deque()

    def is_over(self) -> bool:
        """Count a request; return whether it is one too many."""
        if self._most is None:
            return False
        moment = time.monotonic()
        while self._times and self._times[0] <= moment - self._seconds:
            self._times.popleft()
        if len(self._times) >= self._most:
            return True
        self._times.append(moment)
        return False


class State:
    """All that one stand-in remembers."""

    def __init__(self, api_key: str, rate: int | None, product_rate: int | None) -> None:
        self.api_key = api_key
        self._rates = rate, product_rate
        self.reset()

    def reset(self) -> None:
        """Forget everything: requests, contacts, faults, limits."""
        self.journal = Journal()
        self.account = Account()
        self.imports = Imports()
        self.site = Site()
        self.catalog = Catalog()
        self.feeds = Feeds()
        self.activity: list[dict[str, Any]] = []
        self.faults = Faults()
        self.rate = Rate(self._rates[0], 1)
        self.product_rate = Rate(self._rates[1], 60)
        self._repeats: OrderedDict[bytes, float] = OrderedDict()

    def settle(self) -> None:
        """Let the next import happen if it is due."""
        self.imports.settle(self.account, now())

    def is_repeat(self, request: web.Request, body: bytes) -> bool:
        """Return whether the same method, path, query and body came within the last minute."""
        moment = time.monotonic()
        while self._repeats and next(iter(self._repeats.values())) <= moment - REPEAT_SECONDS:
            self._repeats.popitem(last=False)
        seen = hashlib.sha256(f"{request.method} {request.path_qs}\n".encode() + body).digest()
        if seen in self._repeats:
            return True
        self._repeats[seen] = moment
        if len(self._repeats) > _REMEMBERED:
            self._repeats.popitem(last=False)
        return False


STATE = web.AppKey("state", State)


def gated(call: Call, *, repeats: bool) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return the handler of a call: writes every request down, and lets pass what eSputnik would.

    `repeats` says whether an identical request within a minute passes: the tracker's documentation tells of
    no such rule, the API's does.
    """

    async def handle(http: web.Request) -> web.StreamResponse:
        state = http.app[STATE]
        raw = await http.read()
        request = _written_down(http, raw)
        state.journal.add(request)
        fault = state.faults.next(http.path)
        answer: web.StreamResponse
        if fault is not None and not fault.taken and not fault.slow:
            answer = await _misbehave(http, fault)
        elif state.rate.is_over():
            answer = refusal(429, "Too Many Requests", http.path)
        elif not repeats and http.method != "GET" and state.is_repeat(http, raw):
            answer = web.Response(status=409, text="Duplicated request")
        else:
            await asyncio.sleep(fault.slow if fault else 0)
            state.settle()
            answer = await call(state, request)
            request.taken = answer.status < 300
            if fault is not None and fault.taken:
                answer = await _misbehave(http, fault)
        if http.transport is not None and not http.transport.is_closing():
            request.status = answer.status
        return answer

    return handle


def _written_down(http: web.Request, raw: bytes) -> Request:
    body = _parsed(raw)
    query = dict(http.query)
    return Request(
        now(),
        http.method,
        http.path,
        query,
        masked(http.raw_headers),
        body,
        len(raw) + 1000,
        match=dict(http.match_info),
        length=len(raw),
    )


def _parsed(raw: bytes) -> Any:
    try:
        return orjson.loads(raw) if raw else None
    except orjson.JSONDecodeError:
        return raw.decode(errors="replace")


async def _misbehave(http: web.Request, fault: Fault) -> web.Response:
    if fault.hang:
        await asyncio.Event().wait()
    if fault.reset:
        assert http.transport is not None
        http.transport.abort()
        return web.Response()
    status = fault.status or 200
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    if fault.body is None:
        answer = refusal(status, "Fault", http.path)
        answer.headers.update(headers)
        return answer
    if isinstance(fault.body, str):
        return web.Response(status=status, text=fault.body, headers=headers)
    return web.json_response(fault.body, status=status, headers=headers)
