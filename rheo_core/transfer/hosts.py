"""How much each host may have at a time: a limit for all or its own, less where one refuses."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rheo_core.domain.hosts import HostLimits, find_host

_LOWERED_SECONDS = 60.0
"""A host that refused a connection is spared it for so long; then it is tried with one more."""


@dataclass(slots=True)
class _Host:
    in_use: int = 0
    learned: int | None = None  # connections it bore when it refused one more; None: never did
    refused_at: float = 0.0  # the loop's clock
    answered: int = 0  # of those in use
    borne: int = 0  # most of them at a time since it last refused
    waking: asyncio.TimerHandle | None = None  # tells of the room that time brings


class Hosts:
    """Counts connections and downloads by host, and learns how many connections each one bears.

    Args:
        limit: connections to one host, unless its own limits say otherwise.
        on_room: called whenever a host that was full has room again.
    """

    def __init__(self, limit: int, on_room: Callable[[], None] = lambda: None) -> None:
        self._limit = limit
        self._on_room = on_room
        self._hosts: dict[str, _Host] = {}
        self._claims: dict[str, str] = {}  # downloads without a connection yet -> their host
        self._claimed = Counter[str]()  # how many of them, by host
        self._running: dict[str, str] = {}  # downloads -> the host they began with
        self._downloads = Counter[str]()  # how many of them, by host
        self._own: Mapping[str, HostLimits] = {}
        self._room = asyncio.Event()
        self._total = 0

    @property
    def limit(self) -> int:
        """Connections to one host; may be changed at any time."""
        return self._limit

    @limit.setter
    def limit(self, count: int) -> None:
        self._limit = count
        self._note_room()

    def set_own(self, table: Mapping[str, HostLimits]) -> None:
        """Limits of single hosts, by names as `find_host` has them."""
        self._own = table
        self._note_room()

    @property
    def in_use(self) -> int:
        """Connections to all hosts together."""
        return self._total

    def claim(self, download_id: str, host: str) -> None:
        """Say that a download begins, whose first connection will be to this host."""
        self.drop_claim(download_id)  # of an attempt that has ended in this turn of the loop
        self._claims[download_id] = self._running[download_id] = host
        self._claimed[host] += 1
        self._downloads[host] += 1

    def drop_claim(self, download_id: str) -> None:
        """Say that it has ended."""
        ended = _take_out(self._running, self._downloads, download_id)
        claimed = _take_out(self._claims, self._claimed, download_id)
        if claimed is not None or (ended is not None and self._own):
            self._note_room()

    def is_busy(self, host: str) -> bool:
        """Whether no further download from it may begin now."""
        own = self._limits_of(host)
        most = own.max_concurrent if own else None
        return self.is_full(host) or (most is not None and self._downloads[host] >= most)

    def is_full(self, host: str) -> bool:
        """Whether it bears no further connection now, besides those that are sure to come."""
        return self._in_use(host) + self._claimed[host] >= self.allowed(host)

    def busy(self) -> frozenset[str]:
        """Every host that is busy."""
        known = {*self._hosts, *self._downloads}
        return frozenset(host for host in known if self.is_busy(host))

    def allowed(self, host: str) -> int:
        """Connections that it may have now."""
        known = self._hosts.get(host)
        if known is None or known.learned is None:
            return self._limit_of(host)
        spared = asyncio.get_running_loop().time() - known.refused_at
        return min(known.learned + int(spared / _LOWERED_SECONDS), self._limit_of(host))

    def refused(self, host: str) -> None:
        """Take note that it refused a connection, which is still counted.

        Where it has borne as many before, their number cannot be the reason.
        """
        loop = asyncio.get_running_loop()
        known = self._hosts.setdefault(host, _Host())
        if known.answered < known.borne:
            return
        known.borne = known.answered
        known.learned = max(min(known.in_use, self.allowed(host)) - 1, 1)
        known.refused_at = loop.time()
        if known.waking is not None:
            known.waking.cancel()
        known.waking = loop.call_later(_LOWERED_SECONDS + 1.0, self._look_again, host, known)

    def bears_others(self, host: str) -> bool:
        """Whether it has connections besides the one that asks."""
        known = self._hosts.get(host)
        return known is not None and known.in_use > 1

    def connection(
        self, host: str, explain: Callable[[str], None], download_id: str = ""
    ) -> "Connection":
        """A place for a connection; see there."""
        return Connection(self, host, explain, download_id)

    async def count(self, host: str, explain: Callable[[str], None], download_id: str) -> _Host:
        """Count a connection, once there is room for it."""
        if self._in_use(host) >= self.allowed(host):
            explain(f"host limit: {self.allowed(host)} of {self.allowed(host)} connections")
            while self._in_use(host) >= self.allowed(host):
                self._room.clear()
                await self._room.wait()
            explain("")
        claimed = _take_out(self._claims, self._claimed, download_id)
        known = self._hosts.get(host)
        if known is None:
            known = self._hosts[host] = _Host()
        known.in_use += 1
        self._total += 1
        if claimed not in (None, host):  # the claim was on another one
            self._note_room()
        return known

    def discount(self, host: str, known: _Host) -> None:
        """A connection has ended."""
        known.in_use -= 1
        self._total -= 1
        if not known.in_use and known.learned is None:
            del self._hosts[host]
        self._note_room()

    def _in_use(self, host: str) -> int:
        known = self._hosts.get(host)
        return known.in_use if known is not None else 0

    def _limits_of(self, host: str) -> HostLimits | None:
        return find_host(self._own, host.rpartition(":")[0])

    def _limit_of(self, host: str) -> int:
        own = self._limits_of(host)
        return own.connections if own and own.connections else self._limit

    def _look_again(self, host: str, known: _Host) -> None:
        """Tell of the room that time has brought, until all is as it was."""
        known.waking = None
        self._note_room()
        if self.allowed(host) >= self._limit_of(host):
            known.learned = None
            if not known.in_use:
                self._hosts.pop(host, None)
        else:
            loop = asyncio.get_running_loop()
            known.waking = loop.call_later(_LOWERED_SECONDS, self._look_again, host, known)

    def _note_room(self) -> None:
        self._room.set()
        self._on_room()


def _take_out(hosts: dict[str, str], counts: Counter[str], download_id: str) -> str | None:
    """Forget the host of a download; returns it."""
    host = hosts.pop(download_id, None)
    if host is not None:
        counts[host] -= 1
        if not counts[host]:
            del counts[host]
    return host


class Connection:
    """Is counted from `begin`, or while an `async with` block runs.

    Args:
        hosts: counts it.
        host: where it leads to.
        explain: told why it waits for room, and "" once it does not any more.
        download_id: a claim of this download is redeemed.
    """

    def __init__(
        self, hosts: Hosts, host: str, explain: Callable[[str], None], download_id: str
    ) -> None:
        self._hosts = hosts
        self._host = host
        self._explain = explain
        self._download_id = download_id
        self._known: _Host | None = None
        self._was_answered = False

    async def begin(self) -> None:
        """Wait for room, and take it."""
        self._known = await self._hosts.count(self._host, self._explain, self._download_id)

    def answered(self) -> None:
        """The host has answered: it bears so many."""
        assert self._known is not None
        self._was_answered = True
        self._known.answered += 1
        self._known.borne = max(self._known.borne, self._known.answered)

    def end(self) -> None:
        """Give the room back."""
        assert self._known is not None
        self._known.answered -= self._was_answered
        self._hosts.discount(self._host, self._known)
        self._known = None

    async def __aenter__(self) -> Callable[[], None]:
        """What the block gets is to be called once the host has answered."""
        await self.begin()
        return self.answered

    async def __aexit__(self, *_: object) -> None:
        self.end()
