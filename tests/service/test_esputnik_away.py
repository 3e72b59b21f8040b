"""eSputnik away in the midst of mixed calls: each is answered, all arrive, in the order of their lanes."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from gateway.demo.parts import free_port
from gateway.sandbox import Sandbox
from tests.processes import Process, running, write_config
from tests.proxy import Proxy
from tests.service.conftest import KEY, event
from tests.service.test_api_calls import rows_of

KINDS = ("contact", "order", "event", "CustomerData", "PageView")
LONG = [pytest.mark.long, pytest.mark.timeout(900)]
TRACKED = ("CustomerData", "PageView")
OWN = {"contact": {"id"}, "order": {"failedOrders"}}
"""What eSputnik's own answer holds."""


class Call(NamedTuple):
    """One call of a customer's; its number is where it stands among his."""

    customer: str
    number: int
    kind: str

    @property
    def place(self) -> str:
        return f"{self.customer}:{self.number}"

    @property
    def lane(self) -> str:
        """Return the lane: tracking events go by the cookie, calls of the API by the customer."""
        return f"{self.customer}/{'cookie' if self.kind in TRACKED else 'customer'}"

    def request(self) -> tuple[str, str, Any]:
        """Return method, path and body."""
        email = f"{self.customer}@example.com"
        who = {"externalCustomerId": self.customer, "email": email}
        match self.kind:
            case "contact":
                channels = [{"type": "email", "value": email}]
                named = {"externalCustomerId": self.customer, "address": {"address": self.place}}
                return "POST", "/v1/contact", {**named, "channels": channels}
            case "order":
                of = {"externalOrderId": self.place, "totalCost": 5, "status": "INITIALIZED"}
                return "POST", "/v1/orders", {"orders": [{**who, **of, "date": "2026-11-25T10:11:10"}]}
            case "event":
                params = [{"name": name, "value": value} for name, value in who.items()]
                return "POST", "/v2/event", {"eventTypeKey": "seen", "keyValue": self.place, "params": params}
            case "deletion":
                return "DELETE", f"/v1/contact?externalCustomerId={self.customer}", None
        seen = {"s_location": f"https://shop.example/{self.place}", "cookie": f"cookie-{self.customer}"}
        if self.kind == "PageView":
            return "POST", "/v1/events", event("PageView", {}, **seen)
        known = {"externalCustomerId": self.customer, "user_email": email}
        return "POST", "/v1/events", event("CustomerData", **known, **seen)


def script(customer: str, count: int, shuffle: random.Random) -> list[Call]:
    """Return a customer's calls; half way he is deleted, and the store makes him anew."""
    kinds = [shuffle.choice(KINDS) for _ in range(count)]
    # Some begin with what needs a contact, before any call has made one.
    kinds[0] = shuffle.choice(("CustomerData", "event", "contact"))
    kinds[1:2] = ["contact"]
    kinds[count // 2 : count // 2 + 2] = ["deletion", "contact"]
    return [Call(customer, number, kind) for number, kind in enumerate(kinds)]


class Store:
    """Posts the calls of many customers, of each one after another, and checks every answer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.own = 0
        """Calls answered with eSputnik's own words."""
        self.queued = 0
        self.longest = 0.0
        """Seconds of the slowest answer."""
        self.answered = 0
        self.begun = asyncio.Event()
        """Set once enough of them are."""

    async def post(self, http: aiohttp.ClientSession, calls: list[Call], enough: int) -> None:
        for call in calls:
            method, path, body = call.request()
            began = time.monotonic()
            headers = {"X-Api-Key": KEY}
            async with http.request(method, self._url + path, json=body, headers=headers) as answer:
                text = await answer.text()
                document = await answer.json() if answer.content_type.endswith("json") and text else {}
            self.longest = max(self.longest, time.monotonic() - began)
            self._check(call, answer.status, text, document)
            self.answered += 1
            if self.answered >= enough:
                self.begun.set()

    def _check(self, call: Call, status: int, text: str, document: Any) -> None:
        if call.kind in TRACKED:
            assert (status, document["results"][0]["status"]) == (202, "accepted")
            return
        assert status == 200, f"{call}: {status} {text}"
        if document and document.get("queued"):
            assert document["requestId"]
            self.queued += 1
            return
        if call.kind == "deletion":
            assert text == "Contact has been deleted"
        assert set(document) == OWN.get(call.kind, set())
        self.own += 1


def arrivals(requests: list[dict[str, Any]], deletions: dict[str, Call]) -> Iterator[tuple[str, str]]:
    """Yield what each request that took effect brought, in order: its customer and its place.

    The place is "" for what the gateway sends of its own accord.
    """
    for request in requests:
        body, path = request["body"], request["path"]
        if not request["taken"] or request["method"] == "GET":
            continue
        if request["method"] == "DELETE":
            call = deletions[request["query"]["externalCustomerId"]]
            yield call.customer, call.place
        elif path == "/api/v1/orders":
            orders = body["orders"]
            for order in orders if isinstance(orders, list) else [orders]:
                yield order["externalCustomerId"], order["externalOrderId"]
        elif path == "/api/v1/contact":
            yield body["externalCustomerId"], body.get("address", {}).get("address", "")
        elif path == "/api/v2":
            place = body["GeneralInfo"]["s_location"].removeprefix("https://shop.example/")
            yield place.partition(":")[0], place
        else:
            yield body["keyValue"].partition(":")[0], body["keyValue"]


async def until_arrived(sandbox: Sandbox, calls: list[Call]) -> list[tuple[str, str]]:
    """Return the arrivals once every call is among them."""
    deletions = {call.customer: call for call in calls if call.kind == "deletion"}
    missing = {call.place for call in calls}
    async with aiohttp.ClientSession() as http, asyncio.timeout(120):
        while True:
            async with http.get(f"{sandbox.url}/_sandbox/requests", params={"path": "/api/*"}) as answer:
                found = list(arrivals((await answer.json())["requests"], deletions))
            if not missing - {place for _, place in found}:
                return found
            await asyncio.sleep(0.5)


async def cut(sandbox: Sandbox, proxy: Proxy, seconds: float) -> None:
    """Cut eSputnik off: what is under way ends in the middle, nothing new is taken."""
    proxy.refusing = True
    proxy.cut()
    await asyncio.sleep(seconds)
    proxy.refusing = False


async def silenced(sandbox: Sandbox, proxy: Proxy, seconds: float) -> None:
    """Let eSputnik take every request, and answer none."""
    async with aiohttp.ClientSession() as http:
        fault = {"path": "/api/*", "hang": True, "times": None}
        await http.post(f"{sandbox.url}/_sandbox/faults", json=[fault])
        await asyncio.sleep(seconds)
        await http.post(f"{sandbox.url}/_sandbox/faults", json=[])


@pytest.mark.parametrize(
    ("away", "customers", "each", "seconds"),
    [
        pytest.param(cut, 12, 10, 4),
        pytest.param(cut, 25, 40, 60, marks=LONG),
        pytest.param(silenced, 25, 40, 60, marks=LONG),
    ],
)
async def test_while_esputnik_is_away_every_call_is_answered_and_all_arrive_in_the_order_of_their_lanes(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    away: Callable[[Sandbox, Proxy, float], Awaitable[None]],
    customers: int,
    each: int,
    seconds: float,
):
    shuffle = random.Random(7)
    scripts = [script(f"c{number}", each, shuffle) for number in range(customers)]
    calls = [call for one in scripts for call in one]
    port = free_port()
    parts = f'[stream]\npath = "{tmp_path / "stream.db"}"\n[links]\nurl = "sqlite:{tmp_path / "links.db"}"\n'
    async with Sandbox(rate=None) as sandbox, Proxy(int(sandbox.url.rpartition(":")[2])) as proxy:
        esputnik = f"http://127.0.0.1:{proxy.port}"
        config = write_config(tmp_path / "gateway.toml", esputnik, port, parts)
        store = Store(f"http://127.0.0.1:{port}")
        gateway = Process("run", "--config", str(config), port=port)
        gateway_runs = running(gateway)
        await asyncio.to_thread(gateway_runs.__enter__)
        try:
            began = time.monotonic()
            async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
                for one in scripts:
                    tasks.create_task(store.post(http, one, len(calls) // 10))
                await store.begun.wait()
                await away(sandbox, proxy, seconds)
            answered = time.monotonic() - began
            found = await until_arrived(sandbox, calls)
            arrived = time.monotonic() - began
            letters = rows_of(tmp_path, "SELECT type, reason, status, answer FROM dead_letters")
        finally:
            await asyncio.to_thread(gateway_runs.__exit__, None, None, None)
    if seconds > 10:
        with capsys.disabled():
            print(
                f" {len(calls)} calls: {store.own} own answers, {store.queued} queued, slowest"
                f" {store.longest:.2f} s; answered in {answered:.0f} s, arrived in {arrived:.0f} s,"
                f" {len(found) - len(calls)} more than asked for;",
                end="",
            )
    assert letters == []
    assert store.own
    assert store.queued
    assert_order_is_kept(calls, found)
    assert_contacts_come_first(calls, found)


def assert_order_is_kept(calls: list[Call], found: list[tuple[str, str]]) -> None:
    """Compare each lane with the order of first arrival: at least once is what is promised."""
    lane_of = {call.place: call.lane for call in calls}
    posted: dict[str, list[str]] = {}
    for call in calls:
        posted.setdefault(call.lane, []).append(call.place)
    came: dict[str, list[str]] = {lane: [] for lane in posted}
    for place in dict.fromkeys(place for _, place in found if place):
        came[lane_of[place]].append(place)
    assert came == posted


def assert_contacts_come_first(calls: list[Call], found: list[tuple[str, str]]) -> None:
    """Hold that each CustomerData came when its customer had a contact, of an order or a contact call."""
    kinds = {call.place: call.kind for call in calls}
    have_one: set[str] = set()
    early = []
    for customer, place in found:
        kind = kinds.get(place, "contact")
        if kind in ("contact", "order"):
            have_one.add(customer)
        elif kind == "CustomerData" and customer not in have_one:
            early.append(place)
    assert early == []
