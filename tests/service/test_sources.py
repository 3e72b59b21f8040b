"""Which side sends what, and by which ids a site is named: over real HTTP, down to what eSputnik gets."""

from pathlib import Path
from typing import Any

import pytest

from gateway.config import Config
from gateway.sandbox import Sandbox
from tests.service.conftest import Shop, cart, event, running_shop, settings
from tests.service.test_api_calls import requests, until_requests


def changed(config: Config, **of_every_site: Any) -> Config:
    sites = [site.model_copy(update=of_every_site) for site in config.sites]
    return config.model_copy(update={"sites": sites})


def named(config: Config) -> Config:
    """Return the configuration with an id for each site that eSputnik gave it."""
    sites = [site.model_copy(update={"tracker_site_id": f"es-{site.id}"}) for site in config.sites]
    return config.model_copy(update={"sites": sites})


@pytest.fixture
def config(tmp_path: Path, sandbox: Sandbox) -> Config:
    return settings(tmp_path, sandbox)


async def test_what_the_browser_sends_goes_no_further_from_a_backend_and_that_changes_at_run_time(
    config: Config, sandbox: Sandbox
):
    async def set_aside(shop: Shop, path: str) -> bool:
        status, answer = await shop.post(cart(), path=path)
        (result,) = answer["results"]
        assert (status, result["status"]) == (200 if path == "/api/v2" else 202, "accepted")
        return [one["code"] for one in result["warnings"]] == ["not_forwarded"]

    async with running_shop(changed(config, sources={"StatusCart": "browser"}), sandbox) as shop:
        assert await set_aside(shop, "/v1/events")
        assert await set_aside(shop, "/api/v2")
        assert "sites.shop.sources" in shop.gateway.reload(config)
        assert not await set_aside(shop, "/v1/events")
        await until_requests(shop, 1)
        assert "sites.shop.sources" in shop.gateway.reload(changed(config, sources={"StatusCart": "browser"}))
        assert await set_aside(shop, "/v1/events")
        assert len(await requests(shop)) == 1


async def test_an_event_names_its_site_by_either_id_and_esputnik_gets_its_own(
    config: Config, sandbox: Sandbox
):
    async with running_shop(config, sandbox) as shop:
        await shop.post(event())
        ((before),) = await until_requests(shop, 1)
        assert before["body"]["GeneralInfo"]["siteId"] == "shop"
        assert (await shop.post(event(siteId="es-shop")))[0] == 403
        assert (await shop.post(event(siteId="es-open-shop"), path="/api/v2", key=None))[0] == 401
        assert "sites.shop.tracker_site_id" in shop.gateway.reload(named(config))
        for site in ("shop", "es-shop"):
            assert (await shop.post(event(siteId=site)))[0] == 202
        for site in ("open-shop", "es-open-shop"):
            assert (await shop.post(event(siteId=site), path="/api/v2", key=None))[0] == 200
        assert (await shop.post({"GeneralInfo": {"eventName": "MainPage", "cookies": {"sc": "c"}}}))[0] == 202
        status, answer = await shop.post(event(siteId="es-strict-shop"))
        assert (status, answer["results"][0]["code"]) == (403, "wrong_site")
        assert (await shop.post(event(siteId="es-shop"), path="/api/v2", key=None))[0] == 401
        arrived = (await until_requests(shop, 6))[1:]
    names = sorted(one["body"]["GeneralInfo"]["siteId"] for one in arrived)
    assert names == ["es-open-shop"] * 2 + ["es-shop"] * 3
