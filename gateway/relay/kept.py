"""Answers that are kept for a while. Bounded."""

from collections import OrderedDict
from typing import Generic, TypeVar

from gateway.clock import Clock

K = TypeVar("K")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Keeps answers by their questions, at most `size` of them in so many bytes.

    The one not asked for longest goes first.
    """

    def __init__(self, size: int, most_bytes: int, clock: Clock) -> None:
        self._size = size
        self._most_bytes = most_bytes
        self._clock = clock
        self.clear()

    def get(self, question: K, seconds: float) -> V | None:
        """Return the answer where it is younger than that."""
        answered_at, answer, _ = self._answers.get(question, (0.0, None, 0))
        if answer is None or self._clock.monotonic() - answered_at >= seconds:
            return None
        self._answers.move_to_end(question)
        return answer

    def put(self, question: K, answer: V, length: int) -> None:
        """Keep the answer of that length in bytes from now on; one over all that may be kept is not."""
        _, _, before = self._answers.pop(question, (0.0, None, 0))
        self._bytes -= before
        if length > self._most_bytes:
            return
        self._answers[question] = self._clock.monotonic(), answer, length
        self._bytes += length
        while len(self._answers) > self._size or self._bytes > self._most_bytes:
            _, (_, _, gone) = self._answers.popitem(last=False)
            self._bytes -= gone

    def clear(self) -> None:
        """Keep nothing of what there is."""
        self._answers: OrderedDict[K, tuple[float, V, int]] = OrderedDict()
        self._bytes = 0
