"""Sends a site's products to eSputnik: what changed since the last push, in batches, result by result.

`POST` and `DELETE /v1/products`, `POST /v1/markets` (Yespo-CDP/yespo-shopify,
docs/yespo-api-products-markets.md): at most 1000 items and 10 MB a request, 60 requests a minute; "accepted"
means durably queued there. A request whose outcome is unknown is sent again whole: ids and updatedDate make
that safe. Products go first, for a market without its product counts for nothing.
"""

import hashlib
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from gateway.clock import Clock
from gateway.errors import FeedUnreadable, GatewayError
from gateway.esputnik.answers import elements
from gateway.esputnik.client import EsputnikClient
from gateway.esputnik.errors import EsputnikError, RateLimited, Refused, Unavailable
from gateway.feed.checking import read
from gateway.feed.item import Item
from gateway.feed.markets import lack_in_market, market_change, market_patch, optional_in_market
from gateway.feed.products import Product, change, lack, optional, product_of, words_of
from gateway.feed.pushed import PRODUCTS, Known, Pushed
from gateway.feed.source import Source

ITEMS = 1000
BYTES = 10 * 10**6 - 2**16
"""Of one request, its envelope left out; nobody says that a MB is more than a million."""
INTERVAL = 60 / 60
"""Seconds from one request to the next."""
TRIES = 6
_WAIT = 60.0
"""Seconds to wait after a 429 that does not say how long."""
_EXAMPLES = 20
_FEW = 20
"""So many products may go at once whatever their share."""


class Sent(NamedTuple):
    """An item of a request."""

    item: Product
    known: Known | None
    """How it is known once it was taken; None where it is removed."""
    is_new: bool = False


@dataclass
class Outcome:
    """What a push did."""

    created: int = 0
    updated: int = 0
    removed: int = 0
    unchanged: int = 0
    kept: int = 0
    """Not in the feed any more, and not removed since they are so many."""
    skipped: Counter[str] = field(default_factory=Counter)
    """By why they cannot be sent."""
    rejected: Counter[str] = field(default_factory=Counter)
    """By eSputnik's code."""
    unreadable: str = ""
    """Why the feed could not be read, or not to its end."""
    examples: list[tuple[str, str, str]] = field(default_factory=list)
    """Of what was skipped or rejected: product, code, words."""

    @property
    def is_whole(self) -> bool:
        """Whether eSputnik has all that the feed holds, and nothing else."""
        return not (self.skipped or self.rejected or self.kept or self.unreadable)

    def skip(self, item: Item, reason: str) -> None:
        """Count a product that cannot be sent."""
        self.skipped[reason] += 1
        self.tell(item.id or f"line {item.line}", "skipped", reason)

    def take(self, sent: Sent) -> None:
        """Count an item that eSputnik took."""
        self.removed += sent.known is None
        self.created += sent.known is not None and sent.is_new
        self.updated += sent.known is not None and not sent.is_new

    def tell(self, product: str, code: str, words: str) -> None:
        """Keep an example."""
        if len(self.examples) < _EXAMPLES:
            self.examples.append((product, code, words))


class Push:
    """One push of one site."""

    def __init__(self, client: EsputnikClient, pushed: Pushed, clock: Clock, dry_run: bool = False) -> None:
        self._client = client
        self._pushed = pushed
        self._clock = clock
        self._dry_run = dry_run
        self._now = datetime.fromtimestamp(clock.now_ms() / 1000, UTC)
        """By which a sale has begun, or is over; one moment for all of the push."""
        self._next = 0.0

    async def run(self, feeds: Mapping[str, Source], remove_many: bool = False) -> Outcome:
        """Send what changed of the feeds, by language, the main one first.

        Products that the feed lost are removed at eSputnik, unless they are more than half of all, or the
        feed is empty, and nobody said `remove_many`: then the feed is likelier wrong than so much gone.
        One that is there and cannot be sent stays as it was sent last. Raises FeedUnreadable, or an
        EsputnikError once tries are used up; what was taken by then is not sent again.
        """
        (language, main), *others = feeds.items()
        for other, source in others:
            for item in read(source):
                self._pushed.keep_words(item.id, other, words_of(item))
        outcome, updated = Outcome(), self._updated()
        for batch in _batches(self._changes(main, updated, outcome)):
            body = {"languageCode": language, "products": [one.item for one in batch]}
            await self._send("POST v1/products", body, batch, PRODUCTS, outcome)
        for batch in _batches(self._gone(PRODUCTS, {"updatedDate": updated}, remove_many, outcome)):
            body = {"products": [one.item for one in batch]}
            await self._send("DELETE v1/products", body, batch, PRODUCTS, outcome)
        return outcome

    async def run_market(
        self, market: str, source: Source, language: str, remove_many: bool = False
    ) -> Outcome:
        """Send what changed of a market's feed, in which addresses are of that language; after `run`.

        What the feed lost is out of stock there: a market takes no deletion. A feed that cannot be read to
        its end takes nothing out of stock. Raises an EsputnikError as `run` does.
        """
        outcome, updated = Outcome(), self._updated()
        changes = self._market_changes(market, source, language, updated, outcome)
        gone = {"updatedDate": updated, "isInStock": 0}
        try:
            for batch in _batches(changes):
                await self._send_market(market, batch, outcome)
        except FeedUnreadable as problem:
            outcome.unreadable = str(problem)
            return outcome
        for batch in _batches(self._gone(market, gone, remove_many, outcome)):
            await self._send_market(market, batch, outcome)
        return outcome

    def _updated(self) -> str:
        moment = datetime.fromtimestamp(self._pushed.moment(self._clock.now_ms()) / 1000, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _changes(self, main: Source, updated: str, outcome: Outcome) -> Iterator[Sent]:
        products = self._pushed.of(PRODUCTS)
        for item in read(main):
            if reason := lack(item):
                outcome.skip(item, reason)
                if item.id:
                    products.is_faulty(item.id)
            elif products.is_first(item.id, item.fields["link"]):
                product = product_of(item, self._now)
                if translations := self._pushed.words(item.id):
                    product["translations"] = translations
                known = Known(_digest(product), optional(product))
                before = products.known(item.id)
                if before is not None and before.digest == known.digest:
                    outcome.unchanged += 1
                else:
                    sent = change(product, updated, before.optional if before else None)
                    yield Sent(sent, known, before is None)

    def _market_changes(
        self, market: str, source: Source, language: str, updated: str, outcome: Outcome
    ) -> Iterator[Sent]:
        products, taken = self._pushed.of(PRODUCTS), self._pushed.of(market)
        for item in read(source):
            if item.id and not taken.is_first(item.id, ""):
                continue
            url = products.url(item.id)
            if reason := lack_in_market(item) or ("not in the main feed" if url is None else None):
                outcome.skip(item, reason)
                continue
            patch = market_patch(item, language, url, self._now)
            known, before = Known(_digest(patch), optional_in_market(patch)), taken.known(item.id)
            if before is not None and before.digest == known.digest:
                outcome.unchanged += 1
            else:
                sent = market_change(patch, updated, before.optional if before else None)
                yield Sent(sent, known, before is None)

    def _gone(self, market: str, last: Product, remove_many: bool, outcome: Outcome) -> Iterator[Sent]:
        """Yield what the feed lost, unless that is too much of it, with what is said of each."""
        taken = self._pushed.of(market)
        gone = list(taken.gone())
        are_too_many = taken.is_empty() or len(gone) > max(_FEW, taken.count() // 2)
        if are_too_many and not remove_many:
            outcome.kept = len(gone)
            return
        for product in gone:
            yield Sent({"productId": product} | last, None)

    async def _send_market(self, market: str, batch: list[Sent], outcome: Outcome) -> None:
        body = {"markets": [{"marketId": market, "products": [one.item for one in batch]}]}
        await self._send("POST v1/markets", body, batch, market, outcome)

    async def _send(self, call: str, body: Product, batch: list[Sent], market: str, outcome: Outcome) -> None:
        results: dict[str, Any] = {}
        if self._dry_run:
            results = {one.item["productId"]: {"status": "accepted"} for one in batch}
        else:
            for result in await self._results(call, orjson.dumps(body)):
                if isinstance(result, dict):
                    results.setdefault(str(result.get("productId")), result)
        taken: list[Sent] = []
        for one in batch:
            product = one.item["productId"]
            result = results.get(product, {})
            if result.get("status") == "accepted":
                taken.append(one)
                outcome.take(one)
            else:
                code = str(result.get("code", "NO_RESULT"))
                outcome.rejected[code] += 1
                outcome.tell(product, code, str(result.get("message", "")))
        if not self._dry_run:
            kept = self._pushed.of(market)
            kept.took((one.item["productId"], one.known) for one in taken if one.known)
            kept.removed(one.item["productId"] for one in taken if not one.known)

    async def _results(self, call: str, body: bytes) -> list[Any]:
        """Return the results of a request, which is sent again until its outcome is known."""
        for tries in range(1, TRIES + 1):
            await self._pace()
            try:
                answer = await self._client.call(call, body, str(uuid.uuid4()))
                return elements(answer.field("items"))
            except (RateLimited, Unavailable) as problem:
                if tries == TRIES:
                    raise
                default = _WAIT if isinstance(problem, RateLimited) else 2.0**tries
                self._next = self._clock.monotonic() + (problem.retry_after or default)
        raise AssertionError("unreachable")

    async def _pace(self) -> None:
        await self._clock.sleep(max(0.0, self._next - self._clock.monotonic()))
        self._next = self._clock.monotonic() + INTERVAL


def in_words(problem: EsputnikError) -> GatewayError:
    """Return why a push ended early, with eSputnik's own words where it refused."""
    said = f": {problem.said}" if isinstance(problem, Refused) and problem.said else ""
    return GatewayError(f"{problem}{said}; what was taken until then is not sent again")


def _batches(changes: Iterator[Sent]) -> Iterator[list[Sent]]:
    """Yield the changes in as few requests as the API's limits allow."""
    batch: list[Sent] = []
    size = 0
    for one in changes:
        needs = len(orjson.dumps(one.item)) + 1
        if batch and (len(batch) == ITEMS or size + needs > BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += needs
    if batch:
        yield batch


def _digest(product: Product) -> bytes:
    return hashlib.blake2b(orjson.dumps(product, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()
