"""HTTP: the client interface, its aiohttp form, TLS."""

from .aiohttp_client import AiohttpClient
from .base import BaseHttpClient
from .factories import create_secure_connector, create_ssl_context

__all__ = ["AiohttpClient", "BaseHttpClient", "create_secure_connector", "create_ssl_context"]
