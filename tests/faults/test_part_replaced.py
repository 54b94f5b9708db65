"""Part and state files that another program replaces, at any moment: nothing of it is touched.

What stands under the final name is the file, or nothing; and what the other program put there
keeps its place, its bytes and its kind.
"""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from rheo_core import DownloadManager
from rheo_core.domain import DownloadStatus
from rheo_core.domain.tuning import Tuning
from tests.core.engine import names_in, sha256
from tests.faults.oracle import LIMIT, Scene, bytes_come, checksum
from tests.faults.program import COMMAND, HASTE, Home
from tests.servers.misbehaving import V1, MisbehavingServer, body_of
from tests.servers.scenarios import Hold, Tap, parts
from tests.waiting import Until

BODY = body_of(1_600_000)
OTHER = b"of another program, " * 10_000
HALF = len(BODY) // 2
KINDS = ["file", "link", "dangling link", "hard link", "folder", "fifo", "nothing"]
PLACES = ["part", "state", "both"]


def replace(path: Path, kind: str, precious: Path) -> None:
    """Put something else in the place of a file."""
    path.unlink()
    match kind:
        case "file":
            path.write_bytes(OTHER)
        case "link":
            path.symlink_to(precious)
        case "dangling link":
            path.symlink_to("nowhere")
        case "hard link":
            path.hardlink_to(precious)
        case "folder":
            path.mkdir()
            (path / "inside").write_bytes(OTHER)
        case "fifo":
            os.mkfifo(path)


def picture(path: Path) -> object:
    """Return a value that changes if another program touches a file."""
    if not os.path.lexists(path):
        return None
    seen = path.lstat()
    inside = sorted(child.name for child in path.iterdir()) if path.is_dir() else None
    data = sha256(path.read_bytes()) if path.is_file() else None
    return seen.st_ino, seen.st_mode, seen.st_nlink, seen.st_mtime_ns, inside, data


class Swap:
    """Replaces files of a download and sees that what it put there stays."""

    def __init__(self, folder: Path, kind: str, which: str, name: str = "file.bin") -> None:
        part, state = folder / f"{name}.part", folder / f"{name}.part.state"
        self.paths = [path for path in (part, state) if which in ("both", path.suffix[1:])]
        self.precious = folder.parent / "precious"
        self.precious.write_bytes(OTHER)
        self._kind = kind
        self._before: list[object] = []

    def __call__(self) -> None:
        for path in self.paths:
            replace(path, self._kind, self.precious)
        self._before = self._pictures()

    def check(self) -> None:
        assert self._kind == "nothing" or self._pictures() == self._before

    def _pictures(self) -> list[object]:
        return [picture(path) for path in (*self.paths, self.precious)]


def check_final(final: Path, is_done: bool) -> None:
    assert os.path.lexists(final) == is_done
    assert not is_done or (not final.is_symlink() and sha256(final.read_bytes()) == sha256(BODY))


def status_after(end: str, kind: str, which: str) -> DownloadStatus:
    """Return the status of a download that comes to this end after a swap."""
    if end == "cancel":
        return DownloadStatus.CANCELLED
    is_unneeded = end in ("commit", "overwrite")  # nothing is resumed any more
    is_made_again = end in ("pause", "break") and kind == "nothing"
    if which == "state" and (is_unneeded or is_made_again):
        return DownloadStatus.PAUSED if end == "pause" else DownloadStatus.COMPLETED
    return DownloadStatus.FAILED


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", PLACES)
@pytest.mark.parametrize("end", ["commit", "overwrite", "hash", "pause", "cancel", "break"])
@pytest.mark.halved("end", "which", "kind")
async def test_what_is_replaced_meanwhile_stays(
    scene: Scene, until: Until, kind: str, which: str, end: str
) -> None:
    swap, tap = Swap(scene.folder, kind, which), Tap(BODY, HALF, **V1)
    status = status_after(end, kind, which)
    hold = Hold(BODY, HALF, **V1)  # the connection breaks there
    wanted = {"hash": checksum(b"another"), "commit": checksum(BODY)}.get(end)
    config = scene.config(hash_config=wanted)
    exists = "overwrite" if end == "overwrite" else "skip"
    scene.server.on(scene.path, hold if end == "break" else tap)
    options = {"file_exists_strategy": exists, "tuning": Tuning(checkpoint_seconds=LIMIT)}
    async with scene.manager(**options) as manager, asyncio.timeout(LIMIT):
        await manager.add([config])
        await bytes_come(manager, HALF)
        await until(lambda: scene.part.exists() and scene.part.stat().st_size)
        swap()
        if end == "pause":
            assert await manager.pause(config.id) is (status is DownloadStatus.PAUSED)
        elif end == "cancel":
            await manager.cancel(config.id)
        elif end == "break":
            scene.server.on(scene.path, parts(BODY, **V1))
            hold.let_go.set()
        else:
            tap.opened.set()
        if end != "pause":
            await manager.wait_until_complete(timeout=LIMIT)
        info = manager.get_download_info(config.id)
        assert info is not None and info.status is status
        check_final(scene.final, status is DownloadStatus.COMPLETED)
        if status is DownloadStatus.FAILED:
            fate = "moved or removed" if kind == "nothing" else "replaced"
            reason = "wrong SHA-256" if end == "hash" else f"was {fate} by another program"
            assert reason in (info.error or "")
        if end == "pause":
            scene.server.on(scene.path, parts(BODY, **V1))
            await (manager.resume if status is DownloadStatus.PAUSED else manager.retry)(config.id)
            await manager.wait_until_complete(timeout=LIMIT)
            check_final(scene.final, True)
    swap.check()
    # Whatever became of it, the next run brings the file, and the other's stay.
    is_done = scene.final.exists()
    again = await scene.fetch(parts(BODY, **V1), BODY, config=scene.config())
    expected = DownloadStatus.SKIPPED if is_done else DownloadStatus.COMPLETED
    assert again.status is expected, again.error
    check_final(scene.final, True)
    swap.check()
    ours = {path.name for path in scene.folder.iterdir()} - set(scene.before)
    assert ours <= {scene.final.name, *(path.name for path in swap.paths)}, ours


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", PLACES)
@pytest.mark.parametrize("then", ["skip", "error", "overwrite", "rename", "cancel"])
@pytest.mark.halved("then", "which", "kind")
async def test_what_is_replaced_between_two_runs_stays(
    scene: Scene, kind: str, which: str, then: str
) -> None:
    await scene.begin(BODY, HALF, **V1)
    swap = Swap(scene.folder, kind, which)
    swap()
    if then == "cancel":
        hold = Hold(BODY, HALF, **V1)

        async def cancel(manager: DownloadManager) -> None:
            await bytes_come(manager, HALF)
            await manager.cancel(scene.config().id)

        outcome = await scene.fetch(hold, BODY, meanwhile=cancel)
        assert outcome.status is DownloadStatus.CANCELLED
        check_final(scene.final, False)
    else:
        config = scene.config(file_exists_strategy=then)
        outcome = await scene.fetch(parts(BODY, **V1), BODY, config=config)
        assert outcome.status is DownloadStatus.COMPLETED, outcome.error
        check_final(scene.final, True)
    swap.check()


@pytest.mark.parametrize("kind", ["file", "link", "hard link", "folder", "fifo"])
@pytest.mark.parametrize("which", PLACES)
async def test_a_paused_download_that_is_removed_takes_nothing_of_others(
    scene: Scene, kind: str, which: str
) -> None:
    swap, config = Swap(scene.folder, kind, which), scene.config()
    scene.server.on(scene.path, Hold(BODY, HALF, **V1))
    async with scene.manager() as manager:
        await manager.add([config])
        await bytes_come(manager, HALF)
        assert await manager.pause(config.id)
        swap()
        await manager.cancel(config.id)
    swap.check()
    assert not scene.final.exists()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ["finish", "interrupt"])
@pytest.mark.halved("end", "kind")
async def test_the_command_leaves_what_is_replaced(
    server: MisbehavingServer, home: Home, tmp_path: Path, until: Until, kind: str, end: str
) -> None:
    """An interrupted download is checked once more, and fails there: nothing has been kept."""
    folder = tmp_path / "files"
    folder.mkdir()
    tap = Tap(BODY, HALF, **V1)
    swap, final = Swap(folder, kind, "part"), folder / "file.bin"
    digest = f"sha256:{sha256(BODY)}"
    line = ("download", server.on("/file.bin", tap), "-o", folder, "--hash", digest)
    process = await home.start(HASTE + COMMAND if end == "finish" else COMMAND, *line)
    part = folder / "file.bin.part"
    await until(lambda: part.exists() and part.stat().st_size >= HALF - 65536)
    swap()
    if end == "interrupt":
        process.send_signal(signal.SIGINT)
    else:
        tap.opened.set()
    _, told = await asyncio.wait_for(process.communicate(), LIMIT)
    assert b"Traceback" not in told, told.decode()
    assert process.returncode == 4, told.decode()
    check_final(final, False)
    swap.check()
    fate = "moved or removed" if kind == "nothing" else "replaced"
    assert f"was {fate} by another program".encode() in told and b"file.bin.part" in told
    server.on("/file.bin", parts(BODY, **V1))
    result = await home.rheo(*line)
    assert result.code == 0, result
    check_final(final, True)
    swap.check()
    left = [] if kind == "nothing" else ["file.bin.part"]
    assert [name for name in names_in(folder) if "/" not in name] == ["file.bin", *left]


@pytest.mark.parametrize("end", ["commit", "overwrite", "resume"])
async def test_another_name_of_the_part_file_stays(scene: Scene, until: Until, end: str) -> None:
    """As keepers of backups make them: what has it is not written to by another run."""
    tap, extra = Tap(BODY, HALF, **V1), scene.folder.parent / "backup"
    if end == "resume":
        await scene.begin(BODY, HALF, **V1)
        extra.hardlink_to(scene.part)
        before = sha256(extra.read_bytes())
        outcome = await scene.fetch(parts(BODY, **V1), BODY)
        assert sha256(extra.read_bytes()) == before
    else:

        async def link(manager: DownloadManager) -> None:
            await bytes_come(manager, HALF)
            await until(lambda: scene.part.exists() and scene.part.stat().st_size)
            extra.hardlink_to(scene.part)
            tap.opened.set()

        exists = "overwrite" if end == "overwrite" else "skip"
        outcome = await scene.fetch(tap, BODY, meanwhile=link, file_exists_strategy=exists)
    assert outcome.status is DownloadStatus.COMPLETED, outcome.error
    check_final(scene.final, True)
    assert extra.exists()


async def test_a_part_file_that_was_moved_away_still_gets_its_name(
    scene: Scene, until: Until
) -> None:
    """The open file is committed, not what its old name leads to."""
    tap, moved = Tap(BODY, HALF, **V1), scene.folder.parent / "moved"

    async def move(manager: DownloadManager) -> None:
        await bytes_come(manager, HALF)
        await until(lambda: scene.part.exists() and scene.part.stat().st_size)
        scene.part.rename(moved)
        scene.part.write_bytes(OTHER)
        tap.opened.set()

    outcome = await scene.fetch(tap, BODY, meanwhile=move)
    assert outcome.status is DownloadStatus.COMPLETED, outcome.error
    check_final(scene.final, True)
    assert scene.part.read_bytes() == OTHER and not scene.state.exists()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "nothing"])
@pytest.mark.parametrize("name", ["file.bin.part.state.new", "file.bin.part.new"])
@pytest.mark.parametrize("strategy", ["skip", "overwrite"])
async def test_what_has_the_name_of_a_temporary_file_stays(
    scene: Scene, kind: str, name: str, strategy: str
) -> None:
    path = scene.folder / name
    path.touch()
    swap = Swap(scene.folder, kind, "neither")
    swap.paths = [path]
    swap()
    if strategy == "overwrite":
        scene.final.write_bytes(b"old")
    config = scene.config(file_exists_strategy=strategy)
    outcome = await scene.fetch(parts(BODY, **V1), BODY, config=config)
    assert outcome.status is DownloadStatus.COMPLETED, outcome.error
    check_final(scene.final, True)
    swap.check()
    ours = {path.name for path in scene.folder.iterdir()} - set(scene.before)
    assert ours == {scene.final.name, name}


@pytest.mark.parametrize("exists", ["skip", "overwrite"])
async def test_a_folder_that_is_moved_meanwhile_is_not_called_replaced(
    scene: Scene, until: Until, exists: str
) -> None:
    tap = Tap(BODY, HALF, **V1)
    config = scene.config()
    scene.server.on(scene.path, tap)
    moved = scene.folder.with_name("moved")
    async with scene.manager(file_exists_strategy=exists) as manager, asyncio.timeout(LIMIT):
        await manager.add([config])
        await bytes_come(manager, HALF)
        await until(lambda: scene.part.exists() and scene.part.stat().st_size)
        scene.folder.rename(moved)
        tap.opened.set()
        await manager.wait_until_complete(timeout=LIMIT)
        info = manager.get_download_info(config.id)
    fate = "its folder was moved or removed by another program"
    assert info is not None and info.error == f"cannot write {scene.part}: {fate}"
    assert (moved / scene.part.name).exists()
