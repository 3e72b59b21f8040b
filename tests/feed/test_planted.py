"""A generated feed with 37 planted errors is checked, and exactly the 37 are found, where they are."""

import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from gateway.feed.checking import check
from gateway.feed.report import Report
from gateway.feed.source import Source
from tests.load.feed_file import KINDS, Planted, write_feed

ERRORS = 37
MEMORY = 100 * 2**20

# Runs a command and tells, last of all on stderr, how many KiB of memory it took at most.
_MEASURED = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(status)
"""


def found(report: Report) -> list[Planted]:
    findings = [one.finding for group in report.groups for one in group.examples]
    return sorted(Planted(one.code, one.field, one.line) for one in findings)


@pytest.mark.parametrize("seed", range(3))
def test_exactly_the_planted_errors_are_found(tmp_path: Path, seed: int):
    path = tmp_path / "feed.xml"
    planted = write_feed(path, 700_000, ERRORS, seed)
    assert {one.code for one in planted} == {kind.code for kind in KINDS}
    report = check([Source(path.name, path)])
    assert len(planted) == ERRORS
    assert found(report) == sorted(planted)


def test_a_feed_without_planted_errors_has_none(tmp_path: Path):
    path = tmp_path / "feed.xml"
    write_feed(path, 300_000)
    assert found(check([Source(path.name, path)])) == []


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_feed_of_1_gb_is_checked_in_less_than_100_mb(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "feed.xml"
    planted = write_feed(path, 10**9, ERRORS, seed=7)
    began = time.monotonic()
    command = [sys.executable, "-m", "gateway", "feed", "check", "--json", str(path)]
    run = subprocess.run([sys.executable, "-c", _MEASURED, *command], capture_output=True, check=False)
    took = time.monotonic() - began
    report = orjson.loads(run.stdout)
    memory = int(run.stderr.split()[-1]) * 1024
    with capsys.disabled():
        print(f" {path.stat().st_size / took / 1e6:.1f} MB/s, {memory / 2**20:.0f} MB")
    found = [(group, one) for group in report["groups"] for one in group["examples"]]
    assert sorted(planted) == sorted(
        Planted(group["code"], group["field"], one["line"]) for group, one in found
    )
    assert run.returncode == 2
    assert memory < MEMORY
