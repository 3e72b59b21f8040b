"""A cheap HTTP client for load: raw sockets, requests built beforehand, one in flight per connection."""

import asyncio
import base64
import random
import time
import uuid
from dataclasses import dataclass, field

import orjson

SITE, KEY = "bench-shop", "bench-key"


def event(shuffle: random.Random) -> dict:
    """Return a cart or a purchase of 400 to 600 bytes, of one of a thousand visitors."""
    info = {
        "eventName": "StatusCart",
        "siteId": SITE,
        "datetime": int(time.time() * 1000),
        "cookies": {"sc": str(uuid.UUID(int=shuffle.randrange(1000) + 2**90, version=4))},
        "s_location": f"https://shop.example/cart?step={shuffle.randrange(9)}",
    }
    products = [
        {
            "productKey": f"sku-{shuffle.randrange(10**6)}",
            "price": f"{shuffle.randrange(100, 9999)}.50",
            "quantity": shuffle.randrange(1, 5),
            "price_currency_code": "UAH",
        }
        for _ in range(2)
    ]
    guid = str(uuid.UUID(int=shuffle.getrandbits(128), version=4))
    if shuffle.random() < 0.8:
        return {"GeneralInfo": info, "StatusCart": {"GUID": guid, "Products": products}}
    info |= {"eventName": "PurchasedItems", "externalCustomerId": str(shuffle.randrange(1000))}
    bought = [
        {"product_id": p["productKey"], "unit_price": p["price"], "quantity": p["quantity"]} for p in products
    ]
    order = {"OrderNumber": str(shuffle.randrange(10**9)), "Products": bought, "GUID": guid}
    return {"GeneralInfo": info, "PurchasedItems": order}


def request(events: list[dict]) -> bytes:
    """Return a whole HTTP request that posts them."""
    body = orjson.dumps(events[0] if len(events) == 1 else events)
    key = base64.b64encode(f"user:{KEY}".encode()).decode()
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass
class Outcome:
    """What a load came to."""

    statuses: dict[int, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    elapsed: float = 0.0

    def percentile(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class _Connection(asyncio.Protocol):
    def __init__(
        self, requests: list[bytes], budget: list[int], outcome: Outcome, done: asyncio.Future
    ) -> None:
        self.requests, self.budget, self.outcome, self.done = requests, budget, outcome, done
        self.buffer = b""
        self.sent_at = 0.0

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.next()

    def next(self) -> None:
        if self.budget[0] <= 0:
            self.done.set_result(None)
            self.transport.close()
            return
        self.budget[0] -= 1
        self.sent_at = time.perf_counter()
        self.transport.write(self.requests[self.budget[0] % len(self.requests)])

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head_end = self.buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        at = self.buffer.find(b"Content-Length: ")
        length = int(self.buffer[at + 16 : self.buffer.index(b"\r", at)])
        if len(self.buffer) < head_end + 4 + length:
            return
        status = int(self.buffer[9:12])
        self.outcome.statuses[status] = self.outcome.statuses.get(status, 0) + 1
        self.outcome.seconds.append(time.perf_counter() - self.sent_at)
        self.buffer = b""
        self.next()

    def connection_lost(self, exc) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionResetError("the server closed the connection"))


async def post(port: int, requests: list[bytes], count: int, connections: int) -> Outcome:
    """Post `count` requests over that many connections; bounded by the count."""
    loop = asyncio.get_running_loop()
    outcome, budget = Outcome(), [count]
    waits = []
    started = time.perf_counter()
    for _ in range(connections):
        done = loop.create_future()
        waits.append(done)
        await loop.create_connection(
            lambda done=done: _Connection(requests, budget, outcome, done), "127.0.0.1", port
        )
    await asyncio.gather(*waits)
    outcome.elapsed = time.perf_counter() - started
    return outcome
