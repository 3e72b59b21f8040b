"""`gateway import` as an operator runs it: processes of their own, and every bad row and no other told."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import orjson
import pytest

from gateway.demo.parts import free_port
from tests.processes import Process, measured, running, write_config

BAD_IN = 100
"""One row in so many is bad, of each kind in turn."""
KINDS = ("broken", "unknown channel", "no channel", "no email address", "unwanted")
"""The first two are refused by the gateway's own rules, the others by eSputnik."""
SLACK_BYTES = 16 * 2**20


class Shop(NamedTuple):
    config: Path
    esputnik: str


@contextmanager
def shop(folder: Path) -> Iterator[Shop]:
    """Run a stand-in eSputnik and a gateway, each in its own process, with the defaults of both."""
    port, esputnik = free_port(), free_port()
    url = f"http://127.0.0.1:{esputnik}"
    parts = f'[stream]\npath = "{folder / "stream.db"}"\n[links]\nurl = "sqlite:{folder / "links.db"}"\n'
    config = write_config(folder / "gateway.toml", url, port, parts)
    sandbox = Process("sandbox", "--port", str(esputnik), port=esputnik)
    with running(sandbox, Process("run", "--config", str(config), port=port)):
        yield Shop(config, url)


def line(number: int, kind: str | None) -> bytes:
    """Return the row of that number, of a kind that is refused or None for a good one."""
    key = f"row-{number}"
    if kind == "broken":
        return b'{"contactKey": "%b", ' % key.encode()
    channel = {"type": "email", "value": f"{number}@example.com"}
    if kind == "unknown channel":
        channel["type"] = "pigeon"
    if kind == "no email address":
        channel["value"] = "nowhere"
    channels = [] if kind == "no channel" else [channel]
    named = {"contactKey": key, "externalCustomerId": str(number), "firstName": "Олена"}
    return orjson.dumps({**named, "channels": channels, "address": {"town": "Львів"}})


def write_rows(path: Path, rows: int) -> dict[int, str]:
    """Write contacts; return the numbers of the bad ones with their kinds."""
    bad = {number: KINDS[number // BAD_IN % len(KINDS)] for number in range(BAD_IN // 2, rows, BAD_IN)}
    with path.open("wb") as file:
        file.writelines(line(number, bad.get(number)) + b"\n" for number in range(rows))
    return bad


def number_of(failed: dict[str, Any]) -> int:
    """Return the number of a row of the failed file, also of one that is no JSON."""
    held = failed.get("line") or failed["contactKey"]
    return int(held.partition("row-")[2].partition('"')[0])


async def imported(shop: Shop, path: Path, rows: int) -> int:
    """Import so many rows with the bad ones among them; return the importer's memory at most."""
    bad = write_rows(path, rows)
    unwanted = {str(number): "Contact is unwanted" for number, kind in bad.items() if kind == "unwanted"}
    async with aiohttp.ClientSession() as http:
        await http.post(f"{shop.esputnik}/_sandbox/reset")
        await http.post(f"{shop.esputnik}/_sandbox/refused", json=unwanted)
    terms = ["--field", "firstName", "--field", "email", "--field", "town"]
    command = [sys.executable, "-m", "gateway", "import", "contacts", str(path), *terms]
    run, memory = measured([*command, "--config", str(shop.config)])
    assert run.returncode == 0, run.stderr
    assert f"{rows} rows, {len(bad)} failed" in run.stdout.decode()
    with path.with_name(path.name + ".failed.ndjson").open("rb") as file:
        failed = [orjson.loads(row) for row in file]
    assert sorted(map(number_of, failed)) == sorted(bad)
    assert all(row["reason"] for row in failed)
    async with aiohttp.ClientSession() as http, http.get(f"{shop.esputnik}/_sandbox/counts") as answer:
        counts = await answer.json()
    assert (counts["contacts"], counts["imports_waiting"]) == (rows - len(bad), 0)
    return memory


async def test_an_import_ends_with_exactly_the_rows_that_we_and_esputnik_refuse_in_the_failed_file(
    tmp_path: Path,
):
    with shop(tmp_path) as running_shop:
        await imported(running_shop, tmp_path / "contacts.ndjson", 4_000)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_of_100_000_rows_exactly_the_bad_ones_fail_and_many_more_take_no_more_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    taken = {}
    with shop(tmp_path) as running_shop:
        for rows in (100_000, 250_000):
            began = time.monotonic()
            taken[rows] = await imported(running_shop, tmp_path / f"{rows}.ndjson", rows)
            took = time.monotonic() - began
            with capsys.disabled():
                print(f" {rows:,} rows: {took:.0f} s, {taken[rows] / 2**20:.0f} MB at most;", end="")
    assert taken[250_000] < taken[100_000] + SLACK_BYTES
