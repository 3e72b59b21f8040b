"""The products that recommendations are made of, and their prices in markets.

Semantics are those of the Products and Markets API (Yespo-CDP/yespo-shopify,
docs/yespo-api-products-markets.md): what is omitted stays, lists replace, a locale replaces the whole
locale, null never clears but in a market's oldPrice and urls, what is older than what is there is ignored
without a word.
"""

from collections.abc import Iterable
from datetime import datetime

from gateway.sandbox.identity import Body

_MARKET_IS_EFFECTIVE_WITH = {"price", "currency", "isInStock"}


class Catalog:
    """Products by id, and by (market, product) what differs there."""

    def __init__(self) -> None:
        self.language: str | None = None
        self._products: dict[str, Body] = {}
        self._markets: dict[tuple[str, str], Body] = {}
        self._seen: dict[tuple[str, ...], datetime] = {}

    def products(self) -> list[Body]:
        """Return every product as it stands."""
        return list(self._products.values())

    def markets(self) -> list[Body]:
        """Return every market record; `effective` where its product exists and it has what it needs."""
        return [
            {"marketId": market, "productId": product}
            | record
            | {"effective": product in self._products and record.keys() >= _MARKET_IS_EFFECTIVE_WITH}
            for (market, product), record in self._markets.items()
        ]

    def put(self, item: Body, at: datetime) -> None:
        """Create or update a product; `create` of one that exists has the semantics of an update."""
        product = item["productId"]
        if self._is_stale((product,), at):
            return
        known = self._products.setdefault(product, {"productId": product})
        remove = item.get("remove") or {}
        for name in remove.get("fields") or ():
            known.pop(name, None)
        apart = ("action", "productId", "remove", "tags", "translations", "discount")
        known |= {name: value for name, value in item.items() if name not in apart}
        locales = {name: held for one in item.get("translations") or () for name, held in one.items()}
        _patch(known, "tags", item.get("tags") or {}, remove.get("tags") or ())
        _patch(known, "translations", locales, remove.get("translations") or ())

    def delete(self, product: str, at: datetime) -> None:
        """Remove a product with all its market data; one that is absent is no error."""
        if self._is_stale((product,), at):
            return
        self._products.pop(product, None)
        self._markets = {key: record for key, record in self._markets.items() if key[1] != product}

    def put_market(self, market: str, item: Body, at: datetime) -> None:
        """Change what differs in that market."""
        key = (market, item["productId"])
        if self._is_stale(key, at):
            return
        record = self._markets.setdefault(key, {})
        record |= {name: value for name, value in item.items() if name not in {"productId", "urls"}}
        if "urls" not in item:
            return
        given = item["urls"] or {}
        urls = {} if item["urls"] is None else record.get("urls", {}) | given
        record["urls"] = {locale: url for locale, url in urls.items() if url is not None}

    def _is_stale(self, key: tuple[str, ...], at: datetime) -> bool:
        if key in self._seen and at <= self._seen[key]:
            return True
        self._seen[key] = at
        return False


def _patch(known: Body, name: str, given: Body, removed: Iterable[str]) -> None:
    """Overwrite the given keys of an object, remove the removed ones, keep the others."""
    held = {key: value for key, value in known.get(name, {}).items() if key not in removed} | given
    if held:
        known[name] = held
    else:
        known.pop(name, None)
