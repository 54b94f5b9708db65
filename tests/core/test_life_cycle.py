"""Opening and closing of a manager, and what it does after that."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rheo_core import DownloadManager, DownloadStatus, FileConfig
from rheo_core.downloads import manager as manager_module
from rheo_core.events import DownloadEvent
from tests.core.engine import Gate, names_in, serving, status_of
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.waiting import until

BODY = body_of(1_500_000)


async def running(
    server: MisbehavingServer, folder: Path, **options: Any
) -> tuple[DownloadManager, FileConfig]:
    """Return an open manager, and its download that has stopped in the middle of its body."""
    gate = Gate(BODY, 1_000_000, ETag='"v"')
    config = FileConfig(url=server.on("/f", gate))
    manager = DownloadManager(
        download_dir=folder / "files", session_path=folder / "session.db", **options
    )
    await manager.open()
    await manager.add([config])
    await until(lambda: manager.snapshot().downloads[0].bytes_downloaded)
    return manager, config


def engine_tasks(before: set[Any]) -> set[Any]:
    """Return the tasks since then, without those of the server."""
    return {each for each in asyncio.all_tasks() - before if "Server._connect" not in repr(each)}


async def check_closed(manager: DownloadManager, config: FileConfig, before: set[Any]) -> None:
    """Check that nothing of a manager is left at work, and another can go on."""
    assert not manager.is_active
    assert engine_tasks(before) == set()
    assert status_of(manager, config) is DownloadStatus.QUEUED
    folder = manager.download_dir
    assert names_in(folder) == ["f.part", "f.part.state"]
    async with DownloadManager(
        download_dir=folder, session_path=folder.parent / "session.db"
    ) as other:
        assert status_of(other, config) is not DownloadStatus.FAILED
        assert other.snapshot().downloads[0].bytes_downloaded > 0


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 21, 34])
@pytest.mark.parametrize("wait_for_current", [True, False])
async def test_a_cancelled_close_has_closed_everything(
    server: MisbehavingServer, tmp_path: Path, turns: int, wait_for_current: bool
) -> None:
    before = asyncio.all_tasks()
    manager, config = await running(server, tmp_path)
    close = asyncio.create_task(manager.close(wait_for_current=wait_for_current))
    await asyncio.sleep(0)
    for _ in range(turns):
        await asyncio.sleep(0)
    was_at_work = close.cancel()
    await asyncio.wait({close})
    assert close.cancelled() == was_at_work
    await check_closed(manager, config, before)
    await manager.close()


async def test_a_close_that_times_out_stops_what_it_waits_for(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    before = asyncio.all_tasks()
    manager, config = await running(server, tmp_path)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await manager.close(wait_for_current=True)
    await check_closed(manager, config, before)


async def test_a_timeout_that_fires_while_a_block_is_left_closes_all(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    before = asyncio.all_tasks()
    manager, config = await running(server, tmp_path)

    async def never_ends(_: DownloadEvent) -> None:
        await asyncio.Event().wait()

    manager.on("download.paused", never_ends)
    other = FileConfig(url=server.on("/other", serving(b"x")))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as limit, manager:
            await manager.add([other], paused=True)
            limit.reschedule(asyncio.get_running_loop().time() + 0.01)
    (handler,) = engine_tasks(before)
    handler.cancel()
    await asyncio.wait({handler})
    await check_closed(manager, config, before)


@pytest.mark.parametrize("first_waits", [True, False])
async def test_two_closes_return_when_all_is_closed(
    server: MisbehavingServer, tmp_path: Path, first_waits: bool
) -> None:
    before = asyncio.all_tasks()
    manager, config = await running(server, tmp_path)
    first = asyncio.create_task(manager.close(wait_for_current=first_waits))
    await asyncio.sleep(0)
    assert not manager.is_active
    await manager.close()
    assert engine_tasks(before) <= {first}
    await asyncio.wait_for(first, 30)
    await check_closed(manager, config, before)


async def test_a_second_close_may_wait_like_the_first(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    gate = Gate(BODY, 1_000_000)
    config = FileConfig(url=server.on("/f", gate))
    manager = DownloadManager(download_dir=tmp_path)
    await manager.open()
    await manager.add([config])
    await asyncio.wait_for(gate.reached.wait(), 30)
    closes = [asyncio.create_task(manager.close(wait_for_current=True)) for _ in range(2)]
    await asyncio.sleep(0)
    gate.opened.set()
    await asyncio.wait_for(asyncio.gather(*closes), 30)
    assert status_of(manager, config) is DownloadStatus.COMPLETED


@pytest.mark.parametrize("closers", [1, 2])
async def test_handlers_may_close_the_manager_that_waits_for_them(
    server: MisbehavingServer, tmp_path: Path, closers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager_module, "_DRAIN_SECONDS", 3600.0)
    configs = [FileConfig(url=server.on(f"/{name}", serving(b"x"))) for name in "abc"]
    begun = asyncio.Event()

    async with DownloadManager(download_dir=tmp_path, max_concurrent=1) as manager:

        async def close(_: DownloadEvent) -> None:
            begun.set()
            await asyncio.sleep(0)
            await manager.close()

        for _ in range(closers):
            manager.on("download.completed", close)
        await manager.add(configs)
        await asyncio.wait_for(begun.wait(), 30)
        await asyncio.wait_for(manager.close(), 30)


async def test_waiting_for_the_end_returns_when_another_task_closes(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    manager, _ = await running(server, tmp_path, max_concurrent=1)
    await manager.add([FileConfig(url=server.on("/queued", serving(b"x")))])
    waiting = asyncio.create_task(manager.wait_until_complete())
    await asyncio.sleep(0)
    await manager.close()
    await asyncio.wait_for(waiting, 30)
    assert manager.stats.queued == 2


async def test_opening_and_closing_take_turns(server: MisbehavingServer, tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    manager, config = await running(server, tmp_path)
    await asyncio.gather(manager.close(), manager.open(), manager.open(), manager.close())
    await check_closed(manager, config, before)
    await asyncio.gather(manager.open(), manager.open())
    assert manager.is_active
    await asyncio.gather(manager.close(), manager.close(), manager.open(), manager.close())
    await check_closed(manager, config, before)


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 21, 34])
async def test_a_cancelled_open_leaves_nothing_open(tmp_path: Path, turns: int) -> None:
    before = asyncio.all_tasks()
    options: Any = {"download_dir": tmp_path, "session_path": tmp_path / "session.db"}
    manager = DownloadManager(**options)
    opening = asyncio.create_task(manager.open())
    await asyncio.sleep(0)
    for _ in range(turns):
        await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait({opening})
    await manager.close()
    assert engine_tasks(before) == set()
    async with DownloadManager(**options) as other:
        assert other.is_active


@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError])
async def test_a_session_opens_though_the_report_of_its_problems_fails(
    tmp_path: Path, error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    session = tmp_path / "session.db"
    config = FileConfig(url="http://127.0.0.1:9/x")
    manager = DownloadManager(download_dir=tmp_path, session_path=session)
    await manager.open(paused=True)
    await manager.add([config])
    await manager.close()
    with closing(sqlite3.connect(session)) as connection:
        connection.execute("UPDATE downloads SET priority = 7")  # without its seal
        connection.commit()

    def fails(_: str) -> None:
        raise error

    manager = DownloadManager(download_dir=tmp_path, session_path=session, on_problem=fails)
    await manager.open(paused=True)
    assert manager.is_active
    await manager.close()
    assert "failed to report: The session session.db has damaged rows" in caplog.text
