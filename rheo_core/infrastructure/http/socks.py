"""SOCKS proxies. Imported on first use, because they need a package of their own."""

import asyncio
import socket
import ssl
from typing import Any
from urllib.parse import unquote, urlsplit

from aiohttp_socks import (
    ProxyConnectionError,
    ProxyConnector,
    ProxyError,
    ProxyTimeoutError,
    ProxyType,
)

from rheo_core.domain.exceptions import ConnectionFailedError
from rheo_core.domain.text import printable

from .resolver import GuardedResolver


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
            raise ConnectionFailedError(
                self._proxy_name, "the proxy: host name not found"
            ) from error


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
        raise ConnectionFailedError(host, "the SOCKS proxy hung up; is the login right?") from error
    if isinstance(error, ProxyConnectionError | ProxyError | ProxyTimeoutError):
        message = printable(str(error))[:200] or "timed out"
        raise ConnectionFailedError(host, f"the SOCKS proxy: {message}") from error
