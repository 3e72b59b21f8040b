"""Sends a site's products to eSputnik: what changed since the last push, in batches, result by result.

`POST` and `DELETE /v1/products` (Yespo-CDP/yespo-shopify, docs/yespo-api-products-markets.md): at most 1000
items and 10 MB a request, 60 requests a minute; "accepted" means durably queued there. A request whose
outcome is unknown is sent again whole: ids and updatedDate make that safe.
"""

import hashlib
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.esputnik.answers import elements
from gateway.esputnik.client import EsputnikClient
from gateway.esputnik.errors import EsputnikError, RateLimited, Refused, Unavailable
from gateway.feed.checking import read
from gateway.feed.products import Product, change, lack, optional, product_of, words_of
from gateway.feed.pushed import Known, Pushed
from gateway.feed.source import Source

ITEMS = 1000
BYTES = 10 * 2**20 - 2**16
"""Of one request, its envelope left out."""
INTERVAL = 60 / 60
"""Seconds between requests."""
TRIES = 6
_WAIT = 60.0
"""Seconds to wait after a 429 that does not say how long."""
_EXAMPLES = 20
_FEW = 20
"""So many products may go at once whatever their share."""

Sent = tuple[Product, Known | None]
"""An item of a request, and how it is known once it was taken; None where it is removed."""


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
    examples: list[tuple[str, str, str]] = field(default_factory=list)
    """Of what was skipped or rejected: product, code, words."""

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
        self._next = 0.0
        self.outcome = Outcome()

    async def run(self, feeds: Mapping[str, Source], remove_many: bool = False) -> Outcome:
        """Send what changed of the feeds, by language, the main one first.

        Products that the feed lost are removed at eSputnik, unless they are more than half of all and nobody
        said `remove_many`: then the feed is likelier wrong than the shop that empty. Raises FeedUnreadable,
        or an EsputnikError once tries are used up; what was taken by then is not sent again.
        """
        (language, main), *others = feeds.items()
        for other, source in others:
            for item in read(source):
                self._pushed.keep_words(item.id, other, words_of(item))
        moment = datetime.fromtimestamp(self._pushed.moment(self._clock.now_ms()) / 1000, UTC)
        updated = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        for batch in _batches(self._changes(main, updated)):
            await self._send("POST", {"languageCode": language}, batch)
        gone = list(self._pushed.gone())
        if len(gone) > max(_FEW, self._pushed.count() // 2) and not remove_many:
            self.outcome.kept = len(gone)
            return self.outcome
        for batch in _batches(({"productId": product, "updatedDate": updated}, None) for product in gone):
            await self._send("DELETE", {}, batch)
        return self.outcome

    def _changes(self, main: Source, updated: str) -> Iterator[Sent]:
        for item in read(main):
            if reason := lack(item):
                self.outcome.skipped[reason] += 1
                self.outcome.tell(item.id or f"line {item.line}", "skipped", reason)
            elif self._pushed.is_first(item.id):
                product = product_of(item)
                if translations := self._pushed.words(item.id):
                    product["translations"] = translations
                known = Known(_digest(product), optional(product))
                before = self._pushed.known(item.id)
                if before is not None and before.digest == known.digest:
                    self.outcome.unchanged += 1
                else:
                    yield change(product, updated, before.optional if before else None), known

    async def _send(self, method: str, envelope: Product, batch: list[Sent]) -> None:
        results: dict[str, Any] = {}
        if self._dry_run:
            results = {product["productId"]: {"status": "accepted"} for product, _ in batch}
        else:
            body = orjson.dumps(envelope | {"products": [product for product, _ in batch]})
            for result in await self._results(f"{method} v1/products", body):
                if isinstance(result, dict):
                    results.setdefault(str(result.get("productId")), result)
        taken: list[tuple[str, Known | None]] = []
        for product, known in batch:
            result = results.get(product["productId"], {})
            if result.get("status") == "accepted":
                taken.append((product["productId"], known))
                self._count(product.get("action"))
            else:
                code = str(result.get("code", "NO_RESULT"))
                self.outcome.rejected[code] += 1
                self.outcome.tell(product["productId"], code, str(result.get("message", "")))
        if not self._dry_run:
            self._pushed.took((product, known) for product, known in taken if known)
            self._pushed.removed(product for product, known in taken if not known)

    def _count(self, action: str | None) -> None:
        self.outcome.created += action == "create"
        self.outcome.updated += action == "update"
        self.outcome.removed += action is None

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
        needs = len(orjson.dumps(one[0])) + 1
        if batch and (len(batch) == ITEMS or size + needs > BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += needs
    if batch:
        yield batch


def _digest(product: Product) -> bytes:
    return hashlib.blake2b(orjson.dumps(product, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()
