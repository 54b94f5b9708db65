"""Open connections: addresses, proxies and TLS."""

import asyncio
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from typing import Any, NamedTuple, cast
from urllib.parse import SplitResult, urlsplit

import aiohappyeyeballs
from aiohappyeyeballs import AddrInfoType

from rheo_core.domain.exceptions import (
    ConnectionFailedError,
    NoNetworkError,
    RequestOptionsError,
)
from rheo_core.infrastructure.http.auth import Login, decode_login
from rheo_core.infrastructure.http.connection_problems import (
    connection_problem,
    proxy_problem,
    proxy_refusal,
)
from rheo_core.infrastructure.http.resolver import Resolver
from rheo_core.infrastructure.http.routes import (
    EYEBALLS_SECONDS,
    Route,
    SocketOptions,
    address_info,
    family_of,
    socket_options,
)

from .connection import Scratch, WireConnection
from .framing import Head


class Way(NamedTuple):
    """A way to a server. Requests on equal ways may share a connection.

    Attributes:
        scheme: http or https.
        host: name or address, without brackets.
        port: of the server.
        tls: context for an https server or proxy; None: neither uses https.
        proxy: URL of an HTTP proxy.
        route: SOCKS proxy, version of IP and interface.
    """

    scheme: str
    host: str
    port: int
    tls: ssl.SSLContext | None
    proxy: str | None
    route: Route

    @property
    def has_tunnel(self) -> bool:
        """Return True if the proxy only forwards bytes (RFC 9110 9.3.6)."""
        return self.proxy is not None and self.scheme == "https"


class Dialer:
    """Opens connections.

    Args:
        resolver: looks up names; closed by `close`.
    """

    def __init__(self, resolver: Resolver) -> None:
        self._scratch = Scratch()
        self._resolver = resolver
        self._known_interfaces = set[str]()

    async def connect(self, way: Way) -> WireConnection:
        """Return a connection that is ready for the first request.

        Raises:
            DownloadError: no connection could be opened.
        """
        if way.proxy is None:
            return await self._connect_directly(way)
        proxy = urlsplit(way.proxy)
        try:
            connection = await self._connect_to(
                host_of(proxy), port_of(proxy), way, is_tls=proxy.scheme == "https"
            )
        except ConnectionFailedError as error:
            raise proxy_problem(error, error.host) from error
        if way.has_tunnel:
            return await self._tunnel(connection, way, proxy)
        return connection

    async def _connect_directly(self, way: Way) -> WireConnection:
        is_tls = way.scheme == "https"
        if way.route.socks is not None:
            from rheo_core.infrastructure.http.socks import (
                connect_by_socks,  # needs a package that is rarely needed
            )

            opened = await connect_by_socks(way.route.socks, way.host, way.port, self._resolver)
            return await self._take(opened, way.host, way.tls if is_tls else None)
        return await self._connect_to(way.host, way.port, way, is_tls=is_tls)

    async def _connect_to(self, host: str, port: int, way: Way, *, is_tls: bool) -> WireConnection:
        options = self._socket_options(way.route, host)
        local = options.local_address
        addresses: list[AddrInfoType] = []
        try:
            addresses = await self._addresses(host, port, options.family)
            opened = await aiohappyeyeballs.start_connection(
                addresses,
                local_addr_infos=[address_info(*local)] if local else None,
                socket_factory=options.factory,
                happy_eyeballs_delay=EYEBALLS_SECONDS,
                interleave=1,
            )
        except OSError as error:
            problem = connection_problem(error, host)
            if isinstance(problem, NoNetworkError) and not problem.is_lookup:
                problem.is_ipv6_only = all(each[0] == socket.AF_INET6 for each in addresses)
            raise problem from error
        return await self._take(opened, host, way.tls if is_tls else None)

    def _socket_options(self, route: Route, host: str) -> SocketOptions:
        """Return the options of a route; treat an interface that disappeared as a lost network.

        It may come back, for example that of a VPN. One that never existed is a mistake.

        Raises:
            NoNetworkError: the interface existed before.
            RequestOptionsError: it never existed, or the options conflict.
        """
        try:
            options = socket_options(route)
        except RequestOptionsError as error:
            if route.interface in self._known_interfaces:
                raise NoNetworkError(host, str(error)) from None
            raise
        if route.interface is not None:
            self._known_interfaces.add(route.interface)
        return options

    async def _addresses(
        self, host: str, port: int, family: socket.AddressFamily
    ) -> list[AddrInfoType]:
        if family_of(host) is not None:
            return [address_info(host, port)]
        addresses = await self._resolver.resolve(host, port, family)
        if not addresses:
            raise ConnectionFailedError(host, "host name not found")
        return [address_info(each["host"], each["port"]) for each in addresses]

    async def _take(
        self, opened: socket.socket, host: str, tls: ssl.SSLContext | None
    ) -> WireConnection:
        """Turn a socket into a connection; use TLS if a context is given."""
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: WireConnection(self._scratch, host),
                sock=opened,
                ssl=tls,
                server_hostname=_name_for_tls(host) if tls else None,
            )
        except OSError as error:
            raise connection_problem(error, host) from error
        return connection

    async def _tunnel(
        self, connection: WireConnection, way: Way, proxy: SplitResult
    ) -> WireConnection:
        """Ask a proxy to forward bytes, and start TLS with the server."""
        place = f"{bracketed(way.host)}:{way.port}"
        request = f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{proxy_login(proxy)}\r\n"
        try:
            head = await _ask_proxy(connection, request)
            if not 200 <= head.status < 300:
                raise proxy_refusal(
                    head.status, head.reason, head.headers, sent_login=proxy.username is not None
                )
            if connection.body is None or connection.body.has_surplus:
                raise ConnectionFailedError(way.host, "the proxy sent unexpected data")
            assert way.tls is not None
            inner = WireConnection(self._scratch, way.host)
            transport = await asyncio.get_running_loop().start_tls(
                _for_inner_tls(connection.transport),
                inner,
                way.tls,
                server_hostname=_name_for_tls(way.host),
            )
            if transport is None:  # lost meanwhile
                raise ConnectionFailedError(way.host, "the server closed the connection")
            inner.connection_made(transport)
        except BaseException as error:
            connection.close()
            if isinstance(error, OSError):
                raise connection_problem(error, way.host) from error
            raise
        return inner

    async def close(self) -> None:
        """Stop looking up names."""
        await self._resolver.close()


class _OuterTls:
    """Transport of asyncio to an https proxy, for TLS inside it. It works around two bugs.

    If the inner handshake fails, asyncio before 3.13 raises TypeError instead of its error, because
    `_force_close` passes an argument to a function without parameters. If the proxy ends the
    connection while reading is paused, the inner TLS asks to keep it open, of which the outer TLS
    warns on standard error.
    """

    _start_tls_compatible = True

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        inner = cast("SSLProtocol", protocol)
        eof_received = inner.eof_received

        def end() -> None:
            eof_received()

        inner.eof_received = end  # type: ignore[method-assign]
        self._transport.set_protocol(protocol)

    def _force_close(self, exc: Exception | None) -> None:
        self._transport.abort()


def _for_inner_tls(transport: asyncio.Transport) -> asyncio.Transport:
    """Return a transport on which `start_tls` works; other loops need no help."""
    if type(transport).__module__ != SSLProtocol.__module__:
        return transport
    return cast("asyncio.Transport", _OuterTls(transport))


async def _ask_proxy(connection: WireConnection, request: str) -> Head:
    try:
        return await connection.ask(request.encode(), is_tunnel=True)
    except (OSError, ConnectionFailedError) as error:
        raise proxy_problem(error, connection.host) from error


def host_of(url: SplitResult) -> str:
    """Return the host of a URL, with `%` before the zone of an IPv6 address (RFC 6874 2: `%25`)."""
    return (url.hostname or "").replace("%25", "%", 1)


def port_of(url: SplitResult) -> int:
    """Return the port of an http or https URL."""
    return url.port or (443 if url.scheme == "https" else 80)


def bracketed(host: str) -> str:
    """Return a host as in a URL, without the zone of an IPv6 address (RFC 6874 1)."""
    return f"[{host.partition('%')[0]}]" if ":" in host else host


def proxy_login(proxy: SplitResult) -> str:
    """Return the header line with the login of a proxy's URL; empty if it has none."""
    if proxy.username is None:
        return ""
    login = Login(decode_login(proxy.username), decode_login(proxy.password or ""))
    return f"Proxy-Authorization: {login.basic}\r\n"


def _name_for_tls(host: str) -> str:
    return host.partition("%")[0].rstrip(".")
