"""One connection: send a request, read the response head and body. The hot path."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rheo_core.domain.exceptions import (
    ConnectionFailedError,
    DownloadError,
    DownloadTimeoutError,
    ProtocolError,
)
from rheo_core.infrastructure.http.connection_problems import connection_problem
from rheo_core.infrastructure.http.idle_connections import has_bytes
from rheo_core.infrastructure.shared_timer import was_suspended

from .framing import (
    MAX_HEAD_BYTES,
    ChunkDecoder,
    Framing,
    Head,
    end_of_head,
    has_begun,
    parse_head,
)

_SCRATCH_BYTES = 256 << 10
_PEEK_BYTES = 512
_MIN_READ_BYTES = 4 << 10
"""Bytes that a body may receive although its reader wants none, because reading may continue for a
moment."""

Count = Callable[[int], bool]
"""Called with the number of bytes as soon as they arrive; returns True if they are enough."""


class Scratch:
    """A buffer shared by the connections of one event loop.

    A connection uses its received bytes before the next one receives.
    """

    def __init__(self) -> None:
        self.view = memoryview(bytearray(_SCRATCH_BYTES))


class WireConnection(asyncio.BufferedProtocol):
    """Sends one request after another; each waits for the response to the previous one.

    Args:
        scratch: for heads and chunked bodies.
        host: host in error messages.
    """

    def __init__(self, scratch: Scratch, host: str) -> None:
        self.scratch = scratch
        self.host = host
        self.loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport
        self.body: WireBody | None = None
        self.idle_since = 0.0  # seconds, of the event loop
        self._head: Head | None = None
        self._raw = b""  # the received part of a head
        self._has_begun = False  # the first bytes of a head have arrived
        self._interim_bytes = 0  # of interim heads before it (RFC 9110 15.2)
        self._error: Exception | None = None
        self._answer: asyncio.Future[None] | None = None
        self._tls: ssl.SSLObject | None = None
        self._is_tunnel = False
        self._awaits_response = False
        self._is_closed = False

    # Called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._tls = transport.get_extra_info("ssl_object")

    def get_buffer(self, sizehint: int) -> memoryview:
        if self.body is not None:
            return self.body.get_buffer()
        return self.scratch.view

    def buffer_updated(self, nbytes: int) -> None:
        if self.body is not None:
            self.body.receive(nbytes)
        elif self._awaits_response:
            self._take_head(bytes(self.scratch.view[:nbytes]))
        else:  # no request asked for it, so it must not pass as the next response
            self.close()

    def eof_received(self) -> None:
        self._lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(exc)

    def _lost(self, exc: Exception | None) -> None:
        if not self._is_closed:
            self._is_closed = True
            problem = self._receive_rest()
            exc = exc or problem
        if self.body is not None:
            self.body.end(exc)
        elif self._awaits_response and self._head is None and self._error is None:
            closed = ConnectionFailedError(self.host, "the server closed the connection")
            self._answered(exc or closed)

    def _receive_rest(self) -> Exception | None:
        """Receive the bytes that TLS still holds, because asyncio drops them at the end.

        Returns:
            The reason if this is not a proper end; None after close_notify (RFC 9112 9.8), and
            without TLS.
        """
        if self._tls is None:
            return None
        read: Any = self._tls.read  # typeshed does not know that it returns a number here
        try:
            while count := read(len(room := self.get_buffer(-1)), room):
                self.buffer_updated(count)
        except ssl.SSLWantReadError:
            problem = "the server closed the connection without close_notify"
            return ConnectionFailedError(self.host, problem)
        except ssl.SSLError as error:
            return error
        return None

    def _take_head(self, data: bytes) -> None:
        known, data = len(self._raw), self._raw + data
        try:
            while True:
                if not self._has_begun:
                    self._has_begun = has_begun(data)
                if (end := end_of_head(data, known)) < 0:
                    break
                self._check_length(end)
                head = parse_head(data[:end], is_tunnel=self._is_tunnel)
                self._interim_bytes += end
                if head.status >= 200:
                    self._head = head
                    self.body = WireBody(self, head, memoryview(data)[end:])
                    self._answered(None)
                    return
                known, data, self._has_begun = 0, data[end:], False
            self._check_length(len(data))
        except ProtocolError as error:
            self.close()
            self._answered(error)
        self._raw = data

    def _check_length(self, count: int) -> None:
        if self._interim_bytes + count > MAX_HEAD_BYTES:
            raise ProtocolError("malformed response: its head is too long")

    def _answered(self, error: Exception | None) -> None:
        self._error = error
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)

    # Called by the client

    async def ask(self, request: bytes, *, is_tunnel: bool = False) -> Head:
        """Send a request, and return the head of its response.

        Raises:
            ProtocolError: the response is malformed.
            DownloadError: the connection is lost.
        """
        self._awaits_response, self._is_tunnel = True, is_tunnel
        self._head, self._error, self._raw, self._interim_bytes = None, None, b"", 0
        self._has_begun = False
        if self._is_closed:
            self._lost(None)
        else:
            self.transport.write(request)
        if self._head is None and self._error is None:
            self._answer = asyncio.Future(loop=self.loop)
            await self._answer
        if isinstance(self._error, DownloadError):
            raise self._error
        if self._error is not None:
            raise connection_problem(self._error, self.host) from self._error
        assert self._head is not None
        return self._head

    def release(self) -> bool:
        """End the exchange; return True if another request may follow (RFC 9112 9.3)."""
        body, head = self.body, self._head
        if self._tls is not None and body is not None and body.is_over and not self._is_closed:
            self._receive_rest()  # an unrequested response may wait in TLS
        self.body = self._head = None
        self._awaits_response = False
        is_clean = body is not None and body.is_over and not body.has_surplus
        if self._is_closed or head is None or not head.keeps_alive or not is_clean:
            self.close()
            return False
        self.transport.resume_reading()
        self.idle_since = self.loop.time()
        return True

    def is_fit(self) -> bool:
        """Return True if it is open and has no unrequested bytes."""
        return not self._is_closed and not has_bytes(self.transport)

    def close(self) -> None:
        """End the connection at once."""
        self._is_closed = True
        with suppress(AttributeError):  # of asyncio in 3.11.2, if a TLS connection is lost already
            self.transport.abort()


class WireBody:
    """The body of one response, received into two buffers in turn.

    A body of known length and one that ends with its connection come straight from the socket;
    a chunked one through a decoder.

    Attributes:
        stall_timeout: seconds without a byte after which reading fails; None: never.
        max_batch_seconds: time after which any received bytes are returned, even if they are few.
        is_over: all its bytes have arrived.
        has_surplus: bytes arrived after its end.
    """

    def __init__(self, connection: WireConnection, head: Head, early: memoryview) -> None:
        self.stall_timeout: float | None = None
        self.max_batch_seconds = 1.0
        self.is_over = False
        self.has_surplus = False
        self._connection = connection
        self._loop = connection.loop
        self._transport = connection.transport
        self._missing = head.length if head.framing is Framing.LENGTH else None
        self._chunks = ChunkDecoder() if head.framing is Framing.CHUNKED else None
        self._front, self._back = bytearray(), bytearray()
        self._filled = 0  # bytes of _front
        self._uncounted = 0  # of those, not yet counted by the reader
        self._capacity = 0  # bytes that the reader wants
        self._count: Count | None = None
        self._error: DownloadError | None = None
        self._is_ended = False  # with the connection
        self._waiter: asyncio.Future[None] | None = None
        self._active_at = 0.0  # the loop's clock; set while a reader waits
        if self._chunks is not None:
            self._append(early)
        else:
            self._front += early
            self._add(len(early))
        if not self.is_over:
            self._transport.pause_reading()

    # Called by the connection

    def get_buffer(self) -> memoryview:
        """Return the place for the next bytes."""
        scratch = self._connection.scratch.view
        if self.is_over:
            return scratch[:_MIN_READ_BYTES]
        room = max(self._capacity - self._filled, _MIN_READ_BYTES)
        if self._chunks is not None:
            return scratch[:room]
        # One byte more than is missing, to see a surplus.
        room = min(room, _SCRATCH_BYTES if self._missing is None else self._missing + 1)
        self._grow(self._filled + room)
        return memoryview(self._front)[self._filled : self._filled + room]

    def receive(self, nbytes: int) -> None:
        """Take the bytes that are now in the buffer."""
        if self._chunks is not None or self.is_over:
            self._append(self._connection.scratch.view[:nbytes])
        else:
            self._add(nbytes)
        if self.is_over or self._filled >= self._capacity or self._error is not None:
            self._transport.pause_reading()
            self._wake()

    def end(self, exc: Exception | None) -> None:
        """Note that the connection has ended, with an error or cleanly."""
        if self.is_over or self._is_ended:
            return
        self._is_ended = True
        host = self._connection.host
        if exc is not None:
            self._error = self._error or connection_problem(exc, host)
        elif self._chunks is not None:
            lost = ConnectionFailedError(host, "connection lost before the transfer was complete")
            self._error = self._error or lost
        else:  # the reader sees that bytes of a known length are missing, and how many
            self.is_over = self._missing is None
        self._wake()

    def _append(self, data: bytes | memoryview) -> None:
        if self.is_over:
            self.has_surplus = self.has_surplus or bool(data)
            return
        if self._chunks is not None:
            try:
                data = self._chunks.decode(data)
            except ProtocolError as error:
                self._error = error
                self._connection.close()
                return
        self._grow(self._filled + len(data))
        self._front[self._filled : self._filled + len(data)] = data
        self._add(len(data))

    def _add(self, nbytes: int) -> None:
        """Note that `nbytes` more are in the buffer."""
        if self._chunks is not None:
            self.is_over, self.has_surplus = self._chunks.is_over, self._chunks.has_surplus
        elif self._missing is not None:
            self.has_surplus = nbytes > self._missing
            nbytes = min(nbytes, self._missing)
            self._missing -= nbytes
            self.is_over = not self._missing
        if nbytes and self._waiter is not None:
            self._active_at = self._loop.time()
        self._filled += nbytes
        if self._count is None:
            self._uncounted += nbytes
        elif self._count(nbytes):
            self._capacity = self._filled

    def _grow(self, size: int) -> None:
        if len(self._front) < size:
            grown = bytearray(size)
            grown[: self._filled] = memoryview(self._front)[: self._filled]
            self._front = grown

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # Called by the reader

    async def peek(self) -> bytes:
        """Return the first bytes, which `fill` returns again. Call this before the first `fill`."""
        self._capacity = _PEEK_BYTES
        await self._wait_until_filled()
        return bytes(self._front[: min(self._filled, _PEEK_BYTES)])

    async def fill(self, capacity: int, count: Count) -> memoryview:
        """Return up to `capacity` bytes, fewer after a second or if `count` says so.

        An empty result means the end. The bytes are valid until the second call after this one.

        Raises:
            DownloadTimeoutError: nothing arrived for too long.
            DownloadError: the connection is lost, or its chunks are malformed.
        """
        self._capacity, self._count = capacity, count
        early, self._uncounted = self._uncounted, 0
        if early and count(early):
            self._capacity = self._filled
        if self._missing is not None:  # a buffer for all of it, at once
            self._grow(min(self._capacity, self._filled + self._missing + 1))
        await self._wait_until_filled()
        return self.rest()

    async def whole(self, length: int) -> memoryview | None:
        """Return a body of `length` bytes that arrives within one batch, else None.

        Call this only before the first `fill`, which returns bytes that arrived meanwhile.
        """
        if self._missing:
            self._capacity = self._filled + self._missing
            self._grow(self._capacity + 1)  # with room for a surplus
            await self._wait_until_filled()
        return self.rest() if self.is_over and self._filled == length else None

    def rest(self) -> memoryview:
        """Return received bytes that were not returned yet."""
        filled = memoryview(self._front)[: self._filled]
        self._front, self._back = self._back, self._front
        self._filled = 0
        return filled

    def close(self) -> None:
        """Take no more bytes, because they would overwrite bytes that a thread may be writing.

        The client returns the connection if the body is over.
        """
        if not self.is_over:
            self._connection.close()

    def _lacks_bytes(self) -> bool:
        is_open = not self.is_over and not self._is_ended and self._error is None
        return is_open and self._filled < self._capacity

    async def _wait_until_filled(self) -> None:
        began = self._active_at = self._loop.time()
        if self._lacks_bytes():
            self._transport.resume_reading()
        while self._lacks_bytes():
            now = self._loop.time()
            if self._filled and now - began >= self.max_batch_seconds:
                break
            seconds = self.max_batch_seconds
            if self.stall_timeout is not None:
                left = self._active_at + self.stall_timeout - now
                if left <= 0:
                    host = self._connection.host
                    raise DownloadTimeoutError(
                        "no data", self.stall_timeout, "for", peer=f"from {host}"
                    )
                seconds = min(seconds, left)
            self._waiter = self._loop.create_future()
            timer = self._loop.call_later(seconds, self._wake)
            try:
                await self._waiter
            finally:
                timer.cancel()
            if was_suspended(timer.when(), now := self._loop.time()):
                self._active_at = now
        if not self.is_over:
            self._transport.pause_reading()
        if self._error is not None and not self._filled:
            raise self._error
