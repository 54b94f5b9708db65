"""HTTP: the client interface, its aiohttp form, TLS."""

from .aiohttp_client import AiohttpClient
from .base import BaseHttpClient
from .factories import create_secure_connector, create_ssl_context
from .redirects import RedirectGuard

__all__ = [
    "AiohttpClient",
    "BaseHttpClient",
    "RedirectGuard",
    "create_secure_connector",
    "create_ssl_context",
]
