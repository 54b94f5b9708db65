"""Read response bodies with aiohttp, or straight from the socket."""

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import suppress

import aiohttp

from rheo_core.domain.exceptions import DownloadTimeoutError, ProtocolError
from rheo_core.domain.text import printable
from rheo_core.infrastructure.http import Response
from rheo_core.infrastructure.shared_timer import was_suspended

_MIN_SOCKET_BODY_BYTES = 16 << 10
"""aiohttp reads smaller bodies, because they arrive with the head or soon after."""

_PEEK_BYTES = 512
"""Number of bytes for which `peek` waits, but no longer than for a batch."""

_NAME = re.compile(rb"[!#-'*+.^-z|~A-Z0-9-]*[ \t]*")
_LINE_OF_HEAD = re.compile(rb"[\r\n]|[!#-'*+.^-z|~A-Z0-9-]+[ \t]*:")
_FRAMING = frozenset({"content-length", "transfer-encoding"})
_OVERFLOW_BYTES = 64 << 10

Count = Callable[[int], bool]
"""Count received bytes as soon as they arrive; return True if they are enough."""


class StreamBody:
    """Body read by aiohttp: chunked, of unknown length, or short."""

    def __init__(self, response: aiohttp.ClientResponse, max_batch_seconds: float) -> None:
        self._content = response.content
        self._max_batch_seconds = max_batch_seconds
        self._protocol = response.connection.protocol if response.connection else None
        self._is_chunked = "Transfer-Encoding" in response.headers
        # llhttp ends the head at `X:\r\r\n`, and takes its other lines for the first of the body.
        self._may_begin_with_head = _ends_with_empty_field(response)
        self._chunks: list[bytes] = []
        self._uncounted = 0  # bytes not yet passed to `count`
        closed = self._protocol.closed if self._protocol is not None else None
        if closed is not None:
            closed.add_done_callback(self._note_loss)

    async def peek(self) -> bytes:
        """Return the first bytes, which `fill` returns again; call it first of all."""
        deadline = time.monotonic() + self._max_batch_seconds
        with suppress(aiohttp.ClientError):  # `fill` raises it again, after these bytes
            while self._uncounted < _PEEK_BYTES and time.monotonic() < deadline:
                if not (chunk := await self._next(_OVERFLOW_BYTES)):
                    break
                self._chunks.append(chunk)
                self._uncounted += len(chunk)
        return b"".join(self._chunks)

    async def fill(self, capacity: int, count: Count) -> memoryview:
        """Return up to `capacity` bytes, or enough, or those of one batch; empty at the end."""
        collected, self._uncounted = self._uncounted, 0
        if collected and count(collected):
            return self.rest()
        deadline = time.monotonic() + self._max_batch_seconds
        while collected < capacity and time.monotonic() < deadline:
            if not (chunk := await self._next(capacity - collected)):
                break
            self._chunks.append(chunk)
            collected += len(chunk)
            if count(len(chunk)):
                break
        return self.rest()

    async def whole(self, length: int) -> bytes | None:
        """Return the body if it has `length` bytes that came with the head, else None.

        Call this only before the first `fill`, which returns the bytes that arrived.
        """
        if not self._content.is_eof():
            return None
        data = bytes(self.rest()) + self._content.read_nowait(-1)
        self._check_decoded()
        self._check_beginning(data)
        self._check_end()
        if len(data) == length:
            return data
        self._chunks.append(data)
        self._uncounted = len(data)
        return None

    async def _next(self, size: int) -> bytes:
        """Return the next bytes, at most `size`; b"" at the end.

        aiohttp raises the loss of a connection before it returns the bytes received earlier.
        """
        chunk = await self._read(size)
        while self._may_begin_with_head and _NAME.fullmatch(chunk) and len(chunk) < size:
            if not (more := await self._read(size - len(chunk))):
                break
            chunk += more
        self._check_beginning(chunk)
        return chunk

    async def _read(self, size: int) -> bytes:
        try:
            if self._content.exception() is not None and self._content._buffer:
                chunk = self._content._read_nowait(size)
            else:
                chunk = await self._content.read(size)
        except RuntimeError as error:  # the connection is closed, but not the stream
            raise aiohttp.ClientPayloadError from error
        self._check_decoded()
        if not chunk:
            self._check_end()
        return chunk

    def _note_loss(self, closed: asyncio.Future[None]) -> None:
        """Report the end of the connection to the stream.

        aiohttp does not do this if it closes the connection because of a malformed chunk that
        arrived after the head.
        """
        closed.exception()  # retrieved
        if not self._content.is_eof() and self._content.exception() is None:
            self._content.set_exception(aiohttp.ClientPayloadError())

    def _check_decoded(self) -> None:
        """Check that chunks were decoded.

        llhttp does not recognise `chunked` followed by a tab or a fold as a coding. aiohttp removes
        them, and returns the framing as if it were the file.

        Raises:
            ProtocolError: the chunks were not decoded.
        """
        if self._is_chunked and self._content._http_chunk_splits is None:
            raise ProtocolError("malformed response: its Transfer-Encoding is not supported")

    def _check_beginning(self, data: bytes) -> None:
        """Check that a body does not begin with the rest of the head.

        Raises:
            ProtocolError: it may.
        """
        if self._may_begin_with_head and _LINE_OF_HEAD.match(data):
            raise ProtocolError("malformed response: its head may continue after an empty field")
        self._may_begin_with_head = False

    def _check_end(self) -> None:
        """Check that the body ended cleanly.

        Raises:
            aiohttp.ClientOSError: the connection ended with a reset instead of a FIN.
        """
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
    object for each packet. After a complete body with nothing after it, the connection returns to
    aiohttp for the next request.
    """

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        length: int,
        stall_timeout: float | None,
        max_batch_seconds: float,
    ) -> None:
        connection = response.connection
        assert connection is not None
        assert connection.transport is not None and connection.protocol is not None
        self._transport = connection.transport
        self._owner = connection.protocol
        self._content = response.content
        self._host = response.url.host or ""
        self._stall_timeout = stall_timeout
        self._max_batch_seconds = max_batch_seconds
        early = response.content.read_nowait(-1)
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

        The result is valid until the second call after this one.

        Raises:
            DownloadTimeoutError: nothing arrived for too long.
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

    async def whole(self, length: int) -> memoryview | None:
        """Return the body if it has `length` bytes that came with the head, else None.

        Call this only before the first `fill`.
        """
        return None if self._missing or self._filled != length else self.rest()

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
                    raise DownloadTimeoutError(
                        "no data", self._stall_timeout, "for", peer=f"from {self._host}"
                    )
                patience = min(patience, left)
            self._waiter = self._loop.create_future()
            timer = self._loop.call_later(patience, self._wake)
            try:
                await self._waiter
            finally:
                timer.cancel()
            if was_suspended(timer.when(), now := self._loop.time()):
                self._active_at = now
        self._transport.pause_reading()
        if self._lost is not None and not self._filled:
            raise aiohttp.ClientOSError(*self._lost.args) from self._lost


def _check_head(response: aiohttp.ClientResponse) -> None:
    """Refuse a head that leaves the end of the body in doubt, as `WireClient` does.

    llhttp accepts it.

    Raises:
        ProtocolError: the head is ambiguous.
    """
    if not response.headers:  # what follows may be the rest of the head
        raise ProtocolError("malformed response: it has no header field")
    for name in response.headers:
        plain = name.strip(" \t").lower()
        if plain == "transfer_encoding" or (plain in _FRAMING and plain != name.lower()):
            raise ProtocolError(f"malformed response: {printable(name)!r} may be about the framing")


def _ends_with_empty_field(response: aiohttp.ClientResponse) -> bool:
    _, value = response.raw_headers[-1]
    return not value


def body_of_aiohttp(
    response: Response, stall_timeout: float | None, max_batch_seconds: float
) -> StreamBody | SocketBody:
    """Return the body of a response of aiohttp; see `body_of`."""
    if not isinstance(response, aiohttp.ClientResponse):
        raise TypeError(f"{type(response).__name__} is not a response of a known client")
    _check_head(response)
    length = response.content_length
    if (
        length is None
        or length < _MIN_SOCKET_BODY_BYTES
        or "Transfer-Encoding" in response.headers
        or response.connection is None
        or response.connection.transport is None
        or response.content.exception() is not None  # lost already: the first read raises it
        or _ends_with_empty_field(response)
    ):
        return StreamBody(response, max_batch_seconds)
    return SocketBody(response, length, stall_timeout, max_batch_seconds)
