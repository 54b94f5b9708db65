"""One range: socket -> buffer -> file. The hot path; nothing else lives here."""

import asyncio
import time
from collections.abc import Sequence

import aiohttp

from rheo_core.domain.exceptions import DownloadTimeoutError, IncompleteError
from rheo_core.infrastructure.disk import DiskThreads, settle
from rheo_core.tracking.record import DownloadRecord

from .limits import TokenBucket
from .part_file import PartFile

_CHECKPOINT_SECONDS = 5.0
"""Bytes that a crash may cost: those of so many seconds."""

_WORTH_TAKING = 1 << 20
"""Bodies of fewer bytes go the ordinary way, which keeps their connection for the next file."""


class ParsedBody:
    """A body that aiohttp takes apart: chunked, of unknown length, or short."""

    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self._content = reply.content
        self._chunks: list[bytes] = []

    async def fill(self, capacity: int, record: DownloadRecord) -> memoryview:
        """Up to `capacity` bytes, or those of a second; empty at the end."""
        collected = 0
        patience = time.monotonic() + 1.0
        while collected < capacity and time.monotonic() < patience:
            chunk = await self._content.read(capacity - collected)
            if not chunk:
                break
            self._chunks.append(chunk)
            collected += len(chunk)
            record.bytes_downloaded += len(chunk)
        return self.rest()

    def rest(self) -> memoryview:
        """What came and was not returned yet."""
        data = b"".join(self._chunks)
        self._chunks.clear()
        return memoryview(data)


class TakenBody(asyncio.BufferedProtocol):
    """A body of known length, received from the socket straight into two buffers in turn.

    aiohttp has read the head; its transport is taken over for the rest, which spares a copy
    and an object for each packet. The connection cannot be used again afterwards.
    """

    def __init__(
        self, reply: aiohttp.ClientResponse, length: int, stall_timeout: float | None
    ) -> None:
        assert reply.connection is not None and reply.connection.transport is not None
        self._transport = reply.connection.transport
        self._host = reply.url.host or ""
        self._stall_timeout = stall_timeout
        self._early = reply.content.read_nowait(-1)[:length]
        self._missing = length - len(self._early)  # bytes that the socket still has to bring
        self._front, self._back = bytearray(), bytearray()
        self._filled = 0  # bytes in _front
        self._capacity = 0  # bytes _front may take before the reader is asked to wait
        self._record: DownloadRecord | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._lost: Exception | None = None
        self._is_closed = False
        self._loop = asyncio.get_running_loop()
        self._active_at = self._loop.time()
        self._transport.pause_reading()
        self._transport.set_protocol(self)

    async def fill(self, capacity: int, record: DownloadRecord) -> memoryview:
        """`capacity` bytes, or those of some seconds; empty at the end of the connection.

        What it returns stays untouched until the next but one call.

        Raises:
            DownloadTimeoutError: nothing came for too long.
        """
        if self._early:
            early, self._early = self._early, b""
            record.bytes_downloaded += len(early)
            return memoryview(early)
        self._record = record
        self._capacity = capacity
        if len(self._front) < capacity:
            grown = bytearray(capacity)
            grown[: self._filled] = self._front[: self._filled]
            self._front = grown
        await self._wait_until_filled()
        return self.rest()

    def rest(self) -> memoryview:
        """What came and was not returned yet."""
        filled = memoryview(self._front)[: self._filled]
        self._front, self._back = self._back, self._front
        self._filled = 0
        return filled

    # What the transport calls

    def get_buffer(self, sizehint: int) -> memoryview:
        room = min(self._capacity - self._filled, self._missing)
        return memoryview(self._front)[self._filled : self._filled + room]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        self._missing -= nbytes
        self._active_at = self._loop.time()
        if self._record is not None:
            self._record.bytes_downloaded += nbytes
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
            if self._filled and now - began >= _CHECKPOINT_SECONDS:
                break
            patience = _CHECKPOINT_SECONDS
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


Body = ParsedBody | TakenBody


def body_of(reply: aiohttp.ClientResponse, stall_timeout: float | None) -> Body:
    """The body of a reply whose head has just come; nothing may be awaited in between."""
    length = reply.content_length
    if (
        length is None
        or length < _WORTH_TAKING
        or "Transfer-Encoding" in reply.headers
        or reply.connection is None
        or reply.connection.transport is None
    ):
        return ParsedBody(reply)
    return TakenBody(reply, length, stall_timeout)


async def receive(
    body: Body,
    part: PartFile,
    record: DownloadRecord,
    *,
    offset: int,
    end: int | None,
    disk: DiskThreads,
    limits: Sequence[TokenBucket],
    batch_bytes: int,
) -> int:
    """Move the body into the part file from `offset` on; return the offset reached.

    Nothing is written at or beyond `end` (None: up to the end of the body). However it ends,
    all that came is in the file then.

    Raises:
        IncompleteError: the body ended before `end`.
    """
    writer = _Writer(part, disk, offset)
    next_checkpoint = time.monotonic() + _CHECKPOINT_SECONDS
    try:
        while end is None or writer.offset < end:
            portion = min(batch_bytes, *(limit.portion for limit in limits))
            batch = await body.fill(portion, record)
            if not batch:
                if end is not None:
                    raise IncompleteError(writer.offset, end)
                break
            await writer.write(batch[: None if end is None else end - writer.offset])
            if time.monotonic() >= next_checkpoint:
                await writer.finish()
                await disk.run(part.checkpoint, writer.offset)
                next_checkpoint = time.monotonic() + _CHECKPOINT_SECONDS
            for limit in limits:
                await limit.take(len(batch))
        await writer.finish()
    except BaseException:
        rest = body.rest()
        await writer.write(rest[: None if end is None else end - writer.offset])
        await writer.finish()
        raise
    finally:
        record.transferred += writer.offset - offset
        record.bytes_downloaded = writer.offset
    return writer.offset


class _Writer:
    """Writes a batch in a thread while the next one comes."""

    def __init__(self, part: PartFile, disk: DiskThreads, offset: int) -> None:
        self._part = part
        self._disk = disk
        self._writing: asyncio.Future[None] | None = None
        self.offset = offset  # of the next batch

    async def write(self, batch: memoryview) -> None:
        """Start writing, once the write before has ended: two buffers are enough."""
        await self.finish()
        if batch:
            self._writing = self._disk.submit(self._part.write, self.offset, batch)
            self.offset += len(batch)

    async def finish(self) -> None:
        """Wait for the last write."""
        writing, self._writing = self._writing, None
        if writing is not None:
            await settle(writing)
