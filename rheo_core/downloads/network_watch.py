"""NetworkWatch: hold downloads while the machine is offline, and resume them afterwards."""

import asyncio
import logging
import math
import time
from collections.abc import Callable

from rheo_core.domain.exceptions import (
    ConnectionFailedError,
    DownloadError,
    DownloadTimeoutError,
    IncompleteError,
    NoNetworkError,
)
from rheo_core.domain.tuning import Tuning
from rheo_core.infrastructure import network
from rheo_core.infrastructure.http.private_networks import may_be_private

_log = logging.getLogger(__name__)
_LOST = (ConnectionFailedError, DownloadTimeoutError, IncompleteError)
"""Failures that a lost network may cause."""
_MAX_LOOKUP_SECONDS = 30.0
"""Time after which a lookup without an answer has failed (resolv.conf(5): 5 s, twice, for each
of up to three servers)."""
_SAME_LOSS_LOOKS = 3
"""Checks within which another failure belongs to the same outage. Only an attempt shows its end."""


class NetworkWatch:
    """Separates failures of the network from those of one host, and waits for its return.

    During an outage, downloads from unreachable hosts do not start. Others may try: if their host
    answers, the network works, and only the first host failed.

    Args:
        patience: longest time to wait, seconds; None: no limit.
        on_return: called when waiting downloads may start.
        tuning: interval of the checks.
    """

    def __init__(
        self, patience: float | None, on_return: Callable[[], None], tuning: Tuning
    ) -> None:
        self._patience = math.inf if patience is None else patience
        self._on_return = on_return
        self._tuning = tuning
        self._had_route = network.has_route()  # when the network last worked
        self._lost = asyncio.Event()
        self._lost_at = 0.0  # seconds, monotonic, as all times here
        self._probed_at = -math.inf  # when it last seemed to be back
        self._is_seen = False  # the route or a name server is missing
        self._unreached: dict[str, float] = {}  # host -> start of its first failing attempt
        self._unanswered: dict[str, None] = {}  # names that no name server answered for
        self._answered_at = -math.inf  # last answer of any other host, while some are unreached
        self._last_answer = "", -math.inf  # of any host
        self._has_given_up = False

    @property
    def is_waited_for(self) -> bool:
        """True while downloads wait for the network."""
        return self._lost.is_set()

    def must_wait(self, host: str) -> bool:
        """Return True if downloads of this host (with its port) wait for the network."""
        return self._lost.is_set() and host in self._unreached

    def is_lost(self, error: Exception, host: str, began: float) -> bool:
        """Return True if an attempt failed because there is no network.

        Args:
            error: reason of the failure.
            host: the host of the download, with its port.
            began: start of the attempt, seconds, monotonic.
        """
        if not isinstance(error, _LOST):
            return False
        if self._has_given_up or not self._is_without_network(error, host):
            return False
        now = time.monotonic()
        since = self._unreached.setdefault(host, max(began, now - _MAX_LOOKUP_SECONDS))
        is_loss_known = self._lost.is_set()
        if not is_loss_known and self._has_answered(host, since) and network.has_route():
            return False  # other hosts answer while this one fails
        if isinstance(error, NoNetworkError) and error.is_lookup:
            self._unanswered[error.host] = None
        is_without_route = self._had_route and not network.has_route()
        self._is_seen = self._is_seen or bool(self._unanswered) or is_without_route
        if not is_loss_known:
            self._lost.set()
            if now - self._probed_at > _SAME_LOSS_LOOKS * self._tuning.network_look_seconds:
                self._lost_at = now
                _log.warning("no network (%s); downloads wait until it is back", error)
        return True

    def note_answer(self, host: str) -> None:
        """Record that a host (with its port) has answered."""
        now = time.monotonic()
        self._last_answer = host, now
        if not self._unreached:  # almost always
            return
        self._unreached.pop(host, None)
        if may_be_private(host.rpartition(":")[0]):
            return  # it answers without the Internet too
        self._answered_at = now
        self._has_given_up = False
        if self._lost.is_set():
            self._end()

    async def run(self) -> None:
        """Check the network until cancelled, but only during an outage."""
        while True:
            await self._lost.wait()
            await asyncio.sleep(self._tuning.network_look_seconds)
            if time.monotonic() - self._lost_at >= self._patience:
                self._has_given_up = True
                self._end()
            elif self._lost.is_set() and await self._is_back():
                if self._is_seen:
                    _log.warning("the network is back")
                else:  # only an attempt shows if it is back
                    self._probed_at = time.monotonic()
                self._unreached.clear()
                self._end()

    def _has_answered(self, host: str, since: float) -> bool:
        """Return True if another public host has answered after `since`."""
        other, at = self._last_answer
        is_other = other != host and not may_be_private(other.rpartition(":")[0])
        return self._answered_at > since or (is_other and at > since)

    def _is_without_network(self, error: DownloadError, host: str) -> bool:
        if isinstance(error, NoNetworkError):
            # With IPv4 only, an IPv6 address says nothing about the network.
            return not (error.is_ipv6_only and network.has_route())
        may_wait = self._had_route and not may_be_private(host.rpartition(":")[0])
        return may_wait and not network.has_route()  # with a route, only that host fails

    async def _is_back(self) -> bool:
        """Check for the previous route, and look up one of the names that failed.

        A network that never had a default route may still have name servers.
        """
        if self._had_route and not network.has_route():
            return False
        if not self._unanswered:
            return True
        name = next(iter(self._unanswered))
        del self._unanswered[name]  # ask for another one next time
        if await network.has_name_servers(name):
            return True
        self._unanswered[name] = None
        return False

    def _end(self) -> None:
        self._lost.clear()
        self._is_seen = False
        self._unanswered.clear()
        self._had_route = network.has_route()
        self._on_return()
