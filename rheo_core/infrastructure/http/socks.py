"""SOCKS proxies. Imported on first use, because they need a package of their own."""

import asyncio
import socket
import ssl
from typing import Any
from urllib.parse import unquote, urlsplit

import python_socks
from aiohttp.abc import AbstractResolver
from aiohttp.client_reqrep import ConnectionKey
from aiohttp_socks import (
    ProxyConnectionError,
    ProxyConnector,
    ProxyError,
    ProxyTimeoutError,
    ProxyType,
)
from python_socks.async_.asyncio import Proxy

from rheo_core.domain.exceptions import ConnectionFailedError, NoNetworkError
from rheo_core.domain.text import printable

from .idle_connections import drop_unfit
from .problems import failed_look_up, is_unreachable, quoted, reason_of
from .resolver import GuardedResolver

_ERRORS = (
    python_socks.ProxyConnectionError,
    python_socks.ProxyError,
    python_socks.ProxyTimeoutError,
)
_HUNG_UP = "the SOCKS proxy closed the connection; check the login"


class SocksConnector(ProxyConnector):
    """Connector through a SOCKS5 proxy (RFC 1928).

    The proxy looks up the names of servers, so nobody else learns them. Our own threads look up
    the name of the proxy. The package would use those of asyncio, which a few names without an
    answer could occupy.

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
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._proxy_resolver.resolve(
                    self._proxy_name, family=socket.AF_UNSPEC
                )
                # The parent reads this before it awaits anything.
                self._proxy_host = min(addresses, key=_is_of_ipv6)["host"]
                return await super()._connect_via_proxy(host, port, ssl, timeout)
        except socket.gaierror as error:
            raise failed_look_up(self._proxy_name, error) from error


async def connect_by_socks(
    proxy: str, host: str, port: int, resolver: AbstractResolver
) -> socket.socket:
    """Return a socket that is connected to a server through a SOCKS5 proxy.

    Args:
        proxy: URL of the proxy; may contain a login.
        host: name or address of the server. The proxy looks up names.
        port: of the server.
        resolver: looks up the name of the proxy.

    Raises:
        ConnectionFailedError: the proxy could not be reached, or refused.
    """
    parts = urlsplit(proxy)
    name = parts.hostname or ""
    try:
        addresses = await resolver.resolve(name, family=socket.AF_UNSPEC)
        opened = Proxy(
            ProxyType.SOCKS5,
            min(addresses, key=_is_of_ipv6)["host"],
            parts.port or 1080,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password or "") if parts.username else None,
            rdns=True,
        )
        return await opened.connect(host, port)
    except socket.gaierror as error:
        raise failed_look_up(name, error) from error
    except _ERRORS as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and is_unreachable(cause):
            raise NoNetworkError(name, reason_of(cause)) from error
        if isinstance(cause, OSError):
            problem = f"the SOCKS proxy: {reason_of(cause)}"
        elif isinstance(error, python_socks.ProxyError) and "closed" in str(error):
            problem = _HUNG_UP
        else:
            problem = f"the SOCKS proxy: {quoted(error)}"
        raise ConnectionFailedError(name, problem) from error


def _is_of_ipv6(address: Any) -> bool:
    return bool(address["family"] == socket.AF_INET6)


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
