"""HTTP: client interface, two clients, TLS, and requests with the user's options."""

from .aiohttp_client import AiohttpClient
from .base import BaseHttpClient, Response
from .connectors import Route, create_secure_connector
from .recent_exchanges import SentHop
from .requester import Exchange, Requester
from .tls import create_ssl_context
from .wire import WireBody, WireClient, WireResponse

__all__ = [
    "AiohttpClient",
    "BaseHttpClient",
    "Exchange",
    "Requester",
    "Response",
    "Route",
    "SentHop",
    "WireBody",
    "WireClient",
    "WireResponse",
    "create_secure_connector",
    "create_ssl_context",
]
