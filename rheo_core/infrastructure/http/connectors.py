"""Connectors for aiohttp: direct, through a proxy, or bound to an interface or IP version."""

import asyncio
import socket
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_reqrep import ConnectionKey

from .connection_problems import connection_problem
from .idle_connections import drop_unfit
from .resolver import GuardedResolver, ResolveResult
from .routes import Route, socket_options


class CleanConnector(aiohttp.TCPConnector):
    """Connector that reuses a connection only if it has no unread bytes."""

    async def _get(self, key: ConnectionKey, traces: list[Any]) -> Any:
        drop_unfit(self, key)
        return await super()._get(key, traces)


class _SocksConnector(CleanConnector):
    """Connector through a SOCKS5 proxy. Errors read as with the default client.

    Args:
        proxy: URL of the proxy; may contain a login.
    """

    def __init__(self, proxy: str) -> None:
        super().__init__(limit=0, resolver=_NoResolver(), use_dns_cache=False)
        self._proxy = proxy
        self._proxy_resolver = GuardedResolver()

    async def _wrap_create_connection(
        self, *args: Any, addr_infos: Any, req: Any, timeout: aiohttp.ClientTimeout, **kwargs: Any
    ) -> Any:
        from .socks import connect_by_socks  # needs a package that is rarely needed

        kwargs.pop("client_error")
        host, port = addr_infos[0][4][:2]
        try:
            async with asyncio.timeout(timeout.sock_connect):
                opened = await connect_by_socks(self._proxy, host, port, self._proxy_resolver)
                return await self._loop.create_connection(*args, sock=opened, **kwargs)
        except TimeoutError as error:
            if error.errno is not None:  # ETIMEDOUT of the system, not our limit
                raise connection_problem(error, host) from error
            raise aiohttp.ConnectionTimeoutError from None
        except OSError as error:
            raise connection_problem(error, host) from error


class _NoResolver(AbstractResolver):
    """Leaves all names to the proxy."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the name itself."""
        return [ResolveResult(hostname=host, host=host, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        """Do nothing."""


def create_secure_connector(**connector_kwargs: Any) -> aiohttp.TCPConnector:
    """Return a connector that checks certificates and host names, unless `ssl` says otherwise.

    aiohttp's own context is as strict as `create_ssl_context()` and exists already. Slots and
    segments limit the number of connections, so the connector does not.

    Args:
        connector_kwargs: those of `aiohttp.TCPConnector`.
    """
    connector_kwargs.setdefault("limit", 0)
    connector_kwargs.setdefault("resolver", GuardedResolver())
    connector_kwargs.setdefault("use_dns_cache", False)
    return CleanConnector(**connector_kwargs)


def create_connector(route: Route) -> aiohttp.BaseConnector:
    """Return a connector for a route.

    Raises:
        RequestOptionsError: the interface does not exist, or has another IP version.
    """
    if route.socks is not None:
        return _SocksConnector(route.socks)
    options = socket_options(route)
    return create_secure_connector(
        family=options.family,
        local_addr=options.local_address,
        socket_factory=options.factory,
    )
