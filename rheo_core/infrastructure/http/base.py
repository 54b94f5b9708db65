"""The HTTP client interface."""

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientResponse


class BaseHttpClient(ABC):
    """Makes GET requests whose bodies stream."""

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.close()

    @abstractmethod
    async def open(self) -> None:
        """Prepare for requests. Does nothing if the client is open."""

    @abstractmethod
    async def close(self) -> None:
        """Release the connections. Does nothing if the client is closed."""

    @property
    @abstractmethod
    def closed(self) -> bool:
        """True if the client was closed or has never been opened."""

    def drop_idle(self) -> None:  # noqa: B027 - a client that keeps none
        """Close the connections that are kept alive for later requests."""

    @abstractmethod
    def get(self, url: str, **kwargs: Any) -> AbstractAsyncContextManager[ClientResponse]:
        """Return a GET request, which is sent when it is entered.

        Args:
            url: http or https.
            kwargs: those of `aiohttp.ClientSession.get`, and `route` (a `Route`) if the user asks
                for a SOCKS proxy, an IP version or a network interface.

        Raises:
            ClientNotInitialisedError: the client is not open.
        """
