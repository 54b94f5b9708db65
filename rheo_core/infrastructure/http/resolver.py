"""Name look-ups that keep redirects from leading into local networks."""

import socket
import time
from contextvars import ContextVar

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from rheo_core.domain.exceptions import ProtocolError
from rheo_core.domain.text import printable

from .private import leads_inside, note_addresses

SENT_BY: ContextVar[str] = ContextVar("SENT_BY", default="")
"""The host of the user's URL, while a name is looked up that a redirect leads to."""


_KEPT_SECONDS = 10.0
_MOST_KEPT = 1000


class GuardedResolver(AbstractResolver):
    """Refuses names of private addresses that a redirect from a public one leads to.

    It keeps what it found for some seconds; the cache of a connector would not ask who asks.

    Args:
        inner: looks them up; the system, where None.
    """

    def __init__(self, inner: AbstractResolver | None = None) -> None:
        self._inner = inner or aiohttp.ThreadedResolver()
        self._kept: dict[tuple[str, int], tuple[float, list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`.

        Raises:
            ProtocolError: it is not for a redirect to lead there.
            OSError: it has none.
        """
        found = await self._look_up(host, family)
        home = SENT_BY.get()
        if home and leads_inside(home, host):
            raise ProtocolError(
                f"refused a redirect to {printable(host)}, which has a private address"
            )
        return [ResolveResult(**{**address, "port": port}) for address in found]

    async def _look_up(self, host: str, family: socket.AddressFamily) -> list[ResolveResult]:
        now = time.monotonic()
        asked_at, found = self._kept.get((host, family), (-_KEPT_SECONDS, []))
        if now - asked_at < _KEPT_SECONDS:
            return found
        found = await self._inner.resolve(host, 0, family)
        note_addresses(host, (address["host"] for address in found))
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[host, family] = now, found
        return found

    async def close(self) -> None:
        """Release what looks up."""
        await self._inner.close()
