"""The manager with a session: the next start shows everything and goes on."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus
from rheo_core.domain.exceptions import DownloadManagerError
from rheo_core.downloads.session import Session
from rheo_core.infrastructure.session_store import SessionLockedError
from rheo_core.tracking import DownloadRecord
from tests.core.engine import Gate, error_of, serving, status_of
from tests.programs import start_program
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.waiting import Until

BODY = body_of(300_000)
ROOT = Path(__file__).parents[2]


def shown(manager: DownloadManager) -> dict[str, str]:
    rows = sorted(manager.snapshot().downloads, key=lambda row: row.order)
    return {row.name: row.status.value for row in rows}


async def test_a_whole_life(tmp_path: Path, server: MisbehavingServer, until: Until) -> None:
    gate = Gate(BODY, 100_000, ETag='"1"')
    server.on("/done", serving(BODY))
    server.on("/running", gate)
    names = ("done", "running", "a", "b", "c", "gone", "later")
    configs = {name: FileConfig(url=server.url(f"/{name}")) for name in names}

    def manager(**options: Any) -> DownloadManager:
        return DownloadManager(
            download_dir=tmp_path / "files",
            session_path=tmp_path / "session.db",
            max_concurrent=1,
            **options,
        )

    first = manager()
    await first.open()
    await first.add([configs["done"], configs["running"], configs["a"], configs["b"], configs["c"]])
    await asyncio.wait_for(gate.reached.wait(), 60)
    await first.add([configs["gone"], configs["later"]])
    await first.pause(configs["a"].id)
    await first.move(configs["c"].id, before=configs["b"].id)
    await first.set_priority(configs["later"].id, 5)
    await first.remove(configs["gone"].id)
    before = shown(first)
    with pytest.raises(SessionLockedError):
        await manager().open()
    await first.close()

    problems: list[str] = []
    second = manager(on_problem=problems.append)
    await second.open(paused=True)
    assert problems == []
    assert shown(second) == {**before, "running": "queued"}
    assert list(shown(second)) == list(before) == ["later", "done", "running", "a", "c", "b"]
    for name in names:
        server.on(f"/{name}", serving(BODY, ETag='"1"'))
    added = FileConfig(url=server.on("/x", serving(BODY)))
    await second.add([added])
    assert list(shown(second))[-1] == "x"
    second.start()
    await second.resume(configs["a"].id)
    await second.wait_until_complete(timeout=60)
    assert set(shown(second).values()) == {"completed"}
    await second.close()
    await second.open()
    assert set(shown(second).values()) == {"completed"}
    await second.close()


async def test_what_is_taken_off_the_list_is_history(
    tmp_path: Path, server: MisbehavingServer
) -> None:
    done = FileConfig(url=server.on("/Done.iso", serving(BODY)))
    waits = FileConfig(url=server.url("/waits"))

    def manager() -> DownloadManager:
        return DownloadManager(download_dir=tmp_path, session_path=tmp_path / "session.db")

    async with manager() as first:
        await first.add([done])
        await first.wait_until_complete(timeout=60)
        first.set_limits(max_concurrent=1)
        first._parts.pool._slots = 0
        await first.add([waits])
        assert await first.remove(done.id) and await first.remove(waits.id)
        assert shown(first) == {}
        assert {row.name: row.status.value for row in await first.history()} == {
            "Done.iso": "completed",
            "waits": "cancelled",
        }
        assert await first.restore(done.id)  # undo
        assert await first.forget([done.id]) == 0  # it is in the list
        assert await first.remove(done.id)

    async with manager() as second:
        second._parts.pool._slots = 0
        assert shown(second) == {}
        assert [row.name for row in await second.history("done.ISO", limit=5)] == ["Done.iso"]
        assert await second.history("done", limit=5, offset=1) == []
        again = await second.find_config(done.id)
        assert again == done
        assert await second.find_config("0" * 16) is None
        await second.add([again])
        assert await second.history("done") == []  # one row a download: it is queued now
        assert shown(second) == {"Done.iso": "queued"}
        assert await second.find_config(done.id) == done
        assert await second.forget(older_than_days=1) == 0
        assert await second.forget(text="WAIT") == 1
        assert await second.history() == []

    async with manager() as third:
        assert "Done.iso" in shown(third)


async def test_without_a_session_there_is_no_history(tmp_path: Path) -> None:
    async with DownloadManager(download_dir=tmp_path) as manager:
        config = FileConfig(url="http://127.0.0.1:9/x")
        await manager.add([config])
        await manager.remove(config.id)
        assert await manager.history() == []
        assert await manager.forget() == 0
        assert await manager.find_config(config.id) is None


async def test_killed_once_added(tmp_path: Path) -> None:
    code = """
import asyncio, os, signal, sys
from pathlib import Path
from rheo_core import DownloadManager, FileConfig
async def main():
    folder = Path(sys.argv[1])
    manager = DownloadManager(download_dir=folder, session_path=folder / "session.db")
    await manager.open()
    await manager.add([FileConfig(url=f"http://127.0.0.1:9/{n}") for n in range(50)])
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    child = await start_program(code, [tmp_path], os.environ, cwd=ROOT)
    assert await child.wait() == -signal.SIGKILL
    manager = DownloadManager(download_dir=tmp_path, session_path=tmp_path / "session.db")
    await manager.open(paused=True)
    assert list(shown(manager)) == [str(number) for number in range(50)]
    await manager.close()


async def test_added_twice_at_once(tmp_path: Path) -> None:
    manager = DownloadManager(download_dir=tmp_path, session_path=tmp_path / "session.db")
    config = FileConfig(url="http://127.0.0.1:9/x")
    queued: list[object] = []
    manager.on("download.queued", queued.append)
    await manager.add([FileConfig(url="http://127.0.0.1:9/early")])  # not open yet
    await manager.open(paused=True)
    await asyncio.gather(*(manager.add([config, config]) for _ in range(3)))
    assert len(queued) == 2
    assert status_of(manager, config) is DownloadStatus.QUEUED
    await manager.close()
    await manager.open(paused=True)
    assert len(shown(manager)) == 2
    await manager.close()


async def test_what_comes_later_stands_behind_what_was_paused_before(tmp_path: Path) -> None:
    names = ("a", "b", "later")
    a, b, later = (FileConfig(url=f"http://127.0.0.1:9/{name}") for name in names)
    for _ in range(2):
        manager = DownloadManager(download_dir=tmp_path, session_path=tmp_path / "session.db")
        await manager.open(paused=True)
        await manager.add([a, b] if not shown(manager) else [later])
        await manager.pause_all()
        await manager.close()
    await manager.open()
    await manager.resume_all()
    assert list(shown(manager)) == list(names)
    await manager.close()


@pytest.mark.parametrize("how", ["cancelled", "skipped", "forgotten"])
async def test_what_ended_goes_by_its_proxy_when_it_is_fetched_again(
    tmp_path: Path, server: MisbehavingServer, how: str
) -> None:
    url, path = server.on("/file", serving(BODY)), tmp_path / "session.db"
    proxy = {"proxy": "http://me:c4nary@127.0.0.1:9"}
    config = FileConfig(url=url, request=proxy)
    if how == "skipped":
        (tmp_path / "file").touch()
    async with DownloadManager(download_dir=tmp_path, session_path=path) as manager:
        await manager.add([config])
        if how != "skipped":
            await manager.cancel(config.id)
        await manager.wait_until_complete(timeout=60)
        if how == "forgotten":
            await manager.remove(config.id)
    assert b"c4nary" not in path.read_bytes()
    (tmp_path / "file").unlink(missing_ok=True)
    async with DownloadManager(download_dir=tmp_path, session_path=path) as manager:
        if how == "forgotten":
            found = await manager.find_config(config.id)
            assert found is not None
            await manager.add([found])
        else:
            await manager.retry(config.id)
        await manager.wait_until_complete(timeout=60)
        assert error_of(manager, config) == "127.0.0.1: the proxy: connection refused"
    assert server.requests == []


@pytest.mark.parametrize("was", ["queued", "failed", "cancelled", "skipped"])
async def test_a_proxy_that_is_lost_with_the_key_is_no_direct_connection(
    tmp_path: Path, server: MisbehavingServer, state_home: Path, was: str
) -> None:
    """The list was copied to another computer, say, and its downloads would begin at once."""
    url, path = server.on("/file", serving(BODY)), tmp_path / "session.db"
    config = FileConfig(url=url, request={"proxy": "http://127.0.0.1:9"})
    record = DownloadRecord.of(config)
    record.status = DownloadStatus(was)
    session = Session(path)
    await session.open()
    await session.save_now([record])
    await session.close()
    (state_home / "rheo" / "key").unlink()
    told: list[str] = []
    options = {"download_dir": tmp_path, "session_path": path, "on_problem": told.append}
    for turn in range(2):
        later = FileConfig(url=server.on(f"/later{turn}", serving(BODY)))
        async with DownloadManager(**options) as manager:  # type: ignore[arg-type]
            assert shown(manager)["file"] == "paused"
            await manager.retry(config.id)
            await manager.add([later])  # runs behind any download that is queued
            await manager.wait_until_complete(timeout=60)
            assert status_of(manager, later) == "completed"
        assert server.requests_for("/file") == []
    assert "It pauses those with a proxy or a similar option" in told[0]
    async with DownloadManager(**options) as manager:  # type: ignore[arg-type]
        await manager.resume(config.id)
        await manager.wait_until_complete(timeout=60)
    assert (tmp_path / "file").read_bytes() == BODY


@pytest.mark.parametrize("is_listed", [True, False])
async def test_an_ended_download_whose_proxy_is_lost_is_not_fetched_again(
    tmp_path: Path, server: MisbehavingServer, state_home: Path, is_listed: bool
) -> None:
    path = tmp_path / "session.db"
    plain = DownloadRecord.of(FileConfig(url=server.on("/plain", serving(BODY))))
    record = DownloadRecord.of(
        FileConfig(url=server.on("/file", serving(BODY)), request={"proxy": "http://127.0.0.1:9"})
    )
    for each in (record, plain):
        each.status, each.listed = DownloadStatus.COMPLETED, is_listed
        each.finished_at = time.time()
    session = Session(path)
    await session.open()
    await session.save_now([record, plain])
    await session.close()
    (state_home / "rheo" / "key").unlink()
    for _ in range(2):  # the second run finds rows of its own, if they were listed
        async with DownloadManager(download_dir=tmp_path, session_path=path) as manager:
            assert await manager.find_config(plain.id) == plain.config
            with pytest.raises(DownloadManagerError, match="its proxy would not be used; add"):
                await manager.find_config(record.id)
            found = await manager.find_config(record.id, to_show=True)
            assert found is not None and found.url == record.config.url
    async with DownloadManager(download_dir=tmp_path, session_path=path) as manager:
        if is_listed:
            await manager.remove(record.id)
            with pytest.raises(DownloadManagerError, match="its proxy would not be used"):
                await manager.find_config(record.id)
