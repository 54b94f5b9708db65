"""A run in an object store that answers as S3 does: its shards, and what a kill left there."""

import asyncio
import hashlib
import random
import re
import signal
from pathlib import Path

import pytest

from rheo_core.domain.fleet import (
    LISTS,
    ShardFacts,
    ShardTask,
    facts_name,
    from_json,
    shard_list_name,
)
from rheo_core.fleet.checking import problems
from rheo_core.fleet.columns import TableOptions
from rheo_core.fleet.list_files import digest_of, found_sources
from rheo_core.fleet.passes import read_passes
from rheo_core.fleet.rows import ListError, Row
from rheo_core.fleet.shard import work_on_shard
from rheo_core.fleet.shard_downloads import WorkerOptions
from rheo_core.fleet.shard_files import read_shard
from rheo_core.fleet.tables import read_rows
from rheo_core.fleet.targets import Target, open_target
from tests.effort import effort
from tests.faults.program import COMMAND, Ended, Home, needs_strace, strace
from tests.faults.test_kill import kill_at, some_steps
from tests.fleet.runs import FleetRun, gone, planned, rows_of
from tests.servers.misbehaving import MisbehavingServer
from tests.servers.nginx import free_port

KILLS = effort("KILLS", 3)


def stored(run: FleetRun, bucket: str, name: str = "out") -> tuple[str, Target]:
    """Copy a run into the store; return the output folder and its target."""
    out = f"s3://{bucket}/{name}"
    target = open_target(out)
    for path in run.out.rglob("*"):
        if path.is_file():
            target.put_file(str(path.relative_to(run.out)), path)
    return out, target


@pytest.mark.parametrize("layout", ["files", "tar"])
async def test_what_a_killed_worker_stored_is_replaced(
    server: MisbehavingServer, tmp_path: Path, bucket: str, layout: str
) -> None:
    """A kill came after its parts, and before its facts; another worker has no scratch of it."""
    run = planned(tmp_path / "out", rows_of(server, 6), layout=layout, compute_hash="sha256")
    out, target = await asyncio.to_thread(stored, run, bucket)
    for name in ("part-000000.tar", "part-000000.parquet"):
        target.put(name, b"cut")
    facts = await work_on_shard(ShardTask(out, 0), WorkerOptions(scratch=tmp_path / "scratch"))
    assert facts.counts == {"completed": 6}
    for name, part in facts.parts.items():
        assert hashlib.sha256(target.read(name)).hexdigest() == part.sha256
    assert await asyncio.to_thread(lambda: list(problems(target, run.plan, deep=True))) == []
    again = await work_on_shard(ShardTask(out, 0), WorkerOptions(scratch=tmp_path / "other"))
    assert again == facts and len(server.requests) == 6
    assert not list((tmp_path / "scratch").iterdir())


async def test_workers_killed_at_random_moments(
    server: MisbehavingServer, tmp_path: Path, bucket: str, home: Home
) -> None:
    """Each one goes on in its scratch folder, or after what it has stored."""
    chance, count = random.Random(5), 20 * KILLS
    run = planned(tmp_path / "out", rows_of(server, count), 20, layout="tar", concurrency=2)
    out, target = await asyncio.to_thread(stored, run, bucket)
    command = ("fleet", "work", out, "--scratch", tmp_path / "scratch")
    kills = 0
    for _ in range(KILLS):
        asked = len(server.requests)
        worker = await home.start(COMMAND, *command)
        ending = asyncio.ensure_future(worker.communicate())
        asking = asyncio.ensure_future(server.wait_for_requests(asked + chance.randint(1, 20)))
        await asyncio.wait({ending, asking}, return_when=asyncio.FIRST_COMPLETED)
        asking.cancel()
        worker.kill()
        await ending
        kills += worker.returncode == -signal.SIGKILL
    ended = await home.rheo(*command)
    assert ended.code == 0, ended.err
    assert await asyncio.to_thread(lambda: list(problems(target, run.plan, deep=True))) == []
    facts = [from_json(ShardFacts, target.read(facts_name(n))) for n in range(len(run.plan.shards))]
    assert all(each.counts == {"completed": each.entries} for each in facts)
    assert kills and len(server.requests) - count <= kills * 2 * 2  # two shards, two at a time
    assert not list((tmp_path / "scratch").iterdir())


def test_a_listing_of_many_pages_is_whole(bucket: str, tmp_path: Path) -> None:
    """S3 lists a thousand names a page."""
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    store = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    for number in range(2_001):
        store.put_object(bucket, f"out/{facts_name(number)}", b"{}")
    target = open_target(f"s3://{bucket}/out")
    assert sorted(target.names()) == [facts_name(number) for number in range(2_001)]
    assert len(target.sizes()) == 2_001


@needs_strace
async def test_a_planner_killed_at_every_step_blocks_nobody(
    server: MisbehavingServer, tmp_path: Path, bucket: str, home: Home
) -> None:
    """Each request to the store begins with a call of sendto(2) or write(2)."""
    rows = [Row(server.on(f"/{number}", gone)) for number in range(6)]
    run = planned(tmp_path / "out", rows, shard_size=2)
    for task in run.tasks:
        await work_on_shard(task)
    log = tmp_path / "log"

    async def planned_in(name: str, *before: str) -> tuple[Ended, Target]:
        out, target = await asyncio.to_thread(stored, run, bucket, name)
        command = ("fleet", "retry", out, "--plan-only", "--kind", "http_404")
        return await home.run(COMMAND, *command, before=before), target

    await planned_in("whole", *strace("-e", "trace=sendto", log=log))
    steps, killed = some_steps(log, 2 * KILLS), 0
    for number, step in enumerate(steps):
        ended, _ = await planned_in(f"out{number}", *kill_at(step, tmp_path / "killed"))
        assert ended.code in (0, -signal.SIGKILL), (step, ended.err)
        killed += ended.code != 0
        ended, target = await planned_in(f"out{number}")
        assert ended.code == 0, (step, ended.err)
        (further,) = await asyncio.to_thread(read_passes, target)
        assert further.shards == {0: 2, 1: 2, 2: 2}
        named = {shard_list_name(each, 2, further.crc32_of(each)) for each in further.shards}
        assert {f"{LISTS}/{each}" for each in target.names(LISTS) if ".p2" in each} == named
        assert all(len(list(read_shard(target, n, 2, further.crc32_of(n)))) == 2 for n in range(3))
    assert killed > len(steps) // 2


@pytest.mark.parametrize("pattern", ["list.txt", "*.txt"])
def test_a_store_that_refuses_a_list_is_one_sentence(
    bucket: str, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = f"s3://{bucket}/{pattern}"
    open_target(f"s3://{bucket}").put("list.txt", b"http://127.0.0.1/a")
    with found_sources([source]) as sources:
        assert [row.url for row in read_rows(sources[0], TableOptions())] == ["http://127.0.0.1/a"]
    pytest.importorskip("s3fs").S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    sentence = rf"^cannot read the list {re.escape(source)}: the object store refuses it: Could not"
    with pytest.raises(ListError, match=sentence), found_sources([source]) as sources:
        digest_of(sources)


def test_a_list_that_a_store_does_not_have_is_named(bucket: str) -> None:
    source = f"s3://{bucket}/list.txt"
    with pytest.raises(ListError, match=rf"^cannot read the list {source}: it does not exist$"):
        digest_of([source])
