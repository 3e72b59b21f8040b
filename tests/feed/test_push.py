"""What changed of a feed reaches eSputnik's Products API, and nothing else does.

PM is Yespo-CDP/yespo-shopify, docs/yespo-api-products-markets.md.
"""

import asyncio
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from gateway.cli import cli
from gateway.errors import FeedUnreadable
from gateway.esputnik.errors import KeyRefused, Unavailable
from gateway.feed import push as push_module
from gateway.feed.push import BYTES, Sent, _batches
from tests.feed.conftest import Shop
from tests.feed.shop import feed, product


async def test_products_arrive_as_the_feed_has_them(shop: Shop):
    outcome = await shop.push(
        feed(
            product(1, sale_price="700 UAH", item_group_id="G", color="red"),
            product(2, availability="out_of_stock"),
        )
    )
    assert (outcome.created, outcome.updated, outcome.removed) == (2, 0, 0)
    products = await shop.products()
    one = products["K-1"]
    assert (one["price"], one["oldPrice"], one["currency"], one["isInStock"]) == (700, 899, "UAH", 1)
    assert one["categories"] == [{"name": "Чайники", "path": ["Дім", "Кухня", "Чайники"]}]
    assert (one["itemGroupId"], one["tags"], one["brand"]) == ("G", {"color": ["red"]}, "Kettler")
    assert (products["K-2"]["isInStock"], products["K-2"]["price"]) == (0, 899)


async def test_only_what_changed_is_sent_again(shop: Shop):
    await shop.push(feed(*map(product, range(5))))
    outcome = await shop.push(feed(*map(product, range(4)), product(4, price="1 UAH"), product(5)))
    assert (outcome.created, outcome.updated, outcome.unchanged) == (1, 1, 4)
    assert await shop.requests() == [("POST", 5), ("POST", 2)]
    assert (
        await shop.push(feed(*map(product, range(4)), product(4, price="1 UAH"), product(5)))
    ).unchanged == 6
    assert len(await shop.requests()) == 2


async def test_a_field_that_the_feed_lost_is_removed(shop: Shop):
    await shop.push(feed(product(1, sale_price="700 UAH", item_group_id="G")))
    outcome = await shop.push(feed(product(1, brand=None)))
    assert outcome.updated == 1
    one = (await shop.products())["K-1"]
    assert one["price"] == 899
    assert one.keys().isdisjoint({"oldPrice", "itemGroupId", "brand"})


async def test_a_product_that_the_feed_lost_is_removed(shop: Shop):
    await shop.push(feed(*map(product, range(5))))
    assert (await shop.push(feed(*map(product, range(3))))).removed == 2
    assert sorted(await shop.products()) == ["K-0", "K-1", "K-2"]


async def test_a_feed_that_lost_most_removes_them_only_when_told(shop: Shop):
    await shop.push(feed(*map(product, range(60))))
    outcome = await shop.push(feed(product(1)))
    assert (outcome.removed, outcome.kept, len(await shop.products())) == (0, 59, 60)
    assert (await shop.push(feed(product(1)), remove_many=True)).removed == 59


async def test_a_feed_that_breaks_off_removes_nothing(shop: Shop):
    await shop.push(feed(*map(product, range(3))))
    with pytest.raises(FeedUnreadable, match=r"^uk: line \d+: ends in the middle"):
        await shop.push(feed(*map(product, range(3)))[:-600])
    assert len(await shop.products()) == 3


async def test_other_languages_go_along_as_translations(shop: Shop):
    english = feed(product(1, title="Kettle", description="Glass", google_product_category="Home > Kettles"))
    await shop.push(feed(product(1), product(2)), english)
    one = (await shop.products())["K-1"]
    assert one["name"] == "Чайник 1"
    assert "Kettle" in str(one["translations"])
    assert "translations" not in (await shop.products())["K-2"]
    assert (await shop.push(feed(product(1), product(2)), english.replace("Glass", "Steel"))).updated == 1


async def test_what_is_rejected_is_told_and_sent_again(shop: Shop):
    """PM: status accepted|rejected for every item; the rest of a batch goes on."""
    broken = feed(
        product(1),
        product(2, link="https://[shop/p", image_link="https://cdn.shop.example/2.jpg"),
        product(3),
    )
    outcome = await shop.push(broken)
    assert (outcome.created, dict(outcome.skipped)) == (2, {"link is no web address": 1})
    await shop.faults(
        {
            "path": "*/v1/products",
            "status": 207,
            "body": {
                "items": {"productId": "K-9", "status": "rejected", "code": "INVALID_PRICE", "message": "no"}
            },
        }
    )
    outcome = await shop.push(feed(*map(product, (1, 3, 9))))
    assert dict(outcome.rejected) == {"INVALID_PRICE": 1}
    assert outcome.examples == [("K-9", "INVALID_PRICE", "no")]
    assert (await shop.push(feed(*map(product, (1, 3, 9))))).created == 1


async def test_a_product_that_stands_twice_is_sent_once(shop: Shop):
    assert (await shop.push(feed(product(1), product(1, price="5 UAH")))).created == 1


async def test_a_batch_has_at_most_1000_items_and_they_are_a_second_apart(shop: Shop):
    await shop.push(feed(*map(product, range(2500))))
    assert await shop.requests() == [("POST", 1000), ("POST", 1000), ("POST", 500)]
    assert shop.clock.slept == [0, 1, 1]  # 60 requests a minute


def test_a_batch_has_at_most_10_mb():
    changes = [Sent({"productId": str(n), "description": "x" * 10_000}, None) for n in range(2100)]
    batches = list(_batches(iter(changes)))
    assert sum(map(len, batches)) == 2100
    assert all(len(orjson.dumps([one.item for one in batch])) <= BYTES + 2 for batch in batches)
    assert len(list(_batches(iter(changes[:1000])))) == 1


async def test_a_429_and_a_lost_answer_are_survived(shop: Shop):
    await shop.faults(
        {"path": "*/v1/products", "status": 429, "retry_after": 7},
        {"path": "*/v1/products", "status": 500, "taken": True},
    )
    outcome = await shop.push(feed(product(1)))
    assert outcome.created == 1
    assert len(await shop.requests()) == 3
    assert shop.clock.slept == [0, 7, 4]  # what the 429 asked for; then the backoff of a second try


async def test_eSputnik_away_ends_the_push_and_the_next_goes_on(shop: Shop):  # noqa: N802 -- its name
    await shop.faults({"path": "*/v1/products", "status": 503, "times": push_module.TRIES})
    with pytest.raises(Unavailable):
        await shop.push(feed(product(1)))
    assert (await shop.push(feed(product(1)))).created == 1


async def test_a_wrong_key_is_told_at_once(shop: Shop):
    with pytest.raises(KeyRefused):
        await shop.push(feed(product(1)), key="wrong")


async def test_a_dry_run_sends_and_remembers_nothing(shop: Shop):
    assert (await shop.push(feed(product(1)), dry_run=True)).created == 1
    assert await shop.requests() == []
    assert (await shop.push(feed(product(1)))).created == 1


async def test_a_clock_that_went_back_does_not_make_a_push_stale(shop: Shop):
    """PM: what has an older updatedDate is passed over later."""
    await shop.push(feed(product(1)))
    shop.clock.now_ms = lambda: 1_000_000
    await shop.push(feed(product(1, price="5 UAH")))
    assert (await shop.products())["K-1"]["price"] == 5


async def test_the_command_pushes_a_site(shop: Shop, tmp_path: Path):
    (tmp_path / "uk.xml").write_text(feed(product(1), product(2, price="x")))
    (tmp_path / "gateway.toml").write_text(
        f'[feeds]\npath = "{tmp_path}/feeds"\n[[sites]]\nid = "shop"\nkeys = ["shop-key"]\n'
        f'api_url = "{shop.sandbox.url}/api"\napi_key = "sandbox-key"\n'
    )
    arguments = [
        "feed",
        "push",
        "--site",
        "shop",
        "--config",
        f"{tmp_path}/gateway.toml",
        f"uk={tmp_path}/uk.xml",
    ]
    run = await asyncio.to_thread(CliRunner().invoke, cli, arguments)
    assert run.exit_code == 1
    assert "1 were created, 0 updated, 0 removed; 0 have not changed" in run.stdout
    assert "skipped: price is no number with a currency" in run.stdout
    assert list(await shop.products()) == ["K-1"]
