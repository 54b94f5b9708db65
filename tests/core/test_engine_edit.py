"""Editing a download: other options, another name or folder, and its bytes stay."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import (
    DestinationError,
    DownloadStatus,
    FileExistsStrategy,
    FileInUseError,
    HashConfig,
)
from rheo_core.infrastructure.locks import open_locked
from tests.core.engine import PATIENT, Gate, names_in, serving, sha256, status_of
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.waiting import Until

BODY = body_of(3_000_000)
SEEN = 2_000_000


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def stopped_half_way(
    manager: DownloadManager, server: MisbehavingServer, until: Until, filename: str | None = None
) -> FileConfig:
    """Return a download that is paused with some of its bytes."""
    gate = Gate(BODY, SEEN, ETag='"v1"')
    config = FileConfig(url=server.on("/f", gate), filename=filename)
    await manager.add([config])
    await asyncio.wait_for(gate.reached.wait(), 60)
    info = manager.get_download_info
    await until(lambda: (found := info(config.id)) and found.bytes_downloaded == SEEN)
    await manager.pause(config.id)
    gate.opened.set()
    return config


@pytest.mark.parametrize("update", [{"filename": "g"}, {"destination_subdir": "a"}])
async def test_the_name_stays_while_another_program_uses_the_bytes(
    server: MisbehavingServer, tmp_path: Path, until: Until, update: dict[str, Any]
) -> None:
    async with DownloadManager(download_dir=tmp_path) as manager:
        config = await stopped_half_way(manager, server, until)
        held = open_locked(tmp_path / "f.part")  # the lock holds within a process too
        with pytest.raises(FileInUseError):
            await manager.edit(config.id, config.model_copy(update=update))
        assert {path.name for path in files_in(tmp_path)} == {"f.part", "f.part.state"}
        os.close(held)
        edited = await manager.edit(config.id, config.model_copy(update=update))
        assert edited is not None
        await manager.resume(edited)
        await manager.wait_until_complete(timeout=60)
    assert [request.range_start for request in server.requests] == [None, SEEN]
    (path,) = files_in(tmp_path)
    assert path.read_bytes() == BODY


@pytest.mark.parametrize(
    ("update", "path"),
    [
        ({"hash_config": HashConfig.from_checksum_string(f"sha256:{sha256(BODY)}")}, "f"),
        ({"filename": "other.bin"}, "other.bin"),
        ({"destination_subdir": "a/b"}, "a/b/f"),
        ({"filename": "g", "destination_subdir": "c", "priority": 5}, "c/g"),
        ({"headers": (("X-Key", "v"),), "connections": 2, "speed_limit": 50_000_000}, "f"),
    ],
)
async def test_the_bytes_stay(
    server: MisbehavingServer, tmp_path: Path, until: Until, update: dict[str, Any], path: str
) -> None:
    folder = tmp_path / "files"
    session = tmp_path / "session.db"
    async with DownloadManager(download_dir=folder, session_path=session) as manager:
        config = await stopped_half_way(manager, server, until)
        (before,) = manager.snapshot().downloads
        edited = await manager.edit(config.id, config.model_copy(update=update))
        assert edited is not None
        (row,) = manager.snapshot().downloads
        assert (row.id, row.status, row.bytes_downloaded) == (
            edited,
            "paused",
            before.bytes_downloaded,
        )
        assert row.priority == update.get("priority", 1)
        await manager.close()
        assert names_in(folder)[-2:] == [f"{path}.part", f"{path}.part.state"]
    async with DownloadManager(download_dir=folder, session_path=session) as manager:
        assert [row.id for row in manager.snapshot().downloads] == [edited]
        assert await manager.history() == []
        await manager.resume(edited)
        await manager.wait_until_complete(timeout=60)
    assert (folder / path).read_bytes() == BODY
    assert "range" in {name.lower() for name in server.requests[-1].headers}


async def test_another_link_of_a_failed_download(server: MisbehavingServer, tmp_path: Path) -> None:
    config = FileConfig(url=server.url("/gone"))
    new = server.on("/new", serving(BODY))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        assert status_of(manager, config) is DownloadStatus.FAILED
        update = {"fetch_url": new, "filename": "kept"}
        edited = await manager.edit(config.id, config.model_copy(update=update))
        await manager.wait_until_complete(timeout=60)
        assert [row.id for row in manager.snapshot().downloads] == [edited]
    assert (tmp_path / "kept").read_bytes() == BODY


@pytest.mark.parametrize("verbs", [["retry", "pause"], ["retry"], ["restore"], []], ids="-".join)
async def test_a_renamed_download_does_not_return_under_its_old_name(
    server: MisbehavingServer, tmp_path: Path, until: Until, verbs: list[str]
) -> None:
    async with DownloadManager(download_dir=tmp_path) as manager:
        config = await stopped_half_way(manager, server, until)
        await manager.cancel(config.id, keep_partial=True)
        for verb in verbs:
            assert await getattr(manager, verb)(config.id)
        edited = await manager.edit(config.id, config.model_copy(update={"filename": "g"}))
        assert edited is not None
        assert not await manager.restore(config.id)
        assert [row.id for row in manager.snapshot().downloads] == [edited]
        await manager.resume(edited)
        await manager.wait_until_complete(timeout=60)
        assert not await manager.restore(config.id)
        assert [row.id for row in manager.snapshot().downloads] == [edited]
    assert names_in(tmp_path) == ["g"]


async def test_the_name_of_another_download_is_refused(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    url = server.on("/f", serving(BODY))
    first, second = FileConfig(url=url), FileConfig(url=url, filename="g")
    manager = DownloadManager(download_dir=tmp_path)
    await manager.open(paused=True)
    await manager.add([first, second])
    with pytest.raises(ValueError, match="another download in the list has this URL and name"):
        await manager.edit(first.id, second)
    assert status_of(manager, first) is DownloadStatus.QUEUED
    await manager.close()


async def test_a_folder_that_cannot_be_made_changes_nothing(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    async with DownloadManager(download_dir=tmp_path) as manager:
        config = await stopped_half_way(manager, server, until)
        (tmp_path / "file").write_text("in the way")
        update = {"destination_subdir": "file/below"}
        with pytest.raises(DestinationError):
            await manager.edit(config.id, config.model_copy(update=update))
        assert status_of(manager, config) is DownloadStatus.PAUSED
        await manager.resume(config.id)
        await manager.wait_until_complete(timeout=60)
    assert (tmp_path / "f").read_bytes() == BODY


async def test_the_bytes_go_to_another_download_folder(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    base, own = tmp_path / "files", tmp_path / "own"
    async with DownloadManager(download_dir=base) as manager:
        config = await stopped_half_way(manager, server, until)
        edited = await manager.edit(config.id, config.model_copy(update={"download_dir": own}))
        assert edited is not None
        assert (names_in(base), names_in(own)) == ([], ["f.part", "f.part.state"])
        await manager.resume(edited)
        await manager.wait_until_complete(timeout=60)
    assert (own / "f").read_bytes() == BODY
    assert "range" in {name.lower() for name in server.requests[-1].headers}


@pytest.mark.parametrize("downloaded", [True, False])
async def test_bytes_do_not_move_to_another_disk(
    server: MisbehavingServer, tmp_path: Path, until: Until, downloaded: bool
) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs two file systems")
    with TemporaryDirectory(dir=memory) as elsewhere:
        own = Path(elsewhere, "own")
        async with DownloadManager(download_dir=tmp_path / "files") as manager:
            if downloaded:
                config = await stopped_half_way(manager, server, until)
                with pytest.raises(DestinationError, match="so far is on another disk"):
                    await manager.edit(config.id, config.model_copy(update={"download_dir": own}))
                path = tmp_path / "files" / "f"
                await manager.resume(config.id)
            else:
                config = FileConfig(url=server.on("/f", serving(BODY)))
                await manager.add([config], paused=True)
                changed = config.model_copy(update={"download_dir": own})
                edited = await manager.edit(config.id, changed)
                assert edited is not None
                path = own / "f"
                await manager.resume(edited)
            await manager.wait_until_complete(timeout=60)
        assert path.read_bytes() == BODY
        assert downloaded or not (tmp_path / "files").exists() or names_in(tmp_path / "files") == []
        assert not downloaded or names_in(own) == []


@pytest.mark.parametrize("foreign", ["g.part", "g.part.state"])
async def test_the_bytes_stay_if_a_foreign_file_has_the_name_of_the_new_part_file(
    server: MisbehavingServer, tmp_path: Path, until: Until, foreign: str
) -> None:
    async with DownloadManager(download_dir=tmp_path) as manager:
        config = await stopped_half_way(manager, server, until)
        (tmp_path / foreign).write_text("foreign")
        edited = await manager.edit(config.id, config.model_copy(update={"filename": "g"}))
        assert edited is not None
        await manager.resume(edited)
        await manager.wait_until_complete(timeout=60)
    assert (tmp_path / "g").read_bytes() == BODY
    assert names_in(tmp_path) == ["g", foreign]
    assert server.requests[-1].range_start


async def test_the_name_of_a_removed_download_leaves_no_part_file_behind(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    async with DownloadManager(download_dir=tmp_path) as manager:
        config = await stopped_half_way(manager, server, until)
        await manager.remove(config.id, keep_partial=True)
        other = config.model_copy(update={"filename": "other"})
        gate = Gate(BODY, SEEN, ETag='"v1"')
        server.on("/f", gate)
        await manager.add([other])
        await asyncio.wait_for(gate.reached.wait(), 60)
        info = manager.get_download_info
        await until(lambda: (found := info(other.id)) and found.bytes_downloaded > 0)
        await manager.pause(other.id)
        gate.opened.set()
        assert names_in(tmp_path) == ["f.part", "f.part.state", "other.part", "other.part.state"]
        assert await manager.edit(other.id, config) == config.id
        assert names_in(tmp_path) == ["f.part", "f.part.state"]
        await manager.resume(config.id)
        await manager.wait_until_complete()
    assert names_in(tmp_path) == ["f"]


@pytest.mark.parametrize("strategy", FileExistsStrategy)
async def test_the_name_of_an_existing_file_costs_no_bytes(
    server: MisbehavingServer, tmp_path: Path, until: Until, strategy: FileExistsStrategy
) -> None:
    async with DownloadManager(download_dir=tmp_path, file_exists_strategy=strategy) as manager:
        config = await stopped_half_way(manager, server, until)
        (tmp_path / "taken").write_text("of the user")
        update = config.model_copy(update={"filename": "taken"})
        if strategy is FileExistsStrategy.SKIP:
            with pytest.raises(DestinationError, match="the file already exists"):
                await manager.edit(config.id, update)
            assert await manager.resume(config.id)
        else:
            edited = await manager.edit(config.id, update)
            assert edited is not None and await manager.resume(edited)
        await manager.wait_until_complete()
    assert "range" in server.requests[-1].headers or strategy is FileExistsStrategy.ERROR
    names = {
        FileExistsStrategy.SKIP: ["f", "taken"],
        FileExistsStrategy.OVERWRITE: ["taken"],
        FileExistsStrategy.RENAME: ["taken", "taken (1)"],
        FileExistsStrategy.ERROR: ["taken", "taken.part", "taken.part.state"],
    }
    assert names_in(tmp_path) == names[strategy]


async def test_the_bytes_do_not_leave_the_download_folder_through_a_link(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    (tmp_path / "outside").mkdir()
    folder = tmp_path / "files"
    async with DownloadManager(download_dir=folder) as manager:
        config = await stopped_half_way(manager, server, until)
        (folder / "link").symlink_to(tmp_path / "outside")
        update = {"destination_subdir": "link"}
        with pytest.raises(DestinationError, match="a link leads outside"):
            await manager.edit(config.id, config.model_copy(update=update))
        await manager.resume(config.id)
        await manager.wait_until_complete(timeout=60)
    assert (folder / "f").read_bytes() == BODY
    assert names_in(tmp_path / "outside") == []


async def test_the_name_that_another_download_is_writing_is_refused(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    gate = Gate(BODY, SEEN)
    other = FileConfig(url=server.on("/g", gate))
    async with DownloadManager(download_dir=tmp_path) as manager:
        config = await stopped_half_way(manager, server, until)
        await manager.add([other])
        await asyncio.wait_for(gate.reached.wait(), 60)
        with pytest.raises(DestinationError, match="another download is writing this file"):
            await manager.edit(config.id, config.model_copy(update={"filename": "g"}))
        gate.opened.set()
        await manager.resume(config.id)
        await manager.wait_until_complete(timeout=60)
    assert names_in(tmp_path) == ["f", "g"]
    assert server.requests[-1].range_start


async def test_another_url_is_refused(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    """Its part file would be that of another download."""
    async with DownloadManager(download_dir=tmp_path) as manager:
        config = await stopped_half_way(manager, server, until)
        with pytest.raises(ValueError, match="fetch_url can"):
            await manager.edit(config.id, FileConfig(url=server.url("/g")))
        await manager.resume(config.id)
        await manager.wait_until_complete(timeout=60)
    assert (tmp_path / "f").read_bytes() == BODY


async def test_a_completed_or_unknown_download_is_not_edited(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    config = FileConfig(url=server.on("/f", serving(b"x")))
    async with DownloadManager(download_dir=tmp_path) as manager:
        assert await manager.edit(config.id, config) is None
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        assert await manager.edit(config.id, config) is None


async def test_its_own_number_of_connections(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:

    big = body_of(8_000_000)
    gates = [Gate(big, 1_000_000, ETag='"v1"') for _ in range(2)]
    one, more = (
        server.on(f"/{name}", gate) for name, gate in zip(("one", "more"), gates, strict=True)
    )
    configs = [FileConfig(url=one, connections=1), FileConfig(url=more)]
    tuning = replace(PATIENT, join_after_seconds=0.01, join_threshold_seconds=0.01)

    def asked(path: str) -> int:
        return sum(request.target == path for request in server.requests)

    async with DownloadManager(download_dir=tmp_path, connections=4, tuning=tuning) as manager:
        await manager.add(configs[:1])
        await asyncio.wait_for(gates[0].reached.wait(), 60)
        await manager.add(configs[1:])
        await until(lambda: asked("/more") > 1)  # it began later
        assert asked("/one") == 1
        for gate in gates:
            gate.opened.set()
        await manager.wait_until_complete(timeout=60)


@pytest.mark.parametrize("verb", ["cancel", "remove", "rename", "move"])
async def test_the_bytes_follow_while_another_download_writes_their_name(
    server: MisbehavingServer, tmp_path: Path, until: Until, verb: str
) -> None:
    """The other one holds the name of the file, but has a part file of its own."""
    gate = Gate(BODY, SEEN, ETag='"v2"')
    other = FileConfig(
        url=server.on("/other", gate), filename="f", file_exists_strategy=FileExistsStrategy.ERROR
    )
    updates = {"rename": {"filename": "g"}, "move": {"destination_subdir": "a"}}
    async with DownloadManager(download_dir=tmp_path) as manager:
        config = await stopped_half_way(manager, server, until)
        await manager.add([other])
        await asyncio.wait_for(gate.reached.wait(), 60)
        if verb in updates:
            edited = await manager.edit(config.id, config.model_copy(update=updates[verb]))
            assert edited is not None
            await manager.resume(edited)
        else:
            await getattr(manager, verb)(config.id)
        gate.opened.set()
        await manager.wait_until_complete(timeout=60)
    wanted = {"rename": ["f", "g"], "move": ["a/f", "f"]}.get(verb, ["f"])
    assert sorted(str(path.relative_to(tmp_path)) for path in files_in(tmp_path)) == wanted
    starts = [each.range_start for each in server.requests if each.target == "/f"]
    assert starts == [None, SEEN] if verb in updates else [None]


async def test_the_name_where_bytes_of_the_same_link_are_is_refused(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    """Such as those that another run began under this name."""
    async with DownloadManager(download_dir=tmp_path) as manager:
        await stopped_half_way(manager, server, until, filename="g")
    server.requests.clear()
    async with DownloadManager(download_dir=tmp_path) as manager:
        config = await stopped_half_way(manager, server, until)
        with pytest.raises(DestinationError, match="data of the same link is there already"):
            await manager.edit(config.id, config.model_copy(update={"filename": "g"}))
        await manager.resume(config.id)
        await manager.wait_until_complete(timeout=60)
    assert [request.range_start for request in server.requests] == [None, SEEN]
    assert (tmp_path / "f").read_bytes() == BODY
