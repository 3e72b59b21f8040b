"""The auditor is audited: whatever is planted, it finds, and nothing else."""

from dataclasses import replace

import pytest

from tests.chaos.audit import Books, audit

BOOKS = Books(accepted={f"id-{n}": f"{n % 3}/{n // 3}" for n in range(30)}, refused={"0/99"})
ARRIVALS = [(event_id, place) for event_id, place in BOOKS.accepted.items()]
CLEAN = audit(BOOKS, ARRIVALS)


def test_what_arrived_as_it_was_accepted_is_clean():
    assert CLEAN.is_clean
    assert (CLEAN.accepted, CLEAN.repeated) == (30, 0)


def test_other_persons_may_come_in_any_order_and_unanswered_events_too():
    by_person = sorted(ARRIVALS, key=lambda arrival: arrival[1].partition("/")[0])
    assert audit(BOOKS, [*by_person, ("unanswered", "0/50")]) == CLEAN


def test_a_repeat_with_its_own_id_is_counted_and_harmless():
    assert audit(BOOKS, [*ARRIVALS, ARRIVALS[0]]) == replace(CLEAN, repeated=1)


def swapped(arrivals):
    return [arrivals[3], *arrivals[1:3], arrivals[0], *arrivals[4:]]


@pytest.mark.parametrize(
    ("arrivals", "planted"),
    [
        (ARRIVALS[1:], {"lost": 1}),
        (swapped(ARRIVALS), {"overtaken": 1}),
        ([*ARRIVALS, ("another-id", "0/0")], {"doubled": 1}),
        ([*ARRIVALS, ("id-x", "0/99")], {"refused_but_delivered": 1}),
        ([(ARRIVALS[0][0], "0/77"), *ARRIVALS[1:]], {"lost": 1}),
    ],
)
def test_a_planted_fault_is_found_and_no_other(arrivals, planted):
    verdict = audit(BOOKS, arrivals)
    assert verdict == replace(CLEAN, **planted)
    assert not verdict.is_clean


def test_an_id_that_two_events_were_answered_with_is_found():
    books = Books()
    for place in ("0/1", "0/2"):
        books.accept("one-id", place)
    assert audit(books, [("one-id", "0/2")]).reused == 1
    assert not audit(books, [("one-id", "0/2")]).is_clean


def test_a_late_answer_is_found():
    assert not audit(replace(BOOKS, late=1), ARRIVALS).is_clean
