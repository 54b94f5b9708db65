"""Hot path: bytes of one range, from the socket through a buffer to the file."""

import asyncio
import sys
import time
from collections.abc import Callable

import aiohttp

from rheo_core.domain.exceptions import DownloadTimeoutError, ProtocolError
from rheo_core.infrastructure.disk import DiskFuture, DiskThreads
from rheo_core.infrastructure.http import Response, WireBody, WireResponse
from rheo_core.tracking.record import DownloadRecord

from .part_file import PartFile
from .rate_limits import Throttle
from .segments import Segment

_MIN_SOCKET_BODY_BYTES = 16 << 10
"""Smaller bodies come with the head, or nearly so: aiohttp reads them."""

_PEEK_BYTES = 512
"""Number of bytes for which `peek` waits, but no longer than for a batch."""

_OVERFLOW_BYTES = 64 << 10

Count = Callable[[int], bool]
"""Count received bytes as soon as they come; return True if that is enough."""


class StreamBody:
    """Body read by aiohttp: chunked, of unknown length, or short."""

    def __init__(self, reply: aiohttp.ClientResponse, max_batch_seconds: float) -> None:
        self._content = reply.content
        self._max_batch_seconds = max_batch_seconds
        self._protocol = reply.connection.protocol if reply.connection else None
        self._is_chunked = "Transfer-Encoding" in reply.headers
        self._chunks: list[bytes] = []
        self._uncounted = 0  # bytes not yet passed to `count`

    async def peek(self) -> bytes:
        """Return the first bytes, which `fill` returns again; call it first of all."""
        patience = time.monotonic() + self._max_batch_seconds
        while self._uncounted < _PEEK_BYTES and time.monotonic() < patience:
            if not (chunk := await self._content.readany()):
                break
            self._chunks.append(chunk)
            self._uncounted += len(chunk)
        return b"".join(self._chunks)

    async def fill(self, capacity: int, count: Count) -> memoryview:
        """Return up to `capacity` bytes, or enough, or those of one batch; empty at the end."""
        collected, self._uncounted = self._uncounted, 0
        if collected and count(collected):
            return self.rest()
        patience = time.monotonic() + self._max_batch_seconds
        while collected < capacity and time.monotonic() < patience:
            chunk = await self._content.read(capacity - collected)
            if not chunk:
                self._check_end()
                break
            self._chunks.append(chunk)
            collected += len(chunk)
            if count(len(chunk)):
                break
        return self.rest()

    async def whole(self) -> bytes | None:
        """Return the whole body if it came with the head, else None; only before `fill`."""
        if not self._content.is_eof():
            return None
        data = bytes(self.rest()) + self._content.read_nowait(-1)
        self._check_end()
        return data

    def _check_end(self) -> None:
        """Check that the body ended as its head says.

        llhttp takes `chunked` with a tab or a fold behind it for no coding. aiohttp removes them,
        and hands out the framing as if it were the file.

        Raises:
            ProtocolError: the chunks were not decoded.
            aiohttp.ClientOSError: the connection ended with a reset instead of a FIN.
        """
        if self._is_chunked and self._content._http_chunk_splits is None:
            raise ProtocolError("malformed reply: its Transfer-Encoding is not supported")
        lost = self._protocol.exception() if self._protocol is not None else None
        if isinstance(lost, aiohttp.ClientOSError):
            raise lost

    def rest(self) -> memoryview:
        """Return bytes that came and were not returned yet."""
        data = b"".join(self._chunks)
        self._chunks.clear()
        return memoryview(data)

    def close(self) -> None:
        """Leave the connection to aiohttp."""


class SocketBody(asyncio.BufferedProtocol):
    """Body of known length, received from the socket into two buffers in turn.

    aiohttp has read the head. This takes over its transport for the rest, which saves a copy and an
    object for each packet. After a whole body with nothing behind it, the connection returns to
    aiohttp for the next request.
    """

    def __init__(
        self,
        reply: aiohttp.ClientResponse,
        length: int,
        stall_timeout: float | None,
        max_batch_seconds: float,
    ) -> None:
        connection = reply.connection
        assert connection is not None
        assert connection.transport is not None and connection.protocol is not None
        self._transport = connection.transport
        self._owner = connection.protocol
        self._content = reply.content
        self._host = reply.url.host or ""
        self._stall_timeout = stall_timeout
        self._max_batch_seconds = max_batch_seconds
        early = reply.content.read_nowait(-1)
        self._has_surplus = len(early) > length
        self._front, self._back = bytearray(early[:length]), bytearray()
        self._filled = self._uncounted = len(self._front)
        self._missing = length - self._filled  # bytes that are still to come from the socket
        self._capacity = 0  # bytes that _front may take before reading pauses
        self._count: Count | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._lost: Exception | None = None
        self._is_closed = False
        self._is_over = False
        self._loop = asyncio.get_running_loop()
        self._active_at = self._loop.time()
        self._transport.pause_reading()
        self._transport.set_protocol(self)

    async def peek(self) -> bytes:
        """Return the first bytes, which `fill` returns again; call it first of all."""
        self._capacity = _PEEK_BYTES
        await self._wait_until_filled()
        self._uncounted = self._filled
        return bytes(self._front[: min(self._filled, _PEEK_BYTES)])

    async def fill(self, capacity: int, count: Count) -> memoryview:
        """Return `capacity` bytes, or enough, or those of one batch; empty at the end.

        The result stays valid until the next call but one.

        Raises:
            DownloadTimeoutError: nothing came for too long.
        """
        self._count = count
        self._capacity = capacity
        early, self._uncounted = self._uncounted, 0
        if early and count(early):
            self._capacity = self._filled
        size = min(self._capacity, self._filled + self._missing + 1)
        if len(self._front) < size:
            grown = bytearray(size)
            grown[: self._filled] = self._front[: self._filled]
            self._front = grown
        await self._wait_until_filled()
        return self.rest()

    async def whole(self) -> memoryview | None:
        """Return the whole body if it came with the head, else None; only before `fill`."""
        return None if self._missing else self.rest()

    def rest(self) -> memoryview:
        """Return bytes that came and were not returned yet."""
        filled = memoryview(self._front)[: self._filled]
        self._front, self._back = self._back, self._front
        self._filled = 0
        return filled

    def close(self) -> None:
        """Return the connection to aiohttp if it can be used again, else abort it."""
        if self._is_over:
            return
        self._is_over = True
        if self._missing or self._has_surplus or self._is_closed:
            self._transport.abort()
            return
        self._transport.set_protocol(self._owner)
        self._transport.resume_reading()
        self._content.feed_eof()  # tells aiohttp that the connection is free

    # Called by the transport

    def get_buffer(self, sizehint: int) -> memoryview:
        room = self._capacity - self._filled
        if room <= 0:
            # The transport may call this although reading is paused. No byte may be lost.
            room = _OVERFLOW_BYTES
        room = min(room, self._missing + 1)  # one more than is missing, to detect a surplus
        end = self._filled + room
        if len(self._front) < end:
            grown = bytearray(end)
            grown[: self._filled] = self._front[: self._filled]
            self._front = grown
        return memoryview(self._front)[self._filled : end]

    def buffer_updated(self, nbytes: int) -> None:
        if nbytes > self._missing:
            nbytes = self._missing
            self._has_surplus = True
        self._filled += nbytes
        self._missing -= nbytes
        self._active_at = self._loop.time()
        if self._count is not None and self._count(nbytes):
            self._capacity = self._filled
        if self._filled >= self._capacity or not self._missing:
            self._transport.pause_reading()
            self._wake()

    def eof_received(self) -> None:
        self._is_closed = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closed = True
        self._lost = exc
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait_until_filled(self) -> None:
        began = self._active_at = self._loop.time()
        if self._filled < self._capacity and self._missing and not self._is_closed:
            self._transport.resume_reading()
        while self._filled < self._capacity and self._missing and not self._is_closed:
            now = self._loop.time()
            if self._filled and now - began >= self._max_batch_seconds:
                break
            patience = self._max_batch_seconds
            if self._stall_timeout is not None:
                left = self._active_at + self._stall_timeout - now
                if left <= 0:
                    raise DownloadTimeoutError(f"no data from {self._host}", self._stall_timeout)
                patience = min(patience, left)
            self._waiter = self._loop.create_future()
            await asyncio.wait({self._waiter}, timeout=patience)
        self._transport.pause_reading()
        if self._lost is not None and not self._filled:
            raise aiohttp.ClientOSError(*self._lost.args) from self._lost


Body = StreamBody | SocketBody | WireBody


def body_of(reply: Response, stall_timeout: float | None, max_batch_seconds: float) -> Body:
    """Return the body of a reply whose head has just come, without an `await` in between.

    Args:
        reply: of a `WireClient` or of aiohttp.
        stall_timeout: seconds without a byte after which reading fails; None: never.
        max_batch_seconds: bytes that came are returned after this time, however few they are.

    Raises:
        ProtocolError: the end of the head is in doubt.
    """
    if isinstance(reply, WireResponse):
        reply.body.stall_timeout = stall_timeout
        reply.body.max_batch_seconds = max_batch_seconds
        return reply.body
    if not isinstance(reply, aiohttp.ClientResponse):
        raise TypeError(f"{type(reply).__name__} is not a response of a known client")
    if not reply.headers:  # what follows may be the rest of the head
        raise ProtocolError("malformed reply: it has no header field")
    length = reply.content_length
    if (
        length is None
        or length < _MIN_SOCKET_BODY_BYTES
        or "Transfer-Encoding" in reply.headers
        or reply.connection is None
        or reply.connection.transport is None
        or reply.content.exception() is not None  # lost already: the first read raises it
    ):
        return StreamBody(reply, max_batch_seconds)
    return SocketBody(reply, length, stall_timeout, max_batch_seconds)


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

    Afterwards all received bytes are in the file, also after an error. Nothing is written behind
    the end of the segment, which may move forward meanwhile, nor behind `ends_at`.

    Args:
        body: body of the reply.
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
    loop = asyncio.get_running_loop()
    writer = _Writer(part, disk, segment, ends_at)

    def count(fresh: int) -> bool:
        segment.received += fresh
        segment.active_at = loop.time()
        record.bytes_downloaded += fresh
        record.stats.transferred += fresh
        end = writer.end
        return end is not None and segment.received >= end

    throttle.join()
    try:
        while writer.end is None or writer.offset < writer.end:
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


async def _fill(
    body: Body, segment: Segment, throttle: Throttle, capacity: int, count: Count
) -> memoryview:
    """Fill a batch when the limits of speed allow its bytes."""
    if not throttle.is_on:
        return await body.fill(capacity, count)
    # Bytes that came with the head may be uncounted, so `left` may be 0 before the end.
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
        """Offset behind the last byte that may be written; None: the end of the body decides.

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

    async def write(self, batch: memoryview) -> None:
        """Start a write after the previous one has ended, so that two buffers are enough.

        After a failure or a cancellation nothing more is written.
        """
        if self._is_broken:
            return
        self._is_broken = True
        await self._wait()
        if (end := self.end) is not None:
            batch = batch[: max(end - self.offset, 0)]
        if batch:
            if not self._part.is_begun:
                await self._disk.run(self._part.begin)
            self._writing = self._disk.submit(
                self._part.write, self.offset, batch, self._segment.crc
            )
            self.offset += len(batch)
        self._is_broken = False

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
