"""From what a backend posts to whose it is: what ingest lets into identity, and what it keeps out."""

import pytest

from gateway.identifiers import WELL_KNOWN
from tests.contracts.shop import NOON, Counter, Shop, customers, info, posted, words

MINUTE = 60_000
BLOCKED = sorted(WELL_KNOWN) + ["0", "000", "---", "00000000-0000-0000-0000-000000000000", "", "  "]


async def test_11_an_event_from_the_future_counts_from_five_minutes_ahead_at_the_most(shop: Shop) -> None:
    counter = Counter()
    login = counter.take(posted(48 * 60 * MINUTE, externalCustomerId="A"))
    assert counter.warnings() == ["datetime_in_future"]
    await shop.post(*login)
    (link,) = await shop.links()
    assert link.start == NOON + 5 * MINUTE


async def test_11_seconds_and_microseconds_are_the_same_moment_as_milliseconds(shop: Shop) -> None:
    for number, written in enumerate((NOON // 1000, NOON, NOON * 1000)):
        login = posted(cookie=f"c{number}", externalCustomerId="A")
        login["GeneralInfo"]["datetime"] = written
        await shop.post(*Counter().take(login))
    assert {(await shop.links(f"c{number}"))[0].start for number in range(3)} == {NOON}


@pytest.mark.parametrize("written", [0, -1, 1, 86_400_000, "1970-01-01T00:00:00Z", 4_102_444_800_001])
async def test_11_1970_and_2100_are_no_times_and_the_event_counts_from_its_arrival(
    shop: Shop, written: object
) -> None:
    counter = Counter()
    login = posted(externalCustomerId="A")
    login["GeneralInfo"]["datetime"] = written
    await shop.post(*counter.take(login))
    assert counter.warnings() == ["datetime_replaced"]
    assert [link.start for link in await shop.links()] == [NOON]


async def test_12_no_blocked_value_links_anybody_in_any_case_or_quotes(shop: Shop) -> None:
    counter = Counter(blocked_ids=["walk-in"])
    spellings = [
        text
        for value in [*BLOCKED, "walk-in"]
        for text in (value, value.upper(), f"'{value}'", f' "{value}" ')
    ]
    for number, text in enumerate(spellings):
        records = counter.take(
            posted(number, cookie=f"c{number}", externalCustomerId=text),
            posted(number, cookie=f"c{number}", user_email=text),
            posted(number, cookie=f"c{number}", user_phone=text),
            posted(number, cookie=text, externalCustomerId="A"),
        )
        assert [(one.customer, one.email, one.phone) for one in records[:3]] == [(None,) * 3] * 3, text
        assert records[3].cookie is None, text
        stitched = await shop.post(*records)
        assert words(stitched)[:3] == ["anonymous:no_link"] * 3, text
        assert await shop.links(f"c{number}") == [], text


async def test_12_a_blocked_value_stays_in_the_event_with_a_warning(shop: Shop) -> None:
    counter = Counter()
    stitched = await shop.post(*counter.take(posted(externalCustomerId="guest", user_email="null")))
    assert sorted(counter.warnings()) == ["identifier_blocked", "identifier_blocked"]
    assert info(stitched[0])["externalCustomerId"] == "guest"


@pytest.mark.parametrize(
    ("field", "spellings"),
    [
        ("user_email", ["Olena@Example.COM", " olena@example.com ", "OLENA@EXAMPLE.COM"]),
        ("user_phone", ["+38 (050) 123-45-67", "0501234567", "380501234567", 380501234567]),
    ],
)
async def test_13_every_spelling_of_an_email_and_of_a_phone_is_one_owner(
    shop: Shop, field: str, spellings: list[object]
) -> None:
    for number, text in enumerate(spellings):
        await shop.post(*Counter().take(posted(number, cookie=f"c{number}", **{field: text})))
    owners = {(await shop.links(f"c{number}"))[0].owner for number in range(len(spellings))}
    assert len(owners) == 1


async def test_30_a_purchase_with_an_email_alone_is_kept_under_that_email(shop: Shop) -> None:
    purchase = posted(kind="PurchasedItems", cookie=None, user_email="guest@x.ua")
    purchase["PurchasedItems"] = {"OrderNumber": "1", "GUID": "8a1f7c0e-5d41-4a53-9a50-0d6fb1a3e001"}
    (stitched,) = await shop.post(*Counter().take(purchase))
    assert stitched.record is not None
    assert str(stitched.decision) == "kept:no_open_link"
    assert stitched.record.lane == "shop/contact/guest@x.ua"


async def test_32_a_customer_id_as_number_and_as_text_is_one_customer(shop: Shop) -> None:
    for number, customer in enumerate([42, "42", 42.0, " 42 "]):
        await shop.post(*Counter().take(posted(number, externalCustomerId=customer)))
    links = await shop.links()
    assert [link.owner for link in links] == ["customer/42"]


async def test_33_letters_that_only_look_alike_are_two_customers(shop: Shop) -> None:
    latin, cyrillic = "Copo", "Соро"
    await shop.post(*Counter().take(posted(1, externalCustomerId=latin)))
    await shop.post(*Counter().take(posted(2, externalCustomerId=cyrillic)))
    assert [link.owner for link in await shop.links()] == [f"customer/{latin}", f"customer/{cyrillic}"]


@pytest.mark.parametrize(
    ("value", "warning"),
    [
        ("4" * 301, "identifier_too_long"),
        ("42\u202e", "identifier_unprintable"),
        ("4\u200b2", "identifier_unprintable"),
        ("4\u00002", "identifier_unprintable"),
    ],
)
async def test_33_an_id_that_cannot_be_compared_safely_links_nobody_and_says_why(
    shop: Shop, value: str, warning: str
) -> None:
    for field in ("externalCustomerId", "cookie"):
        counter = Counter()
        event = posted(**{field: value}) if field == "cookie" else posted(externalCustomerId=value)
        await shop.post(*counter.take(event))
        assert warning in counter.warnings()
    assert await shop.links() == []


@pytest.mark.parametrize("value", [["42"], {"id": 42}, 4.5, True])
async def test_what_is_no_identifier_at_all_is_refused_with_its_place(shop: Shop, value: object) -> None:
    counter = Counter()
    assert counter.take(posted(externalCustomerId=value)) == []
    (result,) = counter.results
    assert result["status"] == "refused"
    assert [error.pointer for error in result["errors"]] == ["/GeneralInfo/externalCustomerId"]


async def test_a_logout_is_accepted_and_ends_the_link(shop: Shop) -> None:
    counter = Counter(strict=True)
    records = counter.take(posted(0, externalCustomerId="A"), posted(1, kind="Logout"), posted(2))
    assert counter.warnings() == []
    stitched = await shop.post(*records)
    assert customers(stitched) == ["A", None, None]
    assert words(stitched)[1:] == ["dropped:logout", "anonymous:logged_out"]
