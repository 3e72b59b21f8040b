"""Web push of a shop, from the operator's command to the worker that its pages register."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from typer.testing import CliRunner, Result

from gateway.cli import cli
from gateway.sandbox import Sandbox
from tests.service.conftest import KEY, running_shop, settings
from tests.service.test_api_calls import requests, rows_of
from tests.service.test_console import OPERATOR, Operated
from tests.storefront import PAGE, File, Storefront

SETUP = "/v1/sites/shop/setup"
ONESIGNAL = "importScripts('https://cdn.onesignal.com/sdks/web/v16/OneSignalSDK.sw.js');\n"


pytestmark = pytest.mark.asyncio(loop_scope="module")


class Pushing(Operated):
    """The gateway and its eSputnik, which these tests share, and the server of a shop of each one's own."""

    folder: Path
    front: Storefront

    async def set_up(self, **order: Any) -> tuple[int, Any]:
        return await self.ask("POST", f"{SETUP}/webpush", {"domain": self.front.domain} | order)

    async def command(self, *arguments: str | Path) -> Result:
        """Run `gateway setup webpush` for the shop."""
        of = ["--site", "shop", "--domain", self.front.domain, "--url", self.url]
        config = ["--config", self.folder / "gateway.toml"]
        words = [str(word) for word in ("setup", "webpush", *of, *config, *arguments)]
        return await asyncio.to_thread(CliRunner().invoke, cli, words)

    async def registered(self) -> Any:
        """Return what eSputnik was told to register."""
        calls = [one for one in await requests(self) if one["path"].endswith("/webpush/domain")]
        return calls[-1]["body"]

    def kept(self) -> int:
        sql = f"SELECT count(*) FROM site_setup WHERE thing = 'webpush' AND domain = '{self.front.domain}'"
        return rows_of(self.folder, sql)[0][0]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pushing]:
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "gateway.toml").write_text(
        f'operator.keys = ["{OPERATOR}"]\n[[sites]]\nid = "shop"\nkeys = ["{KEY}"]\n'
    )
    async with Sandbox() as sandbox:
        config = settings(folder, sandbox, operator={"keys": [OPERATOR]})
        async with running_shop(config, sandbox) as shop:
            pushing = Pushing(shop.gateway, sandbox, shop.http)
            pushing.folder = folder
            yield pushing


@pytest_asyncio.fixture(loop_scope="module")
async def shop(gateway: Pushing) -> AsyncIterator[Pushing]:
    async with Storefront() as front:
        gateway.front = front
        async with gateway.http.post(f"{gateway.sandbox.url}/_sandbox/reset"):
            yield gateway


async def test_web_push_is_registered_and_its_worker_served(shop: Pushing):
    status, answer = await shop.set_up()
    assert status == 200, answer
    assert answer["worker"] == {
        "address": f"{shop.front.url}/sw-yespo.js",
        "path": "/sw-yespo.js",
        "scope": "/",
        "text": f"importScripts('{shop.sandbox.url}/webpush/service-worker.js');",
        "served_at": f"{shop.url}/sites/shop/sw.js",
        "is_merged": False,
    }
    assert "navigator.serviceWorker.register('/sw-yespo.js', {scope: '/'})" in answer["snippet"]
    assert answer["notes"] == []
    assert await shop.registered() == {
        "domain": shop.front.url,
        "serviceWorkerName": "sw-yespo.js",
        "serviceWorkerPath": "/",
        "serviceWorkerScope": "/",
    }
    async with shop.http.get(answer["worker"]["served_at"]) as worker:
        assert await worker.text() == answer["worker"]["text"]
        assert worker.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert worker.headers["Service-Worker-Allowed"] == "/"
        assert worker.headers["Cache-Control"] == "no-cache"
        known = {"If-None-Match": worker.headers["ETag"]}
    async with shop.http.get(answer["worker"]["served_at"], headers=known) as again:
        assert again.status == 304
    async with shop.http.head(answer["worker"]["served_at"]) as head:
        assert (head.status, head.headers["Service-Worker-Allowed"]) == (200, "/")
    _, standing = await shop.ask("GET", SETUP)
    assert standing["webpush"]["worker"] == f"{shop.front.url}/sw-yespo.js"
    assert standing["webpush"]["scope"] == "/"


async def test_before_it_is_set_up_no_worker_is_served(shop: Pushing):
    for site in ("open-shop", "nobody"):
        status, answer = await shop.get(f"/sites/{site}/sw.js")
        assert (status, answer["code"]) == (404, "not_found")
    assert (await shop.ask("GET", "/v1/sites/open-shop/setup"))[1]["webpush"] is None


async def test_set_up_again_it_says_the_same(shop: Pushing):
    first = await shop.set_up()
    shop.front.passed["/sw-yespo.js"] = first[1]["worker"]["served_at"]
    assert await shop.set_up() == first
    assert shop.kept() == 1


async def test_a_shop_that_answers_every_path_with_its_page_has_no_worker(shop: Pushing):
    shop.front.otherwise = File("<!doctype html><title>Shop</title>", PAGE)
    assert (await shop.set_up())[0] == 200
    assert "/OneSignalSDKWorker.js" in shop.front.asked


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/OneSignalSDKWorker.js", ""),
        ("/sw-yespo.js", ""),
        ("/js/push.js", "navigator.serviceWorker.register('/js/push.js', { scope: '/' })"),
    ],
)
async def test_with_anothers_worker_nothing_is_changed_and_the_merged_file_is_told(
    shop: Pushing, path: str, page: str
):
    shop.front.files = {path: File(ONESIGNAL), "/": File(f"<script>{page}</script>", PAGE)}
    status, problem = await shop.set_up()
    assert (status, problem["code"]) == (409, "other_worker")
    assert "would replace it" in problem["detail"]
    (worker,) = problem["advice"]["workers"]
    line = "importScripts('https://push-notifications.yespo.io/service-worker.js');"
    assert (worker["path"], worker["provider"]) == (path, "OneSignal")
    assert worker["merged"] == f"{line}\n{ONESIGNAL}"
    assert await requests(shop) == []
    assert shop.kept() == 0


async def test_of_an_endless_worker_only_the_beginning_is_read_and_the_file_imported(shop: Pushing):
    shop.front.files["/sw.js"] = File("show();" * 2**20)
    _, problem = await shop.set_up()
    assert problem["advice"]["workers"][0]["merged"].splitlines() == [
        "importScripts('https://push-notifications.yespo.io/service-worker.js');",
        "importScripts('/sw.own.js');",
    ]


async def test_once_the_files_are_merged_the_advised_command_sets_up_that_worker(shop: Pushing):
    shop.front.files["/OneSignalSDKWorker.js"] = File(ONESIGNAL)
    _, problem = await shop.set_up()
    shop.front.files["/OneSignalSDKWorker.js"] = File(problem["advice"]["workers"][0]["merged"])
    status, again = await shop.set_up()
    assert (status, again["advice"]["workers"][0]["merged"]) == (409, "")
    advised = problem["advice"]["then"].split()
    done = await shop.command(*advised[advised.index("--worker-path") :])
    assert done.exit_code == 0, done.output
    assert "takes in eSputnik's worker already: leave it as it is" in done.output
    assert (await shop.registered())["serviceWorkerName"] == "OneSignalSDKWorker.js"


async def test_the_command_tells_what_to_paste_and_which_line_the_server_needs(shop: Pushing):
    done = await shop.command("--worker-path", "/push/sw-yespo.js", "--scope", "/")
    assert done.exit_code == 0, done.output
    assert "navigator.serviceWorker.register('/push/sw-yespo.js', {scope: '/'})" in done.output
    assert f"location = /push/sw-yespo.js {{ proxy_pass {shop.url}/sites/shop/sw.js; }}" in done.output
    assert "Service-Worker-Allowed: /" in done.output


async def test_the_command_prints_the_merged_file_and_ends_with_1(shop: Pushing):
    shop.front.files["/sw.js"] = File(ONESIGNAL)
    done = await shop.command("--write", shop.folder / "sw-yespo.js")
    assert done.exit_code == 1
    assert (
        f"importScripts('https://push-notifications.yespo.io/service-worker.js');\n{ONESIGNAL}" in done.output
    )
    assert f"--domain {shop.front.domain} --worker-path /sw.js" in done.output
    assert not (shop.folder / "sw-yespo.js").exists()


async def test_a_worker_that_stands_at_the_shop_and_in_the_file_is_told_once(shop: Pushing):
    shop.front.files["/sw-yespo.js"] = File(ONESIGNAL)
    _, problem = await shop.set_up(file=ONESIGNAL)
    assert len(problem["advice"]["workers"]) == 1
    _, problem = await shop.set_up(file=f"{ONESIGNAL}own();")
    assert len(problem["advice"]["workers"]) == 2


async def test_the_worker_is_written_and_written_again_but_never_over_anothers(shop: Pushing):
    file = shop.folder / "sw-yespo.js"
    for _ in range(2):
        assert (await shop.command("--write", file)).exit_code == 0
        assert file.read_text() == f"importScripts('{shop.sandbox.url}/webpush/service-worker.js');"
    asked = await requests(shop)
    file.write_text(ONESIGNAL)
    refused = await shop.command("--write", file)
    assert refused.exit_code == 1
    assert "OneSignal" in refused.output
    assert file.read_text() == ONESIGNAL
    assert await requests(shop) == asked
    merged = f"importScripts('https://push-notifications.yespo.io/service-worker.js');\n{ONESIGNAL}"
    file.write_text(merged)
    assert (await shop.command("--write", file)).exit_code == 0
    assert file.read_text() == merged


@pytest.mark.parametrize(
    ("name", "sentence"), [("index.html", "ends in .js"), ("nowhere/sw.js", "there is no folder")]
)
async def test_what_cannot_be_a_workers_file_is_refused(shop: Pushing, name: str, sentence: str):
    refused = await shop.command("--write", shop.folder / name)
    assert sentence in str(refused.exception)
    assert await requests(shop) == []


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        ({"worker_path": "/../sw.js"}, "/worker_path: holds . or .. as a folder"),
        ({"worker_path": "/push/"}, "/worker_path: is a folder"),
        ({"scope": "/shop"}, "/scope: must end in /"),
        ({"domain": "http://shop.example"}, "/domain: begin it with https://"),
        ({"domain": "shop.example/uk"}, "/domain: leave out the path"),
    ],
)
async def test_a_bad_order_is_refused_in_one_sentence(shop: Pushing, order: dict[str, str], sentence: str):
    status, problem = await shop.set_up(**order)
    assert (status, problem["code"]) == (400, "bad_request")
    assert problem["detail"].startswith(sentence)
    assert shop.front.asked == []


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"/": File("", PAGE, 301, "https://www.shop.example/")}, "leads to www.shop.example"),
        ({"/": File("", PAGE, 302, "/")}, "redirects again and again"),
        ({"/": File("", PAGE, 302, "http://[")}, "does not answer (ValueError)"),
        ({"/": File("", PAGE, 403)}, "answers 403 for /,"),
        ({"/sw.js": File("", PAGE, 503)}, "answers 503 for /sw.js,"),
    ],
)
async def test_a_shop_that_cannot_be_looked_at_is_not_set_up(
    shop: Pushing, files: dict[str, File], sentence: str
):
    shop.front.files = files
    status, problem = await shop.set_up()
    assert (status, problem["code"]) == (409, "shop_not_seen")
    assert sentence in problem["detail"]
    assert await requests(shop) == []


async def test_an_operator_who_has_looked_may_set_up_a_shop_that_does_not_answer(shop: Pushing):
    away = {"domain": "localhost:1"}
    assert (await shop.set_up(**away))[1]["detail"].startswith("the shop does not answer")
    status, answer = await shop.set_up(**away, look=False)
    assert (status, answer["domain"]) == (200, "localhost:1")


async def test_a_home_page_is_followed_on_its_own_host(shop: Pushing):
    shop.front.files = {
        "/": File("", PAGE, 302, "/uk/"),
        "/uk/": File("<script>navigator.serviceWorker.register('push.js', {scope: '/'})</script>", PAGE),
        "/uk/push.js": File("self.onpush = show;"),
    }
    _, problem = await shop.set_up()
    assert problem["advice"]["workers"][0]["path"] == "/uk/push.js"


async def test_esputniks_own_refusal_is_told_with_what_to_do(shop: Pushing):
    status, problem = await shop.set_up(domain="shop.invalid", look=False)
    assert (status, problem["code"]) == (409, "setup_refused")
    assert problem["detail"].startswith("eSputnik cannot reach the domain")
    assert shop.kept() == 0


async def test_a_path_that_differs_from_the_one_esputnik_has_is_told(shop: Pushing):
    await shop.set_up()
    _, answer = await shop.set_up(worker_path="/other.js")
    assert "its script registers /sw-yespo.js" in answer["notes"][0]
    assert (await shop.ask("GET", SETUP))[1]["webpush"]["registered_instead"] == "/sw-yespo.js"
    await shop.set_up()
    assert (await shop.ask("GET", SETUP))[1]["webpush"]["registered_instead"] is None


async def test_a_push_token_that_the_shop_collects_itself_arrives_as_a_contact(shop: Pushing):
    contact = {
        "channels": [
            {
                "type": "webpush",
                "value": "f3Q9:APA91bH",
                "webPushSubscription": {
                    "appId": 7,
                    "userAgent": "Chrome",
                    "userAgentVersion": "131",
                    "userAgentLanguage": "uk",
                    "os": "Windows",
                    "subscriptionPage": "https://shop.example/",
                },
            }
        ],
        "externalCustomerId": "42",
    }
    async with shop.http.post(f"{shop.url}/v1/contact", json=contact, headers={"X-Api-Key": KEY}) as made:
        assert made.status == 200
        assert list(await made.json()) == ["id"]
    (arrived,) = await requests(shop)
    assert (arrived["path"], arrived["body"]) == ("/api/v1/contact", contact)
