"""A ledger: what was answered as accepted, held against what arrived."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import aiohttp

from tests.service.conftest import KEY, cart, event


def visits(persons: int, each: int, seed: int) -> list[dict[str, Any]]:
    """Return events of many persons, mixed; each starts anonymous, logs in on the way and goes on.

    `s_location` of an event holds its person and number, so that it is known when it arrives.
    """
    shuffle = random.Random(seed)
    left = dict.fromkeys(range(persons), 0)
    events = []
    while left:
        person = shuffle.choice(list(left))
        number = left[person]
        left[person] += 1
        if left[person] == each:
            del left[person]
        marked = {"s_location": f"https://shop.example/{person}/{number}", "cookie": f"cookie-{person}"}
        if number == each // 3:
            events.append(event("CustomerData", externalCustomerId=str(person), **marked))
        else:
            events.append(shuffle.choice([event("PageView", {}, **marked), cart(**marked)]))
    return events


class Ledger:
    """Posts events and writes down the id of each that was answered as accepted."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.accepted: dict[str, str] = {}
        """Place (`person/number`) of each accepted event by its id, in the order of acceptance."""
        self.durable = Counter[str]()
        """How many were durable where, by their answers."""
        self.refused: tuple[int, str] | None = None
        """Status and Retry-After of the last answer that took nothing."""

    async def post(self, http: aiohttp.ClientSession, events: Sequence[dict[str, Any]]) -> bool:
        """Post a batch; return whether it was answered with 2xx, in which case it is written down."""
        try:
            async with http.post(f"{self.url}/v1/events", json=events, headers={"X-Api-Key": KEY}) as answer:
                if answer.status != 202:
                    self.refused = answer.status, answer.headers.get("Retry-After", "")
                    return False
                results = (await answer.json())["results"]
        except (aiohttp.ClientError, TimeoutError):
            return False
        for result, one in zip(results, events, strict=True):
            self.accepted[result["id"]] = place(one)
            self.durable[result["durable"]] += 1
        return True

    def missing(self, arrivals: Sequence[dict[str, Any]]) -> set[str]:
        """Return the ids of accepted events that have not arrived."""
        return set(self.accepted) - {request["headers"]["X-Request-Id"] for request in arrivals}

    def overtaken(self, arrivals: Sequence[dict[str, Any]]) -> list[str]:
        """Return the persons whose events first arrived in another order than they were accepted."""
        arrived = defaultdict[str, list[str]](list)
        for request in arrivals:
            request_id = request["headers"]["X-Request-Id"]
            if request_id in self.accepted:
                person = self.accepted[request_id].partition("/")[0]
                if request_id not in arrived[person]:
                    arrived[person].append(request_id)
        accepted = defaultdict[str, list[str]](list)
        for request_id, where in self.accepted.items():
            accepted[where.partition("/")[0]].append(request_id)
        return [
            person for person, ids in arrived.items() if ids != [i for i in accepted[person] if i in set(ids)]
        ]


def place(event: dict[str, Any]) -> str:
    """Return the person and number that an event is marked with."""
    location: str = event["GeneralInfo"]["s_location"]
    return location.removeprefix("https://shop.example/")


async def taken(sandbox_url: str) -> list[dict[str, Any]]:
    """Return what the stand-in's tracker has taken, in order of arrival."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{sandbox_url}/_sandbox/requests", params={"path": "/api/v2"}) as answer,
    ):
        requests = (await answer.json(content_type=None))["requests"]
    return [request for request in requests if request["status"] in (200, 204)]


async def until_taken(sandbox_url: str, count: int, seconds: float = 20) -> list[dict[str, Any]]:
    """Return what the tracker has taken once it is that many; raises TimeoutError when it never is."""
    async with asyncio.timeout(seconds):
        while len(requests := await taken(sandbox_url)) < count:
            await asyncio.sleep(0.05)
    return requests


async def until_all_arrived(ledger: Ledger, sandbox_url: str, seconds: float) -> list[dict[str, Any]]:
    """Return the arrivals once nothing accepted is missing; raises AssertionError when that never comes."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        arrivals = await taken(sandbox_url)
        missing = ledger.missing(arrivals)
        if not missing:
            return arrivals
        assert asyncio.get_running_loop().time() < deadline, (
            f"{len(missing)} accepted events have not arrived"
        )
        await asyncio.sleep(0.5)
