"""Answers that are kept for a while."""

from gateway.clock import SystemClock
from gateway.relay.kept import Kept


class HandClock(SystemClock):
    """Passes only when it is told to."""

    def __init__(self) -> None:
        self.at = 0.0

    def monotonic(self) -> float:
        return self.at


def test_an_answer_is_kept_for_its_time_and_each_asker_says_for_how_long():
    clock = HandClock()
    kept: Kept[str, str] = Kept(2, clock)
    kept.put("a", "A")
    clock.at = 5
    assert [kept.get("a", seconds) for seconds in (6, 5, 0)] == ["A", None, None]
    kept.put("a", "B")
    clock.at = 9
    assert kept.get("a", 5) == "B"
    kept.clear()
    assert kept.get("a", 5) is None


def test_the_answer_that_was_not_asked_for_longest_makes_room():
    kept: Kept[str, str] = Kept(2, HandClock())
    for name in "ab":
        kept.put(name, name)
    assert kept.get("a", 1) == "a"
    kept.put("c", "c")
    assert [kept.get(name, 1) for name in "abc"] == ["a", None, "c"]
