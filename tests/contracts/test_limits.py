"""What ends a link and what a link never rests on: logouts, passed contact keys, limits, kiosks, bots."""

from dataclasses import replace

import pytest

from gateway.event import Record
from gateway.identity.changes import ChangeRefused, forget, lift
from gateway.identity.links import read
from gateway.identity.people import look_up_cookie, look_up_person
from gateway.identity.questions import question
from gateway.store import Store
from tests.contracts.shop import (
    DAY,
    HOUR,
    NOON,
    SETTINGS,
    Shop,
    counted,
    customers,
    event,
    info,
    logout,
    words,
)

A, B = "customer/A", "customer/B"
AGE = SETTINGS.link_age_ms
PHONE = "+380501234567"


async def test_04_between_a_logout_and_the_next_login_events_are_nobodys(shop: Shop) -> None:
    stitched = await shop.post_each(
        event(1, 0, customer="A"), logout(2, 10), event(3, 20), event(4, 30, customer="B"), event(5, 40)
    )
    assert words(stitched) == [
        "created:first_owner",
        "dropped:logout",
        "anonymous:logged_out",
        "created:after_logout",
        "linked:inside_link",
    ]
    assert stitched[1].record is None
    assert customers([stitched[2], stitched[4]]) == [None, "B"]
    first, second = await shop.links()
    assert (first.owner, first.end - NOON, first.why) == (A, 10, "logout")
    assert (second.owner, second.start - NOON, second.reaches_back - NOON) == (B, 30, 10)


async def test_04_the_same_in_any_order_of_arrival(store: Store) -> None:
    events = [event(1, 0, customer="A"), logout(2, 10), event(3, 20), event(4, 30, customer="B")]
    for first in range(4):
        shop = Shop(store, f"shop{first}")
        await shop.post_each(*(replace(one, site=f"shop{first}") for one in events[first:] + events[:first]))
        found = await shop.owners(site=f"shop{first}")
        assert found == [(A, 0, 10), (B, 30, 30 + AGE)]


async def test_04_who_logs_in_again_after_a_logout_has_a_new_link(shop: Shop) -> None:
    stitched = await shop.post_each(event(1, 0, customer="A"), logout(2, 10), event(3, 20, customer="A"))
    assert words(stitched)[2] == "created:after_logout"
    assert await shop.owners() == [(A, 0, 10), (A, 20, 20 + AGE)]


async def test_a_logout_on_a_cookie_without_a_link_changes_nothing(shop: Shop) -> None:
    stitched = await shop.post_each(logout(1, 0), event(2, 10), event(3, 20, customer="A"))
    assert words(stitched) == ["dropped:logout", "anonymous:no_link", "created:first_owner"]


async def test_17_a_phone_number_stays_its_holders_while_he_is_seen_with_it(shop: Shop) -> None:
    stitched = await shop.post_each(
        event(1, 0, cookie="his", customer="A", phone=PHONE),
        event(2, DAY, cookie="hers", customer="B", phone=PHONE),
        event(3, 2 * DAY, cookie=None, phone=PHONE),
    )
    assert stitched[1].decision.conflict
    assert stitched[2].decision.cookie == "his"


async def test_17_a_phone_number_passes_on_once_its_holder_is_gone_and_his_past_stays_his(shop: Shop) -> None:
    await shop.post_each(
        event(1, 0, cookie="his", customer="A", phone=PHONE),
        event(2, HOUR, cookie="shared", phone=PHONE),
        event(3, AGE + DAY, cookie="hers", customer="B", phone=PHONE),
        event(4, AGE + 2 * DAY, cookie="guest", phone=PHONE),
    )
    (guest,) = await shop.post(event(5, AGE + 3 * DAY, cookie="guest"))
    assert customers([guest]) == ["B"]
    assert [link.owner for link in await shop.links("shared")] == [A]
    assert [link.owner for link in await shop.links("guest")] == [B]


async def test_17_a_contact_key_retires_when_its_customer_is_seen_with_five_newer_ones(shop: Shop) -> None:
    emails = [f"{number}@x.ua" for number in range(6)]
    await shop.post_each(
        *(event(number, number * DAY, customer="A", email=email) for number, email in enumerate(emails))
    )
    stitched = await shop.post(*(event(10 + n, 6 * DAY, cookie=None, email=emails[n]) for n in (0, 1)))
    assert words(stitched) == ["kept:no_open_link", "linked:latest_cookie"]
    person = await look_up_person(shop.store, "shop", A, SETTINGS)
    held = {contact.name: contact.held for contact in person.contacts}
    assert [held[f"email/{email}"] for email in emails] == [False, *[True] * 5]


async def test_17_a_retired_key_is_free_for_another_customer_at_once(shop: Shop) -> None:
    await shop.post_each(
        *(event(n, n * DAY, cookie="his", customer="A", phone=f"+38050000000{n}") for n in range(1, 7)),
        event(8, 7 * DAY, cookie="hers", customer="B", phone="+380500000001"),
    )
    (guest,) = await shop.post(event(9, 7 * DAY + 1, cookie=None, phone="+380500000001"))
    assert guest.decision.cookie == "hers"


async def test_18_a_cookie_with_200_customers_in_a_day_links_nobody_any_more(shop: Shop) -> None:
    minute = 60_000
    crowd = [event(number, number * minute, customer=f"K{number}") for number in range(200)]
    await shop.post(*crowd[:150])
    await shop.post(*crowd[150:199])
    (before,) = await shop.post(event(300, 198 * minute + 1))
    stitched = await shop.post(crowd[199], event(301, 200 * minute), event(302, 201 * minute, customer="K1"))
    assert customers([before]) == ["K198"]
    assert words(stitched) == ["refused:shared_cookie", "anonymous:shared_cookie", "refused:shared_cookie"]
    assert customers(stitched) == ["K199", None, "K1"]
    again = await shop.post(event(303, 3 * DAY), event(304, 3 * DAY + 1, customer="K1"))
    assert words(again) == ["anonymous:shared_cookie", "refused:shared_cookie"]
    known = await look_up_cookie(shop.store, "shop", "C", SETTINGS)
    assert known.shared is not None
    assert known.shared.at == crowd[199].occurred_at
    assert (known.links[-1].link.why, len(known.links)) == ("shared", 199)


async def test_18_the_same_customers_over_more_than_a_day_share_nothing(shop: Shop) -> None:
    apart = DAY // 198
    await shop.post(*(event(number, number * apart, customer=f"K{number}") for number in range(200)))
    assert customers(await shop.post(event(300, 199 * apart + 1))) == ["K199"]


async def test_18_what_comes_after_a_cookie_was_shared_is_not_read_again(store: Store) -> None:
    shop = Shop(store, settings=replace(SETTINGS, kiosk=3))
    await shop.post(*(event(number, number, customer=f"K{number}") for number in range(3)))
    await shop.post(*(event(number, number, customer=f"K{number}") for number in range(3, 50)))
    asked = question(["shop"], [event(60, 60)])
    async with store.transaction() as transaction:
        known = await read(transaction, asked, {"shop": shop.settings}, {})
    assert [seen.at - NOON for seen in known.facts["shop"].history("C")] == [0, 1, 2]
    assert words(await shop.post(event(61, 61), event(62, 1))) == [
        "anonymous:shared_cookie",
        "linked:inside_link",
    ]


async def test_18_with_another_limit_a_cookie_is_judged_by_all_that_was_seen_on_it(store: Store) -> None:
    strict = Shop(store, settings=replace(SETTINGS, kiosk=3))
    await strict.post(*(event(number, number, customer=f"K{number}") for number in range(5)))
    assert words(await strict.post(event(11, 11))) == ["anonymous:shared_cookie"]
    lenient = Shop(store)
    assert customers(await lenient.post(event(12, 12))) == ["K4"]
    assert words(await strict.post(event(13, 13))) == ["anonymous:shared_cookie"]


async def test_18_a_cookie_whose_crowd_was_erased_is_judged_by_who_is_left(store: Store) -> None:
    shop = Shop(store, settings=replace(SETTINGS, kiosk=3))
    await shop.post(*(event(number, number, customer=customer) for number, customer in enumerate("ABC")))
    await shop.post(event(4, 4, customer="B"))
    assert words(await shop.post(event(5, 5))) == ["anonymous:shared_cookie"]
    await forget(store, "shop", A, shop.settings, "ann", NOON + DAY)
    assert customers(await shop.post(event(6, 6))) == ["B"]


async def test_18_a_backend_event_is_not_given_a_shared_cookie(store: Store) -> None:
    shop = Shop(store, settings=replace(SETTINGS, kiosk=3))
    await shop.post(*(event(number, number, customer=customer) for number, customer in enumerate("ABA", 1)))
    (before,) = await shop.post(event(5, 5, cookie=None, customer="A"))
    await shop.post(event(6, 6, customer="D"))
    (after,) = await shop.post(event(7, 7, cookie=None, customer="A"))
    assert (before.decision.cookie, after.decision.cookie) == ("C", None)


async def test_a_contact_key_of_too_many_customers_is_a_placeholder_and_names_nobody(store: Store) -> None:
    shop = Shop(store, settings=replace(SETTINGS, crowd=3))
    many = [
        event(number, number, cookie=f"c{number}", customer=f"K{number}", phone=PHONE) for number in range(3)
    ]
    (before,) = [(await shop.post_each(*many[:2], event(10, 10, cookie=None, phone=PHONE)))[-1]]
    await shop.post(many[2])
    guest, known = await shop.post(
        event(11, 11, cookie="guest", phone=PHONE), event(12, 12, cookie="new", customer="K7", phone=PHONE)
    )
    assert before.decision.cookie == "c0"
    assert (words([guest]), customers([guest])) == (["anonymous:no_link"], [None])
    assert customers([known]) == ["K7"]
    assert [stitched.record and stitched.record.phone for stitched in (guest, known)] == [PHONE, PHONE]
    elsewhere = Shop(store, settings=shop.settings)
    assert words(await elsewhere.post(event(13, 13, cookie=None, phone=PHONE))) == ["anonymous:no_cookie"]
    person = await look_up_person(store, "shop", "customer/K0", shop.settings)
    assert [contact.name for contact in person.contacts] == []


def many_with(phone: str, first: int, count: int) -> list[Record]:
    """Return events of so many customers with one phone, each on a cookie of his own."""
    numbers = range(first, first + count)
    return [event(n, n, cookie=f"c{n}", customer=f"K{n}", phone=phone) for n in numbers]


async def test_whoever_comes_first_a_placeholder_names_nobody_in_what_came_before_either(
    store: Store,
) -> None:
    guests = [event(50 + n, 50 + n, cookie="guest", phone=PHONE) for n in range(3)]
    later = [event(60, 60, cookie="guest"), event(61, 61, cookie=None, customer="K1", phone=PHONE)]
    many = many_with(PHONE, 0, 3)
    outcomes = []
    for site, arriving in (("one", [*guests, *many]), ("two", [*many, *guests])):
        shop = Shop(store, site, settings=replace(SETTINGS, crowd=3))
        await shop.post_each(*(replace(record, site=site) for record in arriving))
        stitched = await shop.post(*(replace(record, site=site) for record in later))
        links = [await shop.links(cookie, site) for cookie in ("guest", "c0", "c1", "c2")]
        outcomes.append(([one.decision for one in stitched], links))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][1][0] == []


async def test_a_placeholder_of_more_guests_than_one_transaction_removes_leaves_no_link(store: Store) -> None:
    shop = Shop(store, settings=replace(SETTINGS, crowd=3, kiosk=4))
    for first in range(0, 2500, 500):
        await shop.post(*(event(n, n, cookie=f"g{n}", phone=PHONE) for n in range(first, first + 500)))
    crowd = [event(3000 + n, 3000 + n, cookie="till", customer=f"T{n}") for n in range(3)]
    await shop.post(*crowd, event(3010, 3010, cookie="till", phone=PHONE))
    assert (await look_up_cookie(store, "shop", "till", shop.settings)).shared
    await shop.post(*many_with(PHONE, 4000, 3))
    async with store.transaction() as transaction:
        left = await transaction.fetch("SELECT cookie FROM sightings WHERE owner = $1", f"phone/{PHONE}")
    assert list(left) == []
    assert not (await look_up_cookie(store, "shop", "till", shop.settings)).shared


async def test_a_guest_with_two_contact_keys_is_known_by_the_one_that_is_no_placeholder(store: Store) -> None:
    """Only once the other is one: what came before is nobody's."""
    shop = Shop(store, settings=replace(SETTINGS, crowd=3))
    await shop.post(event(50, 50, cookie="before", email="no@x.ua", phone=PHONE))
    await shop.post(*(event(n, n, cookie=f"c{n}", customer=f"K{n}", email="no@x.ua") for n in range(3)))
    await shop.post(event(51, 51, cookie="after", email="no@x.ua", phone=PHONE))
    assert await shop.links("before") == []
    assert [link.owner for link in await shop.links("after")] == [f"phone/{PHONE}"]


async def test_a_placeholder_that_is_lifted_names_people_again_as_if_it_were_new(store: Store) -> None:
    shop = Shop(store, settings=replace(SETTINGS, crowd=3))
    with pytest.raises(ChangeRefused, match="no placeholder"):
        await lift(store, "shop", f"phone/{PHONE}", "ann", "a relay of ours", NOON)
    await shop.post(*many_with(PHONE, 0, 3))
    person = await look_up_person(store, "shop", f"phone/{PHONE}", shop.settings)
    assert person.placeholder_since is not None
    await lift(store, "shop", f"phone/{PHONE}", "ann", "a relay of ours", NOON)
    person = await look_up_person(store, "shop", f"phone/{PHONE}", shop.settings)
    assert person.placeholder_since is None
    assert [(entry.word, entry.who) for entry in person.trail] == [("lifted", "ann")]
    stitched = await shop.post_each(
        *many_with(PHONE, 10, 2), event(20, 20, cookie=None, phone=PHONE), event(21, 21, phone=PHONE)
    )
    assert (stitched[2].decision.cookie, words(stitched)[3]) == ("c10", "created:first_owner")
    await shop.post(*many_with(PHONE, 30, 1))
    assert words(await shop.post(event(40, 40, cookie=None, phone=PHONE))) == ["anonymous:no_cookie"]


async def test_a_placeholder_that_is_erased_stands_nowhere_any_more(store: Store) -> None:
    shop = Shop(store, settings=replace(SETTINGS, crowd=3))
    await shop.post(*many_with(PHONE, 0, 3))
    await forget(store, "shop", f"phone/{PHONE}", shop.settings, "ann", NOON + DAY)
    person = await look_up_person(store, "shop", f"phone/{PHONE}", shop.settings)
    assert person.placeholder_since is None


async def test_19_of_a_bots_10_000_cookies_only_the_newest_50_are_its_customers(shop: Shop) -> None:
    count = 10_000
    logins = [event(number, number, cookie=f"c{number}", customer="bot") for number in range(count)]
    for at in range(0, count, 500):
        await shop.post(*logins[at : at + 500])
    stitched = await shop.post(*(event(20_000 + n, count + 1, cookie=f"c{n}") for n in range(9_900, count)))
    assert customers(stitched) == [None] * 50 + ["bot"] * 50
    assert words(stitched)[:1] == ["anonymous:cookie_retired"]
    (backend,) = await shop.post(event(30_000, count + 2, cookie=None, customer="bot"))
    assert backend.decision.cookie == f"c{count - 1}"


async def test_19_a_retired_cookie_is_linked_again_when_its_customer_is_seen_on_it(store: Store) -> None:
    shop = Shop(store, settings=replace(SETTINGS, cookies=2))
    await shop.post_each(*(event(n, n * HOUR, cookie=f"c{n}", customer="A") for n in range(3)))
    (retired,) = await shop.post(event(5, 3 * HOUR, cookie="c0"))
    (again,) = await shop.post(event(6, 4 * HOUR, cookie="c0", customer="A"))
    assert str(retired.decision) == "anonymous:cookie_retired"
    assert str(again.decision) == "created:after_retirement"
    assert await shop.owners("c0") == [(A, 0, 2 * HOUR), (A, 4 * HOUR, 4 * HOUR + AGE)]
    assert [link.why for link in await shop.links("c1")] == ["limit"]


@pytest.mark.parametrize(("before", "reason"), [(AGE, "back_stitched"), (AGE + 1, "no_link")])
async def test_25_a_link_reaches_back_as_far_as_the_window_and_not_a_millisecond_further(
    shop: Shop, before: int, reason: str
) -> None:
    await shop.post(event(1, 0, customer="A"))
    (stitched,) = await shop.post(event(2, -before))
    assert str(stitched.decision) == f"anonymous:{reason}"
    (link,) = await shop.links()
    assert link.reaches_back == link.start - SETTINGS.back_stitch_ms


async def test_25_a_link_never_reaches_back_across_the_one_before_it(shop: Shop) -> None:
    await shop.post(event(1, 0, customer="A"), event(2, AGE + DAY, customer="B"))
    stitched = await shop.post(event(3, AGE), event(4, AGE + 1))
    assert words(stitched) == ["linked:inside_link", "anonymous:back_stitched"]
    assert [link.reaches_back - NOON for link in await shop.links()] == [-SETTINGS.back_stitch_ms, AGE]


async def test_25_how_far_back_is_a_setting_of_the_site(store: Store) -> None:
    shop = Shop(store, settings=replace(SETTINGS, back_stitch_ms=HOUR))
    await shop.post(event(1, 0, customer="A"))
    stitched = await shop.post(event(2, -HOUR), event(3, -HOUR - 1))
    assert words(stitched) == ["anonymous:back_stitched", "anonymous:no_link"]


async def test_34_who_returns_after_the_link_age_is_anonymous_until_he_logs_in(shop: Shop) -> None:
    stitched = await shop.post_each(
        event(1, 0, customer="A"),
        event(2, AGE + 1),
        event(3, AGE + HOUR, customer="A"),
        event(4, AGE + 2 * HOUR),
    )
    assert words(stitched)[1:] == ["anonymous:link_ended", "created:after_silence", "linked:inside_link"]
    assert await shop.owners() == [(A, 0, AGE), (A, AGE + HOUR, 2 * AGE + HOUR)]


async def test_35_under_a_stricter_rule_what_was_seen_stays_and_is_read_by_the_new_one(store: Store) -> None:
    await Shop(store).post(event(1, 0, customer="A"), event(2, 20 * DAY))
    strict = Shop(store, settings=replace(SETTINGS, link_age_ms=10 * DAY))
    (stitched,) = await strict.post(event(3, 21 * DAY))
    assert str(stitched.decision) == "anonymous:link_ended"
    assert await strict.owners() == [(A, 0, 10 * DAY)]
    assert await Shop(store).owners() == [(A, 0, AGE)]


# Late knowledge.


async def test_10_what_may_have_been_sent_otherwise_is_counted_and_audited(shop: Shop) -> None:
    before = counted("gateway_identity_late_total", site="shop")
    await shop.post(event(1, HOUR))
    await shop.post(event(2, 0, kind="CustomerData", customer="A", late=26 * HOUR))
    assert counted("gateway_identity_late_total", site="shop") == before + 1
    trail = (await look_up_cookie(shop.store, "shop", "C", SETTINGS)).trail
    assert [(entry.word, entry.reason, entry.type) for entry in trail] == [
        ("late", "first_owner", "CustomerData"),
        ("linked", "first_owner", "CustomerData"),
    ]


async def test_10_an_older_login_after_a_newer_one_is_late_and_the_links_are_as_in_order(shop: Shop) -> None:
    before = counted("gateway_identity_late_total", site="shop")
    await shop.post(event(2, 2 * HOUR, customer="B"))
    await shop.post(event(1, HOUR, customer="A"))
    assert counted("gateway_identity_late_total", site="shop") == before + 1
    assert await shop.owners() == [(A, HOUR, 2 * HOUR), (B, 2 * HOUR, 2 * HOUR + AGE)]


async def test_10_in_order_and_in_time_nothing_is_late(shop: Shop) -> None:
    before = counted("gateway_identity_late_total", site="shop")
    await shop.post(event(1, 0, customer="A"), event(2, 1, customer="B"))
    await shop.post(event(3, 2, customer="A"), logout(4, 3), event(5, 4, customer="A"))
    assert counted("gateway_identity_late_total", site="shop") == before


async def test_a_day_of_one_customer_fills_in_the_contact_he_was_last_seen_with(shop: Shop) -> None:
    await shop.post_each(
        event(1, 0, customer="A", email="old@x.ua"),
        event(2, 2 * DAY, customer="A", email="new@x.ua"),
        event(3, 3 * DAY, customer="A", email="old@x.ua"),
    )
    assert info((await shop.post(event(4, 3 * DAY + 1)))[0])["user_email"] == "old@x.ua"


async def test_14_a_family_that_shares_its_email_in_every_event_fills_no_trail(shop: Shop) -> None:
    await shop.post(event(1, 0, cookie="hers", customer="A", email="family@x.ua"))
    his = [event(10 + n, n * HOUR, cookie="his", customer="B", email="family@x.ua") for n in range(1, 40)]
    await shop.post_each(*his)
    trail = (await look_up_person(shop.store, "shop", B, SETTINGS)).trail
    days = {one.occurred_at // DAY for one in his}
    assert [entry.word for entry in trail].count("set_aside") == len(days)
