"""Undo in the engine: cancelled and removed downloads return with their bytes and their place."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus
from tests.core.engine import PATIENT, Gate, names_in, serving, silent, status_of
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.waiting import Until

BODY = body_of(3_000_000)
SEEN = 2_000_000


async def half_done(manager: DownloadManager, gate: Gate, config: FileConfig, until: Until) -> None:
    """Add a download and let it run until `SEEN` bytes of it are there."""
    await manager.add([config])
    await asyncio.wait_for(gate.reached.wait(), 60)
    info = manager.get_download_info
    await until(lambda: (found := info(config.id)) and found.bytes_downloaded == SEEN)


@pytest.fixture
def gate() -> Gate:
    return Gate(BODY, SEEN, ETag='"v1"')


@pytest.mark.parametrize("verb", ["cancel", "remove"])
async def test_the_bytes_of_a_cancelled_download_are_not_asked_for_again(
    server: MisbehavingServer, tmp_path: Path, until: Until, gate: Gate, verb: str
) -> None:
    config = FileConfig(url=server.on("/f", gate))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await half_done(manager, gate, config, until)
        assert await getattr(manager, verb)(config.id, keep_partial=True)
        assert names_in(tmp_path) == ["f.part", "f.part.state"]
        gate.opened.set()
        assert await manager.restore(config.id)
        await manager.wait_until_complete(timeout=60)
    assert (tmp_path / "f").read_bytes() == BODY
    assert "range" in {name.lower() for name in server.requests[-1].headers}
    assert len(server.requests) == 2


async def test_a_paused_one_is_paused_again(
    server: MisbehavingServer, tmp_path: Path, until: Until, gate: Gate
) -> None:
    config = FileConfig(url=server.on("/f", gate))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await half_done(manager, gate, config, until)
        await manager.pause(config.id)
        await manager.cancel(config.id, keep_partial=True)
        await manager.restore(config.id)
        assert status_of(manager, config) is DownloadStatus.PAUSED
        assert manager.snapshot().downloads[0].bytes_downloaded > 0
        await manager.cancel(config.id)


async def test_a_cancelled_and_removed_one_returns_step_by_step(
    server: MisbehavingServer, tmp_path: Path, until: Until, gate: Gate
) -> None:
    config = FileConfig(url=server.on("/f", gate))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await half_done(manager, gate, config, until)
        await manager.cancel(config.id, keep_partial=True)
        await manager.remove(config.id, keep_partial=True)
        assert await manager.restore(config.id)
        assert status_of(manager, config) is DownloadStatus.CANCELLED
        gate.opened.set()
        assert await manager.restore(config.id)
        await manager.wait_until_complete(timeout=60)
        assert not await manager.restore(config.id)
    assert (tmp_path / "f").read_bytes() == BODY


async def test_a_retry_of_a_cancelled_one_uses_its_bytes_and_they_outlive_the_undo(
    server: MisbehavingServer, tmp_path: Path, until: Until, gate: Gate
) -> None:
    config = FileConfig(url=server.on("/f", gate))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await half_done(manager, gate, config, until)
        await manager.cancel(config.id, keep_partial=True)
        await manager.retry(config.id)
        await manager.pause(config.id)
        await manager._parts.control.kept.discard_all()  # the undo is over
        assert names_in(tmp_path) == ["f.part", "f.part.state"]
        await manager.cancel(config.id)


@pytest.mark.parametrize("verb", ["cancel", "remove"])
async def test_kept_bytes_go_when_the_undo_is_over(
    server: MisbehavingServer, tmp_path: Path, until: Until, gate: Gate, verb: str
) -> None:
    config = FileConfig(url=server.on("/f", gate))
    tuning = replace(PATIENT, undo_seconds=0.2)
    async with DownloadManager(download_dir=tmp_path, tuning=tuning) as manager:
        await half_done(manager, gate, config, until)
        await getattr(manager, verb)(config.id, keep_partial=True)
        await until(lambda: names_in(tmp_path) == [])


async def test_kept_bytes_go_when_the_program_ends(
    server: MisbehavingServer, tmp_path: Path, until: Until, gate: Gate
) -> None:
    config = FileConfig(url=server.on("/f", gate))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await half_done(manager, gate, config, until)
        await manager.remove(config.id, keep_partial=True)
    assert names_in(tmp_path) == []


async def test_kept_bytes_go_although_another_download_has_the_url(
    server: MisbehavingServer, tmp_path: Path, until: Until, gate: Gate
) -> None:
    config = FileConfig(url=server.on("/f", gate))
    other = FileConfig(url=config.url, filename="other")
    async with DownloadManager(download_dir=tmp_path) as manager:
        await half_done(manager, gate, config, until)
        await half_done(manager, gate, other, until)
        await manager.pause(other.id)
        await manager.cancel(config.id, keep_partial=True)
        assert "f.part" in names_in(tmp_path)
    assert names_in(tmp_path) == ["other.part", "other.part.state"]


async def test_a_cancelled_one_under_another_name_keeps_its_bytes_and_leaves_no_trace(
    server: MisbehavingServer, tmp_path: Path, until: Until, gate: Gate
) -> None:
    config = FileConfig(url=server.on("/f", gate))
    folder, session = tmp_path / "files", tmp_path / "session.db"
    async with DownloadManager(download_dir=folder, session_path=session) as manager:
        await half_done(manager, gate, config, until)
        await manager.cancel(config.id, keep_partial=True)
        server.on("/f", silent)
        edited = await manager.edit(config.id, config.model_copy(update={"filename": "g"}))
        assert edited is not None
        await manager.pause(edited)
        await manager._parts.control.kept.discard_all()  # the undo is over
    assert names_in(folder) == ["g.part", "g.part.state"]
    async with DownloadManager(download_dir=folder, session_path=session) as manager:
        assert [row.id for row in manager.snapshot().downloads] == [edited]
        assert await manager.history() == []


@pytest.mark.parametrize("verb", ["cancel", "remove"])
async def test_kept_bytes_of_a_killed_program_go_at_the_next_start(
    server: MisbehavingServer,
    tmp_path: Path,
    until: Until,
    gate: Gate,
    verb: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = FileConfig(url=server.on("/f?token=secret", gate))
    folder, session = tmp_path / "files", tmp_path / "session.db"
    folder.mkdir()

    def open_one() -> DownloadManager:
        return DownloadManager(download_dir=folder, session_path=session)

    async with open_one() as manager:
        await half_done(manager, gate, config, until)
        await getattr(manager, verb)(config.id, keep_partial=True)
        kept = manager._parts.control.kept
        monkeypatch.setattr(kept, "_kept", {})  # as if it were killed
    assert names_in(folder) == ["f.part", "f.part.state"]
    async with open_one() as manager:
        await next(task for task in manager._watchers if "discard_left" in repr(task))
        assert names_in(folder) == []
    # The list keeps secrets in URLs until the download is removed from it.
    assert (b"secret" in session.read_bytes()) == (verb == "cancel")


async def test_a_restored_download_has_its_place_again(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    configs = [FileConfig(url=server.on(f"/{n}", serving(b"x"))) for n in "abcde"]
    manager = DownloadManager(download_dir=tmp_path)
    await manager.open(paused=True)
    await manager.add(configs)
    for config in configs[1:4:2]:
        await manager.remove(config.id, keep_partial=True)
    await manager.cancel(configs[2].id, keep_partial=True)
    for config in configs[1:4]:
        await manager.restore(config.id)
    assert order_of(manager) == "abcde"
    await manager.close()


async def test_the_name_of_a_cancelled_download_is_free_for_another_link(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    first = FileConfig(url=server.on("/a/f", serving(b"first")))
    second = FileConfig(url=server.on("/b/f", serving(b"second")))
    manager = DownloadManager(download_dir=tmp_path)
    await manager.open(paused=True)
    await manager.add([first])
    await manager.cancel(first.id, keep_partial=True)
    await manager.add([second])
    manager.start()
    await manager.wait_until_complete(timeout=60)
    await manager.close()
    assert names_in(tmp_path) == ["f"]


async def test_a_restored_download_gets_another_name_if_its_own_was_given_away(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    first = FileConfig(url=server.on("/a/f", serving(b"first")))
    second = FileConfig(url=server.on("/b/f", serving(b"second")))
    manager = DownloadManager(download_dir=tmp_path)
    await manager.open(paused=True)
    await manager.add([first])
    await manager.cancel(first.id, keep_partial=True)
    await manager.add([second])
    await manager.restore(first.id)
    manager.start()
    await manager.wait_until_complete(timeout=60)
    await manager.close()
    assert (tmp_path / "f").read_bytes() == b"second"
    assert (tmp_path / "f (1)").read_bytes() == b"first"


async def test_the_name_of_kept_bytes_is_not_given_to_another_link(
    server: MisbehavingServer, tmp_path: Path, until: Until, gate: Gate
) -> None:
    config = FileConfig(url=server.on("/a/f", gate))
    other = FileConfig(url=server.on("/b/f", serving(b"other")))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await half_done(manager, gate, config, until)
        assert await manager.remove_many([config.id], keep_partial=True) == [config.id]
        await manager.add([other])
        await manager.wait_until_complete(timeout=60)
        gate.opened.set()
        assert await manager.restore_many([config.id]) == [config.id]
        await manager.wait_until_complete(timeout=60)
    assert (tmp_path / "f").read_bytes() == BODY
    assert (tmp_path / "f (1)").read_bytes() == b"other"
    assert len(server.requests) == 3 and server.requests[-1].range_start == SEEN


def order_of(manager: DownloadManager) -> str:
    rows = sorted(manager.snapshot().downloads, key=lambda row: row.order)
    return "".join(row.name for row in rows)


@pytest.mark.parametrize(
    ("block", "to", "order", "moved"),
    [
        ("bd", "up", "badcef", 2),
        ("bc", "up", "bcadef", 2),
        ("ab", "up", "abcdef", 0),
        ("abd", "up", "abdcef", 1),
        ("de", "down", "abcfde", 2),
        ("ef", "down", "abcdef", 0),
        ("be", "top", "beacdf", 2),
        ("be", "bottom", "acdfbe", 2),
        ("fa", "bottom", "bcdeaf", 2),
    ],
)
async def test_a_block_moves_together_and_back(
    server: MisbehavingServer, tmp_path: Path, block: str, to: str, order: str, moved: int
) -> None:
    configs = {n: FileConfig(url=server.on(f"/{n}", serving(b"x"))) for n in "abcdef"}
    manager = DownloadManager(download_dir=tmp_path)
    await manager.open(paused=True)
    await manager.add(list(configs.values()))
    ids = [configs[name].id for name in block]
    places = manager.places(ids)
    changed = await manager.move_block(ids, to)  # type: ignore[arg-type]
    assert (order_of(manager), len(changed)) == (order, moved)
    assert sorted(await manager.set_places(places)) == sorted(ids)
    assert order_of(manager) == "abcdef"
    await manager.close()


async def test_every_one_of_many_removed_downloads_returns(tmp_path: Path) -> None:
    configs = [FileConfig(url=f"http://example.org/{at}") for at in range(12_000)]
    manager = DownloadManager(download_dir=tmp_path)
    await manager.open(paused=True)
    await manager.add(configs)
    for config in configs:
        await manager.remove(config.id, keep_partial=True)
    assert sum([await manager.restore(config.id) for config in configs]) == len(configs)
    assert manager.stats.queued == len(configs)
    await manager.close()


@pytest.mark.parametrize("verb", ["cancel", "remove"])
@pytest.mark.parametrize("turns", [0, 1, 2, 5])
@pytest.mark.parametrize("change", ["edit", "priority", "link", "resume"])
async def test_the_bytes_go_before_the_next_attempt_has_opened_them(
    server: MisbehavingServer,
    tmp_path: Path,
    until: Until,
    gate: Gate,
    change: str,
    turns: int,
    verb: str,
) -> None:
    config = FileConfig(url=server.on("/f", gate))
    async with DownloadManager(download_dir=tmp_path) as manager:
        await half_done(manager, gate, config, until)
        server.on("/f", silent)
        id_: str | None = config.id
        if change == "link":
            await manager.replace_url(config.id, server.on("/g", silent))
        elif change == "resume":
            await manager.pause(config.id)
            await manager.resume(config.id)
        else:
            update: dict[str, str | int] = (
                {"filename": "g"} if change == "edit" else {"priority": 3}
            )
            id_ = await manager.edit(config.id, config.model_copy(update=update))
        for _ in range(turns):
            await asyncio.sleep(0)
        await getattr(manager, verb)(id_)
    assert names_in(tmp_path) == []
