import asyncio
import gzip
import zlib
from pathlib import Path

import orjson
import pytest
import zstandard

from gateway.sandbox import Sandbox
from tests.ledger import until_taken
from tests.service.conftest import Shop, cart, event, running_shop, settings

CUSTOMER = {"externalCustomerId": "42", "user_email": "olena@example.com"}


async def test_one_event_is_answered_202_with_one_result(shop: Shop):
    status, answer = await shop.post(event())
    assert status == 202
    assert (answer["accepted"], answer["refused"]) == (1, 0)
    (result,) = answer["results"]
    assert result["index"] == 0
    assert result["status"] == "accepted"
    assert result["durable"] == "stream"
    assert result["warnings"] == []
    assert result["id"][14] == "7"


async def test_a_batch_has_one_result_per_event_in_its_order(shop: Shop):
    status, answer = await shop.post([event(), cart(0), event(cookie="c-2")])
    assert status == 207
    assert [(r["index"], r["status"]) for r in answer["results"]] == [
        (0, "accepted"),
        (1, "refused"),
        (2, "accepted"),
    ]


async def test_a_refusal_names_pointer_and_rule(shop: Shop):
    status, answer = await shop.post(cart(0))
    assert status == 400
    (result,) = answer["results"]
    assert result["code"] == "schema_violation"
    (error,) = result["errors"]
    assert error["pointer"] == "/StatusCart/Products/0/quantity"
    assert error["message"] == "0 is less than the minimum of 1"


async def test_an_unknown_event_is_refused_with_the_nearest_known_name(shop: Shop):
    _, answer = await shop.post(event("StatusKart", {}))
    (result,) = answer["results"]
    assert result["code"] == "unknown_event"
    assert "StatusCart" in result["errors"][0]["message"]


async def test_ndjson_judges_each_line_on_its_own(shop: Shop):
    lines = b"\n".join([orjson.dumps(event()), b'{"GeneralInfo":', orjson.dumps(event())])
    status, answer = await shop.post(lines, Content_Type="application/x-ndjson")
    assert status == 207
    assert [r["status"] for r in answer["results"]] == ["accepted", "refused", "accepted"]
    assert answer["results"][1]["code"] == "malformed_json"


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstandard.ZstdCompressor().compress)],
)
async def test_compressed_bodies_are_taken(shop: Shop, encoding, encode):
    small = orjson.dumps([event()])
    large = orjson.dumps([event(s_location=f"https://shop.example/{n}" * 20) for n in range(900)])
    for body, count in ((small, 1), (large, 900)):
        status, answer = await shop.post(encode(body), Content_Encoding=encoding)
        assert (status, answer["accepted"]) == (202, count)


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", {}, 400, "malformed_json"),
        (b"[1", {}, 400, "malformed_json"),
        (b'{"a": NaN}', {}, 400, "malformed_json"),
        (b"[" * 100_000, {}, 400, "malformed_json"),
        (b"1", {}, 400, "not_an_event"),
        (b"{}", {"Content_Encoding": "br"}, 415, "unsupported_encoding"),
        (b"{}", {"Content_Encoding": "gzip"}, 400, "malformed_encoding"),
        (gzip.compress(b" " * 10**8), {"Content_Encoding": "gzip"}, 413, "too_large"),
        (b" " * 10**7, {}, 413, "too_large"),
        (orjson.dumps([{}] * 1001), {}, 413, "too_many_events"),
        (b"{}", {"Content_Type": "application/json; charset=windows-1251"}, 415, "unsupported_charset"),
        (b"[{}]", {"Idempotency_Key": "k"}, 400, "idempotency_key_on_batch"),
    ],
)
async def test_a_body_that_cannot_be_used_is_a_problem_detail_and_the_process_lives(
    shop: Shop, body, headers, status, code
):
    answered, problem = await shop.post(body, **headers)
    assert (answered, problem["code"], problem["status"]) == (status, code, status)
    assert problem["type"].endswith(code)
    assert (await shop.post(event()))[0] == 202


@pytest.mark.parametrize(
    "item", [None, 1, "text", [], {}, {"GeneralInfo": None}, {"GeneralInfo": {"eventName": 5}}]
)
async def test_a_stray_value_in_a_batch_is_refused_alone(shop: Shop, item):
    status, answer = await shop.post([event(), item])
    assert status == 207
    assert [r["status"] for r in answer["results"]] == ["accepted", "refused"]


@pytest.mark.parametrize(("key", "status"), [(None, 401), ("nobody's", 401), ("strict-key", 403)])
async def test_a_key_that_does_not_belong_to_the_site_stores_nothing(shop: Shop, key, status):
    assert (await shop.post(event(), key=key))[0] == status
    assert (await shop.post(event(), path="/api/v2", key=key))[0] == status
    assert (await shop.post(event()))[0] == 202
    await until_taken(shop.sandbox.url, 1)


async def test_of_a_batch_only_events_of_another_site_are_refused(shop: Shop):
    status, answer = await shop.post([event(), event(siteId="strict-shop")])
    assert status == 207
    assert answer["results"][1]["code"] == "wrong_site"


async def test_the_tracker_route_answers_200_and_400_with_the_result(shop: Shop):
    status, answer = await shop.post(event(), path="/api/v2")
    assert (status, answer["results"][0]["status"]) == (200, "accepted")
    status, answer = await shop.post(cart(0), path="/api/v2/")
    assert (status, answer["results"][0]["status"]) == (400, "refused")


async def test_an_open_site_takes_tracker_events_without_a_key_and_ignores_one(shop: Shop):
    assert (await shop.post(event(siteId="open-shop"), path="/api/v2", key=None))[0] == 200
    assert (await shop.post(event(siteId="open-shop"), path="/api/v2", key="whatever"))[0] == 200
    assert (await shop.post(event(siteId="open-shop"), key=None))[0] == 401


async def test_the_link_message_finds_its_open_site_by_the_organisation(shop: Shop):
    message = {"externalCustomerId": 42, "webId": "c-9", "orgId": 7}
    assert (await shop.post(message, path="/api/v2", key=None))[0] == 200
    assert (await shop.post(message | {"orgId": 8}, path="/api/v2", key=None))[0] == 401


async def test_a_plugin_log_is_taken_and_set_aside(shop: Shop):
    log = {
        "orgId": 7,
        "typeCMS": "shopify",
        "errorMessage": "no",
        "data": {},
        "message": "m",
        "log_level": "error",
    }
    status, answer = await shop.post(log, path="/api/v2", key=None)
    assert status == 200
    assert answer["results"][0]["warnings"][0]["code"] == "not_forwarded"
    await shop.post(event())
    await until_taken(shop.sandbox.url, 1)


async def test_a_strict_site_refuses_what_others_repair(shop: Shop):
    sloppy = {"user_email": " olena@example.com "}
    status, answer = await shop.post(event(**sloppy))
    assert (status, len(answer["results"][0]["warnings"])) == (202, 1)
    status, answer = await shop.post(event(siteId="strict-shop", **sloppy), key="strict-key")
    assert (status, answer["results"][0]["code"]) == (400, "strict_mode")


async def test_a_repeat_of_the_callers_own_id_is_marked_and_arrives_once(shop: Shop):
    first = await shop.post({**event(), "id": "order-1"})
    again = await shop.post({**event(), "id": "order-1"})
    by_header = await shop.post(event(), Idempotency_Key="order-1")
    results = [answer["results"][0] for _, answer in (first, again, by_header)]
    assert len({result["id"] for result in results}) == 1
    assert [result.get("duplicate", False) for result in results] == [False, True, True]
    await shop.post(event("MainPage"))
    assert len(await until_taken(shop.sandbox.url, 2)) == 2


async def test_an_anonymous_event_after_the_login_arrives_with_the_customer(shop: Shop):
    for one in (cart(), event("CustomerData", **CUSTOMER), event("MainPage")):
        assert (await shop.post(one))[0] == 202
    requests = await until_taken(shop.sandbox.url, 3)
    info = [request["body"]["GeneralInfo"] for request in requests]
    assert [i["eventName"] for i in info] == ["StatusCart", "CustomerData", "MainPage"]
    assert [i.get("externalCustomerId") for i in info] == [None, "42", "42"]


async def test_what_esputnik_gets_carries_the_id_that_the_caller_got(shop: Shop):
    _, answer = await shop.post(event())
    (request,) = await until_taken(shop.sandbox.url, 1)
    assert request["headers"]["X-Request-Id"] == answer["results"][0]["id"]


@pytest.mark.parametrize(
    "path", ["/v1/schemas", "/v1/schemas/StatusCart", "/openapi.json", "/livez", "/readyz", "/livez/"]
)
async def test_the_contract_and_the_probes_answer(shop: Shop, path):
    assert (await shop.get(path))[0] == 200


@pytest.mark.parametrize(
    ("path", "status"), [("/nowhere", 404), ("/v1/schemas/Nothing", 404), ("/v1/events", 405)]
)
async def test_a_wrong_path_or_method_is_a_problem_detail(shop: Shop, path, status):
    answered, problem = await shop.get(path)
    assert (answered, problem["status"]) == (status, status)


async def test_the_docs_page_is_served(shop: Shop):
    async with shop.http.get(f"{shop.url}/docs") as answer:
        assert answer.status == 200
        assert "openapi.json" in await answer.text()


async def test_a_body_that_does_not_arrive_in_time_is_a_408(tmp_path: Path, sandbox: Sandbox):
    config = settings(tmp_path, sandbox, listen={"port": 0, "metrics_port": 0, "body_seconds": 0.5})
    async with running_shop(config, sandbox) as shop:
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.gateway.port)
        writer.write(starting(100, 1))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n"), 30)
        assert b" 408 " in head
        writer.close()


async def test_a_site_over_its_rate_is_answered_429_and_another_is_not(tmp_path: Path, sandbox: Sandbox):
    config = settings(tmp_path, sandbox)
    first, *others = config.sites
    limited = config.model_copy(update={"sites": [first.model_copy(update={"ingest_rate": 2.0}), *others]})
    async with running_shop(limited, sandbox) as shop:
        assert (await shop.post([event()] * 50))[0] == 202
        status, problem = await shop.post(event())
        assert (status, problem["code"]) == (429, "too_fast")
        assert (await shop.post(event(siteId="strict-shop"), key="strict-key"))[0] == 202


def starting(announced: int, sent: int) -> bytes:
    """Return the beginning of a request that never goes on."""
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: x\r\nX-Api-Key: shop-key\r\nContent-Length: {announced}\r\n\r\n"
    )
    return head.encode() + b" " * sent


async def test_over_the_bytes_in_flight_a_request_is_asked_to_come_again(tmp_path: Path, sandbox: Sandbox):
    limits = {
        "in_flight_bytes": 5 * 2**20,
        "body_bytes": 2**20,
        "decoded_bytes": 2**20,
        "values": 1000,
    }
    async with running_shop(settings(tmp_path, sandbox, limits=limits), sandbox) as shop:
        slow = [(await asyncio.open_connection("127.0.0.1", shop.gateway.port))[1] for _ in range(5)]
        for writer in slow:
            writer.write(starting(2**20, 1_040_000))
        async with asyncio.timeout(20):
            while (answered := await shop.post([event()] * 100))[0] == 202:
                pass
        assert (answered[0], answered[1]["code"]) == (503, "busy")
        for writer in slow:
            writer.close()
        async with asyncio.timeout(20):
            while (await shop.post([event()] * 100))[0] != 202:
                await asyncio.sleep(0.02)


async def test_what_is_only_announced_takes_no_room(shop: Shop):
    slow = [(await asyncio.open_connection("127.0.0.1", shop.gateway.port))[1] for _ in range(100)]
    for writer in slow:
        writer.write(starting(4_000_000, 1))
        await writer.drain()
    for _ in range(10):
        assert (await shop.post([event()] * 100))[0] == 202
    for writer in slow:
        writer.close()


async def test_a_body_that_would_become_too_many_objects_is_refused_before_it_does(shop: Shop):
    for body in (b"[" + b"{}," * 300_000 + b"{}]", orjson.dumps(event() | {"junk": [[]] * 300_000})):
        status, problem = await shop.post(body)
        assert (status, problem["code"]) == (413, "too_many_values")
    assert (await shop.post([event()] * 1000))[0] == 202
