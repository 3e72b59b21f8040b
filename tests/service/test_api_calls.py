"""eSputnik's own API at the gateway: from a client's request to eSputnik's answer, over real HTTP."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.sandbox import Sandbox
from tests.service.conftest import KEY, Shop, event, running_shop, settings

CONTACT = {
    "firstName": "Олександр",
    "channels": [{"type": "email", "value": "o@example.com"}],
    "externalCustomerId": "42",
}


def basic(user: str, key: str) -> str:
    return aiohttp.encode_basic_auth(user, key)


async def call(shop: Shop, method: str, path: str, **arguments: Any) -> tuple[int, Any, Any]:
    """Make a call as eSputnik's clients do; return status, headers and the answer, JSON where it is."""
    headers = {"Authorization": basic("anyvalue", KEY)} | arguments.pop("headers", {})
    async with shop.http.request(method, shop.url + path, headers=headers, **arguments) as answer:
        text = await answer.text()
        is_json = answer.content_type.endswith("json")
        return answer.status, answer.headers, await answer.json() if is_json else text


async def requests(shop: Shop, path: str = "*") -> list[dict[str, Any]]:
    async with shop.http.get(f"{shop.sandbox.url}/_sandbox/requests", params={"path": path}) as answer:
        found = (await answer.json())["requests"]
    return [request for request in found if not request["path"].startswith("/_sandbox")]


async def until_requests(shop: Shop, count: int, path: str = "*") -> list[dict[str, Any]]:
    async with asyncio.timeout(20):
        while len(found := [r for r in await requests(shop, path) if r["status"] == 200]) < count:
            await asyncio.sleep(0.02)
    return found


async def fault(shop: Shop, *more: Any, **of: Any) -> None:
    faults = [*more, *([of] if of else [])]
    async with shop.http.post(f"{shop.sandbox.url}/_sandbox/faults", json=faults) as answer:
        assert answer.status == 200


def letters(folder: Path) -> list[Any]:
    return rows_of(folder, "SELECT type, reason, status FROM dead_letters")


def rows_of(folder: Path, sql: str) -> list[Any]:
    """Return what stands in the running gateway's database."""
    with closing(sqlite3.connect(f"file:{folder / 'links.db'}?mode=ro", uri=True)) as database:
        return database.execute(sql).fetchall()


@pytest.fixture
async def hasty(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Shop]:
    """A shop whose calls wait only shortly."""
    config = settings(tmp_path, sandbox)
    sites = [site.model_copy(update={"answer_wait": 0.3}) for site in config.sites]
    async with running_shop(config.model_copy(update={"sites": sites}), sandbox) as shop:
        yield shop


@pytest.mark.parametrize("prefix", ["", "/api"])
@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_contact_is_answered_with_esputniks_own_id(shop: Shop, prefix: str, slash: str):
    status, headers, answer = await call(shop, "POST", f"{prefix}/v1/contact{slash}", json=CONTACT)
    assert (status, list(answer)) == (200, ["id"])
    (arrived,) = await requests(shop, "/api/v1/contact")
    assert arrived["body"] == CONTACT
    assert arrived["headers"]["X-Request-Id"] == headers["X-Request-Id"]


@pytest.mark.parametrize(
    "authorization",
    [
        basic("", KEY),
        basic("user", KEY),
        f"Bearer {KEY}",
    ],
)
async def test_any_basic_user_and_a_bearer_token_open_the_api(shop: Shop, authorization: str):
    headers = {"Authorization": authorization}
    status, _, answer = await call(shop, "POST", "/api/v1/contact", json=CONTACT, headers=headers)
    assert (status, list(answer)) == (200, ["id"])


async def test_a_wrong_key_is_answered_401_with_a_message(shop: Shop):
    wrong = {"Authorization": basic("user", "nobody's")}
    status, _, answer = await call(shop, "POST", "/api/v1/contact", json=CONTACT, headers=wrong)
    assert (status, answer["code"]) == (401, "key_unknown")
    assert answer["message"]


async def test_what_is_mended_is_told_in_a_header(shop: Shop):
    body = {**CONTACT, "externalCustomerId": 42, "firstName": "12345"}
    status, headers, _ = await call(shop, "POST", "/v1/contact", json=body)
    assert status == 200
    assert headers["X-Gateway-Warnings"] == "name_dropped /firstName, number_to_text /externalCustomerId"
    (arrived,) = await requests(shop, "/api/v1/contact")
    assert arrived["body"] == {"channels": CONTACT["channels"], "externalCustomerId": "42"}


async def test_an_order_is_answered_with_esputniks_own_words_that_none_failed(shop: Shop):
    placed = {"externalOrderId": "1", "totalCost": 5, "status": "DELIVERED", "date": "2026-11-25T10:11:10"}
    body = {"orders": [{**placed, "externalCustomerId": "42"}]}
    status, _, answer = await call(shop, "POST", "/v1/orders", json=body)
    assert (status, answer) == (200, {"failedOrders": []})


async def test_an_invalid_call_is_refused_at_once_with_message_and_pointers(shop: Shop):
    status, headers, answer = await call(shop, "POST", "/v1/contact", json={"externalCustomerId": "42"})
    assert (status, headers["Content-Type"]) == (400, "application/problem+json")
    assert answer["code"] == "schema_violation"
    assert answer["message"] == '/: a required member "channels" is missing'
    assert [error["code"] for error in answer["errors"]] == ["required"]
    assert await requests(shop) == []


@pytest.mark.parametrize("body", [b"{", b"[1", b"\xff", b"null", b"", b"[]", b'"text"'])
async def test_a_body_that_is_no_object_is_refused(shop: Shop, body: bytes):
    status, _, answer = await call(shop, "POST", "/v1/orders", data=body)
    assert status == 400
    assert answer["code"] in ("malformed_json", "not_an_object")


async def test_another_method_is_answered_with_those_there_are(shop: Shop):
    status, headers, answer = await call(shop, "PATCH", "/api/v1/contact")
    assert (status, answer["code"]) == (405, "method_not_allowed")
    assert {"POST", "DELETE"} <= set(headers["Allow"].replace(" ", "").split(","))


async def test_a_slow_esputnik_is_not_waited_for_longer_than_answer_wait(hasty: Shop):
    await fault(hasty, path="/api/v1/contact", slow=1.0, times=1)
    status, headers, answer = await call(hasty, "POST", "/v1/contact", json=CONTACT)
    assert (status, answer) == (200, {"queued": True, "requestId": headers["X-Request-Id"]})
    (arrived,) = await until_requests(hasty, 1, "/api/v1/contact")
    assert arrived["headers"]["X-Request-Id"] == answer["requestId"]


async def test_what_is_queued_while_esputnik_is_away_arrives_afterwards_in_order(hasty: Shop):
    await fault(hasty, path="/api/v1/contact", status=503, retry_after=1, times=1)
    answers = []
    for number in range(3):
        body = {**CONTACT, "fields": [{"id": number, "value": "x"}]}
        answers.append(await call(hasty, "POST", "/v1/contact", json=body))
    assert [status for status, _, _ in answers] == [200, 200, 200]
    assert answers[0][2]["queued"]
    arrived = await until_requests(hasty, 3, "/api/v1/contact")
    assert [request["body"]["fields"][0]["id"] for request in arrived] == [0, 1, 2]


async def test_a_refusal_in_time_is_the_callers_and_no_dead_letter(shop: Shop, tmp_path: Path):
    await fault(shop, path="/api/v1/contact", status=400, body="Contact limit is reached", times=1)
    status, headers, answer = await call(shop, "POST", "/v1/contact", json=CONTACT)
    assert (status, answer, headers["Content-Type"]) == (
        400,
        "Contact limit is reached",
        "text/plain; charset=utf-8",
    )
    await call(shop, "POST", "/v1/contact", json={**CONTACT, "externalCustomerId": "43"})
    assert letters(tmp_path) == []


async def test_a_refusal_behind_the_callers_back_is_a_dead_letter(hasty: Shop, tmp_path: Path):
    away = {"path": "/api/v1/contact", "status": 503, "retry_after": 1, "times": 1}
    await fault(hasty, away, {"path": "/api/v1/contact", "status": 400, "times": 1})
    status, _, answer = await call(hasty, "POST", "/v1/contact", json=CONTACT)
    assert (status, answer["queued"]) == (200, True)
    async with asyncio.timeout(20):
        while not (found := letters(tmp_path)):
            await asyncio.sleep(0.02)
    assert [tuple(row) for row in found] == [("AddContact", "bad_request", 400)]


async def test_a_deletion_goes_with_its_query_and_its_answer_comes_back(shop: Shop):
    _, _, made = await call(shop, "POST", "/v1/contact", json=CONTACT)
    path = "/api/v1/contact?externalCustomerId=42&erase=false"
    status, _, answer = await call(shop, "DELETE", path)
    assert (status, answer) == (200, "Contact has been deleted")
    assert (await requests(shop))[-1]["query"] == {"externalCustomerId": "42", "erase": "false"}
    assert made["id"]
    status, _, answer = await call(shop, "DELETE", "/v1/contact/?externalCustomerId=nobody")
    assert (status, answer) == (404, "Contact not found")


async def test_a_call_stays_in_its_customers_lane_and_gets_no_cookie(shop: Shop):
    await shop.post(event("CustomerData", externalCustomerId="42", cookie="c-9"))
    await call(shop, "POST", "/v1/contact", json=CONTACT)
    (arrived,) = await requests(shop, "/api/v1/contact")
    assert arrived["body"] == CONTACT


async def test_an_idempotency_key_makes_a_repeat_harmless(hasty: Shop):
    for _ in range(3):
        status, _, _ = await call(
            hasty, "POST", "/v1/contact", json=CONTACT, headers={"Idempotency-Key": "contact-1"}
        )
        assert status == 200
    await call(hasty, "POST", "/v1/contact", json={**CONTACT, "firstName": "Last"})
    assert len(await requests(hasty, "/api/v1/contact")) == 2


async def test_strict_sites_refuse_what_would_be_mended(shop: Shop):
    strict = {"Authorization": basic("user", "strict-key")}
    body = {**CONTACT, "externalCustomerId": 42}
    status, _, answer = await call(shop, "POST", "/v1/contact", json=body, headers=strict)
    assert (status, answer["code"]) == (400, "strict_mode")


def people(folder: Path) -> list[str]:
    rows = rows_of(folder, "SELECT owner FROM sightings UNION SELECT owner FROM claims")
    return sorted(row[0] for row in rows)


async def test_an_erased_customer_leaves_our_own_stores_and_a_dry_run_shows_it_first(
    shop: Shop, tmp_path: Path
):
    for customer in ("42", "43"):
        cookie, email = f"c-{customer}", f"{customer}@example.com"
        await shop.post(event("CustomerData", externalCustomerId=customer, user_email=email, cookie=cookie))
        contact = {"externalCustomerId": customer, "channels": [{"type": "email", "value": email}]}
        await call(shop, "POST", "/v1/contact", json=contact)
    assert people(tmp_path) == ["customer/42", "customer/43"]
    erasure = "/v1/contact?externalCustomerId=42&erase=true"
    status, _, shown = await call(shop, "DELETE", f"{erasure}&dry_run=true")
    assert (status, shown["dry_run"], shown["found"]["sightings"]) == (200, True, 1)
    assert "42@example.com" not in str(shown)
    assert not [r for r in await requests(shop) if r["method"] == "DELETE"]
    assert people(tmp_path) == ["customer/42", "customer/43"]
    status, _, _ = await call(shop, "DELETE", erasure)
    assert status == 200
    assert people(tmp_path) == ["customer/43"]


async def test_a_deletion_that_can_be_undone_takes_nothing_from_our_own_stores(shop: Shop, tmp_path: Path):
    await shop.post(event("CustomerData", externalCustomerId="42", cookie="c-1"))
    await call(shop, "POST", "/v1/contact", json=CONTACT)
    assert (await call(shop, "DELETE", "/v1/contact?externalCustomerId=42&erase=false"))[0] == 200
    assert people(tmp_path) == ["customer/42"]


async def test_a_customer_who_registers_after_his_erasure_is_taken_as_a_new_one(shop: Shop):
    await call(shop, "POST", "/v1/contact", json=CONTACT)
    assert (await call(shop, "DELETE", "/v1/contact?externalCustomerId=42&erase=true"))[0] == 200
    status, _, answer = await call(shop, "POST", "/v1/contact", json={**CONTACT, "firstName": "Again"})
    assert (status, list(answer)) == (200, ["id"])


async def test_a_dry_run_needs_somebody(shop: Shop):
    status, _, answer = await call(shop, "DELETE", "/v1/contact?externalCustomerId=null&dry_run=1")
    assert (status, answer["code"]) == (400, "bad_request")


async def test_the_contract_of_the_calls_is_served_apart_from_that_of_the_events(shop: Shop):
    _, listed = await shop.get("/v1/schemas/api")
    assert {"AddContact", "AddOrders", "GenerateEventV3"} <= {one["type"] for one in listed}
    for one in listed:
        status, schema = await shop.get(one["href"])
        assert (status, schema["title"]) == (200, one["type"])
    _, events = await shop.get("/v1/schemas")
    assert not {one["type"] for one in events} & {one["type"] for one in listed}
    assert (await shop.get("/v1/schemas/api/StatusCart"))[0] == 404


async def test_past_events_go_to_their_own_address(shop: Shop):
    past = {"eventTypeKey": "visit", "keyValue": "o@example.com", "occurred": "2026-01-01T10:00"}
    past["params"] = [{"name": "email", "value": "o@example.com"}]
    status, _, answer = await call(shop, "POST", "/api/v1/past_events/", json={"events": [past]})
    assert status == 200, answer
    (arrived,) = await requests(shop, "/api/v1/past_events")
    assert arrived["body"] == {"events": [past]}


async def test_mixed_calls_while_esputnik_is_away_are_answered_in_time_and_arrive_in_order(
    hasty: Shop,
):
    await fault(hasty, {"path": "/api/*", "status": 503, "times": None})

    async def of(customer: int) -> None:
        email = f"{customer}@example.com"
        contact = {
            "externalCustomerId": str(customer),
            "channels": [{"type": "email", "value": email}],
        }
        order = {
            "externalOrderId": f"o-{customer}",
            "externalCustomerId": str(customer),
            "email": email,
            "totalCost": 1,
            "date": "2026-11-25T10:11:10",
        }
        params = [{"name": "externalCustomerId", "value": str(customer)}]
        calls = [
            ("/v1/contact", contact),
            ("/v1/orders", {"orders": [{**order, "status": "INITIALIZED"}]}),
            ("/v1/event", {"eventTypeKey": "visit", "keyValue": email, "params": params}),
            ("/v1/orders", {"orders": [{**order, "status": "DELIVERED"}]}),
        ]
        for path, body in calls:
            status, _, answer = await call(hasty, "POST", path, json=body)
            assert (status, answer["queued"]) == (200, True)
        who = {"externalCustomerId": str(customer), "user_email": email}
        assert (await hasty.post(event("CustomerData", cookie=f"c-{customer}", **who)))[0] == 202

    customers = range(1, 51)
    await asyncio.gather(*(of(customer) for customer in customers))
    await fault(hasty)
    async with asyncio.timeout(60):
        while True:
            taken = [request for request in await requests(hasty) if request["status"] == 200]
            orders = [o for r in taken if r["path"] == "/api/v1/orders" for o in r["body"]["orders"]]
            logins = [r for r in taken if r["path"] == "/api/v2"]
            events = [r for r in taken if r["path"] == "/api/v1/event"]
            if len(orders) >= 100 and len(logins) >= 50 and len(events) >= 50:
                break
            await asyncio.sleep(0.2)
    for customer in map(str, customers):
        states = [o["status"] for o in orders if o["externalCustomerId"] == customer]
        assert states == ["INITIALIZED", "DELIVERED"]
        paths = [r["path"] for r in taken if customer in _customers(r)]
        assert paths.index("/api/v1/contact") < paths.index("/api/v2")


def _customers(request: Any) -> set[str]:
    """Return the customers that a contact call or a CustomerData names."""
    body = request["body"] or {}
    return {str((body.get("GeneralInfo") or body).get("externalCustomerId"))}
