"""How fast bytes may come: for all downloads, for one, from one host; and how many at all."""

import asyncio
import sys
import time
from collections.abc import Mapping
from weakref import WeakValueDictionary

from rheo_core.domain.hosts import HostLimits, find_host

_MAX_NAP_SECONDS = 0.2
"""Seconds after which a waiter looks whether the limits have changed."""

_MIN_NAP_SECONDS = 0.001
"""Seconds that are not worth a nap; what is paid later is still paid."""

_MIN_PORTIONS_PER_SECOND = 20
"""Portions a second, at the least; fewer make a jerky flow, more cost time."""

_MIN_PORTIONS_PER_TAKER = 5
"""Portions a second that each of many takers gets."""

_MIN_PORTION_BYTES = 1 << 10


class TokenBucket:
    """Limits a rate; several takers may share one, first come first served.

    Bytes are claimed before they come: a claim is good once all bytes claimed so far have been
    earned by the time that went by.
    """

    def __init__(self, rate_bps: int | None = None) -> None:
        self._rate = rate_bps
        self._claimed = 0
        self._earned = 0.0
        self._refilled_at = time.monotonic()
        self.takers = 0
        """Connections that share it now."""

    @property
    def rate_bps(self) -> int | None:
        """Bytes/s; None is no limit. May be changed at any time."""
        return self._rate

    @rate_bps.setter
    def rate_bps(self, rate: int | None) -> None:
        self._refill()
        self._rate = rate

    @property
    def portion(self) -> int:
        """Bytes to claim at once for an even flow: the fewer, the more takers there are."""
        if self._rate is None:
            return sys.maxsize
        portions = max(_MIN_PORTIONS_PER_SECOND, _MIN_PORTIONS_PER_TAKER * self.takers)
        return max(self._rate // portions, _MIN_PORTION_BYTES)

    def claim(self, count: int) -> int:
        """Claim `count` bytes; returns a mark for `delay`."""
        self._refill()
        self._claimed += count
        return self._claimed

    def delay(self, mark: int) -> float:
        """Seconds until a claim is good, as things stand."""
        self._refill()
        return 0.0 if self._rate is None else (mark - self._earned) / self._rate

    def give_back(self, count: int) -> None:
        """Return bytes that were claimed and did not come; or if negative, claim them late."""
        self._earned += count

    def _refill(self) -> None:
        now = time.monotonic()
        if self._rate is None:
            self._earned = self._claimed
        else:
            earned = self._earned + (now - self._refilled_at) * self._rate
            # A tenth of a second may be saved up: it evens out late wake-ups.
            self._earned = min(earned, self._claimed + self._rate / 10)
        self._refilled_at = now


class RateLimits:
    """Every limit on bytes; all may be changed at any time, and hold at once.

    Args:
        rate_bps: for all downloads together, bytes/s; None is no limit.
    """

    def __init__(self, rate_bps: int | None = None) -> None:
        self.total = TokenBucket(rate_bps)
        self.is_set = rate_bps is not None
        """Whether there is any limit: without one the hot path does not look further."""
        self.version = 0
        self.spent = asyncio.Event()
        """Set when as many bytes have come as may come at all."""
        self._left: int | None = None
        self._granted = 0  # bytes that may come now and have not been told of
        self._table: Mapping[str, HostLimits] = {}
        self._downloads = WeakValueDictionary[str, TokenBucket]()
        self._hosts = WeakValueDictionary[str, TokenBucket]()

    def throttle(self, download_id: str, rate_bps: int | None, host: str) -> "Throttle":
        """What the connections of a download to a host take from.

        Args:
            download_id: they share its limit with those to other hosts.
            rate_bps: that limit, as it is now.
            host: with its port, which makes no difference: the limit is that of the machine.
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
        """Limit all downloads together; None lifts the limit."""
        self.total.rate_bps = rate_bps
        self._note_change()

    def set_download(self, download_id: str, rate_bps: int | None) -> None:
        """Limit a download, if it runs."""
        if (bucket := self._downloads.get(download_id)) is not None:
            bucket.rate_bps = rate_bps
            self._note_change()

    def set_hosts(self, table: Mapping[str, HostLimits]) -> None:
        """Limit single hosts, by names as `find_host` has them."""
        self._table = table
        for host, bucket in self._hosts.items():
            bucket.rate_bps = self._host_rate(host)
        self._note_change()

    def set_budget(self, count: int | None) -> None:
        """Let so many bytes come from now on, then none; None: as many as there are."""
        self._left = count
        self.spent.clear()
        self._note_change()

    def grant(self, count: int) -> int:
        """`count`, or what is left of the budget."""
        if self._left is not None:
            count = min(count, max(self._left, 0))
            self._left -= count
            self._granted += count
        return count

    def settle(self, granted: int, came: int) -> None:
        """Tell how many of the granted bytes came."""
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
    """Where several limits hold, each byte counts for all of them."""

    def __init__(self, limits: RateLimits, buckets: tuple[TokenBucket, ...]) -> None:
        self._limits = limits
        self._buckets = buckets
        self._waiting = 0

    def join(self) -> None:
        """One more connection takes from it."""
        for bucket in self._buckets:
            bucket.takers += 1

    def leave(self) -> None:
        """One fewer does."""
        for bucket in self._buckets:
            bucket.takers -= 1

    @property
    def is_on(self) -> bool:
        """Whether `take` and `settle` must be called."""
        return self._limits.is_set

    @property
    def is_limited(self) -> bool:
        """Whether it has a limit of speed."""
        return any(bucket.rate_bps is not None for bucket in self._buckets)

    @property
    def is_waiting(self) -> bool:
        """Whether a connection waits because of a limit."""
        return self._waiting > 0

    async def take(self, max_bytes: int) -> int:
        """Wait until bytes may come; returns how many, `max_bytes` or fewer."""
        while True:
            limited = [bucket for bucket in self._buckets if bucket.rate_bps is not None]
            count = self._limits.grant(min([max_bytes, *(bucket.portion for bucket in limited)]))
            marks = [(bucket, bucket.claim(count)) for bucket in limited]
            is_good = False
            try:
                is_good = await self._until_good(marks) if count else await self._nap()
            finally:
                if not is_good:
                    self.settle(count, 0)
            if is_good:
                return count

    def settle(self, granted: int, came: int) -> None:
        """Tell how many bytes came of those that `take` granted; more may have."""
        self._limits.settle(granted, came)
        for bucket in self._buckets:
            bucket.give_back(granted - came)

    async def _until_good(self, marks: list[tuple[TokenBucket, int]]) -> bool:
        """Wait for all claims; False where the limits have changed before they were good."""
        version = self._limits.version
        while True:
            delay = max((bucket.delay(mark) for bucket, mark in marks), default=0)
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
