"""Rule 1 of identity: normalise, then screen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import identifiers
from gateway.identifiers import BLANKS, LONGEST, blocked_values, cookie, customer, email, phone, text_of

NOBODY = [
    "",
    " ",
    "\ufeff",
    "null",
    "none",
    "undefined",
    "NaN",
    "0",
    "-1",
    "true",
    "false",
    "guest",
    "anonymous",
]
NOBODY += ["not_authenticated", "[object Object]", "id", "email", "000", "-", "0-0-0", "---", "\u200b"]
NOBODY += ["00000000-0000-0000-0000-000000000000"]


def written_in_many_ways(value: str) -> list[str]:
    return [
        value,
        value.upper(),
        value.title(),
        f" {value}\n",
        f'"{value}"',
        f"'{value}'",
        f"«{value}»",
        f"' {value} '",
    ]


@pytest.mark.parametrize("value", NOBODY)
def test_a_value_for_nobody_names_nobody_in_any_case_and_quotes(value):
    for written in written_in_many_ways(value):
        assert cookie(written) is None
        assert customer(written) is None
        assert email(written) is None
        assert phone(written, "UA") is None


@pytest.mark.parametrize("value", ["Test User", "  'TEST USER' ", "test user"])
def test_a_sites_own_list_blocks_in_any_case_and_quotes(value):
    blocked = blocked_values(["Test User", "+380440000001", "shop@example.com"])
    assert customer(value, blocked) is None
    assert customer(value) is not None
    assert email("Shop@Example.com", blocked) is None
    assert phone("044 000-00-01", "UA", blocked) is None


@pytest.mark.parametrize(
    ("raw", "text"), [(42, "42"), ("42", "42"), (42.0, "42"), (" 42 ", "42"), (2**63, str(2**63)), (-7, "-7")]
)
def test_an_id_is_the_same_as_number_and_as_text(raw, text):
    assert text_of(raw) == text
    assert customer(raw) == text


@pytest.mark.parametrize(
    "raw", [True, False, None, 4.5, 1e300, float("nan"), float("inf"), [], {}, ["42"], b"42"]
)
def test_what_is_no_text_and_no_whole_number_is_no_id(raw):
    assert text_of(raw) is None
    assert cookie(raw) is None
    assert email(raw) is None
    assert phone(raw, "UA") is None


def test_composed_and_decomposed_letters_are_one_id():
    assert customer("Zoe\u0308") == customer("Zo\u00eb") == "Zo\u00eb"


def test_letters_that_only_look_alike_stay_different_ids():
    assert customer("anna") != customer("\u0430nna")
    assert customer("\u0430nna") == "\u0430nna"


@pytest.mark.parametrize("mark", ["\u200f", "\u202e", "\u200b", "\x00", "\n", "\x7f", "\u00ad", "\ue000"])
def test_an_id_with_characters_that_cannot_be_seen_names_nobody(mark):
    assert cookie(f"ab{mark}cd") is None
    assert email(f"ab{mark}@shop.example") is None


def test_an_id_of_300_characters_is_one_and_of_301_is_none():
    assert cookie("x" * LONGEST) == "x" * LONGEST
    assert cookie("x" * (LONGEST + 1)) is None
    assert email("x" * LONGEST + "@shop.example") is None
    assert phone("5" * (LONGEST + 1), "UA") is None


@pytest.mark.parametrize("raw", ["Olena@Shop.Example", " olena@shop.example ", "OLENA@SHOP.EXAMPLE"])
def test_letter_case_and_blanks_make_no_other_email(raw):
    assert email(raw) == "olena@shop.example"


@pytest.mark.parametrize(
    "raw", ["olena", "olena@", "@shop.example", "olena@shop", "a b@shop.example", "a@b@c.d", "a@b."]
)
def test_what_is_no_address_is_no_email(raw):
    assert email(raw) is None


@pytest.mark.parametrize(
    "raw",
    ["380501234567", 380501234567, "+380501234567", "+38 (050) 123-45-67", "0501234567", "050 123 45 67"]
    + ["00380501234567", "+380 (0)50 123 45 67", "(050)1234567", " 050-123-45-67 ", 501234567],
)
def test_all_ways_to_write_one_phone_meet(raw):
    assert phone(raw, "UA") == "+380501234567"


def test_a_foreign_number_needs_no_plus():
    assert phone("1-541-754-3010", "UA") == "+15417543010"
    assert phone("5417543010", "US") == "+15417543010"


@pytest.mark.parametrize(
    "raw",
    ["call me", "123", "+", "+0501234567", "123456789", "+38 (000) 000-00-00", "+380000000000", "0000000000"],
)
def test_what_no_numbering_plan_knows_is_no_phone(raw):
    assert phone(raw, "UA") is None


@given(st.text(max_size=40) | st.text("+0123456789-() ", max_size=20) | st.integers() | st.floats())
def test_normalising_twice_changes_nothing(raw):
    for screen in (cookie, email, lambda raw: phone(raw, "UA")):
        once = screen(raw)
        assert once is None or (screen(once) == once and once.strip(BLANKS) == once)


def test_cookie_and_customer_follow_one_rule():
    assert identifiers.customer is identifiers.cookie
