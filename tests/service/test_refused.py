"""Whoever runs the gateway sees what stores send wrong, and nothing of what persons are in it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from gateway.cli import cli
from gateway.last_events import last_events
from gateway.refused import sample
from gateway.refused.table import Refusal, keep, read
from gateway.sandbox import Sandbox
from gateway.store import open_store
from tests.ledger import until_taken
from tests.service.conftest import KEY, cart, event, running_shop, settings
from tests.service.test_api_calls import rows_of
from tests.service.test_console import OPERATOR, Operated
from tests.service.test_security import MARK, PERSON, PHONE

NUMBER = int(PHONE)


@pytest.fixture
async def shop(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Operated]:
    monkeypatch.setattr(sample, "SECONDS", 0.05)
    config = settings(tmp_path, sandbox, operator={"keys": [OPERATOR]})
    async with running_shop(config, sandbox) as shop:
        yield Operated(shop.gateway, sandbox, shop.http)


async def until_sampled(shop: Operated, count: int, **query: str) -> list[Any]:
    path = "/v1/refused?" + "&".join(f"{name}={value}" for name, value in query.items())
    async with asyncio.timeout(20):
        while len(found := (await shop.ask("GET", path))[1]["refused"]) < count:
            await asyncio.sleep(0.05)
    assert len(found) == count
    return found


def broken_cart(**more: Any) -> dict[str, Any]:
    broken = cart(0, **PERSON)
    broken["StatusCart"] |= more
    return broken


MARKED = [
    broken_cart(),
    broken_cart(Tags={MARK: {MARK: NUMBER}}, GUID=MARK, **{MARK: [MARK, NUMBER]}),
    cart(NUMBER * -1, user_phone=NUMBER, user_email=[MARK], **{MARK: MARK}),
    event(MARK, {MARK: [MARK, {MARK: MARK}]}, **PERSON),
    event("PageView", {}, siteId=MARK),
    event("CustomerData", NUMBER, **PERSON),
    MARK,
    NUMBER,
    [MARK, {MARK: NUMBER}],
    {MARK: MARK},
]
CONTACT = {"channels": [{"type": MARK, "value": f"{MARK}@x.ua"}], "firstName": MARK, MARK: NUMBER, "id": MARK}
ORDER = {
    "externalOrderId": MARK,
    "totalCost": MARK,
    "status": NUMBER,
    "email": f"{MARK}@x.ua",
    "phone": PHONE,
}
CALLS = [
    ("/v1/contact", CONTACT),
    ("/v1/orders", {"orders": [ORDER], MARK: MARK}),
    ("/v1/event", {"eventTypeKey": [MARK], "keyValue": MARK, "params": {MARK: MARK, "name": NUMBER}}),
]


async def test_nothing_that_a_person_sent_is_in_the_sample_of_refused_events(shop: Operated, tmp_path: Path):
    for one in MARKED:
        status, _ = await shop.post([one])
        assert status in (400, 403), one
    assert (await shop.post(f'{{"{MARK}": '.encode(), Content_Type="application/x-ndjson"))[0] == 400
    for path, body in CALLS:
        assert (await shop.post(body, path))[0] == 400, path
    found = await until_sampled(shop, len(MARKED) + 1 + len(CALLS))
    files = b"".join(path.read_bytes() for path in tmp_path.glob("links.db*"))
    assert b"schema_violation" in files
    for trace in (MARK, PHONE):
        assert trace not in str(found)
        assert trace.encode() not in files


async def test_a_refused_event_is_told_with_when_why_and_its_shape(shop: Operated, tmp_path: Path):
    await shop.post([cart(), cart(0), event("CustomerDta")])
    await until_sampled(shop, 2)
    (found,) = await until_sampled(shop, 1, site="shop", type="StatusCart", code="schema_violation")
    assert found["errors"] == [
        {
            "pointer": "/StatusCart/Products/0/quantity",
            "code": "minimum",
            "message": "0 is less than the minimum of 1",
        }
    ]
    assert found["event"]["StatusCart"]["Products"] == [
        {"productKey": "<8 characters>", "price": "<6 characters>", "quantity": 0}
    ]
    assert found["at"].endswith("Z")
    config = tmp_path / "gateway.toml"
    config.write_text(f'[operator]\nkeys = ["{OPERATOR}"]\n[[sites]]\nid = "shop"\nkeys = ["{KEY}"]\n')
    arguments = ["refused", "--site", "shop", "--url", shop.url, "--config", str(config)]
    table = await asyncio.to_thread(CliRunner().invoke, cli, arguments)
    assert "/StatusCart/Products/0/quantity" in table.stdout, table.output
    assert "unknown_event" in table.stdout
    whole = await asyncio.to_thread(CliRunner().invoke, cli, [*arguments, "--type", "StatusCart", "--json"])
    assert orjson.loads(whole.stdout) == {"refused": [found]}


async def test_what_was_noted_just_before_a_stop_is_kept(tmp_path: Path, sandbox: Sandbox):
    config = settings(tmp_path, sandbox, operator={"keys": [OPERATOR]})
    async with running_shop(config, sandbox) as plain:
        shop = Operated(plain.gateway, sandbox, plain.http)
        await shop.post(cart(0))
        await until_sampled(shop, 1)  # the next ones would be written seconds later
        await shop.post([event("CustomerDta"), event("MainPage")])
        await until_taken(sandbox.url, 1)
    store = await open_store(config.links.url.get_secret_value())
    assert {one.type for one in await read(store, "shop", "", "", 0)} == {"StatusCart", "unknown"}
    assert list(await last_events(store, "shop")) == ["MainPage"]
    await store.close()


async def test_bad_orders_of_a_call_are_sampled_each_with_its_place(shop: Operated):
    good = {"externalOrderId": "1", "totalCost": 5, "status": "DELIVERED", "date": "2025-01-01T00:00:00Z"}
    good["externalCustomerId"] = "c-1"
    orders = [{**good, "externalOrderId": str(number)} for number in range(9)]
    orders[7] = {**orders[7], "totalCost": "much"}
    status, answer = await shop.post({"orders": orders}, "/v1/orders")
    assert status == 200, answer
    (found,) = await until_sampled(shop, 1, type="AddOrders")
    assert found["errors"][0]["pointer"] == "/orders/7/totalCost"
    assert found["event"]["orders"][3]["totalCost"] == "<4 letters>"


async def test_a_gateway_that_starts_removes_what_is_a_week_old_whoever_it_was_of(
    tmp_path: Path, sandbox: Sandbox
):
    store = await open_store(f"sqlite:{tmp_path}/links.db")
    await keep(store, [Refusal("gone-shop", "1", "PageView", "strict_mode", 0, "[]", "{}")])
    await store.close()
    async with running_shop(settings(tmp_path, sandbox), sandbox), asyncio.timeout(20):
        while rows_of(tmp_path, "SELECT 1 FROM refused"):
            await asyncio.sleep(0.02)
