"""The folder changes under our hands (rows L): nothing of anybody else's is ever touched."""

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rheo_core import DownloadManager, FileConfig
from tests.core.engine import Gate, fetch, names_in
from tests.faults.oracle import Scene, bytes_come, checksum
from tests.servers.misbehaving import V1, body_of
from tests.servers.scenarios import Hold, answer, in_turn, parts, whole

SMALL, LARGE = 60_000, 1_600_000
BODY = body_of(SMALL)
CUT = 20_000

sizes = pytest.mark.parametrize("size", [SMALL, LARGE])


def appearing(
    scene: Scene, go_on: asyncio.Event, at: int, path: Path
) -> Callable[..., Awaitable[None]]:
    """Somebody else's file appears after `at` bytes."""

    async def appear(manager: DownloadManager) -> None:
        await bytes_come(manager, at)
        path.write_bytes(b"theirs")
        scene.keep()
        for ours in (scene.part.name, scene.state.name):
            scene.before.pop(ours, None)
        go_on.set()

    return appear


@sizes
@pytest.mark.parametrize("strategy", ["skip", "error"])
async def test_l13_a_file_that_appears_meanwhile_stays(
    scene: Scene, size: int, strategy: str
) -> None:
    """Skipping a file of another size would give up the bytes that are there already."""
    body = body_of(size)
    hold = Hold(body, size // 4, **V1)
    appear = appearing(scene, hold.let_go, size // 4, scene.final)
    outcome = await scene.fetch(
        in_turn(hold, parts(body, **V1)), body, meanwhile=appear, file_exists_strategy=strategy
    )
    assert outcome.journal.endings() == {outcome.config.id: 1}
    assert outcome.status == "failed"
    assert scene.bystanders() == scene.before
    assert scene.final.read_bytes() == b"theirs"


async def test_l13_what_could_not_get_its_name_is_not_fetched_again(scene: Scene) -> None:
    gate = Gate(BODY, CUT, **V1)
    appear = appearing(scene, gate.opened, CUT, scene.final)
    outcome = await scene.fetch(gate, BODY, meanwhile=appear)
    assert outcome.status == "failed"
    del scene.before[scene.final.name]
    scene.final.unlink()
    scene.server.on(scene.path, parts(BODY, **V1))
    outcome = await scene.fetch(None, BODY)
    outcome.completed(BODY, requests=2)  # another run asks once whether it still is the file
    asked = outcome.requests[1]
    assert (asked.range_start, asked.headers["if-range"]) == (len(BODY) - 1, V1["ETag"])


@sizes
async def test_l13_rename_finds_another_name(scene: Scene, size: int) -> None:
    body = body_of(size)
    hold = Hold(body, size // 4, **V1)
    appear = appearing(scene, hold.let_go, size // 4, scene.final)
    config = scene.config(file_exists_strategy="rename")
    outcome = await scene.fetch(
        in_turn(hold, parts(body, **V1)), body, meanwhile=appear, config=config
    )
    scene.name = "file (1).bin"
    outcome.completed(body, requests=2)


@sizes
async def test_l13_a_number_goes_on_although_the_name_is_free_by_now(
    scene: Scene, size: int
) -> None:
    """The user removed the old file meanwhile; what came is under the number still."""
    body, config = body_of(size), scene.config(file_exists_strategy="rename")
    scene.final.write_bytes(b"old")
    await scene.begin(body, size // 4, config=config, **V1)
    scene.final.unlink()
    outcome = await scene.fetch(parts(body, **V1), body, config=config)
    scene.name = "file (1).bin"
    outcome.completed(body, requests=2)
    assert outcome.requests[1].range_start == size // 4


@sizes
async def test_l13_renamed_files_of_one_name_get_the_numbers_in_turn(
    scene: Scene, size: int
) -> None:
    urls = [scene.server.on(f"/{n}/file.bin", whole(body_of(size), **V1)) for n in range(4)]
    configs = [FileConfig(url=url, file_exists_strategy="rename") for url in urls]
    await fetch(scene.folder, configs)
    names = ["file.bin", *(f"file ({number}).bin" for number in (1, 2, 3))]
    assert names_in(scene.folder) == sorted([*scene.before, *names])


def make(path: Path, kind: str, precious: Path) -> None:
    match kind:
        case "link":
            path.symlink_to(precious)
        case "broken link":
            path.symlink_to(precious.with_name("not there"))
        case "unreachable link":
            path.symlink_to("n" * 300)
        case "folder":
            path.mkdir()
            (path / "inside").write_bytes(b"mine")
        case "fifo":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/null")
        case "device node":
            try:
                os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))  # as /dev/null is
            except OSError as error:
                pytest.skip(f"this user may make no device: {error}")
        case "hard link":
            path.hardlink_to(precious)


def unblock(fifo: Path, stuck: list[Path]) -> None:
    """Release a program that waits for the other end of a FIFO, and note the FIFO."""
    with suppress(OSError):
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        stuck.append(fifo)


KINDS = ["link", "broken link", "unreachable link", "folder", "fifo", "device", "device node"]


@pytest.fixture
def precious(scene: Scene) -> Path:
    """A file outside the folder that links lead to."""
    path = scene.folder.parent / "precious"
    path.write_bytes(b"precious")
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strategy", ["skip", "error", "overwrite", "rename"])
async def test_l14_a_target_that_is_no_file(
    scene: Scene, precious: Path, kind: str, strategy: str
) -> None:
    make(scene.final, kind, precious)
    scene.keep()
    config = scene.config(file_exists_strategy=strategy)
    outcome = await scene.fetch(whole(BODY, **V1), BODY, config=config)
    assert scene.bystanders() == scene.before
    assert precious.read_bytes() == b"precious"
    assert sorted(path.name for path in precious.parent.iterdir()) == ["folder", "precious"]
    assert outcome.journal.endings() == {config.id: 1}
    if strategy == "rename":
        scene.name = "file (1).bin"
        outcome.completed(BODY)
    else:
        is_file_there = strategy == "skip" and kind == "link"
        assert outcome.status == ("skipped" if is_file_there else "failed")


@pytest.mark.parametrize("kind", [*KINDS, "hard link"])
@pytest.mark.parametrize("which", ["part", "state"])
async def test_l14_our_own_names_are_taken_by_something_else(
    scene: Scene, precious: Path, kind: str, which: str
) -> None:
    path = getattr(scene, which)
    stuck: list[Any] = []
    make(path, kind, precious)
    rescue = asyncio.get_running_loop().call_later(5, unblock, path, stuck)
    outcome = await scene.fetch(whole(BODY, **V1), BODY)
    rescue.cancel()
    assert not stuck
    assert precious.read_bytes() == b"precious"
    assert sorted(path.name for path in precious.parent.iterdir()) == ["folder", "precious"]
    assert outcome.journal.endings() == {outcome.config.id: 1}
    assert scene.bystanders() == scene.before
    assert outcome.status == "completed"
    assert scene.final.read_bytes() == BODY and not scene.final.is_symlink()


@pytest.mark.parametrize("kind", ["link", "hard link"])
async def test_l14_a_partial_file_replaced_by_a_link(
    scene: Scene, precious: Path, kind: str
) -> None:
    await scene.begin(BODY, CUT, **V1)
    content = b"precious" * SMALL
    precious.write_bytes(content)
    scene.part.unlink()
    make(scene.part, kind, precious)
    outcome = await scene.fetch(parts(BODY, **V1), BODY)
    assert precious.read_bytes() == content
    assert outcome.status == "completed", outcome.error


async def test_l14_overwriting_leaves_other_names_of_the_file(scene: Scene, precious: Path) -> None:
    scene.final.hardlink_to(precious)
    config = scene.config(file_exists_strategy="overwrite")
    outcome = await scene.fetch(whole(BODY), BODY, config=config)
    outcome.completed(BODY, requests=1)
    assert precious.read_bytes() == b"precious"


@pytest.mark.parametrize("kind", ["link", "broken link", "fifo", "device"])
async def test_l14_a_folder_that_is_none(scene: Scene, precious: Path, kind: str) -> None:
    elsewhere = precious.with_name("elsewhere")
    elsewhere.mkdir()
    make(scene.folder / "sub", kind, elsewhere)
    scene.keep()
    outcome = await scene.fetch(whole(BODY), BODY, config=scene.config(destination_subdir="sub"))
    outcome.failed("cannot write")
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("end", ["status", "hash", "cancel"])
async def test_l16_a_failure_cleans_up_after_itself_only(scene: Scene, end: str) -> None:
    await scene.begin(BODY, CUT, **V1)
    neighbours = ["file.bin (1)", "file (1).bin", "file (1).bin.part", "file.bin.part.state.1"]
    for name in [*neighbours, "file.bin.new", "file.bin.part.new", "file.bin.part.part"]:
        (scene.folder / name).write_bytes(name.encode())
    scene.keep()
    for ours in (scene.part.name, scene.state.name):
        del scene.before[ours]
    if end == "cancel":
        hold = Hold(BODY, CUT)

        async def cancel(manager: DownloadManager) -> None:
            await scene.server.wait_for_requests(2)
            await manager.cancel(scene.config().id)

        outcome = await scene.fetch(hold, BODY, meanwhile=cancel)
        assert outcome.status == "cancelled"
    else:
        config = scene.config(hash_config=checksum(b"another"))
        if end == "status":
            behaviour, reason = answer("404 Not Found"), "404"
        else:
            behaviour, reason = parts(BODY, **V1), "wrong SHA-256"
        (await scene.fetch(behaviour, BODY, config=config)).failed(reason)
    assert scene.bystanders() == scene.before
    assert scene.part.exists() == (end == "status")


async def test_l16_two_downloads_of_like_names(scene: Scene) -> None:
    """A server cannot choose the name of another download's part file."""
    scene.server.on("/file.bin.part", whole(b"another"))
    other = scene.config(url=scene.server.url("/file.bin.part"))
    scene.server.on(scene.path, whole(BODY, **V1))
    bad = scene.config(hash_config=checksum(b"not this"))
    async with scene.manager(max_concurrent=2) as manager:
        await manager.add([other, bad])
        await manager.wait_until_complete(timeout=60)
    assert scene.folder.joinpath("file.bin.part_").read_bytes() == b"another"
    assert not scene.final.exists() and not scene.part.exists() and not scene.state.exists()
    assert scene.bystanders() == scene.before
