"""What eSputnik's answers mean, each quirk as the official clients met it."""

from email.utils import formatdate
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from gateway.esputnik.answers import (
    RETRY_AFTER_LIMIT,
    SAID_CHARACTERS,
    Answer,
    classify,
    elements,
    number,
    retry_after,
    whole_number,
    words,
)
from gateway.esputnik.errors import EsputnikError, KeyRefused, RateLimited, Refused, Repeated, Unavailable

NOW = 1_760_000_000.0


def answer(status: int, body: Any = b"", **headers: str) -> Answer | EsputnikError:
    names = CIMultiDict((name.replace("_", "-"), value) for name, value in headers.items())
    return classify(status, names, body if isinstance(body, bytes) else orjson.dumps(body), NOW)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 207])
@pytest.mark.parametrize(
    "body", [b"", b"{}", b"OK", b"Contact is deleted", b'{"id":"95064156"}', b"\xff\xfe"]
)
def test_any_2xx_is_a_success_whatever_its_form(status: int, body: bytes) -> None:
    assert answer(status, body) == Answer(status, body)


@pytest.mark.parametrize(
    "body",
    [
        {"errors": {"domain": "shop.example", "message": "Domain already exists"}},
        {"errors": [{"message": "Domain already exists"}]},
        {"errorMessage": "Domain already exists", "id": 0},
    ],
)
def test_a_200_with_errors_is_a_refusal(body: Any) -> None:
    refusal = answer(200, body)
    assert type(refusal) is Refused
    assert (refusal.status, refusal.said) == (200, "Domain already exists")


@pytest.mark.parametrize("body", [b"<!DOCTYPE html><html>", b"\n <html lang=en><body>Sign in</body></html>"])
def test_a_web_page_is_no_answer_and_sent_again(body: bytes) -> None:
    problem = answer(200, body)
    assert type(problem) is Unavailable
    assert "Sign in" not in str(problem)


@pytest.mark.parametrize("body", [{"errors": []}, {"errors": None}, {"errorMessage": ""}, [{"errors": 1}]])
def test_a_200_with_empty_errors_is_a_success(body: Any) -> None:
    assert isinstance(answer(200, body), Answer)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, Refused) for status in (400, 402, 403, 404, 405, 406, 413, 415, 422, 451)),
        *((status, Unavailable) for status in (301, 302, 304, 307, 408, 421, 425, 500, 502, 503, 504, 520)),
        (401, KeyRefused),
        (409, Repeated),
        (429, RateLimited),
    ],
)
def test_a_status_tells_what_to_do_next(status: int, kind: type[EsputnikError]) -> None:
    problem = answer(status, b"no")
    assert type(problem) is kind
    assert problem.status == status
    assert problem.said == "no"


def test_what_esputnik_said_never_stands_in_the_message() -> None:
    problem = answer(400, {"message": "anna@example.com is unsubscribed"})
    assert isinstance(problem, Refused)
    assert "anna" not in f"{problem} {problem!r} {problem.args}"
    assert "anna" in problem.said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", ""),
        (b"{}", "{}"),
        (b"Required parameters are missing", "Required parameters are missing"),
        (b'{"message": "bad phone"}', "bad phone"),
        (b'{"status": 400, "error": "Bad Request", "path": "/api/v1/contact"}', "Bad Request"),
        (b'{"errors": {"message": "one, bare"}}', "one, bare"),
        (b'{"errors": [{"message": "one"}, "two"]}', "one; two"),
        (b'Wrong event: ["a", "b"]', 'Wrong event: ["a", "b"]'),
        (b"\xff", "\ufffd"),
    ],
)
def test_the_words_are_found_in_every_form_of_body(body: bytes, said: str) -> None:
    assert words(body) == said


def test_the_words_are_bounded() -> None:
    assert len(words(b"x" * 65536)) == SAID_CHARACTERS


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("7", 7), (" 30 ", 30), ("1.5", 1.5), ("-3", 0)])
def test_retry_after_is_read_as_seconds(text: str, seconds: float) -> None:
    assert retry_after({"Retry-After": text}, NOW) == seconds


def test_retry_after_is_read_as_a_date_against_our_clock() -> None:
    assert retry_after({"Retry-After": formatdate(NOW + 90, usegmt=True)}, NOW) == 90
    assert retry_after({"Retry-After": formatdate(NOW - 90, usegmt=True)}, NOW) == 0


def test_retry_after_is_read_as_a_date_against_the_answers_own_clock_where_it_has_one() -> None:
    headers = {
        "Retry-After": formatdate(NOW + 5000 + 20, usegmt=True),
        "Date": formatdate(NOW + 5000, usegmt=True),
    }
    assert retry_after(headers, NOW) == 20


@pytest.mark.parametrize("text", ["", "soon", "nan", "inf", "Mon, 99 Foo 2025"])
def test_a_retry_after_that_says_nothing_is_none(text: str) -> None:
    assert retry_after({"Retry-After": text}, NOW) is None


def test_no_answer_can_ask_for_more_than_an_hour() -> None:
    assert retry_after({"Retry-After": "99999999"}, NOW) == RETRY_AFTER_LIMIT


def test_waits_come_with_429_and_5xx() -> None:
    for status in (429, 503):
        problem = answer(status, b"", retry_after="12")
        assert isinstance(problem, RateLimited | Unavailable)
        assert problem.retry_after == 12


def test_a_list_of_one_comes_bare_and_is_a_list_all_the_same() -> None:
    assert elements({"a": 1}) == [{"a": 1}]
    assert elements([{"a": 1}]) == [{"a": 1}]
    assert elements(None) == []


def test_numbers_come_as_text() -> None:
    assert whole_number("95064156") == whole_number(95064156) == 95064156
    assert number("2.5") == number(2.5) == 2.5
    for nothing in ("x", "", None, True, [], {}):
        assert whole_number(nothing) is None
        assert number(nothing) is None


@given(
    st.integers(100, 599),
    st.binary(max_size=200) | st.from_regex(rb'\{"errors?":.{0,20}\}'),
    st.text(max_size=40),
    st.text(max_size=40),
)
def test_no_answer_whatever_is_a_crash(status: int, body: bytes, wait: str, date: str) -> None:
    outcome = classify(status, {"Retry-After": wait, "Date": date}, body, NOW)
    assert isinstance(outcome, Answer | EsputnikError)
