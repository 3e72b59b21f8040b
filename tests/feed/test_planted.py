"""A generated feed with 37 planted errors is checked, and exactly the 37 are found, where they are."""

import sys
import time
from pathlib import Path

import orjson
import pytest

from gateway.feed.checking import check
from gateway.feed.report import Report
from gateway.feed.source import Source
from tests.load.feed_file import KINDS, Planted, write_feed
from tests.processes import measured

ERRORS = 37
MEMORY = 100 * 2**20


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
    run, memory = measured(command)
    took = time.monotonic() - began
    report = orjson.loads(run.stdout)
    with capsys.disabled():
        print(f" {path.stat().st_size / took / 1e6:.1f} MB/s, {memory / 2**20:.0f} MB")
    found = [(group, one) for group in report["groups"] for one in group["examples"]]
    assert sorted(planted) == sorted(
        Planted(group["code"], group["field"], one["line"]) for group, one in found
    )
    assert run.returncode == 2
    assert memory < MEMORY
