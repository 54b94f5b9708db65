"""TLS and connectors with safe defaults."""

import ssl
from typing import Any

import aiohttp


def create_ssl_context() -> ssl.SSLContext:
    """A context that checks certificates and host names against the system's authorities."""
    return ssl.create_default_context()


def create_secure_connector(**connector_kwargs: Any) -> aiohttp.TCPConnector:
    """A connector with `create_ssl_context()`, unless `ssl` is given.

    The number of connections is not limited here: slots and segments limit it.
    """
    connector_kwargs.setdefault("ssl", create_ssl_context())
    connector_kwargs.setdefault("limit", 0)
    return aiohttp.TCPConnector(**connector_kwargs)
