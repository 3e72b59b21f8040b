"""SIGHUP: a running gateway takes over what may change, all of it or nothing."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr

from gateway.demo.parts import free_port
from gateway.keys import hashed, new_key
from gateway.sandbox import Sandbox
from tests.ledger import until_taken
from tests.processes import Process, running, write_config
from tests.service.conftest import KEY, event, running_shop, settings
from tests.service.test_operating import embedded


class Reloadable:
    """A gateway in a process of its own, and the file that it was started with."""

    def __init__(self, config: Path, process: Process, http: aiohttp.ClientSession, sandbox: Sandbox) -> None:
        self.config = config
        self.process = process
        self.sandbox = sandbox
        self._http = http

    async def change(self, *changes: tuple[str, str], outcome: str = "configuration_reloaded") -> str:
        """Change the file, send SIGHUP, and return what the process logs of it."""
        text = self.config.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        self.config.write_text(text)
        logged = len(self.process.log())
        self.process.send(signal.SIGHUP)
        async with asyncio.timeout(20):
            while outcome not in (log := self.process.log()[logged:]):
                await asyncio.sleep(0.02)
        return log

    async def post(self, key: str = KEY, **of: str) -> int:
        url = f"http://127.0.0.1:{self.process.port}/v1/events"
        async with self._http.post(url, json=event(**of), headers={"X-Api-Key": key}) as answer:
            return answer.status

    async def call(self) -> int:
        url = f"http://127.0.0.1:{self.process.port}/api/v1/contact"
        contact = {"channels": [{"type": "email", "value": "olena@example.com"}]}
        async with self._http.post(url, json=contact, headers={"X-Api-Key": KEY}) as answer:
            return answer.status


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Reloadable]:
    port = free_port()
    async with Sandbox() as sandbox, aiohttp.ClientSession() as http:
        config = write_config(tmp_path / "gateway.toml", sandbox.url, port, embedded(tmp_path))
        process = Process("run", "--config", str(config), port=port)
        with running(process):
            yield Reloadable(config, process, http, sandbox)
            assert await asyncio.to_thread(process.end, signal.SIGTERM) == 0


async def test_a_key_is_rotated_without_a_restart(gateway: Reloadable):
    key = new_key()
    assert await gateway.post(key) == 401
    log = await gateway.change(('keys = ["shop-key"]', f'keys = ["shop-key", "{hashed(key)}"]'))
    assert "sites.shop.keys" in log
    assert [await gateway.post(KEY), await gateway.post(key)] == [202, 202]
    await gateway.change(('"shop-key", ', ""))
    assert [await gateway.post(KEY), await gateway.post(key)] == [401, 202]


async def test_a_sites_settings_change_without_a_restart(gateway: Reloadable):
    sloppy = {"user_email": " olena@example.com "}
    assert await gateway.post(**sloppy) == 202
    await gateway.change(('id = "shop"', 'id = "shop"\nstrict = true'))
    assert await gateway.post(**sloppy) == 400
    await gateway.change(("strict = true", 'strict = true\nblocked_ids = ["42"]'))
    assert await gateway.post(externalCustomerId="42") == 400
    await gateway.change(('blocked_ids = ["42"]', "ingest_rate = 0.001"))
    assert [await gateway.post(externalCustomerId="42"), await gateway.post()] == [202, 429]


async def test_what_a_site_has_used_of_its_rate_stays_used_when_other_settings_change(gateway: Reloadable):
    await gateway.change(('id = "shop"', 'id = "shop"\ningest_rate = 0.001'))
    assert [await gateway.post(), await gateway.post(), await gateway.call()] == [202, 429, 429]
    await gateway.change(("rate = 100000", "rate = 1000"))
    assert [await gateway.post(), await gateway.call()] == [429, 429]
    await gateway.change(("ingest_rate = 0.001", "ingest_rate = 1000"))
    assert [await gateway.post(), await gateway.call()] == [202, 200]


async def test_a_wrong_file_or_one_that_needs_a_restart_changes_nothing(gateway: Reloadable):
    good = gateway.config.read_text()
    for changes, sentence in (
        ([('keys = ["shop-key"]', 'keys = ["other-key"]'), ("rate = 100000", "rate = -1")], "sites[0].rate"),
        ([('keys = ["shop-key"]', 'keys = ["other-key"]'), ("api_key", "pi_key")], "sites[0].pi_key"),
        (
            [('keys = ["shop-key"]', 'keys = ["other-key"]'), ("stream.db", "other.db")],
            "stream.path: needs a",
        ),
        ([("[[sites]]", "[[sites")], "gateway.toml"),
        ([('keys = ["shop-key"]', 'keys = ["other-key"]\nx = ' + "[" * 20_000)], "nested too deep"),
        (
            [('keys = ["shop-key"]', 'keys = ["other-key"]'), ("api_key =", 'api_key_file = "/dev/null" #')],
            "api_key_file is an empty file",
        ),
    ):
        log = await gateway.change(*changes, outcome="configuration_kept")
        assert sentence in log
        assert "other-key" not in log
        assert [await gateway.post(KEY), await gateway.post("other-key")] == [202, 401]
        gateway.config.write_text(good)
    gateway.config.unlink()
    assert "No such file" in await gateway_without_file(gateway)
    assert await gateway.post() == 202


async def test_a_reload_that_goes_wrong_half_way_leaves_everything_as_it_was(
    tmp_path: Path, sandbox: Sandbox
):
    config = settings(tmp_path, sandbox)
    first, *others = config.sites
    other_key = first.model_copy(update={"keys": [SecretStr("other-key")]})
    wrong = other_key.model_copy(
        update={"link_age_days": None}
    )  # what no configuration that was read can hold
    async with running_shop(config, sandbox) as shop:
        with pytest.raises(TypeError):
            shop.gateway.reload(config.model_copy(update={"sites": [wrong, *others]}))
        assert [(await shop.post(event(), key=key))[0] for key in (KEY, "other-key")] == [202, 401]
        shop.gateway.reload(config.model_copy(update={"sites": [other_key, *others]}))
        assert [(await shop.post(event(), key=key))[0] for key in (KEY, "other-key")] == [401, 202]


async def gateway_without_file(gateway: Reloadable) -> str:
    gateway.process.send(signal.SIGHUP)
    async with asyncio.timeout(20):
        while "No such file" not in (log := gateway.process.log()):
            await asyncio.sleep(0.02)
    return log


async def test_nothing_is_lost_when_the_configuration_is_reloaded_under_load(gateway: Reloadable):
    posted = 0
    loading = asyncio.Event()

    async def post_on() -> None:
        nonlocal posted
        while not loading.is_set():
            assert await gateway.post() == 202
            posted += 1

    posters = [asyncio.create_task(post_on()) for _ in range(4)]
    for rate in range(20):
        rates = re.findall(r"^rate = \d+$", gateway.config.read_text(), re.MULTILINE)
        await gateway.change((rates[0], f"rate = {1000 + rate}"))
    loading.set()
    await asyncio.gather(*posters)
    assert posted > 20
    await until_taken(gateway.sandbox.url, posted, 40)
