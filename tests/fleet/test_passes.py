"""Further passes: failed entries are tried again under their keys, and the last result counts."""

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rheo_core.domain.failures import FailureKind
from rheo_core.domain.fleet import (
    LISTS,
    EntryOutcome,
    FleetPass,
    FleetPlan,
    FleetStatus,
    pass_name,
    shard_list_name,
    to_json,
)
from rheo_core.events import ErrorInfo
from rheo_core.fleet.checking import problems
from rheo_core.fleet.error_kinds import HOST_DOWN, is_kind, kind_of, may_pass
from rheo_core.fleet.manifest import write_manifest
from rheo_core.fleet.passes import PassTakenError, plan_pass, read_passes
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


def keys_of(target: Target, planned: FleetPass, shard: int) -> list[str]:
    """Return the keys of a shard in a retry pass."""
    entries = read_shard(target, shard, planned.number, planned.crc32_of(shard))
    return [entry.key for entry in entries]


def lists_of(target: Target, number: int) -> set[str]:
    """Return the names of all lists of a retry pass."""
    return {name for name in target.names(LISTS) if f".p{number}-" in name}


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
    assert further is not None
    assert (further.number, further.shards, further.errors) == (2, {1: 2}, {"http_503": 2})
    assert read_passes(target) == [further]
    assert keys_of(target, further, 1) == ["00000100001", "00000100002"]

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
    assert third is not None
    assert (third.number, third.shards, third.errors) == (3, {1: 1}, {"http_404": 1})


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


@pytest.mark.parametrize("other", ["timeout", "dns"])
def test_the_first_of_two_plans_of_a_pass_counts(
    failed_run: tuple[Target, FleetPlan], monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    """The lists of both exist for a while; the pass names those of the first one."""
    target, plan = failed_run
    create = type(target).create

    def overtaken(self: Target, name: str, data: bytes) -> bool:
        monkeypatch.setattr(type(target), "create", create)
        assert plan_pass(target, plan, [], other.__eq__) is not None
        return create(self, name, data)

    monkeypatch.setattr(type(target), "create", overtaken)
    if other == "dns":  # the same entries: it does not matter who planned them
        assert plan_pass(target, plan, [], "dns".__eq__) == read_passes(target)[0]
    else:
        with pytest.raises(PassTakenError, match=r"^another process has just planned pass 2$"):
            plan_pass(target, plan, [], "dns".__eq__)
    (first,) = read_passes(target)
    shard = ["dns", "timeout"].index(other)
    assert (first.shards, first.errors) == ({shard: 1}, {other: 1})
    assert keys_of(target, first, shard) == [f"{shard:06d}00000"]
    assert len(lists_of(target, 2)) == 1


@pytest.mark.parametrize("call", ["put", "create"])
def test_a_planner_that_is_killed_keeps_nobody_away(
    failed_run: tuple[Target, FleetPlan], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    target, plan = failed_run
    stored = getattr(type(target), call)

    def killed(self: Target, name: str, data: bytes) -> None:
        if call == "put":
            stored(self, name, data)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(target), call, killed)
        with pytest.raises(KeyboardInterrupt):
            plan_pass(target, plan, [], "dns".__eq__)
    assert len(lists_of(target, 2)) == 1
    further = plan_pass(target, plan, [], "timeout".__eq__)
    assert further is not None and further.shards == {1: 1}
    assert len(lists_of(target, 2)) == 1


def test_a_slow_planner_leaves_the_lists_of_a_later_pass_alone(
    failed_run: tuple[Target, FleetPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it was slow, the others planned this pass, and are about to plan the next one."""
    target, plan = failed_run
    create, later = type(target).create, shard_list_name(0, 3, crc32=7)

    def overtaken(self: Target, name: str, data: bytes) -> bool:
        assert create(self, name, to_json(FleetPass(2, {1: 1}, {})).encode())
        self.put(later, b"of the next pass")
        return create(self, name, data)

    monkeypatch.setattr(type(target), "create", overtaken)
    with pytest.raises(PassTakenError):
        plan_pass(target, plan, [], "dns".__eq__)
    assert lists_of(target, 2) == set()
    assert target.exists(later)


async def test_lists_of_an_earlier_version_have_no_checksum(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    run = planned(tmp_path / "out", rows(server), shard_size=3, keep=("n",))
    target = open_target(str(run.out))
    await drive(run)
    further = plan_pass(target, run.plan, [], may_pass)
    assert further is not None
    data = target.read(shard_list_name(1, 2, further.crc32_of(1)))
    target.remove(shard_list_name(1, 2, further.crc32_of(1)))
    target.put(shard_list_name(1, 2), data)
    target.put(pass_name(2), b'{"number":2,"shards":{"1":2},"errors":{"http_503":2}}')
    assert (await drive(run)).counts == {"completed": 8, "failed": 1}


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
