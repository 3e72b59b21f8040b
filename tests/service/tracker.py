"""A tracker that answers by script, and one deliverer between a real stream and it."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self

import orjson
from aiohttp import web

from gateway.clock import SystemClock
from gateway.config import Delivery, Site, StreamSettings
from gateway.contacts import Contacts
from gateway.delivery.dead_letters import DeadLetters
from gateway.delivery.deliverer import Deliverer
from gateway.esputnik.client import EsputnikClient
from gateway.event import Record
from gateway.outcomes import Callers, WaitingRoom
from gateway.store import Store, open_store
from gateway.stream import Entry, Stream
from gateway.stream.sqlite import SqliteLog

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

KEY = "a-secret-api-key"


def says(status: int, body: bytes = b"", **headers: str) -> Answer:
    """Answer with that status; `retry_after="3"` becomes the header Retry-After."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=names)

    return answer


async def resets(request: web.Request) -> web.StreamResponse:
    """Cut the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def hangs(request: web.Request) -> web.StreamResponse:
    """Never answer; ends with the client's patience."""
    await asyncio.Event().wait()
    raise AssertionError(request)


class Tracker:
    """A stand-in for eSputnik's tracker: 200 for everything, unless the script says otherwise."""

    def __init__(self) -> None:
        self.script: dict[str, list[Answer]] = defaultdict(list)
        """Answers for the requests of one id, before it is taken."""
        self.always: Answer | None = None
        """Answer for every request, as long as it is set."""
        self.seconds = 0.0
        """How long each answer takes."""
        self.arrived: list[tuple[str, float]] = []
        """Every request by its id, with its time."""
        self.taken: list[str] = []
        """Ids that were answered 200, in order."""
        self.bodies: dict[str, bytes] = {}
        self.headers: list[Any] = []
        self.calls: list[tuple[str, bytes]] = []
        """Every request: method and path with query, and the body."""
        self.most_of_a_lane = 0
        """How many requests of one lane were under way at once, at most."""
        self._under_way: dict[str, int] = defaultdict(int)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        event_id = request.headers.get("X-Request-Id", "")
        lane = event_id.partition("-")[0]
        self.arrived.append((event_id, time.monotonic()))
        self.headers.append(request.headers)
        self.calls.append((f"{request.method} {request.path_qs}", body))
        self.bodies[event_id] = body
        self._under_way[lane] += 1
        self.most_of_a_lane = max(self.most_of_a_lane, self._under_way[lane])
        try:
            return await self._by_script(event_id, request)
        finally:
            self._under_way[lane] -= 1

    async def _by_script(self, event_id: str, request: web.Request) -> web.StreamResponse:
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if self.always is not None:
            return await self.always(request)
        if script := self.script.get(event_id):
            return await script.pop(0)(request)
        self.taken.append(event_id)
        return web.Response(status=204)

    def requests_of(self, event_id: str) -> int:
        return sum(1 for arrived, _ in self.arrived if arrived == event_id)

    def lane(self, name: str) -> list[str]:
        """Return what was taken of a lane, in order."""
        return [event_id for event_id in self.taken if event_id.startswith(f"{name}-")]


def record(event_id: str, kind: str = "PageView") -> Record:
    """Return a record whose lane is what stands before the dash of its id."""
    lane, _, number = event_id.partition("-")
    body = orjson.dumps({"GeneralInfo": {"eventName": kind, "cookies": {"sc": lane}}, "number": number})
    return Record(event_id, "shop", kind, f"shop/cookie/{lane}", lane, None, None, None, 0, 0, body)


async def append(stream: Stream, *event_ids: str) -> None:
    records = [record(event_id) for event_id in event_ids]
    await stream.append([Entry(one.lane, one.encode()) for one in records])


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


QUICK: dict[str, Any] = {
    "timeout_seconds": 5,
    "backoff_seconds": 0.01,
    "backoff_max_seconds": 0.05,
    "probe_seconds": 0.05,
}


async def nothing_follows(record: Record, answer: object) -> None:
    """Leave it at the call to eSputnik."""


class Parts:
    """A folder with a stream and a store, as one process has them open."""

    def __init__(self, log: SqliteLog, store: Store) -> None:
        self.log = log
        self.store = store

    async def stream(self, site: str = "shop") -> Stream:
        return await self.log.topic(f"stitched.{site}")

    async def dead_letters(self) -> list[dict[str, Any]]:
        columns = ("event_id", "site", "type", "reason", "status", "answer", "record")
        async with self.store.transaction() as transaction:
            rows = await transaction.fetch(f"SELECT {', '.join(columns)} FROM dead_letters ORDER BY id")
        return [dict(zip(columns, row, strict=True)) for row in rows]

    @asynccontextmanager
    async def delivering(
        self,
        tracker: Tracker,
        site: str = "shop",
        rate: float = 10_000,
        stream: Stream | None = None,
        callers: Callers | None = None,
        **changes: Any,
    ) -> AsyncIterator[Deliverer]:
        """Run a deliverer as a process does, and stop it as a process does."""
        stream = stream or await self.stream(site)
        settings = Delivery(**(QUICK | changes))
        tracked = Site(id=site, tracker="open", rate=rate)
        async with EsputnikClient(
            tracker_url=f"{tracker.url}/api/v2",
            api_url=f"{tracker.url}/api",
            api_key=KEY,
            timeout=settings.timeout_seconds,
            connections=settings.concurrency,
        ) as client:
            clock = SystemClock()
            dead_letters = DeadLetters(self.store, clock)
            deliverer = Deliverer(
                stream,
                tracked,
                settings,
                client,
                dead_letters,
                clock,
                callers or WaitingRoom(),
                lambda record: False,
                nothing_follows,
                Contacts(self.store, site, clock),
                lambda record: None,
                lambda record: None,
            )
            task = asyncio.create_task(deliverer.run())
            try:
                yield deliverer
            finally:
                await deliverer.stop()
                await task


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Parts]:
    """Open the stream and the store in a folder, as a process does when it starts."""
    async with AsyncExitStack() as closing:
        log = SqliteLog(StreamSettings(path=folder / "stream.db", append_seconds=10))
        closing.push_async_callback(log.close)
        store = await open_store(f"sqlite:{folder / 'links.db'}")
        closing.push_async_callback(store.close)
        yield Parts(log, store)


def in_order(event_ids: Sequence[str]) -> bool:
    """Return whether the numbers behind the dashes ascend."""
    numbers = [int(event_id.partition("-")[2]) for event_id in event_ids]
    return numbers == sorted(numbers)
