"""A customer has a contact at eSputnik before what needs it, whatever eSputnik answers on the way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from gateway.calls import ApiCall
from gateway.delivery.deliverer import GROUP
from gateway.event import Record
from gateway.sandbox import Sandbox
from gateway.stream import Entry
from tests.ledger import until_taken
from tests.service.conftest import Shop, event, running_shop, settings
from tests.service.test_api_calls import call, requests
from tests.service.tracker import Parts, Tracker, opened, says

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def esputnik() -> AsyncIterator[Tracker]:
    async with Tracker() as running:
        yield running


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    async with opened(tmp_path) as running:
        yield running


def login(event_id: str, customer: str | None = "42", email: str | None = "o@example.com") -> Record:
    lane = event_id.partition("-")[0]
    body = orjson.dumps({"GeneralInfo": {"eventName": "CustomerData"}})
    return Record(
        event_id, "shop", "CustomerData", f"shop/cookie/{lane}", lane, customer, email, None, 0, 0, body
    )


def about(event_id: str, kind: ApiCall, target: str, body: Any) -> Record:
    record = login(event_id)
    record.type, record.target, record.body = kind, target, orjson.dumps(body)
    return record


async def deliver(parts: Parts, esputnik: Tracker, *records: Record, **changes: Any) -> list[str]:
    """Deliver them all; return what arrived, each request by its method and path."""
    stream = await parts.stream()
    await stream.append([Entry(record.lane, record.encode()) for record in records])
    async with parts.delivering(esputnik, **changes), asyncio.timeout(20):
        while (await stream.backlog(GROUP)).count:
            await asyncio.sleep(0.01)
    return [line.removeprefix("POST /api").removeprefix("GET /api") for line, _ in esputnik.calls]


def scripted(**answers: tuple[int, Any]) -> Answer:
    """Answer the look-up and the making of a contact as told, everything else with 200."""

    async def answer(request: web.Request) -> web.Response:
        kind = {"GET": "looked_up"}.get(request.method, "made" if request.path.endswith("contact") else "")
        status, body = answers.get(kind, (200, {}))
        return web.json_response(body, status=status)

    return answer


LOOK_UP, CONTACT, TRACKER = "/v1/contacts?externalCustomerId=42", "/v1/contact", "/v2"


async def test_the_contact_comes_before_the_event_and_once(parts: Parts, esputnik: Tracker) -> None:
    arrived = await deliver(parts, esputnik, login("a-1"), login("a-2"))
    assert arrived == [LOOK_UP, CONTACT, TRACKER, TRACKER]
    assert orjson.loads(esputnik.calls[1][1]) == {
        "externalCustomerId": "42",
        "channels": [{"type": "email", "value": "o@example.com"}],
    }


async def test_two_lanes_that_need_it_at_the_same_moment_make_one_contact(
    parts: Parts, esputnik: Tracker
) -> None:
    esputnik.seconds = 0.05
    arrived = await deliver(parts, esputnik, *(login(f"{lane}-1") for lane in "abcdefgh"))
    assert arrived.count(CONTACT) == 1
    assert arrived.index(CONTACT) < arrived.index(TRACKER)
    assert arrived.count(TRACKER) == 8


async def test_a_contact_that_is_there_is_not_made_again(parts: Parts, esputnik: Tracker) -> None:
    esputnik.always = scripted(looked_up=(200, {"id": "7", "externalCustomerId": "42"}))
    assert await deliver(parts, esputnik, login("a-1"), login("b-1")) == [LOOK_UP, TRACKER, TRACKER]


async def test_a_hit_that_is_somebody_else_is_none(parts: Parts, esputnik: Tracker) -> None:
    esputnik.always = scripted(looked_up=(200, [{"externalCustomerId": 421}, {"id": "42"}]))
    assert await deliver(parts, esputnik, login("a-1")) == [LOOK_UP, CONTACT, TRACKER]


async def test_a_failed_look_up_is_not_taken_for_not_found(parts: Parts, esputnik: Tracker) -> None:
    fails = [scripted(looked_up=(503, {})), scripted(looked_up=(200, {"externalCustomerId": "42"}))]

    async def answer(request: web.Request) -> web.StreamResponse:
        return await (fails.pop(0) if len(fails) > 1 else fails[0])(request)

    esputnik.always = answer
    assert await deliver(parts, esputnik, login("a-1")) == [LOOK_UP, LOOK_UP, TRACKER]


async def test_a_contact_that_esputnik_refuses_holds_nothing_up(parts: Parts, esputnik: Tracker) -> None:
    esputnik.always = scripted(made=(400, {"message": "contact limit"}))
    arrived = await deliver(parts, esputnik, login("a-1"), login("a-2"))
    assert arrived == [LOOK_UP, CONTACT, TRACKER, TRACKER]
    assert await parts.dead_letters() == []


@pytest.mark.parametrize("named", [{"customer": None}, {"email": None}])
async def test_without_id_or_without_email_and_phone_nothing_is_made(
    parts: Parts, esputnik: Tracker, named: Any
) -> None:
    assert await deliver(parts, esputnik, login("a-1", **named)) == [TRACKER]


async def test_the_stores_own_contact_that_equals_the_one_made_here_is_no_repeat_to_wait_for(
    parts: Parts, esputnik: Tracker
) -> None:
    contact = {"channels": [{"value": "o@example.com", "type": "email"}], "externalCustomerId": "42"}
    made = about("a-2", ApiCall.ADD_CONTACT, "POST v1/contact", contact)
    esputnik.script["a-2"] = [says(409, b"Duplicated request")]
    assert await deliver(parts, esputnik, login("a-1"), made) == [LOOK_UP, CONTACT, TRACKER, CONTACT]


async def test_a_contact_call_of_the_store_settles_it(parts: Parts, esputnik: Tracker) -> None:
    made = about("a-1", ApiCall.ADD_CONTACT, "POST v1/contact", {"firstName": "A"})
    assert await deliver(parts, esputnik, made, login("a-2")) == [CONTACT, TRACKER]


async def test_a_contact_that_was_deleted_through_us_is_not_made_again_until_the_store_makes_one(
    parts: Parts, esputnik: Tracker
) -> None:
    target = "DELETE v1/contact?externalCustomerId=42"
    gone = about("a-1", ApiCall.DELETE_CONTACT, target, {"externalCustomerId": "42"})
    assert (await deliver(parts, esputnik, gone, login("a-2")))[1:] == [TRACKER]
    esputnik.calls.clear()
    assert await deliver(parts, esputnik, login("b-1")) == [TRACKER]
    esputnik.calls.clear()
    made = about("a-3", ApiCall.ADD_CONTACT, "POST v1/contact", {"firstName": "A"})
    assert await deliver(parts, esputnik, made, login("a-4")) == [CONTACT, TRACKER]


async def test_an_event_of_the_api_needs_a_contact_too_and_an_order_makes_its_own(
    parts: Parts, esputnik: Tracker
) -> None:
    generated = about("a-1", ApiCall.GENERATE_EVENT, "POST v1/event", {})
    assert await deliver(parts, esputnik, generated) == [LOOK_UP, CONTACT, "/v1/event"]
    esputnik.calls.clear()
    order = about("b-1", ApiCall.ADD_ORDERS, "POST v1/orders", {"externalOrderId": "1"})
    order.customer = "43"
    assert await deliver(parts, esputnik, order) == ["/v1/orders"]


async def test_no_customer_data_comes_before_its_contact_and_a_site_may_do_without(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    config = settings(tmp_path, sandbox)
    sites = [site.model_copy(update={"ensure_contact": site.id == "shop"}) for site in config.sites]
    login_of = {"externalCustomerId": "42", "user_email": "o@example.com"}
    async with running_shop(config.model_copy(update={"sites": sites}), sandbox) as shop:
        await shop.post(event("CustomerData", **login_of))
        await until_taken(sandbox.url, 1)
        paths = [request["path"] for request in await requests(shop)]
        assert paths == ["/api/v1/contacts", "/api/v1/contact", "/api/v2"]
        other = event("CustomerData", **login_of)
        other["GeneralInfo"]["siteId"] = "open-shop"
        await shop.post(other, "/api/v2", key=None)
        await until_taken(sandbox.url, 2)
        assert [request["path"] for request in await requests(shop)][3:] == ["/api/v2"]


async def test_a_store_that_registers_and_logs_in_at_once_has_one_contact(shop: Shop) -> None:
    body = {"externalCustomerId": "42", "channels": [{"type": "email", "value": "o@example.com"}]}
    logged_in = event("CustomerData", externalCustomerId="42", user_email="o@example.com")
    await asyncio.gather(shop.post(logged_in), call(shop, "POST", "/v1/contact", json=body))
    await until_taken(shop.sandbox.url, 1)
    async with shop.http.get(f"{shop.sandbox.url}/_sandbox/contacts") as answer:
        contacts = await answer.json()
    assert len(contacts["contacts"]) == 1
