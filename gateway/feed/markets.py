"""A product of a market's feed as eSputnik's Markets API takes it. Pure.

What differs by market: price, old price, currency, stock and address; `null` clears an old price or addresses
and is illegal elsewhere (Yespo-CDP/yespo-shopify, docs/yespo-api-products-markets.md).
"""

from datetime import datetime

from gateway.feed import money
from gateway.feed.item import Item
from gateway.feed.products import Product, lack_of, prices
from gateway.feed.rules import IN_STOCK, url_fault

_NEEDED = ("id", "price", "availability")
"""Without price, currency and stock a market's record counts for nothing."""


def lack_in_market(item: Item) -> str | None:
    """Return why the product cannot be sent for a market, in words; None where it can."""
    return lack_of(item, _NEEDED)


def market_patch(item: Item, language: str, main_url: str | None, now: datetime) -> Product:
    """Return what the market says of the product at that moment, without updatedDate; it lacks nothing.

    An address goes along where it is another than the main feed's. No old price is said so, for eSputnik
    would take the one that the product has elsewhere.
    """
    fields = item.fields
    price = money.read(fields["price"])
    assert price is not None
    current, before = prices(price, fields, now)
    patch: Product = {
        "productId": item.id,
        "price": current,
        "oldPrice": before,
        "currency": price.currency,
        "isInStock": int(fields["availability"] in IN_STOCK),
    }
    url = fields.get("link", "")
    if url not in ("", main_url) and url_fault(url) not in ("relative_url", "bad_url"):
        patch["urls"] = {language: url}
    return patch


def optional_in_market(patch: Product) -> frozenset[str]:
    """Return which fields of the patch a later one would have to clear, were they gone."""
    return frozenset({"urls"} & patch.keys())


def market_change(patch: Product, updated: str, before: frozenset[str] | None) -> Product:
    """Return the item of a request: the patch, with what it no longer has cleared."""
    return {"updatedDate": updated} | dict.fromkeys(before or (), None) | patch
