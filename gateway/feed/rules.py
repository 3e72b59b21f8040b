"""What is wrong with one product. Pure: an item in, findings out; what lies across products is `across`'s.

Fields and their lengths are told apart in `findings`. A product of a feed costs about 10 us here.
"""

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import urlsplit

from gateway.feed import money
from gateway.feed.findings import Finding
from gateway.feed.item import Item

REQUIRED = ("id", "title", "description", "link", "image_link", "availability", "price", "brand")
"""And google_product_category or, as the error message of eSputnik's own loader says, product_type."""
CATEGORIES = ("google_product_category", "product_type")
AVAILABILITIES = frozenset(
    ["in_stock", "out_of_stock", "preorder", "backorder", "in stock", "out of stock", "available for order"]
)
IN_STOCK = frozenset(["in_stock", "in stock"])
LEVELS = 10
LENGTHS = {"id": 128, "title": 500, "description": 10_000, "brand": 256, "item_group_id": 128, "link": 2000}
"""Characters that the Products API takes, by the feed's names of its fields; links as Google takes them."""
_SHORT = min(LENGTHS.values())
MANY = frozenset(
    ["additional_image_link", "product_type", "shipping", "tax", "product_detail", "product_highlight"]
)
"""Fields that may stand more than once."""
_GOOGLES = frozenset([*REQUIRED, *CATEGORIES, "sale_price", "item_group_id", "gtin", "mpn", "condition"])
LINKS = ("link", "image_link", "additional_image_link", "mobile_link")
_IN_MARKET = frozenset(["id", "price", "sale_price", "availability", "link"])
"""Fields of which a market's feed is read."""
_MARKUP = re.compile(r"</?[A-Za-z][^<>]*>|&(?:[A-Za-z]{2,8}|#\d{1,5});")
_SOUND_URL = re.compile(
    r"https?://([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)(?::\d{1,5})?(?:[/?#][^\s<>\"{}|\\^`]*)?"
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PRIVATE = re.compile(
    r"localhost|.*\.(?:local|localhost|test|internal)"
    r"|(?:127|10)\.[\d.]+|192\.168\.[\d.]+|172\.(?:1[6-9]|2\d|3[01])\.[\d.]+",
    re.IGNORECASE,
)
_KEPT = 200
"""Characters of a value that a finding keeps."""


def judge(item: Item) -> list[Finding]:
    """Return what is wrong with the product, most of the time nothing."""
    fields = item.fields
    found: list[Finding] = []
    if not all(map(fields.get, REQUIRED)):
        found += [_lack(item, name) for name in REQUIRED if not fields.get(name)]
    for name, value in fields.items():
        if len(value) > _SHORT and len(value) > LENGTHS.get(name, len(value)):
            found.append(
                _finding(item, "too_long", name, f"{len(value)} characters, {LENGTHS[name]} at most")
            )
    availability = fields.get("availability")
    if availability and availability not in AVAILABILITIES:
        found.append(_finding(item, "availability", "availability", availability))
    found += _prices(item)
    found += _categories(item)
    for name in LINKS:
        if (url := fields.get(name)) and (code := url_fault(url)):
            found.append(_finding(item, code, name, url))
    title = fields.get("title", "")
    if ("<" in title or "&" in title) and _MARKUP.search(title):
        found.append(_finding(item, "markup", "title", title))
    if item.more:
        found += _repeats(item)
    return found


def judge_in_market(item: Item) -> list[Finding]:
    """Return what is wrong with the product in what a market tells of it; it may leave its address out."""
    return [
        finding
        for finding in judge(item)
        if finding.field in _IN_MARKET
        and not (finding.field == "link" and finding.code in ("missing", "empty"))
    ]


def _lack(item: Item, name: str) -> Finding:
    if name in item.fields:
        return _finding(item, "empty", name)
    if f":{name}" in item.fields:
        return Finding("no_prefix", item.line_of(f":{name}"), item.id, name)
    return Finding("missing", item.line, item.id, name)


def _prices(item: Item) -> Iterator[Finding]:
    price = sale = None
    if text := item.fields.get("price"):
        price = money.read(text)
        if code := price_fault(price):
            yield _finding(item, code, "price", text)
        elif price and not price.amount:
            yield _finding(item, "price_zero", "price", text)
    if text := item.fields.get("sale_price"):
        sale = money.read(text)
        if code := price_fault(sale):
            yield _finding(item, code, "sale_price", text)
    if not price or not sale:
        return
    if price.currency and sale.currency and price.currency != sale.currency:
        yield _finding(item, "currency_differs", "sale_price", f"{sale}, and the price is {price}")
    elif sale.amount > price.amount:
        yield _finding(item, "sale_above_price", "sale_price", f"{sale}, and the price is {price}")
    elif sale.amount == price.amount and sale.amount:
        yield _finding(item, "sale_equal", "sale_price", str(sale))


def price_fault(price: money.Price | None) -> str | None:
    """Return the code of what is wrong with a price that was read, if anything."""
    if price is None:
        return "price"
    if not price.currency:
        return "no_currency"
    return None if price.currency in money.CURRENCIES else "unknown_currency"


def _categories(item: Item) -> Iterator[Finding]:
    some = False
    for name in CATEGORIES:
        if path := item.fields.get(name):
            some = True
            if code := path_fault(path):
                yield _finding(item, code, name, path)
    if not some:
        yield _lack(item, next((name for name in CATEGORIES if name in item.fields), CATEGORIES[0]))


@lru_cache(maxsize=4096)  # thousands of products share a path
def path_fault(path: str) -> str | None:
    """Return the code of what is wrong with a category's path (`Home > Kitchen`, or Google's number)."""
    levels = [level.strip() for level in path.split(">")]
    if len(levels) > LEVELS:
        return "category_depth"
    return None if all(levels) else "category_level"


def url_fault(url: str) -> str | None:
    """Return the code of what is wrong with an address that a shopper's browser, or eSputnik, must load."""
    match = _SOUND_URL.fullmatch(url)
    if match:
        return "private_url" if _is_private(match[1]) else None
    if not _SCHEME.match(url):
        return (
            "relative_url"
            if url.startswith(("/", ".", "?")) or ("://" not in url and " " not in url)
            else "bad_url"
        )
    return _odd_url_fault(url)


@lru_cache(maxsize=256)
def _is_private(host: str) -> bool:
    return bool(_PRIVATE.fullmatch(host))


def _odd_url_fault(url: str) -> str | None:
    """Judge an address that is not of the common kind: another scheme, an IDN, a host without a dot."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return "bad_url"
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\s<>\"]", url):
        return "bad_url"
    return "private_url" if _is_private(host) or not re.search("[.:]", host) else None


def _repeats(item: Item) -> Iterator[Finding]:
    times = Counter[str]()
    for name, value in item.more:
        times[name] += 1
        if name in LINKS and name in MANY:
            if value and (code := url_fault(value)):
                yield Finding(code, item.line_of(name, times[name]), item.id, name, value[:_KEPT])
        elif name in _GOOGLES and name not in MANY:
            yield Finding("repeated", item.line_of(name, times[name]), item.id, name, value[:_KEPT])


def _finding(item: Item, code: str, field: str, detail: str = "") -> Finding:
    return Finding(code, item.line_of(field), item.id, field, detail[:_KEPT])
