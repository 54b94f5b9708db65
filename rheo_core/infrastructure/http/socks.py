"""SOCKS proxies. Imported on first use, because they need an optional package."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar, cast
from urllib.parse import SplitResult, unquote, urlsplit

import aiohappyeyeballs
import python_socks
from aiohttp.abc import ResolveResult
from aiohttp.client_reqrep import ConnectionKey
from aiohttp_socks import (
    ProxyConnectionError,
    ProxyConnector,
    ProxyError,
    ProxyTimeoutError,
    ProxyType,
)
from python_socks.async_.asyncio import Proxy

from rheo_core.domain.exceptions import (
    ConnectionFailedError,
    DownloadError,
    RequestOptionsError,
)
from rheo_core.domain.text import printable

from .connection_problems import failed_lookup, is_unreachable, proxy_problem
from .idle_connections import drop_unfit
from .resolver import GuardedResolver, Resolver
from .routes import EYEBALLS_SECONDS, address_info

T = TypeVar("T")

_ERRORS = (
    python_socks.ProxyConnectionError,
    python_socks.ProxyError,
    python_socks.ProxyTimeoutError,
)
_MAX_LOGIN_LENGTH = 255  # RFC 1929 2; the package writes ASCII only
_HUNG_UP = "the SOCKS proxy closed the connection; check the login"


class SocksConnector(ProxyConnector):
    """Connector through a SOCKS5 proxy (RFC 1928).

    The proxy looks up the names of servers, so nobody else learns them. Our own threads look up the
    name of the proxy. The package would use asyncio's threads, which a few names without an answer
    could occupy.

    Args:
        proxy: URL of the proxy; may contain a login.
    """

    def __init__(self, proxy: str) -> None:
        parts = urlsplit(proxy)
        self._proxy_name = parts.hostname or ""
        self._proxy_resolver = GuardedResolver()
        super().__init__(
            proxy_type=ProxyType.SOCKS5,
            host=self._proxy_name,
            port=parts.port or 1080,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password or "") if parts.username else None,
            rdns=True,
            limit=0,
        )

    async def _get(self, key: ConnectionKey, traces: list[Any]) -> Any:
        drop_unfit(self, key)
        return await super()._get(key, traces)

    async def _connect_via_proxy(
        self,
        host: str,
        port: int,
        ssl: ssl.SSLContext | None = None,
        timeout: float | None = None,
    ) -> tuple[asyncio.Transport, Any]:
        by_parent = super()._connect_via_proxy

        async def connect(address: str) -> tuple[asyncio.Transport, Any]:
            self._proxy_host = address  # the parent reads this before it awaits anything
            return await by_parent(host, port, ssl, timeout)

        try:
            async with asyncio.timeout(timeout):
                addresses = await self._proxy_resolver.resolve(
                    self._proxy_name, family=socket.AF_UNSPEC
                )
                return await _by_first_address(addresses, connect)
        except socket.gaierror as error:
            raise failed_lookup(self._proxy_name, error, is_proxy=True) from error


async def connect_by_socks(proxy: str, host: str, port: int, resolver: Resolver) -> socket.socket:
    """Connect to a server through a SOCKS5 proxy; return the socket.

    Args:
        proxy: URL of the proxy; may contain a login.
        host: name or address of the server. The proxy looks up names.
        port: of the server.
        resolver: looks up the name of the proxy.

    Raises:
        ConnectionFailedError: the proxy could not be reached, or refused.
        RequestOptionsError: its login cannot be sent.
        ShortageError: the system has no more sockets.
    """
    parts = urlsplit(proxy)
    name = parts.hostname or ""
    login = _login(parts)
    try:
        addresses = await resolver.resolve(name, parts.port or 1080, family=socket.AF_UNSPEC)
        way = cast("Proxy", _Addresses(addresses))
        opened = Proxy(ProxyType.SOCKS5, name, parts.port or 1080, *login, rdns=True, forward=way)
        return await opened.connect(host, port)
    except (*_ERRORS, OSError, ValueError) as error:
        raise _problem(error, name) from error


class _Addresses:
    """Addresses of a proxy, in the role of a proxy before it, because one may be silent.

    The package would wait for the first address as long as for all.
    """

    def __init__(self, addresses: Iterable[ResolveResult]) -> None:
        self._addresses = sorted(addresses, key=_is_of_ipv6)

    async def connect(self, **_: object) -> socket.socket:
        """Return a socket that is connected to the first address that accepts it."""
        return await aiohappyeyeballs.start_connection(
            [address_info(each["host"], each["port"]) for each in self._addresses],
            happy_eyeballs_delay=EYEBALLS_SECONDS,
            interleave=1,
        )


def _login(proxy: SplitResult) -> tuple[str | None, str | None]:
    """Return name and password for a proxy.

    Raises:
        RequestOptionsError: the proxy cannot receive them.
    """
    if not proxy.username:
        return None, None
    login = unquote(proxy.username), unquote(proxy.password or "")
    if not all(each.isascii() and len(each) <= _MAX_LOGIN_LENGTH for each in login):
        raise RequestOptionsError(
            "the login of the SOCKS proxy: name and password should be ASCII, with up to "
            f"{_MAX_LOGIN_LENGTH} characters each"
        )
    return login


def _problem(error: Exception, name: str) -> DownloadError:
    """Translate an error of a connection to or through a SOCKS proxy."""
    if isinstance(error, python_socks.ProxyError) and "closed" in str(error):
        return ConnectionFailedError(name, _HUNG_UP)
    if isinstance(error, ValueError):  # from parsing
        return ConnectionFailedError(name, "the SOCKS proxy: its answer is malformed")
    cause = error.__cause__
    return proxy_problem(cause if isinstance(cause, OSError) else error, name, "the SOCKS proxy")


async def _by_first_address(
    addresses: Iterable[ResolveResult], connect: Callable[[str], Awaitable[T]]
) -> T:
    """Connect to the first address of a proxy that accepts a connection, IPv4 first."""
    failed: list[python_socks.ProxyConnectionError] = []
    for address in sorted(addresses, key=_is_of_ipv6):
        try:
            return await connect(address["host"])
        except python_socks.ProxyConnectionError as error:
            failed.append(error)
    raise min(failed, key=is_unreachable)  # a refusal is more informative than a missing route


def _is_of_ipv6(address: ResolveResult) -> bool:
    return address["family"] == socket.AF_INET6


def explain_socks(error: Exception, proxy: str) -> None:
    """Raise an error of a `SocksConnector` as one of ours; return if it is of another kind.

    Raises:
        ConnectionFailedError: the proxy could not be reached, or refused.
        ssl.SSLCertVerificationError: the certificate of the server is not valid.
    """
    host = urlsplit(proxy).hostname or ""
    if isinstance(error.__cause__, ssl.SSLCertVerificationError):
        raise error.__cause__
    if isinstance(error, EOFError):
        raise ConnectionFailedError(host, _HUNG_UP) from error
    if isinstance(error, ProxyConnectionError | ProxyError | ProxyTimeoutError):
        message = printable(str(error))[:200] or "timed out"
        raise ConnectionFailedError(host, f"the SOCKS proxy: {message}") from error
