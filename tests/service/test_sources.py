"""Which side sends what, and by which ids a site is named: over real HTTP, down to what eSputnik gets."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.config import Config
from gateway.sandbox import Sandbox
from tests.contracts.shop import counted
from tests.service.conftest import Shop, cart, event, running_shop, settings
from tests.service.test_api_calls import requests, until_requests


def changed(config: Config, **of_every_site: Any) -> Config:
    sites = [site.model_copy(update=of_every_site) for site in config.sites]
    return config.model_copy(update={"sites": sites})


@pytest.fixture
def config(tmp_path: Path, sandbox: Sandbox) -> Config:
    return settings(tmp_path, sandbox)


@pytest.fixture
async def of_browsers(config: Config, sandbox: Sandbox) -> AsyncIterator[Shop]:
    """A shop whose browsers send carts and page views."""
    sources = {"StatusCart": "browser", "PageView": "browser", "MainPage": "both", "ProductPage": "backend"}
    async with running_shop(changed(config, sources=sources), sandbox) as shop:
        yield shop


def codes(answer: Any) -> list[list[str]]:
    return [[one["code"] for one in result.get("warnings", ())] for result in answer["results"]]


@pytest.mark.parametrize(("path", "status"), [("/v1/events", 202), ("/api/v2", 200)])
async def test_what_the_browser_sends_is_accepted_from_a_backend_and_goes_no_further(
    of_browsers: Shop, path: str, status: int
):
    labels = {"site": "shop", "type": "StatusCart"}
    warned = counted("gateway_events_warned_total", **labels, code="not_forwarded")
    accepted = counted("gateway_events_accepted_total", **labels)
    got, answer = await of_browsers.post(cart(), path=path)
    (result,) = answer["results"]
    assert (got, result["status"], codes(answer)) == (status, "accepted", [["not_forwarded"]])
    assert result["id"]
    assert "durable" not in result
    assert counted("gateway_events_warned_total", **labels, code="not_forwarded") == warned + 1
    assert counted("gateway_events_accepted_total", **labels) == accepted
    await of_browsers.post(event("MainPage"))
    assert [one["path"] for one in await until_requests(of_browsers, 1)] == ["/api/v2"]
    (arrived,) = await requests(of_browsers)
    assert arrived["body"]["GeneralInfo"]["eventName"] == "MainPage"


async def test_in_a_batch_each_type_goes_its_own_way_and_an_invalid_one_is_refused_whoever_sends_it(
    of_browsers: Shop,
):
    page = event("ProductPage", {"Product": {"productKey": "kettle-1"}})
    status, answer = await of_browsers.post([event(), page, cart(0), event("MainPage"), cart()])
    assert status == 207
    assert [result["status"] for result in answer["results"]] == [
        "accepted",
        "accepted",
        "refused",
        "accepted",
        "accepted",
    ]
    assert codes(answer) == [["not_forwarded"], [], [], [], ["not_forwarded"]]
    assert [result.get("durable") for result in answer["results"]] == [None, "stream", None, "stream", None]


async def test_a_strict_site_is_told_and_not_refused(of_browsers: Shop, sandbox: Sandbox):
    _, answer = await of_browsers.post(cart(siteId="strict-shop"), key="strict-key")
    assert codes(answer) == [["not_forwarded"]]
    _, answer = await of_browsers.post(event("MainPage", siteId="strict-shop"), key="strict-key")
    assert codes(answer) == [[]]


async def test_a_backends_first_cart_is_told_what_it_costs_once_and_all_of_them_go_on(shop: Shop):
    with capture_logs() as logs:
        told = [codes((await shop.post(cart(quantity)))[1]) for quantity in (1, 2)]
        strict = await shop.post(cart(siteId="strict-shop"), key="strict-key")
    assert told == [[["cart_from_backend"]], [[]]]
    assert (strict[0], codes(strict[1])) == (202, [["cart_from_backend"]])
    assert [log["site"] for log in logs if log["event"] == "cart_from_backend"] == ["shop", "strict-shop"]
    assert len(await until_requests(shop, 3)) == 3


async def test_who_sends_what_changes_while_the_gateway_runs(shop: Shop, config: Config):
    await shop.post(cart())
    assert "sites.shop.sources" in shop.gateway.reload(changed(config, sources={"StatusCart": "browser"}))
    assert codes((await shop.post(cart()))[1]) == [["not_forwarded"]]
    shop.gateway.reload(config)
    _, answer = await shop.post(cart())
    assert answer["results"][0]["durable"] == "stream"


def named(config: Config) -> Config:
    """Return the configuration with an id for each site that eSputnik gave it."""
    sites = [site.model_copy(update={"tracker_site_id": f"es-{site.id}"}) for site in config.sites]
    return config.model_copy(update={"sites": sites})


async def test_an_event_names_its_site_by_either_id_and_esputnik_gets_its_own(
    config: Config, sandbox: Sandbox
):
    async with running_shop(named(config), sandbox) as shop:
        for site in ("shop", "es-shop"):
            assert (await shop.post(event(siteId=site)))[0] == 202
        for site in ("open-shop", "es-open-shop"):
            assert (await shop.post(event(siteId=site), path="/api/v2", key=None))[0] == 200
        assert (await shop.post({"GeneralInfo": {"eventName": "MainPage", "cookies": {"sc": "c"}}}))[0] == 202
        status, answer = await shop.post(event(siteId="es-strict-shop"))
        assert (status, answer["results"][0]["code"]) == (403, "wrong_site")
        assert (await shop.post(event(siteId="es-shop"), path="/api/v2", key=None))[0] == 401
        arrived = await until_requests(shop, 5)
    names = sorted(one["body"]["GeneralInfo"]["siteId"] for one in arrived)
    assert names == ["es-open-shop"] * 2 + ["es-shop"] * 3


async def test_the_id_at_the_tracker_changes_while_the_gateway_runs(shop: Shop, config: Config):
    await shop.post(event())
    await until_requests(shop, 1)
    assert (await shop.post(event(siteId="es-shop")))[0] == 403
    assert "sites.shop.tracker_site_id" in shop.gateway.reload(named(config))
    assert (await shop.post(event(siteId="es-shop")))[0] == 202
    assert (await shop.post(event(siteId="es-open-shop"), path="/api/v2", key=None))[0] == 200
    arrived = await until_requests(shop, 3)
    names = [one["body"]["GeneralInfo"]["siteId"] for one in arrived]
    assert (names[0], sorted(names[1:])) == ("shop", ["es-open-shop", "es-shop"])
