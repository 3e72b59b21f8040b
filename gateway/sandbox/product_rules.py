"""What is rejected in an item of the Products and Markets API, by code; pure.

The codes and limits are those of Yespo-CDP/yespo-shopify, docs/yespo-api-products-markets.md. A value past
its limit is INVALID_TYPE, as no code of its own is told; a currency is checked by its form alone.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from gateway.sandbox.identity import Body

_ID = 128
_REQUIRED_ON_CREATE = ("name", "url", "imageUrl", "isInStock", "price", "currency", "categories")
_MARKET_FIELDS = ("price", "currency", "isInStock", "oldPrice", "urls")
_CLEARABLE = {"oldPrice", "description", "brand", "itemGroupId", "translations"}
_PATH_LEVELS = 10
_MARKET_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Rejected(ValueError):
    """An item that is not taken; its text says why, `code` in one word."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def product(item: Any) -> None:
    """Check an item of `POST /v1/products`."""
    _check_id(item)
    if item.get("action") not in ("create", "update"):
        raise Rejected("MISSING_ACTION", "action must be create or update")
    _check_date(item)
    for name, value in item.items():
        if value is None:
            raise Rejected("INVALID_NULL_FIELD", f"{name} cannot be null")
    if item["action"] == "create":
        for name in _REQUIRED_ON_CREATE:
            if name not in item:
                raise Rejected("MISSING_REQUIRED_FIELD", f"{name} is required for create")
    _check_fields(item)
    _check_price(item)
    _check_removal(item.get("remove", {}))


def deletion(item: Any) -> None:
    """Check an item of `DELETE /v1/products`."""
    _check_id(item)
    _check_date(item)


def market_patch(item: Any) -> None:
    """Check a product of a market, with its marketId: null clears oldPrice and urls, and nothing else."""
    _check_id(item)
    if not _MARKET_ID.fullmatch(item["marketId"]):
        raise Rejected("INVALID_TYPE", "marketId has up to 128 letters, digits and . _ -")
    _check_date(item)
    if not any(name in item for name in _MARKET_FIELDS):
        raise Rejected("EMPTY_MARKET_PATCH", "There is no market field to change")
    for name in ("price", "currency", "isInStock"):
        if name in item and item[name] is None:
            raise Rejected("INVALID_NULL_FIELD", f"{name} cannot be null")
    _check_fields({name: item[name] for name in _MARKET_FIELDS if item.get(name) is not None})
    _check_price(item)


def moment(value: str) -> datetime:
    """Return an updatedDate; raises ValueError for what is no RFC 3339 time in UTC."""
    at = datetime.fromisoformat(value)
    if at.tzinfo is None or at.utcoffset() != timedelta(0) or "T" not in value.upper():
        raise ValueError("not in UTC")
    return at.astimezone(UTC)


def _check_id(item: Any) -> None:
    if not isinstance(item, dict):
        raise Rejected("INVALID_TYPE", "The item is not an object")
    given = item.get("productId")
    if given in (None, ""):
        raise Rejected("MISSING_productId", "productId is required")
    if not isinstance(given, str) or len(given) > _ID:
        raise Rejected("INVALID_TYPE", f"productId must be a text of up to {_ID} characters")


def _check_date(item: Body) -> None:
    if item.get("updatedDate") in (None, ""):
        raise Rejected("MISSING_REQUIRED_FIELD", "updatedDate is required")
    try:
        moment(item["updatedDate"])
    except (TypeError, ValueError) as problem:
        raise Rejected("INVALID_updatedDate", "updatedDate must be an RFC 3339 time in UTC") from problem


def _check_price(item: Body) -> None:
    price, old = item.get("price"), item.get("oldPrice")
    if price is not None and old is not None and old <= price:
        raise Rejected("INVALID_PRICE", "oldPrice must be greater than price")


def _check_fields(item: Body) -> None:
    for name, (code, holds, wanted) in _FIELDS.items():
        if name in item and not holds(item[name]):
            raise Rejected(code, f"{name} must be {wanted}")


def _check_removal(remove: Any) -> None:
    if not isinstance(remove, dict) or not all(_is_texts(held) for held in remove.values()):
        raise Rejected("INVALID_TYPE", "remove must be an object of lists")
    if not _CLEARABLE.issuperset(remove.get("fields", ())):
        raise Rejected("INVALID_TYPE", f"remove.fields may have {', '.join(sorted(_CLEARABLE))}")


def _text_of(most: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and 1 <= len(value) <= most


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_url(value: Any) -> bool:
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _are_urls(value: Any) -> bool:
    return isinstance(value, dict) and all(url is None or _is_url(url) for url in value.values())


def _are_categories(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_category, value))


def _is_category(value: Any) -> bool:
    if not isinstance(value, dict) or not (value.get("id") or value.get("name")):
        return False
    path = value.get("path", [])
    return (
        _is_texts(path)
        and len(path) <= _PATH_LEVELS
        and value.get("type", "category") in ("category", "collection")
    )


def _are_tags(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_texts, value.values()))


def _are_translations(value: Any) -> bool:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        return False
    locales = [locale for one in value for locale in one.values()]
    return all(isinstance(locale, dict) and _is_url(locale.get("url", "https://none")) for locale in locales)


_FIELDS: dict[str, tuple[str, Callable[[Any], bool], str]] = {
    "name": ("INVALID_TYPE", _text_of(500), "a text of up to 500 characters"),
    "url": ("INVALID_URL", _is_url, "an absolute URL"),
    "imageUrl": ("INVALID_URL", _is_url, "an absolute URL"),
    "isInStock": ("INVALID_TYPE", lambda value: type(value) is int and value in {0, 1}, "1 or 0"),
    "price": ("INVALID_TYPE", _is_number, "a number"),
    "oldPrice": ("INVALID_TYPE", _is_number, "a number"),
    "currency": (
        "INVALID_CURRENCY",
        lambda value: isinstance(value, str) and bool(re.fullmatch("[A-Z]{3}", value)),
        "an ISO 4217 code",
    ),
    "categories": ("INVALID_CATEGORIES", _are_categories, "a list of categories, each with id or name"),
    "itemGroupId": ("INVALID_TYPE", _text_of(_ID), "a text of up to 128 characters"),
    "brand": ("INVALID_TYPE", _text_of(256), "a text of up to 256 characters"),
    "description": ("INVALID_TYPE", _text_of(10_000), "a text of up to 10 000 characters"),
    "tags": ("INVALID_TYPE", _are_tags, "an object of lists of texts"),
    "translations": ("INVALID_TYPE", _are_translations, "a list of objects by language"),
    "urls": ("INVALID_URL", _are_urls, "an object of absolute URLs by language"),
}
