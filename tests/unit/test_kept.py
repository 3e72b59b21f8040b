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
    kept: Kept[str, str] = Kept(2, 100, clock)
    kept.put("a", "A", 1)
    clock.at = 5
    assert [kept.get("a", seconds) for seconds in (6, 5, 0)] == ["A", None, None]
    kept.put("a", "B", 1)
    clock.at = 9
    assert kept.get("a", 5) == "B"
    kept.clear()
    assert kept.get("a", 5) is None


def test_the_answer_that_was_not_asked_for_longest_makes_room():
    kept: Kept[str, str] = Kept(2, 100, HandClock())
    for name in "ab":
        kept.put(name, name, 1)
    assert kept.get("a", 1) == "a"
    kept.put("c", "c", 1)
    assert [kept.get(name, 1) for name in "abc"] == ["a", None, "c"]


def test_what_is_kept_is_bounded_in_bytes_too():
    kept: Kept[str, str] = Kept(10, 100, HandClock())
    for name, length in (("a", 40), ("b", 60), ("b", 30), ("c", 50), ("d", 101)):
        kept.put(name, name, length)
    assert [kept.get(name, 1) for name in "abcd"] == [None, "b", "c", None]
    kept.put("e", "e", 100)
    assert [kept.get(name, 1) for name in "bce"] == [None, None, "e"]
