"""One shard with a real server: files, manifest, facts, and what a worker finds when it goes on."""

import asyncio
import hashlib
import os
import sys
import tarfile
from pathlib import Path

import pytest

from rheo_core.config import settings_path
from rheo_core.domain.fleet import FleetPlan, ShardTask
from rheo_core.fleet import manifest, shard, targets
from rheo_core.fleet.journal import Journal
from rheo_core.fleet.rows import Row
from rheo_core.fleet.shard import run_shard, work_on_shard
from rheo_core.fleet.shard_downloads import ShardDownloads, WorkerOptions
from tests.fleet.runs import body_for, gone, planned, rows_of, serve
from tests.servers.misbehaving import Exchange, MisbehavingServer


async def test_every_entry_has_a_file_or_a_reason(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    rows = [
        *rows_of(server, 5),
        Row(server.on("/gone.jpg", gone), extra={"caption": "x", "n": 3}),
        Row("ftp://x", problem="row 7: scheme 'ftp'", extra={"caption": "y"}),
        Row(server.on("/plain?id=3", serve), hash="sha256:" + "0" * 64),
    ]
    run = planned(tmp_path / "out", rows, keep=("caption", "n"), compute_hash="sha256")
    facts = await work_on_shard(run.tasks[0])
    run.check()
    assert facts.counts == {"completed": 5, "failed": 2, "unreadable": 1}
    assert facts.errors == {"http_404": 1, "unreadable": 1, "hash": 1}
    assert set(facts.parts) == {"part-000000.parquet"}
    manifest = run.manifest()
    assert manifest[0]["file"] == "00000000000.jpg"
    assert (manifest[0]["status"], manifest[0]["type"]) == (200, "image/jpeg")
    assert manifest[0]["attempts"] == 1 and manifest[0]["seconds"] > 0
    assert (manifest[5]["status"], manifest[5]["kind"]) == (404, "http_404")
    assert (manifest[5]["caption"], manifest[5]["n"]) == ("x", "3")
    assert manifest[6]["error"] == "row 7: scheme 'ftp'"
    assert "wrong SHA-256" in manifest[7]["error"]


@pytest.mark.parametrize(
    ("keep", "names"),
    [
        (("kept_url", "url"), ["kept_url", "kept_kept_url"]),
        (("url", "kept_url"), ["kept_url", "kept_kept_url"]),
        (("url", "url", "n", "n"), ["kept_url", "n"]),
    ],
)
async def test_no_kept_column_hides_another(
    server: MisbehavingServer, tmp_path: Path, keep: tuple[str, ...], names: list[str]
) -> None:
    (row,) = rows_of(server, 1)
    row = row._replace(extra={name: f"value of {name}" for name in keep})
    run = planned(tmp_path / "out", [row], keep=keep)
    await work_on_shard(run.tasks[0])
    (stored,) = run.manifest()
    assert list(stored)[-len(names) :] == names
    assert [stored[name] for name in names] == [f"value of {n}" for n in dict.fromkeys(keep)]


@pytest.mark.parametrize("of_plan", [None, 1_000, 100_000])
@pytest.mark.parametrize("of_user", [None, 1_000, 100_000])
@pytest.mark.parametrize("place", ["file", "environment"])
@pytest.mark.usefixtures("no_settings")
async def test_the_smaller_bound_of_plan_and_user_applies(
    server: MisbehavingServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    of_plan: int | None,
    of_user: int | None,
    place: str,
) -> None:
    if of_user is not None and place == "file":
        settings_path().parent.mkdir(parents=True)
        settings_path().write_text(f"max_size = {of_user}\n")
    elif of_user is not None:
        monkeypatch.setenv("RHEO_MAX_SIZE", str(of_user))
    run = planned(tmp_path / "out", rows_of(server, 1), max_size=of_plan)
    facts = await work_on_shard(run.tasks[0])
    assert facts.errors == ({"too_large": 1} if 1_000 in (of_plan, of_user) else {})


@pytest.mark.usefixtures("no_settings")
async def test_the_time_limit_of_the_user_applies(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHEO_TIMEOUT", "0.000001")
    run = planned(tmp_path / "out", rows_of(server, 2))
    facts = await work_on_shard(run.tasks[0])
    assert facts.errors == {"timeout": 2}


@pytest.mark.parametrize("of_plan", [False, True])
@pytest.mark.parametrize("of_user", [False, True])
async def test_plan_and_user_must_agree_to_ignore_the_robots_tag(
    server: MisbehavingServer, tmp_path: Path, of_plan: bool, of_user: bool
) -> None:
    async def tagged(exchange: Exchange) -> None:
        await exchange.serve(b"x", X_Robots_Tag="noai")

    run = planned(tmp_path / "out", [Row(server.on("/a", tagged))], ignore_robots_tag=of_plan)
    facts = await work_on_shard(run.tasks[0], WorkerOptions(ignore_robots_tag=of_user))
    assert facts.errors == ({} if of_plan and of_user else {"robots_tag": 1})


@pytest.mark.usefixtures("no_settings")
async def test_a_worker_obeys_the_number_of_downloads_of_the_user(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHEO_MAX_CONCURRENT", "1")
    at_once = most = 0

    async def counted(exchange: Exchange) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        await exchange.serve(b"x")

    rows = [Row(server.on(f"/{number}", counted)) for number in range(5)]
    facts = await work_on_shard(planned(tmp_path / "out", rows).tasks[0])
    assert (facts.counts, most) == ({"completed": 5}, 1)


@pytest.mark.parametrize(
    ("settings", "whole"),
    [
        ({"SPEED_LIMIT": "120K"}, 120_000),
        ({"SPEED_LIMIT": "120K", "SCHEDULE": "00:00-24:00 6K"}, 6_000),
        ({"SPEED_LIMIT": "120K", "SCHEDULE": "00:00-24:00 off"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("at_once", [1, 3])
@pytest.mark.usefixtures("no_settings")
def test_a_shard_has_its_share_of_the_speed_limit_of_the_user(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    whole: int | None,
    at_once: int,
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"RHEO_{name}", value)

    async def limit_of_engine(journal: Journal) -> int | None:
        plan = FleetPlan("", 0, 0, 1, ())
        downloads = ShardDownloads(tmp_path, plan, WorkerOptions(), journal, at_once)
        return downloads._new_manager(()).snapshot().speed_limit_bps

    with Journal(tmp_path / "journal", "run") as journal:
        limit = asyncio.run(limit_of_engine(journal))
    assert limit == (None if whole is None else whole // at_once)


@pytest.mark.skipif(sys.platform == "darwin", reason="its names are Unicode")
async def test_the_path_of_the_output_folder_need_not_be_unicode(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    run = planned(tmp_path / os.fsdecode(b"caf\xe9"), rows_of(server, 1))
    assert (await work_on_shard(run.tasks[0])).counts == {"completed": 1}


async def test_damaged_facts_end_the_worker_with_a_sentence(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    run = planned(tmp_path / "out", rows_of(server, 1))
    (run.out / "part-000000.json").write_text('{"shard": []}')
    with pytest.raises(ValueError, match=r"^part-000000.json is damaged; remove it, and run"):
        await work_on_shard(run.tasks[0])


async def test_a_complete_shard_is_left_alone(server: MisbehavingServer, tmp_path: Path) -> None:
    run = planned(tmp_path / "out", rows_of(server, 3))
    first = await work_on_shard(run.tasks[0])
    assert await work_on_shard(run.tasks[0]) == first
    assert len(server.requests) == 3


@pytest.mark.parametrize("scratch", [None, "scratch"])
async def test_a_tar_in_the_order_of_the_keys(
    server: MisbehavingServer, tmp_path: Path, scratch: str | None
) -> None:
    rows = [*rows_of(server, 4), Row(server.on("/untyped", serve)), Row(server.on("/x", gone))]
    worker = WorkerOptions(scratch=tmp_path / scratch if scratch else None)
    tars = []
    for name in ("one", "two"):
        run = planned(tmp_path / name, rows, layout="tar")
        facts = await work_on_shard(run.tasks[0], worker)
        path = run.out / "part-000000.tar"
        tars.append(path.read_bytes())
        assert facts.parts[path.name].size_bytes == len(tars[-1])
        with tarfile.open(path) as tar:
            names = [f"0000000000{number}.jpg" for number in range(5)]
            assert tar.getnames() == names
            for member, row in zip(tar, rows, strict=False):
                file = tar.extractfile(member)
                assert file is not None
                assert file.read() == body_for("/" + row.url.split("/", 3)[3])
        left = {path.name for path in run.out.iterdir()}
        assert left == {"_rheo", "part-000000.json", "part-000000.parquet", "part-000000.tar"}
    assert tars[0] == tars[1]
    if scratch:
        assert not [path for path in (tmp_path / scratch).rglob("*") if path.is_file()]


@pytest.mark.parametrize("scratch", [None, "scratch"])
@pytest.mark.parametrize("layout", ["files", "tar"])
@pytest.mark.parametrize("is_remote", [False, True])
@pytest.mark.parametrize("is_readable", [False, True])
async def test_a_shard_without_any_file_is_complete(
    server: MisbehavingServer,
    tmp_path: Path,
    *,
    layout: str,
    is_readable: bool,
    is_remote: bool,
    scratch: str | None,
) -> None:
    """All links of a site may be dead."""
    rows = [Row(server.on(f"/{n}", gone), problem=None if is_readable else "odd") for n in range(3)]
    run = planned(tmp_path / "out", rows, layout=layout)
    task = run.tasks[0]
    if is_remote:
        memory = pytest.importorskip("fsspec").filesystem("memory")
        memory.put(str(run.out), f"/{tmp_path.name}", recursive=True)
        task = ShardTask(f"memory://{tmp_path.name}", 0)
    folder = tmp_path / (scratch or "tmp")
    facts = await work_on_shard(
        task, WorkerOptions(scratch=folder if scratch or is_remote else None)
    )
    assert facts.counts == {"failed" if is_readable else "unreadable": 3}
    assert ("part-000000.tar" in facts.parts) == (layout == "tar")
    assert await work_on_shard(task) == facts
    if not is_remote:
        names = {path.name for path in run.out.iterdir()}
        assert names == {"_rheo", "part-000000.json", *facts.parts}


@pytest.mark.parametrize("layout", ["files", "tar"])
async def test_an_object_store(server: MisbehavingServer, tmp_path: Path, layout: str) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    run = planned(tmp_path / "out", rows_of(server, 3), layout=layout)
    memory.put(str(run.out), f"/{layout}/run", recursive=True)
    task = ShardTask(f"memory://{layout}/run", 0)
    worker = WorkerOptions(scratch=tmp_path / "scratch")
    facts = await work_on_shard(task, worker)
    assert facts.counts == {"completed": 3}
    for name, part in facts.parts.items():
        assert hashlib.sha256(memory.cat(f"/{layout}/run/{name}")).hexdigest() == part.sha256
    if layout == "files":
        folder = f"/{layout}/run/part-000000"
        assert memory.cat(f"{folder}/00000000001.jpg") == body_for("/1.jpg")
        assert len(memory.ls(folder)) == 3
    assert await work_on_shard(task, worker) == facts
    assert len(server.requests) == 3
    assert not [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()]


async def test_a_missing_package_is_named_at_once(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = planned(tmp_path / "out", rows_of(server, 3))
    monkeypatch.setattr(manifest, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"needs pyarrow: pip install 'rheo-tui\[fleet\]'"):
        await work_on_shard(run.tasks[0])
    assert not server.requests


@pytest.mark.parametrize("layout", ["files", "tar"])
async def test_a_tar_does_not_wait_for_the_data_of_other_programs(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    """Only a folder of files is worth a sync of its whole file system."""
    synced: list[str] = []
    for name, module in (("sync_file_system", shard), ("sync_file", targets)):
        monkeypatch.setattr(module, name, lambda path: synced.append(path.name))
    run = planned(tmp_path / "out", rows_of(server, 3), layout=layout)
    await work_on_shard(run.tasks[0])
    assert synced == (
        ["000000.parquet", "out"] if layout == "files" else ["shard.tar", "000000.parquet"]
    )


async def test_two_at_once_do_not_mix(server: MisbehavingServer, tmp_path: Path) -> None:
    run = planned(tmp_path / "out", rows_of(server, 100), concurrency=8)
    await asyncio.gather(*map(work_on_shard, run.tasks))
    run.check()


def test_run_shard_needs_no_loop(tmp_path: Path) -> None:
    run = planned(tmp_path / "out", [Row("ftp://x", problem="row 1: no")])
    assert run_shard(run.tasks[0]).counts == {"unreadable": 1}
    run.check()
