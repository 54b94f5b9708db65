"""TLS and connectors with safe defaults."""

import ssl
from typing import Any

import aiohttp


def create_ssl_context() -> ssl.SSLContext:
    """A context that checks certificates and host names against the system's authorities."""
    return ssl.create_default_context()


def create_secure_connector(**connector_kwargs: Any) -> aiohttp.TCPConnector:
    """A connector that checks certificates and host names, unless `ssl` says otherwise.

    aiohttp's own context is as strict as `create_ssl_context()` and exists already. The number of
    connections is not limited here: slots and segments limit it.
    """
    connector_kwargs.setdefault("limit", 0)
    return aiohttp.TCPConnector(**connector_kwargs)
