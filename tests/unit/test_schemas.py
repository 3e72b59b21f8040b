"""The contract holds what it says: every schema is sound, and every example is judged as its folder says."""

import json
import re
from pathlib import Path

import jsonschema_rs
import orjson
import pytest

from gateway.event import LINK_MESSAGE
from gateway.validation import Accepted, Catalogue, Judge, Refused
from gateway.validation.messages import WARNINGS
from gateway.validation.values import REPAIRS

SCHEMAS = Path(__file__).parents[2] / "schemas"
NOW = 1_795_424_460_000
CATALOGUE = Catalogue()
EVENTS = {
    "PageView",
    "MainPage",
    "ProductPage",
    "CategoryPage",
    "StatusCart",
    "StatusCartPage",
    "PurchasedItems",
}
EVENTS |= {"CustomerData", "Logout", "SearchRequest", "AddToWishlist", "NotFound", "ProductImpression"}


def judge(strict: bool = False) -> Judge:
    return Judge(CATALOGUE, ("demo-shop",), "UA", strict, frozenset(), 300_000)


def examples(kind: str):
    paths = sorted(SCHEMAS.glob(f"*/{kind}/*.json"))
    return [pytest.param(path, id=f"{path.parts[-3]}/{path.stem}") for path in paths]


def test_the_catalogue_has_every_event_and_the_link_message():
    assert set(CATALOGUE.events) == EVENTS
    assert set(CATALOGUE.names) == EVENTS | {LINK_MESSAGE}
    assert CATALOGUE.schema("PageViewed") is None


@pytest.mark.parametrize(
    "path", sorted(SCHEMAS.glob("**/*schema.json")) + sorted(SCHEMAS.glob("*.json")), ids=str
)
def test_every_file_is_json_schema_2020_12(path):
    schema = json.loads(path.read_text())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema_rs.meta.validate(schema)


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_a_schema_file_can_be_used_where_it_stands(name):
    path = SCHEMAS / name / "schema.json"
    example = orjson.loads((SCHEMAS / name / "accepted" / "rest.json").read_bytes())
    validator = jsonschema_rs.Draft202012Validator(json.loads(path.read_text()), base_uri=path.as_uri())
    assert validator.is_valid(example)


@pytest.mark.parametrize("name", CATALOGUE.names)
def test_a_served_schema_is_complete_in_itself(name):
    schema = CATALOGUE.schema(name)
    for reference in re.findall(r'"\$ref": ?"([^"]+)"', json.dumps(schema)):
        assert reference.removeprefix("#/$defs/") in schema["$defs"]


def test_the_bundle_refers_to_nothing_outside_itself():
    bundled = CATALOGUE.bundled("#/components/schemas/")
    assert set(CATALOGUE.names) | {"GeneralInfo"} <= set(bundled)
    for reference in re.findall(r'"\$ref": ?"([^"]+)"', json.dumps(bundled)):
        assert reference.removeprefix("#/components/schemas/") in bundled
    assert "$schema" not in json.dumps(bundled)


def test_every_repair_and_warning_that_a_schema_names_is_there():
    text = json.dumps(CATALOGUE.bundled(""))
    assert set(re.findall(r'"x-repair": "(\w+)"', text)) == set(REPAIRS)
    tolerated = re.findall(r'"x-tolerated": (\{[^}]*\})', text)
    assert {code for codes in tolerated for code in json.loads(codes).values()} <= set(WARNINGS)


@pytest.mark.parametrize("name", CATALOGUE.names)
def test_every_type_has_accepted_and_refused_examples(name):
    for kind in ("accepted", "refused"):
        assert len(list((SCHEMAS / name / kind).glob("*.json"))) >= 2


@pytest.mark.parametrize("path", examples("accepted"))
def test_an_accepted_example_is_accepted_as_its_type(path):
    verdict = judge().judge(orjson.loads(path.read_bytes()), NOW)
    assert isinstance(verdict, Accepted)
    assert verdict.type == path.parts[-3]
    assert orjson.loads(verdict.body) == verdict.event


@pytest.mark.parametrize("path", [p for p in examples("accepted") if "/rest" in p.id])
def test_an_example_in_the_rest_form_goes_on_as_it_is_even_where_warnings_refuse(path):
    event = orjson.loads(path.read_bytes())
    verdict = judge(strict=True).judge(event, NOW)
    assert isinstance(verdict, Accepted)
    assert verdict.event == event
    assert jsonschema_rs.Draft202012Validator(CATALOGUE.schema(verdict.type)).is_valid(event)


@pytest.mark.parametrize("path", examples("refused"))
def test_a_refused_example_is_refused_with_the_code_and_places_that_it_says(path):
    example = orjson.loads(path.read_bytes())
    verdict = judge().judge(example["event"], NOW)
    assert isinstance(verdict, Refused)
    assert verdict.code == example["code"]
    found = sorted((error.pointer, error.code) for error in verdict.errors)
    assert found == sorted((error["pointer"], error["code"]) for error in example["errors"])


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("StatusCarts", "StatusCart"),
        ("statuscart", "StatusCart"),
        ("Purchase", "PurchasedItems"),
        ("Pageview", "PageView"),
    ]
    + [("cartStatus", "StatusCart"), ("Wishlist", "AddToWishlist"), ("customer_data", "CustomerData")],
)
def test_the_nearest_name_is_the_one_a_reader_would_say(wrong, nearest):
    assert CATALOGUE.nearest(wrong) == nearest
    assert CATALOGUE.nearest("x" * 10**6 + wrong) in EVENTS
