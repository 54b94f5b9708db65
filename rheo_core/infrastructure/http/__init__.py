"""HTTP: client interface, aiohttp client, TLS, and requests with the user's options."""

from .aiohttp_client import AiohttpClient
from .base import BaseHttpClient
from .connectors import Route, create_secure_connector
from .requester import Exchange, Requester
from .tls import create_ssl_context

__all__ = [
    "AiohttpClient",
    "BaseHttpClient",
    "Exchange",
    "Requester",
    "Route",
    "create_secure_connector",
    "create_ssl_context",
]
