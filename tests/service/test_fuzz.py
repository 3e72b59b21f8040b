"""The short version of `make fuzz`, and the contract held against what the gateway really answers."""

import asyncio
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from gateway.calls import ApiCall
from gateway.clock import SystemClock
from gateway.console.routes import Console
from gateway.ingest.api_routes import WRITES
from gateway.jobs.routes import Jobs
from gateway.relay.routes import PASSES
from gateway.sandbox import Sandbox
from gateway.setup.pages import TRACKING_PATH
from gateway.setup.routes import Setup
from gateway.store.lazy import LazyStore
from tests.load.fuzz import EVENTS, OPERATOR, TRACKER, Findings, fuzz, fuzzed
from tests.load.mutator import KEY, Sent
from tests.service.conftest import Shop, running_shop, settings


@pytest.mark.timeout(200)
async def test_broken_requests_are_answered_one_result_an_event_and_never_with_a_mistake_of_ours(
    tmp_path: Path,
):
    async with fuzzed(tmp_path) as process:
        findings = await fuzz(process, 3000, seed=20261125)
        log = process.log()
    assert findings.mistakes == []
    assert "request_failed" not in log
    assert "Traceback" not in log
    assert {"200", "202", "207", "400", "415"} <= findings.answers.keys()
    assert findings.growth < 100


NOT_OURS = (
    "ignored_auth",  # sends a wrong key in one header beside the right one in another
    "negative_data_rejection",  # what can be repaired is repaired
    "positive_data_acceptance",  # a schema does not know which sites are configured
)


ROOMS = {  # with how many examples of each route; relayed calls are answered by eSputnik, which is away here
    "events": (KEY, ["--exclude-tag=operator", "--exclude-tag=esputnik", "--exclude-tag=relay"], 10),
    "calls": (KEY, ["--include-tag=esputnik"], 3),
    "operator": (OPERATOR, ["--include-tag=operator"], 10),
}


@pytest.mark.parametrize("room", ROOMS)
async def test_what_is_answered_is_what_the_contract_says(tmp_path: Path, room: str):
    key, which, examples = ROOMS[room]
    async with fuzzed(tmp_path) as process:
        contract = f"http://127.0.0.1:{process.port}/openapi.json"
        command = [sys.executable, "-m", "schemathesis.cli", "run", contract, *which]
        command += ["--header", f"X-Api-Key: {key}", "--exclude-checks", ",".join(NOT_OURS), "--no-color"]
        command += ["--phases", "fuzzing", "--max-examples", str(examples), "--generation-deterministic"]
        command += ["--suppress-health-check", "too_slow"]  # which is the machine's matter
        ended = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, cwd=tmp_path, timeout=150, check=False
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr


async def test_every_call_and_job_route_is_in_the_contract_with_the_schema_that_is_served(
    tmp_path: Path, shop: Shop, sandbox: Sandbox
):
    _, contract = await shop.get("/openapi.json")
    told = {(method.upper(), path) for path, item in contract["paths"].items() for method in item}
    calls = {(call.method, f"/{call.path}") for call in (*WRITES, *PASSES)}
    assert len(calls) == len(WRITES) + len(PASSES)

    store = LazyStore("sqlite:")  # no route is asked here
    jobs = {(method, path) for method, path, _ in Jobs(settings(tmp_path, sandbox), store).routes()}
    assert calls | jobs | {("GET", TRACKING_PATH)} <= told
    schemas = contract["components"]["schemas"]
    for write in WRITES:
        body = contract["paths"][f"/{write.path}"][write.method.lower()].get("requestBody")
        if body is None:
            assert write.call is ApiCall.DELETE_CONTACT
            continue
        reference = body["content"]["application/json"]["schema"]["$ref"]
        _, served = await shop.get(f"/v1/schemas/api/{write.call}")
        told_schema = orjson.dumps(schemas[reference.removeprefix("#/components/schemas/")]).decode()
        as_served = orjson.loads(told_schema.replace("#/components/schemas/api.", "#/$defs/"))
        assert as_served == {k: v for k, v in served.items() if k not in ("$schema", "$defs")}


async def test_every_route_of_an_operator_is_in_the_contract(tmp_path: Path, sandbox: Sandbox):
    async with running_shop(settings(tmp_path, sandbox), sandbox) as shop:
        _, without = await shop.get("/openapi.json")
    config = settings(tmp_path, sandbox, operator={"keys": [OPERATOR]})
    async with running_shop(config, sandbox) as shop:
        _, contract = await shop.get("/openapi.json")
    assert not any("operator" in item.get("get", {}).get("tags", ()) for item in without["paths"].values())
    store = LazyStore("sqlite:")  # no route is asked here
    routes = Console(config, store, {}, SystemClock()).routes()
    routes += Setup(config, store, {}, SystemClock()).routes()
    told = {(method.upper(), path) for path, item in contract["paths"].items() for method in item}
    assert {(method, path) for method, path, _ in routes} <= told


def test_the_checker_finds_what_is_wrong():
    findings = Findings()
    two = Sent(b"", EVENTS, True, 2)
    refused = b'{"index":0,"status":"refused"}'
    findings.look_at(two, 500, b"{}")
    findings.look_at(two, 400, b'{"accepted":0,"refused":1,"results":[' + refused + b"]}")
    findings.look_at(two, 400, b'{"accepted":1,"refused":1,"results":[' + refused + b"]}")
    findings.look_at(two, 400, b'{"what":"is this"}')
    assert len(findings.mistakes) == 4
    findings.look_at(
        Sent(b"", TRACKER, True, 1), 400, b'{"accepted":0,"refused":1,"results":[' + refused + b"]}"
    )
    findings.look_at(two, 413, b'{"status":413,"code":"too_large"}')
    assert len(findings.mistakes) == 4
