"""Verbs on many downloads: results, places, partial data, and a cost that grows no faster."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus, ProcessQueueError
from tests.core.engine import PATIENT, Gate, Journal, names_in, serving, status_of
from tests.core.test_scale import calls, configs, filled
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.waiting import Until

BODY = body_of(3_000_000)
S = DownloadStatus


def order_of(manager: DownloadManager) -> list[str]:
    return [row.name for row in sorted(manager.snapshot().downloads, key=lambda row: row.order)]


async def begun(
    server: MisbehavingServer, manager: DownloadManager, until: Until
) -> tuple[list[FileConfig], Gate]:
    """Add four downloads: a and b have begun, and b is paused; c and d wait."""
    gate = Gate(BODY, 1_500_000, ETag='"v"')
    files = [FileConfig(url=server.on(f"/{name}", gate)) for name in "abcd"]
    await manager.add(files)
    await until(lambda: sum(row.bytes_downloaded for row in manager.snapshot().downloads) > 2e6)
    await manager.pause(files[1].id)
    return files, gate


@pytest.mark.parametrize("verb", ["remove", "cancel"])
async def test_restored_downloads_keep_place_state_and_data(
    server: MisbehavingServer, tmp_path: Path, until: Until, verb: str
) -> None:
    async with DownloadManager(download_dir=tmp_path, max_concurrent=2) as manager:
        files, gate = await begun(server, manager, until)
        await manager.pause(files[2].id)  # it has taken the slot of b
        ids = [file.id for file in files[:3]]
        changed = await getattr(manager, f"{verb}_many")([*ids, ids[0], "?"], keep_partial=True)
        assert sorted(changed) == sorted(ids)
        assert {"a.part", "b.part"} <= set(names_in(tmp_path))
        server.requests.clear()
        assert await manager.restore_many([*ids, files[3].id]) == ids
        assert order_of(manager) == list("abcd")
        assert [status_of(manager, file) is S.PAUSED for file in files] == [0, 1, 1, 0]
        gate.opened.set()
        await manager.resume_all()
        await manager.wait_until_complete(timeout=60)
    assert all((tmp_path / name).read_bytes() == BODY for name in "abcd")
    first = {request.target: request.range_start for request in server.requests[::-1]}
    assert first["/a"] and first["/b"]


async def test_kept_data_is_discarded_unless_a_download_continues_it(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    async with DownloadManager(download_dir=tmp_path, max_concurrent=2) as manager:
        files, _ = await begun(server, manager, until)
        await manager.pause_all()
        removed = await manager.remove_many([file.id for file in files], keep_partial=True)
        assert len(removed) == 4
        again = files[0].model_copy(update={"start_at": 4e9})
        await manager.add([again])
        await manager._parts.control.kept.discard_all()
        assert not [name for name in names_in(tmp_path) if name.startswith("b")]
        assert {"a.part", "a.part.state"} <= set(names_in(tmp_path))
        assert await manager.restore_many([files[1].id]) == [files[1].id]
        info = manager.get_download_info(files[1].id)
        assert info is not None and info.bytes_downloaded == 0
        await manager.cancel_many([again.id, files[1].id])
    assert not [name for name in names_in(tmp_path) if name.startswith("a")]


@pytest.mark.parametrize("name", ["plain.bin", "Ünïcode.BIN", f"{'long' * 60}.bin"])
async def test_data_of_an_earlier_run_is_removed_with_its_download(
    server: MisbehavingServer, tmp_path: Path, until: Until, name: str
) -> None:
    url = server.on("/file", Gate(BODY, 1_500_000, ETag='"v"'))
    (tmp_path / "other.bin.part").write_bytes(b"of another program")
    (tmp_path / f"{name[:200]}.part").write_bytes(b"of another program")
    config = FileConfig(url=url, filename=name)
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([config])
        await until(lambda: manager.snapshot().downloads[0].bytes_downloaded > 1e6)
        await manager.pause(config.id)
    before = names_in(tmp_path)
    manager = DownloadManager(download_dir=tmp_path)
    await manager.add([config, *configs(20)])
    assert len(await manager.cancel_many([file.id for file in (config, *configs(20))])) == 21
    assert len(names_in(tmp_path)) == len(before) - 2  # the part file and its state
    assert (tmp_path / "other.bin.part").read_bytes() == b"of another program"


async def test_data_of_an_earlier_run_goes_when_the_undo_of_a_set_is_over(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    config = FileConfig(url=server.on("/file", Gate(BODY, 1_500_000, ETag='"v"')))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await manager.add([config])
        await until(lambda: manager.snapshot().downloads[0].bytes_downloaded > 1e6)
        await manager.pause(config.id)
    manager = DownloadManager(download_dir=tmp_path, tuning=replace(PATIENT, undo_seconds=2.0))
    await manager.open(paused=True)
    await manager.add([config, *configs(20)])
    await manager.remove_many([config.id, *(file.id for file in configs(20))], keep_partial=True)
    assert names_in(tmp_path) == ["file.part", "file.part.state"]
    await until(lambda: names_in(tmp_path) == [])
    await manager.close()


async def test_more_than_ten_thousand_removed_downloads_return(tmp_path: Path) -> None:
    manager, ids = await filled(tmp_path, 12_000)
    assert len(await manager.remove_many(ids[::-1])) == len(ids)
    assert manager.stats.total == 0
    assert len(await manager.restore_many(ids)) == len(ids)
    assert [config.id for config in manager.queue] == ids


async def test_a_later_verb_holds(tmp_path: Path) -> None:
    manager, ids = await filled(tmp_path, 3_000)
    pausing = asyncio.create_task(manager.pause_many(ids))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert 0 < manager.stats.paused < 3_000
    await manager.cancel(ids[-1])
    await manager.remove(ids[-2])
    assert ids[-1] not in await pausing
    assert manager.stats.cancelled == 1 and manager.stats.paused == 2_998


async def test_running_downloads_of_a_set_stop(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    async with DownloadManager(download_dir=tmp_path, max_concurrent=2) as manager:
        files, _ = await begun(server, manager, until)
        journal = Journal(manager)
        ids = [file.id for file in files]
        assert sorted(await manager.pause_many(ids)) == sorted({*ids} - {ids[1]})
        assert manager.stats.paused == 4
        assert sorted(await manager.cancel_many(ids)) == sorted(ids)
        assert journal.endings() == dict.fromkeys(ids, 1)
        assert names_in(tmp_path) == []
        for file in files:
            server.on(f"/{file.url[-1]}", serving(BODY))
        assert await manager.retry_many(ids) == ids
        await manager.wait_until_complete(timeout=60)
        assert manager.stats.completed == 4


async def test_priorities_of_a_set(tmp_path: Path) -> None:
    manager, ids = await filled(tmp_path, 2_000)
    await manager.pause(ids[5])
    await manager.cancel(ids[6])
    with pytest.raises(ProcessQueueError, match="priority is 0"):
        await manager.set_priorities({ids[0]: 3, ids[1]: 0})
    assert manager.snapshot().downloads[0].priority == 1
    wanted = {id_: 1 + number % 3 for number, id_ in enumerate(ids)}
    assert await manager.set_priorities(wanted) == [id_ for id_ in ids if id_ != ids[6]]
    waiting = [id_ for id_ in ids if id_ not in ids[5:7]]
    expected = sorted(waiting, key=lambda id_: (-wanted[id_], ids.index(id_)))
    assert [config.id for config in manager.queue] == expected
    await manager.resume(ids[5])
    row = next(row for row in manager.snapshot().downloads if row.id == ids[5])
    assert row.priority == wanted[ids[5]]


Verb = Callable[[DownloadManager, Sequence[str]], Coroutine[Any, Any, object]]
VERBS: dict[str, Verb] = {
    "pause": lambda manager, ids: manager.pause_many(ids),
    "resume": lambda manager, ids: manager.resume_many(ids),
    "cancel": lambda manager, ids: manager.cancel_many(ids),
    "retry": lambda manager, ids: manager.retry_many(ids),
    "set priorities": lambda manager, ids: manager.set_priorities(dict.fromkeys(ids, 7)),
    "set places": lambda manager, ids: manager.set_places(dict.fromkeys(ids, (3, 1))),
    "remove": lambda manager, ids: manager.remove_many(ids),
    "restore": lambda manager, ids: manager.restore_many(ids),
}


async def test_a_set_costs_each_download_the_same(tmp_path: Path) -> None:
    """Also with a session, and if a verb is for a part of the list; no event is made."""
    costs: dict[str, list[float]] = {verb: [] for verb in VERBS}
    for count in (600, 6_000):
        manager, ids = await filled(tmp_path, count)
        for verb, work in VERBS.items():
            some = ids[:: 2 if verb == "retry" else 1]
            number = await calls(lambda m=manager, w=work, s=some: w(m, s))  # type: ignore[misc]
            costs[verb].append(number / len(some))
    for verb, (few, many) in costs.items():
        assert many < 1.3 * few + 5, (verb, few, many)
        assert many < 120, (verb, many)


async def test_a_set_is_saved_in_one_transaction(tmp_path: Path) -> None:
    files = configs(3_000)
    path = tmp_path / "session.db"
    manager = DownloadManager(download_dir=tmp_path, session_path=path)
    await manager.open(paused=True)
    await manager.add(files)
    session = manager._parts.session
    assert session is not None
    await session._flush()
    before = session._opened._tally.commits
    await manager.remove_many([file.id for file in files])
    await session._flush()
    assert session._opened._tally.commits == before + 1
    await manager.close()


async def test_a_long_list_is_read_in_pieces(tmp_path: Path) -> None:
    files = configs(5_000)
    path = tmp_path / "session.db"
    manager = DownloadManager(download_dir=tmp_path, session_path=path)
    await manager.open(paused=True)
    await manager.add(files)
    await manager.pause(files[3].id)
    ended = [file.id for file in files[::2]]
    await manager.cancel_many(ended)
    await manager.close()

    manager = DownloadManager(download_dir=tmp_path, session_path=path)
    opening = asyncio.create_task(manager.open(paused=True))
    totals: list[int] = []
    while not opening.done():
        await asyncio.sleep(0)
        snapshot = manager.snapshot()
        if snapshot.is_loading and snapshot.downloads:
            if not totals:  # what has not ended comes first, in the order of the queue
                first = sorted(row.order for row in snapshot.downloads)
                assert first[0][1] == 2 and first[1][1] == 4
                assert await manager.remove(files[1].id)
                assert await manager.set_priority(files[5].id, 9)
            totals.append(snapshot.stats.total)
    await opening
    assert 0 < min(totals) < 1_000 < max(totals)
    assert not manager.snapshot().is_loading
    assert manager.stats.total == 4_999 and manager.stats.cancelled == 2_500
    assert manager.stats.paused == 1
    waiting = [file.id for file in files[1::2] if file not in (files[1], files[3])]
    expected = sorted(waiting, key=lambda id_: id_ != files[5].id)
    assert [config.id for config in manager.queue] == expected
    await manager.close()
    manager = DownloadManager(download_dir=tmp_path, session_path=path)
    await manager.open(paused=True)
    assert [config.id for config in manager.queue] == expected  # changes meanwhile were saved
    await manager.close()
