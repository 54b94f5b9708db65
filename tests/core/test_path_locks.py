"""PathLocks: one download a path at a time."""

import asyncio
from pathlib import Path

import pytest

from rheo_core.downloads.path_locks import PathLocks


def test_a_path_has_one_holder() -> None:
    locks, path = PathLocks(), Path("/x/a")
    assert locks.try_acquire(path)
    assert not locks.try_acquire(path)
    assert locks.try_acquire(Path("/y/a"))
    locks.release(path)
    assert locks.try_acquire(path)


@pytest.mark.parametrize("other", ["a.part", "a.part.state", "a.part.state.new"])
def test_names_of_part_files_belong_to_the_holder(other: str) -> None:
    locks, path = PathLocks(), Path("/x/a")
    assert locks.try_acquire(path)
    assert not locks.try_acquire(path.with_name(other))
    locks.release(path)
    assert locks.try_acquire(path.with_name(other))
    assert not locks.try_acquire(path)
    locks.release(path.with_name(other))
    assert locks.try_acquire(path)


@pytest.mark.parametrize("other", ["b", "a.part.new", "a.part_", "apart", "a.state", "a.part.part"])
def test_other_names_are_free(other: str) -> None:
    locks, path = PathLocks(), Path("/x/a")
    assert locks.try_acquire(path)
    assert locks.try_acquire(path.with_name(other))


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
        async with asyncio.timeout(60):
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
