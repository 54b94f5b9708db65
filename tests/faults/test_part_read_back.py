"""L04, L05, L10: a disk that cannot read, writes in pieces, or keeps a file's size but no bytes."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.core.engine import names_in, serving, sha256
from tests.faults.disk import check_kept, kept_so_far, limit_file_size, state_of, tell
from tests.faults.oracle import Scene, checksum
from tests.faults.program import COMMAND, HASTE, Home, needs_strace, strace
from tests.servers.misbehaving import V1, Exchange, MisbehavingServer, body_of
from tests.servers.scenarios import Tap, parts
from tests.waiting import Until

BODY = body_of(1_200_000)
HALF = len(BODY) // 2
LARGE = body_of(4_000_000)
HASH = f"sha256:{sha256(BODY)}"


async def leave_part(
    home: Home, server: MisbehavingServer, folder: Path, until: Until
) -> tuple[object, ...]:
    """Break a download off with about a half of it on the disk; returns its command line."""
    tap = Tap(BODY, HALF, **V1)
    line = ("download", server.on("/file.bin", tap), "-o", folder, "-x", 1, "--hash", HASH)
    process = await home.start(HASTE + COMMAND, *line)
    await until(lambda: kept_so_far(folder / "file.bin.part") >= HALF - 65536)
    process.send_signal(signal.SIGINT)
    await process.communicate()
    server.on("/file.bin", serving(BODY, **V1))
    return line


def failing(call: str, path: Path, when: str) -> tuple[str, ...]:
    """Reading this file fails."""
    return strace(
        "-P", str(path), "-e", f"trace={call}", "-e", f"inject={call}:error=EIO:when={when}"
    )


@needs_strace
@pytest.mark.parametrize("when", ["1+", "2"])
async def test_l04_the_hash_cannot_be_read(
    server: MisbehavingServer, home: Home, tmp_path: Path, when: str
) -> None:
    """Bytes that arrive out of order are read back for the hash: the second half comes first."""

    async def second_half_first(exchange: Exchange) -> None:
        if exchange.request.range_start is not None:
            await exchange.serve(LARGE, **V1)
            return
        await exchange.head(Content_Length=len(LARGE), **V1)
        await exchange.send(LARGE[:65536])
        await server.wait_for_requests(2)
        await exchange.send(LARGE[65536:])

    folder, url = tmp_path / "files", server.on("/file.bin", second_half_first)
    final, part = folder / "file.bin", folder / "file.bin.part"
    line = ("download", url, "-o", folder, "-x", 2, "--hash", f"sha256:{sha256(LARGE)}")
    result = await home.run(HASTE + COMMAND, *line, before=failing("pread64", part, when))
    assert result.code == 1, result
    assert result.told_once("input/output error") and result.told_once("failed    ")
    assert not final.exists() and part.exists()
    server.on("/file.bin", serving(LARGE, **V1))
    result = await home.rheo(*line)
    assert result.code == 0, result.err
    assert final.read_bytes() == LARGE and names_in(folder) == ["file.bin"]


@needs_strace
async def test_l04_what_is_there_cannot_be_read(
    server: MisbehavingServer, home: Home, tmp_path: Path, until: Until
) -> None:
    folder = tmp_path / "files"
    line = await leave_part(home, server, folder, until)
    part = folder / "file.bin.part"
    before = (part.read_bytes(), state_of(part))
    result = await home.rheo(*line, before=failing("pread64", part, "1+"))
    assert result.code == 4, result
    assert result.told_once("input/output error")
    assert check_kept(folder / "file.bin", BODY) >= HALF - 65536
    assert (part.read_bytes(), state_of(part)) == before
    result = await home.rheo(*line)
    assert result.code == 0, result.err
    assert (folder / "file.bin").read_bytes() == BODY and names_in(folder) == ["file.bin"]
    assert [request.range_start for request in server.requests] == [None, before[1].offset]


@pytest.mark.parametrize("share", [2, 7])
async def test_l05_writes_that_take_a_share(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, share: int
) -> None:
    pwrite, write, cut = os.pwrite, os.write, []

    def pwrite_some(descriptor: int, data: memoryview, offset: int) -> int:
        some = memoryview(data)[: max(len(data) // share, 1)]
        cut.append(len(data) - len(some))
        return pwrite(descriptor, some, offset)

    monkeypatch.setattr(os, "pwrite", pwrite_some)
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[: max(len(data) // share, 1)]))
    config = scene.config(hash_config=checksum(BODY))
    outcome = await scene.resume(BODY, HALF, parts(BODY, **V1), config=config, headers=V1)
    outcome.completed(BODY, requests=2)
    assert any(cut)


@needs_strace
async def test_l05_interrupted_calls_are_made_again(
    server: MisbehavingServer, home: Home, tmp_path: Path
) -> None:
    url, calls = server.on("/file.bin", serving(BODY, **V1)), "write,pwrite64,fdatasync,fsync"
    inject = (
        "-e",
        f"trace={calls},ftruncate",
        "-e",
        f"inject={calls},ftruncate:error=EINTR:when=1+2",
    )
    line = ("download", url, "-o", tmp_path / "files", "--hash", HASH)
    result = await home.run(HASTE + COMMAND, *line, before=strace(*inject))
    assert result.code == 0, result.err
    assert (tmp_path / "files" / "file.bin").read_bytes() == BODY
    assert names_in(tmp_path / "files") == ["file.bin"]


@pytest.mark.parametrize("size", [100, 250])
async def test_l05_not_even_the_state_fits(
    server: MisbehavingServer, home: Home, tmp_path: Path, size: int
) -> None:
    """A write of the state that takes a part of it, and then no more."""
    folder = tmp_path / "files"
    line = ("download", server.on("/file.bin", serving(BODY, **V1)), "-o", folder)
    result = await home.run(HASTE + COMMAND, *line, within=limit_file_size(size))
    assert result.code == 4 and result.told_once("too large for this file system"), result
    assert not (folder / "file.bin.part.state").exists()
    result = await home.rheo(*line)
    assert result.code == 0, result.err
    assert (folder / "file.bin").read_bytes() == BODY and names_in(folder) == ["file.bin"]


@pytest.mark.parametrize("state", ["true", "nothing written", "all written", "none"])
async def test_l10_a_full_size_means_nothing(scene: Scene, state: str) -> None:
    """A crash leaves a file that got its full size at the start, or was written from its end."""
    await scene.begin(BODY, HALF, **V1)
    os.truncate(scene.part, len(BODY))
    told = state_of(scene.part)
    if state == "nothing written":
        tell(scene.part, told._replace(written=()))
    elif state == "all written":
        whole = (replace(told.written[0], end=len(BODY)),)
        tell(scene.part, told._replace(written=whole))
    elif state == "none":
        scene.state.unlink()
        scene.keep()
    outcome = await scene.fetch(serving(BODY, **V1), BODY)
    if state == "none":
        assert outcome.status == "completed" and scene.final.read_bytes() == BODY
        assert scene.bystanders() == scene.before
    else:
        outcome.completed(BODY, requests=2)
        expected = told.offset if state == "true" else None
        assert outcome.requests[-1].range_start == expected


async def test_l10_killed_with_holes(
    server: MisbehavingServer, home: Home, tmp_path: Path, until: Until
) -> None:
    """Several connections leave a file that ends where the last one was, with gaps before."""
    tap, folder = Tap(BODY, 150_000, **V1), tmp_path / "files"
    line = ("download", server.on("/file.bin", tap), "-o", folder, "-x", 3)
    final, part = folder / "file.bin", folder / "file.bin.part"
    process = await home.start(HASTE + COMMAND, *line)
    await until(lambda: kept_so_far(part) >= 3 * 65536 and len(state_of(part).written) > 2)
    process.kill()
    await process.communicate()
    kept = check_kept(final, BODY)
    assert part.stat().st_size > kept
    os.truncate(part, len(BODY))
    tap.opened.set()
    before = len(server.requests)
    result = await home.rheo(*line)
    assert result.code == 0, result.err
    assert final.read_bytes() == BODY and names_in(folder) == ["file.bin"]
    assert all(request.range_start for request in server.requests[before:])
