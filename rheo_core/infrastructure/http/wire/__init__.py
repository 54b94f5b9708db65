"""The HTTP client of this project: asyncio below, llhttp for heads and chunks."""

from .client import WireClient, WireResponse
from .connection import WireBody

__all__ = ["WireBody", "WireClient", "WireResponse"]
