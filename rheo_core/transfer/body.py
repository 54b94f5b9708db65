"""Read one range from the socket through a buffer to the file. The hot path."""

import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from rheo_core.infrastructure.disk import DiskFuture, DiskThreads
from rheo_core.infrastructure.http import Response, WireBody, WireResponse
from rheo_core.tracking.record import DownloadRecord

from .part_file import PartFile
from .rate_limits import Throttle
from .segments import Segment

if TYPE_CHECKING:
    from .aiohttp_body import SocketBody, StreamBody

Count = Callable[[int], bool]
"""Count received bytes as soon as they arrive; return True if they are enough."""

Body: TypeAlias = "StreamBody | SocketBody | WireBody"


def body_of(response: Response, stall_timeout: float | None, max_batch_seconds: float) -> Body:
    """Return the body of a response whose head has just arrived, without an `await` in between.

    Args:
        response: of a `WireClient` or of aiohttp.
        stall_timeout: seconds without a byte after which reading fails; None: never.
        max_batch_seconds: time after which any received bytes are returned, even if they are few.

    Raises:
        ProtocolError: the end of the head is ambiguous.
    """
    if isinstance(response, WireResponse):
        response.body.stall_timeout = stall_timeout
        response.body.max_batch_seconds = max_batch_seconds
        return response.body
    from .aiohttp_body import body_of_aiohttp  # aiohttp is imported already

    return body_of_aiohttp(response, stall_timeout, max_batch_seconds)


async def receive(
    body: Body,
    part: PartFile,
    segment: Segment,
    record: DownloadRecord,
    *,
    disk: DiskThreads,
    throttle: Throttle,
    batch_bytes: Callable[[], int],
    check_growth: Callable[[int], None],
    ends_at: int | None,
) -> bool:
    """Write a body that begins at `segment.received` to the part file.

    Afterwards all received bytes are in the file, even after an error. Nothing is written beyond
    `ends_at` or the end of the segment, which may move in both directions meanwhile.

    Args:
        body: body of the response.
        part: file to fill.
        segment: its range.
        record: counts the bytes.
        disk: threads for the writes.
        throttle: limits of speed.
        batch_bytes: returns the number of bytes to collect before a write.
        check_growth: gets the present size of a body of unknown length; raises if it is too large.
        ends_at: offset in the file at which the body ends; None: the head does not say.

    Returns:
        True if the body ended, False if the segment or `ends_at` was reached first.
    """
    writer = _Writer(part, disk, segment, ends_at)
    count = _counter(writer, segment, record, ends_at)
    throttle.join()
    try:
        while not writer.is_done:
            batch = await _fill(body, segment, throttle, batch_bytes(), count)
            if not batch:
                return True
            if segment.end is None:
                check_growth(writer.offset + len(batch))
            await writer.take(batch)
        return False
    finally:
        throttle.leave()
        body.close()
        try:
            await writer.finish(body.rest())
        finally:
            record.bytes_downloaded -= segment.received - segment.written
            segment.rewind()


def _counter(
    writer: "_Writer", segment: Segment, record: DownloadRecord, ends_at: int | None
) -> Count:
    """Return a function that counts the bytes of a segment and of its download."""
    loop = asyncio.get_running_loop()

    def count(fresh: int) -> bool:
        record.stats.transferred += fresh
        if ends_at is not None:  # another connection may begin where the received bytes end
            fresh = min(fresh, ends_at - segment.received)
        segment.received += fresh
        segment.active_at = loop.time()
        record.bytes_downloaded += fresh
        end = writer.end
        return end is not None and segment.received >= end

    return count


async def _fill(
    body: Body, segment: Segment, throttle: Throttle, capacity: int, count: Count
) -> memoryview:
    """Fill a batch when the limits of speed allow its bytes."""
    if not throttle.is_on:
        return await body.fill(capacity, count)
    # Bytes that arrived with the head may be uncounted, so `left` may be 0 before the end.
    left = sys.maxsize if segment.end is None else max(segment.end - segment.received, 1)
    granted = await throttle.take(min(capacity, left))
    before = segment.received
    try:
        return await body.fill(min(granted, capacity), count)
    finally:
        throttle.settle(granted, segment.received - before)


class _Writer:
    """Writes a batch in a thread while the next one is received."""

    def __init__(
        self, part: PartFile, disk: DiskThreads, segment: Segment, ends_at: int | None
    ) -> None:
        self._part = part
        self._disk = disk
        self._segment = segment
        self._ends_at = ends_at
        self._writing: DiskFuture[int] | None = None
        self._is_broken = False  # bytes are missing, so no others may follow them
        self.offset = segment.written  # of the next batch

    @property
    def end(self) -> int | None:
        """Offset after the last byte that may be written; None: the end of the body decides.

        A chunked body may be longer than the range in its head (RFC 9110 14.4).
        """
        end, ends_at = self._segment.end, self._ends_at
        return ends_at if end is None or (ends_at is not None and ends_at < end) else end

    async def take(self, batch: memoryview) -> None:
        """Buffer a batch that is a whole small file; write any other."""
        size = self._segment.end
        if len(batch) == size and self._part.fits_in_memory(size):
            self._part.buffer(batch)
            self.offset = self._segment.written = size
        else:
            await self.write(batch)

    @property
    def is_done(self) -> bool:
        """True if no more bytes can be written: all are written, or earlier ones are missing."""
        return self._is_broken or (self.end is not None and self.offset >= self.end)

    async def write(self, batch: memoryview) -> None:
        """Start a write after the previous one has ended, so that two buffers are enough.

        After a failure, a cancellation or a batch that went beyond the end, nothing more is
        written. Otherwise, if the end moved on later, bytes would be missing before the next batch.
        """
        if self._is_broken:
            return
        self._is_broken = True
        await self._wait()
        end, came = self.end, len(batch)
        if end is not None:
            batch = batch[: max(end - self.offset, 0)]
        if batch:
            self._writing = self._disk.submit(self._begin_and_write, self.offset, batch)
            self.offset += len(batch)
        self._is_broken = len(batch) < came

    def _begin_and_write(self, offset: int, batch: memoryview) -> int:
        """Write a batch in one job: a pause between two would lose the first batch of a file."""
        if not self._part.is_begun:
            self._part.begin()
        return self._part.write(offset, batch, self._segment.crc)

    async def finish(self, rest: memoryview) -> None:
        """Write the rest, and wait until it is in the file."""
        await self.write(rest)
        await self._wait()

    async def _wait(self) -> None:
        """Wait for the last write."""
        writing, self._writing = self._writing, None
        if writing is None:
            return
        try:
            await writing
        finally:
            if writing.done() and writing.exception() is None:
                self._segment.crc = writing.result()
                self._segment.written = self.offset
