"""ReadOnlyService over a real session file that another writer changes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rheo_core.config.settings import build_settings
from rheo_core.domain import DownloadStatus, FileConfig, RheoError, Snapshot
from rheo_core.infrastructure.session_rows import to_stored
from rheo_core.infrastructure.session_store import (
    SessionStore,
    SessionStoreError,
    StoredDownload,
)
from rheo_core.tracking import DownloadRecord
from rheo_tui.services import read_only
from rheo_tui.services.read_only import ReadOnlyService
from tests.waiting import Until


def download(number: int, **values: object) -> DownloadRecord:
    record = DownloadRecord.of(FileConfig(url=f"https://example.org/file-{number}?token=secret"))
    record.rank = number
    for name, value in values.items():
        setattr(record, name, value)
    return record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "session.db"


@asynccontextmanager
async def viewing(path: Path) -> AsyncIterator[ReadOnlyService]:
    viewer = ReadOnlyService(build_settings(), path)
    await viewer.start()
    try:
        yield viewer
    finally:
        await viewer.close()


def shown(snapshot: Snapshot) -> dict[str, DownloadStatus]:
    return {row.name: row.status for row in snapshot.downloads}


async def until_shows(viewer: ReadOnlyService, condition: Callable[[Snapshot], object]) -> None:
    async with asyncio.timeout(60):
        while not condition(await viewer.snapshot()):
            await asyncio.sleep(0.01)


async def test_an_unreadable_session_is_read_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_only, "_INTERVAL_SECONDS", 0.01)
    store = SessionStore.open(path).store
    try:
        async with viewing(path) as viewer:
            load, refusals = SessionStore.load, [1, 2]

            def busy_first(self: SessionStore) -> list[StoredDownload]:
                if refusals:
                    refusals.pop()
                    raise SessionStoreError(path, "database is locked")
                return load(self)

            monkeypatch.setattr(SessionStore, "load", busy_first)
            store.save([to_stored(download(1))])
            await until_shows(viewer, shown)
            assert len(viewer.take_problems()) == 1
    finally:
        store.close()


async def test_it_follows_only_changes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_only, "_INTERVAL_SECONDS", 0.01)
    store = SessionStore.open(path).store
    try:
        first, second, third = (download(number) for number in (1, 2, 3))
        store.save(map(to_stored, (first, second)))
        async with viewing(path) as viewer:
            await viewer.start()  # an open one stays open
            assert shown(await viewer.snapshot()) == dict.fromkeys(
                ["file-1", "file-2"], DownloadStatus.QUEUED
            )
            before = (await viewer.snapshot()).revision
            first.status, first.listed = DownloadStatus.COMPLETED, False
            store.save(map(to_stored, (first, third)))
            await until_shows(viewer, lambda now: set(shown(now)) == {"file-2", "file-3"})
            change = await viewer.snapshot(before)
            assert [row.name for row in change.downloads] == ["file-3"]
            assert change.removed == (first.id,)
            assert [row.name for row in await viewer.history("FILE")] == ["file-1"]
            # Removed downloads keep no secrets, not even in the file.
            redacted = {first.id: "https://example.org/file-1?token=***"}
            assert await viewer.urls_of([first.id, "unknown"]) == redacted
            third.config = third.config.model_copy(update={"fetch_url": "https://b.example/new"})
            store.save(map(to_stored, (third,)))
            await until_shows(viewer, lambda now: now.downloads[-1].url == "https://b.example/new")
            assert await viewer.urls_of([third.id]) == {third.id: "https://b.example/new"}
            assert viewer.take_problems() == []
            assert viewer.take_events() == ()
    finally:
        store.close()
    assert not path.with_name("session.db-wal").exists()  # the reader blocked no writer


async def test_an_unreadable_session_is_reported_once(
    path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_only, "_INTERVAL_SECONDS", 0.01)
    store = SessionStore.open(path).store
    try:
        store.save([to_stored(download(1))._replace(config="{")])
        async with viewing(path) as viewer:
            (problem,) = viewer.take_problems()
            assert problem.startswith("1 of 1 downloads")
            store.save([to_stored(download(1))])
            await until_shows(viewer, shown)

            async def broken() -> bool:
                polls.append(1)
                raise RheoError("the disk is gone")

            polls: list[int] = []
            monkeypatch.setattr(viewer._session, "has_changed", broken)
            await until(lambda: len(polls) > 3)
            assert viewer.take_problems() == ["Cannot read the session again: the disk is gone."]
            assert list(shown(await viewer.snapshot())) == ["file-1"]
    finally:
        store.close()


async def test_nothing_to_read(path: Path) -> None:
    viewer = ReadOnlyService(build_settings(), path)
    with pytest.raises(RheoError, match="no such file"):
        await viewer.start()
    await viewer.close()


async def test_changes_are_refused(path: Path) -> None:
    SessionStore.open(path).store.close()
    async with viewing(path) as viewer:
        for refused in (viewer.pause(["1"]), viewer.add([]), viewer.forget(text="x")):
            with pytest.raises(RheoError, match="open read-only"):
                await refused
        with pytest.raises(RheoError, match="open read-only"):
            await viewer.set_speed_limit(None)
