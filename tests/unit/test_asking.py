"""Whom recommendations are asked for, and what eSputnik's answers are worth."""

import pytest

from gateway.esputnik.client import Passed
from gateway.relay.asking import COOKIE, CUSTOMER, Asked, asked, read

PATH = "v2/contacts/recoms/7"


def of(query: str, *blocked: str) -> Asked:
    wanted = asked(PATH, query, frozenset(blocked))
    assert wanted is not None
    return wanted


def test_a_question_has_one_identifier_and_everything_else_as_it_came():
    wanted = of("a=%D0%B9&webId=c%201&b&externalCustomerId=42&a=+2&=&")
    assert wanted.of(CUSTOMER, "4 2&") == f"{PATH}?a=%D0%B9&b&a=+2&=&externalCustomerId=4%202%26"
    assert wanted.of(COOKIE, "c 1") == f"{PATH}?a=%D0%B9&b&a=+2&=&webId=c%201"
    assert (wanted.customer, wanted.cookie) == ("42", "c 1")
    assert of("webId=c").of(COOKIE, "c") == f"{PATH}?webId=c"


@pytest.mark.parametrize("query", ["contactId=5", "email=o%40x.ua&a=1", "webId=c&phone=%2B380501234567"])
def test_a_query_that_names_a_contact_goes_on_unchanged(query):
    assert of(query).whole == f"{PATH}?{query}"


@pytest.mark.parametrize(
    ("query", "customer", "cookie"),
    [
        ("webI=c", None, "c"),
        ("webI=a&webId=b", None, "b"),
        ("webId=&webId=b", None, "b"),
        ("externalCustomerId=guest&webId=c", None, "c"),
        ("externalCustomerId=Nobody", None, None),
        ("externalCustomerId=+42+", "42", None),
        ("web%49d=c", None, "c"),
        ("products=5&webId=", None, None),
        ("email=%20", None, None),
    ],
)
def test_what_names_nobody_is_not_asked_for(query, customer, cookie):
    wanted = of(query, "nobody")
    assert (wanted.customer, wanted.cookie, wanted.whole) == (customer, cookie, "")


@pytest.mark.parametrize("query", ["", "products=5", "webid=c"])
def test_a_query_without_an_identifier_asks_nothing(query):
    assert asked(PATH, query, frozenset()) is None


LISTS = [
    (200, b'[ {"id": "1"},{"id": "2"} ]', "answered", b'[ {"id": "1"},{"id": "2"} ]'),
    (200, b' {"id": "1", "price": 1.50}\n', "answered", b'[{"id": "1", "price": 1.50}]'),
]
EMPTY = [
    (200, b"[]", "nothing_found"),
    (200, b" null ", "nothing_found"),
    (200, b"{}", "nothing_found"),
    (204, b"", "nothing_found"),
    (400, b"no such data source", "refused"),
    (404, b"", "refused"),
    (200, b'{"errors": ["no"]}', "refused"),
    (401, b"", "key_refused"),
    (429, b"", "limited"),
    (500, b"[1]", "unavailable"),
    (302, b"", "unavailable"),
    (200, b"<html>", "unavailable"),
    (200, b"a sentence", "unavailable"),
    (200, b"5", "unavailable"),
]


@pytest.mark.parametrize(
    ("status", "body", "outcome", "products"), [*LISTS, *((*one, b"[]") for one in EMPTY)]
)
def test_whatever_esputnik_says_a_page_gets_a_list(status, body, outcome, products):
    assert read(Passed(status, {}, body)) == (outcome, products)
