"""Rate limiters for all downloads, one download and one host, and a byte budget."""

import asyncio
import sys
import time
from collections.abc import Mapping
from weakref import WeakValueDictionary

from rheo_core.domain.hosts import HostLimits, find_host

_MAX_NAP_SECONDS = 0.2
"""Time after which a waiting connection checks whether the limits have changed."""

_MIN_NAP_SECONDS = 0.001
"""Shorter delays are skipped. The debt stays in the bucket."""

_MIN_PORTIONS_PER_SECOND = 20
"""Minimum for one bucket. Fewer portions make the flow uneven, and more take time."""

_MIN_PORTIONS_PER_TAKER = 5
"""Minimum for each connection if there are many."""

_MIN_PORTION_BYTES = 1 << 10


class TokenBucket:
    """Rate limiter. Connections share the rate, first come, first served.

    A connection claims bytes before it receives them. The claim is valid when enough time has
    passed for all bytes claimed so far.
    """

    def __init__(self, rate_bps: int | None = None) -> None:
        self._rate = rate_bps
        self._claimed = 0
        self._earned = 0.0
        self._refilled_at = time.monotonic()
        self.takers = 0
        """Number of connections that share the bucket."""

    @property
    def rate_bps(self) -> int | None:
        """Limit in bytes/s; None: no limit. Can be changed at any time."""
        return self._rate

    @rate_bps.setter
    def rate_bps(self, rate: int | None) -> None:
        self._refill()
        self._rate = rate

    @property
    def portion(self) -> int:
        """Bytes to claim at once for an even flow; fewer if many connections share the bucket."""
        if self._rate is None:
            return sys.maxsize
        portions = max(_MIN_PORTIONS_PER_SECOND, _MIN_PORTIONS_PER_TAKER * self.takers)
        return max(self._rate // portions, _MIN_PORTION_BYTES)

    def claim(self, count: int) -> int:
        """Claim `count` bytes; return a position for `delay`."""
        self._refill()
        self._claimed += count
        return self._claimed

    def delay(self, position: int) -> float:
        """Return the seconds until a claim is valid at the current rate."""
        self._refill()
        return 0.0 if self._rate is None else (position - self._earned) / self._rate

    def give_back(self, count: int) -> None:
        """Give back claimed bytes that did not arrive. A negative count claims more."""
        self._earned += count

    def _refill(self) -> None:
        now = time.monotonic()
        if self._rate is None:
            self._earned = self._claimed
        else:
            earned = self._earned + (now - self._refilled_at) * self._rate
            # Bytes of a tenth of a second may be saved, to compensate late wake-ups.
            self._earned = min(earned, self._claimed + self._rate / 10)
        self._refilled_at = now


class RateLimits:
    """All limits on bytes. Changes apply at once.

    Args:
        rate_bps: limit for all downloads together, bytes/s; None: no limit.
    """

    def __init__(self, rate_bps: int | None = None) -> None:
        self.total = TokenBucket(rate_bps)
        self.is_set = rate_bps is not None
        """True if there is any limit; otherwise the hot path does no further checks."""
        self.version = 0
        self.spent = asyncio.Event()
        """Set when the byte budget is used up."""
        self._left: int | None = None
        self._granted = 0  # bytes granted and not yet settled
        self._table: Mapping[str, HostLimits] = {}
        self._downloads = WeakValueDictionary[str, TokenBucket]()
        self._hosts = WeakValueDictionary[str, TokenBucket]()

    def throttle(self, download_id: str, rate_bps: int | None, host: str) -> "Throttle":
        """Return the throttle for connections of a download to a host.

        Args:
            download_id: download whose connections share one limit.
            rate_bps: current limit of the download, bytes/s.
            host: host with its port. Limits of hosts ignore the port.
        """
        host = host.rpartition(":")[0]
        own = self._downloads.get(download_id)
        if own is None:
            own = self._downloads[download_id] = TokenBucket(rate_bps)
        theirs = self._hosts.get(host)
        if theirs is None:
            theirs = self._hosts[host] = TokenBucket(self._host_rate(host))
        if self.is_set or own.rate_bps is not None:
            self._look()
        return Throttle(self, (self.total, own, theirs))

    def set_total(self, rate_bps: int | None) -> None:
        """Limit all downloads together. None removes the limit."""
        self.total.rate_bps = rate_bps
        self._note_change()

    def set_download(self, download_id: str, rate_bps: int | None) -> None:
        """Limit a download if it is running."""
        if (bucket := self._downloads.get(download_id)) is not None:
            bucket.rate_bps = rate_bps
            self._note_change()

    def set_hosts(self, table: Mapping[str, HostLimits]) -> None:
        """Limit individual hosts, with names as in `find_host`."""
        self._table = table
        for host, bucket in self._hosts.items():
            bucket.rate_bps = self._host_rate(host)
        self._note_change()

    @property
    def left(self) -> int | None:
        """Bytes left in the budget; None: no limit."""
        return None if self._left is None else max(self._left, 0)

    def set_budget(self, count: int | None) -> None:
        """Allow `count` more bytes, then none. None: no limit."""
        self._left = count
        self.spent.clear()
        self._note_change()

    def grant(self, count: int) -> int:
        """Take `count` bytes from the budget, or the rest of it. Return the number."""
        if self._left is not None:
            count = min(count, max(self._left, 0))
            self._left -= count
            self._granted += count
        return count

    def settle(self, granted: int, came: int) -> None:
        """Record how many of the granted bytes arrived."""
        if self._left is not None:
            self._left += granted - came
            self._granted -= granted
            if self._left <= 0 and self._granted <= 0:
                self.spent.set()

    def _host_rate(self, host: str) -> int | None:
        limits = find_host(self._table, host)
        return limits.speed_limit_bps if limits else None

    def _note_change(self) -> None:
        self._look()
        self.version += 1

    def _look(self) -> None:
        rates = [self.total.rate_bps]
        rates += [bucket.rate_bps for bucket in self._downloads.values()]
        rates += [limits.speed_limit_bps for limits in self._table.values()]
        self.is_set = self._left is not None or any(rate is not None for rate in rates)


class Throttle:
    """Several limits combined. Each byte counts against all of them."""

    def __init__(self, limits: RateLimits, buckets: tuple[TokenBucket, ...]) -> None:
        self._limits = limits
        self._buckets = buckets
        self._waiting = 0

    def join(self) -> None:
        """Add a connection."""
        for bucket in self._buckets:
            bucket.takers += 1

    def leave(self) -> None:
        """Remove a connection."""
        for bucket in self._buckets:
            bucket.takers -= 1

    @property
    def is_on(self) -> bool:
        """True if `take` and `settle` must be called."""
        return self._limits.is_set

    @property
    def is_limited(self) -> bool:
        """True if a speed limit applies."""
        return any(bucket.rate_bps is not None for bucket in self._buckets)

    @property
    def is_waiting(self) -> bool:
        """True if a connection waits because of a limit."""
        return self._waiting > 0

    async def take(self, max_bytes: int) -> int:
        """Wait until bytes may arrive. Return their number, at most `max_bytes`."""
        while True:
            limited = [bucket for bucket in self._buckets if bucket.rate_bps is not None]
            count = self._limits.grant(min([max_bytes, *(bucket.portion for bucket in limited)]))
            claims = [(bucket, bucket.claim(count)) for bucket in limited]
            is_good = False
            try:
                is_good = await self._until_good(claims) if count else await self._nap()
            finally:
                if not is_good:
                    self.settle(count, 0)
            if is_good:
                return count

    def settle(self, granted: int, came: int) -> None:
        """Record the bytes that arrived after `take`. They may be more than granted."""
        self._limits.settle(granted, came)
        for bucket in self._buckets:
            bucket.give_back(granted - came)

    async def _until_good(self, claims: list[tuple[TokenBucket, int]]) -> bool:
        """Wait until all claims are valid. Return False if the limits changed first."""
        version = self._limits.version
        while True:
            delay = max((bucket.delay(position) for bucket, position in claims), default=0)
            if delay <= _MIN_NAP_SECONDS:
                return True
            await self._nap(delay)
            if self._limits.version != version:
                return False

    async def _nap(self, seconds: float = _MAX_NAP_SECONDS) -> bool:
        self._waiting += 1
        try:
            await asyncio.sleep(min(seconds, _MAX_NAP_SECONDS))
        finally:
            self._waiting -= 1
        return False
