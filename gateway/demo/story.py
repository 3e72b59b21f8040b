"""A small shop's story, played through the gateway: what was posted, what was answered, what eSputnik got."""

import asyncio
import time
import uuid
from dataclasses import dataclass
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

SITE = "demo-shop"
KEY = "demo-key"
_ARRIVAL_SECONDS = 30

Event = dict[str, Any]


@dataclass
class Step:
    """One event of the story, and how it is meant to end."""

    tells: str
    event: Event
    person: str
    """Who it is known to be about when it arrives at eSputnik: a customer's id, else a cookie."""
    refused: bool = False
    answer: Event | None = None
    arrived: Event | None = None

    @property
    def ended_well(self) -> bool:
        """Whether it was refused as it should be, or arrived about the right person."""
        if self.refused:
            return self.answer is not None and self.answer["status"] == "refused" and self.arrived is None
        return self.arrived is not None and self.person in _people_of(self.arrived["body"])


def story() -> list[Step]:
    """Return the steps in their order; cookies are new each time, so that a story can be played twice."""
    laptop, phone = str(uuid.uuid4()), str(uuid.uuid4())
    cart = {"productKey": "kettle-1", "price": "899.00", "quantity": 1, "price_currency_code": "UAH"}
    bought = {"product_id": "kettle-1", "unit_price": 899.0, "quantity": 2}
    olena = {"externalCustomerId": "42", "user_email": "olena@example.com", "user_phone": "+380501234567"}
    taras = {"externalCustomerId": "77", "user_email": "taras@example.com"}
    guid = str(uuid.uuid4())
    steps = [
        Step("a visitor opens the shop", _event("PageView", {}, cookie=laptop), laptop),
        Step(
            "looks at a kettle",
            _event("ProductPage", {"Product": {"productKey": "kettle-1", "price": "899.00"}}, cookie=laptop),
            laptop,
        ),
        Step(
            "puts it into the cart",
            _event("StatusCart", {"GUID": guid, "Products": [cart]}, cookie=laptop),
            laptop,
        ),
        Step("logs in: she is customer 42", _event("CustomerData", None, cookie=laptop, **olena), "42"),
        Step("looks at another page, without saying who she is", _event("PageView", {}, cookie=laptop), "42"),
        Step(
            "the shop's backend sends her cart, without a cookie",
            _event(
                "StatusCart", {"GUID": guid, "Products": [cart | {"quantity": 2}]}, externalCustomerId="42"
            ),
            "42",
        ),
        Step(
            "a broken cart: the quantity is 0",
            _event("StatusCart", {"GUID": guid, "Products": [cart | {"quantity": 0}]}, cookie=laptop),
            "",
            refused=True,
        ),
        Step(
            "a second customer logs in on his phone",
            _event("CustomerData", None, cookie=phone, **taras),
            "77",
        ),
        Step(
            "she buys",
            _event(
                "PurchasedItems", {"OrderNumber": "1001", "Products": [bought], "GUID": guid}, cookie=laptop
            ),
            "42",
        ),
        Step("he looks around", _event("MainPage", None, cookie=phone), "77"),
    ]
    began = int(time.time() * 1000) - 1000 * len(steps)
    for seconds, step in enumerate(steps):
        step.event["GeneralInfo"]["datetime"] = began + 1000 * seconds
    return steps


def _event(name: str, block: Event | None, cookie: str | None = None, **identity: str) -> Event:
    info: Event = {"eventName": name, "siteId": SITE, **identity}
    if cookie:
        info["cookies"] = {"sc": cookie}
    event: Event = {"GeneralInfo": info}
    if block is not None:
        event[name] = block
    return event


def _people_of(body: Event) -> set[str]:
    info = body["GeneralInfo"]
    found = {info.get("externalCustomerId"), info.get("cookies", {}).get("sc")}
    return {person for person in found if person}


async def tell(steps: list[Step], gateway_url: str, sandbox_url: str) -> bool:
    """Post the steps one after the other, wait for what should arrive; return whether all ended well."""
    async with aiohttp.ClientSession() as http:
        for step in steps:
            step.answer = await _post(http, gateway_url, step.event)
        deadline = time.monotonic() + _ARRIVAL_SECONDS
        while True:
            await _note_arrivals(http, sandbox_url, steps)
            if all(step.refused or step.arrived for step in steps) or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.1)
    return all(step.ended_well for step in steps) and in_order(steps)


async def _post(http: aiohttp.ClientSession, gateway_url: str, event: Event) -> Event:
    url = f"{gateway_url}/v1/events"
    async with http.post(url, json=event, headers={"X-Api-Key": KEY}) as answer:
        (result,) = (await answer.json())["results"]
        return {"http": answer.status, **result}


async def _note_arrivals(http: aiohttp.ClientSession, sandbox_url: str, steps: list[Step]) -> None:
    async with http.get(f"{sandbox_url}/_sandbox/requests", params={"path": "/api/v2"}) as answer:
        arrivals = (await answer.json())["requests"]
    by_id = {arrival["headers"].get("X-Request-Id"): arrival for arrival in arrivals}
    for step in steps:
        if step.answer and "id" in step.answer:
            step.arrived = by_id.get(step.answer["id"])


def in_order(steps: list[Step]) -> bool:
    """Return whether what was posted with one cookie arrived in the order in which it was posted."""
    last: dict[str, str] = {}
    for step in steps:
        cookie = step.event["GeneralInfo"].get("cookies", {}).get("sc")
        if step.arrived is None or cookie is None:
            continue
        if step.arrived["at"] < last.get(cookie, ""):
            return False
        last[cookie] = step.arrived["at"]
    return True


def show(steps: list[Step], console: Console) -> None:
    """Print the story as a table."""
    table = Table(title="A small shop's story", title_justify="left", show_lines=False)
    for heading in ("what happened", "posted", "answered", "eSputnik got", "about whom", "at"):
        table.add_column(heading, overflow="fold")
    for step in steps:
        answer, arrived = step.answer or {}, step.arrived
        table.add_row(
            step.tells,
            step.event["GeneralInfo"]["eventName"],
            _answered(answer),
            arrived["body"]["GeneralInfo"]["eventName"] if arrived else "nothing",
            _whom(arrived["body"]) if arrived else "",
            arrived["at"][11:23] if arrived else "",
        )
    console.print(table)


def _answered(answer: Event) -> str:
    if answer.get("status") != "refused":
        return f"{answer.get('http')} {answer.get('status')}"
    error = answer["errors"][0]
    return f"{answer['http']} refused: {error['pointer']}: {error['message']}"


def _whom(body: Event) -> str:
    info = body["GeneralInfo"]
    cookie = info.get("cookies", {}).get("sc", "")[:8]
    customer = info.get("externalCustomerId")
    who = f"customer {customer}" if customer else "a visitor"
    return f"{who}, cookie {cookie}…" if cookie else who
