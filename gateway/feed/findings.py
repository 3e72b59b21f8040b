"""What can be wrong with a feed: one closed set of codes, each with its severity, its rule and what to do.

Sources: docs page 30190720497 ("Importing a product feed") for what a feed must hold, the Products API
(Yespo-CDP/yespo-shopify, docs/yespo-api-products-markets.md) for lengths and category depth, the Google
Merchant specification, to which the former refers, for the form of values.
"""

from enum import IntEnum
from typing import NamedTuple


class Severity(IntEnum):
    """How bad a finding is; also the exit status of `gateway feed check`."""

    NOTICE = 0
    """Worth knowing."""
    WARNING = 1
    """Loads, and something will look or work worse than it could."""
    ERROR = 2
    """A product, or more, will be missing or wrong."""
    UNREADABLE = 3
    """eSputnik cannot load the feed at all."""


class Finding(NamedTuple):
    """One thing that is wrong at one place."""

    code: str
    line: int
    """From 1; 0 where it is about the feed as a whole."""
    id: str = ""
    """Of the product."""
    field: str = ""
    """Which field, where the code can be about several."""
    detail: str = ""
    """What stands there; the shop's own text, so nothing to be trusted."""


class Rule(NamedTuple):
    """What a code means."""

    severity: Severity
    says: str
    do: str


_N, _W, _E, _U = Severity
_FIX = "`gateway feed fix` does it"

RULES = {
    # the feed as a whole
    "unreadable": Rule(_U, "cannot be read", "do what the sentence says"),
    "no_products": Rule(
        _E, "holds no <item>", "put every product into an <item> of its own inside <channel>"
    ),
    "content_type": Rule(_E, "is not served as XML", "send Content-Type: application/xml"),
    "compressed": Rule(
        _E, "is a gzip file, and eSputnik loads XML only", "serve it plain, or with Content-Encoding: gzip"
    ),
    "namespace": Rule(
        _E, "another address than Google's stands for g:", 'write xmlns:g="http://base.google.com/ns/1.0"'
    ),
    "undeclared": Rule(
        _E, "g: is not declared", 'write <rss xmlns:g="http://base.google.com/ns/1.0" version="2.0">'
    ),
    "version": Rule(_W, "is not RSS 2.0", 'write <rss version="2.0">'),
    "currencies": Rule(_W, "prices are in more than one currency", "keep to one currency in one feed"),
    # its bytes
    "encoding": Rule(_W, "is not in UTF-8", f"write it in UTF-8; {_FIX}"),
    "wrong_encoding": Rule(
        _E, "is not in the encoding that it declares", f"write it in UTF-8 and say so in <?xml ...?>; {_FIX}"
    ),
    "not_utf8": Rule(_E, "holds bytes that are no UTF-8", f"write all of it in one encoding; {_FIX}"),
    "before_declaration": Rule(
        _E, "something stands before <?xml ...?>", f"let the file begin with it; {_FIX}"
    ),
    "control_character": Rule(_E, "holds a character that XML forbids", f"leave it out; {_FIX}"),
    "entity": Rule(_E, "an entity that XML does not know", f"write the character itself; {_FIX}"),
    "ampersand": Rule(_E, "a bare &", f"write &amp;; {_FIX}"),
    "less_than": Rule(_E, "a bare <", f"write &lt;; {_FIX}"),
    # one product
    "missing": Rule(_E, "is missing", "every product needs it"),
    "empty": Rule(_E, "is empty", "every product needs a value there"),
    "no_prefix": Rule(_E, "stands without g:", "write the field with g: in front"),
    "repeated": Rule(_W, "stands more than once", "keep one; only the first counts"),
    "too_long": Rule(_W, "is longer than eSputnik takes", "shorten it"),
    "availability": Rule(
        _E, "is no known availability", "write in_stock, out_of_stock, preorder or backorder"
    ),
    "price": Rule(_E, "is no number with a currency", 'write a number, a space and a currency: "899.00 UAH"'),
    "no_currency": Rule(_E, "has no currency", f"write it behind the number; {_FIX}"),
    "unknown_currency": Rule(_E, "is in a currency that ISO 4217 does not know", "write its code, as in UAH"),
    "currency_differs": Rule(_E, "is in another currency than the price", "keep to one currency"),
    "price_zero": Rule(_W, "is 0", "leave out what has no price"),
    "sale_above_price": Rule(
        _E, "is above the price", "leave it out, or mend what the two are filled with; " + _FIX
    ),
    "sale_equal": Rule(_W, "equals the price", "leave it out where nothing is reduced"),
    "relative_url": Rule(_E, "is a relative address", f"write it with https:// and the host; {_FIX}"),
    "bad_url": Rule(_E, "is no web address", "write an absolute https:// address, spaces as %20"),
    "private_url": Rule(_E, "leads to where nobody outside gets", "write the shop's public address"),
    "category_depth": Rule(_W, "is deeper than 10 levels", "shorten the path"),
    "category_level": Rule(_W, "has an empty level", "write a name between every two >"),
    "markup": Rule(_W, "holds markup", "write plain text"),
    # products together
    "duplicate_id": Rule(_E, "stands more than once", "give every product, or variant, an id of its own"),
    "id_case": Rule(_E, "differs from another only in case", "give them ids that differ in more than case"),
    "group_case": Rule(_W, "differs from another only in case", "write one group's id in one way"),
    "variants_alike": Rule(
        _W, "holds variants that nothing tells apart", "give each its own color, size, material or pattern"
    ),
    "group_brands": Rule(_W, "differs among the variants of one product", "give them one brand"),
    # language versions
    "language_lacks": Rule(
        _E, "is missing, and another language has it", "put the same products into every language"
    ),
    "language_differs": Rule(
        _W, "tells something else than another language", "let languages differ in words only"
    ),
    # markets
    "market_unknown": Rule(
        _E, "is not in the main feed", "put it into the main feed, too: a market changes what is there"
    ),
    "market_case": Rule(
        _E, "is written in another case than in the main feed", "write ids the same everywhere"
    ),
    "market_lacks": Rule(
        _N, "is in the main feed and not in the market's", "leave it so if the market does not sell it"
    ),
    "market_prices": Rule(
        _N,
        "every price is the main feed's",
        "see that this address answers with the market's own, if it has others",
    ),
    "market_numbers": Rule(
        _W,
        "every price is the main feed's number in another currency",
        "convert prices, or mend the currency",
    ),
    # tracking
    "seen_not_in_feed": Rule(_W, "was seen in tracking and is not in the feed", "put it into the feed"),
    "seen_case": Rule(_E, "is written in another case than in tracking", "write ids the same everywhere"),
    "seen_are_groups": Rule(
        _E,
        "is the whole product's in tracking, and its variants' in the feed",
        "send the variant's id in tracking, orders and feed alike",
    ),
    "ids_apart": Rule(
        _E,
        "is mostly none of those in tracking, orders and products calls",
        "send the variant's id everywhere, or the whole product's everywhere",
    ),
}
