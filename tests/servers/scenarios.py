"""Behaviours for the misbehaving server, to be combined: cuts, raw bytes, parts, redirects."""

import asyncio
from collections.abc import Iterable
from typing import Any

from tests.servers.misbehaving import Behaviour, Exchange, Headers


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """The first request gets the first behaviour and so on; the last one repeats."""

    async def behave(exchange: Exchange) -> None:
        await behaviours[min(exchange.number, len(behaviours)) - 1](exchange)

    return behave


def cut(body: bytes, at: int, *, reset: bool = False, **headers: Any) -> Behaviour:
    """Promise the whole body, send `at` bytes and hang up."""

    async def behave(exchange: Exchange) -> None:
        await exchange.head(Content_Length=len(body), **headers)
        await exchange.send(body[:at])
        await (exchange.reset() if reset else exchange.close())

    return behave


class Hold:
    """Send the first `at` bytes of a body, then nothing until `let_go` is set; then hang up.

    With `Transfer_Encoding="chunked"` the body comes in chunks and its end is never told.
    """

    def __init__(self, body: bytes, at: int, **headers: Any) -> None:
        self.let_go = asyncio.Event()
        self._first = body[:at]
        self._headers = {"Content_Length": len(body), **headers}
        if "Transfer_Encoding" in headers:
            del self._headers["Content_Length"]
            self._first = b"".join(in_chunks(self._first, last=b""))

    async def __call__(self, exchange: Exchange) -> None:
        await exchange.head(**self._headers)
        await exchange.send(self._first)
        await self.let_go.wait()
        await exchange.close()


class Tap:
    """A good server that holds every response after `first` bytes, until `opened` is set.

    Args:
        body: what it holds.
        first: bytes of each response that come at once.
        framing: how a response tells its end: "length", "chunked", or "close" with the connection.
        headers: more headers of every response.
    """

    def __init__(self, body: bytes, first: int, framing: str = "length", **headers: Any) -> None:
        self.opened = asyncio.Event()
        self._body, self._first, self._framing = body, first, framing
        self._headers = headers

    async def __call__(self, exchange: Exchange) -> None:
        asked = exchange.request
        start, end = asked.range_start or 0, asked.range_end or len(self._body)
        framing: dict[str, Headers] = {
            "length": {"Content_Length": end - start},
            "close": {"Connection": "close"},
        }
        said = {**self._headers, **framing.get(self._framing, {"Transfer_Encoding": "chunked"})}
        if asked.range_start is None:
            await exchange.head(**said)
        else:
            place = f"bytes {start}-{end - 1}/{len(self._body)}"
            await exchange.head("206 Partial Content", Content_Range=place, **said)
        middle = min(start + self._first, end)
        await self._send(exchange, self._body[start:middle], last=b"")
        await self.opened.wait()
        await self._send(exchange, self._body[middle:end], last=b"0\r\n\r\n")
        if self._framing == "close":
            await exchange.close()

    async def _send(self, exchange: Exchange, piece: bytes, last: bytes) -> None:
        is_chunked = self._framing == "chunked"
        await exchange.send(b"".join(in_chunks(piece, last=last)) if is_chunked else piece)


def paced(body: bytes, portion: int = 40_000, **headers: Any) -> Behaviour:
    """A good server on a line that takes its time."""

    async def behave(exchange: Exchange) -> None:
        start, end = exchange.request.range_start, exchange.request.range_end or len(body)
        if start is None:
            await exchange.head(Content_Length=end, **headers)
        else:
            place = f"bytes {start}-{end - 1}/{len(body)}"
            await exchange.head(
                "206 Partial Content", Content_Range=place, Content_Length=end - start, **headers
            )
        for offset in range(start or 0, end, portion):
            await exchange.send(body[offset : min(offset + portion, end)])
            await asyncio.sleep(0.004)  # the pace of the line, not a wait of the test

    return behave


def answer(status: str, body: bytes = b"", **headers: Any) -> Behaviour:
    """This status and body, whatever was asked."""

    async def behave(exchange: Exchange) -> None:
        await exchange.head(status, **{"Content_Length": len(body), **headers})
        await exchange.send(body)

    return behave


def whole(body: bytes, **headers: Any) -> Behaviour:
    """A server that knows no ranges."""
    return answer("200 OK", body, **headers)


def raw(*pieces: bytes, then_close: bool = True) -> Behaviour:
    """These bytes, head and all."""

    async def behave(exchange: Exchange) -> None:
        for piece in pieces:
            await exchange.send(piece)
        if then_close:
            await exchange.close()

    return behave


def dripping(data: bytes, split: int) -> Behaviour:
    """The first `split` bytes each in a segment of its own, then the rest."""

    async def behave(exchange: Exchange) -> None:
        for position in range(min(split, len(data))):
            await exchange.send(data[position : position + 1])
            await asyncio.sleep(0)
        await exchange.send(data[split:])

    return behave


def parts(
    body: bytes,
    *,
    content_range: str | None = None,
    at_most: int | None = None,
    chunked: bool = False,
    **headers: Any,
) -> Behaviour:
    """A server that answers every range with 206 and does not look at If-Range.

    Args:
        body: what it holds now.
        content_range: said instead of the truth; `{start}`, `{last}` and `{total}` are filled in.
        at_most: bytes in one part.
        chunked: send the part without Content-Length.
        headers: more headers of every response.
    """

    async def behave(exchange: Exchange) -> None:
        start = exchange.request.range_start
        if start is None:
            return await exchange.serve(body, **headers)
        stop = exchange.request.range_end or len(body)
        piece = body[start : min(stop, start + (at_most or len(body)))]
        said = "bytes {start}-{last}/{total}" if content_range is None else content_range
        filled = said.format(start=start, last=start + len(piece) - 1, total=len(body))
        framing = {"Transfer_Encoding": "chunked"} if chunked else {"Content_Length": len(piece)}
        await exchange.head("206 Partial Content", Content_Range=filled, **framing, **headers)
        return await exchange.send(b"".join(in_chunks(piece)) if chunked else piece)

    return behave


def without_ranges(refusal: Behaviour, otherwise: Behaviour) -> Behaviour:
    """Answer ranged requests with `refusal`, others with `otherwise`."""

    async def behave(exchange: Exchange) -> None:
        ranged = exchange.request.range_start is not None
        await (refusal if ranged else otherwise)(exchange)

    return behave


def in_chunks(body: bytes, size: int = 30_000, *, last: bytes = b"0\r\n\r\n") -> Iterable[bytes]:
    """The body in chunked coding (RFC 9112 7.1)."""
    for start in range(0, len(body), size):
        piece = body[start : start + size]
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield last


def chunked(body: bytes, *, last: bytes = b"0\r\n\r\n", **headers: Any) -> Behaviour:
    """The body in chunks; hangs up where `last` is not the proper end."""

    async def behave(exchange: Exchange) -> None:
        await exchange.head(Transfer_Encoding="chunked", **headers)
        for piece in in_chunks(body, last=last):
            await exchange.send(piece)
        if last != b"0\r\n\r\n":
            await exchange.close()

    return behave


def redirect(location: str, status: str = "302 Found") -> Behaviour:
    """Send the client elsewhere."""
    return answer(status, Location=location)


def response(body: bytes, *lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    """A whole response with these header lines, as it goes over the wire."""
    return "\r\n".join((status, *lines, "", "")).encode("latin-1") + body


def damaged(body: bytes, *ranges: tuple[int, int]) -> bytes:
    """The body with other bytes from each start up to its end."""
    spoilt = bytearray(body)
    for start, end in ranges:
        spoilt[start:end] = bytes(byte ^ 0xFF for byte in body[start:end])
    return bytes(spoilt)


def page(text: bytes = b"<html><title>Please sign in</title></html>", **headers: Any) -> Behaviour:
    """A web page with status 200, as servers send it where a link has expired."""
    return answer("200 OK", text, **{"Content_Type": "text/html; charset=utf-8", **headers})


def endless(framing: str = "close", **headers: Any) -> Behaviour:
    """A body without a length that never ends: up to the end of the connection, or chunked."""
    portion = bytes(256 << 10)
    piece = (
        b"".join(in_chunks(portion, len(portion), last=b"")) if framing == "chunked" else portion
    )
    said = {"Transfer_Encoding": "chunked"} if framing == "chunked" else {"Connection": "close"}

    async def behave(exchange: Exchange) -> None:
        await exchange.head(**said, **headers)
        while True:
            await exchange.send(piece)

    return behave


def serving_until_close(body: bytes, **headers: Any) -> Behaviour:
    """The body up to the end of the connection."""

    async def behave(exchange: Exchange) -> None:
        await exchange.head(Connection="close", **headers)
        await exchange.send(body)
        await exchange.close()

    return behave
