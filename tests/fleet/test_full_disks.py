"""Full disks: one file that does not fit fails alone, and a full disk fails no entry."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rheo_core.fleet.rows import Row
from rheo_core.fleet.shard import work_on_shard
from rheo_core.fleet.shard_downloads import ShardError, WorkerOptions
from tests.core.engine import serving
from tests.faults.disk import fill, free_bytes, small_disk
from tests.faults.program import Home
from tests.faults.test_sizes_told import promising
from tests.fleet.runs import FleetRun, planned, rows_of
from tests.servers.misbehaving import Behaviour, MisbehavingServer
from tests.servers.scenarios import endless

MB = 1_000_000
GOOD = 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 24 * MB) as path:
        yield path


def run_with(
    server: MisbehavingServer, out: Path, behaviour: Behaviour, layout: str = "files"
) -> FleetRun:
    """A shard of good files, with one that does not fit among them."""
    rows = rows_of(server, GOOD)
    rows.insert(GOOD // 2, Row(server.on("/large", behaviour)))
    return planned(out, rows, compute_hash="sha256", layout=layout)


@pytest.mark.parametrize("layout", ["files", "tar"])
@pytest.mark.parametrize(
    ("behaviour", "left", "sentence"),
    [
        (promising(25 * MB), None, "larger than the disk (24.0 MB)"),
        (promising(300 * 10**9), None, "larger than the disk (24.0 MB)"),
        (promising(12 * MB), 8 * MB, "disk full, 4"),
        (endless("close"), None, "disk full: "),
        (endless("chunked"), 8 * MB, "disk full: "),
    ],
    ids=["size", "huge size", "size beyond the room", "no length", "no length and little room"],
)
async def test_a_file_that_does_not_fit_fails_alone(
    server: MisbehavingServer,
    disk: Path,
    tmp_path: Path,
    layout: str,
    behaviour: Behaviour,
    left: int | None,
    sentence: str,
) -> None:
    """The disk is that of the output folder, or of the scratch folder."""
    out = (disk if layout == "files" else tmp_path) / "out"
    run = run_with(server, out, behaviour, layout)
    if left is not None:
        fill(disk, leave=left)
    room = free_bytes(disk)
    scratch = None if layout == "files" else disk / "scratch"
    facts = await work_on_shard(run.tasks[0], WorkerOptions(scratch=scratch))
    assert facts.counts == {"completed": GOOD, "failed": 1}
    assert facts.errors == {"disk_full": 1}
    (failed,) = (row for row in run.manifest() if row["outcome"] != "completed")
    assert failed["key"] == f"{GOOD // 2:011d}" and sentence in failed["error"]
    assert free_bytes(disk) > room - MB
    if layout == "files":
        run.check()


async def test_a_disk_that_is_full_fails_no_entry(
    server: MisbehavingServer, disk: Path, home: Home
) -> None:
    run = planned(disk / "out", rows_of(server, GOOD))
    filler = fill(disk)
    with pytest.raises((ShardError, OSError), match=r"disk full|No space left"):
        await work_on_shard(run.tasks[0])
    ended = await home.rheo("fleet", "work", run.out)
    assert ended.code == 4 and ended.err.count("\n") == 1, ended.err
    filler.unlink()
    assert (await home.rheo("fleet", "work", run.out)).code == 0
    run.check()


async def test_a_disk_that_fills_up_stops_the_shard_and_keeps_what_came(
    server: MisbehavingServer, disk: Path, home: Home
) -> None:
    """The disk is at fault for a known length that does not fit if it has little room."""
    run = run_with(server, disk / "out", promising(2 * MB))
    filler = fill(disk, leave=MB)
    ended = await home.rheo("fleet", "work", run.out)
    assert ended.code == 4 and ended.told_once("disk full"), ended.err
    assert not (run.out / "part-000000.json").exists()
    asked = len(server.requests)
    filler.unlink()
    ended = await home.rheo("fleet", "work", run.out)
    assert ended.code == 1, ended.err  # the file is cut short by its server
    assert run.facts()["counts"] == {"completed": GOOD, "failed": 1}
    assert run.facts()["errors"] == {"incomplete": 1}
    assert asked < len(server.requests)


async def test_a_scratch_folder_without_room_for_the_tar_is_named(
    server: MisbehavingServer, disk: Path, tmp_path: Path, home: Home
) -> None:
    """The files fit, but not the tar beside them."""
    rows = [Row(server.on(f"/{number}", serving(bytes(MB)))) for number in range(14)]
    run = planned(tmp_path / "out", rows, layout="tar")
    command = ("fleet", "work", run.out, "--scratch")
    ended = await home.rheo(*command, disk / "scratch")
    assert ended.code == 4 and ended.err.count("\n") == 1, ended.err
    assert str(disk / "scratch") in ended.err and "No space left" in ended.err, ended.err
    assert (await home.rheo(*command, disk / "scratch")).err == ended.err
    assert len(server.requests) == 14
    assert (await home.rheo(*command, tmp_path / "scratch")).code == 0
    assert run.facts()["counts"] == {"completed": 14}
