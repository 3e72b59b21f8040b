"""Checks feeds: bytes are mended, read, and judged product by product, then across; a report comes out.

pieces ─▶ Mender ─▶ Reader ─▶ rules.judge ─▶ Report
                       └────▶ Across ─────────┘
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from gateway.errors import FeedUnreadable
from gateway.feed import money
from gateway.feed.across import Across
from gateway.feed.findings import Finding
from gateway.feed.item import Item
from gateway.feed.mending import Mender
from gateway.feed.reading import Reader
from gateway.feed.report import EXAMPLES, Feed, Report
from gateway.feed.rules import CATEGORIES, IN_STOCK, judge, judge_in_market
from gateway.feed.source import XML_TYPES, Source, pieces

_CURRENCIES = 10
"""How many currencies of one feed are told apart."""


def check(
    sources: Sequence[Source],
    seen: Iterable[str] = (),
    examples: int = EXAMPLES,
    look: Callable[[Item], None] | None = None,
) -> Report:
    """Return what is wrong with the feeds: language versions of one another, the main one first, and markets.

    `seen` are product ids that tracking sent; `look` is shown each product of the main feed. A feed that
    cannot be read is told so in the report, and the others are checked all the same.
    """
    report = Report(examples)
    whole = []
    with Across(sources) as across:
        for number, source in enumerate(sources):
            feed = report.feed(source.name)
            _check_frame(source, report)
            try:
                _check_feed(number, source, feed, across, report, None if number else look)
            except FeedUnreadable as problem:
                feed.unreadable = str(problem)
                report.add(source.name, Finding("unreadable", problem.line, detail=problem.reason))
            else:
                whole.append(number)
        for found in across.findings(whole, seen):
            report.add(sources[found.feed].name, found.finding)
    return report


def read(source: Source) -> Iterator[Item]:
    """Yield a feed's products as they are, mended where that is mechanical.

    Raises FeedUnreadable, which names the feed: it may be one of several.
    """
    try:
        for items in _read(source, Reader(), Mender(lambda finding: None)):
            yield from items
    except FeedUnreadable as problem:
        raise FeedUnreadable(f"{source.name}: {problem}") from None


def _check_frame(source: Source, report: Report) -> None:
    """Look at how the feed is served."""
    if source.content_type is None or source.problem is not None:
        return
    if source.content_type not in XML_TYPES:
        report.add(source.name, Finding("content_type", 0, detail=source.content_type))
    if source.is_packed and not source.content_encoding:
        report.add(source.name, Finding("compressed", 0))


def _check_feed(
    number: int,
    source: Source,
    feed: Feed,
    across: Across,
    report: Report,
    look: Callable[[Item], None] | None,
) -> None:
    mended: list[Finding] = []
    reader = Reader()
    judged = judge_in_market if source.is_market else judge
    currencies = set[str]()
    try:
        for items in _read(source, reader, Mender(mended.append)):
            for finding in mended:
                report.add(source.name, finding)
            mended.clear()
            for item in items:
                for finding in judged(item):
                    report.add(source.name, finding)
                across.add(number, item)
                if look is not None:
                    look(item)
                _count(item, feed, currencies)
    except FeedUnreadable as problem:
        for finding in mended:
            if finding.line < problem.line:  # what follows the break is no text to be judged
                report.add(source.name, finding)
        raise
    finally:
        feed.products = reader.products
        for finding in reader.findings:
            report.add(source.name, finding)
    if not feed.products:
        report.add(source.name, Finding("no_products", 0))
    if len(currencies) > 1:
        report.add(source.name, Finding("currencies", 0, detail=", ".join(sorted(currencies))))


def _read(source: Source, reader: Reader, mender: Mender) -> Iterator[list[Item]]:
    if source.problem is not None:
        raise source.problem
    for piece in pieces(source.path):
        yield reader.feed(mender.feed(piece))
    yield reader.feed(mender.close(), last=True)


def _count(item: Item, feed: Feed, currencies: set[str]) -> None:
    value = item.fields.get
    feed.in_stock += value("availability") in IN_STOCK
    feed.without_category += not any(map(value, CATEGORIES))
    price = money.read(value("price", ""))
    if price is not None:
        feed.price_zero += not price.amount
        if len(currencies) < _CURRENCIES and price.currency in money.CURRENCIES:
            currencies.add(price.currency)
