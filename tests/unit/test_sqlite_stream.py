"""What the embedded stream promises beyond the contract of all streams: about its file."""

import asyncio
import os
import resource
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.config import StreamSettings
from gateway.errors import ConfigError, NotDurable
from gateway.stream import Entry, Mark
from gateway.stream.sqlite import SqliteLog


@pytest.fixture
def settings(tmp_path: Path) -> StreamSettings:
    return StreamSettings(path=tmp_path / "data" / "stream.db", keep_hours=0)


@pytest.fixture
async def log(settings: StreamSettings) -> AsyncIterator[SqliteLog]:
    log = SqliteLog(settings)
    yield log
    await log.close()


async def test_the_folder_and_the_file_are_for_their_owner_alone(
    settings: StreamSettings, log: SqliteLog
) -> None:
    assert stat.S_IMODE(settings.path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(settings.path.stat().st_mode) == 0o600


async def test_a_second_process_on_the_file_is_told_who_holds_it(
    settings: StreamSettings, log: SqliteLog
) -> None:
    script = (
        "import asyncio, sys\n"
        "from gateway.config import StreamSettings\n"
        "from gateway.stream.sqlite import SqliteLog\n"
        "async def main(): SqliteLog(StreamSettings.model_validate_json(sys.argv[1]))\n"
        "asyncio.run(main())\n"
    )
    second = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, settings.model_dump_json(), stderr=subprocess.PIPE
    )
    _, said = await second.communicate()
    assert f"stream.db is in use by process {os.getpid()} on {socket.gethostname()}:" in said.decode()


async def test_a_closed_file_can_be_opened_again(settings: StreamSettings) -> None:
    for _ in range(2):
        await SqliteLog(settings).close()


async def test_a_file_of_a_newer_version_is_refused_and_not_kept_locked(settings: StreamSettings) -> None:
    await SqliteLog(settings).close()
    connection = sqlite3.connect(settings.path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"written by a newer gateway \(schema 99"):
            SqliteLog(settings)


async def test_a_file_that_is_no_stream_is_a_sentence_and_left_alone(settings: StreamSettings) -> None:
    settings.path.parent.mkdir()
    settings.path.write_bytes(b"not a database at all" * 500)
    for _ in range(2):
        with pytest.raises(
            ConfigError, match=r"stream\.db cannot be used as a stream: file is not a database"
        ):
            SqliteLog(settings)
    assert settings.path.read_bytes() == b"not a database at all" * 500


async def test_a_full_disk_refuses_the_append_and_the_next_works_once_there_is_room(log: SqliteLog) -> None:
    stream = await log.topic("events")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(NotDurable) as refusal:
            await stream.append([Entry("lane", b"x" * 100_000)] * 5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert refusal.value.failed == [0, 1, 2, 3, 4]
    await stream.append([Entry("lane", b"room")])
    (chunk,) = (await stream.read("readers", 10)).chunks
    assert [item.value for item in chunk.items] == [b"room"]


async def test_rows_go_when_every_group_has_done_them_and_offsets_go_on(
    settings: StreamSettings, log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.stream.sqlite_file.TIDY_SECONDS", 0)
    monkeypatch.setattr("gateway.stream.sqlite._SWEEP_ROWS", 40)
    stream = await log.topic("events")
    await stream.append([Entry("lane", b"x")] * 100)

    async def rows_after(group: str, low: int) -> int:
        for _ in range(5):  # a step of 40 rows at most after each commit
            await stream.commit(group, [Mark(0, low)])
        await log.writer.submit(lambda _: None)  # behind the last step
        ((count,),) = await log.query("SELECT count(*) FROM entries")
        return int(count)

    await stream.commit("slow", [Mark(0, 10)])
    assert await rows_after("fast", 100) == 90
    assert await rows_after("slow", 100) == 0
    await log.close()

    again = SqliteLog(settings)
    stream = await again.topic("events")
    await stream.append([Entry("lane", b"y")])
    (chunk,) = (await stream.read("fast", 10)).chunks
    assert chunk.items == [(100, b"y")]
    await again.close()


async def test_consumed_rows_stay_as_long_as_configured(
    settings: StreamSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.stream.sqlite_file.TIDY_SECONDS", 0)
    log = SqliteLog(settings.model_copy(update={"keep_hours": 1.0}))
    stream = await log.topic("events")
    await stream.append([Entry("lane", b"x")])
    for _ in range(2):
        await stream.commit("readers", [Mark(0, 1)])
    assert await log.query("SELECT count(*) FROM entries") == [(1,)]
    await log.close()


async def test_waiting_appends_of_several_topics_share_a_commit(log: SqliteLog) -> None:
    streams = [await log.topic(f"topic{number}") for number in range(20)]
    held = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    def hold(_: sqlite3.Connection) -> None:
        asyncio.run_coroutine_threadsafe(_until(held), loop).result(5)

    log.writer.submit(hold)
    version = "PRAGMA data_version"  # changes with each commit of another connection
    before = await log.query(version)
    appends = [asyncio.ensure_future(stream.append([Entry("l", b"x")])) for stream in streams]
    await asyncio.sleep(0.05)
    held.set_result(None)
    await asyncio.gather(*appends)
    ((after,),) = await log.query(version)
    assert after - before[0][0] <= 2


async def _until(held: "asyncio.Future[None]") -> None:
    await held
