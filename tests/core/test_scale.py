"""Long lists: what a download takes, and what a verb costs among many; counted, not timed."""

import asyncio
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Coroutine, Sequence
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from rheo_core import DownloadManager, FileConfig, PriorityDownloadQueue
from rheo_core.domain import DownloadStatus
from rheo_core.domain.urls import host_of
from rheo_core.downloads.file_naming import Folders
from rheo_core.downloads.name_numbers import NameNumbers
from rheo_core.events import DownloadEvent
from rheo_core.tracking import DownloadRecord

FEW, MANY = 500, 5_000


def configs(count: int, hosts: int = 1) -> list[FileConfig]:
    return [
        FileConfig(url=f"http://host{number % hosts}.example/files/{number:07}.bin")
        for number in range(count)
    ]


async def filled(folder: Path, count: int) -> tuple[DownloadManager, list[str]]:
    """A manager that is not open, so that all wait, and their ids."""
    manager = DownloadManager(download_dir=folder)
    files = configs(count)
    await manager.add(files)
    return manager, [file.id for file in files]


async def calls(work: Callable[[], Coroutine[Any, Any, object]]) -> int:
    """Return the number of functions, including those in C, that work calls in this thread."""
    count = 0

    def note(_: FrameType, event: str, __: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        await work()
    finally:
        sys.setprofile(None)
    return count


async def bytes_each(count: int, make: Callable[[], Coroutine[Any, Any, object]]) -> float:
    """Memory that what `make` returns takes, by what it is made of."""
    await make()  # caches are filled
    tracemalloc.start()
    try:
        made = await make()
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert made
    return size / count


async def test_memory_of_a_value() -> None:
    async def make() -> Sequence[FileConfig]:
        return configs(MANY)

    # 860 as pydantic makes them. The dictionaries of Python 3.13 are 80 bytes larger.
    assert await bytes_each(MANY, make) < (500 if sys.version_info < (3, 13) else 580)


def test_values_that_are_not_acceptable_do_not_make_the_others_larger() -> None:
    code = (
        "import sys\n"
        "from rheo_core import FileConfig\n"
        "for _ in range(100):\n"
        "    try: FileConfig(url='nonsense')\n"
        "    except ValueError: pass\n"
        "values = vars(FileConfig(url='http://example.com/a'))\n"
        "assert sys.getsizeof(values) < sys.getsizeof(dict(values.items())), values\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


async def test_memory_of_a_waiting_download(tmp_path: Path) -> None:
    async def make() -> object:
        return await filled(tmp_path, MANY)

    assert await bytes_each(MANY, make) < 1200


def test_memory_of_a_number(tmp_path: Path) -> None:
    numbers = NameNumbers(Folders(tmp_path))
    same_name = [FileConfig(url=f"http://example.com/{each}/a.bin") for each in range(FEW)]
    for config in configs(FEW) + same_name:
        numbers.add(DownloadRecord.of(config))
    kept = chain(numbers._first.items(), *(more.items() for more in numbers._more.values()))
    assert max(map(sys.getsizeof, chain.from_iterable(kept))) <= 32  # with a whole hash 48


VERBS: dict[str, Callable[[DownloadManager, str, str], Coroutine[Any, Any, object]]] = {
    "set_priority": lambda manager, one, _: manager.set_priority(one, 7),
    "to the top": lambda manager, one, _: manager.move(one, to="top"),
    "to the bottom": lambda manager, one, _: manager.move(one, to="bottom"),
    "up": lambda manager, one, _: manager.move(one, to="up"),
    "down": lambda manager, one, _: manager.move(one, to="down"),
    "beside another": lambda manager, one, other: manager.move(one, after=other),
    "pause": lambda manager, one, _: manager.pause(one),
    "cancel": lambda manager, one, _: manager.cancel(one),
    "remove": lambda manager, one, _: manager.remove(one),
}


@pytest.mark.parametrize("verb", VERBS)
async def test_a_verb_costs_the_same_among_many(tmp_path: Path, verb: str) -> None:
    costs = []
    for count in (FEW, MANY):
        manager, ids = await filled(tmp_path, count)
        one, other = ids[count // 2], ids[count // 3]
        await VERBS[verb](manager, ids[count // 4], other)  # what is made but once
        costs.append(await calls(lambda m=manager, a=one, b=other: VERBS[verb](m, a, b)))  # type: ignore[misc]
        assert manager.get_download_info(ids[0]) is not None
    few, many = costs
    assert many < 2 * few + 50, costs


async def test_a_snapshot_costs_what_changed(tmp_path: Path) -> None:
    costs = []
    for count in (FEW, MANY):
        manager, ids = await filled(tmp_path, count)
        revision = manager.snapshot().revision
        for download_id in ids[:3]:
            await manager.set_priority(download_id, 2)

        async def look(since: int = revision, manager: DownloadManager = manager) -> None:
            assert len(manager.snapshot(since).downloads) == 3

        costs.append(await calls(look))
    few, many = costs
    assert many < 2 * few + 50, costs


async def test_the_next_one_asks_of_each_host_once() -> None:
    queue = PriorityDownloadQueue()
    for config in configs(1000, hosts=5):
        queue.put(config)
    asked: list[str] = []

    def is_full(host: str) -> bool:
        asked.append(host)
        return host in full

    full = {"host0.example:80", "host1.example:80"}
    assert host_of((await queue.get_next(is_full)).url) == "host2.example:80"
    assert asked == [f"host{number}.example:80" for number in range(3)]

    asked.clear()
    full = {f"host{number}.example:80" for number in range(5)}
    waiting = asyncio.create_task(queue.get_next(is_full))
    await asyncio.sleep(0)
    assert sorted(asked) == sorted(full)
    full.clear()
    queue.look_again()
    assert host_of((await waiting).url) == "host0.example:80"


async def test_the_next_one_does_not_look_at_every_host() -> None:
    queue = PriorityDownloadQueue()
    for config in configs(1000, hosts=1000):
        queue.put(config)
    asked: list[str] = []

    def is_full(host: str) -> bool:
        asked.append(host)
        return False

    for _ in range(10):
        await queue.get_next(is_full)
    assert len(asked) == 10


async def test_adding_lets_the_loop_run(tmp_path: Path) -> None:
    manager, turns = DownloadManager(download_dir=tmp_path), 0
    adding = asyncio.create_task(manager.add(configs(MANY)))
    while not adding.done():
        turns += 1
        await asyncio.sleep(0)
    assert manager.stats.queued == MANY
    assert turns > MANY / 1000


async def test_added_twice_at_a_time_is_queued_once(tmp_path: Path) -> None:
    manager = DownloadManager(download_dir=tmp_path, session_path=tmp_path / "session.db")
    events: list[DownloadEvent] = []
    manager.on("download.queued", events.append)
    files = configs(2000)
    await asyncio.gather(manager.add(files), manager.add(files[::-1]))
    assert manager.stats.queued == len(events) == len(files)


async def test_pause_all_and_resume_all_of_many(tmp_path: Path) -> None:
    manager, ids = await filled(tmp_path, 2000)
    await manager.cancel(ids[0])
    await manager.pause_all()
    assert manager.stats.paused == 1999
    await manager.resume_all()
    assert manager.stats.queued == 1999
    assert manager.tracker.get(ids[0]).status is DownloadStatus.CANCELLED  # type: ignore[union-attr]
    assert [config.id for config in manager._parts.queue] == ids[1:]
