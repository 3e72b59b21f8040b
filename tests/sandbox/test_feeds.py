"""Product feeds that the stand-in fetches. FEED is docs page 30190720497, "Importing a product feed"."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.sandbox.conftest import Account


def feed(*items: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" xmlns:g="http://base.google.com/ns/1.0">'
        f"<channel>{''.join(items)}</channel></rss>"
    )


def item(number: str, price: str = "5.00 UAH", category: str = "Clothing", stock: str = "in_stock") -> str:
    return (
        f"<item><g:id>{number}</g:id><g:title>T</g:title><g:brand>B</g:brand><g:description>D</g:description>"
        f"<g:link>https://x.ua/1</g:link><g:image_link>https://x.ua/1.jpg</g:image_link>"
        f"<g:availability>{stock}</g:availability><g:price>{price}</g:price>"
        f"<g:google_product_category>{category}</g:google_product_category></item>"
    )


class Shop:
    """A shop that serves feeds, which a test may change."""

    def __init__(self) -> None:
        self.feeds: dict[str, tuple[str, str]] = {}
        self.url = ""

    async def serve(self, request: web.Request) -> web.Response:
        text, mime = self.feeds.get(request.match_info["name"], ("", ""))
        return web.Response(text=text, content_type=mime) if mime else web.Response(status=404)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    shop, app = Shop(), web.Application()
    app.router.add_get("/{name}", shop.serve)
    async with TestServer(app) as server:
        shop.url = str(server.make_url("/"))
        yield shop


async def opened(account: Account) -> None:
    await account.call("POST", "/v1/site/domains", {"domain": "shop.ua"})
    await account.call("GET", "/v1/site/script")


async def load(account: Account, shop: Shop, language: str) -> tuple[int, Any]:
    order = {"url": f"{shop.url}{language}.xml", "language": language}
    return await account.call("POST", "/_sandbox/feeds", order)


async def test_the_feed_opens_only_after_the_script_was_generated(account: Account, shop: Shop):
    """FEED: upload opens only after the tracking script was generated."""
    assert (await load(account, shop, "uk"))[0] == 400
    await opened(account)
    assert (await load(account, shop, "uk"))[0] == 200


async def test_a_loaded_feed_is_counted(account: Account, shop: Shop):
    """FEED: number of products, in stock, price 0, no category."""
    await opened(account)
    items = (item("1"), item("2", price="0.00 UAH"), item("3", stock="out of stock"), item("4", category=""))
    shop.feeds["uk.xml"] = (feed(*items), "application/rss+xml")
    _, loaded = await load(account, shop, "uk")
    assert (loaded["error"], loaded["ids"]) == ("", ["1", "2", "3", "4"])
    assert loaded["counts"] == {
        "products": 4,
        "in_stock": 3,
        "price_zero": 1,
        "no_category": 1,
        "incomplete": 0,
    }


@pytest.mark.parametrize(
    ("text", "mime", "error"),
    [
        (feed(item("1")), "text/html", "Only XML is accepted"),
        ("<rss><channel>", "text/xml", "Only XML is accepted"),
        ("{}", "application/xml", "Only XML is accepted"),
        (feed(item("1", category="")), "text/xml", "google_product_category or product_type is missing"),
        ("", "", "URL is unreachable: it answered 404"),
    ],
)
async def test_a_failed_load_keeps_the_last_good_version_and_other_languages(
    account: Account, shop: Shop, text, mime, error
):
    """FEED: a failed load keeps the last good version; an error in one language does not touch the others."""
    await opened(account)
    for language in ("uk", "en"):
        shop.feeds[f"{language}.xml"] = (feed(item(language)), "text/xml")
        await load(account, shop, language)
    shop.feeds["uk.xml"] = (text, mime)
    await load(account, shop, "uk")
    ukrainian, english = await account.shown("feeds")
    assert (ukrainian["error"], ukrainian["ids"]) == (error, ["uk"])
    assert (english["error"], english["ids"]) == ("", ["en"])


async def test_a_link_that_is_not_http_is_unreachable(account: Account):
    """FEED: HTTP and HTTPS only."""
    await opened(account)
    order = {"url": "ftp://shop.ua/feed.xml", "language": "uk"}
    assert (await account.call("POST", "/_sandbox/feeds", order))[1]["error"].startswith("URL is unreachable")
    assert (await account.call("POST", "/_sandbox/feeds", {"url": "x"}))[0] == 400
