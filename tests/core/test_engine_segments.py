"""Several connections for one download."""

import asyncio
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus
from rheo_core.domain.exceptions import FileValidationError
from rheo_core.transfer import PartFile, PartOwner, segments, source_of
from rheo_core.transfer.committing import commit
from rheo_core.transfer.validators import Validator
from tests.core.engine import (
    EAGER,
    PROMPT,
    error_of,
    fetch,
    names_in,
    quick_retries,
    serving,
    status_of,
)
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of
from tests.servers.scenarios import cut, in_turn
from tests.waiting import Until

BODY = body_of(8_000_000)


class Trickle:
    """Answers ranges; a connection stops after `first` bytes until `go_on` is set."""

    def __init__(self, body: bytes = BODY, first: int = 100_000, etag: str = '"v1"') -> None:
        self.go_on = asyncio.Event()
        self.body, self.first, self.etag = body, first, etag

    async def __call__(self, exchange: Exchange) -> None:
        start, end = exchange.request.range_start or 0, exchange.request.range_end
        end = min(end or len(self.body), len(self.body))
        if exchange.request.range_start is None:
            await exchange.head(Content_Length=len(self.body), ETag=self.etag)
        else:
            await exchange.head(
                "206 Partial Content",
                Content_Range=f"bytes {start}-{end - 1}/{len(self.body)}",
                Content_Length=end - start,
                ETag=self.etag,
            )
        await exchange.send(self.body[start : min(start + self.first, end)])
        await self.go_on.wait()
        await exchange.send(self.body[start + self.first : end])


async def test_connections_share_the_file(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    slow = Trickle()
    config = FileConfig(url=server.on("/f", slow))
    async with DownloadManager(download_dir=tmp_path, connections=4, tuning=EAGER) as manager:
        await manager.add([config])
        await until(lambda: manager.snapshot().downloads[0].connections == 4)
        slow.go_on.set()
        await manager.wait_until_complete(timeout=60)
        assert manager.snapshot().downloads[0].connections == 0
        assert manager.stats.completed_bytes == len(BODY)
    assert (tmp_path / "f").read_bytes() == BODY
    assert names_in(tmp_path) == ["f"]
    first, *others = server.requests
    assert "range" not in first.headers
    assert others and all(request.headers["if-range"] == '"v1"' for request in others)
    starts = [request.range_start for request in others]
    assert len(set(starts)) == len(starts)


async def test_connections_share_a_file_that_has_changed_since_it_was_begun(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    newer = Trickle(body_of(8_000_001, "newer"), etag='"v2"')

    async def later(exchange: Exchange) -> None:
        if exchange.request.headers.get("if-range") == '"v1"':
            await exchange.serve(newer.body, ETag=newer.etag)
        else:
            await newer(exchange)

    config = FileConfig(url=server.on("/f", in_turn(cut(BODY, 1_000_000, ETag='"v1"'), later)))
    await fetch(tmp_path, [config], connections=1, retry_handler=quick_retries(0))
    async with DownloadManager(download_dir=tmp_path, connections=4, tuning=EAGER) as manager:
        await manager.add([config])
        await until(lambda: manager.snapshot().downloads[0].connections == 4)
        newer.go_on.set()
        await manager.wait_until_complete(timeout=60)
    assert (tmp_path / "f").read_bytes() == newer.body


async def test_without_a_strong_validator_there_is_one(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    slow = Trickle(etag='W/"weak"')
    config = FileConfig(url=server.on("/f", slow))
    async with DownloadManager(download_dir=tmp_path, connections=4, tuning=EAGER) as manager:
        await manager.add([config])
        await until(lambda: manager.snapshot().downloads[0].bytes_downloaded >= 100_000)
        slow.go_on.set()
        await manager.wait_until_complete(timeout=60)
    assert len(server.requests) == 1
    assert (tmp_path / "f").read_bytes() == BODY


async def test_a_server_without_ranges_keeps_one_connection(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    slow = Trickle()

    async def ignores_ranges(exchange: Exchange) -> None:
        if exchange.request.range_start is not None:
            await exchange.head(Content_Length=len(BODY), ETag='"v1"')
            await exchange.send(BODY)
        else:
            await slow(exchange)

    config = FileConfig(url=server.on("/f", ignores_ranges))
    async with DownloadManager(download_dir=tmp_path, connections=4, tuning=EAGER) as manager:
        await manager.add([config])
        await until(
            lambda: manager.snapshot().downloads[0].reason == "server refuses ranges: 1 connection"
        )
        assert manager.snapshot().downloads[0].status is DownloadStatus.IN_PROGRESS
        slow.go_on.set()
        await manager.wait_until_complete(timeout=60)
    assert len(server.requests) == 2
    assert (tmp_path / "f").read_bytes() == BODY


async def test_a_server_that_is_slow_to_refuse_ranges(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """The half of the first connection is there when the other one learns that it cannot join."""

    async def behave(exchange: Exchange) -> None:
        if exchange.request.range_start is not None:
            await server.wait_for_requests(3)  # one has taken the place of the first
        await exchange.head(Content_Length=len(BODY), ETag='"v1"')
        await exchange.send(BODY[:100_000])
        if exchange.number == 1:
            await server.wait_for_requests(2)
        await exchange.send(BODY[100_000:])

    config = FileConfig(url=server.on("/f", behave))
    manager, _ = await fetch(tmp_path, [config], connections=4, tuning=EAGER)
    assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
    assert (tmp_path / "f").read_bytes() == BODY


async def test_who_ends_while_another_gives_its_piece_back_has_not_failed(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first connection writes its last bytes when the second one is refused."""
    middle = 0
    writes_last, given_back = asyncio.Event(), threading.Event()
    loop, write = asyncio.get_running_loop(), PartFile.write
    give_back = segments.SegmentMap.give_back

    def slow_write(part: PartFile, offset: int, data: memoryview, crc: int = 0) -> int:
        if offset + len(data) == middle:
            loop.call_soon_threadsafe(writes_last.set)
            given_back.wait(20)
        return write(part, offset, data, crc)

    def note(chart: segments.SegmentMap, segment: segments.Segment) -> bool:
        given_back.set()
        return give_back(chart, segment)

    async def behave(exchange: Exchange) -> None:
        nonlocal middle
        if exchange.number == 1:
            await exchange.head(Content_Length=len(BODY), ETag='"v1"')
            await exchange.send(BODY[:100_000])
            await server.wait_for_requests(2)
            await exchange.send(BODY[100_000:])
        elif exchange.number == 2:
            middle = exchange.request.range_start or 0
            await writes_last.wait()
            await exchange.head("503 Busy", Content_Length=0)
        else:
            await exchange.serve(BODY, ETag='"v1"')

    monkeypatch.setattr(PartFile, "write", slow_write)
    monkeypatch.setattr(segments.SegmentMap, "give_back", note)
    config = FileConfig(url=server.on("/f", behave))
    manager, _ = await fetch(tmp_path, [config], connections=2, tuning=EAGER)
    assert given_back.is_set()
    assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
    assert (tmp_path / "f").read_bytes() == BODY


async def test_one_connection_fetches_all_that_is_missing(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """The host bears no second one, not even for a moment."""
    url = server.on("/f", serving(BODY, ETag='"v1"'))
    part = PartFile(tmp_path / "f", PartOwner(source_of(url)))
    part.open()
    part.expect(len(BODY), Validator('"v1"'))
    part.begin()
    pieces = ((1_000_000, 2_000_000), (3_000_000, 4_000_000), (6_000_000, 7_000_000))
    part.checkpoint(tuple(segments.WrittenRange(a, b, part.write(a, BODY[a:b])) for a, b in pieces))
    part.release(keep=True)
    manager, _ = await fetch(tmp_path, [FileConfig(url=url)], connections_per_host=1, tuning=EAGER)
    assert manager.stats.completed == 1
    assert (tmp_path / "f").read_bytes() == BODY
    assert [request.range_start for request in server.requests] == [
        0,
        2_000_000,
        4_000_000,
        7_000_000,
    ]


@pytest.mark.parametrize("refusal", ["429 Too Many Requests", "503 Busy", "reset", "close"])
async def test_a_server_that_allows_two_connections(
    server: MisbehavingServer,
    tmp_path: Path,
    until: Until,
    refusal: str,
) -> None:
    slow = Trickle()
    busy = refused = 0

    async def limited(exchange: Exchange) -> None:
        nonlocal busy, refused
        for _ in range(20):  # the end of a response is seen before the request that follows it
            if busy < 2:
                break
            await asyncio.sleep(0.005)
        else:
            refused += 1
            if refusal == "reset":
                await exchange.reset()
            elif refusal == "close":
                await exchange.close()
            else:
                await exchange.head(refusal, Content_Length=0)
            return
        busy += 1
        try:
            await slow(exchange)
        finally:
            busy -= 1

    config = FileConfig(url=server.on("/f", limited))
    tuning = replace(EAGER, min_segment_bytes=1 << 20)  # the other requests are refusals
    async with DownloadManager(download_dir=tmp_path, connections=6, tuning=tuning) as manager:
        await manager.add([config])
        await until(lambda: refused)
        slow.go_on.set()
        await manager.wait_until_complete(timeout=60)
    assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
    assert (tmp_path / "f").read_bytes() == BODY
    assert len(server.requests) < 12


async def test_a_file_that_changes_meanwhile_is_never_spliced(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    newer = body_of(len(BODY), "newer")
    old = Trickle()

    async def changes(exchange: Exchange) -> None:
        if exchange.number == 1:
            await old(exchange)
        else:
            await exchange.serve(newer, ETag='"v2"')

    await fetch(
        tmp_path,
        [FileConfig(url=server.on("/f", changes))],
        connections=4,
        retry_handler=quick_retries(),
        tuning=EAGER,
    )
    assert (tmp_path / "f").read_bytes() == newer


@pytest.mark.parametrize(
    ("patience", "connections"),
    [(0.1, 3), (3600.0, 2)],  # near the end nobody is as patient as that
)
async def test_a_stalled_connection_is_overtaken(
    server: MisbehavingServer,
    tmp_path: Path,
    patience: float,
    connections: int,
) -> None:
    stuck = Trickle()

    async def first_one_stalls(exchange: Exchange) -> None:
        if exchange.number == 1:
            await stuck(exchange)
        else:
            await exchange.serve(BODY, ETag='"v1"')

    config = FileConfig(url=server.on("/f", first_one_stalls))
    manager, _ = await fetch(
        tmp_path,
        [config],
        connections=connections,
        tuning=replace(PROMPT, takeover_seconds=patience),
    )
    assert status_of(manager, config) is DownloadStatus.COMPLETED
    assert (tmp_path / "f").read_bytes() == BODY


async def test_a_connection_ends_where_its_piece_ends(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    async def stops_behind_its_piece(exchange: Exchange) -> None:
        if exchange.request.range_start is not None:
            await exchange.serve(BODY, ETag='"v1"')
            return
        await exchange.head(Content_Length=len(BODY), ETag='"v1"')
        await exchange.send(BODY[:500_000])
        await server.wait_for_requests(2)
        border = server.requests[1].range_start
        assert border is not None
        await exchange.send(BODY[500_000 : border + 1000])
        await exchange.reader.read()

    config = FileConfig(url=server.on("/f", stops_behind_its_piece))
    tuning = replace(EAGER, max_batch_seconds=3600.0)  # it waits for no more than it needs
    manager, _ = await fetch(tmp_path, [config], connections=2, tuning=tuning)
    assert status_of(manager, config) is DownloadStatus.COMPLETED
    assert (tmp_path / "f").read_bytes() == BODY


async def test_the_pieces_of_an_interrupted_download_are_kept(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    slow = Trickle(first=600_000)
    config = FileConfig(url=server.on("/f", slow))
    async with DownloadManager(download_dir=tmp_path, connections=3, tuning=EAGER) as manager:
        await manager.add([config])
        await until(lambda: manager.snapshot().downloads[0].bytes_downloaded == 1_800_000)
        assert await manager.pause(config.id)
    slow.go_on.set()
    before = len(server.requests)
    async with DownloadManager(download_dir=tmp_path, connections=1, tuning=EAGER) as manager:
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
    assert (tmp_path / "f").read_bytes() == BODY
    again = server.requests[before:]
    asked = sum((request.range_end or len(BODY)) - (request.range_start or 0) for request in again)
    assert asked == len(BODY) - 1_800_000


async def test_a_part_file_that_was_changed_is_begun_again(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    slow = Trickle(first=600_000)
    config = FileConfig(url=server.on("/f", slow))
    async with DownloadManager(download_dir=tmp_path, connections=3, tuning=EAGER) as manager:
        await manager.add([config])
        await until(lambda: manager.snapshot().downloads[0].bytes_downloaded == 1_800_000)
        assert await manager.pause(config.id)
        with (tmp_path / "f.part").open("r+b") as part:
            part.seek(300_000)
            part.write(b"edited")
        slow.go_on.set()
        before = len(server.requests)
        assert await manager.resume(config.id)
        await manager.wait_until_complete(timeout=60)
    assert "range" not in server.requests[before].headers
    assert (tmp_path / "f").read_bytes() == BODY


@pytest.mark.parametrize("left", [0, 100_000, 599_999])
@pytest.mark.parametrize("connections", [1, 3])
@pytest.mark.halved("left", "connections")
async def test_a_part_file_that_another_program_shortens_is_not_the_file(
    server: MisbehavingServer, tmp_path: Path, until: Until, left: int, connections: int
) -> None:
    slow = Trickle(first=600_000, etag='W/"weak"' if connections == 1 else '"v1"')
    config, part = FileConfig(url=server.on("/f", slow)), tmp_path / "f.part"
    async with DownloadManager(
        download_dir=tmp_path, connections=connections, tuning=EAGER
    ) as manager:
        await manager.add([config])
        await until(lambda: part.exists() and part.stat().st_size >= 600_000)
        os.truncate(part, left)
        slow.go_on.set()
        await manager.wait_until_complete(timeout=60)
    assert error_of(manager, config) == "another program shortened f.part during the download"
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize("left", [0, 5, len(BODY) - 1])
async def test_a_part_file_that_is_shortened_before_its_commit_is_not_the_file(
    tmp_path: Path, left: int
) -> None:
    part = PartFile(tmp_path / "f", PartOwner(source_of("http://x/f")))
    part.expect(len(BODY), Validator(etag='"v1"'))
    part.begin()
    part.write(0, BODY)
    os.truncate(part.path, left)
    with pytest.raises(FileValidationError, match=r"another program shortened f\.part"):
        commit(part, len(BODY), overwrite=False)
    part.close()
    assert not (tmp_path / "f").exists()


async def test_small_or_quick_downloads_stay_with_one(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    await fetch(
        tmp_path,
        [FileConfig(url=server.on(f"/{n}", serving(BODY, ETag='"x"'))) for n in range(4)],
        connections=8,
    )
    assert len(server.requests) == 4


class Unsized:
    """Answers ranges without the size of the file, a piece at a time; cuts off the whole file.

    From `told_from` on, the responses have the size.
    """

    def __init__(self, body: bytes, piece: int, told_from: int | None = None) -> None:
        self.body, self.piece, self.told_from = body, piece, told_from

    async def __call__(self, exchange: Exchange) -> None:
        start, size = exchange.request.range_start, len(self.body)
        if start is None:
            await exchange.head(Transfer_Encoding="chunked", ETag='"v1"')
            await exchange.send(b"%x\r\n%b\r\n" % (self.piece, self.body[: self.piece]))
            await exchange.close()
        elif start >= size:
            await exchange.head(
                "416 Range Not Satisfiable",
                Content_Range=f"bytes */{size}",
                Content_Length=0,
                ETag='"v1"',
            )
        else:
            end = min(start + self.piece, exchange.request.range_end or size, size)
            is_told = self.told_from is not None and start >= self.told_from
            await exchange.head(
                "206 Partial Content",
                Content_Range=f"bytes {start}-{end - 1}/{size if is_told else '*'}",
                Content_Length=end - start,
                ETag='"v1"',
            )
            await exchange.send(self.body[start:end])


@pytest.mark.parametrize("told_from", [None, 0, 50_000, 300_000, 390_000])
@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("piece", [10_000, 40_000, 399_999])
async def test_pieces_of_a_file_of_unknown_size_follow_each_other(
    server: MisbehavingServer, tmp_path: Path, told_from: int | None, connections: int, piece: int
) -> None:
    body = body_of(400_000)
    config = FileConfig(url=server.on("/f", Unsized(body, piece, told_from)))
    manager, journal = await fetch(
        tmp_path, [config], connections=connections, tuning=EAGER, retry_handler=quick_retries(1)
    )
    assert status_of(manager, config) == "completed", error_of(manager, config)
    assert (tmp_path / "f").read_bytes() == body
    assert journal.names().count("retrying") == 1
    starts = [request.range_start for request in server.requests]
    assert len(set(starts)) == len(starts)


async def test_tiny_pieces_of_a_file_of_unknown_size_are_not_requested_forever(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    config = FileConfig(url=server.on("/f", Unsized(body_of(400_000), 10)))
    manager, _ = await fetch(tmp_path, [config], retry_handler=quick_retries(1))
    assert error_of(manager, config) == "connection closed after 170 bytes"
    assert len(server.requests) < 20


async def test_pieces_that_end_early_are_not_the_expected_file(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    behave = Unsized(body_of(400_000), 100_000)
    config = FileConfig(url=server.on("/f", behave), size_bytes=500_000)
    manager, _ = await fetch(tmp_path, [config], retry_handler=quick_retries(1))
    assert error_of(manager, config) == "the server offers 400,000 bytes instead of 500,000"
    assert names_in(tmp_path) == []
