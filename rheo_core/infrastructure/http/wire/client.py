"""The client: connections, requests, replies."""

import asyncio
import socket
import ssl
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlsplit

import aiohappyeyeballs
from yarl import URL

from rheo_core.domain.exceptions import ClientNotInitialisedError, ConnectionFailedError

from ..base import BaseHttpClient
from ..resolver import GuardedResolver
from .connection import Scratch, WireConnection

_IDLE_SECONDS = 15.0


class WireReply:
    def __init__(self, url, connection, head, stall):
        self.url, self.status, self.reason, self.headers = URL(url, encoded=True), head.status, head.reason, head.headers
        self.wire = connection.body
        self.wire.stall_timeout = stall
        self.content_length = head.length if head.framing.value == "length" else None


class WireClient(BaseHttpClient):
    def __init__(self) -> None:
        self._idle: dict[Any, list[WireConnection]] = {}
        self._is_open = False

    async def open(self) -> None:
        self._resolver = GuardedResolver()
        self._scratch = Scratch()
        self._tls = None
        self._is_open = True

    async def close(self) -> None:
        self._is_open = False
        self.drop_idle()

    @property
    def closed(self) -> bool:
        return not self._is_open

    def drop_idle(self) -> None:
        for kept in self._idle.values():
            while kept:
                kept.pop().close()

    def get(self, url: str, **kwargs: Any) -> "WireExchange":
        if not self._is_open:
            raise ClientNotInitialisedError("the HTTP client is not open; call open() first")
        return WireExchange(self, url, **kwargs)

    def idle(self, key: Any) -> WireConnection | None:
        kept = self._idle.get(key)
        while kept:
            connection = kept.pop()
            if connection.is_fit():
                return connection
            connection.close()
        return None

    def give_back(self, key: Any, connection: WireConnection) -> None:
        if connection.release():
            self._idle.setdefault(key, []).append(connection)

    async def connect(self, scheme: str, host: str, port: int, timeouts: Any) -> WireConnection:
        loop = asyncio.get_running_loop()
        found = await self._resolver.resolve(host, port, socket.AF_UNSPEC)
        infos = [(a["family"], socket.SOCK_STREAM, a["proto"], "", (a["host"], a["port"])) for a in found]
        try:
            sock = await aiohappyeyeballs.start_connection(infos, happy_eyeballs_delay=0.25)
        except OSError as error:
            raise ConnectionFailedError(host, (error.strerror or str(error)).lower()) from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        if scheme == "https" and self._tls is None:
            self._tls = ssl.create_default_context()
        _, connection = await loop.create_connection(
            lambda: WireConnection(self._scratch, host), sock=sock,
            ssl=self._tls if scheme == "https" else None,
            server_hostname=host if scheme == "https" else None,
        )
        return connection


class WireExchange(AbstractAsyncContextManager[WireReply]):
    def __init__(self, client, url, *, headers, timeout, allow_redirects=False, **kwargs):
        self._client, self._url, self._headers, self._timeout = client, url, headers, timeout

    async def __aenter__(self) -> WireReply:
        scheme, _, rest = self._url.partition("://")
        parts = urlsplit(self._url)
        netloc = parts.netloc
        target = rest[len(netloc):].partition("#")[0] or "/"
        if target[0] != "/":
            target = "/" + target
        host, port = parts.hostname, parts.port or (443 if scheme == "https" else 80)
        self._key = (scheme, host, port)
        lines = [f"GET {target} HTTP/1.1\r\nHost: {netloc}\r\n"]
        lines += [f"{k}: {v}\r\n" for k, v in self._headers.items()]
        lines.append("\r\n")
        request = "".join(lines).encode("utf-8", "surrogateescape")
        connection = self._client.idle(self._key)
        if connection is None:
            connection = await self._client.connect(scheme, host, port, self._timeout)
        self._connection = connection
        head = await connection.ask(request)
        return WireReply(self._url, connection, head, self._timeout.sock_read)

    async def __aexit__(self, kind, error, trace) -> None:
        self._client.give_back(self._key, self._connection)
