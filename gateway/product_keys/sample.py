"""A sample of keys that can be compared with another one.

Of each source those keys are kept whose hashes are lowest. So every source, process and day keeps the same
keys of the same set, and two samples of a hundred thousand products meet, which random ones would not.
"""

import heapq
from collections.abc import Callable
from zlib import crc32

from gateway.event import Record
from gateway.product_keys.reading import Source, keys_of

SIZE = 1000
"""Keys of one source."""
DAY_MS = 24 * 3600 * 1000

Key = tuple[Source, int, str]
"""A key with its source and its rank."""


class Lowest:
    """Of the keys it is given the `SIZE` with the lowest hashes."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []
        self._held: set[str] = set()

    def add(self, key: str) -> int | None:
        """Keep the key; return its rank, None where it was kept already or is too high."""
        if key in self._held:
            return None
        rank = crc32(key.encode())
        if len(self._heap) < SIZE:
            heapq.heappush(self._heap, (-rank, key))
        elif rank >= -self._heap[0][0]:
            return None
        else:
            _, out = heapq.heapreplace(self._heap, (-rank, key))
            self._held.discard(out)
        self._held.add(key)
        return rank

    def sorted(self) -> list[tuple[int, str]]:
        """Return the keys with their ranks, the lowest first."""
        return sorted((-rank, key) for rank, key in self._heap)


class Sample:
    """The keys of one site in what this process delivered, begun anew each day so that old keys can go."""

    def __init__(self, news: Callable[[], None]) -> None:
        """`news` is called when there is something to be written."""
        self._news = news
        self._day = 0
        self._kept = {source: Lowest() for source in Source}
        self.fresh: list[Key] = []
        """What is not written yet; whoever writes it takes it out."""

    def look(self, record: Record) -> None:
        """Take in the record's keys (7 us for a cart, 0.2 us for a record that names no products)."""
        for source, key in keys_of(record):
            self._begin(record.accepted_at // DAY_MS)
            rank = self._kept[source].add(key)
            if rank is not None:
                self.fresh.append((source, rank, key))
                self._news()

    def _begin(self, day: int) -> None:
        if day > self._day:
            self._day = day
            self._kept = {source: Lowest() for source in Source}
