"""Hostile clients at a small size: memory stays bounded, and a neighbour is answered."""

import asyncio
import re
import resource
from pathlib import Path

import pytest

from gateway.config import Limits, Listen
from gateway.ingest.server import HttpServer
from tests.load.attacks import ATTACKS, CALM, GREEDY, OPEN, WILD, Target, attacked, report

SIZE = 0.05
GROWTH = 2 * 128
"""MB that an attack may add: the bytes in flight, and as much for what has come and is not looked at yet."""
SITES = {CALM, GREEDY, WILD, OPEN, "unknown"}
LABELS = {
    "site",
    "type",
    "code",
    "route",
    "status",
    "stage",
    "topic",
    "outcome",
    "endpoint",
    "decision",
    "reason",
}
BOUNDS = {"le", "quantile", "version", "implementation", "major", "minor", "patchlevel", "generation"}


async def labels(target: Target) -> dict[str, set[str]]:
    """Return every value of every label that /metrics shows."""
    async with target.http.get(f"http://127.0.0.1:{target.metrics_port}/metrics") as answer:
        text = await answer.text()
    found: dict[str, set[str]] = {}
    for name, value in re.findall(r'([a-z]+)="([^"]*)"', text):
        found.setdefault(name, set()).add(value)
    return found


@pytest.mark.timeout(300)
async def test_an_attack_is_held_within_bounds_harms_no_neighbour_and_labels_nothing(
    tmp_path: Path, subtests: pytest.Subtests
):
    async with attacked(tmp_path) as target:
        for name in ATTACKS:
            with subtests.test(name):
                found = await report(target, name, SIZE)
                assert found.said, "the attack took place"
                assert found.peak - found.before < GROWTH
                assert set(found.neighbour.statuses) <= {202, 503}, found.neighbour.statuses
                assert found.neighbour.statuses[202] > 0
                assert not any(re.match("5(?!03)", status) for status in found.said), found.said
        values = await labels(target)
    assert values.keys() <= LABELS | BOUNDS
    assert values["site"] <= SITES | {"all"}
    made_up = re.compile(r"Event\d|site-|path-|enc-|key-")
    assert [name for name in LABELS & values.keys() if len(values[name]) > 60] == []
    assert [name for name in values if any(made_up.search(value) for value in values[name])] == []


async def test_bodies_that_come_all_at_once_are_read_in_turns(tmp_path: Path):
    async with attacked(tmp_path) as target:
        found = await report(target, "bodies_at_once", 0.5)
    assert found.said.keys() <= {"503", "408", "closed"}
    assert found.peak - found.before < GROWTH
    assert set(found.neighbour.statuses) <= {202, 503}
    assert found.neighbour.statuses[202] > 0


async def test_a_server_allows_itself_the_files_that_its_connections_need():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (600, before[1]))
    server = HttpServer([], Listen(connections=1000), Limits())
    try:
        await server.start("127.0.0.1", 0)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(1500, before[1])
        await asyncio.wait_for(server.stop(), 30)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
