"""Opening and closing of a manager, and what it does after that."""

import asyncio
import inspect
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rheo_core import DownloadManager, DownloadStatus, FileConfig
from rheo_core.domain import DownloadManagerError, ManagerNotInitialisedError
from rheo_core.downloads import manager as manager_module
from rheo_core.events import DownloadEvent
from tests.core.engine import Gate, names_in, serving, status_of
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.waiting import until, until_idle

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
    await asyncio.wait_for(first, 60)
    await check_closed(manager, config, before)


async def test_a_second_close_may_wait_like_the_first(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    gate = Gate(BODY, 1_000_000)
    config = FileConfig(url=server.on("/f", gate))
    manager = DownloadManager(download_dir=tmp_path)
    await manager.open()
    await manager.add([config])
    await asyncio.wait_for(gate.reached.wait(), 60)
    closes = [asyncio.create_task(manager.close(wait_for_current=True)) for _ in range(2)]
    await asyncio.sleep(0)
    gate.opened.set()
    await asyncio.wait_for(asyncio.gather(*closes), 60)
    assert status_of(manager, config) is DownloadStatus.COMPLETED


@pytest.mark.parametrize("closers", [1, 2, 9])
async def test_handlers_may_close_the_manager_that_waits_for_them(
    server: MisbehavingServer, tmp_path: Path, closers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager_module, "_DRAIN_SECONDS", 3600.0)
    configs = [FileConfig(url=server.on(f"/{name}", serving(b"x"))) for name in "abc"]
    begun = asyncio.Event()

    async with DownloadManager(download_dir=tmp_path, max_concurrent=1) as manager:

        async def close(turns: int, _event: DownloadEvent) -> None:
            begun.set()
            for _ in range(turns):
                await asyncio.sleep(0)
            await manager.close()

        for turns in range(closers):
            manager.on("download.completed", partial(close, turns))
        await manager.add(configs)
        await asyncio.wait_for(begun.wait(), 60)
        await asyncio.wait_for(manager.close(), 60)


async def test_waiting_for_the_end_returns_when_another_task_closes(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    manager, _ = await running(server, tmp_path, max_concurrent=1)
    await manager.add([FileConfig(url=server.on("/queued", serving(b"x")))])
    waiting = asyncio.create_task(manager.wait_until_complete())
    await asyncio.sleep(0)
    await manager.close()
    await asyncio.wait_for(waiting, 60)
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


async def closed(folder: Path, **options: Any) -> tuple[DownloadManager, list[FileConfig]]:
    """Return a manager that was closed with a queued and a paused download."""
    configs = [FileConfig(url=f"http://127.0.0.1:9/{name}") for name in ("queued", "paused")]
    manager = DownloadManager(download_dir=folder, **options)
    await manager.open(paused=True)
    await manager.add(configs)
    await manager.pause(configs[1].id)
    await manager.close()
    return manager, configs


A_PLACE = (2, 1)
VERBS: dict[str, Callable[[DownloadManager, str, FileConfig], Awaitable[object]]] = {
    "add": lambda m, _, config: m.add([config.model_copy(update={"filename": "late"})]),
    "cancel": lambda m, id_, _: m.cancel(id_),
    "pause": lambda m, id_, _: m.pause(id_),
    "resume": lambda m, id_, _: m.resume(id_),
    "retry": lambda m, id_, _: m.retry(id_),
    "accept_html": lambda m, id_, _: m.accept_html(id_),
    "replace_url": lambda m, id_, _: m.replace_url(id_, "http://127.0.0.1:9/other"),
    "edit": lambda m, id_, config: m.edit(id_, config),
    "keep": lambda m, id_, _: m.keep(id_),
    "remove": lambda m, id_, _: m.remove(id_),
    "restore": lambda m, id_, _: m.restore(id_),
    "set_priority": lambda m, id_, _: m.set_priority(id_, 2),
    "set_start": lambda m, id_, _: m.set_start(id_, None),
    "move": lambda m, id_, _: m.move(id_, to="top"),
    "pause_many": lambda m, id_, _: m.pause_many([id_]),
    "resume_many": lambda m, id_, _: m.resume_many([id_]),
    "cancel_many": lambda m, id_, _: m.cancel_many([id_]),
    "retry_many": lambda m, id_, _: m.retry_many([id_]),
    "remove_many": lambda m, id_, _: m.remove_many([id_]),
    "restore_many": lambda m, id_, _: m.restore_many([id_]),
    "set_priorities": lambda m, id_, _: m.set_priorities({id_: 2}),
    "move_block": lambda m, id_, _: m.move_block([id_], "top"),
    "set_places": lambda m, id_, _: m.set_places({id_: A_PLACE}),
    "pause_all": lambda m, _, __: m.pause_all(),
    "resume_all": lambda m, _, __: m.resume_all(),
    "set_speed_limit": lambda m, id_, _: m.set_speed_limit(id_, 1000),
    "wait_until_complete": lambda m, _, __: m.wait_until_complete(),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("has_session", [True, False])
async def test_verbs_are_refused_after_the_end(
    tmp_path: Path, verb: str, has_session: bool
) -> None:
    options = {"session_path": tmp_path / "session.db"} if has_session else {}
    manager, configs = await closed(tmp_path, **options)
    before = manager.snapshot()
    for config in configs:
        with pytest.raises(ManagerNotInitialisedError, match=r"not open|is closed"):
            await VERBS[verb](manager, config.id, config)
    assert manager.snapshot() == before
    await manager.open(paused=True)
    if verb != "wait_until_complete":
        await VERBS[verb](manager, configs[0].id, configs[0])
    await manager.close()


async def test_every_verb_is_in_the_table() -> None:
    reading = {"open", "close", "history", "history_totals", "forget", "find_config"}
    reading |= {"has_own_file", "wait_until_stopped"}
    public = {
        name
        for name, member in vars(DownloadManager).items()
        if inspect.iscoroutinefunction(member) and not name.startswith("_")
    }
    assert public - reading == set(VERBS)


async def test_downloads_added_before_the_first_open_run(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    config = FileConfig(url=server.on("/f", serving(b"x")))
    manager = DownloadManager(download_dir=tmp_path, session_path=tmp_path / "session.db")
    await manager.close()
    await manager.add([config])
    async with manager:
        await manager.wait_until_complete(timeout=60)
    assert status_of(manager, config) is DownloadStatus.COMPLETED


async def test_verbs_work_while_close_waits_for_a_download(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    manager, config = await running(server, tmp_path)
    late = FileConfig(url=server.on("/late", serving(b"x")))
    close = asyncio.create_task(manager.close(wait_for_current=True))
    await asyncio.sleep(0)
    await manager.add([late])
    assert await manager.pause(config.id)
    await asyncio.wait_for(close, 60)
    other = DownloadManager(download_dir=tmp_path, session_path=tmp_path / "session.db")
    await other.open(paused=True)
    assert status_of(other, config) is DownloadStatus.PAUSED
    assert status_of(other, late) is DownloadStatus.QUEUED
    await other.close()


@pytest.mark.parametrize("closes_first", [True, False])
@pytest.mark.parametrize("verb", ["pause", "cancel", "set_start"])
async def test_close_and_a_verb_at_once_agree_on_the_download(
    server: MisbehavingServer, tmp_path: Path, closes_first: bool, verb: str
) -> None:
    manager, config = await running(server, tmp_path)
    calls = [manager.close(), VERBS[verb](manager, config.id, config)]
    await asyncio.gather(*(calls if closes_first else reversed(calls)))
    done = status_of(manager, config)
    assert (done, manager.queue.waits(config.id)) == {
        "pause": (DownloadStatus.PAUSED, False),
        "cancel": (DownloadStatus.CANCELLED, False),
        "set_start": (DownloadStatus.QUEUED, True),
    }[verb]
    other = DownloadManager(download_dir=tmp_path, session_path=tmp_path / "session.db")
    await other.open(paused=True)
    assert status_of(other, config) is done
    await other.close()


@pytest.mark.parametrize("is_paused", [True, False])
async def test_close_waits_for_a_verb_that_waits_for_the_disk(
    server: MisbehavingServer, tmp_path: Path, is_paused: bool
) -> None:
    manager, config = await running(server, tmp_path)
    await manager.close()
    await manager.open(paused=True)
    if is_paused:
        await manager.pause(config.id)
    disk, is_quick = manager._parts.worker._context.disk, threading.Event()
    hangs = [disk.submit(is_quick.wait) for _ in range(4)]
    cancelling = asyncio.create_task(manager.cancel(config.id))
    await until_idle()
    close = asyncio.create_task(manager.close())
    await until_idle()
    is_quick.set()
    await asyncio.gather(*hangs, close)
    assert cancelling.done() and not manager.queue.waits(config.id)
    other = DownloadManager(download_dir=tmp_path, session_path=tmp_path / "session.db")
    await other.open(paused=True)
    assert status_of(other, config) is DownloadStatus.CANCELLED
    await other.close()


async def test_a_verb_that_begins_while_close_waits_for_handlers_is_saved(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    manager, config = await running(server, tmp_path)
    has_ended, is_quick = asyncio.Event(), threading.Event()

    async def slow(_: DownloadEvent) -> None:
        await has_ended.wait()

    manager.on("download.paused", slow)
    await manager.pause(config.id)
    close = asyncio.create_task(manager.close())
    await until_idle()
    disk = manager._parts.worker._context.disk
    hangs = [disk.submit(is_quick.wait) for _ in range(4)]
    cancelling = asyncio.create_task(manager.cancel(config.id))
    await until_idle()
    hurried = asyncio.create_task(manager.close())
    await until_idle()
    is_quick.set()
    await asyncio.gather(*hangs, close, hurried, cancelling)
    has_ended.set()
    other = DownloadManager(download_dir=tmp_path, session_path=tmp_path / "session.db")
    await other.open(paused=True)
    assert status_of(other, config) is DownloadStatus.CANCELLED
    await other.close()


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
async def test_close_saves_what_a_verb_under_way_does(tmp_path: Path, turns: int) -> None:
    configs = [FileConfig(url=f"http://127.0.0.1:9/{number}") for number in range(2000)]
    options: Any = {"download_dir": tmp_path, "session_path": tmp_path / "session.db"}
    manager = DownloadManager(**options)
    await manager.open(paused=True)
    await manager.add(configs)
    pausing = asyncio.create_task(manager.pause_all())
    await asyncio.sleep(0)
    for _ in range(turns):
        await asyncio.sleep(0)
    await manager.close()
    await pausing
    assert manager.stats.paused == 2000
    other = DownloadManager(**options)
    await other.open(paused=True)
    assert other.stats.paused == 2000
    await other.close()


@pytest.mark.parametrize(
    ("verb", "is_open"),
    [(verb, is_open) for verb in (*VERBS, "open") for is_open in (True, False)] + [("close", True)],
)
def test_a_manager_belongs_to_one_event_loop(tmp_path: Path, verb: str, is_open: bool) -> None:
    manager = DownloadManager(download_dir=tmp_path)
    config = FileConfig(url="http://127.0.0.1:9/x")
    calls = VERBS | {"open": lambda m, _, __: m.open(), "close": lambda m, _, __: m.close()}

    async def use() -> None:
        await manager.open(paused=True)
        await manager.add([config])
        if not is_open:
            await manager.close()

    async def misuse() -> None:
        with pytest.raises(DownloadManagerError, match=r"another event loop|closed|not open"):
            await calls[verb](manager, config.id, config)

    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(use())
        second.run(misuse())
        assert status_of(manager, config) is DownloadStatus.QUEUED
        first.run(manager.open())  # the first loop goes on
        first.run(manager.cancel(config.id))
        first.run(manager.close())
