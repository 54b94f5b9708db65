"""Further passes: failed entries are tried again under their keys, and the last result counts."""

import asyncio
import os
import platform
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rheo_core.domain.failures import FailureKind
from rheo_core.domain.fleet import EntryOutcome, FleetPass, FleetPlan, FleetStatus, pass_name
from rheo_core.events import ErrorInfo
from rheo_core.fleet.checking import problems
from rheo_core.fleet.error_kinds import HOST_DOWN, is_kind, kind_of, may_pass
from rheo_core.fleet.manifest import write_manifest
from rheo_core.fleet.passes import PassBusyError, plan_pass, read_passes
from rheo_core.fleet.rows import Row
from rheo_core.fleet.shard import run_shard
from rheo_core.fleet.shard_files import ShardWriter, read_shard
from rheo_core.fleet.shard_scheduler import Pace, ShardScheduler
from rheo_core.fleet.status import read_status
from rheo_core.fleet.targets import Target, open_target
from tests.fleet.runs import FleetRun, gone, planned, rows_of, serve
from tests.servers.misbehaving import Exchange, MisbehavingServer


async def busy_at_first(exchange: Exchange) -> None:
    """Answer the first request with 503, and others with the file."""
    if exchange.number == 1:
        await exchange.head("503 Service Unavailable", Content_Length=0)
    else:
        await serve(exchange)


def rows(server: MisbehavingServer) -> list[Row]:
    """Nine rows in three shards: good, gone, and busy at first."""
    good, others = rows_of(server, 6), []
    for number in range(3):
        behaviour = gone if number == 0 else busy_at_first
        others.append(Row(server.on(f"/other{number}.jpg", behaviour), extra={"n": number}))
    return [*good[:3], *others, *good[3:]]


async def drive(run: FleetRun) -> FleetStatus:
    """Complete all passes of a run, in threads."""

    def complete() -> FleetStatus:
        with ThreadPoolExecutor(2) as threads:
            target, pace = open_target(str(run.out)), Pace(0.01, 0.01)
            return ShardScheduler(
                target, str(run.out), run.plan, threads, 2, run_shard, pace=pace
            ).run()

    return await asyncio.to_thread(complete)


async def test_failed_entries_are_tried_again(server: MisbehavingServer, tmp_path: Path) -> None:
    run = planned(tmp_path / "out", rows(server), shard_size=3, keep=("n",))
    target = open_target(str(run.out))
    first = await drive(run)
    assert (first.counts, first.errors) == (
        {"completed": 6, "failed": 3}, {"http_404": 1, "http_503": 2},
    )  # fmt: skip
    further = plan_pass(target, run.plan, [], may_pass)
    assert further == FleetPass(2, {1: 2}, {"http_503": 2})
    assert read_passes(target) == [further]
    assert [entry.key for entry in read_shard(target, 1, 2)] == ["00000100001", "00000100002"]

    waiting = read_status(target, run.plan)
    assert (waiting.state, waiting.shards, waiting.shards_done) == ("stopped", 4, 3)
    assert (waiting.entries_done, waiting.counts) == (7, {"completed": 6, "failed": 1})

    last = await drive(run)
    assert (last.state, last.entries_done) == ("complete", 9)
    assert (last.counts, last.errors) == ({"completed": 8, "failed": 1}, {"http_404": 1})
    assert read_status(target, run.plan).counts == last.counts
    files = {path.name for path in (run.out / "part-000001.p2").iterdir()}
    assert files == {"00000100001.jpg", "00000100002.jpg"}
    assert list(problems(target, run.plan, deep=True)) == []
    assert plan_pass(target, run.plan, [further], may_pass) is None
    third = plan_pass(target, run.plan, [further], lambda kind: True)
    assert third == FleetPass(3, {1: 1}, {"http_404": 1})


@pytest.fixture(params=["folder", "store"])
def failed_run(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Target, FleetPlan]:
    """A complete run of two shards, each with a failure of another kind."""
    out = str(tmp_path / "out") if request.param == "folder" else f"memory://{uuid.uuid4()}/out"
    target = open_target(out)
    writer = ShardWriter(target, 1)
    kinds = ["dns", "timeout"]
    for kind in kinds:
        writer.add(0, Row(f"http://{kind}.invalid/"))
    plan = FleetPlan("sha256:0", 2, 0, 1, writer.finish(), shard_size=1)
    for shard, kind in enumerate(kinds):
        entries = list(read_shard(target, shard, crc32=plan.crc32_of(shard)))
        outcomes = {each.key: EntryOutcome(each.key, "failed", kind=kind) for each in entries}
        path = tmp_path / "manifest"
        write_manifest(path, entries, outcomes, ())
        target.put_file(f"part-{shard:06d}.parquet", path)
        path.unlink(missing_ok=True)
    return target, plan


def test_two_plans_of_a_pass_do_not_mix(failed_run: tuple[Target, FleetPlan]) -> None:
    """The lists of both would have the same names, and the last one written would count."""
    target, plan = failed_run
    refused: list[str] = []

    def wanted_by_the_first(kind: str) -> bool:
        with pytest.raises(PassBusyError) as error:
            plan_pass(target, plan, [], "timeout".__eq__)
        refused.append(str(error.value))
        return kind == "dns"

    assert plan_pass(target, plan, [], wanted_by_the_first) == FleetPass(2, {0: 1}, {"dns": 1})
    assert {each.partition(";")[0] for each in refused} == {
        f"process {os.getpid()} on {platform.node()} is planning pass 2"
    }
    with pytest.raises(PassBusyError, match=r"^another process has just planned pass 2$"):
        plan_pass(target, plan, [], "timeout".__eq__)
    assert [each.key for each in read_shard(target, 0, 2)] == ["00000000000"]
    assert not target.exists("_rheo/shards/000001.p2.jsonl.gz")
    assert not target.exists("_rheo/planning")


def test_a_plan_that_fails_or_is_killed_keeps_nobody_away(
    failed_run: tuple[Target, FleetPlan],
) -> None:
    target, plan = failed_run

    def fail(kind: str) -> bool:
        raise RuntimeError(kind)

    with pytest.raises(RuntimeError):
        plan_pass(target, plan, [], fail)
    if target.path is not None:
        target.put("_rheo/planning", b"torn by a kill")
    else:
        target.put("_rheo/planning", b'{"host":"h","pid":7}\n')
        hint = r"^process 7 on h is planning pass 2; if it was killed, remove _rheo/planning$"
        with pytest.raises(PassBusyError, match=hint):
            plan_pass(target, plan, [], may_pass)
        target.remove("_rheo/planning")
    assert plan_pass(target, plan, [], may_pass) is not None


def test_no_file_of_somebody_else_becomes_a_claim(tmp_path: Path) -> None:
    target = open_target(str(tmp_path / "out"))
    (tmp_path / "mine").write_bytes(b"precious")
    target.put("_rheo/x", b"")
    (tmp_path / "out/_rheo/planning").hardlink_to(tmp_path / "mine")
    plan = FleetPlan("sha256:0", 0, 0, 1, ())
    with pytest.raises(OSError, match="is a link to another file"):
        plan_pass(target, plan, [], may_pass)
    assert (tmp_path / "mine").read_bytes() == b"precious"
    assert target.exists("_rheo/planning")


@pytest.mark.parametrize(
    "content",
    [
        "{",
        '{"number":3,"shards":{"0":1},"errors":{}}',
        '{"number":2,"shards":{"7":1},"errors":{}}',
        '{"number":2,"shards":{"-1":1},"errors":{}}',
    ],
)
async def test_a_damaged_pass_is_named(
    server: MisbehavingServer, tmp_path: Path, content: str
) -> None:
    run = planned(tmp_path / "out", rows(server))
    target = open_target(str(run.out))
    target.put(pass_name(2), content.encode())
    with pytest.raises(ValueError, match=r"pass-2.json is damaged; remove it to continue"):
        await drive(run)


@pytest.mark.parametrize("kind", FailureKind)
def test_every_kind_that_a_manifest_has_can_be_tried_again(kind: FailureKind) -> None:
    assert is_kind(kind_of(ErrorInfo(exc_type="x", message="x", kind=kind)))
    assert is_kind(kind_of(ErrorInfo(exc_type="x", message="x", kind=kind, http_status=503)))
    assert is_kind(HOST_DOWN)
