"""What differs by market reaches eSputnik's Markets API.

PM is Yespo-CDP/yespo-shopify, docs/yespo-api-products-markets.md.
"""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import cli
from gateway.config import SiteFeed
from tests.feed.conftest import Shop
from tests.feed.shop import feed, product

MAIN = feed(*map(product, range(5)))


def polish(number: int, **changes: str | None) -> dict[str, str]:
    """Return a product as the Polish feed has it."""
    return product(number, **({"price": "90.00 PLN"} | changes))


async def records(shop: Shop, market: str = "pl") -> dict[str, dict[str, Any]]:
    return {
        one["productId"]: one for one in await shop.shown("products", "markets") if one["marketId"] == market
    }


async def sent(shop: Shop) -> list[list[str]]:
    """Return which products each request for markets held."""
    requests = await shop.shown("requests?path=*/v1/markets")
    return [
        [one["productId"] for market in request["body"]["markets"] for one in market["products"]]
        for request in requests
    ]


async def test_a_market_has_its_own_price_stock_and_address(shop: Shop):
    there = polish(2, sale_price="70 PLN", availability="out_of_stock", link="https://shop.example/pl/p/2")
    await shop.push(MAIN, markets={"pl": feed(polish(1), there)})
    one, two = (await records(shop)).values()
    assert (one["price"], one["oldPrice"], one["currency"], one["isInStock"]) == (90, None, "PLN", 1)
    assert "urls" not in one
    assert (two["price"], two["oldPrice"], two["isInStock"]) == (70, 90, 0)
    assert two["urls"] == {"uk": "https://shop.example/pl/p/2"}
    assert one["effective"] is two["effective"] is True
    assert (shop.markets["pl"].created, shop.markets["pl"].is_whole) == (2, True)


async def test_only_what_changed_in_a_market_is_sent_again(shop: Shop):
    await shop.push(MAIN, markets={"pl": feed(polish(1), polish(2)), "cz": feed(polish(1))})
    await shop.push(MAIN, markets={"pl": feed(polish(1), polish(2, price="5 PLN")), "cz": feed(polish(1))})
    assert await sent(shop) == [["K-1", "K-2"], ["K-1"], ["K-2"]]
    assert (shop.markets["pl"].updated, shop.markets["pl"].unchanged, shop.markets["cz"].unchanged) == (
        1,
        1,
        1,
    )


async def test_an_old_price_and_an_address_that_a_market_lost_are_cleared(shop: Shop):
    await shop.push(
        MAIN, markets={"pl": feed(polish(1, sale_price="70 PLN", link="https://shop.example/pl"))}
    )
    await shop.push(MAIN, markets={"pl": feed(polish(1))})
    one = (await records(shop))["K-1"]
    assert (one["price"], one["oldPrice"], one["urls"]) == (90, None, {})
    assert shop.markets["pl"].is_whole


async def test_what_a_market_lost_is_out_of_stock_there_and_sent_whole_when_it_is_back(shop: Shop):
    await shop.push(MAIN, markets={"pl": feed(polish(1), polish(2))})
    for _ in range(2):
        await shop.push(MAIN, markets={"pl": feed(polish(1))})
    assert (await records(shop))["K-2"]["isInStock"] == 0
    assert "K-2" in await shop.products()
    await shop.push(MAIN, markets={"pl": feed(polish(1), polish(2))})
    assert (await records(shop))["K-2"]["isInStock"] == 1
    assert await sent(shop) == [["K-1", "K-2"], ["K-2"], ["K-2"]]


async def test_a_market_that_lost_most_keeps_it_unless_told(shop: Shop):
    main = feed(*map(product, range(60)))
    await shop.push(main, markets={"pl": feed(*map(polish, range(60)))})
    await shop.push(main, markets={"pl": feed(polish(1))})
    assert (shop.markets["pl"].removed, shop.markets["pl"].kept) == (0, 59)
    await shop.push(main, markets={"pl": feed(polish(1))}, remove_many=True)
    assert shop.markets["pl"].removed == 59


async def test_a_market_whose_feed_breaks_off_loses_nothing_and_stops_no_other(shop: Shop):
    whole = feed(polish(1), polish(2))
    await shop.push(MAIN, markets={"pl": whole})
    await shop.push(MAIN, markets={"pl": whole[:-600], "cz": feed(polish(3))})
    assert "ends in the middle" in shop.markets["pl"].unreadable
    assert [one["isInStock"] for one in (await records(shop)).values()] == [1, 1]
    assert list(await records(shop, "cz")) == ["K-3"]


async def test_a_product_that_the_main_feed_has_not_is_skipped_and_told(shop: Shop):
    nameless = polish(3, id=None)
    market = feed(polish(1), polish(77), polish(2, price="90"), nameless, nameless)
    await shop.push(MAIN, markets={"pl": market})
    skipped = {"not in the main feed": 1, "price is no number with a currency": 1, "id is missing": 2}
    assert dict(shop.markets["pl"].skipped) == skipped
    assert ("K-77", "skipped", "not in the main feed") in shop.markets["pl"].examples
    assert list(await records(shop)) == ["K-1"]


async def test_a_product_that_is_removed_and_comes_back_comes_back_to_its_markets(shop: Shop):
    """A deletion takes the product's records in markets along."""
    markets = {"pl": feed(polish(1), polish(4))}
    await shop.push(MAIN, markets=markets)
    await shop.push(feed(*map(product, range(4))), markets=markets)
    assert list(await records(shop)) == ["K-1"]
    await shop.push(MAIN, markets=markets)
    assert (await records(shop))["K-4"]["effective"] is True


async def test_what_was_pushed_before_there_were_markets_is_not_sent_again(shop: Shop, tmp_path: Path):
    await shop.push(MAIN)
    with sqlite3.connect(tmp_path / "pushed.db") as known:
        known.execute("CREATE TABLE pushed AS SELECT product, digest, optional FROM taken")
        known.execute("DROP TABLE taken")
    outcome = await shop.push(MAIN, markets={"pl": feed(polish(1))})
    assert (outcome.unchanged, shop.markets["pl"].created) == (5, 1)


async def test_what_a_market_was_refused_is_told_and_sent_again(shop: Shop):
    refusal = {"productId": "K-1", "marketId": "pl", "status": "rejected", "code": "INVALID_PRICE"}
    await shop.faults({"path": "*/v1/markets", "status": 207, "body": {"items": refusal}})
    await shop.push(MAIN, markets={"pl": feed(polish(1))})
    assert dict(shop.markets["pl"].rejected) == {"INVALID_PRICE": 1}
    await shop.push(MAIN, markets={"pl": feed(polish(1))})
    assert shop.markets["pl"].created == 1


async def test_a_dry_run_sends_a_market_nothing(shop: Shop):
    await shop.push(MAIN, markets={"pl": feed(polish(1))}, dry_run=True)
    assert shop.markets["pl"].created == 1
    assert await sent(shop) == []


@pytest.mark.parametrize("market", ["PL", "", "p l", "x" * 129])
def test_a_market_that_eSputnik_could_not_name_is_refused(market: str):  # noqa: N802 -- its name
    with pytest.raises(ValueError, match="should match pattern"):
        SiteFeed(markets={market: "https://shop.example/feed.xml"})


async def test_the_command_pushes_the_markets_of_a_site(shop: Shop, tmp_path: Path):
    (tmp_path / "uk.xml").write_text(MAIN)
    (tmp_path / "pl.xml").write_text(feed(polish(1), polish(77)))
    (tmp_path / "gateway.toml").write_text(
        f'[feeds]\npath = "{tmp_path}/feeds"\n[[sites]]\nid = "shop"\nkeys = ["shop-key"]\n'
        f'api_url = "{shop.sandbox.url}/api"\napi_key = "sandbox-key"\n'
    )
    arguments = [
        "--site",
        "shop",
        "--config",
        f"{tmp_path}/gateway.toml",
        "--market",
        f"pl={tmp_path}/pl.xml",
    ]
    command = ["feed", "push", *arguments, f"uk={tmp_path}/uk.xml"]
    run = await asyncio.to_thread(CliRunner().invoke, cli, command)
    assert run.exit_code == 1
    assert "market pl: 1 were created, 0 updated, 0 taken out of stock; 0 have not changed" in run.stdout
    assert "skipped: not in the main feed" in run.stdout
    assert list(await records(shop)) == ["K-1"]
