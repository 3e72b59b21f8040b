"""Of a refused event its shape is shown, and nothing that somebody wrote."""

from typing import Any

import orjson
import pytest

from gateway.app import every_schema
from gateway.refused.mask import VALUES, known_to, masked, masked_finding
from gateway.validation import Finding

KNOWN = known_to(every_schema())


def shape(event: Any, *findings: Finding) -> Any:
    return masked(event, KNOWN, findings)


def test_names_words_and_amounts_of_the_contract_stay_and_all_else_is_told_by_kind_and_length():
    info = {"eventName": "StatusCart", "user_email": "o@x.ua", "externalCustomerId": 42, "Олена": "Київ"}
    order = {"status": "DELIVERED", "totalCost": 99.5, "cost": 380671112233, "taxes": None, "erase": True}
    assert shape({"GeneralInfo": info, "orders": [order, "", "   ", "0671112233"]}) == {
        "GeneralInfo": {
            "eventName": "StatusCart",
            "user_email": "<6 characters>",
            "externalCustomerId": "<2 digits>",
            "<5 letters> #4": "<4 letters>",
        },
        "orders": [
            {"status": "DELIVERED", "totalCost": 99.5, "cost": "<12 digits>", "taxes": None, "erase": True},
            "",
            "<2 more>",
        ],
    }


def test_of_a_list_the_first_and_those_that_an_error_points_to_are_shown():
    products = [{"quantity": number} for number in range(30)]
    minimum = Finding("/StatusCart/Products/7/quantity", "minimum", "")
    shown = shape({"StatusCart": {"Products": products}}, minimum)["StatusCart"]["Products"]
    assert shown == [{"quantity": 0}, {"quantity": 1}, "<5 more>", {"quantity": 7}, "<22 more>"]


DEEP = orjson.loads("[" * 1000 + "]" * 1000)
WIDE = {f"{place}{'x' * 50}": list(range(1000)) for place in range(1000)}


@pytest.mark.parametrize("event", [WIDE, [[WIDE] * 9] * 9, "x" * 10**6, DEEP])
def test_a_shape_is_small_whatever_the_event(event: Any):
    assert len(orjson.dumps(shape(event))) < 50 * VALUES


def test_an_error_keeps_its_rule_and_place_without_names_and_long_numbers_that_came_with_the_event():
    finding = Finding("/StatusCart/Tags/o@x.ua/380671112233/0", "enum", "380671112233 is none of 0, 1")
    assert masked_finding(finding, KNOWN) == Finding(
        "/StatusCart/Tags/<6 characters>/<12 digits>/0", "enum", "<12 digits> is none of 0, 1"
    )
    whole = Finding("", "type", "text where an object belongs")
    assert masked_finding(whole, KNOWN) == whole
