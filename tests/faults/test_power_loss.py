"""L08: the power goes, after any system call of a whole download; the next start is right."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import FileExistsStrategy
from rheo_core.infrastructure.user_key import user_key
from rheo_core.transfer.part_state import decode_state
from tests.core.engine import names_in, serving
from tests.faults.disk import limit_file_size
from tests.faults.oracle import LIMIT
from tests.faults.power import CALLS, Disk, Left, read_calls
from tests.faults.program import COMMAND, HASTE, Home, needs_strace, strace
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.servers.scenarios import paced

BODY = body_of(1_200_000)
OLD = b"an earlier file of this name" * 1000

Files = dict[str, bytes]


def losses(disk: Disk, log: Path) -> Iterator[tuple[str, Left]]:
    """Yield the possible remains after each call, each of them once."""
    seen: list[Left] = []
    happened = "nothing"
    for number, call in enumerate(read_calls(log)):
        if not disk.play(call):
            continue
        happened = f"{number} {call.name}({call.arguments[-80:]}"
        for zeros, names in product((False, True), repeat=2):
            left = disk.left(zeros=zeros, names=names)
            if left not in seen:
                seen.append(left)
                yield f"{happened}, {zeros=}, {names=}", left


def check_left(files: Files, before: Files, where: str) -> None:
    """Nothing short under the final name; and the state speaks of bytes that are there."""
    assert files.get("file.bin") in (None, before.get("file.bin"), BODY), where
    state = files.get("file.bin.part.state", b"")
    if not state.strip(b"\0") or "file.bin.part" not in files:
        return
    for piece in decode_state(state, "file.bin.part", user_key()).written:
        there = files["file.bin.part"][piece.start : piece.end]
        assert there == BODY[piece.start : piece.end], where


@needs_strace
@pytest.mark.parametrize("kind", ["fresh", "quick", "resumed", "overwriting"])
@pytest.mark.halved("kind")
async def test_l08_the_power_goes(
    server: MisbehavingServer, home: Home, tmp_path: Path, kind: str
) -> None:
    folder, exists = tmp_path / "files", "overwrite" if kind == "overwriting" else "skip"
    url = server.on("/file.bin", paced(BODY, ETag='"v1"'))
    line = ("download", url, "-o", folder, "-x", 3, "--exists", exists)
    program = COMMAND if kind == "quick" else HASTE + COMMAND  # quick: done before a checkpoint
    folder.mkdir()
    if kind == "resumed":
        assert (await home.run(HASTE + COMMAND, *line, within=limit_file_size(1_000_000))).code == 4
        assert "file.bin.part.state" in names_in(folder)
    elif kind == "overwriting":
        (folder / "file.bin").write_bytes(OLD)
    disk, log = Disk(folder, BODY), tmp_path / "log"
    before = disk.left(zeros=False, names=True).files
    record = strace("-y", "-s", "4096", "-e", f"trace={CALLS}", log=log)
    assert (await home.run(program, *line, before=record)).code == 0

    pictures = list(losses(disk, log))
    assert len(pictures) > 10
    assert disk.left(zeros=False, names=False).files == {"file.bin": BODY}  # done means done
    for number, (where, left) in enumerate(pictures):
        check_left(left.files, before, where)
        again = tmp_path / str(number)
        left.put(again, url)
        async with DownloadManager(
            download_dir=again, file_exists_strategy=FileExistsStrategy(exists)
        ) as manager:
            await manager.add([FileConfig(url=url)])
            await manager.wait_until_complete(LIMIT)
        assert manager.stats.failed == 0, (where, manager.snapshot().downloads)
        assert (again / "file.bin").read_bytes() == BODY, where
        assert names_in(again) == ["file.bin"], where


@needs_strace
@pytest.mark.parametrize("size", [10_000, 200_000])
async def test_l08_the_power_goes_with_a_small_file(
    server: MisbehavingServer, tmp_path: Path, size: int
) -> None:
    """The file is whole or missing, and nothing is ever beside it."""
    body, folder, log = body_of(size), tmp_path / "files", tmp_path / "log"
    url = server.on("/file.bin", serving(body))
    folder.mkdir()
    disk = Disk(folder, body)
    record = strace("-y", "-s", "4096", "-e", f"trace={CALLS}", log=log)
    line = ("download", url, "-o", folder)
    assert (await Home(tmp_path / "home").rheo(*line, before=record)).code == 0
    pictures = [left.files for _, left in losses(disk, log)]
    assert pictures == [{}, {"file.bin": body}]
    assert disk.left(zeros=False, names=False).files == {"file.bin": body}  # done means done


@needs_strace
async def test_l08_without_durability_nothing_is_synced(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    home, log = Home(tmp_path / "home", {"durable": "false"}), tmp_path / "log"
    line = ("download", server.on("/file.bin", paced(BODY, ETag='"v1"')), "-o", tmp_path / "files")
    trace = strace("-e", "trace=fsync,fdatasync,sync_file_range,syncfs", log=log)
    assert (await home.run(HASTE + COMMAND, *line, before=trace)).code == 0
    assert log.read_text() == ""
    assert (tmp_path / "files" / "file.bin").read_bytes() == BODY
