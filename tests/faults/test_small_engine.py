"""Small files where the disk is full or old, where two want one, and where the user intervenes."""

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from rheo_core import DownloadManager
from rheo_core.domain.hash_validation import HashAlgorithm
from rheo_core.transfer import PartFile
from tests.core.engine import PATIENT, Gate, Journal, names_in, serving
from tests.faults.disk import check_kept, fill, small_disk
from tests.faults.oracle import LIMIT, Scene, bytes_come, checksum
from tests.faults.program import COMMAND, Home
from tests.servers.misbehaving import V1, Exchange, Headers, MisbehavingServer, body_of
from tests.waiting import Until

MB = 1_000_000
LOOKS = replace(PATIENT, disk_look_seconds=0.2)
sizes = pytest.mark.parametrize("size", [10_000, 200_000])
"""The first comes with the response head and is read by the HTTP library; the second is not."""


@pytest.fixture
def user(tmp_path: Path) -> Home:
    """Writes in pieces of the usual size, so that a small file is one piece."""
    return Home(tmp_path / "home")


# Disks


@sizes
async def test_l01_no_room_for_a_small_file(
    server: MisbehavingServer, user: Home, tmp_path: Path, size: int
) -> None:
    body = body_of(size)
    with small_disk(tmp_path / "disk", MB) as disk:
        line = ("download", server.on("/file.bin", serving(body, **V1)), "-o", disk)
        filler = fill(disk)
        result = await user.rheo(*line)
        assert result.code == 4, result
        assert result.told_once("disk full") and "retry" not in result.err
        assert names_in(disk) == ["filler"]
        filler.unlink()
        result = await user.rheo(*line)
        assert result.code == 0, result
        assert names_in(disk) == ["file.bin"] and (disk / "file.bin").read_bytes() == body


@sizes
async def test_l01_a_small_file_waits_for_room(scene: Scene, until: Until, size: int) -> None:
    body = body_of(size)
    scene.server.on(scene.path, serving(body, **V1))
    with small_disk(scene.folder / "small", 8 * MB) as disk:
        config = scene.config(destination_subdir="small")
        async with (
            scene.manager(wait_for_room=True, tuning=LOOKS) as manager,
            asyncio.timeout(LIMIT),
        ):
            journal, filler = Journal(manager), fill(disk)
            await manager.add([config])
            await until(lambda: journal.names()[-1] == "paused")
            (row,) = manager.snapshot().downloads
            assert row.status == "paused" and "disk full" in row.reason
            assert journal.endings() == {} and names_in(disk) == ["filler"]
            filler.unlink()
            await until(lambda: manager.stats.completed == 1)
            assert journal.endings() == {config.id: 1}
        assert (disk / "file.bin").read_bytes() == body and names_in(disk) == ["file.bin"]
    (scene.folder / "small").rmdir()


_OLD_DISKS = {
    "a system without": "import os; del os.O_TMPFILE",
    "a disk without": """
import errno, os
real = os.open
def refuse(path, flags, *more, **options):
    if flags & os.O_TMPFILE == os.O_TMPFILE:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
    return real(path, flags, *more, **options)
os.open = refuse
""",
    "without proc": """
import errno, os
real = os.link
def refuse(source, target, **options):
    if str(source).startswith("/proc/"):
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    return real(source, target, **options)
os.link = refuse
""",
    "without links": """
import errno, os
def refuse(source, target, **options):
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))
os.link = refuse
""",
}


@sizes
@pytest.mark.parametrize("kind", _OLD_DISKS)
async def test_where_files_cannot_be_created_whole(
    server: MisbehavingServer, user: Home, tmp_path: Path, kind: str, size: int
) -> None:
    """The file goes the way of larger ones: a part file, and a name when it is whole."""
    body, folder = body_of(size), tmp_path / "files"
    url = server.on("/file.bin", serving(body, **V1))
    for _ in range(2):  # the second time it is there
        result = await user.run(f"{_OLD_DISKS[kind]}\n{COMMAND}", "download", url, "-o", folder)
        assert result.code == 0, result
        assert (folder / "file.bin").read_bytes() == body
        assert names_in(folder) == ["file.bin"]
    assert len(server.requests) == 1


# Two at once


@sizes
@pytest.mark.parametrize(
    ("exists", "names"),
    [("skip", ["file.bin"]), ("rename", ["file (1).bin", "file.bin"])],
)
async def test_l13_two_processes_fetch_one_file(
    server: MisbehavingServer,
    user: Home,
    tmp_path: Path,
    size: int,
    exists: str,
    names: list[str],
) -> None:
    """Both have asked before either gets a byte: none saw that the other one was there."""
    body, folder = body_of(size), tmp_path / "files"
    folder.mkdir()

    async def once_both_ask(exchange: Exchange) -> None:
        await server.wait_for_requests(2)
        await exchange.serve(body, **V1)

    line = ("download", server.on("/file.bin", once_both_ask), "-o", folder, "--exists", exists)
    results = await asyncio.gather(user.rheo(*line), user.rheo(*line))
    assert [result.code for result in results] == [0, 0], results
    skipped = sum(result.told_once("skipped   file.bin: file exists") for result in results)
    assert skipped == (exists == "skip")
    assert names_in(folder) == names
    assert all((folder / name).read_bytes() == body for name in names)


@sizes
async def test_l13_the_slower_of_two_processes_overwrites(
    server: MisbehavingServer, user: Home, tmp_path: Path, size: int
) -> None:
    """Both have asked before either gets a byte; the second gets its own after the first ended."""
    body, folder, is_first_done = body_of(size), tmp_path / "files", asyncio.Event()

    async def one_after_the_other(exchange: Exchange) -> None:
        await server.wait_for_requests(2)
        if exchange.number == 2:
            await is_first_done.wait()
        await exchange.serve(body, **V1)

    url = server.on("/file.bin", one_after_the_other)
    line = ("download", url, "-o", folder, "--exists", "overwrite")
    runs = [asyncio.create_task(user.rheo(*line)) for _ in range(2)]
    await asyncio.wait(runs, return_when=asyncio.FIRST_COMPLETED)
    is_first_done.set()
    assert [(await run).code for run in runs] == [0, 0]
    assert names_in(folder) == ["file.bin"] and (folder / "file.bin").read_bytes() == body


_SLOW_COMMIT = """
import os, time
from pathlib import Path
real = os.fsync
def slow(descriptor):
    Path({began!r}).touch()
    while not Path({go_on!r}).exists():
        time.sleep(0.01)
    real(descriptor)
os.fsync = slow
"""


@sizes
async def test_l13_of_two_processes_that_overwrite_at_once_one_fails(
    server: MisbehavingServer, user: Home, tmp_path: Path, until: Until, size: int
) -> None:
    body, folder = body_of(size), tmp_path / "files"
    folder.mkdir()
    (folder / "file.bin").write_bytes(b"old")
    url = server.on("/file.bin", serving(body, **V1))
    line = ("download", url, "-o", folder, "--exists", "overwrite")
    began, go_on = tmp_path / "began", tmp_path / "go on"
    slow = _SLOW_COMMIT.format(began=str(began), go_on=str(go_on)) + COMMAND
    first = asyncio.create_task(user.run(slow, *line))
    await until(began.exists)
    second = await user.rheo(*line)
    assert second.code == 1 and second.told_once("another process is using it"), second
    assert (folder / "file.bin").read_bytes() == b"old"
    go_on.touch()
    assert (await first).code == 0
    assert names_in(folder) == ["file.bin"] and (folder / "file.bin").read_bytes() == body


# The user intervenes


@sizes
@pytest.mark.parametrize("headers", [V1, {}], ids=["strong", "no validator"])
async def test_pausing_a_slow_small_file(
    scene: Scene, until: Until, size: int, headers: Headers
) -> None:
    body, some = body_of(size), size // 3
    gate = Gate(body, some, **headers)

    async def pause(manager: DownloadManager) -> None:
        await bytes_come(manager, some)
        (row,) = manager.snapshot().downloads
        assert await manager.pause(row.id)
        if headers:
            assert check_kept(scene.final, body) == some
        else:
            assert not scene.part.exists() and not scene.state.exists()
        assert await manager.resume(row.id)
        gate.opened.set()

    outcome = await scene.fetch(gate, body, meanwhile=pause)
    outcome.completed(body, requests=2)
    assert outcome.requests[1].range_start == (some if headers else None)


@sizes
async def test_cancelling_a_slow_small_file(scene: Scene, size: int) -> None:
    body, some = body_of(size), size // 3
    scene.server.on(scene.path, Gate(body, some, **V1))
    async with scene.manager() as manager, asyncio.timeout(LIMIT):
        config = scene.config()
        await manager.add([config])
        await bytes_come(manager, some)
        assert await manager.cancel(config.id) == "cancelled"
        assert names_in(scene.folder) == sorted(scene.before)
    assert scene.bystanders() == scene.before


@sizes
@pytest.mark.parametrize("verb", ["pause", "cancel", "close"])
async def test_stopped_between_the_last_byte_and_the_commit(
    scene: Scene, until: Until, monkeypatch: pytest.MonkeyPatch, size: int, verb: str
) -> None:
    """All is there, in memory: nothing is fetched again unless the user gave it up."""
    body, checking = body_of(size), threading.Event()
    digest = PartFile.digest

    def stuck(part: PartFile, algorithm: HashAlgorithm, stop: threading.Event) -> str:
        checking.set()
        assert stop.wait(LIMIT)
        return digest(part, algorithm, stop)

    monkeypatch.setattr(PartFile, "digest", stuck)
    scene.server.on(scene.path, serving(body))
    config = scene.config(hash_config=checksum(body))
    async with asyncio.timeout(LIMIT):
        manager = scene.manager()
        await manager.open()
        await manager.add([config])
        await until(checking.is_set)
        if verb == "pause":
            assert await manager.pause(config.id)
        elif verb == "cancel":
            assert await manager.cancel(config.id) == "cancelled"
        await manager.close()
    assert not scene.final.exists()
    assert scene.part.exists() == scene.state.exists() == (verb != "cancel")
    monkeypatch.setattr(PartFile, "digest", digest)
    outcome = await scene.fetch(None, body, config=config)
    outcome.completed(body, requests=2 if verb == "cancel" else 1)


@sizes
async def test_a_small_file_of_another_hash_is_gone(scene: Scene, size: int) -> None:
    """A further attempt asks anew: what was wrong is not gone on from."""
    body, other = body_of(size), body_of(size, "other")
    config = scene.config(hash_config=checksum(body))
    outcome = await scene.fetch(serving(other, **V1), other, config=config)
    outcome.failed("wrong SHA-256")
    assert not scene.part.exists() and not scene.state.exists()
    before = len(outcome.requests)
    outcome = await scene.fetch(serving(body, **V1), body, config=config)
    outcome.completed(body, requests=before + 1)
    assert outcome.requests[-1].range_start is None


@sizes
async def test_a_small_file_of_another_hash_may_be_kept(
    scene: Scene, tmp_path: Path, size: int
) -> None:
    body, other = body_of(size), body_of(size, "other")
    scene.server.on(scene.path, serving(other, **V1))
    config = scene.config(hash_config=checksum(body))
    options = {"session_path": tmp_path / "state" / "session.db"}
    async with scene.manager(**options) as manager, asyncio.timeout(LIMIT):
        await manager.add([config])
        await manager.wait_until_complete()
        assert scene.part.read_bytes() == other and not scene.final.exists()
    async with scene.manager(**options) as manager, asyncio.timeout(LIMIT):
        kept = await manager.keep(config.id)
    assert kept == scene.folder / "file.bin.unverified"
    assert kept.read_bytes() == other
    assert names_in(scene.folder) == sorted([*scene.before, kept.name])
    assert scene.bystanders() == scene.before
