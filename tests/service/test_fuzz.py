"""The short version of `make fuzz`, and the contract held against what the gateway really answers."""

from pathlib import Path

import pytest

from tests.load.fuzz import EVENTS, TRACKER, Findings, fuzz, fuzzed
from tests.load.mutator import Sent


@pytest.mark.timeout(200)
async def test_broken_requests_are_answered_one_result_an_event_and_never_with_a_mistake_of_ours(
    tmp_path: Path,
):
    async with fuzzed(tmp_path) as process:
        findings = await fuzz(process, 4000, seed=20261125)
        log = process.log()
    assert findings.mistakes == []
    assert "request_failed" not in log
    assert "Traceback" not in log
    assert {"200", "202", "207", "400", "415"} <= findings.answers.keys()
    assert findings.growth < 100


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
