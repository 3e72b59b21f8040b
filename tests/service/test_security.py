"""Secrets and personal data stay where they belong: marked ones are posted everywhere, and looked for."""

import asyncio
import os
import signal
import stat
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import orjson
import pytest

from gateway.config import StreamSettings
from gateway.demo.parts import free_port
from gateway.sandbox import Sandbox
from gateway.stream import Entry
from gateway.stream.spool import Spool
from tests.ledger import taken, until_taken
from tests.processes import Process, running, write_config
from tests.service.conftest import KEY, Shop, cart, event, running_shop, settings
from tests.service.test_operating import embedded

MARK = "zzmarked"
PHONE = "380671112233"
PERSON = {
    "externalCustomerId": f"{MARK}-customer",
    "user_email": f"{MARK}@example.com",
    "user_phone": f"+{PHONE}",
    "user_name": f"{MARK} name",
    "cookie": f"{MARK}-cookie",
}
OPERATOR = "operators-secret-key"
TRACKED = [event("CustomerData", **PERSON), cart(0, **PERSON), event(MARK, **PERSON), event(siteId=MARK)]
EVENTS = [
    *TRACKED,
    event("PageView", {}, **PERSON | {"user_email": f"{MARK} no address", "user_phone": MARK}),
    event(MARK, {MARK: [MARK, {MARK: MARK}]}),
    cart() | {"id": f"{MARK}-own-id", MARK: MARK},
    MARK,
    {MARK: MARK},
    [MARK],
]


class Listener:
    """Posts to a gateway and keeps all that it says."""

    def __init__(self, http: aiohttp.ClientSession, port: int) -> None:
        self._http = http
        self._url = f"http://127.0.0.1:{port}"
        self.said: list[str] = []

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> int:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._http.request(method, self._url + path, data=body, headers=names) as answer:
            self.said.append(f"{dict(answer.headers)} {await answer.text()}")
            return answer.status


async def ask_everything(gateway: Listener) -> None:
    """Post marked values to every route, in every form, in every place of a request."""
    for path in ("/v1/events", "/api/v2", f"/{MARK}", f"/v1/schemas/{MARK}", f"/v1/events?{MARK}={MARK}"):
        for body in [orjson.dumps(one) for one in [*EVENTS, EVENTS]] + [f"{{{MARK}".encode()]:
            await gateway.ask("POST", path, body, X_Api_Key=KEY)
        await gateway.ask("GET", path, Cookie=f"{MARK}={MARK}", User_Agent=MARK)
    lines = b"\n".join([*map(orjson.dumps, EVENTS), f'"{MARK}'.encode()])
    await gateway.ask("POST", "/v1/events", lines, X_Api_Key=KEY, Content_Type="application/x-ndjson")
    one = orjson.dumps(event(**PERSON))
    for headers in (
        {"Content_Encoding": MARK},
        {"Content_Encoding": "gzip"},
        {"Content_Type": f"application/json; charset={MARK}"},
        {"Idempotency_Key": MARK},
    ):
        await gateway.ask("POST", "/v1/events", one, X_Api_Key=KEY, **headers)
    for credentials in (MARK, f"Basic {MARK}", f"Bearer {MARK}"):
        assert await gateway.ask("POST", "/v1/events", one, Authorization=credentials) == 401
        assert await gateway.ask("GET", "/v1/dead", X_Api_Key=credentials) == 401
    for order in ({MARK: 1}, {"site": 1, "type": MARK}, MARK):
        await gateway.ask("POST", "/v1/dead/drop", orjson.dumps(order), X_Api_Key=OPERATOR)
    await ask_of_people(gateway)
    await gateway.ask("PATCH", f"/v1/dead/letters/{MARK}", f'["{MARK}"]'.encode(), X_Api_Key=OPERATOR)
    await gateway.ask("GET", f"/v1/dead/letters?after={MARK}", X_Api_Key=OPERATOR)


async def ask_of_people(gateway: Listener) -> None:
    """Name the person in calls of eSputnik's API, and to routes that need no key or the operator's."""
    email, phone = PERSON["user_email"], PERSON["user_phone"]
    channels = [{"type": "email", "value": email}, {"type": "sms", "value": phone}]
    for contact in ({"firstName": MARK, "channels": channels}, {"channels": MARK}, [MARK]):
        await gateway.ask("POST", "/v1/contact", orjson.dumps(contact), X_Api_Key=KEY)
    order = {"externalOrderId": MARK, "email": email, "phone": phone, "status": MARK}
    await gateway.ask("POST", "/v1/orders", orjson.dumps({"orders": [order]}), X_Api_Key=KEY)
    for query in (f"email={email}", f"phone={phone}", f"webId={MARK}", f"externalCustomerId={MARK}", MARK):
        await gateway.ask("GET", f"/v2/contacts/recoms/1?{query}", X_Api_Key=KEY)
    await gateway.ask("DELETE", f"/v1/contact?externalCustomerId={MARK}&dry_run=1", X_Api_Key=KEY)
    for path in (f"/sites/{MARK}/tracking.js?{MARK}", f"/sites/{MARK}/sw.js", f"/v1/jobs/{MARK}"):
        await gateway.ask("GET", path, X_Api_Key=KEY)
    for path in (f"/v1/sites/{MARK}/setup", f"/v1/refused?site={MARK}", "/v1/refused"):
        await gateway.ask("GET", path, X_Api_Key=OPERATOR)


async def send_what_is_no_http(port: int) -> None:
    """Break the protocol in a target, in headers and in a body, and wait for what each is answered."""
    for line in (f"GET /v2/contacts/recoms/1?email={MARK}\xe9 HTTP/1.1", f"{MARK} / HTTP/1.1"):
        await _answered(port, f"{line}\r\nHost: x\r\n\r\n")
    for header in (f"X-Api-Key: {KEY}\0", f"{MARK}", f"Content-Length: {MARK}"):
        await _answered(port, f"POST /v1/events HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n")
    chunked = f"X-Api-Key: {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n{MARK}\r\n"
    await _answered(port, f"POST /v1/events HTTP/1.1\r\nHost: x\r\n{chunked}")


async def _answered(port: int, request: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode("latin-1"))
    assert (await reader.readline()).split()[1] == b"400"
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_what_a_person_sent_reaches_no_log_metric_or_error(tmp_path: Path):
    port, metrics_port = free_port(), free_port()
    data = tmp_path / "data"
    async with Sandbox() as sandbox, aiohttp.ClientSession() as http:
        config = write_config(tmp_path / "gateway.toml", sandbox.url, port, embedded(data))
        text = config.read_text().replace("metrics_port = 0", f"metrics_port = {metrics_port}")
        config.write_text(f'{text}\n[operator]\nkeys = ["{OPERATOR}"]\n[logs]\nlevel = "debug"\n')
        process = Process("run", "--config", str(config), port=port)
        echo = f"{PERSON['user_email']} is unknown, and so is {PHONE}"
        faults = [{"path": "/api/v2", "status": status, "body": echo} for status in (400, 500, 401)]
        await http.post(f"{sandbox.url}/_sandbox/faults", json=faults)
        with running(process):
            gateway = Listener(http, port)
            await ask_everything(gateway)
            await send_what_is_no_http(port)
            await until_taken(sandbox.url, 8)
            async with asyncio.timeout(20):
                while '"reason":"bad_request"' not in gateway.said[-1]:  # and what eSputnik said of it
                    assert await gateway.ask("GET", "/v1/dead/letters", X_Api_Key=OPERATOR) == 200
            await Listener.ask(metered := Listener(http, metrics_port), "GET", "/metrics")
            assert await asyncio.to_thread(process.end, signal.SIGTERM) == 0
            everything = [*gateway.said, *metered.said, process.log()]
    assert "stopping" in everything[-1]
    for secret in (MARK, PHONE, KEY, OPERATOR, "sandbox-key"):
        assert [text for text in everything if secret in text] == []
    names = {path.name.partition(".db")[0] for path in data.iterdir()}
    assert names == {"stream", "links"}, "what is kept of a person is kept in these two alone"


@pytest.fixture
def no_umask():
    before = os.umask(0)
    yield
    os.umask(before)


async def test_whatever_the_umask_everything_kept_is_for_its_owner_alone(
    tmp_path: Path, sandbox: Sandbox, no_umask: None
):
    config = settings(tmp_path / "data", sandbox)
    async with running_shop(config, sandbox) as shop:
        assert (await shop.post(event()))[0] == 202
        await until_taken(sandbox.url, 1)
        spooling = StreamSettings(spool_path=tmp_path / "spool" / "spool.db")
        spool = await Spool.open(spooling, "events", [_never])
        await spool.partitions[0].take([Entry("lane", b"value")], None)
        kept = [path for folder in ("data", "spool") for path in (tmp_path / folder).rglob("*")]
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in kept}
        await spool.close()
    assert {
        "stream.db",
        "stream.db-wal",
        "links.db",
        "links.db-wal",
        "spool.db",
        "spool.db-wal",
    } < modes.keys()
    assert {name: mode for name, mode in modes.items() if mode != 0o600} == {}
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700


async def _never(entries: list[Entry]) -> None:
    await asyncio.Event().wait()


@pytest.fixture
async def shop(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Shop]:
    async with running_shop(settings(tmp_path, sandbox), sandbox) as shop:
        yield shop


async def test_one_sites_key_stores_nothing_of_another_in_any_form(shop: Shop):
    mine, foreign = event(), event(siteId="strict-shop")
    lines = orjson.dumps(foreign) + b"\n" + orjson.dumps(foreign)
    for path in ("/v1/events", "/api/v2"):
        assert (await shop.post(foreign, path=path))[0] == 403
        assert (await shop.post(mine, path=path, key="strict-key"))[0] == 403
    assert (await shop.post([foreign, foreign]))[0] == 403
    assert (await shop.post(lines, Content_Type="application/x-ndjson"))[0] == 403
    assert (await shop.post([foreign, mine]))[0] == 207
    await until_taken(shop.sandbox.url, 1)
    assert [one["body"]["GeneralInfo"]["siteId"] for one in await taken(shop.sandbox.url)] == ["shop"]


async def test_ids_that_two_sites_chose_alike_know_nothing_of_each_other(shop: Shop):
    answers = [
        await shop.post(event(siteId=site) | {"id": "order-1"}, key=key)
        for site, key in (("shop", KEY), ("strict-shop", "strict-key"))
    ]
    results = [answer["results"][0] for _, answer in answers]
    assert [result.get("duplicate", False) for result in results] == [False, False]
    assert results[0]["id"] != results[1]["id"]
    await until_taken(shop.sandbox.url, 2)
