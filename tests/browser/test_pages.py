"""What set-up makes, in the browser that it is made for."""

import asyncio
from typing import Any

import pytest

from tests.browser.conftest import Browser, Connected
from tests.service.test_api_calls import requests
from tests.storefront import File

pytestmark = pytest.mark.browser

PATH = "/static/push/sw-yespo.js"

# The file that the shop serves is one import: only the imported worker takes over pages by itself.
TAKEN_OVER = """
    const ready = await navigator.serviceWorker.ready;
    if (!navigator.serviceWorker.controller)
        await new Promise(done => navigator.serviceWorker.addEventListener("controllerchange", done));
    const worker = navigator.serviceWorker.controller;
    while (worker.state !== "activated")
        await new Promise(done => worker.addEventListener("statechange", done, {once: true}));
    return {scope: ready.scope, script: worker.scriptURL};
"""
FORGET = "return await (await navigator.serviceWorker.ready).unregister();"
REGISTER = "await navigator.serviceWorker.register(given[0], {scope: given[1]}); return {};"
ASK = """
    const worker = (await navigator.serviceWorker.ready).active;
    const answered = new Promise(done => navigator.serviceWorker.addEventListener("message", done));
    navigator.serviceWorker.startMessages();
    worker.postMessage("who is there?");
    return (await answered).data;
"""
OWN = """
self.addEventListener("message", event => event.source.postMessage("the shop's own worker"));
"""


async def test_the_worker_from_the_gateway_has_its_scope_wherever_the_shop_keeps_it(
    shop: Connected, browser: Browser
):
    _, made = await shop.set_up("webpush", worker_path=PATH, scope="/")
    shop.front.passed[PATH] = made["worker"]["served_at"]
    shop.show(made["snippet"])
    await browser.open(shop.front.url)
    assert await browser.run(TAKEN_OVER) == {"scope": f"{shop.front.url}/", "script": shop.front.url + PATH}


async def test_without_the_header_that_the_gateway_sends_the_browser_refuses_the_scope(
    shop: Connected, browser: Browser
):
    _, made = await shop.set_up("webpush", worker_path=PATH, scope="/")
    shop.front.passed[PATH] = made["worker"]["served_at"]
    shop.front.dropped.add("Service-Worker-Allowed")
    shop.show("")
    await browser.open(shop.front.url)
    assert await browser.run(REGISTER, PATH, "/") == {"error": "SecurityError"}
    shop.front.dropped.clear()
    assert await browser.run(REGISTER, PATH, "/") == {}


@pytest.mark.parametrize("way", ["link", "snippet"])
async def test_a_page_with_the_tracking_script_is_a_page_view_of_the_shop(
    shop: Connected, browser: Browser, way: str
):
    _, made = await shop.set_up("tracking")
    shop.show(made[way])
    await browser.open(f"{shop.front.url}/?utm_source=test")
    message = await page_view(shop)
    general = message["GeneralInfo"]
    assert (general["eventName"], general["siteId"]) == ("PageView", made["site_id"])
    assert general["s_location"] == f"{shop.front.url}/?utm_source=test"
    cookie = await browser.cookie("sc")
    assert cookie
    assert general["cookies"]["sc"] == cookie


async def page_view(shop: Connected) -> Any:
    """Return the message once it has come to eSputnik's tracker."""
    async with asyncio.timeout(60):
        while not (found := await requests(shop, "/api/v2")):
            await asyncio.sleep(0.02)
    return found[0]["body"]


async def test_with_anothers_worker_nothing_is_changed_and_the_merged_file_runs_both(
    shop: Connected, browser: Browser
):
    shop.front.files["/sw.js"] = File(OWN)
    shop.show("<script>navigator.serviceWorker.register('/sw.js')</script>")
    await browser.open(shop.front.url)
    assert await browser.run(ASK) == "the shop's own worker"
    assert await browser.run("return navigator.serviceWorker.controller") is None
    assert await browser.run(FORGET)

    status, problem = await shop.set_up("webpush")
    assert (status, problem["code"]) == (409, "other_worker")
    assert await requests(shop) == []

    (worker,) = problem["advice"]["workers"]
    shop.front.files[worker["path"]] = File(worker["merged"])
    await browser.open(shop.front.url)
    assert (await browser.run(TAKEN_OVER))["script"] == f"{shop.front.url}/sw.js"
    assert await browser.run(ASK) == "the shop's own worker"

    status, made = await shop.set_up("webpush", worker_path="/sw.js")
    assert (status, made["worker"]["is_merged"]) == (200, True)
