"""ConnectionPermit: count a connection against the limit of its host.

A redirect moves the permit to the next host. `host_limits.py` defines the limits.
"""

import asyncio
from collections.abc import Callable

from rheo_core.domain.exceptions import (
    ConnectionFailedError,
    HostFullError,
    HttpStatusError,
    NoNetworkError,
)

from .host_limits import HostLimiter, KnownHost

_REFUSALS = {429, 503}  # RFC 6585 4, RFC 9110 15.6.4: too many requests, overload


class ConnectionPermit:
    """Permit for one connection, counted against its host from `begin` to `end`.

    Args:
        hosts: counts the connection.
        host: host of the link, which gets the first request.
        explain: called with the reason for a wait, and with "" after the wait.
        download_id: download whose reservation the permit uses.
        keeps_reservation: keep the reservation for the download, because this connection first
            fetches another file.
    """

    def __init__(
        self,
        hosts: HostLimiter,
        host: str,
        explain: Callable[[str], None],
        download_id: str = "",
        *,
        keeps_reservation: bool = False,
    ) -> None:
        self._hosts = hosts
        self._link_host = self.host = host
        self._explain = explain
        self.download_id = download_id
        self._keeps_reservation = keeps_reservation
        self._known: KnownHost | None = None
        self._was_answered = False

    async def begin(self) -> None:
        """Wait a short time for room at the host, and take the permit.

        The wait is short, because a waiting download holds its slot and perhaps a reservation.
        Other downloads may wait for these, and this host may wait for those downloads.

        Raises:
            HostFullError: the host has no room. The download then waits in the queue.
        """
        hosts, host, download_id = self._hosts, self.host, self.download_id
        if not hosts.can_acquire(host, download_id):
            try:
                async with asyncio.timeout(hosts.tuning.passing_seconds):
                    await hosts.wait_for_room(host, self._explain, download_id)
            except TimeoutError:
                raise HostFullError(host) from None
        self._known = hosts.acquire(host, "" if self._keeps_reservation else download_id)

    async def move(self, host: str) -> None:
        """Count the connection against the host that a redirect leads to.

        Wait for room only if the reservation is for a third host, because then this host will
        soon redirect the request.

        Raises:
            HostFullError: the host has no room.
        """
        if host == self.host:
            return
        if not self._keeps_reservation and self._hosts.has_reservation_elsewhere(
            self.download_id, host
        ):
            self.end()
            self.host = host
            await self.begin()
            return
        assert self._known is not None
        moved = self._hosts.move(
            self._known,
            self.host,
            host,
            self.download_id,
            keeps_reservation=self._keeps_reservation,
        )
        if moved is None:
            if host != self._link_host:
                self._hosts.note_lead(self._link_host, host)
            raise HostFullError(host)
        self._known.answered -= self._was_answered
        self._was_answered = False
        self._known, self.host = moved, host

    def answered(self) -> None:
        """Record that the host has answered, so it can serve this number of connections."""
        assert self._known is not None
        if not self._keeps_reservation:
            self._hosts.end_reservation(self.download_id)
        self._hosts.on_answer(self.host)
        if not self._was_answered:
            self._was_answered = True
            self._known.answered += 1
            self._known.note_answer(self.download_id)
            self._known.peak_accepted = max(self._known.peak_accepted, self._known.answered)

    def is_refusal(self, host: str, error: BaseException | None) -> bool:
        """Return True if an error means that a host refused the request.

        Lower the limit of the host if it seems to want fewer connections.
        """
        cause = "a refused connection"
        if isinstance(error, HttpStatusError):
            is_refusal = wants_fewer = error.status in _REFUSALS
            cause = f"HTTP {error.status}"
        else:
            is_lost = isinstance(error, NoNetworkError)  # says nothing about the host
            is_refusal = isinstance(error, ConnectionFailedError) and not is_lost
            wants_fewer = is_refusal and self._hosts.has_other_connections(host)
        if wants_fewer:
            self._hosts.refused(host, self.download_id, cause)
        return is_refusal

    def end(self) -> None:
        """Release the permit, if it is taken."""
        if self._known is None:
            return
        self._known.answered -= self._was_answered
        self._was_answered = False
        self._hosts.release(self.host, self._known)
        self._known = None

    async def __aenter__(self) -> Callable[[], None]:
        """Take the permit; return a function to call when the host has answered."""
        await self.begin()
        return self.answered

    async def __aexit__(self, *_: object) -> None:
        self.end()
