"""One event in, one verdict out."""

import copy

import orjson
import pytest

from gateway.validation import Accepted, Catalogue, Finding, Judge, Refused, is_plugin_log
from gateway.validation.finding import MOST

NOW = 1_790_000_000_000
MINUTE = 60_000
SC = "6b1f9a52-1c3d-4e0f-9a77-2f4f0d0a9c11"
GUID = "4c2d6f0e-8a8e-4d0b-9c55-0f4d9f3f1a20"
AHEAD = 5 * 60 * 1000
CATALOGUE = Catalogue()


def judge(event, strict=False, blocked=()):
    return Judge(CATALOGUE, ("demo-shop",), "UA", strict, frozenset(blocked), AHEAD).judge(event, NOW)


def event(name="MainPage", block=None, /, **info):
    info = {"eventName": name, "siteId": "demo-shop", "datetime": NOW, "cookies": {"sc": SC}} | info
    return {"GeneralInfo": info} | ({name: block} if block is not None else {})


def cart(*products, guid=GUID, **info):
    return event("StatusCart", {"GUID": guid, "Products": list(products)}, **info)


def codes(verdict):
    findings = verdict.errors if isinstance(verdict, Refused) else verdict.warnings
    return [(finding.pointer, finding.code) for finding in findings]


PRODUCT = {"productKey": "sku-1", "price": "754 USD", "quantity": 1}


def test_an_event_in_the_rest_form_goes_straight_through():
    posted = cart(PRODUCT, externalCustomerId="42", user_email="o@shop.example", user_phone="+380501234567")
    verdict = judge(posted, strict=True)
    assert isinstance(verdict, Accepted)
    assert verdict.event is posted
    assert (verdict.cookie, verdict.customer) == (SC, "42")
    assert (verdict.email, verdict.phone) == ("o@shop.example", "+380501234567")
    assert (verdict.type, verdict.occurred_at, verdict.caller_id) == ("StatusCart", NOW, None)
    assert list(verdict.warnings) == []


def test_findings_dump_as_json():
    assert orjson.loads(orjson.dumps([Finding("/a", "type", "text")])) == [
        {"pointer": "/a", "code": "type", "message": "text"}
    ]


@pytest.mark.parametrize("value", [None, True, 5, 1.5, "text", [], [{}], ["GeneralInfo"]])
def test_what_is_no_object_is_no_event(value):
    verdict = judge(value)
    assert (verdict.type, verdict.code) == ("unknown", "not_an_object")


@pytest.mark.parametrize(
    ("posted", "place"),
    [({}, ""), ({"GeneralInfo": None}, ""), ({"GeneralInfo": {}}, "/GeneralInfo"), ({"any": 1}, "")],
)
def test_an_event_without_a_name_is_refused_for_that(posted, place):
    verdict = judge(posted)
    assert (verdict.type, verdict.code) == ("unknown", "schema_violation")
    assert codes(verdict) == [(place, "required")]


def test_an_unknown_name_is_refused_with_the_nearest_known_one():
    verdict = judge(event("StatusCarts"))
    assert (verdict.type, verdict.code) == ("unknown", "unknown_event")
    assert verdict.errors[0].message == 'no event has this name; the nearest known name is "StatusCart"'


@pytest.mark.parametrize("name", [["StatusCart"], {"a": 1}, True, 4.5])
def test_a_name_of_another_type_is_refused_for_its_type(name):
    verdict = judge(event() | {"GeneralInfo": {"eventName": name, "siteId": "demo-shop"}})
    assert verdict.code == "schema_violation"
    assert codes(verdict) == [("/GeneralInfo/eventName", "type")]


def test_two_blocks_and_no_name_are_not_guessed():
    posted = {"StatusCart": [], "PurchasedItems": [], "GUID": GUID, "GeneralInfo": {"siteId": "demo-shop"}}
    assert codes(judge(posted)) == [("/GeneralInfo", "required")]


def test_the_link_message_is_no_name_that_an_event_may_have():
    assert judge(event("CookieLink")).code == "unknown_event"


@pytest.mark.parametrize("site", ["other", " other ", 7, "DEMO-SHOP"])
def test_an_event_of_another_site_is_refused_whatever_else_it_says(site):
    for name in ("MainPage", "Nonsense"):
        verdict = judge(event(name, siteId=site))
        assert verdict.code == "wrong_site"
        assert codes(verdict) == [("/GeneralInfo/siteId", "wrong_site")]


def test_a_site_id_of_another_type_is_never_taken_for_this_site():
    assert judge(event(siteId=["demo-shop"])).code == "schema_violation"


def test_messages_say_rule_and_type_and_numbers_but_never_text():
    secret = "Olena Koval"
    verdict = judge(
        cart(
            {"productKey": [secret], "price": {"a": secret}, "quantity": secret},
            {"price": -2.5, "quantity": 0},
            secret,
            user_name=[secret],
        )
    )
    assert {error.pointer: error.message for error in verdict.errors} == {
        "/GeneralInfo/user_name": "an array where text belongs",
        "/StatusCart/Products/0/productKey": "an array where text belongs",
        "/StatusCart/Products/0/price": "an object where a number or text belongs",
        "/StatusCart/Products/0/quantity": "text where a number belongs",
        "/StatusCart/Products/1": 'a required member "productKey" is missing',
        "/StatusCart/Products/1/price": "-2.5 is less than the minimum of 0",
        "/StatusCart/Products/1/quantity": "0 is less than the minimum of 1",
        "/StatusCart/Products/2": "text where an object belongs",
    }


def test_a_flag_that_is_no_yes_or_no_is_refused_with_what_may_be():
    verdict = judge(event("SearchRequest", {"search": "boots", "isFound": 2}))
    assert verdict.errors == [Finding("/SearchRequest/isFound", "enum", "2 is none of 0, 1")]


def test_an_order_needs_products_or_the_guid_of_its_cart():
    verdict = judge(event("PurchasedItems", {"OrderNumber": "1", "Products": []}))
    message = 'one of "GUID", "Products" is required, and not empty'
    assert verdict.errors == [Finding("/PurchasedItems", "any_of", message)]


def test_the_number_of_errors_is_bounded_and_the_first_broken_products_are_named():
    products = [PRODUCT] * 500 + [{**PRODUCT, "price": "dear"}] * 500 + [{**PRODUCT, "quantity": 0}] * 500
    verdict = judge(cart(*products))
    assert codes(verdict) == [
        (f"/StatusCart/Products/{n}/quantity", "minimum") for n in range(1000, 1000 + MOST)
    ]


def test_the_number_of_warnings_is_bounded():
    verdict = judge(cart(*[{"productKey": 1, "price": "dear", "quantity": "2"}] * 500))
    assert len(verdict.warnings) == MOST
    assert verdict.event["StatusCart"]["Products"][499]["quantity"] == 2


def test_a_list_of_products_without_end_is_refused_as_such():
    verdict = judge(cart(*[{}] * 100_000))
    message = "100000 elements are more than the maximum of 5000"
    assert verdict.errors == [Finding("/StatusCart/Products", "max_items", message)]


@pytest.mark.parametrize("depth", [251, 300, 900])
def test_nesting_that_cannot_be_written_again_is_refused(depth):
    deep: object = 1
    for _ in range(depth):
        deep = [deep]
    for place in ("TrackedOrderId", "GeneralInfo"):
        posted = cart(PRODUCT)
        (posted if place == "TrackedOrderId" else posted[place])["unknown"] = deep
        verdict = judge(posted)
        assert isinstance(verdict, Accepted if depth == 251 else Refused)
        if isinstance(verdict, Refused):
            assert codes(verdict) == [("", "too_deep")]


def test_members_that_no_schema_knows_are_relayed():
    posted = cart(PRODUCT | {"vendor": None}, utm={"a": [1, None]}) | {"TrackedOrderId": "x"}
    posted["StatusCart"]["extra"] = ""
    assert judge(posted).event == posted
    posted["GeneralInfo"]["externalCustomerId"] = 42
    assert judge(posted).event == copy.deepcopy(posted) | {
        "GeneralInfo": posted["GeneralInfo"] | {"externalCustomerId": "42"}
    }


@pytest.mark.parametrize(("given", "taken"), [("order-7", "order-7"), (7, "7"), (7.0, "7"), (" x ", " x ")])
def test_a_callers_own_id_is_taken_off(given, taken):
    verdict = judge(event() | {"id": given}, strict=True)
    assert verdict.caller_id == taken
    assert verdict.event == event()


@pytest.mark.parametrize("given", [None, "", "  "])
def test_an_empty_id_is_none(given):
    verdict = judge(event() | {"id": given}, strict=True)
    assert verdict.caller_id is None
    assert verdict.event == event()


@pytest.mark.parametrize("given", ["x" * 201, True, 4.5, [1], {}])
def test_an_id_that_cannot_be_used_is_a_warning(given):
    verdict = judge(event() | {"id": given})
    assert verdict.caller_id is None
    assert codes(verdict) == [("/id", "id_ignored")]


def test_strict_refuses_what_would_be_a_warning_with_the_same_findings():
    posted = cart(PRODUCT, externalCustomerId=42, guid="65f2c3d4e5f60")
    verdict = judge(posted, strict=True)
    assert (verdict.type, verdict.code) == ("StatusCart", "strict_mode")
    assert verdict.errors == judge(posted).warnings
    assert codes(verdict) == [
        ("/GeneralInfo/externalCustomerId", "number_to_text"),
        ("/StatusCart/GUID", "guid_not_uuid"),
    ]


def test_strict_takes_both_documented_forms_and_members_without_a_value():
    posted = event("StatusCart", [PRODUCT | {"currency": "USD", "isInStock": "1", "discount": None}])
    posted |= {"GUID": GUID.replace("-", "")}
    posted["GeneralInfo"] |= {"user_phone": "", "user_email": None, "user_name": " "}
    posted["GeneralInfo"]["cookies"] = {"sc": None}
    assert isinstance(judge(posted, strict=True), Accepted)


@pytest.mark.parametrize("value", ["guest", "NULL", "'none'", "0", "[object Object]", "000-000"])
def test_a_value_for_nobody_stays_in_the_event_and_out_of_identity(value):
    verdict = judge(event("MainPage", externalCustomerId=value, cookies={"sc": value}, user_email=value))
    assert (verdict.cookie, verdict.customer, verdict.email) == (None, None, None)
    info = verdict.event["GeneralInfo"]
    assert info["externalCustomerId"] == info["cookies"]["sc"] == info["user_email"] == value
    assert [code for _, code in codes(verdict)] == ["identifier_blocked"] * 3


def test_a_sites_own_blocked_values_name_nobody():
    verdict = judge(event(externalCustomerId="Kasse 1"), blocked=["kasse 1"])
    assert verdict.customer is None
    assert codes(verdict) == [("/GeneralInfo/externalCustomerId", "identifier_blocked")]


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("externalCustomerId", "x" * 301, "identifier_too_long"),
        ("externalCustomerId", "4\u200f2", "identifier_unprintable"),
        ("user_email", "no address", "email_unreadable"),
        ("user_email", "e" * 300 + "@a.b", "identifier_too_long"),
        ("user_phone", "call me", "phone_unreadable"),
        ("user_phone", "+380000000000", "phone_unreadable"),
    ],
)
def test_an_identifier_that_cannot_be_used_stays_and_names_nobody(member, value, code):
    verdict = judge(event(**{member: value}))
    assert verdict.event["GeneralInfo"][member] == value
    assert (verdict.customer, verdict.email, verdict.phone) == (None, None, None)
    assert codes(verdict) == [(f"/GeneralInfo/{member}", code)]


@pytest.mark.parametrize("value", [["42"], {"id": 42}, True, 4.5])
def test_an_identifier_of_another_type_is_refused(value):
    assert codes(judge(event(externalCustomerId=value))) == [("/GeneralInfo/externalCustomerId", "type")]


def test_the_link_message_goes_on_as_it_came():
    posted = {
        "externalCustomerId": 42,
        "webId": SC,
        "orgId": 4711,
        "email": "O@Shop.Example",
        "phone": "0501234567",
    }
    verdict = judge(posted | {"id": "link-1", "sent_at": NOW}, strict=True)
    assert verdict.type == "CookieLink"
    assert verdict.event == posted
    assert (verdict.cookie, verdict.customer, verdict.caller_id) == (SC, "42", "link-1")
    assert (verdict.email, verdict.phone, verdict.occurred_at) == ("o@shop.example", "+380501234567", NOW)


def test_the_link_message_warns_of_what_names_nobody():
    verdict = judge({"externalCustomerId": "guest", "webId": SC, "orgId": 1, "email": "", "phone": "call me"})
    assert (verdict.cookie, verdict.customer) == (SC, None)
    assert codes(verdict) == [("/externalCustomerId", "identifier_blocked"), ("/phone", "phone_unreadable")]


@pytest.mark.parametrize("posted", [{"webId": SC}, {"webId": None, "orgId": 1}, {"webId": "", "orgId": 1}])
def test_a_link_message_without_cookie_or_organisation_links_nothing(posted):
    verdict = judge(posted)
    assert (verdict.type, verdict.code) == ("CookieLink", "schema_violation")


def test_a_plugin_log_is_told_from_events():
    log = {
        "orgId": 1,
        "typeCMS": "shopify",
        "errorMessage": "x",
        "data": {},
        "message": "m",
        "log_level": "error",
    }
    assert is_plugin_log(log)
    assert is_plugin_log({"log_level": "error", "message": "m"})
    assert isinstance(judge(log), Refused)
    for other in (event(), {"webId": SC, "orgId": 1}, {}, [], None, "typeCMS"):
        assert not is_plugin_log(other)
