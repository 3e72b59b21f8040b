"""The product keys in a record that was delivered; pure."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

import orjson

from gateway.calls import ApiCall
from gateway.event import Record
from gateway.identifiers import text_of

LONGEST = 128
"""Characters of a productId (Products API); a longer key is none."""


class Source(StrEnum):
    """Where keys come from; the values are metric labels."""

    TRACKING = "tracking"
    ORDERS = "orders"
    PRODUCTS = "products"
    GROUPS = "groups"
    """itemGroupId, the parent's id: not compared, but it tells whether unknown keys are parents'."""


_TRACKED = "productKey"
_PLACES: Mapping[str, tuple[tuple[Source, tuple[str, ...]], ...]] = {
    "StatusCart": ((Source.TRACKING, ("StatusCart", "Products", _TRACKED)),),
    "PurchasedItems": ((Source.TRACKING, ("PurchasedItems", "Products", "product_id")),),
    "ProductPage": ((Source.TRACKING, ("ProductPage", "Product", _TRACKED)),),
    "AddToWishlist": ((Source.TRACKING, ("AddToWishlist", "Product", _TRACKED)),),
    ApiCall.ADD_ORDERS: ((Source.ORDERS, ("items", "externalItemId")),),
    ApiCall.UPDATE_PRODUCTS: (
        (Source.PRODUCTS, ("products", "productId")),
        (Source.GROUPS, ("products", "itemGroupId")),
    ),
}
"""Types that name products, and where: names of members, through every element of a list."""


def keys_of(record: Record) -> Iterator[tuple[Source, str]]:
    """Yield each product key that the record holds, as text; nothing of a body that is no JSON."""
    places = _PLACES.get(record.type)
    if places is None:
        return
    try:
        body = orjson.loads(record.body)
    except orjson.JSONDecodeError:  # an operator has patched it
        return
    for source, path in places:
        for raw in _at(body, path):
            key = text_of(raw)
            if key is not None and len(key) <= LONGEST and key.isprintable():
                yield source, key


def _at(node: Any, path: tuple[str, ...]) -> Iterator[Any]:
    if isinstance(node, list):
        for element in node:
            yield from _at(element, path)
    elif not path:
        yield node
    elif isinstance(node, dict) and path[0] in node:
        yield from _at(node[path[0]], path[1:])
