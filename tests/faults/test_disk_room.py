"""L01: what came before the disk was full is kept, and a download waits for room by itself."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.core.engine import PATIENT, Journal, names_in
from tests.faults.disk import check_kept, fill, small_disk
from tests.faults.oracle import LIMIT, Scene
from tests.faults.program import COMMAND, Home, ended
from tests.servers.misbehaving import V1, MisbehavingServer, body_of
from tests.servers.scenarios import Tap
from tests.waiting import Until

MB = 1_000_000
BODY = body_of(6 * MB)
FIRST = 5 * 65536
LOOKS = replace(PATIENT, disk_look_seconds=0.2)
KEPT = FIRST - 2 * 65536
"""At the least: the last batch is under way, and the state needs room too."""


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_l01_what_came_before_the_first_checkpoint_is_kept(
    server: MisbehavingServer, home: Home, tmp_path: Path, until: Until, framing: str
) -> None:
    tap = Tap(BODY, FIRST, framing, **V1)
    with small_disk(tmp_path / "disk", 8 * MB) as disk:
        line = ("download", server.on("/file.bin", tap), "-o", disk, "-x", 1)
        final, part = disk / "file.bin", disk / "file.bin.part"
        process = await home.start(COMMAND, *line)
        await until(lambda: part.exists() and part.stat().st_size == FIRST)
        filler = fill(disk)
        tap.opened.set()
        result = await ended(process)
        assert result.code == 4 and result.told_once("disk full"), result
        filler.unlink()
        kept = check_kept(final, BODY)
        assert kept >= KEPT
        result = await home.rheo(*line)
        assert result.code == 0, result.err
        assert names_in(disk) == ["file.bin"] and final.read_bytes() == BODY
    assert [request.range_start for request in server.requests] == [None, kept]


async def test_l01_a_download_waits_for_room(scene: Scene, until: Until) -> None:
    """By default: paused with a reason, bytes kept, an event; it goes on by itself."""
    tap = Tap(BODY, FIRST, **V1)
    scene.server.on(scene.path, tap)
    with small_disk(scene.folder / "small", 8 * MB) as disk:
        config = scene.config(destination_subdir="small")
        async with (
            scene.manager(
                chunk_size=65536, connections=1, wait_for_room=True, tuning=LOOKS
            ) as manager,
            asyncio.timeout(LIMIT),
        ):
            journal = Journal(manager)
            await manager.add([config])
            part = disk / "file.bin.part"
            await until(lambda: part.exists() and part.stat().st_size == FIRST)
            filler = fill(disk)
            tap.opened.set()
            await until(lambda: journal.names()[-1] == "paused")
            (row,) = manager.snapshot().downloads
            assert row.status == "paused" and "disk full" in row.reason
            assert journal.endings() == {}
            assert check_kept(disk / "file.bin", BODY) >= KEPT  # with room it would go on
            filler.unlink()
            await until(lambda: manager.stats.completed == 1)
            assert journal.endings() == {config.id: 1}
        assert (disk / "file.bin").read_bytes() == BODY and names_in(disk) == ["file.bin"]
    assert scene.server.requests[-1].range_start
    (scene.folder / "small").rmdir()
