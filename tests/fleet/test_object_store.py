"""A run in an object store that answers as S3 does: its shards, and what a kill left there."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from rheo_core.domain.fleet import ShardTask, facts_name
from rheo_core.fleet.checking import problems
from rheo_core.fleet.shard import work_on_shard
from rheo_core.fleet.shard_downloads import WorkerOptions
from rheo_core.fleet.targets import Target, open_target
from tests.fleet.runs import FleetRun, planned, rows_of
from tests.servers.misbehaving import MisbehavingServer


def stored(run: FleetRun, bucket: str) -> tuple[str, Target]:
    """Move the plan of a run into the store; return the output folder and its target."""
    out = f"s3://{bucket}/out"
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
    assert not [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()]


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
