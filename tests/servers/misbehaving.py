"""A web server that tests control byte by byte: raw asyncio sockets, no HTTP library.

A behaviour is a coroutine function that gets an `Exchange` (one request and the means to answer
it). `MisbehavingServer.on(path, behaviour)` binds it; every request is kept in `requests`.
`scenarios.py` has behaviours to combine.
"""

import asyncio
import functools
import hashlib
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

Behaviour = Callable[["Exchange"], Awaitable[None]]
Headers = dict[str, Any]
"""Headers by name, with underscores, as keyword arguments of `Exchange.head`."""

V1: Headers = {"ETag": '"v1"'}
V2: Headers = {"ETag": '"v2"'}


@functools.lru_cache  # modules of tests keep them, and many the same
def body_of(size: int, seed: str = "body") -> bytes:
    """Bytes that no other seed and no other offset repeats."""
    return hashlib.shake_128(seed.encode()).digest(size)


@dataclass(frozen=True)
class Request:
    """Request of the client."""

    method: str
    target: str
    headers: Mapping[str, str]  # names in lower case

    @property
    def range_start(self) -> int | None:
        """N of `Range: bytes=N-` or `bytes=N-M`."""
        value = self.headers.get("range", "")
        return int(value.removeprefix("bytes=").partition("-")[0]) if value else None

    @property
    def range_end(self) -> int | None:
        """M + 1 of `Range: bytes=N-M`."""
        last = self.headers.get("range", "").partition("-")[2]
        return int(last) + 1 if last else None


@dataclass
class Exchange:
    """One request and the connection to answer on."""

    request: Request
    number: int  # 1 for the first request to this path
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    is_open: bool = field(default=True)

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, status: str = "200 OK", **headers: Any) -> None:
        """Send a status line and headers; underscores in names become hyphens."""
        lines = [f"HTTP/1.1 {status}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.send(("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape"))

    async def serve(self, body: bytes, **headers: Any) -> None:
        """Answer as a good server does: ranges, If-Range, 416."""
        start, end = self.request.range_start, self.request.range_end
        validators = headers.get("ETag"), headers.get("Last_Modified")
        condition = self.request.headers.get("if-range")
        if start is None or (condition is not None and condition not in validators):
            await self.head(Content_Length=len(body), **headers)
            await self.send(body)
        elif start >= len(body):
            unsatisfied = f"bytes */{len(body)}"
            await self.head(
                "416 Range Not Satisfiable", Content_Range=unsatisfied, Content_Length=0
            )
        else:
            end = len(body) if end is None else min(end, len(body))
            await self.head(
                "206 Partial Content",
                Content_Range=f"bytes {start}-{end - 1}/{len(body)}",
                Content_Length=end - start,
                **headers,
            )
            await self.send(body[start:end])

    async def close(self) -> None:
        """Close in order."""
        self.is_open = False
        self.writer.close()

    async def reset(self) -> None:
        """Close with RST."""
        self.is_open = False
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class MisbehavingServer:
    """Listens on the loopback interface while its `async with` block runs."""

    def __init__(self, ssl: object = None, host: str = "127.0.0.1") -> None:
        self._ssl = ssl
        self._host = host
        self._behaviours: dict[str, Behaviour] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.requests: list[Request] = []
        self.arrived = asyncio.Condition()
        self.connections = 0

    def on(self, path: str, behaviour: Behaviour) -> str:
        """Answer requests for `path` so; return its URL."""
        self._behaviours[path] = behaviour
        return self.url(path)

    def url(self, path: str) -> str:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        scheme = "https" if self._ssl else "http"
        return f"{scheme}://127.0.0.1:{port}{path}"

    def requests_for(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.target == path]

    async def wait_for_requests(self, count: int) -> None:
        """Wait until `count` requests have arrived in all."""
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.requests) >= count)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._connect,
            self._host,
            0,
            ssl=self._ssl,
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines if line)
        }
        request = Request(method, target, headers)
        self.requests.append(request)
        async with self.arrived:
            self.arrived.notify_all()
        exchange = Exchange(request, len(self.requests_for(target)), reader, writer)
        behaviour = self._behaviours.get(target)
        if behaviour is None:
            await exchange.head("404 Not Found", Content_Length=0)
        else:
            await behaviour(exchange)
        return exchange.is_open
