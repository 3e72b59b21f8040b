import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Site
from gateway.ingest.auth import Keys, presented
from gateway.ingest.problem import Problem

SITES = [
    Site(id="one", keys=["key-one", "key-one-new"]),
    Site(id="two", keys=["key:with:colons", "ключ-два"]),
]
KEYS = Keys({site.id: site.keys for site in SITES})


def basic(user: str, key: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()}


@pytest.mark.parametrize("user", ["", "user", "anyvalue"])
def test_basic_takes_any_user_and_the_key_as_password(user):
    assert KEYS.holder(basic(user, "key-one")) == "one"
    assert KEYS.holder(basic(user, "key:with:colons")) == "two"
    assert KEYS.holder(basic(user, "ключ-два")) == "two"


@pytest.mark.parametrize("header", ["Bearer key-one", "bearer  key-one "])
def test_a_bearer_token_is_a_key(header):
    assert KEYS.holder({"Authorization": header}) == "one"


def test_x_api_key_is_a_key_and_wins():
    assert KEYS.holder({"X-Api-Key": "key-one-new", **basic("user", "key:with:colons")}) == "one"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Digest abc"}, {"Authorization": "Basic a"}])
def test_without_a_readable_key_the_answer_says_how_to_present_one(headers):
    with pytest.raises(Problem) as refused:
        KEYS.holder(headers)
    assert (refused.value.status, refused.value.code) == (401, "key_missing")
    assert "Basic" in refused.value.headers["WWW-Authenticate"]


@pytest.mark.parametrize("key", ["", "key-on", "key-one ", "KEY-ONE", "key-two"])
def test_a_key_of_nobody_is_a_401(key):
    with pytest.raises(Problem) as refused:
        KEYS.holder(basic("user", key))
    assert (refused.value.status, refused.value.code) == (401, "key_unknown")


@given(st.text(), st.sampled_from(["", "Basic ", "Bearer "]))
def test_no_header_breaks_the_check(text, scheme):
    presented({"Authorization": scheme + text})
    presented({"X-Api-Key": text})
