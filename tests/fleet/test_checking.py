"""`rheo fleet check`: every kind of damage is named, and a whole run is whole."""

import hashlib
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from rheo_core.domain.fleet import (
    EntryOutcome,
    FleetEntry,
    LayoutName,
    PartFacts,
    ShardFacts,
    facts_name,
    part_name,
    shard_list_name,
    to_json,
)
from rheo_core.fleet.checking import problems
from rheo_core.fleet.journal import Journal
from rheo_core.fleet.layouts import LAYOUTS
from rheo_core.fleet.layouts.tar import head_of_member
from rheo_core.fleet.manifest import write_manifest
from rheo_core.fleet.passes import plan_pass
from rheo_core.fleet.rows import Row
from rheo_core.fleet.shard import _digest_of_list, work_on_shard
from rheo_core.fleet.shard_paths import ShardPaths
from rheo_core.fleet.targets import open_target
from tests.fleet.runs import FleetRun, body_for, planned, rows_of
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


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("layout", ["files", "tar"])
async def test_a_link_in_place_of_a_result_is_named(
    server: MisbehavingServer, tmp_path: Path, layout: LayoutName, deep: bool
) -> None:
    """The same bytes are behind it, but nobody knows for how long."""
    run = await complete(server, tmp_path / "out", layout=layout)
    names = {
        "files": ("part-000000/00000000001.jpg", "part-000001.parquet"),
        "tar": ("part-000000.tar", "part-000001.parquet"),
    }[layout]
    for name in names:
        path, elsewhere = run.out / name, tmp_path / Path(name).name
        path.rename(elsewhere)
        path.symlink_to(elsewhere)
    assert found(run, deep=deep) == [f"{name} is not a regular file" for name in names]


@pytest.mark.parametrize("deep", [False, True])
async def test_a_link_in_place_of_a_folder_of_results_is_named(
    server: MisbehavingServer, tmp_path: Path, deep: bool
) -> None:
    run = await complete(server, tmp_path / "out")
    (run.out / "part-000001").rename(tmp_path / "elsewhere")
    (run.out / "part-000001").symlink_to(tmp_path / "elsewhere")
    (run.out / "part-000000/00000000001.jpg").unlink()
    (run.out / "part-000000/00000000001.jpg").symlink_to(tmp_path / "nothing")
    expected = ["part-000000/00000000001.jpg is missing", "part-000001 is a symbolic link"]
    assert found(run, deep=deep) == expected
    linked = tmp_path / "linked"
    linked.symlink_to(run.out)  # the output folder itself may be reached by a link
    assert list(problems(open_target(str(linked)), run.plan, deep=deep)) == expected


@pytest.mark.parametrize("layout", ["files", "tar"])
async def test_a_file_that_somebody_planted_is_downloaded_again(
    server: MisbehavingServer, tmp_path: Path, layout: LayoutName
) -> None:
    """Its journal, in the folder of somebody else, repeats the checksum of the list."""
    (row,) = rows_of(server, 1)
    body = body_for("/0.jpg")
    row = row._replace(hash=f"sha256:{hashlib.sha256(body).hexdigest()}")
    run = planned(tmp_path / "out", [row], layout=layout)
    target = open_target(str(run.out))
    paths = ShardPaths.of(run.tasks[0], run.plan, target, None)
    paths.make()
    paths.folder.mkdir(parents=True)
    (paths.folder / "00000000000.jpg").write_bytes(body[::-1])
    with Journal(paths.journal, _digest_of_list(target, run.plan, run.tasks[0])) as journal:
        journal.note(
            EntryOutcome(
                "00000000000", "completed", "00000000000.jpg", 200, len(body), hash=row.hash
            )
        )
        journal.flush()
    await work_on_shard(run.tasks[0])
    assert stored_file(run) == body
    assert found(run) == []


def stored_file(run: FleetRun) -> bytes:
    if run.plan.layout == "files":
        return (run.out / "part-000000" / "00000000000.jpg").read_bytes()
    with tarfile.open(run.out / "part-000000.tar") as tar:
        member = tar.extractfile("00000000000.jpg")
        assert member is not None
        return member.read()


def planted(run: FleetRun, body: bytes, **changes: Any) -> None:
    """Store results of the first entry as somebody else would: all of them agree."""
    folder, part = run.out.parent / "planted", part_name(0)
    folder.mkdir()
    (folder / "00000000000.jpg").write_bytes(body)
    fields = {"file": "00000000000.jpg", "size": len(body), **changes}
    outcome = EntryOutcome("00000000000", "completed", **fields)
    parts = LAYOUTS[run.plan.layout].store(
        folder, part, [replace(outcome, file="00000000000.jpg", size=len(body))],
        open_target(str(run.out)),
    )  # fmt: skip
    path = run.out / f"{part}.parquet"
    entries = [FleetEntry("00000000000", run.rows[0].url)]
    write_manifest(path, entries, {"00000000000": outcome}, ())
    content = path.read_bytes()
    parts[path.name] = PartFacts(len(content), hashlib.sha256(content).hexdigest())
    facts = ShardFacts(0, entries=1, counts={"completed": 1}, parts=parts)
    (run.out / facts_name(0)).write_text(to_json(facts))


SHA = hashlib.sha256(b"good").hexdigest()


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        ("files", "part-000000/00000000000.jpg"),
        ("tar", "00000000000.jpg in part-000000.tar"),
    ],
)
@pytest.mark.parametrize("stated", [None, SHA, hashlib.sha256(b"evil").hexdigest()])
def test_files_are_compared_with_the_checksums_of_the_list(
    tmp_path: Path, layout: LayoutName, name: str, stated: str | None
) -> None:
    rows = [Row("http://127.0.0.1:1/a.jpg", hash=f"sha256:{SHA}")]
    for body in (b"evil", b"good"):
        run = planned(tmp_path / body.decode() / "out", rows, layout=layout)
        planted(run, body, hash=f"sha256:{stated}" if stated else None)
        is_good = body == b"good" and stated in (None, SHA)
        assert found(run) == ([] if is_good else [f"{name} does not match its checksum"])
        assert found(run, deep=False) == []


@pytest.mark.parametrize(
    "changes",
    [{"size": 5}, {"size": 3}, {"size": None}, {"size": 2**63 - 1}, {"file": "x"}],
    ids=str,
)
def test_a_tar_that_is_not_that_of_its_manifest_is_named(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    run = planned(tmp_path / "out", [Row("http://127.0.0.1:1/a.jpg")], layout="tar")
    planted(run, b"good", **changes)
    name = changes.get("file", "00000000000.jpg")
    assert found(run) == [f"part-000000.tar does not have {name} at byte 0"]


def test_a_tar_that_promises_more_than_it_has_is_named(tmp_path: Path) -> None:
    run = planned(tmp_path / "out", [Row("http://127.0.0.1:1/a.jpg")], layout="tar")
    planted(run, b"good", size=2**62)
    tar = head_of_member("00000000000.jpg", None, 2**62) + b"good"
    (run.out / "part-000000.tar").write_bytes(tar)
    facts = json.loads((run.out / facts_name(0)).read_text())
    facts["parts"]["part-000000.tar"] = {
        "size_bytes": len(tar),
        "sha256": hashlib.sha256(tar).hexdigest(),
    }
    (run.out / facts_name(0)).write_text(json.dumps(facts))
    assert found(run) == ["part-000000.tar does not have 00000000000.jpg at byte 0"]


def test_a_list_that_is_gone_is_named(tmp_path: Path) -> None:
    run = planned(tmp_path / "out", [Row("http://127.0.0.1:1/a.jpg", hash=f"sha256:{SHA}")])
    planted(run, b"good")
    name = shard_list_name(0, crc32=run.plan.crc32_of(0))
    (run.out / name).unlink()
    assert found(run, deep=False) == []
    assert found(run) == [f"{name}: No such file or directory"]


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
    parquet.write_table(pyarrow.table(columns | {"type": [None]}), path)
    with pytest.raises(ValueError, match=r"part-000000.parquet is damaged: .* type int64"):
        found(run)
    with pytest.raises(
        ValueError, match=r"part-000000.parquet is damaged: [^'\n]*\"outcome\"[^'\n]*$"
    ):
        plan_pass(open_target(str(run.out)), run.plan, [], lambda _: True)
