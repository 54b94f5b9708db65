"""L01, L02: the disk is full. What came is kept, and is not fetched again once there is room."""

import asyncio
import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.config import Settings
from rheo_core.config.store import load_settings, save_settings
from rheo_core.infrastructure.session_store import SessionStoreError
from tests.core.engine import PATIENT, names_in, serving
from tests.faults.disk import check_kept, fill, kept_so_far, limit_file_size, small_disk, state_of
from tests.faults.oracle import LIMIT, Scene
from tests.faults.program import COMMAND, HASTE, Home, ended, needs_strace, strace
from tests.servers.misbehaving import V1, MisbehavingServer, body_of
from tests.servers.scenarios import Tap
from tests.waiting import Until

MB = 1_000_000
BODY = body_of(6 * MB)
FIRST = 5 * 65536


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 8 * MB) as path:
        yield path


@dataclass
class Full:
    """A way for a disk to be full: what brings it about, and what ends it."""

    kind: str
    folder: Path
    ends: list[Callable[[], object]] = field(default_factory=list)

    @property
    def flag(self) -> Path:
        return self.folder / "over quota"

    def begin(self) -> None:
        if self.kind == "full":
            self.ends.append(fill(self.folder).unlink)
        elif self.kind == "quota":
            self.flag.touch()
            self.ends.append(self.flag.unlink)

    def end(self) -> None:
        for end in self.ends:
            end()
        self.ends.clear()

    @property
    def program(self) -> str:
        """The command; a quota is not to be had without changing the machine, so it is acted."""
        if self.kind != "quota":
            return HASTE + COMMAND
        return f"""
import os
write = os.pwrite
def within_quota(*arguments):
    if os.path.exists({str(self.flag)!r}):
        raise OSError({errno.EDQUOT}, os.strerror({errno.EDQUOT}))
    return write(*arguments)
os.pwrite = within_quota
{HASTE}{COMMAND}"""

    @property
    def within(self) -> Callable[[int], None] | None:
        return limit_file_size(4 * MB) if self.kind == "file size" else None


@pytest.mark.parametrize(
    ("kind", "framing", "connections"),
    [
        ("full", "length", 1),
        ("full", "length", 3),
        ("full", "chunked", 1),
        ("full", "close", 1),
        ("quota", "length", 3),
        ("file size", "length", 1),
    ],
)
async def test_l01_a_disk_that_fills_up_meanwhile(
    server: MisbehavingServer,
    home: Home,
    disk: Path,
    until: Until,
    kind: str,
    framing: str,
    connections: int,
) -> None:
    tap, full = Tap(BODY, FIRST, framing, **V1), Full(kind, disk)
    line = ("download", server.on("/file.bin", tap), "-o", disk, "-x", connections)
    final, part = disk / "file.bin", disk / "file.bin.part"

    process = await home.start(full.program, *line, within=full.within)
    await until(lambda: kept_so_far(part) >= connections * (FIRST - 65536))
    full.begin()
    tap.opened.set()
    result = await ended(process)
    assert result.code == 4, result.err
    told = "too large for this file system" if kind == "file size" else "disk full"
    assert result.told_once(told) and "retry" not in result.err
    full.end()
    assert names_in(disk) == [part.name, f"{part.name}.state"]
    kept = check_kept(final, BODY)
    assert kept >= connections * (FIRST - 65536)
    written, before = state_of(part).written, len(server.requests)

    result = await home.run(full.program, *line)
    assert result.code == 0, result.err
    assert final.read_bytes() == BODY and names_in(disk) == ["file.bin"]
    for request in server.requests[before:]:
        start = request.range_start
        assert start and not any(piece.start <= start < piece.end for piece in written)


@pytest.mark.parametrize("connections", [1, 3])
async def test_l01_no_room_is_told_before_the_first_byte(
    server: MisbehavingServer, home: Home, disk: Path, connections: int
) -> None:
    url = server.on("/file.bin", serving(BODY, **V1))
    filler = fill(disk, leave=5 * MB)
    result = await home.rheo("download", url, "-o", disk, "-x", connections)
    assert result.code == 4
    assert result.told_once("disk full, ") and "retry" not in result.err
    assert len(server.requests) == 1
    assert not (disk / "file.bin").exists()
    filler.unlink()
    result = await home.rheo("download", url, "-o", disk, "-x", connections)
    assert result.code == 0, result.err
    assert names_in(disk) == ["file.bin"] and (disk / "file.bin").read_bytes() == BODY


async def test_l01_other_disks_go_on(scene: Scene, until: Until) -> None:
    scene.server.on("/big.bin", serving(BODY, **V1))
    tap = Tap(BODY, FIRST, **V1)
    scene.server.on("/file.bin", tap)
    with small_disk(scene.folder / "small", MB):
        big = scene.config(url=scene.server.url("/big.bin"), destination_subdir="small")
        async with scene.manager() as manager, asyncio.timeout(LIMIT):
            await manager.add([big, scene.config()])

            def told() -> str:
                info = manager.get_download_info(big.id)
                assert info is not None
                return f"{info.error} {manager.snapshot().downloads[0].reason}"

            await until(lambda: "disk full" in told())
            tap.opened.set()
            await until(lambda: manager.stats.completed == 1)
            assert scene.final.read_bytes() == BODY
            await manager.cancel(big.id)
        assert names_in(scene.folder / "small") == []
    (scene.folder / "small").rmdir()


@needs_strace
@pytest.mark.parametrize("step", [1, 3])
async def test_l02_no_room_for_the_state_file(
    server: MisbehavingServer, home: Home, tmp_path: Path, until: Until, step: int
) -> None:
    """The first one that speaks of bytes fails to be written, and a later one."""
    folder, tap = tmp_path / "files", Tap(BODY, FIRST, **V1)
    line = ("download", server.on("/file.bin", tap), "-o", folder)
    final, part = folder / "file.bin", folder / "file.bin.part"
    new = folder / "file.bin.part.state.new"
    inject = ("-P", str(new), "-e", "trace=write", "-e", f"inject=write:error=ENOSPC:when={step}+")
    process = await home.start(HASTE + COMMAND, *line, before=strace(*inject))
    if step > 1:
        await until(lambda: kept_so_far(part))
    result = await ended(process)  # at one of the many checkpoints, while no byte comes
    tap.opened.set()
    assert result.code == 4, result.err
    assert result.told_once("disk full") and "retry" not in result.err
    assert not new.exists()
    if step > 1:
        assert check_kept(final, BODY) > 0

    result = await home.rheo(*line)
    assert result.code == 0, result.err
    assert final.read_bytes() == BODY and names_in(folder) == ["file.bin"]
    assert bool(server.requests[-1].range_start) is (step > 1)


async def test_l02_no_room_for_the_session(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    url, problems = server.on("/file.bin", serving(b"data")), list[str]()
    with small_disk(tmp_path / "small", MB) as disk:

        def manager() -> DownloadManager:
            return DownloadManager(
                download_dir=tmp_path / "files",
                session_path=disk / "session.db",
                on_problem=problems.append,
            )

        async with manager() as first, asyncio.timeout(LIMIT):
            await first.add([FileConfig(url=url)])
            await first.wait_until_complete()
        before = (disk / "session.db").read_bytes()
        async with manager() as second, asyncio.timeout(LIMIT):
            filler = fill(disk)
            many = [FileConfig(url=f"{url}?{'x' * 2000}{number}") for number in range(100)]
            with pytest.raises(SessionStoreError, match="disk full"):
                await second.add(many)
            assert [row.url for row in second.snapshot().downloads] == [url]
            assert (disk / "session.db").read_bytes() == before
            filler.unlink()
            await second.add([FileConfig(url=server.on("/other.bin", serving(b"data")))])
            await second.wait_until_complete()
        async with manager() as third:
            assert [row.name for row in third.snapshot().downloads] == ["file.bin", "other.bin"]
    assert problems == []


async def test_l02_what_a_full_disk_did_not_save_is_told_and_saved_later(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    tuning = replace(PATIENT, session_retry_seconds=0.01, session_write_seconds=0.01)
    tap, problems = Tap(BODY, FIRST, **V1), list[str]()
    config = FileConfig(url=server.on("/file.bin", tap))
    with small_disk(tmp_path / "small", MB) as disk:

        def manager() -> DownloadManager:
            return DownloadManager(
                download_dir=tmp_path / "files",
                session_path=disk / "session.db",
                on_problem=problems.append,
                tuning=tuning,
            )

        async with manager() as first, asyncio.timeout(LIMIT):
            await first.add([config])
            await server.wait_for_requests(1)
            filler = fill(disk)
            tap.opened.set()
            await until(lambda: problems)
            assert problems == [
                f"Cannot save changes to the list: session {disk / 'session.db'}: disk full."
            ]
            filler.unlink()
            await first.wait_until_complete()
        async with manager() as second:
            (row,) = second.snapshot().downloads
            assert (row.name, row.status) == ("file.bin", "completed")
    assert len(problems) == 1
    assert (tmp_path / "files" / "file.bin").read_bytes() == BODY


def test_l02_no_room_for_the_settings(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", MB) as disk:
        path = disk / "rheo" / "settings.toml"
        save_settings(Settings(max_concurrent=7), path)
        before = path.read_bytes()
        filler = fill(disk)
        with pytest.raises(OSError, match="No space left"):
            save_settings(Settings(max_concurrent=8), path)
        assert path.read_bytes() == before
        assert names_in(path.parent) == ["settings.toml"]
        filler.unlink()
        save_settings(Settings(max_concurrent=8), path)
        assert load_settings(path).settings.max_concurrent == 8
