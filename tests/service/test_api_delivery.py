"""Calls of eSputnik's API from a real stream to an eSputnik that answers by script."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from gateway.calls import ApiCall
from gateway.delivery.deliverer import GROUP
from gateway.event import Record
from gateway.stream import Entry
from tests.service.tracker import Parts, Tracker, append, opened, says, until

ORDER = {"externalOrderId": "1"}


@pytest.fixture
async def esputnik() -> AsyncIterator[Tracker]:
    async with Tracker() as running:
        yield running


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    async with opened(tmp_path) as running:
        yield running


def call(event_id: str, kind: ApiCall, target: str, body: Any) -> Record:
    """Return the record of a call whose lane is what stands before the dash of its id."""
    lane = event_id.partition("-")[0]
    return Record(
        event_id,
        "shop",
        kind,
        f"shop/{lane}",
        None,
        None,
        None,
        None,
        0,
        0,
        orjson.dumps(body),
        target=target,
    )


def order(event_id: str, number: int | str, **more: Any) -> Record:
    body = {"externalOrderId": str(number), **more}
    return call(event_id, ApiCall.ADD_ORDERS, "POST v1/orders", body)


async def put(parts: Parts, *records: Record) -> None:
    stream = await parts.stream()
    await stream.append([Entry(one.lane, one.encode()) for one in records])


def ids_of(body: bytes) -> list[str]:
    return [one["externalOrderId"] for one in orjson.loads(body)["orders"]]


def sent(esputnik: Tracker) -> list[str]:
    """Return the orders that were posted, in order of arrival."""
    return [one for _, body in esputnik.calls for one in ids_of(body)]


def sent_orders(esputnik: Tracker) -> list[str]:
    """Return the ids of the orders that were posted, of those that have one."""
    bodies = [orjson.loads(body) for _, body in esputnik.calls]
    return [one["externalOrderId"] for body in bodies for one in body.get("orders", ()) if any(one.values())]


def alone(esputnik: Tracker) -> set[str]:
    """Return the orders that were posted without any other."""
    lists = [ids_of(body) for _, body in esputnik.calls]
    return {ids[0] for ids in lists if len(ids) == 1}


async def until_done(parts: Parts) -> None:
    """Return once delivery has nothing left to do."""
    stream = await parts.stream()
    async with asyncio.timeout(20):
        while (await stream.backlog(GROUP)).count:
            await asyncio.sleep(0.01)


def refusing(*culprits: str) -> Callable[[web.Request], Any]:
    async def answer(request: web.Request) -> web.Response:
        bad = set(culprits) & set(ids_of(await request.read()))
        return web.Response(status=400 if bad else 200, text="bad order" if bad else "{}")

    return answer


@pytest.mark.parametrize(
    ("kind", "target", "body", "arrives"),
    [
        (ApiCall.ADD_CONTACT, "POST v1/contact", {"firstName": "A"}, {"firstName": "A"}),
        (ApiCall.UPDATE_CONTACT, "PUT v1/contact/4%2F2", {"firstName": "A"}, {"firstName": "A"}),
        (ApiCall.DELETE_CONTACT, "DELETE v1/contact?externalCustomerId=4%202", {"erase": "true"}, None),
        (ApiCall.GENERATE_EVENT, "POST v2/event", {"eventTypeKey": "a"}, {"eventTypeKey": "a"}),
        (ApiCall.DELETE_ORDERS, "DELETE v1/orders", {"externalOrderId": "1"}, {"externalOrderId": "1"}),
        (ApiCall.ADD_ORDERS, "POST v1/orders", ORDER, {"orders": [ORDER]}),
    ],
)
async def test_a_call_arrives_where_it_was_meant_with_the_sites_own_key(
    parts: Parts, esputnik: Tracker, kind: ApiCall, target: str, body: Any, arrives: Any
) -> None:
    await put(parts, call("a-1", kind, target, body))
    async with parts.delivering(esputnik):
        await until(lambda: esputnik.taken == ["a-1"])
    method, _, path = target.partition(" ")
    ((line, received),) = esputnik.calls
    assert line == f"{method} /api/{path}"
    assert (orjson.loads(received) if received else None) == arrives
    assert esputnik.headers[0]["Authorization"].startswith("Basic ")


async def test_orders_that_pile_up_go_out_together_and_in_the_order_of_their_lanes(
    parts: Parts, esputnik: Tracker
) -> None:
    esputnik.always = says(503)
    await put(parts, *(order(f"{lane}-{n}", f"{lane}{n}") for n in range(3) for lane in "abcdefgh"))
    async with parts.delivering(esputnik, probe_seconds=0.05, concurrency=2):
        await until(lambda: len(esputnik.calls) > 6)
        await asyncio.sleep(0)
        esputnik.always = None
        esputnik.calls.clear()
        await until(lambda: len(sent(esputnik)) >= 24)
    assert sorted(sent(esputnik)) == sorted(f"{lane}{n}" for lane in "abcdefgh" for n in range(3))
    for lane in "abcdefgh":
        of_lane = [one for one in sent(esputnik) if one.startswith(lane)]
        assert of_lane == sorted(of_lane)
    assert len(esputnik.calls) < 20
    assert await parts.dead_letters() == []


async def test_a_call_holds_a_thousand_orders_at_most_and_one_state_of_each(
    parts: Parts, esputnik: Tracker
) -> None:
    await put(parts, *(order(f"l{n}-1", n % 1500) for n in range(1600)))
    async with parts.delivering(esputnik, concurrency=1, window=5000):
        await until(lambda: len(sent(esputnik)) == 1600)
    counts = [len(ids_of(body)) for _, body in esputnik.calls]
    assert max(counts) <= 1000
    assert len(counts) < 50
    for _, body in esputnik.calls:
        assert len(set(ids_of(body))) == len(ids_of(body))


async def test_a_bulk_that_is_refused_is_split_until_the_culprit_is_alone(
    parts: Parts, esputnik: Tracker
) -> None:
    esputnik.always = refusing("13", "70")
    await put(parts, *(order(f"l{n}-1", n) for n in range(100)))
    async with parts.delivering(esputnik, concurrency=1):
        await until(
            lambda: (
                {"13", "70"} <= {one for _, b in esputnik.calls if len(ids_of(b)) == 1 for one in ids_of(b)}
            )
        )
        await until(lambda: len(set(sent(esputnik))) == 100)
    letters = await parts.dead_letters()
    assert sorted(letter["event_id"] for letter in letters) == ["l13-1", "l70-1"]
    assert {letter["reason"] for letter in letters} == {"bad_request"}
    assert len(esputnik.calls) < 60


@pytest.mark.parametrize("bare", [True, False])
async def test_an_order_that_a_success_lists_as_failed_is_a_dead_letter_and_the_others_are_done(
    parts: Parts, esputnik: Tracker, bare: bool
) -> None:
    async def answer(request: web.Request) -> web.Response:
        failed = [
            {"order": {"externalOrderId": int(one)}, "message": "no such customer"}
            for one in ids_of(await request.read())
            if one == "2"
        ]
        return web.json_response({"failedOrders": failed[0] if bare and failed else failed})

    esputnik.always = answer
    await put(parts, *(order(f"l{n}-1", n) for n in range(5)))
    async with parts.delivering(esputnik, concurrency=1):
        await until_done(parts)
    (letter,) = await parts.dead_letters()
    assert (letter["event_id"], letter["reason"], letter["status"]) == ("l2-1", "refused", 200)
    assert letter["answer"] == "no such customer"
    assert len(sent(esputnik)) == 5


async def test_failed_orders_that_name_nobody_are_found_by_splitting(parts: Parts, esputnik: Tracker) -> None:
    async def answer(request: web.Request) -> web.Response:
        failed = {"message": "wrong"} if "2" in ids_of(await request.read()) else []
        return web.json_response({"failedOrders": failed})

    esputnik.always = answer
    await put(parts, *(order(f"l{n}-1", n) for n in range(8)))
    async with parts.delivering(esputnik, concurrency=1):
        await until_done(parts)
    assert "2" in alone(esputnik)
    assert [letter["event_id"] for letter in await parts.dead_letters()] == ["l2-1"]


async def test_failed_contacts_of_a_bulk_become_dead_letters_one_by_one(
    parts: Parts, esputnik: Tracker
) -> None:
    contacts = [{"externalCustomerId": str(n), "channels": []} for n in range(4)]
    failed = [{"externalCustomerId": 1, "message": "bad email"}, {"externalCustomerId": "3"}]
    answer = orjson.dumps({"asyncSessionId": "s", "failedContacts": failed})
    esputnik.script["a-1"] = [says(200, answer)]
    body = {"contacts": contacts, "dedupeOn": "email"}
    await put(parts, call("a-1", ApiCall.ADD_CONTACTS, "POST v1/contacts", body))
    async with parts.delivering(esputnik):
        await until_done(parts)
    first, second = await parts.dead_letters()
    assert (first["event_id"], first["answer"], second["event_id"]) == ("a-1-1", "bad email", "a-1-2")
    assert orjson.loads(Record.decode(first["record"]).body) == {**body, "contacts": [contacts[1]]}
    assert orjson.loads(Record.decode(second["record"]).body) == {**body, "contacts": [contacts[3]]}


async def test_rejected_products_become_dead_letters_one_by_one(parts: Parts, esputnik: Tracker) -> None:
    items = {"productId": "b", "status": "rejected", "message": "INVALID_PRICE"}
    esputnik.script["a-1"] = [says(207, orjson.dumps({"items": items}))]
    products = [{"productId": "a"}, {"productId": "b"}]
    await put(parts, call("a-1", ApiCall.UPDATE_PRODUCTS, "POST v1/products", {"products": products}))
    async with parts.delivering(esputnik):
        await until_done(parts)
    (letter,) = await parts.dead_letters()
    assert orjson.loads(Record.decode(letter["record"]).body) == {"products": [{"productId": "b"}]}


async def test_a_409_after_our_own_retry_is_success(parts: Parts, esputnik: Tracker) -> None:
    esputnik.script["a-1"] = [says(500), says(409, b"Duplicated request")]
    await put(parts, call("a-1", ApiCall.ADD_CONTACT, "POST v1/contact", {}))
    async with parts.delivering(esputnik):
        await until_done(parts)
    assert esputnik.requests_of("a-1") == 2
    assert await parts.dead_letters() == []


async def test_a_409_to_a_fresh_call_waits_and_is_sent_again(parts: Parts, esputnik: Tracker) -> None:
    esputnik.script["a-1"] = [says(409, b"Duplicated request")]
    await put(parts, call("a-1", ApiCall.ADD_CONTACT, "POST v1/contact", {}))
    async with parts.delivering(esputnik, repeat_seconds=0.3):
        await until(lambda: esputnik.taken == ["a-1"])
    (_, first), (_, second) = esputnik.arrived
    assert second - first >= 0.29


async def test_an_import_whose_answer_was_lost_is_sent_again_for_its_failed_rows_are_in_the_answer(
    parts: Parts, esputnik: Tracker
) -> None:
    failed = orjson.dumps({"asyncSessionId": "s", "failedContacts": {"externalCustomerId": "1"}})
    esputnik.script["a-1"] = [says(500), says(409, b"Duplicated request"), says(200, failed)]
    body = {"contacts": [{"externalCustomerId": "1", "channels": []}], "dedupeOn": "externalCustomerId"}
    await put(parts, call("a-1", ApiCall.ADD_CONTACTS, "POST v1/contacts", body))
    async with parts.delivering(esputnik, repeat_seconds=0.3):
        await until_done(parts)
    assert esputnik.requests_of("a-1") == 3
    assert [letter["event_id"] for letter in await parts.dead_letters()] == ["a-1-1"]


@pytest.mark.parametrize("answer", [says(404), says(400, b"Contact not found")])
async def test_what_is_not_there_is_deleted(parts: Parts, esputnik: Tracker, answer: Any) -> None:
    esputnik.script["a-1"] = [answer]
    target = "DELETE v1/contact?externalCustomerId=42"
    await put(parts, call("a-1", ApiCall.DELETE_CONTACT, target, {"externalCustomerId": "42"}))
    async with parts.delivering(esputnik):
        await until_done(parts)
    assert esputnik.requests_of("a-1") == 1
    assert await parts.dead_letters() == []


async def test_too_many_products_hold_up_products_alone(parts: Parts, esputnik: Tracker) -> None:
    esputnik.script["a-1"] = [says(429, retry_after="2")]
    await put(parts, call("a-1", ApiCall.UPDATE_PRODUCTS, "POST v1/products", {"products": []}))
    async with parts.delivering(esputnik):
        await until(lambda: esputnik.requests_of("a-1") == 1)
        await append(await parts.stream(), *(f"b-{n}" for n in range(20)))
        await until(lambda: len(esputnik.taken) == 20)
        assert esputnik.requests_of("a-1") == 1
        await until(lambda: "a-1" in esputnik.taken)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (ApiCall.ADD_ORDERS, {}),
        (ApiCall.ADD_ORDERS, {"externalOrderId": None}),
        (ApiCall.ADD_CONTACTS, {"contacts": 5}),
        (ApiCall.ADD_CONTACTS, {"contacts": ["x"]}),
        (ApiCall.UPDATE_PRODUCTS, {"products": [5]}),
        (ApiCall.DELETE_PRODUCTS, {"products": {"productId": "1"}}),
    ],
)
async def test_a_call_that_an_operator_has_patched_out_of_shape_holds_up_no_other(
    parts: Parts, esputnik: Tracker, kind: ApiCall, body: Any
) -> None:
    failed = {"externalCustomerId": "1", "productId": "1", "externalOrderId": "1"}
    document = {
        "asyncSessionId": "s",
        "failedContacts": [failed],
        "items": [{**failed, "status": "rejected"}],
        "failedOrders": [],
    }
    esputnik.script["a-1"] = [says(200, orjson.dumps(document))]
    await put(parts, order("b-1", 1), call("a-1", kind, "POST v1/calls", body), order("c-1", 2))
    async with parts.delivering(esputnik, concurrency=1):
        await until_done(parts)
    assert esputnik.requests_of("a-1") == 1
    assert sorted(sent_orders(esputnik)) == ["1", "2"]
