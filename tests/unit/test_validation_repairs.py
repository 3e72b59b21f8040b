"""What is mended, and what is said of it."""

import pytest

from gateway.validation import Accepted, Refused
from gateway.validation.times import milliseconds
from gateway.validation.values import DROP, flag, number, price, tag, text
from tests.unit.test_validation import AHEAD, GUID, NOW, SC, cart, codes, event, judge

HOUR = 3_600_000


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        (NOW // 1000, NOW),
        (NOW / 1000, NOW),
        (NOW * 1000, NOW),
        (NOW * 1_000_000, NOW),
        (float(NOW), NOW),
        (str(NOW), NOW),
        (str(NOW // 1000), NOW),
        ("2026-09-21T14:13:20Z", NOW),
        ("2026-09-21T17:13:20.000+03:00", NOW),
        (" 2026-09-21 14:13:20 ", NOW),
    ],
)
def test_a_time_in_another_unit_or_as_text_is_converted(written, moment):
    verdict = judge(event(datetime=written))
    assert verdict.occurred_at == verdict.event["GeneralInfo"]["datetime"] == moment
    assert type(verdict.occurred_at) is int
    assert codes(verdict) == [("/GeneralInfo/datetime", "datetime_converted")]


@pytest.mark.parametrize(
    "written", [0, 12345, "1970-01-01T00:00:00Z", "yesterday", "9" * 19, True, [], {}, -1, 1e300]
)
def test_a_time_that_is_none_becomes_the_time_of_arrival(written):
    verdict = judge(event(datetime=written))
    assert verdict.occurred_at == verdict.event["GeneralInfo"]["datetime"] == NOW
    assert codes(verdict) == [("/GeneralInfo/datetime", "datetime_replaced")]


@pytest.mark.parametrize("written", [None, ""])
def test_a_missing_time_becomes_the_time_of_arrival(written):
    posted = event(datetime=written)
    if written is None:
        del posted["GeneralInfo"]["datetime"]
    verdict = judge(posted)
    assert verdict.occurred_at == NOW
    assert codes(verdict) == [("/GeneralInfo/datetime", "datetime_filled")]


def test_a_time_ahead_of_us_is_taken_up_to_five_minutes():
    assert judge(event(datetime=NOW + AHEAD), strict=True).occurred_at == NOW + AHEAD
    for written in (NOW + AHEAD + 1, NOW + 48 * HOUR, 4_102_444_800_000):
        verdict = judge(event(datetime=written))
        assert verdict.occurred_at == verdict.event["GeneralInfo"]["datetime"] == NOW + AHEAD
        assert codes(verdict) == [("/GeneralInfo/datetime", "datetime_in_future")]


@pytest.mark.parametrize("sent_at", [NOW + 3 * HOUR, (NOW + 3 * HOUR) // 1000, "2026-09-21T17:13:20Z"])
def test_the_time_of_sending_corrects_for_the_senders_clock(sent_at):
    posted = event(datetime=NOW + 3 * HOUR - 5000) | {"sent_at": sent_at}
    verdict = judge(posted, strict=True)
    assert verdict.occurred_at == NOW - 5000
    assert verdict.event == event(datetime=NOW - 5000)


@pytest.mark.parametrize("sent_at", ["now", 5, [], True])
def test_a_time_of_sending_that_cannot_be_read_is_a_warning(sent_at):
    verdict = judge(event() | {"sent_at": sent_at})
    assert verdict.occurred_at == NOW
    assert codes(verdict) == [("/sent_at", "sent_at_ignored")]


def test_a_time_of_sending_far_off_never_leaves_the_bounds():
    late = judge(event() | {"sent_at": 4_000_000_000_000})
    assert (late.occurred_at, codes(late)) == (NOW, [("/GeneralInfo/datetime", "datetime_replaced")])
    early = judge(event(datetime=NOW) | {"sent_at": 946_684_800_000})
    assert (early.occurred_at, codes(early)) == (
        NOW + AHEAD,
        [("/GeneralInfo/datetime", "datetime_in_future")],
    )
    old = judge(event(datetime=946_684_800_000) | {"sent_at": NOW + HOUR})
    assert (old.occurred_at, codes(old)) == (NOW, [("/GeneralInfo/datetime", "datetime_replaced")])


@pytest.mark.parametrize(
    "text", ["2026-02-30", "0001-01-01T00:00:00+14:00", "9999-12-31", "２０２６-09-21", "x" * 10_000]
)
def test_text_that_is_no_time_of_ours_reads_as_none(text):
    assert milliseconds(text) is None


def test_what_is_missing_of_general_info_is_filled_from_what_is_known():
    verdict = judge({"StatusCart": [], "GUID": GUID})
    assert verdict.event == {
        "GeneralInfo": {"eventName": "StatusCart", "siteId": "demo-shop", "datetime": NOW},
        "StatusCart": {"GUID": GUID, "Products": []},
    }
    filled = [
        ("eventName", "event_name_filled"),
        ("siteId", "site_id_filled"),
        ("datetime", "datetime_filled"),
    ]
    assert codes(verdict) == [(f"/GeneralInfo/{member}", code) for member, code in filled]


@pytest.mark.parametrize("name", ["404", 404, " 404 "])
def test_404_is_not_found(name):
    verdict = judge(event("NotFound", eventName=name))
    assert (verdict.type, verdict.event["GeneralInfo"]["eventName"]) == ("NotFound", "NotFound")
    assert codes(verdict) == [("/GeneralInfo/eventName", "event_name_replaced")]


def test_blanks_around_names_and_ids_are_cut_off():
    verdict = judge(
        event("MainPage", eventName=" MainPage", siteId="demo-shop ", externalCustomerId="\ufeff42")
    )
    assert verdict.event == event("MainPage", externalCustomerId="42")
    assert verdict.customer == "42"
    assert [code for _, code in codes(verdict)] == ["trimmed"] * 3


def test_an_id_in_decomposed_letters_is_composed():
    verdict = judge(event(externalCustomerId="Zoe\u0308"))
    assert verdict.customer == verdict.event["GeneralInfo"]["externalCustomerId"] == "Zo\u00eb"
    assert codes(verdict) == [("/GeneralInfo/externalCustomerId", "unicode_normalised")]


def test_contact_keys_are_written_as_identity_compares_them():
    verdict = judge(
        event(user_email=" Olena@Shop.Example", user_phone="+38 (050) 123-45-67", cookies={"sc": 77})
    )
    assert verdict.event == event(
        user_email="olena@shop.example", user_phone="+380501234567", cookies={"sc": "77"}
    )
    assert codes(verdict) == [
        ("/GeneralInfo/cookies/sc", "number_to_text"),
        ("/GeneralInfo/user_email", "trimmed"),
        ("/GeneralInfo/user_email", "lowercased"),
        ("/GeneralInfo/user_phone", "phone_reformatted"),
    ]


@pytest.mark.parametrize("nothing", [None, "", " ", "\ufeff"])
def test_a_member_without_a_value_is_left_out_without_a_word(nothing):
    members = (
        "externalCustomerId",
        "user_email",
        "user_phone",
        "user_name",
        "user_es_contact_id",
        "s_location",
    )
    verdict = judge(
        event("MainPage", cookies={"sc": nothing}, **dict.fromkeys(members, nothing)), strict=True
    )
    expected = event("MainPage")
    del expected["GeneralInfo"]["cookies"]
    assert verdict.event == expected


def test_phps_false_is_no_value_but_is_told():
    verdict = judge(event(externalCustomerId=False, user_name=False, cookies={"sc": False}))
    assert verdict.event["GeneralInfo"].keys() == {"eventName", "siteId", "datetime"}
    assert {code for _, code in codes(verdict)} == {"false_dropped"}


def test_phps_empty_map_is_an_empty_list():
    posted = event("CategoryPage", {"Category": {"categoryKey": "a"}, "Tags": []}, cookies=[])
    verdict = judge(posted, strict=True)
    assert "Tags" not in verdict.event["CategoryPage"]
    assert "cookies" not in verdict.event["GeneralInfo"]


@pytest.mark.parametrize(
    ("given", "documented", "code"),
    [
        (754, 754, None),
        ("754", "754", None),
        ("754.50 USD", "754.50 USD", None),
        ("754USD", "754USD", None),
        (" 754 ", "754", "trimmed"),
        ("754,50", "754.50", "price_reformatted"),
        ("1 299,50 uah", "1299.50 UAH", "price_reformatted"),
        ("12\u00a0345\u00a0678", "12345678", "price_reformatted"),
        ("-5", -5.0, "text_to_number"),
        ("1,299.50", "1,299.50", None),
        ("dear", "dear", None),
        ("- 5", "- 5", None),
        (None, DROP, None),
        ("", DROP, None),
        ([], [], None),
    ],
)
def test_a_price_is_brought_to_a_point_and_a_currency_code(given, documented, code):
    assert price(given) == (documented, code)


def test_a_price_that_cannot_be_read_is_relayed_with_a_warning():
    verdict = judge(cart({"productKey": "a", "price": "за домовленістю", "quantity": 1}))
    assert verdict.event["StatusCart"]["Products"][0]["price"] == "за домовленістю"
    assert codes(verdict) == [("/StatusCart/Products/0/price", "price_unreadable")]


@pytest.mark.parametrize(
    ("given", "mended", "code"),
    [
        ("2", 2, "text_to_number"),
        ("1.5", 1.5, "text_to_number"),
        (" 2.00 ", 2, "text_to_number"),
        (2, 2, None),
    ]
    + [
        ("many", "many", None),
        ("1e9", "1e9", None),
        ("9" * 400, "9" * 400, None),
        (True, True, None),
        ("", DROP, None),
    ],
)
def test_a_number_is_read_from_text(given, mended, code):
    assert number(given) == (mended, code)


@pytest.mark.parametrize(
    ("given", "mended", "code"),
    [(1, 1, None), ("1", 1, None), ("0", 0, None), ("", 0, "flag_converted"), (True, 1, "flag_converted")]
    + [
        (False, 0, "flag_converted"),
        ("TRUE", 1, "flag_converted"),
        (None, DROP, None),
        ("yes", "yes", None),
        (7, 7, None),
    ],
)
def test_a_yes_or_no_is_one_or_zero(given, mended, code):
    result, said = flag(given)
    assert (result, type(result), said) == (mended, type(mended), code)


@pytest.mark.parametrize(
    ("given", "mended", "code"),
    [
        (["a"], ["a"], None),
        ([], [], None),
        ("a", ["a"], "tag_reformatted"),
        ([1, "b"], ["1", "b"], "tag_reformatted"),
    ]
    + [
        ([1.5, None, {}], ["1.5"], "tag_reformatted"),
        ({"a": 1}, DROP, "tag_reformatted"),
        (None, DROP, None),
    ],
)
def test_a_tag_is_a_list_of_texts(given, mended, code):
    assert tag(given) == (mended, code)


@pytest.mark.parametrize(
    ("given", "mended", "code"),
    [("a", "a", None), (" a", "a", "trimmed"), (7, "7", "number_to_text"), (7.0, "7", "number_to_text")]
    + [
        (True, True, None),
        (False, DROP, "false_dropped"),
        (4.5, 4.5, None),
        ([], [], None),
        (None, DROP, None),
    ],
)
def test_text_is_trimmed_and_numbers_are_written_out(given, mended, code):
    assert text(given) == (mended, code)


def test_the_simple_form_of_a_cart_becomes_the_rest_form():
    product = {"product_id": "a", "unit_price": "7", "quantity": 1, "currency": "USD", "tag_size": ["M"]}
    posted = event("StatusCart", [product]) | {"GUID": GUID, "Tags": {"promo": ["x"]}}
    assert judge(posted, strict=True).event["StatusCart"] == {
        "GUID": GUID,
        "Products": [
            {"productKey": "a", "price": "7", "quantity": 1, "price_currency_code": "USD", "tag_size": ["M"]}
        ],
        "Tags": {"promo": ["x"]},
    }


def test_a_currency_under_its_simple_name_is_renamed_in_the_rest_form_too():
    verdict = judge(cart({"productKey": "a", "price": 7, "quantity": 1, "currency": "USD"}), strict=True)
    assert verdict.event["StatusCart"]["Products"][0]["price_currency_code"] == "USD"


def test_the_simple_form_of_an_order_becomes_the_rest_form():
    posted = event("PurchasedItems", [{"productKey": "a", "price": "7", "quantity": 1, "currency": "USD"}])
    verdict = judge(posted | {"OrderNumber": "1", "GUID": GUID, "TrackedOrderId": "t"}, strict=True)
    assert verdict.event == event("PurchasedItems") | {
        "TrackedOrderId": "t",
        "PurchasedItems": {
            "OrderNumber": "1",
            "GUID": GUID,
            "Products": [{"product_id": "a", "unit_price": "7", "quantity": 1, "price_currency_code": "USD"}],
        },
    }


def test_where_both_names_of_a_member_stand_both_are_relayed():
    product = {"productKey": "variant", "product_id": "parent", "price": 7, "quantity": 1}
    posted = event("StatusCart", [product]) | {"GUID": GUID}
    assert judge(posted, strict=True).event["StatusCart"]["Products"] == [product]


@pytest.mark.parametrize(
    ("name", "simple", "rest"),
    [
        ("ProductPage", {"productKey": "a", "price": "7"}, {"Product": {"productKey": "a", "price": "7"}}),
        ("AddToWishlist", {"product_id": "a"}, {"Product": {"productKey": "a"}}),
        ("CategoryPage", {"categoryKey": "a", "Tags": {}}, {"Category": {"categoryKey": "a"}, "Tags": {}}),
        (
            "ProductImpression",
            [{"productKey": "a", "container_type": "b"}],
            {"Products": [{"product_id": "a", "container_type": "b"}]},
        ),
    ],
)
def test_the_simple_form_of_a_page_becomes_the_rest_form(name, simple, rest):
    assert judge(event(name, simple), strict=True).event == event(name, rest)


def test_the_plural_name_is_the_simple_form_of_product_impression():
    products = [{"product_id": "a", "container_type": "b"}]
    verdict = judge(event("ProductImpressions", products), strict=True)
    assert verdict.type == "ProductImpression"
    assert verdict.event == event("ProductImpression", {"Products": products})


def test_a_customer_data_blocks_identity_moves_to_general_info():
    block = {
        "externalCustomerId": "42",
        "user_email": "o@shop.example",
        "user_phone": "",
        "user_city": "Kyiv",
    }
    verdict = judge(event("CustomerData", block), strict=True)
    assert verdict.event == event(
        "CustomerData", {"user_city": "Kyiv"}, externalCustomerId="42", user_email="o@shop.example"
    )
    assert (verdict.customer, verdict.email) == ("42", "o@shop.example")


@pytest.mark.parametrize("block", [{}, [], {"user_email": "o@shop.example"}, {"user_name": None}])
def test_a_customer_data_block_with_nothing_left_goes(block):
    verdict = judge(event("CustomerData", block, user_email="O@shop.example".lower()), strict=True)
    assert verdict.event == event("CustomerData", user_email="o@shop.example")


def test_general_info_counts_where_the_block_contradicts_it():
    verdict = judge(event("CustomerData", {"externalCustomerId": "43"}, externalCustomerId="42"))
    assert verdict.customer == "42"
    assert codes(verdict) == [("/CustomerData/externalCustomerId", "identity_differs")]


def test_a_block_beside_another_event_lends_it_no_identity():
    verdict = judge(event("MainPage") | {"CustomerData": {"externalCustomerId": "42"}, "id": ""}, strict=True)
    assert verdict.customer is None


@pytest.mark.parametrize(
    ("posted", "places"),
    [
        (event("StatusCart", [{"product_id": 1, "unit_price": 1, "quantity": "x"}]) | {"GUID": [1]},
         ["/GUID", "/StatusCart/0/quantity"]),
        (event("ProductPage", {"product_id": ["a"]}), ["/ProductPage/product_id"]),
        (event("ProductImpressions", [{"productKey": {}, "container_type": "b"}]),
         ["/ProductImpressions/0/productKey"]),
        (event("CustomerData", {"user_email": ["x"]}), ["/CustomerData/user_email"]),
        (event("PurchasedItems") | {"OrderNumber": [1]}, ["/OrderNumber"]),
        (event("CategoryPage", {"categoryKey": []}), ["/CategoryPage/categoryKey"]),
        (event("CategoryPage", {"Category": {"categoryKey": []}}), ["/CategoryPage/Category/categoryKey"]),
    ],
)  # fmt: skip
def test_pointers_lead_into_the_event_as_it_was_posted(posted, places):
    verdict = judge(posted)
    assert isinstance(verdict, Refused)
    for place in places:
        assert place in [error.pointer for error in verdict.errors]


def test_a_guid_is_128_bits_with_or_without_dashes():
    for guid in (GUID, GUID.upper(), GUID.replace("-", "")):
        assert isinstance(judge(cart(guid=guid), strict=True), Accepted)
    assert codes(judge(cart(guid="65f2c3d4e5f60"))) == [("/StatusCart/GUID", "guid_not_uuid")]
    assert codes(judge(cart(guid=SC + "x"))) == [("/StatusCart/GUID", "guid_not_uuid")]
