"""Clients of eSputnik's that know nothing of the gateway, with another base URL alone.

ok-esputnik runs as it is on PyPI. What the official plugins send is written from what they are known to send:
their fields, their empties, their Basic users, their paths.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from esputnik.esputnik import ESputnikAPIAdaptor

from tests.service.conftest import KEY, Shop
from tests.service.test_api_calls import basic, call, requests

CHANNELS = [{"type": "email", "value": "john@example.com"}]
ADDRESS = {"region": "Kyiv", "town": "Kyiv", "address": "1, Main str.", "postcode": "01001"}


@pytest.fixture
def client(shop: Shop) -> ESputnikAPIAdaptor:
    return ESputnikAPIAdaptor(user="name@example.com", password=KEY, host=f"{shop.url}/api/")


async def ask(method: Callable[..., Any], *arguments: Any) -> tuple[int, Any]:
    """Make one call of the client, which blocks."""
    answer = await asyncio.to_thread(method, *arguments)
    return answer.status_code, answer.data


async def test_ok_esputnik_makes_finds_changes_and_deletes_a_contact(shop: Shop, client: ESputnikAPIAdaptor):
    john = {"first_name": "John", "last_name": "Dou", "channels": CHANNELS, "address": ADDRESS}
    status, made = await ask(client.add_contact, john)
    assert status == 200
    contact_id = str(made["id"])
    status, card = await ask(client.get_contact, contact_id)
    assert (status, card["firstName"]) == (200, "John")
    status, _ = await ask(client.update_contact, contact_id, {**john, "first_name": "Johny"})
    assert status == 200
    assert (await ask(client.get_contact, contact_id))[1]["firstName"] == "Johny"
    status, found = await ask(client.get_contacts, {"email": "john@example.com"})
    assert status == 200
    assert found
    status, _ = await ask(client.delete_contact, contact_id)
    assert status == 200
    assert (await ask(client.get_contact, contact_id))[0] == 404


async def test_ok_esputnik_subscribes_imports_and_unsubscribes(shop: Shop, client: ESputnikAPIAdaptor):
    subscription = {"contact": {"channels": CHANNELS, "address": ADDRESS}, "groups": ["Subscribers"]}
    assert (await ask(client.contact_subscribe, subscription))[0] == 200
    contacts = {
        "contacts": [{"channels": CHANNELS}],
        "contact_fields": ["email"],
        "group_names": ["Imported"],
    }
    status, session = await ask(client.add_contacts, contacts)
    assert status == 200
    assert session["asyncSessionId"]
    assert (await ask(client.emails_unsubscribed_add, "john@example.com"))[0] == 200
    assert (await ask(client.emails_unsubscribed_delete, ["john@example.com"]))[0] == 200


async def test_ok_esputnik_sends_events_and_orders(shop: Shop, client: ESputnikAPIAdaptor):
    parameters = [{"name": "EmailAddress", "value": "john@example.com"}]
    event = {"event_type_key": "visit", "key_value": "john@example.com", "params": parameters}
    assert (await ask(client.event, event))[0] == 200
    item = {"id": "1", "name": "Kettle", "quantity": 1, "cost": 9.5, "url": "https://shop.example/1"}
    bought = {
        "id": "1001",
        "user_id": "42",
        "total_cost": 9.5,
        "date": "2026-11-25T10:11:10",
        "email": "john@example.com",
        "items": [item | {"image_url": "https://shop.example/1.png", "category": "kettles"}],
    }
    status, answer = await ask(client.orders, {"orders": [bought]})
    assert status == 200
    assert not answer.get("failedOrders")
    (arrived,) = await requests(shop, "/api/v1/orders")
    assert arrived["body"]["orders"][0]["externalOrderId"] == "1001"


async def test_ok_esputnik_reads_the_account(shop: Shop, client: ESputnikAPIAdaptor):
    assert (await ask(client.account_info))[1]["organisationName"] == "Sandbox"
    for read in (client.version, client.balance, client.addressbooks, client.groups):
        assert (await ask(read))[0] == 200


async def test_ok_esputnik_cannot_empty_a_segment_by_a_detach_without_ids(
    shop: Shop, client: ESputnikAPIAdaptor
):
    status, answer = await ask(client.group_contacts_detach, 5)
    assert status == 400
    assert answer["message"]
    assert await requests(shop) == []


SHOPIFY = {"Authorization": basic("user", KEY)}
WOOCOMMERCE = {"Authorization": basic("", KEY)}
OPENCART = {"Authorization": basic("anyvalue", KEY)}


def contact(
    number: object, email: str, phone: str, first: str = "Іван", last: str = "Петр"
) -> dict[str, Any]:
    channels = [{"type": "email", "value": email}, {"type": "sms", "value": phone}]
    return {"externalCustomerId": number, "firstName": first, "lastName": last, "channels": channels}


def order(number: object, customer: object, cost: object, date: str, **more: object) -> dict[str, Any]:
    item = {"externalItemId": number, "name": "Kettle", "quantity": 1, "cost": cost}
    who = {"externalOrderId": number, "externalCustomerId": customer}
    return {"orders": [who | {"totalCost": cost, "date": date, "items": [item], "currency": "UAH"} | more]}


SHOPIFY_ORDER = order("1", "7001", 10, "2026-11-25T10:11:10Z", status="INITIALIZED", email="", phone="")
SHOPIFY_BULK = {
    "dedupeOn": "externalCustomerId",
    "restoreDeleted": True,
    "contacts": [contact("7002", "p@example.com", "") | {"address": ADDRESS}],
}
WOO_EMPTIES = {"shipping": "", "discount": "", "taxes": "", "phone": " ", "firstName": " "}
WOO_ORDER = order(
    5,
    15,
    "10.00",
    "2026-11-25T10:11:10.123456",
    status="COMPLETED",
    source="checkout",
    email="q@example.com",
    **WOO_EMPTIES,
)


@pytest.mark.parametrize(
    ("headers", "method", "path", "body"),
    [
        (SHOPIFY, "POST", "/v1/contact", contact("7001", "o@example.com", "", "", "")),
        (SHOPIFY, "POST", "/v1/contacts", SHOPIFY_BULK),
        (SHOPIFY, "POST", "/v1/orders", SHOPIFY_ORDER),
        (SHOPIFY, "DELETE", "/v1/contact?externalCustomerId=7001&erase=false", None),
        (WOOCOMMERCE, "POST", "/api/v1/contact", contact(15, "q@example.com", "380501234567", " ", " ")),
        (WOOCOMMERCE, "POST", "/api/v1/orders", WOO_ORDER),
        (OPENCART, "POST", "/api/v1/contact", contact("21", "", "380671112233")),
    ],
)
async def test_what_official_plugins_send_is_taken_by_esputnik(
    shop: Shop, headers: dict[str, str], method: str, path: str, body: Any
):
    if method == "DELETE":
        await call(shop, "POST", "/v1/contact", json=contact("7001", "o@example.com", ""), headers=headers)
    status, _, answer = await call(shop, method, path, json=body, headers=headers)
    assert status == 200, answer
    assert not isinstance(answer, dict) or not answer.get("failedOrders"), answer
    assert not isinstance(answer, dict) or "queued" not in answer, answer
