"""One sync of a folder serves all who waited for it, and nobody who came after it began."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from rheo_core.infrastructure import folder_sync
from rheo_core.infrastructure.folder_sync import sync_file_system, sync_folder
from tests.faults.program import needs_strace, strace

WAIT = 20  # seconds, for what must come


class SlowDisk:
    """Syncs that end when they may; keeps which names each of them found in its folder."""

    def __init__(self) -> None:
        self.covered: list[set[str]] = []
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)

    def fsync(self, descriptor: int) -> None:
        self.covered.append(set(os.listdir(descriptor)))
        self.begun.release()
        assert self.may_end.acquire(timeout=WAIT)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SlowDisk:
    slow = SlowDisk()
    monkeypatch.setattr(os, "fsync", slow.fsync)
    return slow


@pytest.fixture
def pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=8)


def name_and_sync(folder: Path, name: str) -> None:
    (folder / name).touch()
    sync_folder(folder)


def wait_for(condition: Callable[[], bool]) -> None:
    ready = threading.Event()
    for _ in range(WAIT * 100):
        if condition():
            return
        ready.wait(0.01)
    raise AssertionError("it did not come")


def test_who_waits_shares_the_next_sync(
    tmp_path: Path, disk: SlowDisk, pool: ThreadPoolExecutor
) -> None:
    first = pool.submit(name_and_sync, tmp_path, "first")
    assert disk.begun.acquire(timeout=WAIT)
    others: list[Future[None]] = [
        pool.submit(name_and_sync, tmp_path, f"{number}") for number in range(5)
    ]
    wait_for(lambda: len(list(tmp_path.iterdir())) == 6)
    assert not any(other.done() for other in others)
    disk.may_end.release()
    first.result(WAIT)
    assert disk.begun.acquire(timeout=WAIT)
    assert not any(other.done() for other in others)  # the first one did not know their names
    disk.may_end.release(5)
    for other in others:
        other.result(WAIT)
    assert disk.covered[0] == {"first"}
    assert disk.covered[-1] == {"first", "0", "1", "2", "3", "4"}
    assert len(disk.covered) <= 3  # one may have come between its name and its sync


def test_folders_do_not_wait_for_each_other(
    tmp_path: Path, disk: SlowDisk, pool: ThreadPoolExecutor
) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    syncs = [pool.submit(sync_folder, folder) for folder in folders]
    for _ in folders:
        assert disk.begun.acquire(timeout=WAIT)
    disk.may_end.release(2)
    for sync in syncs:
        sync.result(WAIT)


def test_nothing_is_kept_of_a_folder_that_was_synced(tmp_path: Path) -> None:
    sync_folder(tmp_path)
    sync_folder(tmp_path / "missing")
    assert not folder_sync._next and not folder_sync._current


@needs_strace
def test_a_whole_file_system_is_synced(tmp_path: Path) -> None:
    """strace sees the call; a missing folder is an error."""
    program = (
        "import sys, pathlib\n"
        "from rheo_core.infrastructure.folder_sync import sync_file_system\n"
        "sync_file_system(pathlib.Path(sys.argv[1]))\n"
    )
    log = tmp_path / "log"
    command = strace("-y", "-e", "trace=syncfs", log=log)
    subprocess.run([*command, sys.executable, "-c", program, str(tmp_path)], check=True)
    assert f"<{tmp_path}>) = 0" in log.read_text()
    with pytest.raises(FileNotFoundError):
        sync_file_system(tmp_path / "missing")
