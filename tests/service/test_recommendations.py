"""Recommendations for a shop's page, against the sandbox over real HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from gateway.clock import SystemClock
from gateway.esputnik.client import EsputnikClient
from gateway.relay.answers import Answers
from gateway.relay.asking import Outcome
from gateway.relay.site import SiteRelay
from gateway.sandbox import Sandbox
from tests.contracts.shop import counted
from tests.service.conftest import Shop, event, running_shop, settings
from tests.service.test_api_calls import call, fault, requests, until_requests
from tests.service.tracker import Tracker, hangs

RECOMS = "/api/v2/contacts/recoms/7"
KETTLE = {"id": "kettle-1", "name": "Kettle"}
"""As the sandbox is told to answer it: eSputnik writes a list with this one as the bare object."""
PAIR = [KETTLE, {"id": "cup-2", "name": "Cup"}]


@asynccontextmanager
async def recommending(folder: Path, sandbox: Sandbox, **relay: Any) -> AsyncIterator[Shop]:
    """Run a shop whose pages wait for recommendations as long as a busy machine may need."""
    relay = {"recommendations_seconds": 20, "timeout_seconds": 20} | relay
    async with running_shop(settings(folder, sandbox, relay=relay), sandbox) as shop:
        yield shop


async def ask(shop: Shop, query: str, **headers: str) -> tuple[Any, str | None]:
    """Return the list, and why it is empty."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    status, got, answer = await call(shop, "GET", f"{RECOMS}?{query}", headers=names)
    assert (status, got["Content-Type"]) == (200, "application/json")
    return answer, got.get("Gateway-Empty")


async def asked(shop: Shop) -> list[dict[str, str]]:
    """Return the queries that eSputnik got, with the newest last."""
    return [one["query"] for one in await requests(shop, RECOMS)]


async def recommends(shop: Shop, *bodies: Any) -> None:
    """Let eSputnik answer so, one request after another."""
    await fault(shop, *({"path": RECOMS, "status": 200, "body": body} for body in bodies))


async def log_in(shop: Shop, **customers: str) -> None:
    """Let each customer be seen on a cookie."""
    for cookie, customer in customers.items():
        await shop.post(event("CustomerData", cookie=cookie, externalCustomerId=customer))
    await until_requests(shop, len(customers), "/api/v2")


async def test_a_cookie_and_its_customer_stand_in_for_each_other(tmp_path: Path, sandbox: Sandbox):
    async with recommending(tmp_path, sandbox) as shop:
        await log_in(shop, red="1", blue="2", green="3")

        await recommends(shop, KETTLE)
        assert await ask(shop, "products=a%2Cb&webI=red&category=%D0%B9") == ([KETTLE], None)
        assert await asked(shop) == [{"products": "a,b", "category": "й", "externalCustomerId": "1"}]

        # eSputnik has nothing for the customer: what his cookie looked at is better than nothing
        await recommends(shop, [], PAIR)
        assert await ask(shop, "externalCustomerId=2") == (PAIR, None)
        assert (await asked(shop))[1:] == [{"externalCustomerId": "2"}, {"webId": "blue"}]
        assert await ask(shop, "webId=blue") == (PAIR, None)
        assert len(await asked(shop)) == 3

        # nor does it know this one
        await fault(shop, {"path": RECOMS, "status": 404}, {"path": RECOMS, "status": 200, "body": [KETTLE]})
        assert await ask(shop, "externalCustomerId=3") == ([KETTLE], None)
        assert (await asked(shop))[3:] == [{"externalCustomerId": "3"}, {"webId": "green"}]


async def test_who_is_given_is_asked_for_and_only_a_mistake_of_the_caller_is_an_error(
    tmp_path: Path, sandbox: Sandbox
):
    async with recommending(tmp_path, sandbox) as shop:
        await recommends(shop, [])
        assert await ask(shop, "webId=c-1&externalCustomerId=42") == ([], "nothing_found")
        await ask(shop, "webId=c-2&externalCustomerId=guest")
        await ask(shop, "email=o%40example.com&products=5")
        assert await asked(shop) == [
            {"externalCustomerId": "42"},
            {"webId": "c-1"},
            {"webId": "c-2"},
            {"email": "o@example.com", "products": "5"},
        ]
        for nobody in ("externalCustomerId=null", "products=5&webId=", "email=&externalCustomerId="):
            assert await ask(shop, nobody) == ([], "nobody")
        for prefix in ("", "/api"):
            status, _, problem = await call(shop, "GET", f"{prefix}/v2/contacts/recoms/7/?products=5")
            assert (status, problem["code"]) == (400, "bad_request")
        wrong = {"Authorization": "Bearer nobody's"}
        assert (await call(shop, "GET", f"{RECOMS}?webId=c", headers=wrong))[0] == 401
        assert len(await asked(shop)) == 4
        assert "/v2/contacts/recoms/{id}" in (await shop.get("/openapi.json"))[1]["paths"]


async def test_an_answer_is_kept_until_the_caller_wants_a_new_one_or_the_key_changes(
    tmp_path: Path, sandbox: Sandbox
):
    async with recommending(tmp_path, sandbox) as shop:
        await recommends(shop, PAIR, KETTLE, [], PAIR)
        kept = counted("gateway_recommendations_total", site="shop", outcome="kept")
        assert [await ask(shop, "webId=c") for _ in range(3)] == [(PAIR, None)] * 3
        assert counted("gateway_recommendations_total", site="shop", outcome="kept") == kept + 2
        assert await ask(shop, "webId=c", Cache_Control="no-cache") == ([KETTLE], None)
        assert await ask(shop, "webId=c") == ([KETTLE], None)
        config = settings(tmp_path, sandbox, relay=shop.gateway._config.relay)
        shop.gateway.reload(config)
        assert await ask(shop, "webId=c") == ([KETTLE], None)
        assert len(await asked(shop)) == 2
        sites = [site.model_copy(update={"api_key": SecretStr("another")}) for site in config.sites]
        shop.gateway.reload(config.model_copy(update={"sites": sites}))
        assert await ask(shop, "webId=c") == ([], "nothing_found")
        assert len(await asked(shop)) == 3


async def test_no_page_waits_past_the_deadline_and_a_late_answer_is_there_for_the_next_one(
    tmp_path: Path, sandbox: Sandbox
):
    late = {"site": "shop", "outcome": "deadline"}
    held = {"site": "shop", "outcome": "held"}
    before = counted("gateway_recommendations_total", **late)
    async with (
        asyncio.timeout(60),
        recommending(tmp_path, sandbox, recommendations_seconds=0.2) as shop,
    ):
        await fault(shop, path=RECOMS, slow=1)
        assert await asyncio.gather(*(ask(shop, "webId=c") for _ in range(5))) == [([], "deadline")] * 5
        assert counted("gateway_recommendations_total", **late) == before + 5
        while (await ask(shop, "webId=c"))[1] == "deadline":
            pass
        assert len(await asked(shop)) == 1

        await fault(shop, path=RECOMS, hang=True)
        assert await ask(shop, "webId=other") == ([], "deadline")

        # after five failures eSputnik is left alone for a while; other calls have a circuit of their own
        await fault(shop, path=RECOMS, status=500, times=None)
        count = counted("gateway_relayed_total", **held)
        while counted("gateway_relayed_total", **held) == count:
            products, why = await ask(shop, "webId=c", Cache_Control="no-cache")
            assert (products, why in ("unavailable", "deadline")) == ([], True)
        assert (await call(shop, "GET", "/v1/groups"))[0] == 200


async def test_questions_under_way_are_bounded_and_what_is_beyond_them_is_not_asked():
    clock = SystemClock()
    async with (
        Tracker() as hanging,
        EsputnikClient(
            tracker_url=hanging.url, api_url=hanging.url, api_key="k", timeout=60, connections=1
        ) as client,
    ):
        hanging.always = hangs
        answers = Answers(SiteRelay("shop", client, clock), 60, clock)
        pages = [asyncio.create_task(answers.answer(f"?webId={n}", fresh=False)) for n in range(1000)]
        pages += [asyncio.create_task(answers.answer("?webId=0", fresh=False))]
        await asyncio.sleep(0)  # each asks as far as eSputnik
        beyond = await answers.answer("?webId=1000", fresh=False)
        assert beyond == (Outcome.BUSY, b"[]")
        assert not any(page.done() for page in pages)
        await answers.stop()
        await asyncio.gather(*pages, return_exceptions=True)
