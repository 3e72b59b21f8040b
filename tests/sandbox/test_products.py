"""Products, markets and what is read back of them.

PM is Yespo-CDP/yespo-shopify, docs/yespo-api-products-markets.md; RECAPI is docs page 29728470608.
"""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from gateway.sandbox import Sandbox
from tests.sandbox.conftest import Account

OCTOBER, NOVEMBER, DECEMBER = (f"2026-{month}-01T12:00:00Z" for month in (10, 11, 12))


def product(number: str = "1", **changes: Any) -> dict[str, Any]:
    """Return a product as PM's sample has it; a change to ... leaves a field out."""
    whole = {
        "action": "create",
        "productId": number,
        "updatedDate": NOVEMBER,
        "name": "Men's T-Shirt",
        "url": "https://shop.ua/1",
        "imageUrl": "https://shop.ua/1.jpg",
        "isInStock": 1,
        "price": 599,
        "currency": "UAH",
        "categories": [{"id": "8", "name": "T-Shirts", "path": ["Clothing", "T-Shirts"]}],
    }
    return {name: value for name, value in (whole | changes).items() if value is not ...}


def update(number: str = "1", at: str = DECEMBER, **changes: Any) -> dict[str, Any]:
    return {"action": "update", "productId": number, "updatedDate": at} | changes


@pytest.fixture
async def account() -> AsyncIterator[Account]:
    async with Sandbox(product_rate=None) as sandbox, aiohttp.ClientSession() as http:
        yield Account(sandbox.url, http)


async def send(account: Account, *products: Any) -> tuple[int, Any]:
    body = {"languageCode": "uk", "products": list(products)}
    return await account.call("POST", "/api/v1/products", body)


async def markets(account: Account, *items: Any, market: str = "ca") -> tuple[int, Any]:
    body = {"markets": [{"marketId": market, "products": list(items)}]}
    return await account.call("POST", "/v1/markets", body)


async def kept(account: Account) -> dict[str, Any]:
    (found,) = await account.shown("products")
    return found


async def test_each_product_has_its_result_and_some_refused_are_a_207(account: Account):
    """PM: requestId, summary {received, accepted, rejected}, items; 207; a failure blocks no other."""
    status, answer = await send(account, product("1"), product("2", url="x"), product("3"))
    assert status == 207
    assert answer["summary"] == {"received": 3, "accepted": 2, "rejected": 1}
    assert answer["items"][1] == {
        "productId": "2",
        "action": "create",
        "status": "rejected",
        "code": "INVALID_URL",
        "message": "url must be an absolute URL",
    }
    assert [one["productId"] for one in await account.shown("products")] == ["1", "3"]


async def test_one_result_is_a_bare_object_and_all_taken_a_200(account: Account):
    """PM: 200; normalize-yespo-items of the Shopify plugin: one item comes as an object."""
    async with account.http.post(
        f"{account.url}/v1/products",
        json={"languageCode": "uk", "products": [product()]},
        headers={"Authorization": "Bearer sandbox-key"},
    ) as raw:
        answer = await raw.json()
        assert (raw.status, raw.headers["X-Request-Id"]) == (200, answer["requestId"])
    assert answer["items"] == {"productId": "1", "action": "create", "status": "accepted"}


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (5, "INVALID_TYPE"),
        (product(productId=""), "MISSING_productId"),
        (product(productId=...), "MISSING_productId"),
        (product(productId=5), "INVALID_TYPE"),
        (product("x" * 129), "INVALID_TYPE"),
        (product(action="replace"), "MISSING_ACTION"),
        (product(action=...), "MISSING_ACTION"),
        (product(updatedDate=...), "MISSING_REQUIRED_FIELD"),
        (product(updatedDate="yesterday"), "INVALID_updatedDate"),
        (product(updatedDate="2026-11-01T12:00:00+02:00"), "INVALID_updatedDate"),
        *((product(**{name: ...}), "MISSING_REQUIRED_FIELD") for name in ("name", "imageUrl", "categories")),
        (product(name="x" * 501), "INVALID_TYPE"),
        (product(isInStock=True), "INVALID_TYPE"),
        (product(isInStock=2), "INVALID_TYPE"),
        (product(price="599"), "INVALID_TYPE"),
        (product(currency="грн"), "INVALID_CURRENCY"),
        (product(imageUrl="/1.jpg"), "INVALID_URL"),
        (product(categories=[]), "INVALID_CATEGORIES"),
        (product(categories=[{"path": ["A"]}]), "INVALID_CATEGORIES"),
        (product(categories=[{"id": "8", "path": ["x"] * 11}]), "INVALID_CATEGORIES"),
        (product(oldPrice=599), "INVALID_PRICE"),
        (product(description=None), "INVALID_NULL_FIELD"),
        (product(description="x" * 10_001), "INVALID_TYPE"),
        (product(brand="x" * 257), "INVALID_TYPE"),
        (product(tags={"Color": "Black"}), "INVALID_TYPE"),
        (product(translations={"en": {}}), "INVALID_TYPE"),
        (update(remove={"fields": ["name"]}), "INVALID_TYPE"),
    ],
)
async def test_a_product_that_breaks_a_rule_is_rejected_by_code(account: Account, item, code):
    """PM: limits of the product object, and the error codes."""
    status, answer = await send(account, item)
    assert (status, answer["items"]["status"], answer["items"]["code"]) == (207, "rejected", code)
    assert await account.shown("products") == []


async def test_the_same_product_twice_in_a_request_is_rejected_the_second_time(account: Account):
    """PM: DUPLICATE_KEY_IN_BATCH."""
    _, answer = await send(account, product(), product(name="Other"))
    assert [one.get("code") for one in answer["items"]] == [None, "DUPLICATE_KEY_IN_BATCH"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"languageCode": "uk"}, 400, "INVALID_PAYLOAD"),
        ({"products": [product()]}, 400, "INVALID_PAYLOAD"),
        ([], 400, "INVALID_PAYLOAD"),
        ({"languageCode": "uk", "products": [product()] * 1001}, 413, "BATCH_SIZE_EXCEEDED"),
        ({"languageCode": "uk", "products": [product(name="x" * 10 * 2**20)]}, 413, "PAYLOAD_TOO_LARGE"),
    ],
)
async def test_a_request_that_breaks_a_rule_is_refused_as_a_whole(account: Account, body, status, code):
    """PM: 400 without products or languageCode, 413 over 1000 items or 10 MB."""
    answered, answer = await account.call("POST", "/v1/products", body)
    assert (answered, answer["errorCode"]) == (status, code)


async def test_over_60_requests_a_minute_are_429():
    """PM: 60 requests a minute, products and markets together; RATE_LIMITED."""
    async with Sandbox() as sandbox, aiohttp.ClientSession() as http:
        account = Account(sandbox.url, http)
        statuses = [(await send(account))[0] for _ in range(30)]
        statuses += [(await markets(account))[0] for _ in range(30)]
        assert statuses == [200] * 60
        status, answer = await send(account, product())
        assert (status, answer["errorCode"]) == (429, "RATE_LIMITED")


async def test_the_same_batch_may_be_sent_again_at_once(account: Account):
    """PM: if the outcome is unknown the client may retry the whole request."""
    assert [(await send(account, product()))[0] for _ in range(2)] == [200, 200]


async def test_another_language_and_the_old_contracts_fields_are_no_error(account: Account):
    """.cursor/rules/yespo-api.mdc of the Shopify plugin: the site comes from the key; no 409."""
    await send(account, product())
    body = {"siteId": "my_store", "languageCode": "en", "languageChanged": False, "products": [product("2")]}
    assert (await account.call("POST", "/v1/products", body))[0] == 200


async def test_what_an_update_omits_stays_and_lists_are_replaced(account: Account):
    """PM: scalars and categories; tags by key; discount is ignored."""
    await send(account, product(brand="A", tags={"Color": ["Black"], "Size": ["M"]}))
    await send(
        account, update(price=499, categories=[{"id": "9"}], tags={"Color": ["Red", "Blue"]}, discount=5)
    )
    found = await kept(account)
    assert (found["price"], found["brand"], found["categories"]) == (499, "A", [{"id": "9"}])
    assert found["tags"] == {"Color": ["Red", "Blue"], "Size": ["M"]}
    assert "discount" not in found


async def test_a_locale_replaces_the_whole_locale_and_remove_removes(account: Account):
    """PM: translations by locale; remove {fields, tags, translations}."""
    both = [{"en": {"name": "T", "description": "D"}}, {"de": {"name": "T"}}]
    await send(account, product(oldPrice=700, translations=both, tags={"Season": ["2026"]}))
    await send(account, update(translations=[{"en": {"name": "New"}}]))
    assert (await kept(account))["translations"] == {"en": {"name": "New"}, "de": {"name": "T"}}
    remove = {"fields": ["oldPrice"], "tags": ["Season"], "translations": ["en"]}
    await send(account, update(at="2026-12-02T00:00:00Z", remove=remove))
    found = await kept(account)
    assert found["translations"] == {"de": {"name": "T"}}
    assert not {"oldPrice", "tags"} & found.keys()


async def test_what_is_older_than_what_is_there_is_accepted_and_ignored(account: Account):
    """PM: "stale-event ignore ... not returned in the immediate HTTP response"."""
    await send(account, product())
    assert (await send(account, update(at=OCTOBER, price=1)))[0] == 200
    assert (await kept(account))["price"] == 599
    gone = {"products": [{"productId": "1", "updatedDate": OCTOBER}]}
    assert (await account.call("DELETE", "/v1/products", gone))[0] == 200
    assert (await kept(account))["price"] == 599


async def test_a_deleted_product_takes_its_markets_along_and_what_is_stale_does_not_revive_it(
    account: Account,
):
    """PM: all its market data is removed automatically; deletes are idempotent."""
    await send(account, product())
    await markets(account, {"productId": "1", "updatedDate": NOVEMBER, "price": 5})
    gone = {"products": [{"productId": "1", "updatedDate": DECEMBER}]}
    for _ in range(2):
        assert (await account.call("DELETE", "/api/v1/products/", gone))[0] == 200
    await send(account, product())
    assert (await account.call("GET", "/_sandbox/products"))[1] == {"products": [], "markets": []}


async def test_a_market_is_patched_and_effective_only_with_its_product(account: Account):
    """PM: effective with price, currency, isInStock and the base product; null clears oldPrice and urls."""
    item = {"productId": "1", "updatedDate": OCTOBER, "price": 5, "oldPrice": 9, "currency": "CAD"}
    urls = {"en": "https://shop.ca/en", "fr": "https://shop.ca/fr"}
    await markets(account, item | {"urls": urls})
    changed = {"productId": "1", "updatedDate": NOVEMBER, "isInStock": 1, "oldPrice": None}
    await markets(account, changed | {"urls": {"fr": None}})
    found = (await account.call("GET", "/_sandbox/products"))[1]["markets"][0]
    assert (found["price"], found["oldPrice"], found["isInStock"]) == (5, None, 1)
    assert (found["urls"], found["effective"]) == ({"en": "https://shop.ca/en"}, False)
    await send(account, product())
    await markets(account, {"productId": "1", "updatedDate": DECEMBER, "urls": None})
    found = (await account.call("GET", "/_sandbox/products"))[1]["markets"][0]
    assert (found["urls"], found["effective"]) == ({}, True)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, "EMPTY_MARKET_PATCH"),
        ({"price": None}, "INVALID_NULL_FIELD"),
        ({"currency": None, "price": 5}, "INVALID_NULL_FIELD"),
        ({"price": 5, "oldPrice": 4}, "INVALID_PRICE"),
        ({"urls": {"en": "x"}}, "INVALID_URL"),
        ({"price": "5"}, "INVALID_TYPE"),
    ],
)
async def test_a_market_patch_that_breaks_a_rule_is_rejected_by_code(account: Account, change, code):
    """PM: null is illegal for price, currency, isInStock; at least one field."""
    status, answer = await markets(account, {"productId": "1", "updatedDate": NOVEMBER} | change)
    assert (status, answer["items"]["code"], answer["items"]["marketId"]) == (207, code, "ca")


async def test_markets_count_their_products_to_a_thousand_together(account: Account):
    """PM: 1000 items."""
    items = [{"productId": str(n), "updatedDate": NOVEMBER, "price": 5} for n in range(501)]
    body = {"markets": [{"marketId": market, "products": items} for market in ("ca", "us")]}
    status, answer = await account.call("POST", "/v1/markets", body)
    assert (status, answer["errorCode"]) == (413, "BATCH_SIZE_EXCEEDED")
    assert (await account.call("POST", "/v1/markets", {"markets": [{"products": []}]}))[0] == 400


async def test_recommendations_need_somebody_and_hold_what_is_in_stock(account: Account):
    """RECAPI: one of contactId, email, phone, externalCustomerId, webId; fields; products and category."""
    await send(account, product("1"), product("2", isInStock=0), product("3", tags={"gender": ["f"]}))
    path = "/api/v2/contacts/recoms/1244"
    assert (await account.call("GET", path))[0] == 400
    for name in ("contactId", "email", "phone", "externalCustomerId", "webId", "webI"):
        _, found = await account.call("GET", f"{path}?{name}=5")
        assert [one["id"] for one in found] == ["1", "3"]
    assert found[1] == {
        "id": "3",
        "name": "Men's T-Shirt",
        "url": "https://shop.ua/1",
        "price": "599",
        "descr": "",
        "brand": "",
        "category": "T-Shirts",
        "isInStock": "1",
        "tags_gender": "f",
    }
    assert (await account.call("GET", f"{path}?webId=5&products=1&category=T-Shirts"))[1]["id"] == "3"
    assert (await account.call("GET", f"{path}?webId=5&category=Shoes"))[1] == []


async def test_activity_ignores_startindex_and_brings_1000_rows_at_most(account: Account):
    """A production client: startindex is ignored, maxrows over 1000 misbehaves; `offset` leads on."""
    rows = [
        {"activityDateTime": f"2026-11-0{1 + n % 2}T10:00:00", "activityStatus": "READ"} for n in range(2400)
    ]
    await account.call("POST", "/_sandbox/activity", rows)
    path = "/api/v2/contacts/activity?dateFrom=2026-11-01&dateTo=2026-11-01T23:59:59"
    _, first = await account.call("GET", f"{path}&maxrows=5000&startindex=900")
    assert len(first) == 1000
    _, rest = await account.call("GET", f"{path}&offset={first[-1]['offset']}")
    assert len(rest) == 200
    assert (await account.call("GET", "/v2/contacts/activity?dateFrom=x&dateTo=y"))[0] == 400
    assert (await account.call("POST", "/_sandbox/activity", [{}]))[0] == 400
