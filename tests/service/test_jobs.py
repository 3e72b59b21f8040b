"""Imports: followed to their end, and from files, over real HTTP."""

import asyncio
import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.errors import GatewayError
from gateway.jobs.client import Gateway
from gateway.jobs.importing import BATCH, Importer
from gateway.sandbox import Sandbox
from gateway.validation import CallJudge, Catalogue, status_map
from tests.processes import write_config
from tests.service.conftest import KEY, Shop, running_shop, settings
from tests.service.test_api_calls import basic, call, people, requests

JUDGE = CallJudge(Catalogue("api"), "UA", False, frozenset(), status_map(None, {}))
TERMS = {"dedupeOn": "externalCustomerId", "contactFields": ["firstName", "email"]}


def contact(number: int, **more: Any) -> dict[str, Any]:
    channels = [{"type": "email", "value": f"{number}@example.com"}]
    return {"externalCustomerId": str(number), "channels": channels} | more


NOBODY = {"firstName": "Olena"}
"""What eSputnik has nothing to compare by."""


async def until_ended(shop: Shop, job: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            status, _, answer = await call(shop, "GET", f"/v1/jobs/{job}")
            if status == 200 and answer["status"] not in ("STARTED", "IMPORTING"):
                return answer
            await asyncio.sleep(0.1)


async def test_a_bulk_of_contacts_is_a_job_that_is_followed_to_its_end(shop: Shop):
    body = {"contacts": [contact(1), NOBODY, contact(2)], **TERMS}
    status, headers, answer = await call(shop, "POST", "/v1/contacts", json=body)
    assert (status, bool(answer["asyncSessionId"])) == (200, True)
    job = await until_ended(shop, headers["X-Request-Id"])
    assert (job["status"], job["received"], job["failed"]) == ("FINISHED", 3, 1)
    assert job["session"] == answer["asyncSessionId"]
    ((failed),) = job["failed_rows"]
    assert failed["row"]["firstName"] == "Olena"
    assert failed["reason"]
    status, _, text = await call(shop, "GET", job["failed_csv"])
    (line,) = csv.DictReader(text.splitlines())
    assert (status, line["firstName"], line["reason"]) == (200, "Olena", failed["reason"])
    _, _, listed = await call(shop, "GET", "/v1/jobs/")
    assert [one["id"] for one in listed["jobs"]] == [job["id"]]


async def test_a_job_is_its_sites_alone_and_one_that_nobody_knows_is_404(shop: Shop):
    _, headers, _ = await call(shop, "POST", "/v1/contacts", json={"contacts": [contact(1)], **TERMS})
    job = (await until_ended(shop, headers["X-Request-Id"]))["id"]
    other = {"Authorization": basic("user", "strict-key")}
    assert (await call(shop, "GET", f"/v1/jobs/{job}", headers=other))[0] == 404
    assert (await call(shop, "GET", "/v1/jobs", headers=other))[2] == {"jobs": []}
    assert (await call(shop, "GET", "/v1/jobs/nobody"))[0] == 404
    assert (await call(shop, "GET", f"/v1/jobs/{job}?rows=many"))[0] == 400


async def test_an_import_that_esputnik_gives_up_ends_in_error_with_its_words(shop: Shop):
    upload = {"link": "http://127.0.0.1:1/contacts.csv", "dedupeOn": "email"}
    _, headers, _ = await call(shop, "POST", "/v1/contacts/upload", json=upload)
    job = await until_ended(shop, headers["X-Request-Id"])
    assert job["status"] == "ERROR"
    assert "cannot be read" in job["description"]


async def test_an_erased_customers_failed_rows_are_gone(shop: Shop, tmp_path: Path):
    row = {"externalCustomerId": "42", "channels": [{"type": "email", "value": "no address"}]}
    _, headers, answer = await call(shop, "POST", "/v1/contacts", json={"contacts": [row], **TERMS})
    assert answer["failedContacts"]
    job = await until_ended(shop, headers["X-Request-Id"])
    assert len(job["failed_rows"]) == 1
    await call(shop, "DELETE", "/v1/contact?externalCustomerId=42&erase=true")
    assert (await until_ended(shop, job["id"]))["failed_rows"] == []
    assert people(tmp_path) == []


class Stopped(Exception):
    """What a test stops an import with."""


async def run(shop: Shop, file: Path, kind: str = "contacts", stop_at: int | None = None) -> Any:
    """Import the file; raise Stopped once so many rows are done."""

    def tell(done: int, failed: int) -> None:
        if stop_at is not None and done >= stop_at:
            raise Stopped

    async with Gateway(shop.url, KEY) as gateway:
        terms = TERMS if kind == "contacts" else {}
        return await Importer(file, kind, JUDGE, terms, gateway, tell).run()


def write_csv(file: Path, rows: int, bad: set[int]) -> None:
    """Write contacts; the bad ones have nothing by which eSputnik knows them."""
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["externalCustomerId", "email", "firstName", "note"])
        for number in range(rows):
            known = ("", "") if number in bad else (str(number), f"{number}@example.com")
            writer.writerow([*known, f"Name{number % 7}", f"row {number}"])


async def contacts(shop: Shop) -> list[Any]:
    return await held(shop, "contacts")


async def held(shop: Shop, what: str) -> list[Any]:
    """Return what eSputnik holds of that."""
    async with shop.http.get(f"{shop.sandbox.url}/_sandbox/{what}") as answer:
        return (await answer.json())[what]


async def order(shop: Shop, what: str, body: Any) -> None:
    """Tell the stand-in something."""
    async with shop.http.post(f"{shop.sandbox.url}/_sandbox/{what}", json=body) as answer:
        assert answer.status < 300, await answer.text()


async def test_an_import_ends_with_exactly_the_bad_rows_in_the_failed_file_also_when_it_was_stopped(
    shop: Shop, tmp_path: Path
):
    bad = set(range(50, 400, 100))
    file = tmp_path / "contacts.csv"
    write_csv(file, 400, bad)
    BATCH["contacts"], whole = 100, BATCH["contacts"]
    try:
        with pytest.raises(Stopped):
            await run(shop, file, stop_at=200)
        ended = await run(shop, file)
    finally:
        BATCH["contacts"] = whole
    assert (ended.done, ended.failed, ended.jobs) == (400, 4, [])
    with (tmp_path / "contacts.csv.failed.csv").open(newline="") as opened:
        lines = list(csv.DictReader(opened))
    assert list(lines[0]) == ["externalCustomerId", "email", "firstName", "note", "reason"]
    assert len(lines) == 4
    assert all(line["reason"] and not line["email"] for line in lines)
    assert len(await contacts(shop)) == 396
    assert len([r for r in await requests(shop, "/api/v1/contacts") if r["method"] == "POST"]) == 4


async def test_a_file_that_has_changed_is_not_gone_on_with(shop: Shop, tmp_path: Path):
    file = tmp_path / "contacts.csv"
    write_csv(file, 3, set())
    await run(shop, file)
    write_csv(file, 5, set())
    with pytest.raises(GatewayError, match="has changed since"):
        await run(shop, file)


async def test_rows_of_an_import_that_esputnik_gives_up_stand_in_the_failed_file(shop: Shop, tmp_path: Path):
    file = tmp_path / "contacts.csv"
    write_csv(file, 5, {2})
    await order(shop, "imports", {"seconds": None})
    running = asyncio.create_task(run(shop, file))
    async with asyncio.timeout(20):
        while not await held(shop, "imports"):
            await asyncio.sleep(0.05)
    await order(shop, "imports", {"move": "ERROR"})
    ended = await running
    assert (ended.done, ended.failed, ended.jobs) == (5, 5, [])
    with (tmp_path / "contacts.csv.failed.csv").open(newline="") as opened:
        lines = list(csv.DictReader(opened))
    assert [line["note"] for line in lines] == [f"row {number}" for number in range(5)]
    assert {line["reason"] for line in lines} == {"ERROR: Import failed"}


async def test_rows_of_a_queued_import_that_esputnik_refuses_later_stand_in_the_failed_file(
    sandbox: Sandbox, tmp_path: Path
):
    config = settings(tmp_path, sandbox)
    sites = [site.model_copy(update={"answer_wait": 0}) for site in config.sites]
    file = tmp_path / "contacts.csv"
    write_csv(file, 3, set())
    async with running_shop(config.model_copy(update={"sites": sites}), sandbox) as shop:
        await order(shop, "faults", [{"path": "/api/v1/contacts", "status": 400, "body": "no such segment"}])
        ended = await run(shop, file)
        _, _, listed = await call(shop, "GET", "/v1/jobs")
    assert (ended.done, ended.failed) == (3, 3)
    with (tmp_path / "contacts.csv.failed.csv").open(newline="") as opened:
        assert {line["reason"] for line in csv.DictReader(opened)} == {"ERROR: no such segment"}
    ((job),) = listed["jobs"]
    assert (job["status"], job["received"], job["failed"]) == ("ERROR", 3, 3)


@pytest.mark.parametrize("fields", [[{"id": 1, "value": "x" * 4000}], [{"id": 1}] * 65])
async def test_rows_of_too_many_bytes_or_values_for_one_call_go_out_in_smaller_ones(
    shop: Shop, tmp_path: Path, fields: list[Any]
):
    file = tmp_path / "contacts.ndjson"
    file.write_bytes(b"".join(orjson.dumps(contact(n, fields=fields)) + b"\n" for n in range(1500)))
    ended = await run(shop, file)
    assert (ended.done, ended.failed) == (1500, 0)
    assert len(await contacts(shop)) == 1500
    assert len(await requests(shop, "/api/v1/contacts")) > 1


async def test_what_is_imported_anew_is_sent_anew(shop: Shop, tmp_path: Path):
    file = tmp_path / "contacts.csv"
    write_csv(file, 3, set())
    await run(shop, file)
    await order(shop, "reset", None)
    (tmp_path / "contacts.csv.progress").unlink()
    await run(shop, file)
    assert len(await contacts(shop)) == 3


async def test_orders_and_lines_that_are_no_json_end_in_the_failed_file_with_their_reason(
    shop: Shop, tmp_path: Path
):
    placed = {
        "totalCost": 5,
        "status": "INITIALIZED",
        "date": "2026-11-25T10:11:10",
        "email": "o@example.com",
    }
    rows = [{**placed, "externalOrderId": str(number)} for number in range(3)]
    rows.append({**placed, "externalOrderId": "3", "email": ""})
    file = tmp_path / "orders.ndjson"
    file.write_bytes(b"\n".join(map(orjson.dumps, rows)) + b"\n{broken\n")
    ended = await run(shop, file, "orders")
    assert (ended.done, ended.failed) == (5, 2)
    lines = (tmp_path / "orders.ndjson.failed.ndjson").read_text().splitlines()
    nobody, broken = map(orjson.loads, lines)
    assert (nobody["externalOrderId"], broken["line"]) == ("3", "{broken")
    assert "is required" in nobody["reason"]
    assert sum(len(r["body"]["orders"]) for r in await requests(shop, "/api/v1/orders")) == 3


async def test_past_events_are_imported_with_their_other_columns_as_parameters(shop: Shop, tmp_path: Path):
    await order(shop, "event-types", {"visit": ["place"]})
    file = tmp_path / "visits.csv"
    rows = [("visit", f"v-{number}", "2026-11-20T10:15", "Lviv") for number in range(600)]
    rows[3] = ("visit", "v-3", "yesterday", "Lviv")
    rows[590] = ("visit", "v-590", "2026-11-20T10:15", "")
    with file.open("w", newline="") as opened:
        csv.writer(opened).writerows([("eventTypeKey", "keyValue", "occurred", "place"), *rows])
    ended = await run(shop, file, "events")
    assert (ended.done, ended.failed) == (600, 2)
    with (tmp_path / "visits.csv.failed.csv").open(newline="") as opened:
        ours, esputniks = csv.DictReader(opened)
    assert (ours["keyValue"], ours["occurred"], ours["place"]) == ("v-3", "yesterday", "Lviv")
    assert "/events/0/occurred" in ours["reason"]
    assert esputniks["keyValue"] == "v-590"
    assert "Required params" in esputniks["reason"]
    arrived = await held(shop, "events")
    assert sorted(one["keyValue"] for one in arrived) == sorted(
        key for _, key, _, _ in rows if key not in ("v-3", "v-590")
    )
    assert {(one["occurred"], one["params"]["place"]) for one in arrived} == {("2026-11-20T10:15", "Lviv")}


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", "externalCustomerId,firstName\n1,Олена\n".encode("cp1251"), "is not UTF-8"),
        ("a.csv", b"externalCustomerId,firstName\n1," + b"x" * 200_000, "is no CSV"),
        ("a.ndjson", b"\xff\n", "is not UTF-8"),
    ],
)
async def test_a_file_that_cannot_be_read_is_a_sentence(
    shop: Shop, tmp_path: Path, name: str, content: bytes, told: str
):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(GatewayError, match=told):
        await run(shop, file)


async def test_the_command_line_imports_shows_jobs_and_sends_nothing_in_a_dry_run(shop: Shop, tmp_path: Path):
    config = write_config(tmp_path / "gateway.toml", shop.sandbox.url, 0, "")
    file = tmp_path / "contacts.csv"
    write_csv(file, 20, {3})

    async def gateway(*arguments: str) -> str:
        command = [sys.executable, "-m", "gateway", *arguments, "--config", str(config), "--url", shop.url]
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
        )
        assert not done.returncode, done.stderr
        return done.stdout

    judged = await gateway("import", "contacts", str(file), "--dry-run")
    assert "20 rows, 0 failed, nothing was sent" in judged
    assert await requests(shop) == []
    assert "20 rows, 1 failed" in await gateway("import", "contacts", str(file))
    shown = await gateway("jobs")
    assert "FINISHED" in shown
    assert "AddContacts" in shown
