"""HTTP client: connection pool, requests and responses."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cached_property, lru_cache
from itertools import chain
from ssl import SSLContext
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from multidict import CIMultiDict

from rheo_core.domain.exceptions import (
    ClientNotInitialisedError,
    DownloadError,
    DownloadTimeoutError,
    RequestOptionsError,
)
from rheo_core.domain.references import ascii_url, split_authority
from rheo_core.infrastructure.http.base import (
    NO_HEADERS,
    NO_TIMEOUT,
    BaseHttpClient,
    PublicFields,
    Timeouts,
)
from rheo_core.infrastructure.http.resolver import GuardedResolver, Resolver
from rheo_core.infrastructure.http.routes import USUAL_ROUTE, Route
from rheo_core.infrastructure.http.tls import context_of
from rheo_core.infrastructure.shared_timer import TimeLimit

from .connection import WireBody, WireConnection
from .dialer import Dialer, Way, bracketed, host_of, port_of, proxy_login
from .framing import Framing, Head

if TYPE_CHECKING:
    from aiohttp import ClientMiddlewareType, ClientTimeout
    from yarl import URL

_MAX_IDLE_SECONDS = 15.0
_OF_THE_CONNECTION = frozenset({408, 421})
"""Statuses for an idle connection (RFC 9110 15.5.9), and for a server without the resource
(15.5.20). A new connection may lead elsewhere."""
_FORBIDDEN = re.compile(r"[\r\n\0]")

Handler = Callable[[Any], Awaitable[Any]]


class WireClient(BaseHttpClient):
    """Makes GET requests on its own connections, and keeps those that ended cleanly.

    Args:
        resolver: looks up names; None: the one of this library.
        tls: context for https if a request has none; None: one with the usual checks.
    """

    def __init__(self, resolver: Resolver | None = None, tls: SSLContext | None = None) -> None:
        self._resolver = resolver
        self._tls = tls
        self._dialer: Dialer | None = None
        self._idle: dict[Way, list[WireConnection]] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        if self._dialer is None:
            self._dialer = Dialer(self._resolver or GuardedResolver())

    async def close(self) -> None:
        dialer, self._dialer = self._dialer, None
        self.drop_idle()
        if dialer is not None:
            await dialer.close()

    @property
    def closed(self) -> bool:
        return self._dialer is None

    def drop_idle(self) -> None:
        while self._idle:
            for connection in self._idle.popitem()[1]:
                connection.close()

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        timeout: "Timeouts | ClientTimeout" = NO_TIMEOUT,
        route: Route = USUAL_ROUTE,
        proxy: str | None = None,
        ssl: SSLContext | bool = True,
        middlewares: Sequence["ClientMiddlewareType"] = (),
        allow_redirects: bool = False,
    ) -> "WireRequest":
        if allow_redirects:
            raise ValueError("allow_redirects is True; this client follows no redirects")
        if self._dialer is None:
            raise ClientNotInitialisedError("the HTTP client is not open; call open() first")
        scheme, authority, target = split_authority(url)
        scheme = scheme.lower()
        has_tls = scheme == "https" or (proxy is not None and proxy.startswith("https:"))
        host, port = _server_of(scheme, authority)
        way = Way(scheme, host, port, self._context(ssl) if has_tls else None, proxy, route)
        return WireRequest(self, url, target, way, headers, timeout, middlewares)

    def _context(self, ssl: SSLContext | bool) -> SSLContext:
        return self._tls if ssl is True and self._tls is not None else context_of(ssl)

    # Connections

    async def connect(self, way: Way) -> WireConnection:
        """Return a new connection."""
        if self._dialer is None:
            raise ClientNotInitialisedError("the HTTP client is closed")
        return await self._dialer.connect(way)

    def take_idle(self, way: Way) -> WireConnection | None:
        """Return a kept connection that can take a request, if there is one."""
        kept = self._idle.get(way)
        while kept:
            connection = kept.pop()
            if connection.is_fit():
                return connection
            connection.close()
        return None

    def give_back(self, way: Way, connection: WireConnection) -> None:
        """Keep a connection for the next request if it ended cleanly, otherwise close it."""
        if not connection.release():
            return
        if self._dialer is None:
            connection.close()
            return
        self._idle.setdefault(way, []).append(connection)
        if self._sweeper is None:
            loop = asyncio.get_running_loop()
            self._sweeper = loop.call_later(_MAX_IDLE_SECONDS, self._sweep)

    def _sweep(self) -> None:
        """Close the connections that have been idle for long."""
        loop = asyncio.get_running_loop()
        self._sweeper = None
        oldest = loop.time() - _MAX_IDLE_SECONDS
        for way, kept in tuple(self._idle.items()):
            for connection in kept:
                if connection.idle_since <= oldest:
                    connection.close()
            self._idle[way] = [each for each in kept if each.idle_since > oldest]
            if not self._idle[way]:
                del self._idle[way]
        if self._idle:
            self._sweeper = loop.call_later(_MAX_IDLE_SECONDS, self._sweep)


class WireRequest(AbstractAsyncContextManager["WireResponse"]):
    """One GET. Entering the context sends it, and leaving returns its connection.

    aiohttp middlewares, such as the one for digest logins, read and change its attributes.
    """

    method = "GET"
    body = b""

    def __init__(
        self,
        client: WireClient,
        url: str,
        target: str,
        way: Way,
        headers: Mapping[str, str],
        timeouts: "Timeouts | ClientTimeout",
        middlewares: Sequence["ClientMiddlewareType"],
    ) -> None:
        self._client = client
        self._text = url
        self._target = target
        self._way = way
        self._headers = headers
        self._timeouts = timeouts
        self._middlewares = middlewares
        self._connection: WireConnection | None = None

    @cached_property
    def headers(self) -> CIMultiDict[str]:
        """The header fields, which may be changed until the request is sent."""
        return CIMultiDict(self._headers)

    @cached_property
    def url(self) -> "URL":
        """The URL in the request. A digest login signs the target (RFC 7616 3.4)."""
        from yarl import URL  # only middlewares need it

        scheme, authority, _ = split_authority(self._text)
        # The whole target is the path, because yarl would drop the `?` of an empty query.
        path = self._origin_form()
        return URL.build(scheme=scheme.lower(), authority=authority, path=path, encoded=True)

    async def __aenter__(self) -> "WireResponse":
        try:
            if not self._middlewares:
                return await self._send(self)
            handler: Handler = self._send
            for middleware in reversed(self._middlewares):
                handler = _wrapped(middleware, handler)
            response: WireResponse = await handler(self)
            return response
        except BaseException:
            self._close()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._client.give_back(self._way, connection)

    async def _send(self, _: object) -> "WireResponse":
        if self._connection is not None:  # of the response to a challenge
            await self.__aexit__(None, None, None)
        message = self._message()
        head = await self._ask_on_kept(message)
        if head is None:
            self._connection = await self._connect()
            head = await self._connection.ask(message)
        assert self._connection is not None and self._connection.body is not None
        return WireResponse(self._text, head, self._connection.body)

    async def _ask_on_kept(self, message: bytes) -> Head | None:
        """Send the request on a kept connection; None if there is none or the server has closed it.

        Such a failure is normal (RFC 9112 9.3.1) and does not count against the server.
        """
        connection = self._client.take_idle(self._way)
        if connection is None:
            return None
        self._connection = connection
        try:
            head = await connection.ask(message)
        except DownloadError:
            self._close()
            return None
        if head.status in _OF_THE_CONNECTION:
            self._close()
            return None
        return head

    async def _connect(self) -> WireConnection:
        seconds = self._timeouts.connect
        try:
            with TimeLimit.after(seconds) as limit:
                return await self._client.connect(self._way)
        except TimeoutError as error:
            if not limit.has_expired:
                raise
            raise DownloadTimeoutError(
                "no connection", seconds, peer=f"to {self._way.host}"
            ) from error

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _message(self) -> bytes:
        """Return the bytes of the request, with the target byte for byte as in the URL."""
        way = self._way
        target = self._origin_form()
        login = ""
        if way.proxy is not None and not way.has_tunnel:
            scheme, authority, _ = split_authority(self._text)
            target = f"{scheme}://{ascii_url(authority.rpartition('@')[2])}{target}"
            login = proxy_login(urlsplit(way.proxy))
        host = _host_field(way.scheme, way.host, way.port)
        if self._middlewares or not isinstance(self._headers, PublicFields):
            fields = _field_lines(tuple(self.headers.items()))
        else:
            fields = _public_lines(tuple(self._headers.items()))
        message = f"GET {target} HTTP/1.1\r\n{host}{fields}{login}\r\n"
        return message.encode(errors="surrogateescape")

    def _origin_form(self) -> str:
        """Return the target without the authority (RFC 9112 3.2.1)."""
        target = self._target.partition("#")[0]
        return ascii_url(target if target.startswith("/") else f"/{target}")


@lru_cache(maxsize=1024)
def _server_of(scheme: str, authority: str) -> tuple[str, int]:
    """Return host and port, without brackets."""
    parts = urlsplit(f"{scheme}://{authority}")
    return host_of(parts), port_of(parts)


@lru_cache(maxsize=1024)
def _host_field(scheme: str, host: str, port: int) -> str:
    is_usual = port == (443 if scheme == "https" else 80)
    return f"Host: {bracketed(host)}\r\n" if is_usual else f"Host: {bracketed(host)}:{port}\r\n"


def _field_lines(fields: Sequence[tuple[str, str]]) -> str:
    """Return the lines of these fields.

    Raises:
        RequestOptionsError: one of them contains a line break.
    """
    if _FORBIDDEN.search("".join(chain.from_iterable(fields))):
        name = next(name for name, value in fields if _FORBIDDEN.search(name + value))
        raise RequestOptionsError(f"header {name!r} has a line break or a NUL in it")
    return "".join([f"{name}: {value}\r\n" for name, value in fields])


_public_lines = lru_cache(maxsize=1)(_field_lines)  # other lines may have secrets


def _wrapped(middleware: Callable[..., Awaitable[Any]], handler: Handler) -> Handler:
    """Return a handler that sends its request through an aiohttp middleware."""
    return lambda request: middleware(request, handler)


class WireResponse:
    """A response whose head has arrived.

    Attributes:
        status: three digits.
        reason: of the status line; may be empty.
        headers: all fields, in their order.
        content_length: bytes of the body by Content-Length; None if something else ends it.
        body: the bytes.
    """

    def __init__(self, url: str, head: Head, body: WireBody) -> None:
        self.status = head.status
        self.reason = head.reason
        self.headers = head.headers
        self.content_length = head.length if head.framing is Framing.LENGTH else None
        self.body = body
        self._url = url

    @cached_property
    def url(self) -> "URL":
        """The URL of the request."""
        from yarl import URL  # only cookies and middlewares need it

        return URL(self._url, encoded=True)
