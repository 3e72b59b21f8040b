"""Whatever JSON comes: a verdict, and one that holds."""

import copy
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.validation import Accepted, Catalogue, Judge, Refused

NOW = 1_795_424_460_000
CATALOGUE = Catalogue()
LENIENT = Judge(CATALOGUE, ("demo-shop",), "UA", False, frozenset(), 300_000)
STRICT = Judge(CATALOGUE, ("demo-shop",), "UA", True, frozenset(), 300_000)
SCHEMAS = Path(__file__).parents[2] / "schemas"
EXAMPLES = [orjson.loads(path.read_bytes()) for path in sorted(SCHEMAS.glob("*/accepted/*.json"))]
EXAMPLES += [orjson.loads(path.read_bytes())["event"] for path in sorted(SCHEMAS.glob("*/refused/*.json"))]
REFUSALS = {"not_an_object", "schema_violation", "strict_mode", "unknown_event", "wrong_site"}
STAYING = {"email_unreadable", "phone_unreadable", "price_unreadable", "guid_not_uuid"}
STAYING |= {"identifier_blocked", "identifier_too_long", "identifier_unprintable"}
MARK = "Olena-Koval"

thorough = settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))

names = st.sampled_from(
    [
        "GeneralInfo",
        "eventName",
        "siteId",
        "datetime",
        "cookies",
        "sc",
        "externalCustomerId",
        "user_email",
        "Tags",
    ]
    + [
        "user_phone",
        "user_name",
        "GUID",
        "Products",
        "Product",
        "productKey",
        "product_id",
        "price",
        "quantity",
    ]
    + [
        "OrderNumber",
        "currency",
        "tag_a",
        "isInStock",
        "id",
        "sent_at",
        "webId",
        "orgId",
        "a/b~c",
        *CATALOGUE.names,
    ]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(
        ["", " ", "0", "null", "guest", "demo-shop", "404", "1 299,50 uah", "0501234567", "A@B.C"]
    )
    | st.sampled_from(
        [MARK, f" {MARK}", f"{MARK}@", "\u200f42", "x" * 301, NOW, NOW // 1000, str(NOW), *CATALOGUE.names]
    )
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(names | st.text(max_size=8), inner, max_size=5)
    ),
    max_leaves=12,
)


def places(value: Any, path: tuple[Any, ...] = ()):
    yield path
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, member in members:
        yield from places(member, (*path, key))


@st.composite
def broken_examples(draw: st.DrawFn) -> Any:
    event = copy.deepcopy(draw(st.sampled_from(EXAMPLES)))
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(list(places(event))))
        if not path:
            continue
        holder = event
        for part in path[:-1]:
            holder = holder[part]
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                holder[path[-1]] = draw(values)
            case "remove":
                del holder[path[-1]]
            case "add" if isinstance(holder, dict):
                holder[draw(names)] = draw(values)
    return event


def check(event: Any) -> None:
    posted = copy.deepcopy(event)
    verdict = LENIENT.judge(event, NOW)
    assert event == posted, "the event was changed"
    findings = verdict.errors if isinstance(verdict, Refused) else verdict.warnings
    assert not any(MARK in finding.message for finding in findings)
    assert verdict.type in {*CATALOGUE.names, "unknown"}
    strict = STRICT.judge(event, NOW)
    if isinstance(verdict, Refused):
        assert verdict.code in REFUSALS - {"strict_mode"}
        assert verdict.errors
        assert strict == verdict
        return
    assert isinstance(strict, Refused) == bool(verdict.warnings)
    check_accepted(verdict)


def check_accepted(verdict: Accepted) -> None:
    contract = CATALOGUE.contract(verdict.type)
    assert not contract.errors(verdict.event)
    assert orjson.loads(verdict.body) == verdict.event
    staying = [finding for finding in verdict.warnings if finding.code in STAYING]
    assert contract.is_valid(verdict.event) or staying
    again = LENIENT.judge(verdict.event, NOW)
    assert isinstance(again, Accepted)
    assert again.event == verdict.event
    assert {finding.code for finding in again.warnings} <= STAYING
    for attribute in ("type", "cookie", "customer", "email", "phone", "occurred_at"):
        assert getattr(again, attribute) == getattr(verdict, attribute)


@thorough
@given(values)
def test_any_json_has_a_verdict_that_holds(event):
    check(event)


@thorough
@given(broken_examples())
def test_an_example_broken_anywhere_has_a_verdict_that_holds(event):
    check(event)


@pytest.mark.parametrize("event", EXAMPLES)
def test_every_example_has_a_verdict_that_holds(event):
    check(event)
