"""What changed of a feed reaches eSputnik's Products API, and nothing else does.

PM is Yespo-CDP/yespo-shopify, docs/yespo-api-products-markets.md.
"""

import asyncio
import sqlite3
from contextlib import closing
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


async def test_a_tag_and_a_language_that_a_product_lost_are_removed(shop: Shop):
    """PM: an update keeps tags and locales that it does not name; remove {fields, tags, translations}."""
    english = feed(product(1, title="Kettle"))
    await shop.push(feed(product(1, color="red", size="M")), english, english)
    one = (await shop.products())["K-1"]
    assert (one["tags"].keys(), one["translations"].keys()) == ({"color", "size"}, {"en", "de"})
    await shop.push(feed(product(1, size="L")), english)
    one = (await shop.products())["K-1"]
    assert (one["tags"], one["translations"].keys()) == ({"size": ["L"]}, {"en"})
    await shop.push(feed(product(1)))
    assert (await shop.products())["K-1"].keys().isdisjoint({"tags", "translations"})


async def test_translations_pushed_before_each_of_them_was_remembered_are_removed(shop: Shop, tmp_path: Path):
    await shop.push(feed(product(1)), feed(product(1)))
    with closing(sqlite3.connect(tmp_path / "pushed.db")) as known:
        known.execute("UPDATE taken SET optional = 'brand description translations'")
        known.commit()
    await shop.push(feed(product(1)))
    assert "translations" not in (await shop.products())["K-1"]


async def test_texts_go_without_markup(shop: Shop):
    """PM: description is plain text."""
    described = "<p>Glass &amp; steel,<br/>1.7 l</p>\n<b>quiet</b> &nbsp;&mdash; 5 < 6"
    await shop.push(
        feed(product(1, title="A &amp; B", description=described), product(2, description="a\n&b"))
    )
    one, two = (await shop.products()).values()
    assert (one["name"], one["description"]) == ("A & B", "Glass & steel, 1.7 l quiet — 5 < 6")
    assert two["description"] == "a\n&b"


async def test_a_sale_price_counts_only_within_its_dates(shop: Shop):
    dates = {
        "over": "2020-01-01T00:00+0200/2020-01-10T23:59+0200",
        "to_come": "2990-01-01T00:00Z/2990-01-10T23:59Z",
        "now": "2020-01-01T00:00+02:00 / 2990-01-10T23:59+02:00",
        "nobody_knows": "soon",
    }
    on_sale = [
        product(1, id=name, sale_price="700 UAH", sale_price_effective_date=span)
        for name, span in dates.items()
    ]
    await shop.push(feed(*on_sale), markets={"pl": feed(*on_sale)})
    prices = {"over": 899, "to_come": 899, "now": 700, "nobody_knows": 899}
    assert {name: one["price"] for name, one in (await shop.products()).items()} == prices
    assert {one["productId"]: one["price"] for one in await shop.shown("products", "markets")} == prices
    assert "oldPrice" not in (await shop.products())["over"]
    shop.clock.now_ms = lambda: 32_503_680_000_000  # the year 3000, when the sale is over
    assert (await shop.push(feed(*on_sale))).updated == 1
    assert (await shop.products())["now"]["price"] == 899


async def test_a_product_that_cannot_be_sent_any_more_stays_as_it_was(shop: Shop):
    await shop.push(feed(product(1), product(2)))
    outcome = await shop.push(feed(product(1), product(2, image_link=None), product(2, price="5 UAH")))
    assert (outcome.removed, outcome.updated, dict(outcome.skipped)) == (0, 1, {"image_link is missing": 1})
    outcome = await shop.push(feed(product(1), product(2, price="x")))
    assert (outcome.removed, outcome.is_whole) == (0, False)
    assert (await shop.products())["K-2"]["price"] == 5


async def test_a_feed_without_any_product_removes_them_only_when_told(shop: Shop):
    await shop.push(feed(product(1), product(2)))
    outcome = await shop.push(feed())
    assert (outcome.removed, outcome.kept, len(await shop.products())) == (0, 2, 2)
    assert (await shop.push(feed(), remove_many=True)).removed == 2


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
    assert sum(len(orjson.dumps(one.item)) for one in changes[:980]) > 9_800_000
    assert len(list(_batches(iter(changes[:980])))) == 1


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
