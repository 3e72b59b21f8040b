import pytest

from gateway.ingest.admission import Allowance, Hold, Room
from gateway.ingest.problem import Problem


def test_a_site_may_post_a_seconds_worth_at_once_and_then_its_rate():
    allowance = Allowance(10, now=100)
    for _ in range(11):  # the last one takes it below nothing
        allowance.take(1, 100)
    with pytest.raises(Problem) as refused:
        allowance.take(1, 100)
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "1")
    allowance.take(1, 100.2)


def test_a_batch_larger_than_the_rate_is_let_in_and_paid_for():
    allowance = Allowance(10, now=0)
    allowance.take(1000, 0)
    with pytest.raises(Problem) as refused:
        allowance.take(1, 1)
    assert refused.value.headers["Retry-After"] == "99"
    allowance.take(1, 100)


def test_rest_earns_a_second_and_no_more():
    allowance = Allowance(10, now=0)
    for _ in range(11):
        allowance.take(1, 1000)
    with pytest.raises(Problem):
        allowance.take(1, 1000)


def test_the_room_is_full_at_its_size_and_free_again_when_requests_end():
    room = Room(100)
    one, other = Hold(room), Hold(room)
    one.take(60)
    one.take(40)
    with pytest.raises(Problem) as refused:
        other.take(1)
    assert (refused.value.status, refused.value.code) == (503, "busy")
    one.release()
    one.release()
    other.take(100)
    assert room.left == 0
