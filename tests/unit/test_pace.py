"""Pace, circuit and retry: state machines that are given the time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.circuit import FIRST_PROBE_SECONDS, Circuit
from gateway.config import Delivery
from gateway.delivery.pace import LONGEST_PAUSE, RECOVERY_SECONDS, SLOWEST, Pace
from gateway.delivery.retry import Again, Dead, Delivered, Effort, Reason, backoff, verdict
from gateway.esputnik.errors import EsputnikError, KeyRefused, RateLimited, Refused, Repeated, Unavailable


def pace(rate: float = 200, share: float = 1.0) -> Pace:
    return Pace(rate, lambda: share, 0.0)


def sent_until(pace: Pace, start: float, end: float) -> list[float]:
    """Return when requests go if there is always one more to send."""
    now, times = start, []
    while now < end:
        wait = pace.take(now)
        if wait:
            now += wait
        else:
            times.append(now)
    return times


@given(st.integers(1, 500), st.lists(st.floats(0, 2), max_size=20))
def test_no_second_whatever_sees_more_requests_than_the_rate(rate: int, pauses: list[float]) -> None:
    bucket, now, times = pace(rate), 0.0, []
    for idle in [*pauses, 0.0]:
        now += idle
        times += sent_until(bucket, now, now + 0.5)
        now += 0.5
    for place, time in enumerate(times):
        assert sum(1 for other in times[place : place + rate + 1] if other < time + 1) <= rate


def test_the_rate_is_nearly_reached() -> None:
    assert len(sent_until(pace(200), 0, 10)) >= 1850


def test_a_process_paces_at_its_share() -> None:
    assert 0.2 * 1800 <= len(sent_until(pace(200, share=0.25), 0, 10)) <= 0.25 * 2000


def test_without_a_share_nothing_goes() -> None:
    bucket = pace(share=0.0)
    assert bucket.take(10.0) > 0
    assert bucket.per_second(10.0) == 0


def test_a_429_stops_everything_for_the_time_it_names_and_halves_the_pace() -> None:
    bucket = pace(200)
    bucket.limited(4.9, 5.0, retry_after=7)
    assert bucket.per_second(11.9) == 0
    assert bucket.take(6.0) == pytest.approx(6.0)
    assert bucket.take(12.0) == 0
    assert bucket.per_second(12.0) == pytest.approx(100)


def test_429s_that_name_no_time_pause_longer_and_longer() -> None:
    bucket, now, pauses = pace(), 0.0, []
    for _ in range(9):
        bucket.limited(now, now, None)
        pauses.append(bucket.take(now))
        now += pauses[-1]
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]


def test_a_success_makes_the_next_pause_short_again() -> None:
    bucket = pace()
    bucket.limited(0.0, 0.0, None)
    bucket.limited(1.0, 1.0, None)
    bucket.went_well()
    bucket.limited(10.0, 10.0, None)
    assert bucket.take(10.0) == 1


@pytest.mark.parametrize("retry_after", [None, 0, 0.2, 1])
def test_429s_of_requests_already_under_way_cut_only_once(retry_after: float | None) -> None:
    bucket = pace(200)
    for number in range(32):
        bucket.limited(5.0, 5.1 + number / 1000, retry_after)
    assert bucket.per_second(7.0) == pytest.approx(100, rel=0.05)


def test_the_pace_never_falls_so_low_that_it_cannot_recover() -> None:
    bucket = pace(200)
    for number in range(50):
        bucket.limited(number * 2.0, number * 2.0, retry_after=1)
    assert bucket.per_second(99.0) >= 200 * SLOWEST


def test_the_pace_recovers_slowly_and_wholly() -> None:
    bucket = pace(200)
    bucket.limited(0.0, 0.0, retry_after=0)
    assert bucket.per_second(RECOVERY_SECONDS / 4) == pytest.approx(150)
    assert bucket.per_second(RECOVERY_SECONDS) == 200


def test_another_rate_is_kept_from_then_on() -> None:
    bucket = pace(100)
    sent_until(bucket, 0, 10)
    bucket.change(10)
    assert len(sent_until(bucket, 10, 20)) == pytest.approx(100, rel=0.1)


def test_a_turn_given_back_can_be_taken_again() -> None:
    bucket = pace(1)
    assert bucket.take(0.0) == 0
    bucket.give_back()
    assert bucket.take(0.0) == 0
    assert bucket.take(0.0) > 0


def opened(failures: int = 3, probe_seconds: float = 15) -> Circuit:
    """Return a circuit that has opened at time 0."""
    circuit = Circuit(failures, probe_seconds)
    for _ in range(failures):
        circuit.failed(0.0)
    assert circuit.is_open
    return circuit


def test_a_circuit_opens_after_failures_in_a_row_and_says_so_once() -> None:
    circuit = Circuit(3, 15)
    assert [circuit.failed(0.0) for _ in range(5)] == [False, False, True, False, False]


def test_a_success_between_failures_keeps_a_circuit_closed() -> None:
    circuit = Circuit(2, 15)
    for _ in range(5):
        assert not circuit.failed(0.0)
        assert not circuit.succeeded(0.0)
    assert circuit.wait(0.0) == 0


def test_an_open_circuit_lets_one_probe_through_at_a_time() -> None:
    circuit = opened()
    assert circuit.wait(0.0) == FIRST_PROBE_SECONDS
    assert circuit.wait(FIRST_PROBE_SECONDS) == 0
    circuit.begin(FIRST_PROBE_SECONDS)
    assert circuit.wait(FIRST_PROBE_SECONDS) > 0


def test_probes_become_rarer_up_to_the_setting() -> None:
    circuit, now, waits = opened(probe_seconds=15), 0.0, []
    for _ in range(7):
        waits.append(circuit.wait(now))
        now += waits[-1]
        circuit.begin(now)
        circuit.failed(now)
    assert waits == [1, 2, 4, 8, 15, 15, 15]


def test_a_probe_that_is_never_heard_of_again_is_replaced() -> None:
    circuit = opened()
    circuit.begin(FIRST_PROBE_SECONDS)
    assert circuit.wait(60.0) == 0


def test_a_probe_that_succeeds_closes_the_circuit() -> None:
    circuit = opened()
    circuit.begin(1.0)
    assert circuit.succeeded(began_at=1.0)
    assert not circuit.is_open
    assert circuit.wait(1.0) == 0


def test_a_success_that_began_before_the_circuit_opened_does_not_close_it() -> None:
    circuit = opened()
    assert not circuit.succeeded(began_at=-0.5)
    assert circuit.is_open


SETTINGS = Delivery(tries=3, give_up_hours=1, backoff_seconds=1, backoff_max_seconds=60)
AWAY = Unavailable("away")


def judged(problem: EsputnikError | None, effort: Effort | None = None, counts: bool = True) -> object:
    return verdict(problem, effort or Effort(), SETTINGS, counts, draw=1.0)


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff_is_exponential_bounded_and_fully_jittered(tries: int, draw: float) -> None:
    full = backoff(tries, SETTINGS, 1.0)
    assert full == min(60, 2.0 ** min(tries, 60))
    assert backoff(tries, SETTINGS, draw) == pytest.approx(full * draw)


def test_what_was_taken_is_delivered() -> None:
    assert judged(None) == Delivered()


def test_what_esputnik_took_within_the_last_minute_is_delivered() -> None:
    assert judged(Repeated("409", status=409)) == Delivered()


@pytest.mark.parametrize(
    ("status", "reason"),
    [(200, "refused"), (400, "bad_request"), (403, "forbidden"), (404, "not_found"), (413, "too_large"),
     (422, "refused")],
)  # fmt: skip
def test_what_is_refused_is_dead_with_a_reason(status: int, reason: str) -> None:
    assert judged(Refused("no", status=status)) == Dead(Reason(reason))


@pytest.mark.parametrize("problem", [KeyRefused("401"), RateLimited("429", retry_after=9)])
def test_what_is_about_the_site_costs_the_record_nothing(problem: EsputnikError) -> None:
    effort = Effort()
    assert judged(problem, effort) == Again(0.0)
    assert effort == Effort()


def test_a_failure_waits_at_least_as_long_as_it_was_asked_to() -> None:
    assert judged(Unavailable("503", retry_after=30)) == Again(30)
    assert judged(Unavailable("503", retry_after=0.1)) == Again(1)


def test_a_record_is_given_up_only_after_both_the_tries_and_the_time() -> None:
    assert isinstance(judged(AWAY, Effort(tries=50, waited=3599)), Again)
    assert isinstance(judged(AWAY, Effort(tries=1, waited=3600)), Again)
    assert judged(AWAY, Effort(tries=2, waited=3600)) == Dead(Reason.GAVE_UP)


def test_nothing_expires_while_a_circuit_is_open() -> None:
    effort = Effort(tries=50, waited=99_999)
    assert isinstance(judged(AWAY, effort, counts=False), Again)
    assert (effort.tries, effort.waited) == (50, 99_999)


def test_tries_and_time_add_up() -> None:
    effort, waits = Effort(), []
    while isinstance(decided := judged(AWAY, effort), Again):
        waits.append(decided.after)
    assert decided == Dead(Reason.GAVE_UP)
    assert waits[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert sum(waits) >= 3600
