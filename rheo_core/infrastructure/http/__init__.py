"""HTTP: the client interface, two clients, TLS, and requests with the user's options.

Names that need aiohttp are imported on first use, because loading aiohttp takes longer than the
rest of a small download. It also loads the certificates twice.
"""

from typing import TYPE_CHECKING

from rheo_core.lazy import names_from

from .base import BaseHttpClient, Response, Timeouts
from .recent_exchanges import SentHop
from .requester import Exchange, Requester
from .routes import Route
from .tls import create_ssl_context
from .wire import WireBody, WireClient, WireResponse

if TYPE_CHECKING:
    from .aiohttp_client import AiohttpClient
    from .connectors import create_secure_connector

__all__ = [
    "AiohttpClient",
    "BaseHttpClient",
    "Exchange",
    "Requester",
    "Response",
    "Route",
    "SentHop",
    "Timeouts",
    "WireBody",
    "WireClient",
    "WireResponse",
    "create_secure_connector",
    "create_ssl_context",
]

__getattr__ = names_from(
    __name__,
    {"aiohttp_client": ("AiohttpClient",), "connectors": ("create_secure_connector",)},
)
