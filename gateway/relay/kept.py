"""Answers that are kept for a while. Bounded."""

from collections import OrderedDict
from typing import Generic, TypeVar

from gateway.clock import Clock

K = TypeVar("K")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Keeps at most `size` answers by their questions; the one not asked for longest goes first."""

    def __init__(self, size: int, clock: Clock) -> None:
        self._size = size
        self._clock = clock
        self._answers: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, question: K, seconds: float) -> V | None:
        """Return the answer where it is younger than that."""
        answered_at, answer = self._answers.get(question, (0.0, None))
        if answer is None or self._clock.monotonic() - answered_at >= seconds:
            return None
        self._answers.move_to_end(question)
        return answer

    def put(self, question: K, answer: V) -> None:
        """Keep the answer from now on."""
        self._answers[question] = self._clock.monotonic(), answer
        self._answers.move_to_end(question)
        if len(self._answers) > self._size:
            self._answers.popitem(last=False)

    def clear(self) -> None:
        """Keep nothing of what there is."""
        self._answers.clear()
