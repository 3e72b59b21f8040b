"""The house holds itself to its own rules."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from gateway import metrics
from gateway.config import Config

ROOT = Path(__file__).parents[2]
ROOMS = {
    "ingest": {"validation", "stream", "identity"},  # flow, which ingest calls, names stitching too
    "validation": set(),
    "stream": set(),
    "identity": {"store"},
    "delivery": {"store", "stream", "esputnik"},
    "jobs": {"store", "esputnik", "ingest", "validation", "console"},
    "relay": {"esputnik", "ingest", "identity", "store"},
    "console": {"store", "stream", "ingest", "identity", "jobs", "product_keys", "refused"},
    "feed": {"esputnik", "ingest", "store", "console", "product_keys"},
    "setup": {"store", "esputnik", "ingest", "console"},
    "doctor": {"esputnik", "feed", "product_keys", "setup", "console"},
    "product_keys": {"store"},
    "refused": {"store", "validation"},
    "store": set(),
    "esputnik": set(),
    "sandbox": set(),
}
STANDALONE = ("esputnik", "sandbox")


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return {name for name in found if name == "gateway" or name.startswith("gateway.")}


@pytest.mark.parametrize("room", STANDALONE)
def test_a_room_that_could_leave_the_house_imports_nothing_of_ours(room):
    for path in (ROOT / "gateway" / room).glob("*.py"):
        others = {name for name in imports_of(path) if not name.startswith(f"gateway.{room}")}
        assert not others, f"{path.name} imports {others}"


@pytest.mark.parametrize("room", sorted(set(ROOMS) - set(STANDALONE)))
def test_a_stage_knows_none_of_the_others(room):
    for path in (ROOT / "gateway" / room).glob("*.py"):
        rooms = {name.split(".")[1] for name in imports_of(path) if "." in name} & set(ROOMS)
        assert rooms <= ROOMS[room] | {room}, f"{path.name} imports {rooms - ROOMS[room]}"


def test_the_readme_shows_a_configuration_that_works():
    (block,) = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert Config(**tomllib.loads(block)).sites[0].id == "demo-shop"


def test_every_metric_is_named_by_convention():
    for metric in vars(metrics).values():
        if hasattr(metric, "_name"):
            assert re.fullmatch(r"gateway_[a-z_]+", metric._name)
            assert metric._documentation


def test_every_event_type_has_accepted_and_refused_examples():
    types = [path.parent for path in (ROOT / "schemas").rglob("schema.json")]
    assert len(types) >= 31
    for path in types:
        assert list(path.glob("accepted/*.json")), path.name
        assert list(path.glob("refused/*.json")), path.name


def test_nothing_is_left_undone_in_the_code():
    for path in (ROOT / "gateway").rglob("*.py"):
        assert not re.search(r"\b(TODO|FIXME|XXX)\b", path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("page", ["promises.md", "identity.md", "security.md"])
def test_every_test_that_a_page_names_is_there(page: str):
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", (ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert len(named) > 15
    assert [name for name in named if f"def {name}(" not in tests] == []


def test_every_threat_has_a_test_beside_it():
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    threats = [row for row in rows if not row.startswith(("| threat", "|---"))]
    assert len(threats) > 15
    assert [row for row in threats if not re.search(r"`test_\w+` *\|$", row)] == []


CLIENTS = {"esputnik/client.py", "console/client.py", "jobs/client.py", "feed/source.py", "setup/shop.py"}
"""What opens connections: to the configured eSputnik, from the command line to a gateway, to feeds
and shops that the operator names. Beside them the stand-in eSputnik does, which is for development alone."""


def test_nothing_but_the_clients_opens_http_connections():
    opening = re.compile(r"ClientSession\(|\burlopen\(|http\.client|\brequests\.(get|post)")
    found = {
        str(path.relative_to(ROOT / "gateway"))
        for path in (ROOT / "gateway").rglob("*.py")
        if not {"demo", "sandbox"} & set(path.parts) and opening.search(path.read_text(encoding="utf-8"))
    }
    assert found == CLIENTS
