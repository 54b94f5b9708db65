"""Name look-ups that keep redirects from leading into local networks."""

import asyncio
import socket
import time
from contextvars import ContextVar
from dataclasses import dataclass

from aiohttp.abc import AbstractResolver, ResolveResult

from rheo_core.domain.exceptions import ProtocolError
from rheo_core.domain.text import printable
from rheo_core.infrastructure.shortage import check_descriptors

from .look_ups import LookUpThreads
from .private_networks import OriginHost, note_addresses

REDIRECT_ORIGIN: ContextVar[OriginHost | None] = ContextVar("REDIRECT_ORIGIN", default=None)
"""The host of the user's URL, while a name is looked up that a redirect leads to."""


_MAX_ADDRESSES = 8
"""Addresses of one name that are tried. aiohttp tries all, then all but the first, and so on: 250
that refuse would be 31,000 connections for one request, to hosts that the name's owner chooses."""
_CACHE_SECONDS = 10.0
_MAX_CACHED = 1000
_threads = LookUpThreads()  # of the whole process: connectors come and go

_NUMERIC_NAME = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV


class SystemResolver(AbstractResolver):
    """Asks the system (hosts file, DNS, mDNS, whatever it is set up for) in threads of our own.

    asyncio would use its default ones: a few names that nobody answers for would hold them all.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host`.

        Raises:
            ProtocolError: no host can have this name.
            OSError: it has none.
        """
        addresses: list[ResolveResult] = await _threads.run(
            host, lambda: _system_addresses(host, port, family)
        )
        return addresses

    async def close(self) -> None:
        """Do nothing: the threads are of the whole process."""


def _system_addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    try:
        infos = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, family=family, flags=socket.AI_ADDRCONFIG
        )
    except socket.gaierror:
        check_descriptors()
        raise
    except UnicodeError as error:  # Python encodes every name with its codec for IDNA
        raise ProtocolError(
            f"host name {printable(host)!r} is not possible: each part between dots has 1 to 63 "
            "characters"
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
        if len(address) in (2, 4)  # a Python without IPv6 gives two numbers for an address of it
        and isinstance(address[0], str)
    ]


def _format_address(address: tuple[str | int, ...]) -> str:
    """Return an address as text; a link-local one of IPv6 with its zone."""
    if len(address) == 4 and address[3]:
        return socket.getnameinfo(address, _NUMERIC_NAME)[0]  # type: ignore[arg-type]
    return str(address[0])


def _limit_addresses(addresses: list[ResolveResult]) -> list[ResolveResult]:
    """Return the first addresses, those of both families if there are both, in their order."""
    first = [address for address in addresses if address["family"] == addresses[0]["family"]]
    other = [address for address in addresses if address["family"] != addresses[0]["family"]]
    of_first = first[: max(_MAX_ADDRESSES - len(other), _MAX_ADDRESSES // 2)]
    return of_first + other[: _MAX_ADDRESSES - len(of_first)]


@dataclass(slots=True)
class _LookUp:
    """One that was begun, for all who ask for the same meanwhile."""

    began: float  # seconds, monotonic
    answer: asyncio.Task[list[ResolveResult]]
    waiting: int = 0  # who wait for it


class GuardedResolver(AbstractResolver):
    """Refuses names of private addresses that a redirect from a public one leads to.

    It keeps what it found for some seconds, and who asks meanwhile waits for the same answer; the
    cache of a connector would not ask on whose behalf.

    Args:
        inner: looks them up; the system, where None.
    """

    def __init__(self, inner: AbstractResolver | None = None) -> None:
        self._inner = inner or SystemResolver()
        self._cache: dict[tuple[str, int], _LookUp] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host`.

        Raises:
            ProtocolError: it is not for a redirect to lead there, or no host can have this name.
            OSError: it has none.
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
        look_up = self._cache.get(key)
        if look_up is None or now - look_up.began >= _CACHE_SECONDS:
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
            look_up = _LookUp(now, asyncio.create_task(self._query(host, family)))
            self._cache[key] = look_up
        look_up.waiting += 1
        try:
            return await asyncio.shield(look_up.answer)
        except Exception:
            self._forget(key, look_up)  # the next one asks again
            raise
        finally:
            look_up.waiting -= 1
            if not look_up.waiting and not look_up.answer.done():  # all have lost patience
                look_up.answer.cancel()
                self._forget(key, look_up)

    def _forget(self, key: tuple[str, int], look_up: _LookUp) -> None:
        if self._cache.get(key) is look_up:
            del self._cache[key]

    async def _query(self, host: str, family: socket.AddressFamily) -> list[ResolveResult]:
        addresses = await self._inner.resolve(host, 0, family)
        note_addresses(host, (address["host"] for address in addresses))
        return _limit_addresses(addresses)

    async def close(self) -> None:
        """Release what looks up."""
        await self._inner.close()
