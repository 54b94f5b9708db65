"""HTTP client based on aiohttp."""

from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from typing import Any

import aiohttp
from yarl import URL

from rheo_core.domain.exceptions import ClientNotInitialisedError
from rheo_core.domain.references import ascii_url

from .auth import split_login
from .base import BaseHttpClient, Timeouts
from .connectors import create_connector, create_secure_connector
from .routes import USUAL_ROUTE, Route

_READ_BUFFER_BYTES = 1 << 20
"""Bytes that aiohttp reads ahead before it pauses the sender."""

_MAX_HEADER_BYTES = 64 << 10
"""Redirects to signed URLs exceed aiohttp's limit of 8 KiB per line."""


class AiohttpClient(BaseHttpClient):
    """HTTP client that uses one `aiohttp.ClientSession`, and another one for each route.

    Args:
        session: used unchanged, and not closed by `close`; None: create one.
        connector: for the created session; not closed by `close`; None: a secure one.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession | None = None,
        connector: aiohttp.TCPConnector | None = None,
    ) -> None:
        self._session = session
        self._connector = connector
        self._owns_session = session is None
        self._routes: dict[Route, aiohttp.ClientSession] = {}

    async def open(self) -> None:
        if self.closed and self._owns_session:
            self._session = _session(
                self._connector or create_secure_connector(), owned=self._connector is None
            )

    async def close(self) -> None:
        while self._routes:
            await self._routes.popitem()[1].close()
        if self._session is not None and self._owns_session:
            await self._session.close()
            self._session = None

    @property
    def closed(self) -> bool:
        return self._session is None or self._session.closed

    def drop_idle(self) -> None:
        for session in (self._session, *self._routes.values()):
            if session is not None and session.connector is not None:
                for idle in session.connector._conns.values():  # there is no public API
                    while idle:
                        idle.pop()[0].close()

    def get(
        self,
        url: str,
        *,
        route: Route = USUAL_ROUTE,
        **kwargs: Any,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        session = self._session
        if session is None or session.closed:
            raise ClientNotInitialisedError("the HTTP client is not open; call open() first")
        if kwargs.get("proxy"):
            kwargs |= _proxy_arguments(kwargs["proxy"])
        if route is not USUAL_ROUTE and route != USUAL_ROUTE:
            session = self._session_of(route)
        # Sent byte for byte, because servers answer 403 to a signed URL that was encoded again.
        return session.get(URL(ascii_url(url), encoded=True), **kwargs)

    def _session_of(self, route: Route) -> aiohttp.ClientSession:
        if route not in self._routes:
            self._routes[route] = _session(create_connector(route), owned=True)
        return self._routes[route]


def _proxy_arguments(proxy: str) -> dict[str, Any]:
    """Separate a proxy from its login, whose bytes aiohttp would encode again in a URL.

    aiohttp sends the login as Proxy-Authorization to open a tunnel, or with each request.
    """
    url, login = split_login(proxy)
    headers = {} if login is None else {"Authorization": login.basic}
    return {"proxy": url, "proxy_headers": headers}


@lru_cache(maxsize=8)
def client_timeout(timeouts: Timeouts) -> aiohttp.ClientTimeout:
    """Convert time limits for aiohttp."""
    return aiohttp.ClientTimeout(
        total=None,
        connect=timeouts.connect,
        sock_connect=timeouts.connect,
        sock_read=timeouts.read,
    )


def _session(connector: aiohttp.BaseConnector, *, owned: bool) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        connector_owner=owned,
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        requote_redirect_url=False,
        read_bufsize=_READ_BUFFER_BYTES,
        max_line_size=_MAX_HEADER_BYTES,
        max_field_size=_MAX_HEADER_BYTES,
        cookie_jar=aiohttp.DummyCookieJar(),
    )
