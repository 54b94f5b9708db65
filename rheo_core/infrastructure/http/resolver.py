"""DNS resolver that blocks redirects into local networks."""

import asyncio
import socket
import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol, TypedDict

from rheo_core.domain.exceptions import ProtocolError
from rheo_core.domain.text import printable
from rheo_core.infrastructure.shortage_errors import check_descriptors

from .lookup_threads import LookupThreads
from .private_networks import OriginHost, note_addresses

REDIRECT_ORIGIN: ContextVar[OriginHost | None] = ContextVar("REDIRECT_ORIGIN", default=None)
"""Host of the user's URL while the target of a redirect is looked up; None otherwise."""


class ResolveResult(TypedDict):
    """An address of a host, as aiohttp describes it."""

    hostname: str
    host: str
    port: int
    family: int
    proto: int
    flags: int


class Resolver(Protocol):
    """Looks up names; has the methods of aiohttp's `AbstractResolver`."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]: ...

    async def close(self) -> None: ...


_MAX_ADDRESSES = 8
"""Maximum number of addresses to try for one name. aiohttp tries all, then all but the first, and
so on. So a name with 250 addresses that refuse would cost 31,000 connections, to hosts that its
owner chose."""
_CACHE_SECONDS = 10.0
_MAX_CACHED = 1000
_threads = LookupThreads()  # shared by the process, because connectors come and go

_NUMERIC_NAME = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV


class SystemResolver:
    """System resolver (hosts file, DNS, mDNS and so on), in separate threads.

    A few names without an answer would occupy all of asyncio's default threads.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host`.

        Raises:
            ProtocolError: the name is not valid for a host.
            OSError: it has no address.
            ShortageError: no thread can be started.
        """
        addresses: list[ResolveResult] = await _threads.run(
            host, lambda: _system_addresses(host, port, family)
        )
        return addresses

    async def close(self) -> None:
        """Do nothing, because the process shares the threads."""


def _system_addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    try:
        infos = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, family=family, flags=socket.AI_ADDRCONFIG
        )
    except socket.gaierror:
        check_descriptors()
        raise
    except UnicodeError as error:  # from Python's IDNA codec
        raise ProtocolError(
            f"host name {printable(host)!r} is not valid: each part between dots must have 1 "
            "to 63 characters"
        ) from error
    return [
        ResolveResult(
            hostname=host,
            host=_format_address(address),
            port=port,
            family=family,
            proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for family, _, protocol, _, address in infos
        if len(address) in (2, 4)  # Python built without IPv6 returns two numbers for its addresses
        and isinstance(address[0], str)
    ]


def _format_address(address: tuple[str | int, ...]) -> str:
    """Return an address as text, with the zone of a link-local IPv6 address."""
    if len(address) == 4 and address[3]:
        return socket.getnameinfo(address, _NUMERIC_NAME)[0]  # type: ignore[arg-type]
    return str(address[0])


def _limit_addresses(addresses: list[ResolveResult]) -> list[ResolveResult]:
    """Return the first `_MAX_ADDRESSES` in their order, with some of each family."""
    first = [address for address in addresses if address["family"] == addresses[0]["family"]]
    other = [address for address in addresses if address["family"] != addresses[0]["family"]]
    of_first = first[: max(_MAX_ADDRESSES - len(other), _MAX_ADDRESSES // 2)]
    return of_first + other[: _MAX_ADDRESSES - len(of_first)]


@dataclass(slots=True)
class _Lookup:
    """Lookup shared by callers with the same name."""

    began: float  # seconds, monotonic
    answer: asyncio.Task[list[ResolveResult]]
    waiting: int = 0  # number of callers


class GuardedResolver:
    """Resolver that refuses redirects from a public host to a private address.

    It caches answers for `_CACHE_SECONDS`, and concurrent callers share one lookup. The cache of
    a connector cannot be used, because it ignores `REDIRECT_ORIGIN`.

    Args:
        inner: looks up names; None: the system.
    """

    def __init__(self, inner: Resolver | None = None) -> None:
        self._inner = inner or SystemResolver()
        self._cache: dict[tuple[str, int], _Lookup] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host`.

        Raises:
            ProtocolError: a redirect must not lead there, or the name is not valid for a host.
            OSError: it has no address.
            ShortageError: no thread can be started.
        """
        addresses = await self._look_up(host, family)
        origin_host = REDIRECT_ORIGIN.get()
        if origin_host is not None and origin_host.must_not_lead_to(host):
            raise ProtocolError(
                f"refused a redirect to {printable(host)}, which has a private address"
            )
        return [ResolveResult(**{**address, "port": port}) for address in addresses]

    async def _look_up(self, host: str, family: socket.AddressFamily) -> list[ResolveResult]:
        key, now = (host, family), time.monotonic()
        lookup = self._cache.get(key)
        if lookup is None or now - lookup.began >= _CACHE_SECONDS:
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
            lookup = _Lookup(now, asyncio.create_task(self._query(host, family)))
            self._cache[key] = lookup
        lookup.waiting += 1
        try:
            return await asyncio.shield(lookup.answer)
        except Exception:
            self._forget(key, lookup)  # the next caller tries again
            raise
        finally:
            lookup.waiting -= 1
            if not lookup.waiting and not lookup.answer.done():  # all callers were cancelled
                lookup.answer.cancel()
                self._forget(key, lookup)

    def _forget(self, key: tuple[str, int], lookup: _Lookup) -> None:
        if self._cache.get(key) is lookup:
            del self._cache[key]

    async def _query(self, host: str, family: socket.AddressFamily) -> list[ResolveResult]:
        addresses = await self._inner.resolve(host, 0, family)
        note_addresses(host, (address["host"] for address in addresses))
        return _limit_addresses(addresses)

    async def close(self) -> None:
        """Close the inner resolver."""
        await self._inner.close()
