"""The feed's ids are held against those that the gateway has seen."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from gateway.cli import cli
from gateway.sandbox import Sandbox
from tests.feed.shop import feed, product
from tests.service.conftest import KEY, Shop, event, running_shop, settings

OPERATOR = "operator-key-of-the-tests"


@pytest.fixture
async def shop(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Shop]:
    config = settings(tmp_path, sandbox, operator={"keys": [OPERATOR]})
    async with running_shop(config, sandbox) as shop:
        yield shop


async def tracked(shop: Shop, keys: Iterable[str]) -> None:
    """Return once the gateway has sampled a cart with these products."""
    products = [{"productKey": key, "price": "9", "quantity": 1} for key in keys]
    guid = "8a1f7c0e-5d41-4a53-9a50-0d6fb1a3e001"
    await shop.post(event("StatusCart", {"GUID": guid, "Products": products}))
    headers = {"X-Api-Key": OPERATOR}
    async with asyncio.timeout(20):
        while True:
            async with shop.http.get(
                f"{shop.url}/v1/product-keys?site=shop&keys=true", headers=headers
            ) as answer:
                if len((await answer.json())["keys"]["tracking"]) == len(products):
                    return
            await asyncio.sleep(0.02)


async def test_nothing_is_concluded_from_a_feed_that_breaks_off(shop: Shop, tmp_path: Path):
    await tracked(shop, [f"K-{number}" for number in range(30, 60)])
    whole = await check(tmp_path, shop.url, *map(product, range(60)))
    assert whole.exit_code == 0
    cut = await check(tmp_path, shop.url, *map(product, range(60)), cut=10_000)
    assert orjson.loads(cut.stdout)["ids"] == {}
    assert [group["code"] for group in orjson.loads(cut.stdout)["groups"]] == ["unreadable"]


async def check(
    tmp_path: Path, url: str, *products: dict[str, str], operator: str = OPERATOR, cut: int | None = None
) -> Result:
    (tmp_path / "feed.xml").write_text(feed(*products)[:cut])
    keys = f'operator.keys = ["{operator}"]\n' if operator else ""
    (tmp_path / "gateway.toml").write_text(f'{keys}sites = [{{id = "shop", keys = ["{KEY}"]}}]\n')
    arguments = ["--site", "shop", "--url", url, "--config", f"{tmp_path}/gateway.toml", "--json"]
    command = ["feed", "check", f"{tmp_path}/feed.xml", *arguments]
    return await asyncio.to_thread(CliRunner().invoke, cli, command)


async def test_an_id_that_was_tracked_and_is_not_in_the_feed_is_told(shop: Shop, tmp_path: Path):
    await tracked(shop, [f"K-{number}" for number in range(30)] + ["k-30", "gone"])
    checked = await check(tmp_path, shop.url, *map(product, range(60)))
    report = orjson.loads(checked.stdout)
    found = {group["code"]: [one["id"] for one in group["examples"]] for group in report["groups"]}
    assert found == {"seen_case": ["k-30"], "seen_not_in_feed": ["gone"]}
    ids = report["ids"]
    assert (ids["tracking"]["compared"], sorted(ids["tracking"]["unknown"])) == (32, ["gone", "k-30"])
    assert (ids["feed"]["compared"], len(ids["feed"]["unknown"]), ids["feed"]["is_apart"]) == (60, 30, False)


async def test_a_feed_of_variants_against_tracked_groups_is_an_error(shop: Shop, tmp_path: Path):
    await tracked(shop, [f"G{number}" for number in range(25)])
    variants = [
        product(number, item_group_id=f"G{number // 2}", color="red" if number % 2 else "blue")
        for number in range(60)
    ]
    checked = await check(tmp_path, shop.url, *variants)
    counts = {group["code"]: group["count"] for group in orjson.loads(checked.stdout)["groups"]}
    assert counts == {"ids_apart": 1, "seen_are_groups": 25}
    assert checked.exit_code == 2


@pytest.mark.parametrize(
    ("operator", "why"), [(OPERATOR, "no gateway answers at"), ("", "operator.keys: none is configured")]
)
async def test_without_a_gateway_or_a_key_the_feed_is_checked_all_the_same(
    tmp_path: Path, operator: str, why: str
):
    checked = await check(tmp_path, "http://127.0.0.1:9", product(1), operator=operator)
    (line,) = checked.stderr.splitlines()
    assert line.startswith("ids are not compared with what was tracked: ")
    assert why in line
    assert (checked.exit_code, orjson.loads(checked.stdout)["ids"]) == (0, {})
