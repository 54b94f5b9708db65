"""HTTP clients of the tests: the one of this library, or the one on aiohttp."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ssl import SSLContext

import pytest

from rheo_core.infrastructure.http import (
    AiohttpClient,
    BaseHttpClient,
    WireClient,
    create_secure_connector,
)
from rheo_core.infrastructure.http.resolver import Resolver

IS_AIOHTTP = os.environ.get("TEST_CLIENT") == "aiohttp"
"""Engines of the tests use aiohttp's sessions, as those of users may."""

STRICTER_CLIENT = pytest.mark.skipif(
    IS_AIOHTTP, reason="aiohttp refuses responses that curl and browsers take"
)


@asynccontextmanager
async def opened_client(
    resolver: Resolver | None = None, ssl: SSLContext | None = None
) -> AsyncIterator[BaseHttpClient]:
    """Open a client with this resolver and this TLS context; close it at the end."""
    if not IS_AIOHTTP:
        async with WireClient(resolver, ssl) as client:
            yield client
        return
    named = {"resolver": resolver, "ssl": ssl}
    connector = create_secure_connector(**{k: v for k, v in named.items() if v is not None})
    async with AiohttpClient(connector=connector) as session:
        yield session
    await connector.close()
