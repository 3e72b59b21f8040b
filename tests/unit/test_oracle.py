"""The oracle against histories worked out by hand, rule by rule."""

from collections.abc import Sequence

import pytest

from gateway.event import Record
from tests.contracts.shop import DAY, NOON, event
from tests.oracle import Cause, Identity, Limits, Link, Oracle

AGE = 3 * DAY
BACK = DAY
LIMITS = Limits(link_age_ms=AGE, back_stitch_ms=BACK, cookies=2, emails=2, phones=1, kiosk=3)
MIDNIGHT = DAY - NOON % DAY
ONE, TWO, THREE = "one@x.ua", "two@x.ua", "three@x.ua"

Told = tuple[str, int, int, str]


def links(*history: Record, cookie: str = "C", merged: dict[str, str] | None = None) -> list[Told]:
    """Return owner, start, end and why of each link, in ms after noon."""
    told = Oracle(history, LIMITS, merged).links(cookie)
    return [
        (link.owner.removeprefix("customer/"), link.start - NOON, link.end - NOON, link.why) for link in told
    ]


def words(*history: Record, merged: dict[str, str] | None = None) -> list[str]:
    """Return what becomes of each, with a star where a contact key is set aside."""
    oracle = Oracle(history, LIMITS, merged)
    decided = [oracle.decide(record) for record in history]
    return [f"{one.word}:{one.reason}{'*' * one.conflict}" for one in decided]


def holders(contact: str, at: Sequence[int], *history: Record, merged: dict[str, str] | None = None) -> list:
    """Return who holds the contact key at those times."""
    oracle = Oracle(history, LIMITS, merged)
    return [oracle.holder(contact, (NOON + moment, "~")) for moment in at]


# A link and its end.


def test_a_link_lasts_its_age_since_the_owner_was_last_seen():
    assert links(event(1, 0, customer="A"), event(2, AGE, customer="A")) == [("A", 0, 2 * AGE, "silence")]
    assert links(event(1, 0, customer="A"), event(2, AGE + 1, customer="A")) == [
        ("A", 0, AGE, "silence"),
        ("A", AGE + 1, 2 * AGE + 1, "silence"),
    ]


def test_a_link_names_what_opened_and_closed_it():
    login, other = event(1, 0, customer="A", kind="CustomerData"), event(2, 7, customer="B")
    first, _ = Oracle([login, other], LIMITS).links("C")
    assert first == Link(
        owner="customer/A",
        start=NOON,
        opened_by=Cause(login.id, "CustomerData"),
        seen=NOON,
        end=NOON + 7,
        closed_by=Cause(other.id, "PageView"),
        why="another_owner",
        reaches_back=NOON - BACK,
    )


def test_order_is_by_time_and_ties_break_by_id_whatever_came_first():
    history = [event(3, 5, customer="A"), event(2, 5, customer="B"), event(1, 9, customer="B")]
    assert links(*history) == [
        ("B", 5, 5, "another_owner"),
        ("A", 5, 9, "another_owner"),
        ("B", 9, 9 + AGE, "silence"),
    ]


def test_repeats_change_nothing():
    history = [event(1, 0, customer="A", email=ONE), event(2, 1, customer="B")]
    assert links(*history, *history, history[0]) == links(*history)


def test_what_is_older_than_the_link_age_when_it_arrives_changes_no_fact():
    assert links(event(1, 0, customer="A", late=AGE)) == [("A", 0, AGE, "silence")]
    late = event(1, 0, customer="A", email=ONE, late=AGE + 1)
    assert links(late) == []
    assert holders("email/" + ONE, [0], late) == [None]
    assert words(late, event(2, 1)) == ["refused:older_than_link_age*", "anonymous:no_link"]


def test_a_logout_ends_the_link_and_what_it_names_is_ignored():
    logout = event(2, 5, kind="Logout", customer="B", email=ONE)
    assert links(event(1, 0, customer="A"), logout) == [("A", 0, 5, "logout")]
    assert holders("email/" + ONE, [9], logout) == [None]
    assert words(event(1, 0, customer="A"), logout, event(3, 6), event(4, 7, customer="A")) == [
        "created:first_owner",
        "dropped:logout",
        "anonymous:back_stitched",
        "created:after_logout",
    ]
    assert words(event(1, 0, customer="A"), logout, event(3, 6))[2] == "anonymous:logged_out"
    assert words(logout, event(3, 6))[1] == "anonymous:no_link"


# What lies before a link.


def test_a_link_reaches_back_as_far_as_the_window_or_the_end_of_the_link_before():
    history = [event(1, 0, customer="A"), event(2, 5, kind="Logout"), event(3, 5 + BACK, customer="B")]
    history.append(event(4, 6 + 2 * BACK, customer="M"))
    reach = [link.reaches_back - NOON for link in Oracle(history, LIMITS).links("C")]
    assert reach == [-BACK, 5, 6 + 2 * BACK]


def test_an_anonymous_event_before_a_link_belongs_to_it_within_the_window_alone():
    login = event(9, BACK, customer="A")
    assert words(event(1, 0), event(2, -1), login)[:2] == ["anonymous:back_stitched", "anonymous:no_link"]


def test_an_anonymous_event_out_of_reach_of_the_next_link_is_told_by_the_one_before():
    before = [event(1, 0, customer="A"), event(2, 10, kind="Logout")]
    assert words(event(3, 15), *before, event(4, 15 + BACK, customer="B"))[0] == "anonymous:back_stitched"
    assert words(event(3, 15), *before, event(4, 16 + BACK, customer="B"))[0] == "anonymous:logged_out"


# Decisions.


def test_a_named_event_is_told_by_the_link_before_it():
    history = [
        event(1, 0, customer="A"),
        event(2, 1, customer="A"),
        event(3, 2, customer="B"),
        event(4, 2 + AGE, customer="B"),
        event(5, 3 + 2 * AGE, customer="B"),
    ]
    assert words(*history) == [
        "created:first_owner",
        "kept:same_owner",
        "created:another_owner",
        "kept:same_owner",
        "created:after_silence",
    ]


def test_an_anonymous_event_is_filled_in_inside_a_link_alone():
    login = event(1, 0, customer="A", email=ONE, phone="+1")
    inside, after, nowhere = event(2, AGE), event(3, AGE + 1), event(4, 1, cookie=None)
    oracle = Oracle([login, inside, after, nowhere], LIMITS)
    assert oracle.decide(inside).identity == Identity("A", ONE, "+1")
    assert words(login, inside, after, nowhere)[1:] == [
        "linked:inside_link",
        "anonymous:link_ended",
        "anonymous:no_cookie",
    ]


def test_an_anonymous_event_knows_its_link_as_it_was_before_it():
    history = [event(1, 0, customer="A"), event(2, 1), event(3, 1, customer="B"), event(4, 2)]
    oracle = Oracle(history, LIMITS)
    assert [oracle.decide(history[place]).identity for place in (1, 3)] == [Identity("A"), Identity("B")]


def test_an_event_without_a_cookie_gets_that_of_the_owners_newest_open_link():
    history = [
        event(1, 0, cookie="C", customer="A"),
        event(2, 1, cookie="D", customer="A"),
        event(3, 2, cookie="C", customer="A"),
        event(4, 4, cookie="D", customer="B"),
    ]
    asks = [event(number, at, cookie=None, customer="A") for number, at in ((10, 3), (11, 5), (12, 3 + AGE))]
    oracle = Oracle([*history, *asks], LIMITS)
    assert [oracle.decide(ask).cookie for ask in asks] == ["D", "C", None]
    assert words(*history, *asks)[4:] == ["linked:latest_cookie"] * 2 + ["kept:no_open_link"]


def test_an_event_without_a_cookie_may_be_older_than_the_link_age():
    late = event(2, 1, cookie=None, customer="A", late=AGE + 1)
    assert words(event(1, 0, customer="A"), late)[1] == "linked:latest_cookie"


# Contact keys.


def test_a_contact_key_is_the_first_claimants_also_before_he_came_with_it():
    history = [event(1, 0, email=ONE), event(2, 10, cookie=None, customer="A", email=ONE)]
    assert links(*history) == [("A", 0, AGE, "silence")]
    assert holders("email/" + ONE, [-1, 10], *history) == ["A", "A"]


def test_anothers_contact_key_is_set_aside_and_so_is_a_claim_on_it():
    history = [event(1, 0, customer="A", email=ONE), event(2, 1, cookie="D", customer="B", email=ONE)]
    assert words(*history) == ["created:first_owner", "created:first_owner*"]
    assert links(*history, cookie="D") == [("B", 1, 1 + AGE, "silence")]
    assert holders("email/" + ONE, [9], *history) == ["A"]


def test_a_contact_key_passes_on_when_its_holder_has_not_come_with_it_for_the_link_age():
    claims = [event(1, 0, customer="A", email=ONE), event(2, AGE, customer="B", email=ONE)]
    later = event(3, AGE + 1, customer="B", email=ONE)
    assert holders("email/" + ONE, [AGE], *claims) == ["A"]
    assert holders("email/" + ONE, [0, AGE, AGE + 1], claims[0], later) == ["A", "A", "B"]


def test_a_contact_key_retires_when_its_holder_has_come_with_so_many_others():
    claims = [event(1, 0, customer="A", email=ONE), event(2, 1, customer="A", email=TWO)]
    claims.append(event(3, 2, customer="A", email=THREE))
    assert holders("email/" + ONE, [1, 2], *claims) == ["A", None]
    assert holders("email/" + ONE, [2, 3], *claims, event(4, 3, customer="B", email=ONE)) == [None, "B"]
    assert holders(
        "phone/+1", [0, 1], event(1, 0, customer="A", phone="+1"), event(2, 1, customer="A", phone="+2")
    ) == [
        "A",
        None,
    ]


@pytest.mark.parametrize(("again", "held"), [(MIDNIGHT - 1, None), (MIDNIGHT, "A")])
def test_a_claim_counts_once_a_day(again: int, held: str | None):
    claims = [event(1, 0, customer="A", email=ONE), event(2, 1, customer="A", email=TWO)]
    claims += [event(3, 2, customer="A", email=THREE), event(4, again, customer="A", email=ONE)]
    assert holders("email/" + ONE, [DAY], *claims) == [held]


def test_of_several_contact_keys_the_one_that_came_last_is_filled_in():
    history = [event(1, 0, customer="A", email=TWO), event(2, 1, customer="A", email=ONE)]
    assert Oracle(history, LIMITS).identity("customer/A") == Identity("A", ONE)
    assert Oracle([event(3, 2, email=ONE)], LIMITS).identity("email/" + ONE) == Identity(email=ONE)


# Limits.


def test_a_cookie_retires_when_its_owner_has_been_on_so_many_others():
    history = [event(1, 0, customer="A"), event(2, 1, cookie="D", customer="A")]
    history += [event(3, 2, cookie="E", customer="A")]
    assert links(*history) == [("A", 0, 2, "limit")]
    assert words(*history, event(4, 2), event(5, 3), event(6, 1))[3:] == [
        "anonymous:cookie_retired",
        "anonymous:cookie_retired",
        "linked:inside_link",
    ]
    assert words(*history, event(5, 3), event(6, 4, customer="A"))[3:] == [
        "anonymous:back_stitched",
        "created:after_retirement",
    ]


def test_a_cookie_whose_owner_is_seen_on_it_again_does_not_retire():
    history = [event(1, 0, customer="A"), event(2, 1, cookie="D", customer="A"), event(3, 2, customer="A")]
    assert links(*history, event(4, 3, cookie="E", customer="A")) == [("A", 0, 2 + AGE, "silence")]


def test_a_link_that_silence_has_ended_does_not_retire():
    history = [event(1, 0, customer="A"), event(2, AGE, cookie="D", customer="A")]
    assert links(*history, event(3, AGE + 1, cookie="E", customer="A")) == [("A", 0, AGE, "silence")]
    assert links(*history, event(3, AGE, cookie="E", customer="A")) == [("A", 0, AGE, "limit")]


def test_the_cookies_of_somebody_known_by_a_contact_key_alone_do_not_retire():
    history = [event(number, number, cookie=cookie, email=ONE) for number, cookie in enumerate("CDE")]
    assert links(*history) == [("email/" + ONE, 0, AGE, "silence")]
    customer = event(9, 9, cookie=None, customer="A", email=ONE)
    assert links(*history, customer) == [("A", 0, 2, "limit")]


def test_so_many_owners_on_one_cookie_in_a_day_make_it_shared_and_it_links_nobody_any_more():
    history = [event(1, 0, customer="A"), event(2, DAY - 2, customer="B"), event(3, DAY - 1, email=ONE)]
    assert links(*history, event(5, DAY + 5, customer="A")) == [
        ("A", 0, DAY - 2, "another_owner"),
        ("B", DAY - 2, DAY - 1, "shared"),
    ]
    asks = [
        event(4, DAY),
        event(5, DAY - 2),
        event(6, DAY, cookie=None, customer="B"),
        event(7, DAY, customer="B"),
    ]
    assert words(*history, *asks)[2:] == [
        "refused:shared_cookie",
        "anonymous:shared_cookie",
        "linked:inside_link",
        "kept:no_open_link",
        "refused:shared_cookie",
    ]


def test_owners_more_than_a_day_apart_do_not_make_a_cookie_shared():
    history = [event(1, 0, customer="A"), event(2, 1, customer="B"), event(3, DAY, customer="M")]
    assert [owner for owner, *_ in links(*history)] == ["A", "B", "M"]
    assert words(*history)[2] == "created:another_owner"


# Operators' merges.


def test_merged_customers_are_one_owner_and_another_again_without_the_merge():
    history = [event(1, 0, customer="A"), event(2, 1, customer="B"), event(3, 2)]
    assert links(*history, merged={"A": "B"}) == [("B", 0, 1 + AGE, "silence")]
    assert words(*history, merged={"A": "M", "M": "B"}) == [
        "created:first_owner",
        "kept:same_owner",
        "linked:inside_link",
    ]
    assert [owner for owner, *_ in links(*history)] == ["A", "B"]


def test_what_merged_customers_came_with_is_the_ones_they_have_become():
    history = [event(1, 0, customer="A", email=ONE), event(2, 1, cookie="D", customer="B", email=ONE)]
    assert words(*history) == ["created:first_owner", "created:first_owner*"]
    assert words(*history, merged={"A": "B"}) == ["created:first_owner"] * 2
    assert Oracle(history, LIMITS, {"A": "B"}).identity("customer/B") == Identity("B", ONE)
