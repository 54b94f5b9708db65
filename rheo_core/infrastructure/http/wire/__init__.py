"""HTTP client of this project, based on asyncio, with llhttp as the parser."""

from .client import WireClient, WireResponse
from .connection import WireBody

__all__ = ["WireBody", "WireClient", "WireResponse"]
