"""How many connections each host may have at a time: a limit for all, less where one refuses."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

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
    """Counts connections by host, and learns how many each one bears.

    Args:
        limit: connections to one host.
        on_room: called whenever a host that was full has room again.
    """

    def __init__(self, limit: int, on_room: Callable[[], None] = lambda: None) -> None:
        self._limit = limit
        self._on_room = on_room
        self._hosts: dict[str, _Host] = {}
        self._claims: dict[str, str] = {}  # downloads without a connection yet -> their host
        self._claimed = Counter[str]()  # how many of them, by host
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

    @property
    def in_use(self) -> int:
        """Connections to all hosts together."""
        return self._total

    def claim(self, download_id: str, host: str) -> None:
        """Say that a download begins, whose first connection will be to this host."""
        self._claims[download_id] = host
        self._claimed[host] += 1

    def drop_claim(self, download_id: str) -> None:
        """Say that it has ended."""
        if self._redeem(download_id) is not None:
            self._note_room()

    def is_full(self, host: str) -> bool:
        """Whether it bears no further connection now, besides those that are sure to come."""
        return self._in_use(host) + self._claimed[host] >= self.allowed(host)

    def full(self) -> frozenset[str]:
        """Every host that is full."""
        known = {*self._hosts, *self._claims.values()}
        return frozenset(host for host in known if self.is_full(host))

    def allowed(self, host: str) -> int:
        """Connections that it may have now."""
        known = self._hosts.get(host)
        if known is None or known.learned is None:
            return self._limit
        spared = asyncio.get_running_loop().time() - known.refused_at
        return min(known.learned + int(spared / _LOWERED_SECONDS), self._limit)

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
        claimed = self._redeem(download_id)
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

    def _redeem(self, download_id: str) -> str | None:
        host = self._claims.pop(download_id, None)
        if host is not None:
            self._claimed[host] -= 1
            if not self._claimed[host]:
                del self._claimed[host]
        return host

    def _in_use(self, host: str) -> int:
        known = self._hosts.get(host)
        return known.in_use if known is not None else 0

    def _look_again(self, host: str, known: _Host) -> None:
        """Tell of the room that time has brought, until all is as it was."""
        known.waking = None
        self._note_room()
        if self.allowed(host) >= self._limit:
            known.learned = None
            if not known.in_use:
                self._hosts.pop(host, None)
        else:
            loop = asyncio.get_running_loop()
            known.waking = loop.call_later(_LOWERED_SECONDS, self._look_again, host, known)

    def _note_room(self) -> None:
        self._room.set()
        self._on_room()


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
