"""What is passed through to eSputnik, over real HTTP."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.relay.routes import PASSES
from gateway.sandbox import Sandbox
from tests.service.conftest import Shop, running_shop, settings
from tests.service.test_api_calls import CONTACT, basic, call, requests
from tests.service.tracker import Tracker, hangs, resets, says


@pytest.fixture
async def esputnik() -> AsyncIterator[Tracker]:
    async with Tracker() as running:
        yield running


@pytest.fixture
async def scripted(tmp_path: Path, sandbox: Sandbox, esputnik: Tracker) -> AsyncIterator[Shop]:
    """A shop whose eSputnik answers by script, and is waited for only shortly."""
    config = settings(tmp_path, sandbox, relay={"timeout_seconds": 0.5})
    urls = {"api_url": f"{esputnik.url}/api", "tracker_url": f"{esputnik.url}/api/v2"}
    sites = [site.model_copy(update=urls) for site in config.sites]
    async with running_shop(config.model_copy(update={"sites": sites}), sandbox) as shop:
        yield shop


@pytest.mark.parametrize("prefix", ["", "/api"])
@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_read_comes_back_as_esputnik_gives_it(shop: Shop, prefix: str, slash: str):
    _, _, made = await call(shop, "POST", "/v1/contact", json=CONTACT)
    status, _, contact = await call(shop, "GET", f"{prefix}/v1/contact/{made['id']}{slash}")
    assert (status, contact["externalCustomerId"]) == (200, "42")
    status, headers, found = await call(shop, "GET", f"{prefix}/v1/contacts{slash}?email=o@example.com")
    assert status == 200
    assert "TotalCount" in headers
    assert found
    status, _, answer = await call(shop, "GET", f"{prefix}/v1/contact/5{slash}")
    assert (status, answer) == (404, "Contact not found")


async def test_a_key_is_checked_by_account_info_as_at_esputnik(shop: Shop):
    status, _, answer = await call(shop, "GET", "/api/v1/account/info")
    assert (status, answer["organisationName"]) == (200, "Sandbox")
    wrong = {"Authorization": basic("user", "nobody's")}
    status, _, _ = await call(shop, "GET", "/api/v1/account/info", headers=wrong)
    assert status == 401
    assert len(await requests(shop, "/api/v1/account/info")) == 1


@pytest.mark.parametrize("one", PASSES, ids=lambda one: f"{one.method} {one.path}")
async def test_every_call_goes_to_its_own_place_with_query_body_and_the_sites_real_key(
    scripted: Shop, esputnik: Tracker, one: Any
):
    path = one.path.replace("{id}", "4%2F2")
    esputnik.always = says(207, b'{"as": "given"}', Content_Type="application/json", Set_Cookie="a=b")
    body = b'{"a": 1}' if one.method == "POST" else b""
    status, headers, answer = await call(
        scripted, one.method, f"/{path}?a=%D0%B9&b=", data=body or None, headers={"Cookie": "c=d"}
    )
    assert (status, answer) == (207, {"as": "given"})
    assert "Set-Cookie" not in headers
    assert esputnik.calls == [(f"{one.method} /api/{path}?a=%D0%B9&b=", body)]
    assert esputnik.headers[0]["Authorization"] == basic("gateway", "sandbox-key")
    assert "Cookie" not in esputnik.headers[0]


@pytest.mark.parametrize("failure", [hangs, resets])
async def test_no_answer_is_a_503_in_time_and_after_five_nothing_is_asked_for_a_while(
    scripted: Shop, esputnik: Tracker, failure: Any
):
    esputnik.always = failure
    async with asyncio.timeout(10):
        for _ in range(8):
            status, headers, answer = await call(scripted, "GET", "/v1/groups")
            assert (status, answer["code"]) == (503, "esputnik_away")
            assert int(headers["Retry-After"]) >= 1
    assert len(esputnik.calls) == 5
    esputnik.always = says(200, b"[]")
    async with asyncio.timeout(10):
        while (await call(scripted, "GET", "/v1/groups"))[0] != 200:
            await asyncio.sleep(0.1)


async def test_an_open_circuit_of_one_site_holds_up_no_other(scripted: Shop, esputnik: Tracker):
    esputnik.always = says(500)
    for _ in range(6):
        await call(scripted, "GET", "/v1/groups")
    assert (await call(scripted, "GET", "/v1/groups"))[0] == 503
    esputnik.always = says(200, b"[]")
    other = {"Authorization": basic("user", "strict-key")}
    assert (await call(scripted, "GET", "/v1/groups", headers=other))[0] == 200


async def test_a_script_is_asked_for_once_and_again_where_the_client_wants_it(
    scripted: Shop, esputnik: Tracker
):
    esputnik.always = says(200, b"<script></script>", Content_Type="text/plain")
    for path in ("/v1/site/script", "/api/v1/site/script/"):
        status, headers, answer = await call(scripted, "GET", path)
        assert (status, answer, headers["Content-Type"]) == (200, "<script></script>", "text/plain")
    assert len(esputnik.calls) == 1
    await call(scripted, "GET", "/v1/site/script", headers={"Cache-Control": "no-cache"})
    await call(scripted, "GET", "/v1/site/webpush/script?domain=https://a.example")
    await call(scripted, "GET", "/v1/site/webpush/script?domain=https://b.example")
    assert len(esputnik.calls) == 4


async def test_a_failure_is_not_kept(scripted: Shop, esputnik: Tracker):
    esputnik.always = says(404)
    assert (await call(scripted, "GET", "/v1/addressbooks"))[0] == 404
    esputnik.always = says(200, b"{}")
    assert (await call(scripted, "GET", "/v1/addressbooks"))[0] == 200


async def test_what_esputnik_answers_is_bounded(scripted: Shop, esputnik: Tracker):
    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b"x" * 2**20)

    esputnik.always = endless
    assert (await call(scripted, "GET", "/v1/contacts"))[0] == 503
