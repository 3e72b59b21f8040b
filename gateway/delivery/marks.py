"""How far delivery has got in one partition: what is taken, what of it is done. Pure."""

from gateway.stream import Mark


class Progress:
    """Keeps the offsets that are taken and not done; all else about a mark follows from them.

    Offsets are taken in ascending order and may have gaps: what the reader has passed over is nobody's work.
    """

    def __init__(self, partition: int) -> None:
        self._partition = partition
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
        """Return the mark: the oldest offset not done, and the ranges beyond it that need not be read again."""
        opened = [*self._open, self._next]
        ranges = ((before + 1, after - 1) for before, after in zip(opened, opened[1:], strict=False))
        return Mark(self._partition, opened[0], tuple(pair for pair in ranges if pair[0] <= pair[1]))

    def news(self) -> Mark | None:
        """Return the mark where it differs from the one returned the last time, else None."""
        mark = self.mark()
        if mark == self._marked:
            return None
        self._marked = mark
        return mark
