import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stream import Item
from gateway.stream.marks import TEXT_LIMIT, Ranges, from_text, not_done, to_text

offsets = st.integers(min_value=0, max_value=2**50)


@st.composite
def marks(draw: st.DrawFn) -> tuple[int, Ranges]:
    low = draw(offsets)
    end, done = low, []
    steps = st.tuples(st.integers(1, 2**20), st.integers(0, 2**20))
    for gap, length in draw(st.lists(steps, max_size=30)):
        done.append((end + gap, end + gap + length))
        end += gap + length
    return low, tuple(done)


@given(marks())
def test_ranges_survive_their_text(mark: tuple[int, Ranges]) -> None:
    low, done = mark
    assert from_text(low, to_text(low, done)) == done


@given(marks(), st.integers(2, 100))
def test_of_too_many_ranges_the_lowest_are_kept(mark: tuple[int, Ranges], limit: int) -> None:
    low, done = mark
    text = to_text(low, done, limit)
    assert len(text.encode()) <= limit
    kept = from_text(low, text)
    assert kept == done[: len(kept)]


def test_a_window_of_2000_records_always_fits_on_kafka() -> None:
    every_other = tuple((offset, offset) for offset in range(1001, 3001, 2))
    text = to_text(1000, every_other)
    assert len(text) <= TEXT_LIMIT
    assert from_text(1000, text) == every_other


@given(st.text(max_size=60))
def test_a_text_of_somebody_else_says_nothing_and_harms_nothing(text: str) -> None:
    for first, last in from_text(0, text):
        assert 0 <= first <= last


@pytest.mark.parametrize("text", ["", "consumed by hand", "1:", "1:%%%", "9:AAAA"])
def test_an_unreadable_text_means_nothing_is_done(text: str) -> None:
    assert from_text(7, text) == ()


@given(marks(), st.sets(offsets, max_size=200), st.integers(0, 2**22))
def test_exactly_the_items_outside_the_ranges_are_left(
    mark: tuple[int, Ranges], scattered: set[int], near: int
) -> None:
    low, done = mark
    edges = {edge + step for pair in done for edge in pair for step in (-1, 0, 1)}
    items = [Item(offset, b"") for offset in sorted(scattered | edges | {low + near})]
    expected = [item for item in items if not any(first <= item.offset <= last for first, last in done)]
    assert not_done(items, done) == expected
