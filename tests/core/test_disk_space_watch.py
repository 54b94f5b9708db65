"""A full disk: downloads wait for room, and go on when there is some."""

import os
import resource
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus
from rheo_core.downloads import disk_space_watch
from tests.core.engine import (
    PATIENT,
    Journal,
    error_of,
    names_in,
    quick_retries,
    serving,
    status_of,
)
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.servers.scenarios import Hold, answer, in_turn
from tests.waiting import Until

BODY = body_of(3_000_000)
REASON = "disk full; continues when there is space"


class Disk:
    """Free space as `os` reports it; the other functions are real."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = 0
        monkeypatch.setattr(os, "fstatvfs", lambda _: self._seen())
        monkeypatch.setattr(os, "statvfs", lambda _: self._seen())

    def _seen(self) -> SimpleNamespace:
        return SimpleNamespace(f_bavail=self.free, f_frsize=1, f_blocks=100_000_000)


LOOKS = replace(PATIENT, disk_look_seconds=0.01, max_disk_wait_seconds=0.02)
"""The disk is looked at all the time."""


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


async def test_a_full_disk_pauses_and_room_resumes(
    server: MisbehavingServer, tmp_path: Path, disk: Disk, until: Until
) -> None:
    config = FileConfig(url=server.on("/f", serving(BODY, ETag='"v1"')))
    async with DownloadManager(
        download_dir=tmp_path, wait_for_room=True, retry_handler=quick_retries(), tuning=LOOKS
    ) as manager:
        journal = Journal(manager)
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)  # for it goes on only if somebody tidies up
        assert status_of(manager, config) is DownloadStatus.PAUSED
        assert manager.snapshot().downloads[0].reason == REASON
        assert "disk full, 3.0 MB short" in error_of(manager, config)
        assert "disk full, " in journal.last("paused").reason
        assert "retrying" not in journal.names() and "failed" not in journal.names()
        disk.free = 10_000_000
        await until(lambda: status_of(manager, config) is DownloadStatus.COMPLETED)
        assert error_of(manager, config) == ""
    assert (tmp_path / "f").read_bytes() == BODY
    assert journal.names() == ["queued", "paused", "resumed", "started", "completed"]


async def test_a_disk_that_fills_up_meanwhile_costs_no_byte(
    server: MisbehavingServer,
    tmp_path: Path,
    disk: Disk,
    until: Until,
) -> None:
    """Room is looked for at every checkpoint, before the last byte of it is gone."""
    disk.free = 10_000_000
    config = FileConfig(url=server.on("/f", Hold(BODY, 1_000_000, ETag='"v1"')))
    tuning = replace(LOOKS, checkpoint_seconds=0.01)
    async with DownloadManager(download_dir=tmp_path, wait_for_room=True, tuning=tuning) as manager:
        await manager.add([config])
        await until(lambda: manager.snapshot().downloads[0].bytes_downloaded == 1_000_000)
        disk.free = 100
        await until(lambda: status_of(manager, config) is DownloadStatus.PAUSED)
        server.on("/f", serving(BODY, ETag='"v1"'))
        disk.free = 10_000_000
        await until(lambda: status_of(manager, config) is DownloadStatus.COMPLETED)
    assert server.requests[-1].range_start == 1_000_000
    assert (tmp_path / "f").read_bytes() == BODY


async def test_data_that_is_kept_for_an_undo_goes_first(
    server: MisbehavingServer, tmp_path: Path, disk: Disk, until: Until
) -> None:
    disk.free = 10_000_000
    removed = FileConfig(url=server.on("/removed", Hold(BODY, 1_000_000, ETag='"v1"')))
    waits = FileConfig(url=server.on("/waits", serving(BODY)))
    async with DownloadManager(download_dir=tmp_path, wait_for_room=True, tuning=LOOKS) as manager:
        await manager.add([removed])
        await until(lambda: manager.snapshot().downloads[0].bytes_downloaded == 1_000_000)
        assert await manager.remove(removed.id, keep_partial=True)
        assert "removed.part" in names_in(tmp_path)
        disk.free = 100
        await manager.add([waits])
        await until(lambda: status_of(manager, waits) is DownloadStatus.PAUSED)
        assert "removed.part" not in names_in(tmp_path)
        server.on("/removed", serving(BODY))
        disk.free = 10_000_000
        assert await manager.restore(removed.id)  # it begins again
        await until(lambda: manager.stats.completed == 2)
    assert (tmp_path / "removed").read_bytes() == BODY


async def test_what_fits_goes_first(
    server: MisbehavingServer, tmp_path: Path, disk: Disk, until: Until
) -> None:
    large = FileConfig(url=server.on("/large", serving(BODY)))
    small = FileConfig(url=server.on("/small", serving(b"small")))
    async with DownloadManager(download_dir=tmp_path, wait_for_room=True, tuning=LOOKS) as manager:
        await manager.add([large, small])
        await manager.wait_until_complete(timeout=60)
        disk.free = 2_000_000
        await until(lambda: status_of(manager, small) is DownloadStatus.COMPLETED)
        assert status_of(manager, large) is DownloadStatus.PAUSED
        disk.free = 10_000_000
        await until(lambda: status_of(manager, large) is DownloadStatus.COMPLETED)


async def test_the_user_comes_first(
    server: MisbehavingServer, tmp_path: Path, disk: Disk, until: Until
) -> None:
    """Downloads paused or cancelled while they waited for space stay so."""
    names = ["paused", "cancelled", "removed", "all"]
    configs = [FileConfig(url=server.on(f"/{name}", serving(BODY))) for name in names]
    paused, cancelled, removed, _ = configs
    async with DownloadManager(download_dir=tmp_path, wait_for_room=True, tuning=LOOKS) as manager:
        await manager.add(configs)
        await manager.wait_until_complete(timeout=60)
        assert await manager.pause(paused.id)
        assert not await manager.pause(paused.id)
        await manager.cancel(cancelled.id)
        await manager.remove(removed.id)
        await manager.pause_all()
        asked = len(server.requests)
        disk.free = 10_000_000
        keeper = manager._parts.worker.disk_space
        assert keeper is not None
        await keeper.resume_fitting()
        states = [status_of(manager, config) for config in (paused, cancelled)]
        assert states == [DownloadStatus.PAUSED, DownloadStatus.CANCELLED]
        assert manager.stats.paused == 2 and len(server.requests) == asked
        await manager.resume(paused.id)
        await manager.wait_until_complete(timeout=60)
        assert status_of(manager, paused) is DownloadStatus.COMPLETED


async def test_the_user_comes_first_while_the_disk_is_looked_at(
    server: MisbehavingServer,
    tmp_path: Path,
    disk: Disk,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looking, go_on, has_looked = (threading.Event() for _ in range(3))

    def look_at(_: Path) -> tuple[int, int]:
        looking.set()
        go_on.wait(10)
        has_looked.set()
        return 1, 10_000_000

    monkeypatch.setattr(disk_space_watch, "_look_at", look_at)
    config = FileConfig(url=server.on("/f", serving(BODY)))
    async with DownloadManager(download_dir=tmp_path, wait_for_room=True, tuning=LOOKS) as manager:
        journal = Journal(manager)
        await manager.add([config])
        await until(looking.is_set)
        assert await manager.pause(config.id)
        go_on.set()
        await until(has_looked.is_set)
    assert journal.names() == ["queued", "paused", "paused"]


async def test_full_disks_cost_no_attempts(
    server: MisbehavingServer, tmp_path: Path, disk: Disk, until: Until
) -> None:
    config = FileConfig(url=server.on("/f", serving(BODY)))
    async with DownloadManager(
        download_dir=tmp_path, wait_for_room=True, retry_handler=quick_retries(1), tuning=LOOKS
    ) as manager:
        journal = Journal(manager)
        await manager.add([config])
        for _ in range(3):
            await manager.wait_until_complete(timeout=60)
            await manager.resume(config.id)
        await manager.wait_until_complete(timeout=60)
        asked = len(server.requests)
        server.on("/f", in_turn(*[answer("503 Busy")] * (asked + 1), serving(BODY)))
        disk.free = 10_000_000
        await until(lambda: status_of(manager, config) is DownloadStatus.COMPLETED)
        assert journal.last("retrying").retry == 1


async def test_the_next_start_tries_again(
    server: MisbehavingServer, tmp_path: Path, disk: Disk, until: Until
) -> None:
    config = FileConfig(url=server.on("/f", serving(BODY)))
    options = {"download_dir": tmp_path / "files", "session_path": tmp_path / "session.db"}
    async with DownloadManager(**options) as manager:  # type: ignore[arg-type]
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        assert status_of(manager, config) is DownloadStatus.PAUSED
    disk.free = 10_000_000
    async with DownloadManager(**options) as manager:  # type: ignore[arg-type]
        await manager.wait_until_complete(timeout=60)
        assert status_of(manager, config) is DownloadStatus.COMPLETED
    assert names_in(tmp_path / "files") == ["f"]


async def test_a_script_is_told(server: MisbehavingServer, tmp_path: Path, disk: Disk) -> None:
    config = FileConfig(url=server.on("/f", serving(BODY)))
    async with DownloadManager(download_dir=tmp_path, retry_handler=quick_retries()) as manager:
        journal = Journal(manager)
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
    assert status_of(manager, config) is DownloadStatus.FAILED
    assert journal.last("failed").error.exc_type.endswith("DiskFullError")
    assert "retrying" not in journal.names()


async def test_what_was_removed_comes_back_to_wait(
    server: MisbehavingServer, tmp_path: Path, disk: Disk, until: Until
) -> None:
    config = FileConfig(url=server.on("/f", serving(BODY)))
    async with DownloadManager(download_dir=tmp_path, wait_for_room=True, tuning=LOOKS) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        await manager.remove(config.id)
        await manager.restore(config.id)
        await manager.wait_until_complete(timeout=60)
        assert manager.snapshot().downloads[0].reason == REASON
        disk.free = 10_000_000
        await until(lambda: status_of(manager, config) is DownloadStatus.COMPLETED)


async def test_room_does_not_help_a_file_that_is_too_large(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """As one of 4 GiB on FAT: waiting would ask the server again and again, for ever."""
    config = FileConfig(url=server.on("/f", serving(BODY, ETag='"v1"')))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with DownloadManager(
        download_dir=tmp_path, wait_for_room=True, retry_handler=quick_retries(), tuning=LOOKS
    ) as manager:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
        try:
            await manager.add([config])
            await manager.wait_until_complete(timeout=60)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert status_of(manager, config) is DownloadStatus.FAILED
        assert "too large for this file system" in error_of(manager, config)
    assert len(server.requests) == 1
