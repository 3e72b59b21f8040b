"""Orders in the stand-in.

ADDORD is docs page 29860881116, GORD 29493944397, ns1_order a schema of yespo.io/api.
"""

from typing import Any

import pytest

from tests.sandbox.conftest import OLENA, Account, person


def order(number: str = "1001", **changes: Any) -> dict[str, Any]:
    """Return an order as the FAQ's sample has it; a change to None leaves a field out."""
    whole = {
        "externalOrderId": number,
        "externalCustomerId": "42",
        "totalCost": 258.0,
        "status": "INITIALIZED",
        "date": "2017-05-14T10:11:10.7022176+03:00",
        "currency": "UAH",
    }
    return {name: value for name, value in (whole | changes).items() if value is not None}


NAMES_NOBODY = "externalCustomerId, email or phone is required"


async def send(account: Account, *orders: Any) -> tuple[int, Any]:
    return await account.call("POST", "/api/v1/orders", {"orders": list(orders)})


async def test_an_order_is_attached_to_its_customer_and_sent_again_it_is_updated(account: Account):
    """ns1_order: externalOrderId identifies the order; ADDORD: attached by externalCustomerId if known."""
    made = (await account.contact(OLENA))[1]["id"]
    assert await send(account, order()) == (200, {"failedOrders": []})
    await send(account, order(status="DELIVERED", currency=None, totalCost="300.50"))
    (kept,) = await account.shown("orders")
    assert (kept["status"], kept["totalCost"], kept["currency"]) == ("DELIVERED", "300.50", "UAH")
    assert kept["contact"] == made
    (contact,) = await account.contacts()
    assert contact["orders"] == ["1001"]


async def test_each_order_makes_an_event_of_its_status(account: Account):
    """ADDORD: each order makes an event order<STATUS>."""
    await account.contact(OLENA)
    await send(account, order(), order("1002", status="CANCELLED"))
    events = await account.shown("events")
    assert [(event["eventTypeKey"], event["keyValue"]) for event in events] == [
        ("orderINITIALIZED", "1001"),
        ("orderCANCELLED", "1002"),
    ]
    assert [deed["event"] for deed in (await account.contacts())[0]["history"]] == [
        "orderINITIALIZED",
        "orderCANCELLED",
    ]


@pytest.mark.parametrize("identity", [{"email": "OLENA@example.com"}, {"phone": "+380501234567"}])
async def test_without_a_known_external_id_email_or_phone_match(account: Account, identity):
    """ADDORD: else matched by phone or email; page 29359639788: orders never update an existing contact."""
    await account.contact(OLENA)
    await send(account, order(externalCustomerId="unknown", firstName="Інша", **identity))
    (contact,) = await account.contacts()
    assert contact["orders"] == ["1001"]
    assert (contact["externalCustomerId"], contact["firstName"]) == ("42", "Олена")


async def test_a_missing_contact_is_made_from_the_order(account: Account):
    """ADDORD: else a contact is created, from email, phone and name."""
    await send(account, order(email="new@x.ua", phone="380501112233", firstName="Нова"))
    (contact,) = await account.contacts()
    assert (contact["externalCustomerId"], contact["firstName"]) == ("42", "Нова")
    assert [channel["value"] for channel in contact["channels"]] == ["new@x.ua", "380501112233"]


async def test_a_deleted_contact_keeps_its_orders_and_stays_deleted(account: Account):
    """CMS integration guide 1.4: marked as deleted, links to orders stay."""
    await account.contact(OLENA)
    await account.call("DELETE", "/v1/contact?externalCustomerId=42&erase=false")
    await send(account, order())
    (contact,) = await account.contacts()
    assert (contact["deleted"], contact["orders"]) == (True, ["1001"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"externalCustomerId": ""}, NAMES_NOBODY),
        ({"externalCustomerId": "", "email": "", "phone": " "}, NAMES_NOBODY),
        ({"externalOrderId": ""}, "externalOrderId is required"),
        ({"externalOrderId": ["1"]}, "externalOrderId must be a text"),
        ({"totalCost": None}, "totalCost is required"),
        ({"status": None}, "status is required"),
        ({"date": None}, "date is required"),
        ({"items": [{"externalItemId": "1"}]}, "items need externalItemId and quantity"),
        ({"items": [{"quantity": 1}]}, "items need externalItemId and quantity"),
    ],
)
async def test_an_order_that_lacks_something_fails_alone_as_a_bare_object(account: Account, change, reason):
    """ADDORD, ns1_order: what is required, "" is no identity; Shopify's client: one failed is an object."""
    status, answer = await send(account, order("good"), order(**change))
    assert (status, answer["failedOrders"]["errorMessage"]) == (200, reason)
    assert [kept["externalOrderId"] for kept in await account.shown("orders")] == ["good"]


async def test_two_failed_orders_are_a_list(account: Account):
    _, answer = await send(account, order("1", externalCustomerId=""), order("2", externalCustomerId=""))
    assert [failed["externalOrderId"] for failed in answer["failedOrders"]] == ["1", "2"]


@pytest.mark.parametrize(
    ("orders", "said"),
    [
        ([], "orders must be a list of 1 to 1000"),
        ([order()] * 1001, "orders must be a list of 1 to 1000"),
        ([order(status="SHIPPED")], "status must be one of INITIALIZED"),
        ([order(totalCost="much")], "totalCost must be a decimal"),
        ([order(date="2017-05-14")], "date must be a dateTime"),
        ([order(items={})], "items must be a list of objects"),
        ([5], "Order is not an object"),
    ],
)
async def test_orders_that_cannot_be_read_are_refused_together(account: Account, orders, said):
    """FAQ: 1000 orders a request; ns1_order: five statuses, decimals, dateTime."""
    status, text = await send(account, order("good"), *orders) if orders else await send(account)
    assert status == 400
    assert said in text
    assert await account.shown("orders") == []


async def test_what_woocommerce_sends_is_taken(account: Account):
    """Yespo-CDP/yespo-woocommerce: totalCost as text, source "checkout", "" for empty decimals."""
    odd = order(totalCost="258.00", source="checkout", discount="", shipping="", taxes="")
    assert await send(account, odd) == (200, {"failedOrders": []})


async def test_an_order_is_deleted_by_its_id(account: Account):
    """removehistoryorders: externalOrderId; asynchronous."""
    await send(account, order(), order("1002"))
    for number in ("1001", "none"):
        assert (await account.call("DELETE", "/v1/orders", {"externalOrderId": number}))[0] == 200
    assert [kept["externalOrderId"] for kept in await account.shown("orders")] == ["1002"]
    assert (await account.contacts())[0]["orders"] == ["1002"]


async def test_orders_of_at_most_24_hours_are_deleted_by_time_in_utc(account: Account):
    """removehistoryorders: from and to as yyyy-MM-dd'T'HH:mm:ss in UTC, at most 24 h apart, from < to."""
    dates = ("2026-05-14T02:00:00+03:00", "2026-05-14T12:00:00", "2026-05-15T00:00:00Z")
    await send(account, *(order(str(n), date=date) for n, date in enumerate(dates)))
    span = {"from": "2026-05-14T00:00:00", "to": "2026-05-15T00:00:00"}
    assert (await account.call("DELETE", "/v1/orders", span))[0] == 200
    assert [kept["externalOrderId"] for kept in await account.shown("orders")] == ["0", "2"]


@pytest.mark.parametrize(
    "call",
    [
        {},
        {"from": "2026-05-14T00:00:00"},
        {"from": "2026-05-14T00:00:00", "to": "2026-05-15T00:00:01"},
        {"from": "2026-05-14T00:00:00", "to": "2026-05-14T00:00:00"},
        {"from": "2026-05-14", "to": "2026-05-15"},
        {"externalOrderId": "1", "from": "2026-05-14T00:00:00", "to": "2026-05-14T01:00:00"},
    ],
)
async def test_a_deletion_of_orders_that_breaks_a_rule_is_a_400(account: Account, call):
    """removehistoryorders: 400 otherwise."""
    assert (await account.call("DELETE", "/v1/orders", call))[0] == 400


def event(name: str, **params: Any) -> dict[str, Any]:
    """Return an order event in v2's form."""
    listed = [{"name": key, "value": value} for key, value in params.items()]
    return {"eventTypeKey": name, "keyValue": "380501234567", "params": listed}


ITEM = {"externalItemId": "1", "name": "T", "quantity": 1, "cost": 2.5}
ITEM |= {"url": "https://x.ua/1", "imageUrl": "https://x.ua/1.jpg"}


async def test_an_order_event_places_an_order_of_an_existing_contact_only(account: Account):
    """GORD: orderCreated, orderUpdated; "existing contact only"; an item needs url and imageUrl here."""
    await account.contact(OLENA)
    assert (await account.call("POST", "/v2/event", event("orderCreated", **order(), items=[ITEM])))[0] == 200
    other = event("orderUpdated", **order("1002", externalCustomerId="77"))
    assert (await account.call("POST", "/v2/event", other))[0] == 200
    first, second = await account.shown("orders")
    assert (first["items"], second["contact"]) == ([ITEM], None)
    assert (await account.contacts())[0]["orders"] == ["1001"]


@pytest.mark.parametrize(
    "params",
    [
        order(totalCost=None),
        order(externalOrderId=None),
        order(date="14.05.2026"),
        order(items=[{"externalItemId": "1", "quantity": 1}]),
    ],
)
async def test_an_order_event_that_lacks_something_is_ignored_without_a_word(account: Account, params):
    """GORD: "any missing -> silently ignored"."""
    await account.contact(OLENA)
    assert (await account.call("POST", "/v2/event", event("orderCreated", **params)))[0] == 200
    assert await account.shown("orders") == []


async def test_only_a_known_order_is_delivered_or_cancelled(account: Account):
    """GORD: orderDelivered and orderCancelled are ignored if the order is unknown."""
    await account.contact(OLENA)
    await send(account, order(items=[{"externalItemId": "1", "quantity": 1}]))
    for number, name in (("1001", "orderDelivered"), ("1002", "orderCancelled")):
        await account.call("POST", "/v2/event", event(name, externalOrderId=number))
    (kept,) = await account.shown("orders")
    assert (kept["externalOrderId"], kept["status"]) == ("1001", "DELIVERED")


async def test_a_request_with_orders_is_found_by_each_customer_in_it(account: Account):
    await account.contact(person("77", "t@x.ua"))
    await send(account, order(), order("1002", externalCustomerId="77"))
    for customer in ("42", "t@x.ua"):
        assert (await account.requests(person=customer))[-1]["path"] == "/api/v1/orders"
    assert (await account.requests(path="*/orders"))[0]["person"] is None  # two people, so nobody's
