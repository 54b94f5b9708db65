"""Connectors for aiohttp: direct, through a proxy, or bound to an interface or IP version."""

from typing import Any

import aiohttp
from aiohttp.client_reqrep import ConnectionKey

from .idle_connections import drop_unfit
from .resolver import GuardedResolver
from .routes import Route, socket_options


class CleanConnector(aiohttp.TCPConnector):
    """Connector that reuses a connection only if it has no unread bytes."""

    async def _get(self, key: ConnectionKey, traces: list[Any]) -> Any:
        drop_unfit(self, key)
        return await super()._get(key, traces)


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
        from .socks import SocksConnector  # rarely needed

        return SocksConnector(route.socks)
    options = socket_options(route)
    return create_secure_connector(
        family=options.family,
        local_addr=options.local_address,
        socket_factory=options.factory,
    )
