"""A feed's product as eSputnik's Products API takes it. Pure.

The contract is Yespo-CDP/yespo-shopify, docs/yespo-api-products-markets.md, in its newer form: the site comes
from the key, so there is no siteId.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from gateway.feed import money
from gateway.feed.item import Item
from gateway.feed.rules import (
    CATEGORIES,
    IN_STOCK,
    LENGTHS,
    LEVELS,
    REQUIRED,
    plain_text,
    price_fault,
    url_fault,
)
from gateway.feed.spans import is_within

Product = dict[str, Any]

OPTIONAL = ("oldPrice", "description", "brand", "itemGroupId")
"""Fields that an update keeps unless it removes them."""
_NEEDED = tuple(name for name in REQUIRED if name not in ("description", "brand"))
_TAGS = ("color", "size", "material", "pattern", "gender", "age_group")


def lack(item: Item) -> str | None:
    """Return why the product cannot be sent, in words; None where it can."""
    if reason := lack_of(item, _NEEDED):
        return reason
    for name in ("link", "image_link"):
        if url_fault(item.fields[name]) in ("relative_url", "bad_url"):
            return f"{name} is no web address"
    if not any(map(item.fields.get, CATEGORIES)):
        return "google_product_category is missing"
    return None


def lack_of(item: Item, needed: Iterable[str]) -> str | None:
    """Return which of the needed fields, a price among them, the product does not have as it must be."""
    for name in needed:
        if not item.fields.get(name):
            return f"{name} is missing"
    if len(item.id) > LENGTHS["id"]:
        return "id is too long"
    if price_fault(money.read(item.fields["price"])):
        return "price is no number with a currency"
    return None


def product_of(item: Item, now: datetime) -> Product:
    """Return the product as it is at that moment, without action and updatedDate; the item lacks nothing."""
    fields = item.fields
    price = money.read(fields["price"])
    assert price is not None
    current, before = prices(price, fields, now)
    product: Product = {
        "productId": item.id,
        "url": fields["link"],
        "imageUrl": fields["image_link"],
        "isInStock": int(fields["availability"] in IN_STOCK),
        "price": current,
        "currency": price.currency,
        "brand": fields.get("brand", "")[: LENGTHS["brand"]],
        "itemGroupId": fields.get("item_group_id", "")[: LENGTHS["item_group_id"]],
        "oldPrice": before,
        "tags": {name: [fields[name]] for name in _TAGS if fields.get(name)},
        **words_of(item),
    }
    return {name: value for name, value in product.items() if value not in ("", None, {})}


def words_of(item: Item) -> Product:
    """Return what of the product differs between languages."""
    fields = item.fields
    words = {
        "name": plain_text(fields.get("title", ""))[: LENGTHS["title"]],
        "description": plain_text(fields.get("description", ""))[: LENGTHS["description"]],
        "url": fields.get("link", ""),
        "categories": _categories(fields),
    }
    return {name: value for name, value in words.items() if value}


def change(product: Product, updated: str, before: frozenset[str] | None) -> Product:
    """Return the item of a request: a new product, or one that was sent with these optional fields."""
    if before is None:
        return {"action": "create", "updatedDate": updated} | product
    gone: dict[str, list[str]] = {}
    for name in sorted(before - optional(product)):
        whole, _, part = name.partition("/")
        if part or whole not in product:
            gone.setdefault(whole if part else "fields", []).append(part or whole)
    removed = {"remove": gone} if gone else {}
    return {"action": "update", "updatedDate": updated} | product | removed


def optional(product: Product) -> frozenset[str]:
    """Return what of the product an update would have to remove, were it gone.

    Fields by their names; a tag as `tags/color`, a language as `translations/en`: of these an update replaces
    the ones that it has, and keeps the others.
    """
    fields = [name for name in OPTIONAL if name in product]
    tags = [f"tags/{name}" for name in product.get("tags", ())]
    languages = [f"translations/{name}" for one in product.get("translations", ()) for name in one]
    return frozenset([*fields, *tags, *languages])


def prices(price: money.Price, fields: Mapping[str, str], now: datetime) -> tuple[float, float | None]:
    """Return the price at that moment, and the old one where it is reduced; old must be greater."""
    sale = money.read(fields.get("sale_price", ""))
    span = fields.get("sale_price_effective_date")
    if span and not is_within(span, now):
        return float(price.amount), None
    if sale and sale.currency == price.currency and 0 < sale.amount < price.amount:
        return float(sale.amount), float(price.amount)
    return float(price.amount), None


def _categories(fields: Mapping[str, str]) -> list[Product]:
    path = next((fields[name] for name in CATEGORIES if fields.get(name)), "")
    if path.isdecimal():
        return [{"id": path}]
    levels = [level.strip() for level in path.split(">") if level.strip()][:LEVELS]
    return [{"name": levels[-1], "path": levels}] if levels else []
