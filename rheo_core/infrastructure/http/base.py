"""BaseHttpClient: the interface of HTTP clients."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from ssl import SSLContext
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from .routes import USUAL_ROUTE, Route

if TYPE_CHECKING:
    from aiohttp import ClientMiddlewareType, ClientTimeout
    from multidict import CIMultiDictProxy
    from yarl import URL


class PublicFields(dict[str, str]):
    """Header fields without secrets. A client may cache the lines that it builds from them."""


NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Timeouts(NamedTuple):
    """Time limits of one request, in seconds; None: no limit."""

    connect: float | None = None  # including the lookup of the name
    read: float | None = None  # between two reads of the body


NO_TIMEOUT = Timeouts()


def is_of_aiohttp(error: BaseException) -> bool:
    """Return True if an error has a class of aiohttp, without importing aiohttp."""
    return any(kind.__module__.partition(".")[0] == "aiohttp" for kind in type(error).__mro__)


class Response(Protocol):
    """A response whose head has arrived, from one of our clients or from aiohttp.

    Attributes:
        status: three digits.
        reason: phrase of the status line; may be empty.
        headers: all fields, in their order.
        content_length: bytes of the body according to the header; None: unknown.
        url: the URL that was requested.
    """

    @property
    def status(self) -> int: ...

    @property
    def reason(self) -> str | None: ...

    @property
    def headers(self) -> "CIMultiDictProxy[str]": ...

    @property
    def content_length(self) -> int | None: ...

    @property
    def url(self) -> "URL": ...


class BaseHttpClient(ABC):
    """Makes GET requests and streams their bodies."""

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
    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        timeout: "Timeouts | ClientTimeout" = NO_TIMEOUT,
        route: Route = USUAL_ROUTE,
        proxy: str | None = None,
        ssl: SSLContext | bool = True,
        middlewares: Sequence["ClientMiddlewareType"] = (),
        allow_redirects: bool = False,
    ) -> AbstractAsyncContextManager[Response]:
        """Return a GET request, which is sent when it is entered.

        Args:
            url: http or https; sent byte for byte.
            headers: fields of the request.
            timeout: for the connection and for a read. The engine passes aiohttp's `ClientTimeout`
                to every client except its own, which does not need aiohttp.
            route: SOCKS proxy, IP version or network interface.
            proxy: URL of an HTTP proxy.
            ssl: TLS context; True: the usual checks, False: none.
            middlewares: aiohttp middlewares, such as the one for digest logins.
            allow_redirects: follow redirects. The engine passes False and follows them itself,
                because it decides which secrets each hop gets.

        Raises:
            ClientNotInitialisedError: the client is not open.
        """
