"""`rheo fleet check`: every kind of damage is named, and a whole run is whole."""

from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from rheo_core.domain.fleet import facts_name
from rheo_core.fleet.checking import problems
from rheo_core.fleet.passes import plan_pass
from rheo_core.fleet.shard import work_on_shard
from rheo_core.fleet.targets import open_target
from tests.fleet.runs import FleetRun, planned, rows_of
from tests.servers.misbehaving import MisbehavingServer


async def complete(server: MisbehavingServer, out: Path, **options: Any) -> FleetRun:
    run = planned(out, rows_of(server, 6), shard_size=3, compute_hash="sha256", **options)
    for task in run.tasks:
        await work_on_shard(task)
    return run


def found(run: FleetRun, *, deep: bool = True) -> list[str]:
    return list(problems(open_target(str(run.out)), run.plan, deep=deep))


@pytest.mark.parametrize("layout", ["files", "tar"])
async def test_a_whole_run_has_no_problems(
    server: MisbehavingServer, tmp_path: Path, layout: str
) -> None:
    run = await complete(server, tmp_path / "out", layout=layout)
    assert found(run, deep=False) == found(run) == []


async def test_damaged_files_are_named(server: MisbehavingServer, tmp_path: Path) -> None:
    run = await complete(server, tmp_path / "out")
    folder = run.out / "part-000000"
    body = (folder / "00000000000.jpg").read_bytes()
    (folder / "00000000000.jpg").write_bytes(body[::-1])
    (folder / "00000000001.jpg").write_bytes(body[:9])
    (folder / "00000000002.jpg").rename(folder / "other.jpg")
    shallow = [
        f"part-000000/00000000001.jpg has 9 bytes instead of {len(body):,}",
        "part-000000/00000000002.jpg is missing",
        "part-000000/other.jpg is not in the manifest",
    ]
    assert found(run, deep=False) == shallow
    assert found(run) == ["part-000000/00000000000.jpg does not match its checksum", *shallow]


async def test_damaged_parts_are_named(server: MisbehavingServer, tmp_path: Path) -> None:
    run = await complete(server, tmp_path / "out", layout="tar")
    tar = run.out / "part-000000.tar"
    tar.write_bytes(tar.read_bytes()[::-1])
    (run.out / "part-000001.parquet").unlink()
    missing = "part-000001.parquet is missing"
    assert found(run, deep=False) == [missing]
    assert found(run) == ["part-000000.tar does not match its checksum", missing]
    tar.write_bytes(b"")
    assert "part-000000.tar has 0 bytes instead of " in found(run)[0]


async def test_wrong_facts_and_missing_shards_are_named(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    run = await complete(server, tmp_path / "out")
    facts = run.out / facts_name(0)
    facts.write_text(facts.read_text().replace('"entries":3', '"entries":2'))
    (run.out / facts_name(1)).unlink()
    assert found(run) == ["part-000000.json counts 2 entries, and the plan 3"]


async def test_a_damaged_manifest_is_named(server: MisbehavingServer, tmp_path: Path) -> None:
    run = await complete(server, tmp_path / "out")
    path = run.out / "part-000000.parquet"
    whole = path.read_bytes()
    footer = int.from_bytes(whole[-8:-4], "little") + 8
    no_pages = b"\xff" * (len(whole) - footer) + whole[-footer:]
    for damaged in (b"PAR1", no_pages):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"part-000000.parquet is damaged"):
            found(run)
    columns = {"key": ["00000000000"], "file": ["x"], "size": ["large"], "hash": [None]}
    parquet.write_table(pyarrow.table(columns), path)
    with pytest.raises(ValueError, match=r"part-000000.parquet is damaged: .* type int64"):
        found(run)
    with pytest.raises(
        ValueError, match=r"part-000000.parquet is damaged: [^'\n]*\"outcome\"[^'\n]*$"
    ):
        plan_pass(open_target(str(run.out)), run.plan, [], lambda _: True)
