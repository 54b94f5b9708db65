"""A shard that another worker began: what is believed, what is done again, and what is refused."""

import asyncio
import hashlib
import json
import shutil
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rheo_core.domain.failures import FailureKind
from rheo_core.domain.fleet import EntryOutcome, ShardTask
from rheo_core.fleet.journal import ShardBusyError
from rheo_core.fleet.rows import Row
from rheo_core.fleet.shard import work_on_shard
from rheo_core.fleet.shard_downloads import ShardError, WorkerOptions
from rheo_core.fleet.shard_paths import ShardPaths
from rheo_core.fleet.targets import open_target
from tests.fleet.runs import FleetRun, body_for, planned, rows_of, serve
from tests.servers.misbehaving import Exchange, MisbehavingServer
from tests.waiting import until

HERE = WorkerOptions()


class Stuck:
    """Serves its file only after `opened`; the worker that waits for it can be stopped."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def __call__(self, exchange: Exchange) -> None:
        await self.opened.wait()
        await serve(exchange)


async def begun(
    server: MisbehavingServer,
    out: Path,
    worker: WorkerOptions = HERE,
    **options: Any,
) -> FleetRun:
    """A run whose only shard has ten entries in the journal, and another one to go."""
    stuck = Stuck()
    rows = [*rows_of(server, 10), Row(server.on("/last.jpg", stuck))]
    run = planned(out, rows, **{"compute_hash": "sha256", **options})
    work = asyncio.ensure_future(work_on_shard(run.tasks[0], worker))
    journal = out / "_rheo" / "journals" / "000000.jsonl"
    await until(lambda: journal.exists() and journal.read_bytes().count(b"completed") == 10)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    stuck.opened.set()
    server.requests.clear()
    return run


def fetched(server: MisbehavingServer) -> list[str]:
    return sorted(request.target for request in server.requests)


async def test_what_has_ended_is_not_fetched_again(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    run = await begun(server, tmp_path / "out")
    await work_on_shard(run.tasks[0])
    run.check()
    assert fetched(server) == ["/last.jpg"]
    assert all(row["status"] == 200 for row in run.manifest())


async def test_files_that_are_gone_or_cut_are_fetched_again(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    run = await begun(server, tmp_path / "out")
    folder = run.out / "part-000000"
    (folder / "00000000003.jpg").unlink()
    (folder / "00000000004.jpg").write_bytes(b"cut")
    await work_on_shard(run.tasks[0])
    run.check()
    assert fetched(server) == ["/3.jpg", "/4.jpg", "/last.jpg"]


async def test_a_file_without_an_outcome_is_taken_as_it_is(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """A kill came between the file and its line: nothing is asked, its hash is computed."""
    run = await begun(server, tmp_path / "out")
    journal = run.out / "_rheo" / "journals" / "000000.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(line for line in lines if b'"00000000005"' not in line))
    await work_on_shard(run.tasks[0])
    run.check()
    assert fetched(server) == ["/last.jpg"]
    row = run.manifest()[5]
    digest = hashlib.sha256(body_for("/5.jpg")).hexdigest()
    assert (row["hash"], row["status"]) == (f"sha256:{digest}", None)


async def test_files_of_another_run_are_not_taken(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """Without a journal of this very list, a name says nothing."""
    run = planned(tmp_path / "out", rows_of(server, 3), compute_hash="sha256")
    folder = run.out / "part-000000"
    folder.mkdir()
    (folder / "00000000001.jpg").write_bytes(b"of another list")
    (folder / "00000000777.jpg").write_bytes(b"too")
    (folder / "notes.txt").write_bytes(b"mine")
    await work_on_shard(run.tasks[0])
    assert (folder / "notes.txt").read_bytes() == b"mine"
    (folder / "notes.txt").unlink()
    run.check()


@pytest.mark.parametrize("what", ["scratch", "journal"])
async def test_a_lost_disk_costs_the_shard(
    server: MisbehavingServer, tmp_path: Path, what: str
) -> None:
    scratch = tmp_path / "scratch"
    worker = WorkerOptions(scratch=scratch)
    run = await begun(server, tmp_path / "out", worker, layout="tar")
    if what == "scratch":
        shutil.rmtree(scratch)
    else:
        shutil.rmtree(run.out / "_rheo" / "journals")
    facts = await work_on_shard(run.tasks[0], worker)
    assert facts.counts == {"completed": 11}
    assert len(fetched(server)) == 11
    tar = (run.out / "part-000000.tar").read_bytes()
    assert facts.parts["part-000000.tar"].sha256 == hashlib.sha256(tar).hexdigest()


async def test_a_shard_begun_twice_is_refused(server: MisbehavingServer, tmp_path: Path) -> None:
    stuck = Stuck()
    run = planned(tmp_path / "out", [Row(server.on("/a.jpg", stuck))])
    first = asyncio.ensure_future(work_on_shard(run.tasks[0]))
    await server.wait_for_requests(1)
    with pytest.raises(ShardBusyError, match="is working on it"):
        await work_on_shard(run.tasks[0])
    stuck.opened.set()
    await first
    run.check()
    assert len(server.requests) == 1


async def test_an_object_store_with_two_workers(server: MisbehavingServer, tmp_path: Path) -> None:
    """No lock reaches both. The last one makes all parts its own, so that they agree."""
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    run = planned(tmp_path / "out", rows_of(server, 5), layout="tar")
    memory.put(str(run.out), "/two/run", recursive=True)
    task = ShardTask("memory://two/run", 0)
    works: list[Awaitable[object]] = [
        work_on_shard(task, WorkerOptions(scratch=tmp_path / name)) for name in ("a", "b")
    ]
    await asyncio.gather(*works)
    facts = json.loads(memory.cat("/two/run/part-000000.json"))
    for name, part in facts["parts"].items():
        assert hashlib.sha256(memory.cat(f"/two/run/{name}")).hexdigest() == part["sha256"]


async def test_trouble_of_the_worker_fails_no_entry(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """A disk that takes no file says nothing about the URLs."""
    run = await begun(server, tmp_path / "out")
    obstacle = run.out / "part-000000" / "00000000010.jpg"
    obstacle.mkdir()
    with pytest.raises(ShardError, match="not a regular file") as caught:
        await work_on_shard(run.tasks[0])
    assert caught.value.failure is FailureKind.DESTINATION
    obstacle.rmdir()
    await work_on_shard(run.tasks[0])
    run.check()


def test_an_outcome_survives_its_line() -> None:
    outcome = EntryOutcome("00000000000", "failed", error='a "b"\n\u2028', attempts=3, seconds=0.5)
    assert EntryOutcome.from_line(outcome.to_line()) == outcome
    assert outcome.to_line().count(b"\n") == 1


@pytest.mark.parametrize("layout", ["files", "tar"])
async def test_a_journal_of_somebody_else_removes_and_stores_no_other_file(
    server: MisbehavingServer, tmp_path: Path, layout: str
) -> None:
    run = await begun(server, tmp_path / "out", layout=layout)
    private = tmp_path / "private"
    private.write_bytes(b"mine")
    journal = run.out / "_rheo" / "journals" / "000000.jsonl"
    forged = [
        EntryOutcome(f"{place:011}", "completed", file=str(private), size=size)
        for place, size in enumerate((4, 5))
    ]
    head = b"".join(journal.read_bytes().splitlines(keepends=True)[:2])
    journal.write_bytes(head + b"".join(each.to_line() for each in forged))
    facts = await work_on_shard(run.tasks[0])
    assert facts.counts == {"completed": 11}
    assert private.read_bytes() == b"mine"
    assert {row["file"] for row in run.manifest()} == {f"{place:011}.jpg" for place in range(11)}


@pytest.mark.parametrize("layout", ["files", "tar"])
async def test_a_link_among_the_files_is_no_result(
    server: MisbehavingServer, tmp_path: Path, layout: str
) -> None:
    """With a journal of somebody else, it would bring a private file into the results."""
    run = await begun(server, tmp_path / "out", layout=layout)
    folder = run.out / ("part-000000" if layout == "files" else "_rheo/work/part-000000")
    private = tmp_path / "private"
    private.write_bytes(b"?" * len(body_for("/1.jpg")))
    noted, unnoted = folder / "00000000001.jpg", folder / "00000000010.jpg"
    noted.unlink()
    for path in (noted, unnoted):
        path.symlink_to(private)
    await work_on_shard(run.tasks[0])
    assert fetched(server) == ["/1.jpg", "/last.jpg"]
    assert private.exists()
    if layout == "tar":
        assert b"????" not in (run.out / "part-000000.tar").read_bytes()
    else:
        run.check()


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
@pytest.mark.parametrize("layout", ["files", "tar"])
async def test_results_are_not_written_through_a_link(
    server: MisbehavingServer, tmp_path: Path, layout: str, link: Callable[[Path, Path], None]
) -> None:
    run = await begun(server, tmp_path / "out", layout=layout)
    private = tmp_path / "private"
    private.write_bytes(b"private")
    link(run.out / "_rheo/journals/000000.parquet", private)
    if layout == "tar":
        link(run.out / "_rheo/work/part-000000/shard.tar", private)
    await work_on_shard(run.tasks[0])
    assert private.read_bytes() == b"private"
    assert len(run.manifest()) == 11


@pytest.mark.parametrize("link", ["part-000000", "_rheo/journals"])
async def test_a_link_in_the_output_folder_leads_no_file_elsewhere(
    server: MisbehavingServer, tmp_path: Path, link: str
) -> None:
    run = planned(tmp_path / "out", rows_of(server, 2))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (run.out / link).symlink_to(elsewhere)
    with pytest.raises(OSError, match="a symbolic link in an output folder"):
        await work_on_shard(run.tasks[0])
    assert not server.requests and not list(elsewhere.iterdir())


@pytest.mark.parametrize("form", ["writable", "link", "file"])
async def test_a_scratch_folder_that_others_prepared_is_refused(
    server: MisbehavingServer, tmp_path: Path, form: str
) -> None:
    """Its name can be guessed, and a journal there would vouch for any file."""
    scratch = tmp_path / "scratch"
    run = planned(tmp_path / "out", rows_of(server, 2), layout="tar")
    task, worker = run.tasks[0], WorkerOptions(scratch=scratch)
    paths = ShardPaths.of(task, run.plan, open_target(task.out), scratch)
    own = paths.scratch
    assert own is not None
    scratch.mkdir()
    if form == "writable":
        own.mkdir()
        own.chmod(0o777)
    elif form == "link":
        own.symlink_to(tmp_path)
    else:
        own.touch()
    with pytest.raises(OSError, match=r"others may write to this folder|File exists"):
        await work_on_shard(task, worker)
    assert not server.requests
    own.rmdir() if form == "writable" else own.unlink()
    paths.make()
    assert stat.S_IMODE(own.stat().st_mode) == 0o700
    assert (await work_on_shard(task, worker)).counts == {"completed": 2}
    assert not list(scratch.iterdir())
