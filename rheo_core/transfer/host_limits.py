"""HostLimiter: limits per host, lowered when a host answers 429 or refuses connections.

`ConnectionPermit` counts a connection against the host that receives the request.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from rheo_core.domain.hosts import HostLimits, HostWait, find_host
from rheo_core.domain.tuning import DEFAULT_TUNING, Tuning

_MIN_PATIENCE_SECONDS, _MAX_PATIENCE_SECONDS = 10.0, 60.0
"""Time after which one more connection is tried. It doubles with each refusal of the host."""

_MARGIN_SECONDS = 0.1
"""Extra time, so that the limit has grown when the timer checks it."""

_MAX_LEADS = 1000
_MAX_REFUSALS = 1000
"""Hosts whose refusals are remembered, and refused downloads for each of them."""


@dataclass(slots=True)
class KnownHost:
    """Connections of a host, and the facts known about its limit."""

    in_use: int = 0
    learned: int | None = None  # connections when it refused another one; None: it never refused
    refused_at: float = 0.0  # the loop's clock
    patience: float = 0.0  # seconds until one more connection is tried
    cause: str = ""  # of the lower limit or the pause, such as "HTTP 429"
    lowered_by: str = ""  # the download that was refused
    answered: int = 0  # of those in use
    peak_accepted: int = 0  # maximum of `answered` since it last refused
    answers: int = 0  # of the host, ever
    # Refused downloads -> `answers` at that time, without the answers to themselves.
    refusals: dict[str, int] = field(default_factory=dict)
    bad_links: set[str] = field(default_factory=set)  # refused while others were answered
    waking: asyncio.TimerHandle | None = None  # reports room that becomes free with time

    @property
    def is_idle(self) -> bool:
        """True if nothing needs to be remembered."""
        return not self.in_use and self.learned is None and not self.refusals

    def note_answer(self, download_id: str) -> None:
        """Count an answer. Answers to a refused download say nothing about its link."""
        self.answers += 1
        if download_id in self.refusals:
            self.refusals[download_id] += 1

    def blames_link(self, download_id: str) -> bool:
        """Note a refusal; return True if others were answered since that of the same download."""
        before = self.refusals.pop(download_id, None)
        if len(self.refusals) >= _MAX_REFUSALS:
            forgotten = next(iter(self.refusals))
            del self.refusals[forgotten]
            self.bad_links.discard(forgotten)
        self.refusals[download_id] = self.answers
        if before is not None and self.answers > before:
            self.bad_links.add(download_id)
        return download_id in self.bad_links


class _Lead(NamedTuple):
    """A full host that a link led to."""

    host: str
    expiry: asyncio.TimerHandle


class _Rest(NamedTuple):
    """A pause that a host requested."""

    end: asyncio.TimerHandle
    cause: str


class HostLimiter:
    """Counts connections and downloads for each host, and learns the limits of hosts.

    Args:
        limit: maximum number of connections to one host, unless it has its own limit.
        on_room: called when a full host has room again.
        tuning: how long to remember redirects, and how long they wait for room.
    """

    def __init__(
        self,
        limit: int,
        on_room: Callable[[], None] = lambda: None,
        tuning: Tuning = DEFAULT_TUNING,
        on_answer: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._limit = limit
        self.tuning = tuning
        self._on_room = on_room
        self.on_answer = on_answer  # by host, with its port
        self._hosts: dict[str, KnownHost] = {}
        self._reservations: dict[str, str] = {}  # downloads without a connection yet -> their host
        self._reserved = defaultdict[str, int](int)  # their number, by host
        self._running: dict[str, str] = {}  # downloads -> the host they began with
        self._downloads = defaultdict[str, int](int)  # their number, by host
        self._host_limits: Mapping[str, HostLimits] = {}
        self._leads: dict[str, _Lead] = {}  # by the host of the links
        self._rests: dict[str, _Rest] = {}  # hosts that requested a pause
        self._refusing: dict[str, None] = {}  # hosts whose refusals are remembered, latest last
        self._room = asyncio.Event()
        self._total = 0

    @property
    def limit(self) -> int:
        """Maximum number of connections to one host; can be changed at any time."""
        return self._limit

    @limit.setter
    def limit(self, count: int) -> None:
        self._limit = count
        self._note_room()

    def set_host_limits(self, table: Mapping[str, HostLimits]) -> None:
        """Set limits for individual hosts, with names as in `find_host`."""
        self._host_limits = table
        self._note_room()

    @property
    def in_use(self) -> int:
        """Number of connections to all hosts together."""
        return self._total

    def likely(self, host: str) -> str:
        """Return the host that links at `host` redirect to; `host` if unknown."""
        lead = self._leads.get(host)
        return host if lead is None else lead.host

    def reserve(self, download_id: str, host: str) -> None:
        """Reserve a connection to a host for a download that starts.

        The reservation ends when the download has a connection to this host, or a response from
        another host.
        """
        if download_id in self._running:  # its last attempt ended in this turn of the loop
            self.cancel_reservation(download_id)
        self._reservations[download_id] = self._running[download_id] = host
        self._reserved[host] += 1
        self._downloads[host] += 1

    def cancel_reservation(self, download_id: str) -> None:
        """Forget a download that has ended."""
        if download_id not in self._running:
            return
        _take_out(self._running, self._downloads, download_id)
        if download_id in self._reservations:
            self.end_reservation(download_id)
        elif self._host_limits:
            self._note_room()

    def is_busy(self, host: str) -> bool:
        """Return True if no further download from `host` may start now."""
        lead = self._leads.get(host)
        return self._takes_no_download(host) or (
            lead is not None and self._takes_no_download(lead.host)
        )

    def is_full(self, host: str) -> bool:
        """Return True if a host has no room except for reserved connections."""
        return self._free(host) <= self._reserved.get(host, 0)

    def busy(self) -> dict[str, HostWait]:
        """Return all busy hosts with the reason why their downloads wait."""
        known = {*self._hosts, *self._downloads, *self._leads, *self._rests}
        return {host: self._wait_of(self.likely(host)) for host in known if self.is_busy(host)}

    def _wait_of(self, host: str) -> HostWait:
        in_use, allowed = self._in_use(host) + self._reserved.get(host, 0), self.allowed(host)
        if (rest := self._rests.get(host)) is not None:
            return HostWait(in_use, 0, rest.cause, _wall_time(rest.end.when()))
        known = self._hosts.get(host)
        if known is None or known.learned is None or allowed >= self._limit_of(host):
            return HostWait(in_use, allowed)
        lifts_at = known.refused_at + (allowed - known.learned + 1) * known.patience
        return HostWait(in_use, allowed, known.cause, _wall_time(lifts_at))

    def allowed(self, host: str) -> int:
        """Return the current connection limit of a host."""
        known = self._hosts.get(host)
        if known is None or known.learned is None:
            return self._limit_of(host)
        spared = asyncio.get_running_loop().time() - known.refused_at
        return min(known.learned + int(spared / known.patience), self._limit_of(host))

    def refused(self, host: str, download_id: str = "", cause: str = "") -> None:
        """Record that a host refused a connection, which is still counted.

        If the host accepted this number of connections before, the number is not the reason. If it
        refuses the same download again but answers others, the link is the reason.

        Args:
            host: the host with its port.
            download_id: the download that was refused; "" if it is unknown.
            cause: a few words for the user, such as "HTTP 429".
        """
        loop = asyncio.get_running_loop()
        known = self._hosts.setdefault(host, KnownHost())
        self._remember_refusals(host)
        if download_id and known.blames_link(download_id):
            if known.lowered_by == download_id and known.in_use <= (known.learned or 0):
                self._forget_refusal(host, known)
            return
        if known.answered < known.peak_accepted:
            return
        known.peak_accepted = known.answered
        known.learned = max(min(known.in_use, self.allowed(host)) - 1, 1)
        known.refused_at = loop.time()
        known.patience = min(max(known.patience * 2, _MIN_PATIENCE_SECONDS), _MAX_PATIENCE_SECONDS)
        known.cause, known.lowered_by = cause, download_id
        self._wake_later(host, known)

    def rest(self, host: str, seconds: float, download_id: str = "", cause: str = "") -> None:
        """Start no further downloads from a host for the time that it requested.

        Do nothing if the host answers other connections. Then their number was the reason, and
        `refused` lowers it. Also do nothing if the host keeps refusing the same link.
        """
        known = self._hosts.get(host)
        if known is not None and (known.answered or download_id in known.bad_links):
            return
        if (before := self._rests.pop(host, None)) is not None:
            before.end.cancel()
        end = asyncio.get_running_loop().call_later(seconds, self.end_rest, host)
        self._rests[host] = _Rest(end, cause)

    def end_rest(self, host: str) -> None:
        """Allow downloads from a host again."""
        if (rest := self._rests.pop(host, None)) is not None:
            rest.end.cancel()
            self._note_room()

    def lift(self) -> list[str]:
        """Remove all pauses and reduced limits that hosts caused. Return these hosts."""
        lowered = {host: known for host, known in self._hosts.items() if known.learned is not None}
        lifted = sorted({*lowered, *self._rests})
        for host, known in lowered.items():
            self._forget_refusal(host, known)
        for host in tuple(self._rests):
            self.end_rest(host)
        return lifted

    def _forget_refusal(self, host: str, known: KnownHost) -> None:
        """Restore the usual limit of a host."""
        known.learned, known.patience, known.cause, known.lowered_by = None, 0.0, "", ""
        if known.waking is not None:
            known.waking.cancel()
            known.waking = None
        self._forget_idle(host, known)
        self._note_room()

    def _remember_refusals(self, host: str) -> None:
        """Forget the refusals of the host that has refused nothing for the longest time."""
        self._refusing.pop(host, None)
        self._refusing[host] = None
        if len(self._refusing) > _MAX_REFUSALS:
            forgotten = next(iter(self._refusing))
            del self._refusing[forgotten]
            if (known := self._hosts.get(forgotten)) is not None:
                known.refusals.clear()
                known.bad_links.clear()
                self._forget_idle(forgotten, known)

    def _forget_idle(self, host: str, known: KnownHost) -> None:
        if known.is_idle and self._hosts.get(host) is known:
            del self._hosts[host]

    def has_other_connections(self, host: str) -> bool:
        """Return True if a host has other connections than the caller's."""
        known = self._hosts.get(host)
        return known is not None and known.in_use > 1

    async def wait_for_room(
        self, host: str, explain: Callable[[str], None], download_id: str
    ) -> None:
        """Wait until there is room for a connection. Take it before the next `await`."""
        while not self.can_acquire(host, download_id):
            allowed = self.allowed(host)  # it may change meanwhile
            explain(f"host limit {allowed} of {allowed}")
            self._room.clear()
            await self._room.wait()
        explain("")

    def move(
        self, known: KnownHost, before: str, host: str, download_id: str, *, keeps_reservation: bool
    ) -> KnownHost | None:
        """Count a connection to `before` against `host` instead; None if there is no room.

        This does not wait for room, because a waiting download would hold its slot.
        """
        takes_download = not keeps_reservation and self._running.get(download_id) == before
        if host in self._rests or not self.can_acquire(host, download_id):
            return None
        if takes_download and self._has_enough_downloads(host):
            return None
        if takes_download:
            _take_out(self._running, self._downloads, download_id)
            self._running[download_id] = host
            self._downloads[host] += 1
        moved = self.acquire(host, "" if keeps_reservation else download_id)
        self.release(before, known)
        return moved

    def note_lead(self, link_host: str, host: str) -> None:
        """Remember for a while that a link at `link_host` redirects to `host`, which is full."""
        if (before := self._leads.pop(link_host, None)) is not None:
            before.expiry.cancel()
        elif len(self._leads) >= _MAX_LEADS:
            self._leads.pop(next(iter(self._leads))).expiry.cancel()
        loop = asyncio.get_running_loop()
        expiry = loop.call_later(self.tuning.lead_seconds, self._forget_lead, link_host)
        self._leads[link_host] = _Lead(host, expiry)

    def has_reservation_elsewhere(self, download_id: str, host: str) -> bool:
        """Return True if a download has a reservation for another host."""
        return self._reservations.get(download_id, host) != host

    def end_reservation(self, download_id: str) -> None:
        """End the reservation of a download, if it has one."""
        if download_id in self._reservations:
            _take_out(self._reservations, self._reserved, download_id)
            self._note_room()

    def release(self, host: str, known: KnownHost) -> None:
        """Record that a connection has ended."""
        known.in_use -= 1
        self._total -= 1
        if not known.in_use:
            known.peak_accepted = 0
            self._forget_idle(host, known)
        self._note_room()

    def can_acquire(self, host: str, download_id: str) -> bool:
        """Return True if a download may connect now; reservations keep places."""
        has_reservation = self._reservations.get(download_id) == host
        reserved = 0 if has_reservation else self._reserved.get(host, 0)
        return self._free(host) > reserved

    def acquire(self, host: str, download_id: str) -> KnownHost:
        """Count a connection. The reservation of the download ends; "" keeps it."""
        if self._reservations.get(download_id) == host:
            _take_out(self._reservations, self._reserved, download_id)
        known = self._hosts.get(host)
        if known is None:
            known = self._hosts[host] = KnownHost()
        known.in_use += 1
        self._total += 1
        return known

    def _forget_lead(self, link_host: str) -> None:
        self._leads.pop(link_host, None)
        self._note_room()

    def _takes_no_download(self, host: str) -> bool:
        is_short = self.is_full(host) or host in self._rests
        return is_short or (bool(self._host_limits) and self._has_enough_downloads(host))

    def _has_enough_downloads(self, host: str) -> bool:
        limits = self._limits_of(host)
        max_concurrent = limits.max_concurrent if limits else None
        return max_concurrent is not None and self._downloads.get(host, 0) >= max_concurrent

    def _in_use(self, host: str) -> int:
        known = self._hosts.get(host)
        return known.in_use if known is not None else 0

    def _free(self, host: str) -> int:
        """Return the number of connections that a host accepts besides those in use."""
        known = self._hosts.get(host)
        if known is None:
            return self._limit_of(host)
        is_usual = known.learned is None and not self._host_limits
        return (self._limit if is_usual else self.allowed(host)) - known.in_use

    def _limits_of(self, host: str) -> HostLimits | None:
        return find_host(self._host_limits, host.rpartition(":")[0])

    def _limit_of(self, host: str) -> int:
        limits = self._limits_of(host) if self._host_limits else None
        return limits.connections if limits and limits.connections else self._limit

    def _wake_later(self, host: str, known: KnownHost) -> None:
        if known.waking is not None:
            known.waking.cancel()
        known.waking = asyncio.get_running_loop().call_later(
            known.patience + _MARGIN_SECONDS, self._look_again, host, known
        )

    def _look_again(self, host: str, known: KnownHost) -> None:
        """Report room that becomes free with time, until the limit is as before."""
        known.waking = None
        if self.allowed(host) >= self._limit_of(host):
            self._forget_refusal(host, known)
        else:
            self._note_room()
            self._wake_later(host, known)

    def _note_room(self) -> None:
        self._room.set()
        self._on_room()


def _wall_time(loop_time: float) -> float:
    """Convert a time of the loop's clock to whole seconds since the epoch."""
    return float(round(time.time() + loop_time - asyncio.get_running_loop().time()))


def _take_out(hosts: dict[str, str], counts: dict[str, int], download_id: str) -> str | None:
    """Forget the host of a download; return it."""
    host = hosts.pop(download_id, None)
    if host is not None:
        counts[host] -= 1
        if not counts[host]:
            del counts[host]
    return host
