"""What an earlier version left on disk is gone on with; what a later one left is refused.

`v0_1` holds files as that version wrote them, as text. They are never edited: a version that writes otherwise
adds a folder of its own.
"""

import signal
import sqlite3
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from gateway.config import StreamSettings
from gateway.console.letters import Choice, letters
from gateway.errors import ConfigError
from gateway.event import Record
from gateway.sandbox import Sandbox
from gateway.store import open_store
from gateway.stream import Entry
from gateway.stream.spool import Spool
from tests.contracts.shop import stitcher
from tests.ledger import until_taken
from tests.processes import Process, running, write_config
from tests.service.conftest import event, running_shop, settings
from tests.service.test_operating import embedded
from tests.service.tracker import until

FILES = Path(__file__).parent / "v0_1"
OPERATOR = "operator-key"
STITCHED, FRESH, DEAD = (
    "4d811c82-29e1-56eb-8a29-60be744bf05f",
    "01a213fa-ecb0-7357-8395-76dbfa2d30c4",
    "01a213fa-ec00-7357-8395-76dbfa2d30aa",
)
DAY_MS = 24 * 3600 * 1000


def write(name: str, path: Path) -> None:
    """Make a SQLite file as that version left it."""
    path.parent.mkdir(exist_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript((FILES / name).read_text(encoding="utf-8"))
    connection.close()


async def test_a_gateway_goes_on_with_the_stream_and_the_links_of_the_version_before(tmp_path: Path):
    write("stream.sql", tmp_path / "stream.db")
    write("links.sqlite.sql", tmp_path / "links.db")
    async with (
        Sandbox() as sandbox,
        running_shop(settings(tmp_path, sandbox, operator={"keys": [OPERATOR]}), sandbox) as shop,
    ):
        arrived = await until_taken(sandbox.url, 2)
        assert [request["headers"]["X-Request-Id"] for request in arrived] == [STITCHED, FRESH]
        assert {request["body"]["GeneralInfo"]["externalCustomerId"] for request in arrived} == {"42"}
        status, _ = await shop.post({"event_id": DEAD}, path="/v1/dead/replay", key=OPERATOR)
        assert status == 200
        assert (await shop.post(event("MainPage")))[0] == 202
        arrived = await until_taken(sandbox.url, 4)
    assert DEAD in [request["headers"]["X-Request-Id"] for request in arrived]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_links_of_the_version_before_are_known(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
):
    if kind == "sqlite":
        write("links.sqlite.sql", tmp_path / "links.db")
        url = f"sqlite:{tmp_path}/links.db"
    else:
        url = request.getfixturevalue("postgres_url")
        connection = await asyncpg.connect(url)
        await connection.execute((FILES / "links.postgres.sql").read_text(encoding="utf-8"))
        await connection.close()
    store = await open_store(url)
    later = 1795631541414 + DAY_MS
    body = b'{"GeneralInfo":{"eventName":"PageView","cookies":{"sc":"c-1"}},"PageView":{}}'
    lane = "shop/cookie/c-1"
    record = Record("e-1", "shop", "PageView", lane, "c-1", None, None, None, later, later, body)
    another = replace(record, id="e-2", cookie="c-2", customer="43", email="olena@example.com")
    stitched, conflicting = await stitcher(store).stitch([("0:8", record), ("0:9", another)])
    assert stitched.record is not None
    assert (stitched.record.customer, stitched.record.email) == ("42", "olena@example.com")
    assert conflicting.decision.conflict
    (letter,) = await letters(store, Choice())
    opened = letter.opened()
    assert opened is not None
    assert (letter.event_id, opened.type) == (DEAD, "SearchRequest")
    await store.close()


async def test_a_spool_of_the_version_before_is_drained_in_order(tmp_path: Path):
    write("spool.sql", tmp_path / "spool.db")
    written: list[list[Entry]] = [[], []]

    def into(place: int):
        async def write_to_kafka(entries: list[Entry]) -> None:
            written[place] += entries

        return write_to_kafka

    reading = StreamSettings(spool_path=tmp_path / "spool.db")
    spool = await Spool.open(reading, "events", [into(0), into(1)])
    await until(lambda: sum(map(len, written)) == 3)
    await until(lambda: not any(partition.left for partition in spool.partitions))
    await spool.close()
    assert written == [[("in-0", b"first"), ("in-0", b"second")], [("in-1", b"other")]]


async def test_a_spool_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path):
    write("spool.sql", tmp_path / "spool.db")
    newer = sqlite3.connect(tmp_path / "spool.db")
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(ConfigError, match=r"spool\.db was written by a newer gateway"):
        await Spool.open(StreamSettings(spool_path=tmp_path / "spool.db"), "events", [])


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("stream", "PRAGMA user_version = 99", "stream.db was written by a newer gateway (schema 99"),
        (
            "links",
            "INSERT INTO schema_steps VALUES (999, 'later')",
            "a newer version of the gateway has been",
        ),
    ],
)
def test_rolled_back_too_far_a_gateway_does_not_start_and_says_why(
    tmp_path: Path, name: str, change: str, sentence: str
):
    write("stream.sql", tmp_path / "stream.db")
    write("links.sqlite.sql", tmp_path / "links.db")
    newer = sqlite3.connect(tmp_path / f"{name}.db", isolation_level=None)
    newer.execute(change)
    before = list(newer.iterdump())
    process = Process(
        "run", "--config", str(write_config(tmp_path / "gateway.toml", "http://x", 0, embedded(tmp_path)))
    )
    with running(process):
        assert process.end(signal.SIGCONT) == 2
        assert sentence in process.log()
        assert "Traceback" not in process.log()
    assert list(newer.iterdump()) == before
    newer.close()
