"""The product feed, which eSputnik fetches from a link that somebody gave it in the account.

Rules are those of docs page 30190720497 ("Importing a product feed"): XML alone, by HTTP, with categories;
a failed load keeps the last good version, and one language's error does not touch the others; the upload
opens only after the tracking script was generated. By API there is no call for it: here it is
/_sandbox/feeds. Which categories exist is not played.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, ParseError, iterparse

import aiohttp

from gateway.sandbox.identity import Body

_MIME = {"application/xml", "text/xml", "application/rss+xml", "application/xhtml+xml"}
_GOOGLE = "{http://base.google.com/ns/1.0}"
_REQUIRED = ("id", "title", "brand", "description", "link", "image_link", "availability", "price")
_FETCH_SECONDS = 30


class BadFeed(Exception):
    """A load that failed; its text is what the account would show."""


@dataclass
class Feed:
    """One language's feed: its last good version, and what was wrong with the newest."""

    url: str = ""
    error: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)

    def json(self, language: str) -> Body:
        """Return what `/_sandbox/feeds` shows."""
        return {"language": language} | vars(self)


class Feeds:
    """The feeds by language."""

    def __init__(self) -> None:
        self._feeds: dict[str, Feed] = {}

    def json(self) -> list[Body]:
        """Return every language's feed."""
        return [feed.json(language) for language, feed in self._feeds.items()]

    async def load(self, url: str, language: str) -> Feed:
        """Fetch the feed of a language and count what is in it."""
        feed = self._feeds.setdefault(language, Feed())
        feed.url = url
        try:
            feed.counts, feed.ids = _counted(await _fetched(url))
        except BadFeed as problem:
            feed.error = str(problem)
        else:
            feed.error = ""
        return feed


async def _fetched(url: str) -> bytes:
    if not url.startswith(("http://", "https://")):
        raise BadFeed("URL is unreachable: HTTP and HTTPS only")
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_FETCH_SECONDS)) as http,
            http.get(url) as answer,
        ):
            if answer.status != 200:
                raise BadFeed(f"URL is unreachable: it answered {answer.status}")
            if answer.content_type not in _MIME:
                raise BadFeed("Only XML is accepted")
            return await answer.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise BadFeed("URL is unreachable") from error


def _counted(source: bytes) -> tuple[dict[str, int], list[str]]:
    """Return what the account tells after loading, and the ids of the products."""
    counts = {"products": 0, "in_stock": 0, "price_zero": 0, "no_category": 0, "incomplete": 0}
    ids = []
    for item in _items(source):
        held = {child.tag.removeprefix(_GOOGLE): (child.text or "").strip() for child in item}
        counts["products"] += 1
        counts["no_category"] += not (held.get("google_product_category") or held.get("product_type"))
        counts["in_stock"] += held.get("availability", "").replace("_", " ") == "in stock"
        counts["price_zero"] += held.get("price", "").split(" ")[0] in {"0", "0.0", "0.00"}
        counts["incomplete"] += not all(held.get(name) for name in _REQUIRED)
        ids.append(held.get("id", ""))
    if counts["no_category"] == counts["products"]:
        raise BadFeed("google_product_category or product_type is missing")
    return counts, ids


def _items(source: bytes) -> Iterator[Element]:
    try:
        # Expat bounds the growth by entities itself since 2.4.1, and fetches nothing.
        for _, element in iterparse(io.BytesIO(source)):  # noqa: S314  what a developer points it at
            if element.tag == "item":
                yield element
                element.clear()
    except ParseError as error:
        raise BadFeed("Only XML is accepted") from error
