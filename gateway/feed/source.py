"""Where a feed's bytes come from: a file, or a web address that is loaded into one; gzip is unpacked.

What is no feed at all is refused here, each with one sentence that says what to do.
"""

import re
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from aiohttp import (
    ClientError,
    ClientPayloadError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    InvalidURL,
    ServerDisconnectedError,
    TooManyRedirects,
)

from gateway.errors import FeedUnreadable

PIECE = 128 * 1024
FEED_BYTES = 4 * 2**30
"""What one feed may take, as it comes and unpacked; a larger one is a mistake, or an attack."""
_CONNECT_SECONDS = 15
_SILENT_SECONDS = 60
"""How long a shop may compute before the next bytes come; big feeds are made while they are read."""
_LOADING_SECONDS = 3600
"""For all of a feed: one that trickles in would hold up those of every other site."""
_REDIRECTS = 5
_GZIP = b"\x1f\x8b"

XML_TYPES = frozenset({"application/xml", "text/xml", "application/rss+xml", "application/xhtml+xml"})
"""What eSputnik takes for XML (docs page 30190720497, "Importing a product feed")."""

_NO_FEED = (
    (b"<!doctype html", "is a web page, not a feed: give the address of the XML file itself"),
    (b"<html", "is a web page, not a feed: give the address of the XML file itself"),
    (b"<br", "begins with a message of the shop's software, not with XML: mend the export"),
    (b"pk\x03\x04", "is a ZIP archive: serve the XML itself"),
    (b"{", "is JSON, and eSputnik loads Google Merchant RSS 2.0 only: export that format instead"),
    (b"[", "is JSON, and eSputnik loads Google Merchant RSS 2.0 only: export that format instead"),
    (b"%pdf", "is a PDF document: give the address of the XML file"),
)
_STATUSES = {
    401: "wants a user name and password, which eSputnik would not have either: let the feed be read without",
    403: "is refused (403) by the shop's server: let everybody read the feed, without login",
    404: "is not there (404): give the address under which the shop shows the feed now",
    410: "is gone (410): give the address under which the shop shows the feed now",
    429: "is refused (429) because of too many requests: let the feed be read more often, or check it later",
}


@dataclass(frozen=True)
class Source:
    """A feed on this machine's disk."""

    name: str
    """As a report calls it."""
    path: Path
    content_type: str | None = None
    """What it was served as, where it came from the web."""
    problem: FeedUnreadable | None = None
    """Why there is nothing on the disk."""
    content_encoding: str = ""
    """How it was packed for its way alone."""
    is_market: bool = False
    """Whether it tells a market's prices, stock and addresses of the main feed's products, and no more."""

    @property
    def is_packed(self) -> bool:
        """Whether it is a gzip file."""
        with self.path.open("rb") as file:
            return file.read(2) == _GZIP


def of_market(market: str, source: Source) -> Source:
    """Return the source as the feed of a market, after which a report calls it."""
    return replace(source, name=f"market {market}", is_market=True)


def pieces(path: Path, limit: int = FEED_BYTES) -> Iterator[bytes]:
    """Yield the feed's bytes, unpacked, at most PIECE at a time; raises FeedUnreadable for no feed."""
    first = True
    total = 0
    for piece in _unpacked(path):
        if first:
            _refuse_what_is_no_feed(piece)
            first = False
        total += len(piece)
        if total > limit:
            raise FeedUnreadable(
                f"is larger than {limit >> 20} MB unpacked: split it, or leave out what is old"
            )
        yield piece
    if first:
        raise FeedUnreadable("is empty: let the shop export it again")


def _unpacked(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
            file.seek(0)
            raw = iter(lambda: file.read(PIECE), b"")
            yield from _gunzip(raw) if packed else raw
    except OSError as problem:
        raise FeedUnreadable(
            f"cannot be opened ({problem.strerror}): name a file that is there, or a web address"
        ) from None


def _gunzip(raw: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack one gzip member after another, never more than a piece at once."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        for packed in raw:
            rest = packed
            while rest:
                if unpacker.eof:
                    unpacker = zlib.decompressobj(wbits=31)
                piece = unpacker.decompress(rest, PIECE)
                rest = unpacker.unused_data.lstrip(b"\0") if unpacker.eof else unpacker.unconsumed_tail
                if piece:
                    yield piece
    except zlib.error:
        raise FeedUnreadable("is gzip, and broken: let the shop pack it again, or serve it plain") from None
    if not unpacker.eof:
        raise FeedUnreadable(
            "is gzip that ends in the middle: the download or the export was cut off; load it again"
        )


def _refuse_what_is_no_feed(piece: bytes) -> None:
    start = piece[:2000].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for opening, sentence in _NO_FEED:
        if start.startswith(opening):
            raise FeedUnreadable(sentence, 1)
    if not start:
        raise FeedUnreadable("is empty: let the shop export it again")
    if b"<" not in piece and not piece.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise FeedUnreadable("is no XML: export Google Merchant RSS 2.0, not CSV or text", 1)


@asynccontextmanager
async def opened(place: str, limit: int = FEED_BYTES) -> AsyncIterator[Source]:
    """Give the feed at a path, or at a web address, for as long as the context lasts."""
    if "://" not in place:
        yield Source(place, Path(place))
        return
    with tempfile.NamedTemporaryFile(prefix="feed-", suffix=".xml") as file:
        yield await loaded(place, Path(file.name), limit)


async def loaded(url: str, path: Path, limit: int = FEED_BYTES, name: str = "") -> Source:
    """Load the feed at `url` into the file; where that fails, the source has the problem."""
    name = name or re.sub("//[^/@]*@", "//", url)  # a password in it is nothing for a report
    try:
        content_type, encoding = await download(url, path, limit)
        return Source(name, path, content_type, content_encoding=encoding)
    except FeedUnreadable as problem:
        return Source(name, path, problem=problem)


async def download(url: str, path: Path, limit: int = FEED_BYTES) -> tuple[str, str]:
    """Load the feed at `url` into the file, packed as it came; return its content type and encoding.

    Raises FeedUnreadable with what to do; the file may then hold a part of it.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise FeedUnreadable("has an address that eSputnik cannot load: give one with http:// or https://")
    timeout = ClientTimeout(total=_LOADING_SECONDS, sock_connect=_CONNECT_SECONDS, sock_read=_SILENT_SECONDS)
    headers = {
        "User-Agent": "esputnik-gateway",
        "Accept-Encoding": "gzip",
        "Accept": ", ".join(sorted(XML_TYPES)),
    }
    try:
        async with (
            ClientSession(
                timeout=timeout, headers=headers, auto_decompress=False, cookie_jar=DummyCookieJar()
            ) as session,
            session.get(url, max_redirects=_REDIRECTS) as answer,
        ):
            if answer.status != 200:
                default = f"is answered with {answer.status}: let the shop's server be mended, then try again"
                raise FeedUnreadable(_STATUSES.get(answer.status, default))
            total = 0
            with path.open("wb") as file:
                async for piece in answer.content.iter_chunked(PIECE):
                    total += len(piece)
                    if total > limit:
                        raise FeedUnreadable(
                            f"is larger than {limit >> 20} MB: split it, or leave out what is old"
                        )
                    file.write(piece)
            return answer.content_type, answer.headers.get("Content-Encoding", "")
    except TooManyRedirects:
        raise FeedUnreadable("is redirected again and again: give the address that it ends at") from None
    except TimeoutError:
        raise FeedUnreadable(
            "does not come: the shop's server does not answer in time; try again later"
        ) from None
    except InvalidURL:
        raise FeedUnreadable(
            "has an address that is none: write it whole, as in https://shop.example/feed.xml"
        ) from None
    except (ClientPayloadError, ServerDisconnectedError, ConnectionError):
        raise FeedUnreadable(
            "breaks off on its way: the shop's server ended it too early; load it again, and where that goes "
            "on, let the server be mended"
        ) from None
    except (ClientError, OSError) as problem:
        # Its name alone: the text may hold an address with a password in it.
        raise FeedUnreadable(
            f"cannot be loaded ({type(problem).__name__}): see that the host and its certificate are right"
        ) from None
