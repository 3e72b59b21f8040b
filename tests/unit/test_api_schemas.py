"""The contract of eSputnik's API: every example is judged as its folder says, and names as eSputnik does."""

import json
import re
from pathlib import Path

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.calls import ApiCall
from gateway.validation import Catalogue, Refused
from gateway.validation.api_values import API_REPAIRS
from gateway.validation.calls import CallJudge, Taken
from gateway.validation.names import is_first_name, is_name
from gateway.validation.statuses import MAPS, STATUSES, status_map

SCHEMAS = Path(__file__).parents[2] / "schemas" / "api"
CATALOGUE = Catalogue("api")


def judge(call: str, body: object, strict: bool = False, **statuses: str) -> Taken | Refused:
    judge = CallJudge(CATALOGUE, "UA", strict, frozenset(), status_map("woocommerce", statuses))
    return judge.judge(ApiCall(call), body)


def examples(kind: str):
    paths = sorted(SCHEMAS.glob(f"*/{kind}/*.json"))
    return [pytest.param(path, id=f"{path.parts[-3]}/{path.stem}") for path in paths]


def codes(verdict: Taken | Refused) -> list[tuple[str, str]]:
    findings = verdict.errors if isinstance(verdict, Refused) else verdict.warnings
    return [(finding.pointer, finding.code) for finding in findings]


def test_every_call_has_a_schema_and_examples_and_no_event_is_among_them():
    assert set(CATALOGUE.names) == set(ApiCall)
    assert not set(CATALOGUE.names) & set(Catalogue().names)
    for name in CATALOGUE.names:
        for kind in ("accepted", "refused"):
            assert len(list((SCHEMAS / name / kind).glob("*.json"))) >= 2, name


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("**/*schema.json")), ids=str)
def test_a_schema_file_is_json_schema_2020_12_and_can_be_used_where_it_stands(path):
    schema = json.loads(path.read_text())
    jsonschema_rs.meta.validate(schema)
    validator = jsonschema_rs.Draft202012Validator(schema, base_uri=path.as_uri())
    assert not validator.is_valid([])


def test_every_repair_is_one_that_a_schema_names():
    text = json.dumps([CATALOGUE.schema(name) for name in CATALOGUE.names])
    assert set(API_REPAIRS) <= set(re.findall(r'"x-repair": "(\w+)"', text))


@pytest.mark.parametrize("path", examples("accepted"))
def test_an_accepted_call_is_accepted(path):
    verdict = judge(path.parts[-3], orjson.loads(path.read_bytes()))
    assert isinstance(verdict, Taken), verdict
    assert verdict.parts
    assert not verdict.bad_orders


@pytest.mark.parametrize("path", [p for p in examples("accepted") if "/documented" in p.id])
def test_a_documented_call_goes_on_as_it_is_even_where_warnings_refuse(path):
    body = orjson.loads(path.read_bytes())
    verdict = judge(path.parts[-3], body, strict=True)
    assert isinstance(verdict, Taken), verdict
    sent = [part.body for part in verdict.parts]
    assert sent == (body["orders"] if path.parts[-3] == "AddOrders" else [body])


@pytest.mark.parametrize("path", examples("refused"))
def test_a_refused_call_is_refused_with_the_codes_and_places_that_it_says(path):
    example = orjson.loads(path.read_bytes())
    verdict = judge(path.parts[-3], example["body"])
    assert isinstance(verdict, Refused)
    assert sorted(codes(verdict)) == sorted((e["pointer"], e["code"]) for e in example["errors"])


@pytest.mark.parametrize(
    ("call", "body", "says"),
    [
        ("AddContacts", {"contacts": [{"externalCustomerId": "1"}] * 3001}, "3001 elements .* 3000"),
        ("AddOrders", {"orders": [{}] * 1001}, "1001 elements .* 1000"),
        ("AddPastEvents", {"events": [{"eventTypeKey": "a", "occurred": "2026-01-01"}] * 501}, "501 .* 500"),
        ("GenerateEvent", {"eventTypeKey": "a", "params": [{"name": "p", "value": "x" * 21000}]}, "20480"),
        ("GenerateEvent", {"eventTypeKey": "a;b", "keyValue": "k"}, "does not match"),
        ("DeleteOrders", {"from": "2026-11-24T00:00:00Z", "to": "2026-11-25T01:00:00Z"}, "24 hours"),
        ("AttachContacts", {"contactIds": list(range(501))}, "501 elements .* 500"),
        ("DetachContacts", {}, "empties the list"),
    ],
)
def test_a_documented_limit_is_refused_by_name(call, body, says):
    verdict = judge(call, body)
    assert isinstance(verdict, Refused)
    assert re.search(says, verdict.errors[0].message)


def test_what_woocommerce_sends_is_repaired_with_warnings():
    path = SCHEMAS / "AddOrders" / "accepted" / "woocommerce.json"
    verdict = judge("AddOrders", orjson.loads(path.read_bytes()))
    order = verdict.parts[0].body
    assert (order["source"], order["totalCost"], order["externalCustomerId"]) == ("online", 899.5, "42")
    assert order["date"] == "2026-11-25T10:11:10.123456"
    assert not {"shipping", "email"} & set(order)
    assert ("/orders/0/source", "source_replaced") in codes(verdict)
    assert ("/orders/0/date", "date_reformatted") in codes(verdict)


def test_one_bad_order_does_not_hold_up_the_others():
    good = orjson.loads((SCHEMAS / "AddOrders" / "accepted" / "documented.json").read_bytes())["orders"][0]
    nobody = {**good, "externalOrderId": "1002", "externalCustomerId": "", "email": "", "phone": ""}
    verdict = judge("AddOrders", {"orders": [good, nobody, 5]})
    assert isinstance(verdict, Taken)
    assert [part.body["externalOrderId"] for part in verdict.parts] == ["1001"]
    assert [(bad.order_id, bad.errors[0].pointer) for bad in verdict.bad_orders] == [
        ("1002", "/orders/1"),
        ("", "/orders/2"),
    ]


def test_a_past_event_happened_at_a_minute():
    past = {"eventTypeKey": "a", "keyValue": "k", "occurred": "2026-01-01 10:00:30"}
    verdict = judge("AddPastEvents", {"events": [past]})
    assert verdict.parts[0].body["events"][0]["occurred"] == "2026-01-01T10:00"
    assert codes(verdict) == [("/events/0/occurred", "date_reformatted")]
    late = judge("AddPastEvents", {"events": [{**past, "occurred": "2026-01-01T10:00+02:00"}]})
    assert codes(late) == [("/events/0/occurred", "pattern")]


@pytest.mark.parametrize("status", ["processing", "wc-processing", " Processing ", "WC-PROCESSING"])
def test_a_store_status_is_written_as_one_of_esputnik_whatever_its_spelling(status):
    order = {"externalOrderId": 1, "email": "o@example.com", "totalCost": 1, "date": "2026-01-01"}
    verdict = judge("AddOrders", {"orders": [{**order, "status": status}]})
    assert verdict.parts[0].body["status"] == "IN_PROGRESS"
    own = judge("AddOrders", {"orders": [{**order, "status": status}]}, processing="DELIVERED")
    assert own.parts[0].body["status"] == "DELIVERED"


def test_an_unknown_status_is_a_new_order_with_a_warning():
    order = {"externalOrderId": "1", "email": "o@example.com", "totalCost": 1, "date": "2026-01-01"}
    verdict = judge("AddOrders", {"orders": [{**order, "status": "on its way"}]})
    assert verdict.parts[0].body["status"] == "INITIALIZED"
    assert codes(verdict) == [("/orders/0/status", "status_unknown")]


def test_every_ready_map_ends_in_statuses_of_esputnik():
    assert set(MAPS) == {"shopify", "woocommerce", "opencart", "magento", "prestashop"}
    for words in MAPS.values():
        assert set(words.values()) <= STATUSES


@pytest.mark.parametrize("value", ["", "null", "0", "guest", None])
def test_a_customer_id_that_stands_for_nobody_makes_no_contact_of_many_people(value):
    body = {"externalCustomerId": value, "channels": [{"type": "email", "value": "O@Example.com"}]}
    verdict = judge("AddContact", body)
    assert "externalCustomerId" not in verdict.parts[0].body
    assert verdict.parts[0].identity.email == "o@example.com"
    assert body["externalCustomerId"] == value


def test_who_an_event_is_about_is_read_from_its_parameters():
    params = [{"name": "ExternalCustomerId", "value": 42}, {"name": "SMS", "value": "0501234567"}]
    verdict = judge("GenerateEvent", {"eventTypeKey": "a", "keyValue": "o@example.com", "params": params})
    assert verdict.parts[0].identity == (None, "42", "o@example.com", "+380501234567")
    assert judge("GenerateEventV3", {"eventTypeKey": "a", "params": {"email": "o@example.com"}}).parts[
        0
    ].identity == (None, None, "o@example.com", None)


@pytest.mark.parametrize(
    "name",
    [
        "Олександр",
        "Назар",
        "Петр",
        "О'Коннор",
        "Д’Артаньян",
        "Анна-Марія",
        "Anna - Maria",
        "Jr. Smith",
        "Ян",
        "Я",
    ]
    + ["Карл 5", "नरेन्द्र", "José", "李小龙"],
)
def test_a_name_of_any_alphabet_is_a_name(name):
    assert is_name(name)
    assert is_first_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "12",
        "---",
        "a1234",
        "A" * 41,
        "'Anna",
        "Anna'",
        "-Anna",
        "Anna-",
        "Anna Lee -",
        "Anna.",
        "A!na",
        "a@b.c",
    ],
)
def test_what_esputnik_would_not_take_is_no_name(name):
    assert not is_name(name)


def test_a_first_name_has_three_long_words_and_three_short_ones_at_most():
    assert is_first_name("Maria Anna Luisa de la Cr")
    assert not is_first_name("Maria Anna Luisa Rosa")
    assert not is_first_name("de la de la")
    assert is_name("Maria Anna Luisa Rosa de la de la")


@given(st.text())
def test_any_text_is_a_name_or_is_not(text):
    assert is_name(text) in (True, False)
    assert not is_first_name(text) or is_name(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["contacts", "orders", "events", "params", "name", "value", "channels"]
                + ["type", "externalCustomerId", "emails", "keyValue", "eventTypeKey", "status", "items"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(list(ApiCall)), json_values)
def test_whatever_json_comes_has_a_verdict(call, body):
    before = orjson.dumps(body)
    assert isinstance(judge(call, body), Taken | Refused)
    assert orjson.dumps(body) == before
