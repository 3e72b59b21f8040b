"""Progress: what a mark says is exactly what is done, for any order of doing and any crash between."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.delivery.marks import Progress
from gateway.stream import Item, Mark
from gateway.stream.marks import not_done


def told_done(mark: Mark, offset: int) -> bool:
    return offset < mark.low or any(first <= offset <= last for first, last in mark.done)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Return offsets in the order of taking, with gaps, and some of them in the order of doing."""
    start = draw(st.integers(0, 2**40))
    gaps = draw(st.lists(st.integers(1, 5), min_size=1, max_size=60))
    taken = [start := start + gap for gap in gaps]
    return taken, draw(st.permutations(taken))[: draw(st.integers(0, len(taken)))]


@given(histories())
def test_a_mark_tells_of_each_taken_offset_whether_it_is_done(history: tuple[list[int], list[int]]) -> None:
    taken, done = history
    progress = Progress(3)
    for offset in taken:
        progress.take(offset)
    for offset in done:
        progress.done(offset)
    mark = progress.mark()
    assert mark.partition == 3
    assert [offset for offset in taken if told_done(mark, offset)] == sorted(done)
    assert len(progress) == len(taken) - len(done)
    assert not told_done(mark, taken[-1] + 1)


@given(histories())
def test_ranges_are_ascending_apart_and_beyond_the_low_offset(history: tuple[list[int], list[int]]) -> None:
    taken, done = history
    progress = Progress(0)
    for offset in taken:
        progress.take(offset)
    for offset in done:
        progress.done(offset)
        mark = progress.mark()
        end = mark.low
        for first, last in mark.done:
            assert end < first <= last
            end = last + 1


@given(st.data())
@settings(max_examples=200)
def test_through_any_number_of_restarts_nothing_done_is_read_again_and_nothing_else_is_left_out(
    data: st.DataObject,
) -> None:
    size = data.draw(st.integers(1, 40))
    left, mark = set(range(size)), Mark(0, 0)
    for _ in range(data.draw(st.integers(1, 5))):
        read = (
            [item.offset for item in not_done([Item(o, b"") for o in range(mark.low, size)], mark.done)]
            if (mark.low < size)
            else []
        )
        assert set(read) == left
        read = read[: data.draw(st.integers(0, len(read)))]
        if not read:
            continue
        progress = Progress(0, mark.done)
        for offset in read:
            progress.take(offset)
        for offset in data.draw(st.permutations(read))[: data.draw(st.integers(0, len(read)))]:
            progress.done(offset)
            left.discard(offset)
        mark = progress.mark()


def test_news_are_told_once() -> None:
    progress = Progress(0)
    progress.take(7)
    assert progress.news() == Mark(0, 7)
    assert progress.news() is None
    progress.done(7)
    assert progress.news() == Mark(0, 8)
    assert progress.news() is None


def test_ten_thousand_done_beyond_one_that_is_not_are_one_range() -> None:
    progress = Progress(0)
    for offset in range(10_001):
        progress.take(offset)
    for offset in range(1, 10_001):
        progress.done(offset)
    assert progress.mark() == Mark(0, 0, ((1, 10_000),))
