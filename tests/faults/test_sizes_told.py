"""Lengths that nobody can mean, lengths that the user does not want, and none at all."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus, RetryConfig, RetryPolicy
from rheo_core.domain.units import MAX_FILE_BYTES
from rheo_core.downloads import RetryHandler, disk_space_watch
from tests.core.engine import PATIENT, Journal, error_of, fetch, names_in, serving, status_of
from tests.faults.disk import fill, free_bytes, small_disk, state_of
from tests.faults.oracle import Scene
from tests.faults.program import Home
from tests.servers.misbehaving import V1, Behaviour, Exchange, Headers, MisbehavingServer, body_of
from tests.servers.scenarios import answer, chunked, cut, endless, in_turn, raw, serving_until_close
from tests.waiting import Until

MB = 1_000_000
BODY = body_of(600_000)
LOOKS = replace(PATIENT, disk_look_seconds=0.01, max_disk_wait_seconds=0.01)
AT = 200_000
ABSURD = [10**18, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, MAX_FILE_BYTES + 1]
LIE = "an impossible file size (more than 100.0 PB)"


def promising(size: int) -> Behaviour:
    return raw(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode(), b"some")


# Lengths beyond any disk


@pytest.mark.parametrize("size", ABSURD)
@pytest.mark.parametrize("waits", [False, True])
async def test_a_length_beyond_any_disk_is_the_servers_lie(
    scene: Scene, size: int, waits: bool
) -> None:
    outcome = await scene.fetch(promising(size), wait_for_room=waits)
    outcome.failed(LIE, requests=1)
    assert outcome.journal.names() == ["queued", "failed"]
    assert outcome.journal.last("failed").error.exc_type.endswith(".ProtocolError")
    assert str(size) not in outcome.error.replace(",", "")


@pytest.mark.parametrize("size", [ABSURD[0], ABSURD[2]])
async def test_the_command_does_not_take_it_for_a_full_disk(
    server: MisbehavingServer, home: Home, tmp_path: Path, size: int
) -> None:
    url = server.on("/f", promising(size))
    result = await home.rheo("download", url, "-o", tmp_path / "files", "--retries", 3)
    assert result.code == 1 and result.told_once(LIE), result.err
    assert "disk full" not in result.err and "retry" not in result.err
    assert len(server.requests) == 1 and names_in(tmp_path / "files") == []


@pytest.mark.parametrize("size", [size for size in ABSURD if size < 10**19])
@pytest.mark.parametrize("status", ["206 Partial Content", "416 Range Not Satisfiable"])
async def test_a_lie_about_the_rest_costs_no_byte(broken: Scene, size: int, status: str) -> None:
    place = f"bytes {AT}-{size - 1}/{size}" if status.startswith("206") else f"bytes */{size}"
    length = size - AT if size < 1 << 63 else 10
    lies = raw(
        f"HTTP/1.1 {status}\r\nContent-Range: {place}\r\nContent-Length: {length}\r\n"
        f'ETag: "v1"\r\n\r\n'.encode()
    )
    outcome = await broken.resume(BODY, AT, lies, headers=V1)
    outcome.failed(LIE, requests=2)
    assert broken.part.read_bytes() == BODY[:AT]
    (await broken.fetch(serving(BODY, **V1), BODY)).completed(BODY)
    assert broken.server.requests[-1].range_start == AT


@pytest.mark.parametrize("size", [MAX_FILE_BYTES + 1, 1 << 62])
async def test_a_list_cannot_name_such_a_size(
    server: MisbehavingServer, home: Home, tmp_path: Path, size: int
) -> None:
    url = server.on("/f", serving(BODY))
    metalink = (
        '<?xml version="1.0"?><metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="f">'
        f"<size>{size}</size><url>{url}</url></file></metalink>"
    )
    for text in (f'{{"url": "{url}", "size_bytes": {size}}}\n', metalink):
        items = tmp_path / "list"
        items.write_text(text)
        result = await home.rheo("download", "-i", items, "-o", tmp_path / "files")
        assert result.code == 1 and result.told_once("size"), result.err
    assert server.requests == []


# Lengths that are honest and do not fit


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 24 * MB) as path:
        yield path


@pytest.mark.parametrize("size", [25 * MB, 300 * 10**9, MAX_FILE_BYTES])
async def test_nobody_waits_for_room_on_a_disk_that_is_too_small(
    server: MisbehavingServer, home: Home, disk: Path, size: int
) -> None:
    config = FileConfig(url=server.on("/f", promising(size)))
    manager, journal = await fetch(disk, [config], wait_for_room=True)
    assert status_of(manager, config) is DownloadStatus.FAILED
    assert "is larger than the disk (24.0 MB)" in error_of(manager, config)
    assert journal.names() == ["queued", "failed"] and names_in(disk) == []
    result = await home.rheo("download", config.url, "-o", disk)
    assert result.code == 4 and result.told_once("disk full: "), result.err


# No length


@pytest.mark.parametrize("framing", ["close", "chunked"])
@pytest.mark.parametrize("begun", [False, True], ids=["at once", "after a response with a size"])
async def test_a_body_without_an_end_does_not_fill_the_disk(
    server: MisbehavingServer, home: Home, disk: Path, framing: str, begun: bool
) -> None:
    least = free_bytes(disk)
    watching = True

    async def watch() -> None:
        nonlocal least
        while watching:
            least = min(least, free_bytes(disk))
            await asyncio.sleep(0)

    watcher = asyncio.create_task(watch())
    never_ends = endless(framing)
    if begun:
        never_ends = in_turn(cut(bytes(MB), MB // 2, **V1), endless(framing, **V1))
    url = server.on("/f", never_ends)
    result = await home.rheo("download", url, "-o", disk, "--retries", "1")
    watching = False
    await watcher
    assert result.code == 4 and result.told_once("disk full"), result.err
    assert "disk full: 2.4 MB stays free because the length of the file is unknown" in result.err
    assert least >= 2 * MB
    assert not (disk / "f").exists()
    if not begun:
        assert names_in(disk) == [] and len(server.requests) == 1 and "retry" not in result.err


@pytest.mark.parametrize("framing", ["close", "chunked"])
@pytest.mark.parametrize("headers", [{}, V1])
async def test_a_body_without_an_end_is_not_begun_again_for_ever(
    server: MisbehavingServer,
    disk: Path,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
    framing: str,
    headers: Headers,
) -> None:
    looks, fitting = [0], disk_space_watch._fitting

    def looked_at(entries: list[Any]) -> list[Any]:
        looks[0] += bool(entries)
        return fitting(entries)

    async def looked_at_again() -> None:
        before = looks[0]
        await until(lambda: looks[0] >= before + 3)

    monkeypatch.setattr(disk_space_watch, "_fitting", looked_at)
    filler = fill(disk, leave=12 * MB)
    config = FileConfig(url=server.on("/f", endless(framing, **headers)))
    async with DownloadManager(download_dir=disk, wait_for_room=True, tuning=LOOKS) as manager:
        journal = Journal(manager)
        await manager.add([config])
        await until(lambda: status_of(manager, config) is DownloadStatus.PAUSED)
        await looked_at_again()
        assert journal.names().count("paused") == 1 and len(server.requests) == 1

        filler.unlink()  # clearly more room than before
        await until(lambda: journal.names().count("paused") == 2)
        await looked_at_again()
        # A 200 to a range request of an unknown total may be the rest: one more request decides.
        asked = 3 if headers else 2
        assert journal.names().count("paused") == 2 and len(server.requests) == asked
        await manager.cancel(config.id)


async def test_it_goes_on_where_it_can_once_there_is_clearly_more_room(
    server: MisbehavingServer, disk: Path, until: Until
) -> None:
    body, filler = body_of(10 * MB), fill(disk, leave=8 * MB)

    async def behave(exchange: Exchange) -> None:
        start = exchange.request.range_start
        await (chunked(body, **V1)(exchange) if start is None else exchange.serve(body, **V1))

    config = FileConfig(url=server.on("/f", behave))
    async with DownloadManager(
        download_dir=disk, wait_for_room=True, chunk_size=65536, tuning=LOOKS
    ) as manager:
        await manager.add([config])
        await until(lambda: status_of(manager, config) is DownloadStatus.PAUSED)
        kept = state_of(disk / "f.part").offset
        assert 0 < kept <= 8 * MB - 2 * MB
        filler.unlink()
        await until(lambda: status_of(manager, config) is DownloadStatus.COMPLETED)
    assert [r.range_start for r in server.requests] == [None, kept]
    assert (disk / "f").read_bytes() == body


async def test_the_user_need_not_wait_for_more_room(
    server: MisbehavingServer, disk: Path, until: Until
) -> None:
    config = FileConfig(url=server.on("/f", in_turn(endless(), chunked(BODY))))
    async with DownloadManager(download_dir=disk, wait_for_room=True, tuning=LOOKS) as manager:
        await manager.add([config])
        await until(lambda: status_of(manager, config) is DownloadStatus.PAUSED)
        await manager.resume(config.id)
        await until(lambda: status_of(manager, config) is DownloadStatus.COMPLETED)
    assert (disk / "f").read_bytes() == BODY


@pytest.mark.parametrize("leave", [3 * MB, MB])
async def test_little_files_without_a_length_find_room_on_a_disk_that_is_nearly_full(
    server: MisbehavingServer, disk: Path, leave: int
) -> None:
    fill(disk, leave=leave)
    body = body_of(leave // 4)
    config = FileConfig(url=server.on("/f", chunked(body)))
    manager, _ = await fetch(disk, [config])
    assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
    assert (disk / "f").read_bytes() == body


async def test_a_body_that_goes_beyond_the_size_that_is_known_is_stopped(scene: Scene) -> None:
    config = scene.config(size_bytes=MB)
    outcome = await scene.fetch(endless(), config=config, chunk_size=65536)
    outcome.failed("sent more than the expected 1,000,000 bytes", requests=1)


# A size that the user allows


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("connections", [1, 4])
async def test_a_file_larger_than_allowed_is_refused(
    scene: Scene, framing: str, connections: int
) -> None:
    behaviour = {
        "length": serving(BODY, **V1),
        "chunked": chunked(BODY),
        "close": serving_until_close(BODY),
    }[framing]
    policy = RetryPolicy(retry_unknown_errors=True)
    handler = RetryHandler(RetryConfig(base_delay=0.01, policy=policy))
    options: dict[str, Any] = {
        "connections": connections,
        "chunk_size": 65536,
        "retry_handler": handler,
    }
    outcome = await scene.fetch(behaviour, BODY, max_size=len(BODY) - 1, **options)
    what = "the file (600,000 bytes)" if framing == "length" else "the file"
    outcome.failed(f"{what} is larger than max_size (599,999 bytes)", requests=1)
    assert not scene.part.exists()
    (await scene.fetch(behaviour, BODY, max_size=len(BODY), **options)).completed(BODY)


async def test_what_came_of_a_file_that_is_too_large_stays_for_another_limit(
    scene: Scene,
) -> None:
    async def behave(exchange: Exchange) -> None:
        start = exchange.request.range_start
        await (chunked(BODY, **V1)(exchange) if start is None else exchange.serve(BODY, **V1))

    outcome = await scene.fetch(behave, BODY, max_size=500_000, chunk_size=65536)
    outcome.failed("is larger than max_size (500,000 bytes)", requests=1)
    assert 0 < state_of(scene.part).offset <= 500_000
    (await scene.fetch(behave, BODY, max_size=400_000)).failed("the file (600,000 bytes) is larger")
    (await scene.fetch(behave, BODY)).completed(BODY)
    assert scene.server.requests[-1].range_start


async def test_the_flag_and_the_setting_say_how_large_a_file_may_be(
    server: MisbehavingServer, home: Home, tmp_path: Path
) -> None:
    url = server.on("/f", serving(BODY))
    line = ("download", url, "-o", tmp_path / "files")
    result = await home.rheo(*line, "--max-size", "500K", "--retries", 3)
    assert result.code == 1 and result.told_once("is larger than max_size (500,000 bytes)"), (
        result.err
    )
    assert len(server.requests) == 1 and names_in(tmp_path / "files") == []
    by_setting = Home(home.path, {"max_size": "0.5M"})
    assert (await by_setting.rheo(*line)).code == 1
    for wrong in ("much", "-1"):
        result = await home.rheo(*line, "--max-size", wrong)
        assert result.code == 2 and result.told_once("--max-size"), result.err
        assert ", or off" in result.err
    assert (await by_setting.rheo(*line, "--max-size", "off")).code == 0
    assert (tmp_path / "files" / "f").read_bytes() == BODY


async def test_the_limit_holds_for_mirrors_and_for_what_is_resumed(scene: Scene) -> None:
    mirror = scene.server.on("/mirror", serving(BODY, **V1))
    first = cut(BODY, AT, **V1)
    config = scene.config(mirrors=(mirror,))
    outcome = await scene.fetch(
        in_turn(first, answer("404 Not Found")), BODY, config=config, max_size=500_000
    )
    outcome.failed("is larger than max_size (500,000 bytes)")
    assert not scene.final.exists()
