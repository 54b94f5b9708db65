"""SOCKS proxies (RFC 1928). Imported on first use, because they need a package of their own."""

import socket
from collections.abc import Iterable
from typing import cast
from urllib.parse import SplitResult, unquote, urlsplit

import aiohappyeyeballs
import python_socks
from python_socks.async_.asyncio import Proxy

from rheo_core.domain.exceptions import (
    ConnectionFailedError,
    DownloadError,
    RequestOptionsError,
)

from .connection_problems import proxy_problem
from .resolver import Resolver, ResolveResult
from .routes import EYEBALLS_SECONDS, address_info

_ERRORS = (
    python_socks.ProxyConnectionError,
    python_socks.ProxyError,
    python_socks.ProxyTimeoutError,
)
_MAX_LOGIN_LENGTH = 255  # RFC 1929 2; the package writes ASCII only
_HUNG_UP = "the SOCKS proxy closed the connection; check the login"


async def connect_by_socks(proxy: str, host: str, port: int, resolver: Resolver) -> socket.socket:
    """Connect to a server through a SOCKS5 proxy; return the socket.

    The proxy looks up the name of the server, so nobody else learns it. Our own threads look up the
    name of the proxy.

    Args:
        proxy: URL of the proxy; may contain a login.
        host: name or address of the server.
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
        opened = Proxy(
            python_socks.ProxyType.SOCKS5, name, parts.port or 1080, *login, rdns=True, forward=way
        )
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
        try:
            return await aiohappyeyeballs.start_connection(
                [address_info(each["host"], each["port"]) for each in self._addresses],
                happy_eyeballs_delay=EYEBALLS_SECONDS,
                interleave=1,
            )
        except OSError as error:
            if error.errno is not None:
                raise
            raise OSError("none of its addresses accepts a connection") from None


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


def _is_of_ipv6(address: ResolveResult) -> bool:
    return address["family"] == socket.AF_INET6
