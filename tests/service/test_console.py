"""An operator looks at dead letters, mends them, sends them again; nobody else can."""

import asyncio
import io
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from gateway.config import Limits
from gateway.console.client import ConsoleClient
from gateway.console.openapi import operator_paths
from gateway.demo.parts import free_port
from gateway.errors import GatewayError
from gateway.sandbox import Sandbox
from gateway.setup.openapi import setup_operator_paths
from tests.ledger import taken, until_taken
from tests.processes import Process, running, write_config
from tests.service.conftest import KEY, Shop, cart, event, running_shop, settings
from tests.service.test_operating import embedded

OPERATOR = "operator-key"


class Operated(Shop):
    async def ask(
        self, method: str, path: str, body: Any = None, key: str = OPERATOR, **headers: str
    ) -> tuple[int, Any]:
        headers = {"X-Api-Key": key} | {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else orjson.dumps(body)
        async with self.http.request(method, self.url + path, data=data, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def letters(self, **query: str) -> list[dict[str, Any]]:
        _, answer = await self.ask(
            "GET", "/v1/dead/letters?" + "&".join(f"{k}={v}" for k, v in query.items())
        )
        return answer["letters"]

    async def until_letters(self, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(20):
            while len(found := await self.letters()) != count:
                await asyncio.sleep(0.02)
        return found

    async def refuse(self, *events: Any) -> list[str]:
        """Post events that eSputnik refuses; return their ids once they are dead letters."""
        before = len(await self.letters())
        await self.faults({"path": "/api/v2", "status": 400, "times": len(events)})
        ids = [(await self.post(one))[1]["results"][0]["id"] for one in events]
        await self.until_letters(before + len(events))
        return ids

    async def faults(self, *orders: Any) -> None:
        async with self.http.post(f"{self.sandbox.url}/_sandbox/faults", json=orders) as answer:
            assert answer.status == 200


@pytest.fixture
async def shop(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Operated]:
    config = settings(tmp_path, sandbox, operator={"keys": [OPERATOR]})
    async with running_shop(config, sandbox) as shop:
        yield Operated(shop.gateway, sandbox, shop.http)


ROUTES = [
    (method.upper(), path.format(event_id="x", site="shop"))
    for path, item in (operator_paths() | setup_operator_paths()).items()
    for method in item.keys() - {"parameters"}
]
"""Every one, as `test_every_route_of_an_operator_is_in_the_contract` shows."""


@pytest.mark.parametrize(("method", "path"), sorted(ROUTES))
async def test_only_the_operators_key_opens_the_operators_routes(shop: Operated, method, path):
    for key in (KEY, "nobody's", ""):
        assert (await shop.ask(method, path, key=key))[0] == 401
    assert (await shop.post(event(), key=OPERATOR))[0] == 401


async def test_who_comes_with_another_key_is_told_where_it_is_looked_for(shop: Operated):
    async with ConsoleClient(shop.url, "nobody's") as client:
        with pytest.raises(GatewayError, match=r"let GATEWAY_OPERATOR_KEY or the first of operator\.keys be"):
            await client.get("/v1/dead")


async def test_without_an_operator_key_the_routes_do_not_exist(tmp_path: Path, sandbox: Sandbox):
    async with running_shop(settings(tmp_path, sandbox), sandbox) as plain:
        shop = Operated(plain.gateway, sandbox, plain.http)
        for method, path in ROUTES:
            assert (await shop.ask(method, path, key=KEY))[0] == 404
        async with ConsoleClient(shop.url, OPERATOR) as client:
            for path in ("/v1/dead", "/v1/sites/shop/setup"):
                with pytest.raises(GatewayError, match=r"was started without operator\.keys"):
                    await client.get(path)


async def test_dead_letters_are_counted_by_site_type_and_reason(shop: Operated):
    await shop.refuse(event(), event(cookie="c-2"), cart())
    _, answer = await shop.ask("GET", "/v1/dead")
    counted = [(group["site"], group["type"], group["count"]) for group in answer["groups"]]
    assert counted == [("shop", "PageView", 2), ("shop", "StatusCart", 1)]
    assert {group["reason"] for group in answer["groups"]} == {"bad_request"}
    assert all(group["first_at"] <= group["last_at"] for group in answer["groups"])
    assert len(await shop.letters(type="StatusCart")) == 1
    assert await shop.letters(site="another") == []


async def test_a_letter_shows_what_esputnik_would_get_and_what_it_said(shop: Operated):
    (event_id,) = await shop.refuse(cart())
    status, letter = await shop.ask("GET", f"/v1/dead/letters/{event_id}")
    assert (status, letter["status"], letter["lane"]) == (200, 400, "shop/cookie/c-1")
    assert letter["event"]["StatusCart"]["Products"][0]["productKey"] == "kettle-1"
    assert (await shop.ask("GET", "/v1/dead/letters/unknown"))[0] == 404


async def test_replayed_letters_arrive_in_their_order_with_their_ids_and_are_gone(shop: Operated):
    ids = await shop.refuse(event(), cart(), event("MainPage"))
    status, dry = await shop.ask("POST", "/v1/dead/replay", {"site": "shop", "dry_run": True})
    assert (status, [letter["event_id"] for letter in dry["letters"]]) == (200, ids)
    assert len(await shop.letters()) == 3
    status, answer = await shop.ask("POST", "/v1/dead/replay", {"site": "shop"})
    assert (status, answer["replayed"], answer["next"]) == (200, 3, None)
    arrived = await until_taken(shop.sandbox.url, 3)
    assert [request["headers"]["X-Request-Id"] for request in arrived] == ids
    assert await shop.letters() == []


async def test_a_replay_goes_on_batch_by_batch(shop: Operated):
    ids = await shop.refuse(*(event(cookie=f"c-{number}") for number in range(5)))
    order: dict[str, Any] = {"most": 2}
    sizes = []
    while order.get("after", 0) is not None:
        _, answer = await shop.ask("POST", "/v1/dead/replay", order)
        sizes.append(answer["replayed"])
        order["after"] = answer["next"]
    assert sizes == [2, 2, 1]
    arrived = await until_taken(shop.sandbox.url, 5)
    assert {request["headers"]["X-Request-Id"] for request in arrived} == set(ids)


async def test_a_replay_that_fails_again_comes_back_once(shop: Operated):
    (event_id,) = await shop.refuse(event())
    await shop.faults({"path": "/api/v2", "status": 400})
    await shop.ask("POST", "/v1/dead/replay", {"event_id": event_id})
    (letter,) = await shop.until_letters(1)
    assert letter["event_id"] == event_id
    assert await taken(shop.sandbox.url) == []
    await shop.ask("POST", "/v1/dead/replay", {"event_id": event_id})
    (request,) = await until_taken(shop.sandbox.url, 1)
    assert request["headers"]["X-Request-Id"] == event_id


async def test_a_replay_whose_letters_all_fail_again_comes_to_an_end(shop: Operated):
    ids = await shop.refuse(*(event(cookie=f"c-{number}") for number in range(3)))
    await shop.faults({"path": "/api/v2", "status": 400, "times": 100})
    sent = 0
    async with ConsoleClient(shop.url, OPERATOR) as client, asyncio.timeout(20):
        async for answer in client.batches("/v1/dead/replay", most=1):
            sent += answer["replayed"]
            await shop.until_letters(3)  # refused once more before the next batch is asked for
    assert sent == 3
    assert {letter["event_id"] for letter in await shop.letters()} == set(ids)


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        (
            "application/json-patch+json",
            [{"op": "replace", "path": "/StatusCart/Products/0/quantity", "value": 5}],
        ),
        ("application/merge-patch+json", {"StatusCart": {"Products": [{"productKey": "k", "quantity": 5}]}}),
    ],
)
async def test_a_letter_is_mended_by_a_patch_and_then_sent(shop: Operated, kind, patch):
    (event_id,) = await shop.refuse(cart())
    status, letter = await shop.ask("PATCH", f"/v1/dead/letters/{event_id}", patch, Content_Type=kind)
    assert (status, letter["event"]["StatusCart"]["Products"][0]["quantity"]) == (200, 5)
    await shop.ask("POST", "/v1/dead/replay", {"event_id": event_id})
    (request,) = await until_taken(shop.sandbox.url, 1)
    assert request["body"]["StatusCart"]["Products"][0]["quantity"] == 5


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("application/json-patch+json", [{"op": "remove", "path": "/secret"}]),
        ("application/json-patch+json", [{"op": "nothing"}]),
        ("application/json-patch+json", {"a": 1}),
        ("application/json-patch+json", [{"op": "replace", "path": "", "value": 1}]),
        ("application/merge-patch+json", [1]),
    ],
)
async def test_a_patch_that_does_not_fit_changes_nothing(shop: Operated, kind, patch):
    (event_id,) = await shop.refuse(cart())
    before = await shop.ask("GET", f"/v1/dead/letters/{event_id}")
    status, problem = await shop.ask("PATCH", f"/v1/dead/letters/{event_id}", patch, Content_Type=kind)
    assert (status, problem["code"]) == (400, "bad_patch")
    assert await shop.ask("GET", f"/v1/dead/letters/{event_id}") == before


async def test_dropped_letters_are_gone_for_good(shop: Operated):
    await shop.refuse(event(), cart())
    _, answer = await shop.ask("POST", "/v1/dead/drop", {"type": "PageView", "dry_run": True})
    assert (answer["chosen"], answer["dropped"]) == (1, 0)
    await shop.ask("POST", "/v1/dead/drop", {"type": "PageView"})
    assert [letter["type"] for letter in await shop.letters()] == ["StatusCart"]


async def test_every_letter_is_dropped_only_when_that_is_said(shop: Operated):
    await shop.refuse(event(), cart())
    for order in ({}, {"most": 5}, {"all": False}):
        status, problem = await shop.ask("POST", "/v1/dead/drop", order)
        assert (status, problem["code"]) == (400, "bad_request")
        assert "all: true" in problem["detail"]
    assert len(await shop.letters()) == 2
    await shop.ask("POST", "/v1/dead/drop", {"all": True})
    assert await shop.letters() == []


@pytest.mark.parametrize(
    "order", [{"sites": "shop"}, {"most": 0}, {"site": 1}, [1], {"after": -1}, {"after": 2**63}]
)
async def test_an_order_that_makes_no_sense_is_refused_and_nothing_is_done(shop: Operated, order):
    await shop.refuse(event())
    for path in ("/v1/dead/replay", "/v1/dead/drop"):
        assert (await shop.ask("POST", path, order))[0] == 400
    assert len(await shop.letters()) == 1


async def test_an_order_larger_than_a_body_may_be_is_refused_and_no_mistake_of_ours(shop: Operated):
    body = io.BytesIO(b" " * (Limits().body_bytes + 1))
    headers = {"X-Api-Key": OPERATOR}
    async with shop.http.post(f"{shop.url}/v1/dead/replay", data=body, headers=headers) as answer:
        assert (answer.status, (await answer.json(content_type=None))["code"]) == (413, "too_large")


@pytest.mark.parametrize("after", ["x", "-1", str(2**63), "1e3", "9" * 5000])
async def test_a_number_that_no_letter_can_have_is_refused(shop: Operated, after: str):
    assert (await shop.ask("GET", f"/v1/dead/letters?after={after}"))[0] == 400


async def test_the_command_line_does_all_of_it(tmp_path: Path):
    port = free_port()
    async with Sandbox() as sandbox, aiohttp.ClientSession() as http:
        config = write_config(tmp_path / "gateway.toml", sandbox.url, port, embedded(tmp_path))
        config.write_text(f'{config.read_text()}\n[operator]\nkeys = ["{OPERATOR}"]\n')

        async def dead(*arguments: str, code: int = 0) -> str:
            command = [sys.executable, "-m", "gateway", "dead", *arguments, "--config", str(config)]
            ended = await asyncio.to_thread(
                subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
            )
            assert ended.returncode == code, ended.stderr
            return str(ended.stdout or ended.stderr)

        with running(Process("run", "--config", str(config), port=port)):
            faults = [{"path": "/api/v2", "status": 400, "times": 2}]
            await http.post(f"{sandbox.url}/_sandbox/faults", json=faults)
            ids = []
            for one in (event(), cart()):
                async with http.post(
                    f"http://127.0.0.1:{port}/v1/events", json=one, headers={"X-Api-Key": KEY}
                ) as answer:
                    ids.append((await answer.json())["results"][0]["id"])
            async with asyncio.timeout(20):
                while "StatusCart" not in (listed := await dead("list")):
                    pass
            assert "bad_request" in listed
            assert orjson.loads(await dead("show", ids[1]))["event_id"] == ids[1]
            patch = tmp_path / "patch.json"
            patch.write_text('{"GeneralInfo": {"s_location": "https://shop.example/"}}')
            assert "https://shop.example/" in await dead("fix", ids[1], str(patch))
            assert "https://shop.example/" in await dead("replay", "--id", ids[1], "--dry-run")
            assert await dead("replay", "--id", ids[1]) == "1 sent again\n"
            (request,) = await until_taken(sandbox.url, 1)
            assert request["headers"]["X-Request-Id"] == ids[1]
            assert await dead("drop", "--type", "PageView", "--dry-run") == "1 would be removed\n"
            assert await dead("drop", "--dry-run") == "1 would be removed\n"
            assert "say --all" in await dead("drop", code=1)
            assert await dead("drop", "--type", "PageView") == "1 removed\n"


async def test_product_keys_of_what_was_delivered_are_told_by_source(shop: Operated, tmp_path: Path):
    await shop.post(cart())
    async with asyncio.timeout(20):
        while True:
            status, answer = await shop.ask("GET", "/v1/product-keys?site=shop")
            sampled = {one["source"]: one["sampled"] for one in answer["sources"]}
            if sampled["tracking"]:
                break
            await asyncio.sleep(0.02)
    assert (status, sampled) == (200, {"tracking": 1, "orders": 0, "products": 0})
    assert (await shop.ask("GET", "/v1/product-keys?site=another"))[0] == 404
    config = tmp_path / "gateway.toml"
    config.write_text(f'operator.keys = ["{OPERATOR}"]\nsites = [{{id = "shop", keys = ["{KEY}"]}}]\n')
    command = [sys.executable, "-m", "gateway", "product-keys", "--site", "shop", "--url", shop.url]
    for more in ([], ["--json"]):
        ended = await asyncio.to_thread(
            subprocess.run,
            [*command, *more, "--config", str(config)],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert "tracking" in ended.stdout
    assert orjson.loads(ended.stdout) == answer
