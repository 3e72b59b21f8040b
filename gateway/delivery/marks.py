"""How far delivery has got in one partition: what is taken, what of it is done. Pure."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from gateway.stream import Mark
from gateway.stream.marks import Ranges


class Progress:
    """Keeps the offsets that are taken and not done; all else about a mark follows from them.

    Offsets are taken in ascending order and may have gaps: what the reader has passed over is nobody's work.
    `before` is what the last mark said is done, so that a new mark does not forget what the reader has not
    come to yet.
    """

    def __init__(self, partition: int, before: Ranges = ()) -> None:
        self._partition = partition
        self._before = before
        self._open: dict[int, None] = {}
        self._next = 0
        self._marked: Mark | None = None

    def __len__(self) -> int:
        """Return how many are taken and not done."""
        return len(self._open)

    def take(self, offset: int) -> None:
        """Take note of an offset that was read."""
        self._open[offset] = None
        self._next = offset + 1

    def done(self, offset: int) -> None:
        """Take note that nothing is left to do for an offset that was taken."""
        del self._open[offset]

    def mark(self) -> Mark:
        """Return the mark: the oldest offset not done, and the ranges beyond it that are."""
        low = next(iter(self._open), self._next)
        ranges = _joined([*self._passed(), *self._ahead()])
        if ranges and ranges[0][0] == low:
            return Mark(self._partition, ranges[0][1] + 1, tuple(ranges[1:]))
        return Mark(self._partition, low, tuple(ranges))

    def news(self) -> Mark | None:
        """Return the mark where it differs from the one returned the last time, else None."""
        mark = self.mark()
        if mark == self._marked:
            return None
        self._marked = mark
        return mark

    def _passed(self) -> Iterator[tuple[int, int]]:
        """Yield what is done between the open offsets and behind them."""
        for opened, after in pairwise([*self._open, self._next]):
            if opened + 1 < after:
                yield opened + 1, after - 1

    def _ahead(self) -> Iterator[tuple[int, int]]:
        """Yield what was done before and the reader has not come to yet."""
        for first, last in self._before:
            if last >= self._next:
                yield max(first, self._next), last


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ascending ranges with those in one that touch."""
    joined: list[tuple[int, int]] = []
    for first, last in ranges:
        if joined and joined[-1][1] + 1 == first:
            joined[-1] = joined[-1][0], last
        else:
            joined.append((first, last))
    return joined
