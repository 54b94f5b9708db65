"""A run as a watcher sees it: from the files of its folder, and of those only the new ones."""

import errno
import os
import shutil
import time
import uuid
from collections import Counter
from io import BufferedReader
from pathlib import Path

import pytest

from rheo_core.domain.fleet import (
    STOP_NAME,
    EntryOutcome,
    FleetStatus,
    RunningShard,
    facts_name,
    key_of,
)
from rheo_core.domain.fleet_view import FleetView, ShardRow, ShardState
from rheo_core.fleet.error_kinds import may_pass
from rheo_core.fleet.failed_entries import failed_entries, url_of
from rheo_core.fleet.journal import Journal
from rheo_core.fleet.journal_progress import RateMeter
from rheo_core.fleet.passes import plan_pass
from rheo_core.fleet.planning import PlanError
from rheo_core.fleet.rows import Row
from rheo_core.fleet.shard import work_on_shard
from rheo_core.fleet.status import read_status, store_status
from rheo_core.fleet.targets import LocalTarget, Target, open_target
from rheo_core.fleet.watching import FleetWatcher
from tests.fleet.runs import FleetRun, gone, planned, rows_of
from tests.servers.misbehaving import Exchange, MisbehavingServer


async def busy(exchange: Exchange) -> None:
    await exchange.head("503 Service Unavailable", Content_Length=0)


def some_run(server: MisbehavingServer, folder: Path) -> FleetRun:
    """Return a run of three shards, the first with failures of three kinds."""
    rows = rows_of(server, 12)
    rows[1] = Row(server.on("/gone.jpg", gone))
    rows[2] = Row(server.on("/busy.jpg?token=secret", busy))
    rows[3] = Row("ftp://x", problem="row 4: scheme 'ftp'")
    return planned(folder, rows, shard_size=4)


def row_of(view: FleetView, shard: int, pass_number: int = 1) -> ShardRow:
    return next(row for row in view.rows if row.id == (shard, pass_number))


def copied(run: FleetRun) -> Target:
    """Return the folder of a run in an object store."""
    target = open_target(f"memory://{uuid.uuid4()}/out")
    for path in run.out.rglob("*"):
        if path.is_file() and "journals" not in path.parts:
            target.put(str(path.relative_to(run.out)), path.read_bytes())
    return target


@pytest.fixture
async def run(server: MisbehavingServer, tmp_path: Path) -> FleetRun:
    """A run whose first shard is complete."""
    run = some_run(server, tmp_path / "out")
    await work_on_shard(run.tasks[0])
    return run


@pytest.mark.parametrize("is_store", [False, True], ids=["folder", "store"])
async def test_the_sums_are_those_of_the_status(run: FleetRun, is_store: bool) -> None:
    target = copied(run) if is_store else open_target(str(run.out))
    view, status = FleetWatcher(target).look(), read_status(target, run.plan)
    assert (view.state, view.shards, view.shards_done) == ("stopped", 3, 1)
    assert (view.entries, view.completed, view.failed, view.left) == (12, 1, 3, 8)
    assert view.bytes == status.bytes
    assert dict(view.errors) == status.errors == {"http_404": 1, "http_503": 1, "unreadable": 1}
    assert view.hosts == (("127.0.0.1", 2),)
    assert (view.workers, view.read, view.to_read) == (1, 1, 1)
    assert [row.id for row in view.rows] == [(0, 1), (1, 1), (2, 1)]
    done = row_of(view, 0)
    assert (done.state, done.completed, done.failed) == (ShardState.DONE, 1, 3)
    assert done.seconds and done.entries_per_second > 0 and done.worker
    assert row_of(view, 1) == ShardRow(1, 1, 4)


async def test_the_failed_entries_have_their_reasons(run: FleetRun) -> None:
    for target in (open_target(str(run.out)), copied(run)):
        failed = list(failed_entries(target, 0, 1))
        assert [each.kind for each in failed] == ["http_404", "http_503", "unreadable"]
        assert "404" in failed[0].error and "ftp" in failed[2].error
        assert "secret" not in failed[1].url
        whole = url_of(target, 0, failed[1].key)
        assert whole is not None and whole.endswith("/busy.jpg?token=secret")
        assert url_of(target, 0, key_of(1, 0)) is None
        assert list(failed_entries(target, 1, 1)) == []


async def test_damage_is_one_sentence(run: FleetRun) -> None:
    (run.out / "part-000000.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"part-000000.parquet is damaged"):
        list(failed_entries(open_target(str(run.out)), 0, 1))
    (run.out / facts_name(1)).write_text("{")
    view = FleetWatcher(open_target(str(run.out))).look()
    assert view.problem == "part-000001.json is damaged; remove it, and run the fleet again"
    assert (view.shards_done, view.read, view.to_read) == (1, 1, 1)


@pytest.mark.parametrize(
    "number", ['"bytes":1' + "0" * 400, '"entries":-1' + "0" * 20, '"seconds":NaN']
)
async def test_a_number_that_nobody_can_show_is_damage(run: FleetRun, number: str) -> None:
    (run.out / facts_name(1)).write_text(f'{{"shard":1,{number}}}')
    view = FleetWatcher(open_target(str(run.out))).look()
    assert view.problem.startswith("part-000001.json is damaged")


def test_a_status_without_a_finite_rate_is_passed_over(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    run = planned(tmp_path / "out", rows_of(server, 2))
    now = time.time()
    status = FleetStatus("running", now, now, 1, entries_per_second=float("nan"))
    store_status(open_target(str(run.out)), status)
    view = FleetWatcher(open_target(str(run.out))).look()
    assert (view.state, view.entries_per_second) == ("stopped", 0.0)


# Shards at work


def test_a_journal_is_read_while_it_grows(server: MisbehavingServer, tmp_path: Path) -> None:
    run = some_run(server, tmp_path / "out")
    folder = run.out / "_rheo" / "journals"
    folder.mkdir()
    watcher, key = FleetWatcher(open_target(str(run.out))), key_of(0, 0)
    with Journal(folder / "000000.jsonl", "run") as journal:
        assert row_of(watcher.look(), 0).state is ShardState.RUNNING
        journal.note(EntryOutcome(key, "completed", f"{key}.bin", size=700))
        journal.flush()
        view = watcher.look()
        assert (view.state, view.completed, view.bytes, view.shards_running) == (
            "running",
            1,
            700,
            1,
        )
        journal.note(EntryOutcome(key_of(0, 1), "failed", kind="dns", error="a\x1b[2Jb"))
        journal.flush()
        with (folder / "000000.jsonl").open("ab") as torn:
            torn.write(b'{"key":"0000000')
        view = watcher.look()
        assert (view.completed, view.failed, view.errors) == (1, 1, (("dns", 1),))
        row = row_of(view, 0)
        assert (row.ended, row.bytes) == (2, 700) and row.worker and row.entries_per_second > 0
        failed = list(failed_entries(open_target(str(run.out)), 0, 1))
        assert [(each.key, each.kind) for each in failed] == [(key_of(0, 1), "dns")]
        assert failed[0].url == run.rows[1].url
    with Journal(folder / "000000.jsonl", "another run"):  # empties it
        assert watcher.look().completed == 0


def test_a_pipe_in_the_place_of_a_journal_is_not_waited_for(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    run = some_run(server, tmp_path / "out")
    (run.out / "_rheo" / "journals").mkdir()
    os.mkfifo(run.out / "_rheo" / "journals" / "000000.jsonl")
    assert row_of(FleetWatcher(open_target(str(run.out))).look(), 0).completed == 0


def test_a_journal_without_a_worker_is_a_stopped_shard(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = some_run(server, tmp_path / "out")
    (run.out / "_rheo" / "journals").mkdir()
    with Journal(run.out / "_rheo" / "journals" / "000002.jsonl", "run"):
        pass
    watcher = FleetWatcher(open_target(str(run.out)))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    view = watcher.look()
    assert (view.state, row_of(view, 2).state) == ("stopped", ShardState.STOPPED)
    assert view.rows[0].shard == 2
    (run.out / "_rheo" / "journals" / "000002.jsonl").unlink()
    assert row_of(watcher.look(), 2).state is ShardState.QUEUED


def test_a_driver_says_what_it_gave_to_its_cluster(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    target = open_target(str(some_run(server, tmp_path / "out").out))
    running = (RunningShard(1, since=1_000.0, attempt=3),)
    status = FleetStatus(
        "running",
        1.0,
        time.time(),
        3,
        entries_per_second=7.0,
        running=running,
        message="shard 1: x",
    )
    store_status(target, status)
    watcher = FleetWatcher(target)
    view = watcher.look()
    assert (view.state, view.entries_per_second, view.problem) == ("running", 7.0, "shard 1: x")
    assert view.seconds_left == pytest.approx(12 / 7)
    assert (view.rows[0].state, view.rows[0].attempt, view.rows[0].since) == ("running", 3, 1_000.0)
    store_status(target, FleetStatus("stopped", 1.0, time.time(), 3))
    view = watcher.look()
    assert (view.state, view.seconds_left) == ("stopped", None)
    assert row_of(view, 1).state is ShardState.QUEUED


def test_a_request_to_stop_is_seen(server: MisbehavingServer, tmp_path: Path) -> None:
    target = open_target(str(some_run(server, tmp_path / "out").out))
    watcher = FleetWatcher(target)
    assert not watcher.look().stop_requested
    target.put(STOP_NAME, b"")
    assert watcher.look().stop_requested


# Only what is new


class CountingTarget(LocalTarget):
    """A folder that counts what is read from it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.calls: Counter[str] = Counter()

    def names(self, folder: str = "") -> list[str]:
        self.calls[f"names of {folder}"] += 1
        return super().names(folder)

    def open(self, name: str) -> BufferedReader:
        self.calls["facts" if name.startswith("part-") else name] += 1
        return super().open(name)


async def test_a_look_reads_only_what_is_new(
    run: FleetRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = CountingTarget(run.out)
    watcher = FleetWatcher(target)
    assert watcher.look().shards_done == 1
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 10)  # its time proves now that it is the same
    watcher.look()
    target.calls.clear()
    for _ in range(3):
        assert watcher.look().shards_done == 1
    assert target.calls == {"names of _rheo/journals": 3}
    await work_on_shard(run.tasks[1])
    assert watcher.look().shards_done == 2
    assert target.calls["facts"] == 1 and target.calls["_rheo/plan.json"] == 0


class VanishingTarget(LocalTarget):
    """A folder whose files are gone after a number of lists of sizes."""

    left = 1_000

    def sizes(self, folder: str = "") -> dict[str, int]:
        self.left -= 1
        return super().sizes(folder) if self.left >= 0 else {}

    def names(self, folder: str = "") -> list[str]:
        return super().names(folder) if self.left > 0 else []

    def open(self, name: str) -> BufferedReader:
        if self.left > 0:
            return super().open(name)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


async def test_a_folder_that_vanishes_during_a_look_has_no_plan(run: FleetRun) -> None:
    target = VanishingTarget(run.out)
    watcher = FleetWatcher(target)
    assert watcher.look().shards_done == 1
    os.utime(run.out)
    target.left = 1
    for _ in range(2):
        with pytest.raises(PlanError, match="it has no plan"):
            watcher.look()


async def test_shards_that_are_done_again_are_read_again(
    run: FleetRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = FleetWatcher(open_target(str(run.out)))
    assert watcher.look().shards_done == 1
    (run.out / facts_name(0)).unlink()
    view = watcher.look()
    assert (view.shards_done, view.completed, view.errors, view.hosts) == (0, 0, (), ())
    await work_on_shard(run.tasks[0])
    assert watcher.look().failed == 3


async def test_a_further_pass_has_rows_of_its_own(run: FleetRun) -> None:
    for task in run.tasks[1:]:
        await work_on_shard(task)
    target = open_target(str(run.out))
    watcher = FleetWatcher(target)
    assert watcher.look().state == "complete"
    plan_pass(target, run.plan, [], may_pass)
    view = watcher.look()
    assert (view.state, view.shards, view.shards_done) == ("stopped", 4, 3)
    assert (view.completed, view.failed, view.left) == (9, 2, 1)  # one of three is tried again
    assert row_of(view, 0, 2) == ShardRow(0, 2, 1)
    assert dict(view.errors) == {"http_404": 1, "unreadable": 1}


async def test_many_shards_are_read_over_several_looks(
    run: FleetRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rheo_core.fleet.watching._LOOK_SECONDS", 0.0)
    watcher = FleetWatcher(open_target(str(run.out)))
    view = watcher.look()
    assert (view.read, view.to_read, view.entries_per_second) == (0, 1, 0.0)


def test_another_folder_is_not_a_fleet(server: MisbehavingServer, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="has no plan"):
        FleetWatcher(open_target(str(tmp_path))).look()
    run = some_run(server, tmp_path / "out")
    watcher = FleetWatcher(open_target(str(run.out)))
    watcher.look()
    shutil.move(run.out, tmp_path / "away")
    with pytest.raises(PlanError, match="has no plan"):
        watcher.look()
    shutil.move(tmp_path / "away", run.out)
    assert watcher.look().shards == 3
    shutil.rmtree(run.out)
    planned(run.out, rows_of(server, 2), shard_size=2)  # another run under the same name
    assert watcher.look().shards == 1


def test_a_rate_is_that_of_the_last_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    meter = RateMeter()
    assert meter.per_second == 0.0
    for second in range(0, 300, 2):
        now = float(second)
        meter.add(10 * second if second < 150 else 1_500)
    assert meter.per_second == 0.0
    meter.add(3)  # began again
    assert meter.per_second == 0.0
