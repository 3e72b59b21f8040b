"""The doctor names what is broken of a shop's way to eSputnik, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from typer.testing import CliRunner

from gateway.cli import cli
from gateway.config import load
from gateway.demo.parts import free_port
from gateway.doctor.examining import examine
from gateway.doctor.finding import Finding, exit_status
from gateway.keys import hashed
from gateway.sandbox import Sandbox
from tests.feed.shop import feed, product
from tests.service.conftest import event, running_shop
from tests.service.test_console import OPERATOR, Operated
from tests.storefront import PAGE, File, Storefront

SITE = "examined-shop"
SETUP = f"/v1/sites/{SITE}/setup"
KEYS = [f"K-{number}" for number in range(40)]
NOWHERE = "http://127.0.0.1:9"
CONFIG = """
operator.keys = ["{operator}"]
listen = {{port = {port}, metrics_port = {metrics}}}
stream.path = "{folder}/stream.db"
links.url = "sqlite:{folder}/links.db"
[[sites]]
id = "{site}"
tracker_site_id = "{site_id}"
keys = ["shop-key"]
api_key = "sandbox-key"
api_url = "{sandbox}/api"
tracker_url = "{sandbox}/api/v2"
feed.links = {{uk = "{shop}/uk.xml"}}
"""

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Examined(Operated):
    """A shop that is wholly connected, with its configuration."""

    front: Storefront
    file: Path

    async def connect(self, site_id: str) -> None:
        """Set up tracking and web push as an operator does, and post a cart as a backend does."""
        domain = {"domain": self.front.domain}
        _, tracking = await self.ask("POST", f"{SETUP}/tracking", domain | {"site_id": site_id})
        assert (await self.ask("POST", f"{SETUP}/webpush", domain))[0] == 200
        self.front.passed["/sw-yespo.js"] = f"{self.url}/sites/{SITE}/sw.js"
        self.front.files["/"] = File(f"<html><head>{tracking['snippet']}</head></html>", PAGE)
        self.front.files["/uk.xml"] = File(feed(*map(product, range(40))), "application/xml")
        products = [{"productKey": key, "price": "9", "quantity": 1} for key in KEYS]
        cart = {"GUID": "8a1f7c0e-5d41-4a53-9a50-0d6fb1a3e001", "Products": products}
        await self.post(event("StatusCart", cart, siteId=SITE))
        await self.until(f"/v1/product-keys?site={SITE}&keys=true", lambda told: told["keys"]["tracking"])
        await self.until(SETUP, lambda told: told["last_events"])

    async def until(self, path: str, found: Any) -> None:
        async with asyncio.timeout(20):
            while not found((await self.ask("GET", path))[1]):
                await asyncio.sleep(0.02)

    async def examine(self, url: str = "") -> tuple[int, dict[str, Finding]]:
        """Return the doctor's exit status, and by check what it found."""
        config = load(self.file)
        findings = await examine(config, config.site(SITE), url)
        return exit_status(findings), {finding.check: finding for finding in findings}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def connected(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Examined]:
    folder = tmp_path_factory.mktemp("examined")
    async with Sandbox() as sandbox, Storefront() as front:
        site_id = await registered(front, sandbox)
        ports = {"port": free_port(), "metrics": free_port()}
        places = {"folder": folder, "sandbox": sandbox.url, "shop": front.url}
        file = folder / "gateway.toml"
        file.write_text(CONFIG.format(operator=OPERATOR, site=SITE, site_id=site_id, **ports, **places))
        async with running_shop(load(file), sandbox) as running:
            shop = Examined(running.gateway, sandbox, running.http)
            shop.front, shop.file = front, file
            await shop.connect(site_id)
            yield shop


async def registered(front: Storefront, sandbox: Sandbox) -> str:
    """Register the shop's domain at eSputnik as its account does; return its siteId."""
    url, headers = f"{sandbox.url}/api/v1/site/domains", {"Authorization": "Bearer sandbox-key"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(url, json={"domain": front.domain}) as answer,
    ):
        site_id: str = (await answer.json())["siteId"]
        return site_id


@pytest.fixture
def shop(connected: Examined) -> Iterator[Examined]:
    """What a test breaks is mended after it."""
    files, passed = dict(connected.front.files), dict(connected.front.passed)
    settings = connected.file.read_text()
    yield connected
    connected.front.files, connected.front.passed = files, passed
    connected.file.write_text(settings)


async def test_a_shop_without_faults_is_told_to_work(shop: Examined):
    status, found = await shop.examine()
    assert {one.state for one in found.values()} == {"ok"}, found
    assert status == 0
    assert found["tracker"].says.endswith("answered OPTIONS with 405; no event was sent")
    assert "40 products, 0 errors" in found["feed"].says


async def test_three_planted_faults_are_named_and_nothing_else(shop: Examined):
    """The page lost its script, the worker is a web page, the feed has variants where carts have groups."""
    shop.front.files["/"] = File("<html><head></head></html>", PAGE)
    shop.front.passed.clear()
    shop.front.files["/sw-yespo.js"] = File("<html>not found</html>", PAGE)
    variants = [
        product(number, id=f"V-{number}", item_group_id=KEYS[number // 2], color=("red", "blue")[number % 2])
        for number in range(80)
    ]
    shop.front.files["/uk.xml"] = File(feed(*variants), "application/xml")
    status, found = await shop.examine()
    wrong = {name: one for name, one in found.items() if one.state != "ok"}
    assert sorted(wrong) == ["page", "product ids", "worker"], wrong
    assert {one.state for one in wrong.values()} == {"broken"}
    assert status == 2
    assert "has no tracking script" in wrong["page"].says
    assert "text/html" in wrong["worker"].says
    ids = wrong["product ids"]
    assert "tracking: 40 of 40 are in no other source, 40 of them groups (K-0" in ids.says
    assert "feed: 80 of 80" in ids.says
    assert "so the variant's is missing there" in ids.do


async def test_a_proxy_that_drops_the_header_of_a_worker_in_a_folder_is_named(shop: Examined):
    domain, path = shop.front.domain, "/push/sw-yespo.js"
    script = {"script": f"<script>navigator.serviceWorker.register('{path}', {{scope: '/'}})</script>"}
    worker = {"serviceWorker": f"importScripts('{shop.sandbox.url}/webpush/service-worker.js');"}
    fault = {"path": "/api/v1/site/webpush/script", "status": 200, "body": script | worker, "times": 1}
    await shop.faults(fault)
    status, _ = await shop.ask("POST", f"{SETUP}/webpush", {"domain": domain, "worker_path": path})
    assert status == 200
    shop.front.passed[path] = f"{shop.url}/sites/{SITE}/sw.js"
    assert (await shop.examine())[1]["worker"].state == "ok"
    shop.front.dropped.add("Service-Worker-Allowed")
    _, found = await shop.examine()
    shop.front.dropped.clear()
    assert (await shop.ask("POST", f"{SETUP}/webpush", {"domain": domain}))[0] == 200
    assert [name for name, one in found.items() if one.state != "ok"] == ["worker"]
    assert "comes without Service-Worker-Allowed, so browsers refuse it the scope /" in found["worker"].says
    assert "send Service-Worker-Allowed: / with it" in found["worker"].do


async def test_a_worker_that_esputniks_script_does_not_register_is_named(shop: Examined):
    order = {"domain": shop.front.domain, "worker_path": "/other.js"}
    assert (await shop.ask("POST", f"{SETUP}/webpush", order))[0] == 200
    _, found = await shop.examine()
    assert (await shop.ask("POST", f"{SETUP}/webpush", {"domain": shop.front.domain}))[0] == 200
    assert [name for name, one in found.items() if one.state != "ok"] == ["worker"]
    assert found["worker"].says.endswith("registers /sw-yespo.js, not /other.js")
    assert found["worker"].do.endswith("--worker-path /sw-yespo.js")


async def test_a_key_that_esputnik_refuses_is_named(shop: Examined):
    shop.file.write_text(shop.file.read_text().replace("sandbox-key", "mistyped"))
    _, found = await shop.examine()
    (wrong,) = (one for one in found.values() if one.state != "ok")
    assert (wrong.check, wrong.says) == ("key", "eSputnik refuses api_key: it is wrong or disabled")


async def test_the_feed_and_the_page_of_another_are_named(shop: Examined):
    shop.front.files["/uk.xml"] = File("<html>", PAGE)
    shop.front.files["/"] = File("<script>eS('init', {TRACKING: true});</script>", PAGE)
    _, found = await shop.examine()
    assert "is a web page, not a feed" in found["feed"].says
    assert "that is not this domain's" in found["page"].says
    assert {name for name, one in found.items() if one.state == "broken"} == {"feed", "page"}


async def test_a_markets_feed_is_looked_at_beside_the_main_one(shop: Examined):
    shop.file.write_text(f'{shop.file.read_text()}feed.markets = {{pl = "{shop.front.url}/pl.xml"}}\n')
    shop.front.files["/pl.xml"] = File(feed(product(1, price="9 PLN"), product(99)), "application/xml")
    status, found = await shop.examine()
    assert (status, found["feed"].state) == (2, "broken")
    assert found["feed"].says == "market pl: 2 products, 1 errors, 1 warnings"
    assert found["product ids"].state == "ok"


async def test_ids_are_not_judged_by_a_feed_that_breaks_off(shop: Examined):
    others = feed(*(product(number, id=f"V-{number}") for number in range(80)))
    shop.front.files["/uk.xml"] = File(others[:-600], "application/xml")
    _, found = await shop.examine()
    assert (found["feed"].state, found["product ids"].state) == ("broken", "unknown")


async def test_of_a_shop_that_does_not_answer_page_and_worker_are_told(shop: Examined):
    shop.front.files["/"] = File("later", "text/html", 503)
    _, found = await shop.examine()
    assert (found["page"].state, found["worker"].state) == ("warning", "unknown")
    assert f"open {shop.front.url}/" in found["page"].do


async def test_without_a_gateway_the_rest_is_looked_at_all_the_same(shop: Examined):
    status, found = await shop.examine(NOWHERE)
    states = {name: one.state for name, one in found.items()}
    assert (status, states["gateway"]) == (2, "broken")
    assert [states[name] for name in ("key", "tracker", "clock", "feed")] == ["ok"] * 4
    assert {states[name] for name in ("domain", "page", "events", "delivery", "dead letters")} == {"unknown"}


async def test_a_gateway_that_is_not_ready_says_why(shop: Examined):
    answer = '{"status": "not ready", "reason": "the last append was not durable in time"}'
    shop.front.files["/readyz"] = File(answer, "application/json", 503)
    _, found = await shop.examine(shop.front.url)
    assert found["gateway"].state == "broken"
    assert found["gateway"].says.endswith("is not ready: the last append was not durable in time")


async def test_without_an_operator_key_one_warning_says_why_less_is_told(shop: Examined):
    shop.file.write_text(shop.file.read_text().replace(f'operator.keys = ["{OPERATOR}"]', ""))
    status, found = await shop.examine()
    assert [name for name, one in found.items() if one.state == "warning"] == ["operator key"]
    assert (status, found["delivery"].state, found["dead letters"].state) == (1, "ok", "unknown")


async def test_where_operator_keys_are_hashed_the_environment_holds_one(
    shop: Examined, monkeypatch: pytest.MonkeyPatch
):
    shop.file.write_text(shop.file.read_text().replace(f'["{OPERATOR}"]', f'["{hashed(OPERATOR)}"]'))
    _, found = await shop.examine()
    assert "GATEWAY_OPERATOR_KEY" in found["operator key"].says
    assert "gateway key new" not in found["operator key"].do
    monkeypatch.setenv("GATEWAY_OPERATOR_KEY", OPERATOR)
    assert (await shop.examine())[1]["operator key"].state == "ok"


async def test_a_dead_letter_is_counted_with_its_reason(shop: Examined):
    (event_id,) = await shop.refuse(event("StatusCart", {"GUID": "g", "Products": []}, siteId=SITE))
    _, found = await shop.examine()
    await shop.ask("POST", "/v1/dead/drop", {"event_id": event_id})
    assert found["dead letters"].says == "1: 1 StatusCart (bad_request)"


async def test_the_doctor_sends_the_tracker_no_event(shop: Examined):
    async def posted() -> int:
        async with shop.http.get(f"{shop.sandbox.url}/_sandbox/requests?path=/api/v2") as answer:
            return len((await answer.json())["requests"])

    before = await posted()
    await shop.examine()
    assert await posted() == before


@pytest.mark.parametrize("shown", [[], ["--json"]])
async def test_the_command_tells_each_thing_with_what_to_do(shop: Examined, shown: list[str]):
    command = ["doctor", "--config", str(shop.file), "--url", NOWHERE, *shown]
    run = await asyncio.to_thread(CliRunner().invoke, cli, command)
    assert run.exit_code == 2
    assert f"no gateway answers at {NOWHERE}" in run.stdout
    assert "start it with `gateway run`, or name where it listens by --url" in run.stdout
    assert "1 broken" in run.stdout
