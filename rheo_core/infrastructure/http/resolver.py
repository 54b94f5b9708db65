"""Name look-ups that keep redirects from leading into local networks."""

import socket
from contextvars import ContextVar

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from rheo_core.domain.exceptions import ProtocolError
from rheo_core.domain.text import printable

from .redirects import is_private

SENT_BY: ContextVar[str] = ContextVar("SENT_BY", default="")
"""The host of the user's URL, while a name is looked up that a redirect leads to."""


class GuardedResolver(AbstractResolver):
    """Refuses names of private addresses that a redirect from a public one leads to.

    Args:
        inner: looks them up; the system, where None.
    """

    def __init__(self, inner: AbstractResolver | None = None) -> None:
        self._inner = inner or aiohttp.ThreadedResolver()
        self._private: set[str] = set()  # names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`.

        Raises:
            ProtocolError: it is not for a redirect to lead there.
            OSError: it has none.
        """
        found = await self._inner.resolve(host, port, family)
        if any(is_private(address["host"]) for address in found):
            home = SENT_BY.get()
            if home and home not in self._private and not is_private(home):
                raise ProtocolError(
                    f"refused a redirect to {printable(host)}, which has a private address"
                )
            self._private.add(host)
        return found

    async def close(self) -> None:
        """Release what looks up."""
        await self._inner.close()
