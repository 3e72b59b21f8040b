"""Posts without end, and writes down what was answered."""

import asyncio
import random
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import aiohttp

from tests.chaos.audit import Books
from tests.ledger import place
from tests.service.conftest import KEY, cart, event

STORES = 4
"""Posters side by side, each with its own persons, one post at a time: so there is an order to keep."""
PERSONS = 25
"""Of each store."""
_BREATH_SECONDS = 0.05
"""Wait behind a post without results: nobody may be there."""


class Poster:
    """A few stores that post until they are told to stop, `batch` events at a time."""

    def __init__(self, url: str, seed: int, deadline: float, pause: float, batch: int = 1) -> None:
        self.books = Books()
        self.unanswered = 0
        self._url = url
        self._seed = seed
        self._deadline = deadline
        self._pause = pause
        self._batch = batch
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Post until `stop`; an event without an answer has an unknown end and is not posted again."""
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(timeout=timeout) as http, asyncio.TaskGroup() as stores:
            for store in range(STORES):
                stores.create_task(self._post(http, visits(store, random.Random(self._seed + store))))

    def stop(self) -> None:
        """Let `run` return behind the posts under way."""
        self._stopped.set()

    async def _post(self, http: aiohttp.ClientSession, events: Iterator[dict[str, Any]]) -> None:
        while not self._stopped.is_set():
            batch = list(islice(events, self._batch))
            started = time.monotonic()
            results = await self._results(http, batch)
            self.books.late += time.monotonic() - started > self._deadline
            if results is None:
                self.unanswered += len(batch)
                await asyncio.sleep(_BREATH_SECONDS)
            else:
                self._write_down(batch, results)
            await asyncio.sleep(self._pause)

    async def _results(
        self, http: aiohttp.ClientSession, batch: list[dict[str, Any]]
    ) -> list[dict[str, Any]] | None:
        """Return what became of each event; None where that is not known."""
        try:
            async with http.post(f"{self._url}/v1/events", json=batch, headers={"X-Api-Key": KEY}) as answer:
                results: list[dict[str, Any]] | None = (await answer.json()).get("results")
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None
        return results

    def _write_down(self, batch: list[dict[str, Any]], results: list[dict[str, Any]]) -> None:
        for one, result in zip(batch, results, strict=True):
            if result["status"] == "accepted":
                self.books.accept(result["id"], place(one))
            else:
                self.books.refused.add(place(one))


def visits(store: int, shuffle: random.Random) -> Iterator[dict[str, Any]]:
    """Yield the events of a store's persons, mixed; each logs in now and then, and some events are broken."""
    numbers = dict.fromkeys(range(PERSONS), 0)
    while True:
        person = shuffle.randrange(PERSONS)
        number = numbers[person] = numbers[person] + 1
        name = f"{store}-{person}"
        marked = {"s_location": f"https://shop.example/{name}/{number}", "cookie": f"cookie-{name}"}
        match shuffle.randrange(10):
            case 0:
                yield event("CustomerData", externalCustomerId=name, **marked)
            case 1:
                yield cart(0, **marked)
            case 2 | 3 | 4:
                yield cart(**marked)
            case _:
                yield event("PageView", {}, **marked)
