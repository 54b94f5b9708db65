"""A connection that is fed by hand, so that a response can be cut anywhere."""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

from rheo_core.domain.exceptions import IncompleteError
from rheo_core.infrastructure.http.wire.connection import Scratch, WireConnection
from rheo_core.infrastructure.http.wire.framing import Head

SCRATCH = Scratch()


class Received(NamedTuple):
    """A response as the connection understood it."""

    head: Head
    body: bytes
    may_go_on: bool  # the connection may be used again


class HandFed(asyncio.Transport):
    """Transport without a socket."""

    def __init__(self) -> None:
        super().__init__()
        self.is_aborted = False

    def write(self, data: object) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def abort(self) -> None:
        self.is_aborted = True

    def is_closing(self) -> bool:
        return self.is_aborted


async def receive(pieces: Iterable[bytes], *, closes: bool) -> Received:
    """Feed a response in pieces to a connection; return what it makes of it.

    Raises:
        DownloadError: the connection refuses the response, or it ends too early.
    """
    transport = HandFed()
    connection = WireConnection(SCRATCH, "host.example")
    connection.connection_made(transport)
    asking = asyncio.ensure_future(connection.ask(b"GET / HTTP/1.1\r\n\r\n"))
    await asyncio.sleep(0)
    for piece in pieces:
        _feed(connection, transport, piece)
    if closes or transport.is_aborted:
        connection.eof_received()
    async with asyncio.timeout(60):
        head = await asking
        assert connection.body is not None
        body = b""
        while batch := await connection.body.fill(1 << 16, lambda _: False):
            body += batch
    if not connection.body.is_over:
        raise IncompleteError(len(body), head.length)
    return Received(head, body, connection.release())


def _feed(connection: WireConnection, transport: HandFed, piece: bytes) -> None:
    while piece and not transport.is_aborted:
        room = connection.get_buffer(-1)
        taken = piece[: len(room)]
        room[: len(taken)] = taken
        connection.buffer_updated(len(taken))
        piece = piece[len(taken) :]
