"""What both databases promise."""

import asyncio
import multiprocessing
import os
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.demo.parts import Postgres
from gateway.errors import ConfigError, Unreachable
from gateway.store import Store, bulk, open_store
from gateway.store.lazy import LazyStore
from gateway.store.migrations import STEPS

CLAIM = "INSERT INTO caller_ids (site, event_id, position, accepted_at) VALUES ($1, $2, $3, $4)"
IDS = "SELECT event_id FROM caller_ids ORDER BY event_id"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:{tmp_path}/data/links.db"
    address: str = request.getfixturevalue("postgres_url")
    return address


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    opened = await open_store(url)
    yield opened
    await opened.close()


async def ids(store: Store) -> list[str]:
    async with store.transaction() as transaction:
        return [row["event_id"] for row in await transaction.fetch(IDS)]


async def test_what_a_transaction_wrote_is_there_after_reopening(url: str) -> None:
    store = await open_store(url)
    async with store.transaction() as transaction:
        await transaction.execute(CLAIM, "shop", "one", "0:1", 1)
    await store.close()
    again = await open_store(url)
    assert await ids(again) == ["one"]
    await again.close()


async def test_a_transaction_whose_block_raises_leaves_nothing_and_the_next_one_works(store: Store) -> None:
    async def write_and_fail() -> None:
        async with store.transaction() as transaction:
            await transaction.execute(CLAIM, "shop", "one", "0:1", 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_and_fail()
    async with store.transaction() as transaction:
        await transaction.execute(CLAIM, "shop", "two", "0:2", 2)
    assert await ids(store) == ["two"]


async def test_a_transaction_whose_task_is_cancelled_leaves_nothing(store: Store) -> None:
    written = asyncio.Event()

    async def write_and_wait() -> None:
        async with store.transaction() as transaction:
            await transaction.execute(CLAIM, "shop", "one", "0:1", 1)
            written.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write_and_wait())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await ids(store) == []


async def test_many_rows_travel_in_one_parameter_with_their_types(store: Store) -> None:
    sql = "SELECT value->>0 AS word, CAST(value->>1 AS bigint) AS number FROM rows($1) WHERE value->>0 <> $2"
    rows = [("it's", 1), ('"ї"', 2**53), ("skip", 3), ("none", None)]
    async with store.transaction() as transaction:
        answer = [tuple(row) for row in await transaction.fetch(sql, bulk(rows), "skip")]
    assert answer == [("it's", 1), ('"ї"', 2**53), ("none", None)]


async def test_several_tasks_use_the_store_at_once(store: Store) -> None:
    async def write(number: int) -> None:
        async with store.transaction() as transaction:
            await transaction.execute(CLAIM, "shop", f"{number:02}", "0:1", 1)

    await asyncio.gather(*(write(number) for number in range(20)))
    assert await ids(store) == [f"{number:02}" for number in range(20)]


async def test_a_dead_letter_keeps_its_record_and_is_one_per_event(store: Store) -> None:
    sql = """INSERT INTO dead_letters
             (event_id, site, type, reason, status, answer, record, first_at, last_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (event_id) DO UPDATE SET last_at = excluded.last_at"""
    rows = [("e", "shop", "PageView", "bad_data", 400, None, b"{}\n\x00\xff", at, at) for at in (1, 5)]
    async with store.transaction() as transaction:
        await transaction.executemany(sql, rows)
        (letter,) = await transaction.fetch("SELECT id, record, status, first_at, last_at FROM dead_letters")
    assert tuple(letter) == (1, b"{}\n\x00\xff", 400, 1, 5)


def _open_and_close(url: str, barrier: "multiprocessing.synchronize.Barrier") -> None:
    async def main() -> None:
        barrier.wait(30)
        await (await open_store(url)).close()

    asyncio.run(main())


async def test_of_several_processes_that_start_at_once_one_migrates_and_the_others_wait(
    postgres_url: str,
) -> None:
    url = postgres_url
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    processes = [context.Process(target=_open_and_close, args=(url, barrier)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join, 60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    store = await open_store(url)
    async with store.transaction() as transaction:
        steps = [
            row["number"] for row in await transaction.fetch("SELECT number FROM schema_steps ORDER BY 1")
        ]
    await store.close()
    assert steps == list(range(1, len(STEPS) + 1))


async def test_a_schema_newer_than_the_code_refuses_to_start_with_a_sentence(url: str) -> None:
    store = await open_store(url)
    async with store.transaction() as transaction:
        await transaction.execute(
            "INSERT INTO schema_steps VALUES ($1, $2)", len(STEPS) + 1, "from the future"
        )
    await store.close()
    with pytest.raises(ConfigError, match="a newer version of the gateway has been at work"):
        await open_store(url)


async def test_the_sqlite_folder_and_file_are_their_owners_alone(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:{tmp_path}/data/links.db")
    async with store.transaction() as transaction:
        await transaction.execute(CLAIM, "shop", "one", "0:1", 1)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()}
    await store.close()
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}, modes


async def test_a_second_process_on_a_sqlite_store_is_told_who_holds_it(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/links.db"
    store = await open_store(url)
    script = f"import asyncio; from gateway.store import open_store; asyncio.run(open_store({url!r}))"
    second = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stderr=subprocess.PIPE)
    _, said = await second.communicate()
    assert f"links.db is in use by process {os.getpid()} on {socket.gethostname()}:" in said.decode()
    await store.close()
    await (await open_store(url)).close()


async def test_a_sqlite_file_that_cannot_be_made_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "links.db").mkdir()
    with pytest.raises(Unreachable):
        await open_store(f"sqlite:{tmp_path}/links.db")


async def test_a_sqlite_file_that_is_no_database_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "links.db").write_bytes(b"not a database at all" * 500)
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"links\.db cannot be used as a database"):
            await open_store(f"sqlite:{tmp_path}/links.db")


async def test_a_killed_postgres_is_unreachable_and_the_same_store_works_when_it_is_back() -> None:
    async def write_through_a_crash() -> None:
        async with store.transaction() as transaction:
            await transaction.execute(CLAIM, "shop", "two", "0:2", 2)
            await asyncio.to_thread(server.kill)
            await transaction.execute(CLAIM, "shop", "three", "0:3", 3)

    with Postgres() as server:
        store = await open_store(server.url())
        async with store.transaction() as transaction:
            await transaction.execute(CLAIM, "shop", "one", "0:1", 1)
        with pytest.raises(Unreachable):
            await write_through_a_crash()
        with pytest.raises(Unreachable):
            await ids(store)
        await asyncio.to_thread(server.start)
        assert await ids(store) == ["one"]
        await store.close()


async def test_a_postgres_that_is_away_at_start_is_unreachable() -> None:
    with pytest.raises(Unreachable):
        await open_store("postgresql://postgres@127.0.0.1:1/links")


async def test_a_lazy_store_is_opened_once_by_whoever_needs_it_first_and_closed(url: str) -> None:
    store = LazyStore(url)
    async with asyncio.TaskGroup() as tasks:
        opened = [tasks.create_task(store.open()) for _ in range(5)]
    assert len({id(task.result()) for task in opened}) == 1
    async with store.transaction() as transaction:
        await transaction.execute(CLAIM, "shop", "one", "0:1", 1)
    assert await ids(store) == ["one"]
    await store.close()
    again = await open_store(url)  # a SQLite file that is still open would be refused
    assert await ids(again) == ["one"]
    await again.close()


async def test_a_lazy_store_that_was_never_needed_makes_nothing(tmp_path: Path) -> None:
    await LazyStore(f"sqlite:{tmp_path}/data/links.db").close()
    assert list(tmp_path.iterdir()) == []


async def test_a_lazy_store_works_as_soon_as_the_database_is_there_and_each_who_waits_is_told() -> None:
    with Postgres() as server:
        store = LazyStore(server.url())
        await asyncio.to_thread(server.kill)
        answers = await asyncio.gather(*(ids(store) for _ in range(5)), return_exceptions=True)
        assert [type(answer) for answer in answers] == [Unreachable] * 5
        impatient = asyncio.create_task(store.open())
        patient = asyncio.create_task(store.open())
        await asyncio.sleep(0)
        impatient.cancel()
        with pytest.raises(Unreachable):
            await patient
        await asyncio.to_thread(server.start)
        assert await ids(store) == []
        await store.close()


async def test_a_lazy_store_of_a_wrong_url_is_a_mistake_at_once_and_away_later() -> None:
    store = LazyStore("postgresql://[")
    with pytest.raises(ConfigError):
        await store.open()
    with pytest.raises(Unreachable, match="is not the address of a PostgreSQL database"):
        await ids(store)
    await store.close()


async def test_a_postgres_that_refuses_us_is_a_mistake_in_the_configuration(postgres: Postgres) -> None:
    with pytest.raises(ConfigError, match="no database of that name"):
        await open_store(postgres.url("not_there"))
    with pytest.raises(ConfigError, match="does not take that user") as refused:
        await open_store(f"postgresql://stranger:secret@127.0.0.1:{postgres.port}/postgres")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["postgresql://user:secret@host:port/name", "postgresql://user:secret@[::1/name"]
)
async def test_a_url_that_is_none_is_a_mistake_that_does_not_show_it(url: str) -> None:
    with pytest.raises(ConfigError, match="not the address of a PostgreSQL database") as refused:
        await open_store(url)
    assert "secret" not in str(refused.value)
