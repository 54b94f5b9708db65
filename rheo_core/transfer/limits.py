"""How fast bytes may come."""

import asyncio
import sys
import time

_LONGEST_NAP = 0.2
"""Seconds after which a waiter looks whether the rate has changed."""


class TokenBucket:
    """Limits a rate; several takers may share one.

    Bytes are taken after they came, so the balance may be negative: whoever finds it so waits
    until it is not.
    """

    def __init__(self, rate_bps: int | None = None) -> None:
        self._rate = rate_bps
        self._balance = 0.0
        self._refilled_at = time.monotonic()

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
        """Bytes to take at once for an even flow."""
        return sys.maxsize if self._rate is None else min(max(self._rate // 20, 1 << 10), 1 << 18)

    @property
    def is_holding(self) -> bool:
        """Whether takers wait because of the rate."""
        return self._rate is not None and self._balance < 0

    async def take(self, count: int) -> None:
        """Account for `count` bytes; wait as long as the rate asks."""
        if self._rate is None:
            return
        self._refill()
        self._balance -= count
        while self._rate is not None and self._balance < 0:
            await asyncio.sleep(min(-self._balance / self._rate, _LONGEST_NAP))
            self._refill()

    def _refill(self) -> None:
        now = time.monotonic()
        if self._rate is None:
            self._balance = 0.0
        else:
            earned = (now - self._refilled_at) * self._rate
            # A tenth of a second may be saved up: it evens out late wake-ups.
            self._balance = min(self._balance + earned, self._rate / 10)
        self._refilled_at = now
