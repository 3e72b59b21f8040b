"""Whether the feed's ids are those that tracking, orders and products calls name products by.

The running gateway keeps a sample of each: the ids whose hashes are lowest. Of the feed the same sample is
taken, so that the two can be compared in both directions.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.feed.findings import Finding
from gateway.feed.item import Item
from gateway.feed.report import Report
from gateway.product_keys.comparing import Standing, standings
from gateway.product_keys.reading import Source
from gateway.product_keys.sample import Lowest

FEED = "feed"
_EXAMPLES = 5


class FeedIds:
    """The sample of one feed's ids, and of its groups."""

    def __init__(self) -> None:
        self._ids = Lowest()
        self._groups = Lowest()

    def look(self, item: Item) -> None:
        """Take in a product."""
        if item.id:
            self._ids.add(item.id)
        if group := item.fields.get("item_group_id"):
            self._groups.add(group)

    def standings(self, seen: Mapping[str, Iterable[str]]) -> Mapping[str, Standing]:
        """Return how the feed, and what the gateway has seen by source, stand to one another."""
        samples = {source: Lowest() for source in (FEED, *(set(Source) | seen.keys()))}
        samples[FEED] = self._ids
        samples[Source.GROUPS] = self._groups
        for source, keys in seen.items():
            for key in keys:
                samples[source].add(key)
        return standings({source: sample.sorted() for source, sample in samples.items()})


def hold(report: Report, ids: FeedIds, seen: Mapping[str, Iterable[str]]) -> None:
    """Add to the report of a check how the main feed's ids stand to those that were seen.

    Nothing is concluded from a feed that could not be read to its end.
    """
    if report.feeds[0].unreadable:
        return
    report.ids = ids.standings(seen)
    feed = report.ids[FEED]
    if feed.is_apart:
        detail = f"{len(feed.unknown)} of {feed.compared}, such as {', '.join(feed.unknown[:_EXAMPLES])}"
        report.add(report.feeds[0].name, Finding("ids_apart", 0, field="id", detail=detail))


def seen_of(answer: Any) -> dict[str, list[str]]:
    """Return the samples by source in what `GET /v1/product-keys?keys=true` answered."""
    keys = answer.get("keys") if isinstance(answer, dict) else None
    return keys if isinstance(keys, dict) else {}
