"""An operator looks people up, joins and erases them, over HTTP and from the command line."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import REGISTRY
from typer.testing import CliRunner

from gateway.cli import cli
from gateway.demo.parts import free_port
from gateway.errors import GatewayError
from gateway.identity.owners import person_of
from gateway.sandbox import Sandbox
from tests.contracts.test_setup import away
from tests.ledger import taken, until_taken
from tests.processes import Process, running, write_config
from tests.service.conftest import KEY, event, running_shop, settings
from tests.service.test_console import OPERATOR, Operated
from tests.service.test_operating import embedded


@pytest.fixture
async def shop(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Operated]:
    config = settings(tmp_path, sandbox, operator={"keys": [OPERATOR]})
    async with running_shop(config, sandbox) as shop:
        yield Operated(shop.gateway, sandbox, shop.http)


async def story(shop: Operated) -> list[str]:
    """Let A and then B log in on one cookie; return the ids of the events."""
    events = [
        event("CustomerData", externalCustomerId="A", user_email="olena@shop.example"),
        event("CustomerData", externalCustomerId="B"),
    ]
    ids = []
    for number, one in enumerate(events):
        one["GeneralInfo"]["datetime"] += number - 10
        ids.append((await shop.post(one))[1]["results"][0]["id"])
    await until_taken(shop.sandbox.url, 2)
    return ids


ROUTES = [
    ("GET", "/v1/people"),
    ("POST", "/v1/people/merge"),
    ("POST", "/v1/people/unmerge"),
    ("POST", "/v1/people/lift"),
    ("POST", "/v1/people/forget"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_only_the_operators_key_opens_the_routes_about_people(shop: Operated, method, path):
    for key in (KEY, "nobody's", ""):
        assert (await shop.ask(method, path, key=key))[0] == 401


async def test_without_an_operator_key_the_routes_about_people_do_not_exist(tmp_path: Path, sandbox: Sandbox):
    async with running_shop(settings(tmp_path, sandbox), sandbox) as plain:
        shop = Operated(plain.gateway, sandbox, plain.http)
        for method, path in ROUTES:
            assert (await shop.ask(method, path, key=KEY))[0] == 404


async def test_a_cookie_tells_its_links_with_what_opened_and_closed_each(shop: Operated):
    first, second = await story(shop)
    status, answer = await shop.ask("GET", "/v1/people?site=shop&cookie=c-1")
    assert (status, answer["site"], answer["cookie"], answer["shared"]) == (200, "shop", "c-1", False)
    older, newer = answer["links"]
    assert (older["customer"], newer["customer"]) == ("A", "B")
    assert older["opened_by"] == {"event": first, "type": "CustomerData"}
    assert older["closed_by"] == newer["opened_by"] == {"event": second, "type": "CustomerData"}
    assert (older["ended_by"], older["to"]) == ("another_owner", newer["from"])
    assert (newer["to"], newer["closed_by"], newer["ended_by"]) == (None, None, None)
    assert [link["person"] for link in answer["links"]] == [
        str(person_of("shop", f"customer/{name}")) for name in "AB"
    ]
    for moment in (older["from"], older["to"], newer["from"], newer["reaches_back_to"]):
        assert len(moment) == 24
        assert moment.endswith("Z")
    assert [(entry["word"], entry["event"]) for entry in answer["trail"]] == [
        ("linked", first),
        ("linked", second),
    ]


@pytest.mark.parametrize("named", ["customer=A", "email=Olena@Shop.example"])
async def test_a_person_is_found_by_any_id_written_in_any_way(shop: Operated, named):
    await story(shop)
    status, answer = await shop.ask("GET", f"/v1/people?site=shop&{named}")
    assert (status, answer["customer"], answer["cookies"]) == (200, "A", 1)
    assert answer["person"] == str(person_of("shop", "customer/A"))
    (link,) = answer["links"]
    assert (link["cookie"], link["ended_by"]) == ("c-1", "another_owner")
    (contact,) = answer["contacts"]
    assert (contact["email"], contact["held"]) == ("olena@shop.example", True)


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("cookie=c-1", "site: must be the id of a configured site"),
        ("site=nowhere&cookie=c-1", "site: must be the id of a configured site"),
        ("site=shop", "exactly one of cookie, customer, email, phone must be given"),
        ("site=shop&customer=A&cookie=c-1", "exactly one of cookie, customer, email, phone must be given"),
        ("site=shop&customer=guest", "customer: this is a value that identifies nobody"),
        ("site=shop&email=olena", "email: this is a value that identifies nobody"),
        ("site=shop&phone=12", "phone: this is a value that identifies nobody"),
    ],
)
async def test_a_question_that_cannot_be_answered_names_the_field_and_the_rule(shop: Operated, query, detail):
    status, answer = await shop.ask("GET", f"/v1/people?{query}")
    assert (status, answer["code"], answer["detail"]) == (400, "bad_request", detail)


@pytest.mark.parametrize(
    ("path", "order", "detail"),
    [
        ("merge", {"who": "ann"}, "/site: Field required"),
        ("merge", {"customer": 4}, "/customer: Input should be a valid string"),
        ("merge", {"customer": "null"}, "customer: this is a value that identifies nobody"),
        ("merge", {"reason": "olena@shop.example"}, "/reason: may not hold an email or a phone"),
        ("unmerge", {"reason": "call +38 050 123 45 67"}, "/reason: may not hold an email or a phone"),
        ("unmerge", {"who": ""}, "/who: String should have at least 1 character"),
        ("lift", {"customer": "A"}, "Extra inputs are not permitted"),
        ("lift", {}, "exactly one of email, phone must be given"),
        ("lift", {"phone": "12"}, "phone: this is a value that identifies nobody"),
        ("forget", {}, "exactly one of cookie, customer, email, phone must be given"),
        ("forget", {"olena@shop.example": 1}, "Extra inputs are not permitted"),
    ],
)
async def test_an_order_that_cannot_be_followed_names_the_field_and_the_rule(
    shop: Operated, path, order, detail
):
    whole = {"site": "shop", "who": "ann"}
    if path != "forget":
        whole["reason"] = "one person"
    if path in ("merge", "unmerge"):
        whole["customer"] = "A"
    if path == "merge":
        whole["into"] = "B"
    if detail.startswith("/site"):
        del whole["site"]
    status, answer = await shop.ask("POST", f"/v1/people/{path}", whole | order)
    assert status == 400
    assert answer["detail"].startswith(detail)
    assert "olena" not in json.dumps(answer)


async def test_a_merge_is_undone(shop: Operated):
    await story(shop)
    order = {"site": "shop", "customer": "B", "who": "ann", "reason": "one person"}
    assert (await shop.ask("POST", "/v1/people/merge", order | {"into": "A"}))[0] == 200
    _, answer = await shop.ask("GET", "/v1/people?site=shop&cookie=c-1")
    assert [link["customer"] for link in answer["links"]] == ["A"]
    status, refused = await shop.ask("POST", "/v1/people/merge", order | {"into": "A"})
    assert (status, refused["code"]) == (409, "change_refused")
    assert (await shop.ask("POST", "/v1/people/unmerge", order))[0] == 200
    _, answer = await shop.ask("GET", "/v1/people?site=shop&cookie=c-1")
    assert [link["customer"] for link in answer["links"]] == ["A", "B"]


async def test_a_placeholder_is_shown_and_lifted(tmp_path: Path, sandbox: Sandbox):
    config = settings(tmp_path, sandbox, operator={"keys": [OPERATOR]})
    sites = [config.sites[0].model_copy(update={"customers_per_contact": 2})]
    config = config.model_copy(update={"sites": sites})
    async with running_shop(config, sandbox) as plain:
        shop = Operated(plain.gateway, sandbox, plain.http)
        order = {"site": "shop", "email": "no@shop.example", "who": "ann", "reason": "it is a person's"}
        status, refused = await shop.ask("POST", "/v1/people/lift", order)
        assert (status, refused["code"]) == (409, "change_refused")
        for customer in "AB":
            await shop.post(event("CustomerData", externalCustomerId=customer, user_email="no@shop.example"))
        await until_taken(sandbox.url, 2)
        asked = "/v1/people?site=shop&email=no@shop.example"
        assert (await shop.ask("GET", asked))[1]["placeholder_since"].endswith("Z")
        assert await shop.ask("POST", "/v1/people/lift", order) == (200, {"lifted": "no@shop.example"})
        assert (await shop.ask("GET", asked))[1]["placeholder_since"] is None


async def test_an_erasure_shows_first_and_then_takes_links_and_dead_letters(shop: Operated):
    await story(shop)
    await shop.refuse(event("MainPage", externalCustomerId="A"), event("MainPage", externalCustomerId="B"))
    order = {"site": "shop", "email": "olena@shop.example", "who": "ann"}
    _, shown = await shop.ask("POST", "/v1/people/forget", order | {"dry_run": True})
    assert (shown["dry_run"], shown["found"]["dead_letters"], shown["found"]["cookies"]) == (True, 1, 1)
    assert len(await shop.letters()) == 2
    _, done = await shop.ask("POST", "/v1/people/forget", order)
    assert done == shown | {"dry_run": False}
    assert len(await shop.letters()) == 1
    _, answer = await shop.ask("GET", "/v1/people?site=shop&customer=A")
    assert (answer["links"], answer["contacts"]) == ([], [])


async def test_an_erasure_that_breaks_off_finds_everything_when_it_is_begun_again(
    shop: Operated, tmp_path: Path
):
    await story(shop)
    await shop.refuse(event("MainPage", cookie="c-9", user_email="olena@shop.example"))
    order = {"site": "shop", "customer": "A", "who": "ann"}
    async with away(tmp_path / "links.db", "dead_letters"):
        assert (await shop.ask("POST", "/v1/people/forget", order))[0] == 503
    status, done = await shop.ask("POST", "/v1/people/forget", order)
    assert (status, done["found"]["dead_letters"]) == (200, 1)
    assert await shop.letters() == []


def not_sent() -> float:
    return REGISTRY.get_sample_value("gateway_records_erased_total", {"site": "shop"}) or 0.0


async def test_what_waits_for_esputnik_when_its_person_is_erased_is_not_sent(shop: Operated):
    before = not_sent()
    await shop.faults({"path": "/api/v2", "status": 503, "times": 10_000})
    for customer in "AB":
        await shop.post(event("CustomerData", cookie=f"c-{customer}", externalCustomerId=customer))
    async with asyncio.timeout(20):
        while len((await shop.ask("GET", "/v1/people?site=shop&customer=B"))[1]["links"]) == 0:
            await asyncio.sleep(0.02)
    assert (await shop.ask("POST", "/v1/people/forget", {"site": "shop", "customer": "A", "who": "ann"}))[
        0
    ] == 200
    async with asyncio.timeout(20):
        while not_sent() == before:
            await asyncio.sleep(0.02)
    await shop.faults()
    (request,) = await until_taken(shop.sandbox.url, 1, seconds=40)
    assert request["body"]["GeneralInfo"]["externalCustomerId"] == "B"
    assert len(await taken(shop.sandbox.url)) == 1


async def test_whose_cookie_it_is_is_told_by_the_command_line(tmp_path: Path):
    port = free_port()
    async with Sandbox() as sandbox:
        path = write_config(tmp_path / "gateway.toml", sandbox.url, port, embedded(tmp_path))
        path.write_text(path.read_text() + f'\n[operator]\nkeys = ["{OPERATOR}"]\n')
        with running(Process("run", "--config", str(path), port=port)):
            login = await _posting(port, sandbox)

            async def told(*arguments: str) -> str:
                return await asyncio.to_thread(command, path, *arguments)

            assert "CustomerData" not in await told("who", "--cookie", "c-404")
            shown = await told("who", "--cookie", "c-1")
            assert "CustomerData" in shown
            assert "open" in shown
            as_json = json.loads(await told("who", "--customer", "A", "--json"))
            assert as_json["links"][0]["opened_by"]["event"] == login
            reason = ("--reason", "one person")
            assert "merged" in await told("merge", "--customer", "A", "--into", "B", *reason)
            assert "merged into this customer: A" in await told("who", "--customer", "B")
            assert "unmerged" in await told("unmerge", "--customer", "A", *reason)
            found = "erased: names 1, cookies 1"
            assert f"would be {found}" in await told("forget", "--customer", "A", "--dry-run")
            assert (await told("forget", "--customer", "A")).startswith(found)
            assert "c-1" not in await told("who", "--customer", "A")
            with pytest.raises(GatewayError, match="identifies nobody"):
                await told("who", "--email", "x")


async def _posting(port: int, sandbox: Sandbox) -> str:
    """Post a login to the running gateway; return its id once it is known."""
    login = event("CustomerData", externalCustomerId="A")
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"http://127.0.0.1:{port}/v1/events", json=login, headers={"X-Api-Key": KEY}) as answer,
    ):
        event_id = (await answer.json())["results"][0]["id"]
    await until_taken(sandbox.url, 1)
    return event_id


def command(config: Path, name: str, *arguments: str) -> str:
    """Run a command of the gateway's against the running one; return what it says."""
    done = CliRunner().invoke(cli, [name, "--site", "shop", *arguments, "--config", str(config)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output
