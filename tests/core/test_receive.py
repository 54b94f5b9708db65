"""Receiving: what is written when a connection is stopped at an awkward moment."""

import asyncio
import threading
from pathlib import Path

import pytest

from rheo_core import FileConfig
from rheo_core.infrastructure.disk import DiskThreads
from rheo_core.infrastructure.http import WireClient
from rheo_core.tracking import DownloadRecord
from rheo_core.transfer import PartFile, PartOwner, RateLimits
from rheo_core.transfer.aiohttp_body import StreamBody
from rheo_core.transfer.body import Body, _Writer, receive
from rheo_core.transfer.segments import Segment, SegmentMap
from rheo_core.transfer.validators import Validator
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of
from tests.waiting import until_idle

TOTAL = 1_000_000
BATCH = 8_000


class LateBody(StreamBody):
    """Has a batch at once, and more when it is asked for the rest."""

    def __init__(self) -> None:
        self.is_closed = False

    async def fill(self, capacity: int, count: object) -> memoryview:
        count(1000)  # type: ignore[operator]
        return memoryview(b"a" * 1000)

    def rest(self) -> memoryview:
        return memoryview(b"b" * 1000)

    def close(self) -> None:
        self.is_closed = True


async def received(
    body: Body,
    part: PartFile,
    segment: Segment,
    record: DownloadRecord,
    disk: DiskThreads,
    *,
    ends_at: int,
) -> bool:
    return await receive(
        body,
        part,
        segment,
        record,
        disk=disk,
        throttle=RateLimits().throttle("f", None, "example.org:80"),
        batch_bytes=lambda: BATCH,
        check_growth=lambda _: None,
        ends_at=ends_at,
    )


async def test_nothing_follows_a_batch_that_was_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, disk, body = PartFile(tmp_path / "f", PartOwner("source")), DiskThreads(), LateBody()
    part.expect(TOTAL, Validator('"v"'))
    is_beginning, may_begin, begin = asyncio.Event(), threading.Event(), part.begin
    loop = asyncio.get_running_loop()

    def begin_when_told() -> None:
        loop.call_soon_threadsafe(is_beginning.set)
        may_begin.wait(10)
        begin()

    monkeypatch.setattr(part, "begin", begin_when_told)
    segment = SegmentMap(TOTAL).first()
    record = DownloadRecord.of(FileConfig(url="http://example.org/f"))
    receiving = asyncio.create_task(received(body, part, segment, record, disk, ends_at=TOTAL))
    await is_beginning.wait()
    receiving.cancel()
    may_begin.set()
    with pytest.raises(asyncio.CancelledError):
        await receiving
    disk.close()
    assert body.is_closed
    # The first batch is written with the beginning; the second waited, and was not.
    assert (segment.written, segment.received, record.bytes_downloaded) == (1000, 1000, 1000)
    assert part.path.read_bytes() == b"a" * 1000
    part.release(keep=False)


async def test_bytes_behind_the_end_of_a_response_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second connection that takes the rest would begin behind them, and leave a hole."""
    part, disk = PartFile(tmp_path / "f", PartOwner("source")), DiskThreads()
    part.expect(TOTAL, Validator('"v"'))
    segment, counts, write = SegmentMap(TOTAL).first(), list[int](), part.write

    def note_and_write(offset: int, data: memoryview, crc: int = 0) -> int:
        counts.append(segment.received)
        return write(offset, data, crc)

    monkeypatch.setattr(part, "write", note_and_write)
    record = DownloadRecord.of(FileConfig(url="http://example.org/f"))
    assert not await received(LateBody(), part, segment, record, disk, ends_at=600)
    disk.close()
    assert counts == [600]
    assert (segment.written, record.bytes_downloaded, record.stats.transferred) == (600, 600, 1000)
    part.release(keep=False)


async def test_bytes_that_come_after_a_cancellation_overwrite_none_that_are_being_written(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is slow, and another connection has taken over the rest."""
    content, loop = body_of(3 * BATCH), asyncio.get_running_loop()
    is_writing, is_cancelled, is_sent = asyncio.Event(), asyncio.Event(), asyncio.Event()
    may_write = threading.Event()

    async def behave(exchange: Exchange) -> None:
        await exchange.head(Content_Length=TOTAL)
        await exchange.send(content[:BATCH])
        await is_cancelled.wait()
        await exchange.send(content[BATCH:])
        is_sent.set()

    part, disk = PartFile(tmp_path / "f", PartOwner("source")), DiskThreads()
    part.expect(TOTAL, Validator('"v"'))
    write = part.write

    def write_when_told(offset: int, data: memoryview, crc: int = 0) -> int:
        loop.call_soon_threadsafe(is_writing.set)
        may_write.wait(10)
        return write(offset, data, crc)

    monkeypatch.setattr(part, "write", write_when_told)
    segment = SegmentMap(TOTAL).first()
    record = DownloadRecord.of(FileConfig(url=server.on("/f", behave)))
    async with WireClient() as client, client.get(server.url("/f")) as response:
        receiving = asyncio.create_task(
            received(response.body, part, segment, record, disk, ends_at=TOTAL)
        )
        await is_writing.wait()
        receiving.cancel()
        is_cancelled.set()
        await is_sent.wait()
        await until_idle()
        may_write.set()
        with pytest.raises(asyncio.CancelledError):
            await receiving
    disk.close()
    assert segment.written == BATCH
    assert part.path.read_bytes() == content[:BATCH]
    part.release(keep=False)


async def test_nothing_follows_bytes_that_were_left_out(tmp_path: Path) -> None:
    """Another connection takes the rest of a segment over, and gives it back."""
    content = memoryview(body_of(1_400))
    part, disk = PartFile(tmp_path / "f", PartOwner("source")), DiskThreads()
    part.expect(TOTAL, Validator('"v"'))
    segment = SegmentMap(TOTAL).first()
    writer = _Writer(part, disk, segment, None)
    segment.end = 600
    await writer.write(content[:1_000])
    segment.end = TOTAL
    await writer.finish(content[1_000:])
    disk.close()
    assert segment.written == 600
    assert writer.is_done
    assert part.path.read_bytes() == content[:600]
    part.release(keep=False)
