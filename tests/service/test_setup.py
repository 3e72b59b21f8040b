"""A shop is connected through the gateway alone, against the stand-in eSputnik."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from gateway.clock import SystemClock
from gateway.config import Config, Listen
from gateway.errors import ConfigError
from gateway.sandbox import Sandbox
from gateway.setup import commands, tracking
from tests.contracts.test_setup import away
from tests.service.conftest import cart, event, running_shop, settings
from tests.service.test_api_calls import requests
from tests.service.test_console import OPERATOR, Operated

SETUP = "/v1/sites/shop/setup"
TRACKING = f"{SETUP}/tracking"
PAGE = "/sites/shop/tracking.js"
PUBLIC = "https://events.shop.example"
DAY_SECONDS = 24 * 3600


class Later(SystemClock):
    ahead = 0.0

    def now_ms(self) -> int:
        return super().now_ms() + int(self.ahead * 1000)

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


class Connected(Operated):
    """A shop that is being connected; its gateway's clock may be put forward."""

    clock: Later
    settings: Config
    file: Path

    async def set_up(self, domain: str = "shop.example", **order: Any) -> Any:
        status, answer = await self.ask("POST", TRACKING, {"domain": domain, **order})
        assert status == 200, answer
        return answer

    async def register_elsewhere(self, domain: str) -> str:
        """Register a domain at eSputnik as another client would; return its siteId."""
        headers = {"Authorization": "Bearer sandbox-key"}
        path = f"{self.sandbox.url}/api/v1/site/domains"
        async with self.http.post(path, json={"domain": f"https://{domain}/"}, headers=headers) as answer:
            site_id: str = (await answer.json())["siteId"]
            return site_id

    async def page(self, method: str = "GET", path: str = PAGE, **headers: str) -> Any:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.request(method, self.url + path, headers=names) as answer:
            return answer.status, answer.headers, await answer.text()

    async def run(self, command: Any, **options: Any) -> None:
        """Run a command as the command line does, in a thread."""
        await asyncio.to_thread(command, config=self.file, url=self.url, **options)


@pytest.fixture
async def shop(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Connected]:
    clock = Later()
    config = settings(tmp_path, sandbox, operator={"keys": [OPERATOR]})
    listen = Listen(port=0, metrics_port=0, public_url=f"{PUBLIC}/")
    config = config.model_copy(update={"sites": config.sites[:1], "listen": listen})
    async with running_shop(config, sandbox, clock) as plain:
        shop = Connected(plain.gateway, sandbox, plain.http)
        shop.clock, shop.settings, shop.file = clock, config, tmp_path / "gateway.toml"
        shop.file.write_text(
            f'[operator]\nkeys = ["{OPERATOR}"]\n[[sites]]\nid = "shop"\nkeys = ["shop-key"]\n'
        )
        yield shop


async def asked(shop: Connected, path: str = "/api/v1/site") -> list[Any]:
    """Return what came to eSputnik."""
    return [one for one in await requests(shop) if one["path"].startswith(path)]


async def test_a_domain_is_registered_and_the_answer_holds_what_its_pages_need(shop: Connected):
    answer = await shop.set_up("https://shop.example/")
    assert (answer["site"], answer["domain"]) == ("shop", "shop.example")
    assert f"/scripts/{answer['site_id']}.js" in answer["snippet"]
    assert answer["link"] == f'<script async src="{PUBLIC}{PAGE}"></script>'
    async with shop.http.get(f"{shop.sandbox.url}/_sandbox/site") as known:
        assert (await known.json())["domains"] == {"shop.example": answer["site_id"]}


async def test_without_a_public_address_pages_load_the_script_from_where_set_up_was_asked(
    tmp_path: Path, sandbox: Sandbox
):
    config = settings(tmp_path, sandbox, operator={"keys": [OPERATOR]})
    async with running_shop(config.model_copy(update={"sites": config.sites[:1]}), sandbox) as plain:
        shop = Operated(plain.gateway, sandbox, plain.http)
        _, answer = await shop.ask("POST", TRACKING, {"domain": "localhost:3000"})
        _, in_public = await shop.ask("POST", TRACKING, {"domain": "shop.example"})
    assert f'src="{shop.url}{PAGE}"' in answer["link"]
    assert answer["domain"] == "localhost:3000"
    assert [one["what"] for one in answer["missing"]] == ["tracker_site_id"]
    assert [one["what"] for one in in_public["missing"]] == ["tracker_site_id", "public_url"]
    assert f"leads to {shop.url.removeprefix('http://')}," in in_public["missing"][1]["why"]


async def test_the_same_command_twice_says_the_same(shop: Connected, capsys: pytest.CaptureFixture[str]):
    said = []
    for domain in ("shop.example", "https://shop.example"):
        await shop.run(commands.tracking, site="shop", domain=domain, site_id="")
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert "shop.example is registered at eSputnik, siteId " in said[0]
    assert "before </head> of every page:\n\n<script>" in said[0]
    assert f'<script async src="{PUBLIC}{PAGE}"></script>' in said[0]


async def test_a_domain_from_elsewhere_is_set_up_and_takes_its_site_id_from_the_operator(shop: Connected):
    site_id = await shop.register_elsewhere("shop.example")
    answer = await shop.set_up()
    assert answer["site_id"] is None
    assert "GeneralInfo.siteId" in answer["missing"][0]["why"]
    assert answer["missing"][0]["do"].endswith("--domain shop.example --site-id ID")
    assert (await shop.page())[0] == 200
    assert (await shop.set_up(site_id=site_id))["site_id"] == site_id
    assert (await shop.set_up())["site_id"] == site_id


async def test_on_a_terminal_the_command_asks_for_the_site_id(
    shop: Connected, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    await shop.register_elsewhere("shop.example")
    keyboard, terminal = os.openpty()
    with open(terminal, encoding="utf-8") as typed:  # noqa: PTH123 - it is no path
        monkeypatch.setattr(sys, "stdin", typed)
        for line, said in ((b"\n", "Still missing: site_id"), (b"ABC1\n", "at eSputnik, siteId ABC1.")):
            os.write(keyboard, line)
            await shop.run(commands.tracking, site="shop", domain="shop.example", site_id="")
            assert said in capsys.readouterr().out
    os.close(keyboard)
    _, status = await shop.ask("GET", SETUP)
    assert status["tracking"]["site_id"] == "ABC1"


async def test_a_bad_order_is_refused_before_esputnik_is_asked(shop: Connected):
    for order, detail in (
        ({"domain": "shop.example/uk"}, "/domain: leave out the path: eSputnik registers whole domains"),
        ({"domain": "shop.example", "site_id": "a b"}, "/site_id: give eSputnik's siteId as it stands there"),
        ({}, "/domain: Field required"),
        ({"domain": "shop.example", "more": 1}, "Extra inputs are not permitted"),
    ):
        status, answer = await shop.ask("POST", TRACKING, order)
        assert (status, answer["code"]) == (400, "bad_request")
        assert answer["detail"].startswith(detail)
    assert (await shop.ask("POST", "/v1/sites/nobody/setup/tracking", {"domain": "shop.example"}))[0] == 404
    assert await asked(shop) == []


async def test_what_esputnik_refuses_is_told_with_what_to_do(shop: Connected):
    there = "shop.example"
    for domain, faults, status, detail in (
        ("shop.invalid", [], 409, "eSputnik cannot reach the domain: see that it opens from anywhere"),
        (there, [{"status": 401}], 409, "eSputnik refuses the site's API key: put a valid one"),
        (there, [{"status": 400, "body": "Not now"}], 409, "eSputnik refuses it: Not now"),
        (there, [{"status": 503}], 503, "eSputnik does not answer now; ask again"),
    ):
        await shop.faults(*({"path": "/api/v1/site/domains", "times": 1, **fault} for fault in faults))
        answered, answer = await shop.ask("POST", TRACKING, {"domain": domain})
        assert answered == status
        assert answer["detail"].startswith(detail)
    assert (await shop.ask("GET", SETUP))[1]["tracking"] is None


async def test_a_site_id_outlives_a_script_that_was_not_there_yet(shop: Connected):
    await shop.set_up("earlier.example")
    served = (await shop.page())[2]
    await shop.faults({"path": "/api/v1/site/script", "status": 404, "times": 1})
    status, answer = await shop.ask("POST", TRACKING, {"domain": "shop.example"})
    assert (status, answer["code"]) == (409, "setup_refused")
    shop.clock.ahead += 120
    assert (await shop.page())[2] == served
    answer = await shop.set_up()
    assert f"/scripts/{answer['site_id']}.js" in (await shop.page())[2]
    await shop.faults({"path": "/api/v1/site/script", "status": 409, "times": 1})
    assert await shop.set_up() == answer


async def test_a_site_id_that_cannot_be_kept_is_told(shop: Connected, tmp_path: Path):
    await shop.faults({"path": "/api/v1/site/domains", "slow": 0.3, "times": 1})
    answering = asyncio.create_task(shop.ask("POST", TRACKING, {"domain": "shop.example"}))
    async with asyncio.timeout(20):
        while not await asked(shop):
            await asyncio.sleep(0.01)
    async with away(tmp_path / "links.db", "site_setup"):
        status, answer = await answering
    async with shop.http.get(f"{shop.sandbox.url}/_sandbox/site") as known:
        (site_id,) = (await known.json())["domains"].values()
    assert status == 503
    assert f"ask again with site_id {site_id}" in answer["detail"]
    assert (await shop.set_up(site_id=site_id))["site_id"] == site_id


async def test_pages_load_the_script_without_a_key_and_only_once_it_changes(shop: Connected):
    for path in (PAGE, "/sites/nobody/tracking.js"):
        status, _, _ = await shop.page(path=path)
        assert status == 404
    snippet = (await shop.set_up())["snippet"]
    status, headers, source = await shop.page()
    assert (status, headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    assert headers["Cache-Control"] == "public, max-age=300"
    assert f"<script>\n{source.strip()}\n</script>" == snippet
    status, head, nothing = await shop.page("HEAD")
    assert (status, head["ETag"], nothing) == (200, headers["ETag"], "")
    assert head["Content-Length"] == str(len(source))
    status, known, nothing = await shop.page(If_None_Match=headers["ETag"])
    assert (status, known["ETag"], nothing) == (304, headers["ETag"], "")
    assert (await shop.page(If_None_Match='"other"'))[0] == 200


async def test_files_of_sites_that_do_not_exist_are_neither_looked_up_nor_remembered(
    shop: Connected, tmp_path: Path
):
    async with away(tmp_path / "links.db", "site_setup"):
        for number in range(20):
            for name in ("tracking.js", "sw.js"):
                assert (await shop.page(path=f"/sites/nobody-{number}/{name}"))[0] == 404
    assert shop.gateway._setup
    assert not shop.gateway._setup._shelf._places


async def test_while_the_database_is_away_pages_get_what_was_served_before(shop: Connected, tmp_path: Path):
    await shop.set_up()
    database = tmp_path / "links.db"
    async with away(database, "site_setup"):
        status, headers, _ = await shop.page()
        assert (status, headers["Retry-After"]) == (503, "5")
        assert (await shop.ask("GET", SETUP))[0] == 503
    shop.clock.ahead += 10
    assert (await shop.page())[0] == 200
    async with away(database, "site_setup"):
        shop.clock.ahead += 120
        assert (await shop.page())[0] == 200


async def test_a_script_that_esputnik_changes_is_fetched_after_a_day_and_the_last_good_one_stays(
    shop: Connected,
):
    snippet = (await shop.set_up())["snippet"]
    before, count = (await shop.page())[2], 1
    shop.clock.ahead += DAY_SECONDS - 60
    assert (await shop.page())[2] == before
    for fault in ({"status": 503}, {"status": 200, "body": "<html>none</html>"}):
        shop.clock.ahead += 600
        await shop.faults({"path": "/api/v1/site/script", "times": 1, **fault})
        assert (await shop.page())[2] == before
        count += 1
        async with asyncio.timeout(20):
            while len(await asked(shop, "/api/v1/site/script")) < count:
                await asyncio.sleep(0.02)
        assert (await shop.page())[2] == before
    shop.clock.ahead += 600
    changed = snippet.replace("RECOMS: true", "RECOMS: false")
    await shop.faults({"path": "/api/v1/site/script", "times": 1, "status": 200, "body": changed})
    async with asyncio.timeout(20):
        while (await shop.page())[2] == before:
            await asyncio.sleep(0.02)
    _, status = await shop.ask("GET", SETUP)
    assert status["tracking"]["domain"] == "shop.example"


async def test_the_script_of_another_domain_of_the_account_takes_no_place(shop: Connected):
    """eSputnik's answer to `GET /v1/site/script` names no domain: here it is that of the newest."""
    snippet = (await shop.set_up())["snippet"]
    await shop.register_elsewhere("newer.example")
    again = await shop.set_up()
    assert again["snippet"] == snippet
    assert again["notes"] == [tracking.ANOTHERS]
    before = (await shop.page())[2]
    shop.clock.ahead += DAY_SECONDS + 60
    asked_before = len(await asked(shop, "/api/v1/site/script"))
    with capture_logs() as logs:
        assert (await shop.page())[2] == before
        async with asyncio.timeout(20):
            while not logs:
                await asyncio.sleep(0.02)
        shop.clock.ahead += 600
        assert (await shop.page())[2] == before
    assert [log["reason"] for log in logs] == [tracking.ANOTHERS]
    assert len(await asked(shop, "/api/v1/site/script")) == asked_before + 1


async def test_where_only_another_domains_script_is_to_be_had_the_operator_gives_his(
    shop: Connected, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    site_id = await shop.register_elsewhere("shop.example")
    other = await shop.set_up("other.example")
    for order in ({}, {"site_id": site_id}):
        status, answer = await shop.ask("POST", TRACKING, {"domain": "shop.example", **order})
        assert (status, answer["code"]) == (409, "setup_refused")
        assert "eSputnik gives the script of other.example" in answer["detail"]
        assert answer["detail"].endswith("take the script from the account and give it with --script FILE")
    mine = other["snippet"].replace(other["site_id"], site_id)
    (tmp_path / "script.html").write_text(mine)
    of = {"site": "shop", "domain": "shop.example"}
    await shop.run(commands.tracking, **of, site_id="", script=tmp_path / "script.html")
    assert f"/scripts/{site_id}.js" in capsys.readouterr().out
    assert (await shop.set_up())["snippet"] == mine
    shop.clock.ahead += DAY_SECONDS + 60
    count = len(await asked(shop, "/api/v1/site/script"))
    assert site_id in (await shop.page())[2]
    assert len(await asked(shop, "/api/v1/site/script")) == count
    assert (await shop.ask("GET", SETUP))[1]["tracking"]["script_is_given"] is True
    status, answer = await shop.ask("POST", TRACKING, {"domain": "shop.example", "script": "<p>none</p>"})
    assert (status, answer["detail"].startswith("/script: holds no whole <script>")) == (400, True)
    with pytest.raises(ConfigError, match=r"--script nowhere\.html: No such file"):
        commands.tracking(**of, script=Path("nowhere.html"))


async def test_a_script_that_does_not_tell_whose_it_is_is_kept_with_a_word_of_that(shop: Connected):
    plain = {"path": "/api/v1/site/script", "times": 2, "status": 200, "body": "<script>eS()</script>"}
    await shop.faults(plain)
    (note,) = (await shop.set_up())["notes"]
    assert "no siteId known here stands in this one" in note
    (note,) = (await shop.set_up("other.example"))["notes"]
    assert "this one was given for shop.example, too" in note
    assert "compare it with what the account shows for other.example" in note


async def test_status_tells_what_is_missing_what_agrees_and_when_events_were_last_delivered(shop: Connected):
    _, status = await shop.ask("GET", SETUP)
    assert (status["tracking"], status["last_events"]) == (None, [])
    assert status["missing"][0]["do"] == "gateway setup tracking --site shop --domain DOMAIN"
    told = (await shop.set_up())["site_id"]
    _, status = await shop.ask("GET", SETUP)
    assert (status["tracking"]["site_id"], status["tracking"]["site_ids_agree"]) == (told, False)
    assert [one["what"] for one in status["missing"]] == ["tracker_site_id"]
    sites = [site.model_copy(update={"tracker_site_id": told}) for site in shop.settings.sites]
    shop.gateway.reload(shop.settings.model_copy(update={"sites": sites}))
    await shop.refuse(cart())
    await shop.post(event())
    async with asyncio.timeout(20):
        while not (status := (await shop.ask("GET", SETUP))[1])["last_events"]:
            await asyncio.sleep(0.02)
    (last,) = status["last_events"]
    assert (last["type"], last["age_seconds"] < 20) == ("PageView", True)
    assert (status["tracking"]["site_ids_agree"], status["missing"]) == (True, [])
    assert (await shop.ask("GET", "/v1/sites/nobody/setup"))[0] == 404


async def test_the_command_shows_the_status_to_people_and_to_programs(
    shop: Connected, capsys: pytest.CaptureFixture[str]
):
    await shop.set_up()
    _, status = await shop.ask("GET", SETUP)
    await shop.run(commands.status, site="", as_json=True)
    assert orjson.loads(capsys.readouterr().out) == [status]
    await shop.run(commands.status, site="shop", as_json=False)
    said = capsys.readouterr().out
    assert "tracking domain: shop.example" in said
    assert f'tracker_site_id = "{status["tracking"]["site_id"]}"' in said
