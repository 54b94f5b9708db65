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
        """Make it ready for requests; an open client stays open."""

    @abstractmethod
    async def close(self) -> None:
        """Release its connections; a closed client stays closed."""

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Whether it is closed or was never opened."""

    def drop_idle(self) -> None:  # noqa: B027 - a client that keeps none
        """Close the connections that are kept for later requests."""

    @abstractmethod
    def get(self, url: str, **kwargs: Any) -> AbstractAsyncContextManager[ClientResponse]:
        """A GET request; `kwargs` are those of `aiohttp.ClientSession.get`.

        One more, `route`, comes where a user asks for a SOCKS proxy, a version of IP or a network
        interface: see `Route`.

        Raises:
            ClientNotInitialisedError: the client is not open.
        """
