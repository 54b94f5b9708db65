"""Destinations: strategies, and one download a path at a time."""

import asyncio
import os
from itertools import islice
from pathlib import Path

import pytest

from rheo_core.domain import FileExistsStrategy
from rheo_core.domain.exceptions import DestinationError, FileExistsError
from rheo_core.downloads import DestinationResolver
from rheo_core.downloads.destination import PathLocks, check_inside, numbered

STRATEGIES = list(FileExistsStrategy)


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_free_path_is_taken(tmp_path: Path, strategy: FileExistsStrategy) -> None:
    path = tmp_path / "no" / "such" / "file"
    assert await DestinationResolver(strategy).resolve(path) == path
    assert not path.parent.exists()


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
async def test_what_exists(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.txt"
    match kind:
        case "file":
            path.touch()
        case "folder":
            path.mkdir()
        case _:
            path.symlink_to("nowhere")
    resolver = DestinationResolver()
    assert await resolver.resolve(path) is None
    assert await resolver.resolve(path, FileExistsStrategy.OVERWRITE) == path
    assert await resolver.resolve(path, FileExistsStrategy.RENAME) == tmp_path / "a (1).txt"
    with pytest.raises(FileExistsError) as caught:
        await resolver.resolve(path, FileExistsStrategy.ERROR)
    assert caught.value.path == path


async def test_the_default_and_what_overrides_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    resolver = DestinationResolver(FileExistsStrategy.OVERWRITE)
    assert await resolver.resolve(path) == path
    assert await resolver.resolve(path, FileExistsStrategy.SKIP) is None


async def test_rename_takes_the_first_free_number(tmp_path: Path) -> None:
    for name in ("a.txt", "a (1).txt", "a (3).txt"):
        (tmp_path / name).touch()
    resolver = DestinationResolver(FileExistsStrategy.RENAME)
    assert await resolver.resolve(tmp_path / "a.txt") == tmp_path / "a (2).txt"


@pytest.mark.parametrize("name", ["a" * 236 + ".txt", "é" * 118 + ".txt", "a" * 240])
def test_numbered_names_of_a_long_name_differ(name: str) -> None:
    names = [path.name for path in islice(numbered(Path(name)), 3)]
    assert len({name, *names}) == 4


def test_a_path_has_one_holder() -> None:
    locks, path = PathLocks(), Path("/x/a")
    assert locks.try_acquire(path)
    assert not locks.try_acquire(path)
    assert locks.try_acquire(Path("/y/a"))
    locks.release(path)
    assert locks.try_acquire(path)


@pytest.mark.parametrize("other", ["a.part", "a.part.state"])
def test_names_of_part_files_belong_to_the_holder(other: str) -> None:
    locks, path = PathLocks(), Path("/x/a")
    assert locks.try_acquire(path)
    assert not locks.try_acquire(path.with_name(other))
    locks.release(path)
    assert locks.try_acquire(path.with_name(other))
    assert not locks.try_acquire(path)


async def test_whoever_waits_gets_it_in_turn() -> None:
    locks, path, got = PathLocks(), Path("/x/a"), []
    await locks.acquire(path)

    async def take(number: int) -> None:
        await locks.acquire(path)
        got.append(number)

    tasks = [asyncio.create_task(take(number)) for number in range(3)]
    for count in range(1, 4):
        await asyncio.sleep(0)
        assert len(got) == count - 1
        locks.release(path)
        async with asyncio.timeout(20):
            while len(got) < count:
                await asyncio.sleep(0)
    await asyncio.gather(*tasks)


async def test_whoever_is_cancelled_holds_nothing() -> None:
    locks, path = PathLocks(), Path("/x/a")
    await locks.acquire(path)
    waiting = asyncio.create_task(locks.acquire(path))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    locks.release(path)
    assert locks.try_acquire(path)


async def test_a_name_with_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.txt")
    path.touch()
    assert await DestinationResolver().resolve(path) is None


def test_a_folder_of_links_in_a_circle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sub").symlink_to("sub")
    with pytest.raises(DestinationError, match="is a circular link"):
        check_inside(tmp_path / "sub" / "a", "sub")
