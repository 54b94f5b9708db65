"""TotalSpeedLimit: the speed limit of all downloads together, set by hand or by the schedule.

`transfer/rate_limits.py` combines it with the limits of single downloads and hosts.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from rheo_core.domain.schedule import Span, span_at
from rheo_core.infrastructure.wall_clock import nap_before
from rheo_core.transfer import RateLimits


class TotalSpeedLimit:
    """Chooses the limit: slow mode first, then the schedule, then the limit set by hand.

    A limit set by hand during a span of the schedule applies until that span ends.

    Args:
        limits: receives the current limit.
        rate_bps: limit set by hand, bytes/s; None: no limit.
        slow_bps: limit of slow mode, bytes/s.
        schedule: times with another limit.
        clock: returns the local time.
    """

    def __init__(
        self,
        limits: RateLimits,
        *,
        rate_bps: int | None,
        slow_bps: int,
        schedule: Sequence[Span] = (),
        clock: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._limits = limits
        self._rate = rate_bps
        self._slow_rate = slow_bps
        self._is_slow = False
        self._spans = tuple(schedule)
        self._clock = clock
        self._span: Span | None = None  # current
        self._is_overruled = False  # by hand, since the span began
        self._changed = asyncio.Event()
        self.follow_clock()

    @property
    def rate_bps(self) -> int | None:
        """Current limit, bytes/s; None: no limit."""
        return self._limits.total.rate_bps

    @property
    def is_slow(self) -> bool:
        """True while slow mode is on."""
        return self._is_slow

    @property
    def reason(self) -> str:
        """Reason for another limit than that set by hand: `slow mode`, `until 18:00`, or ""."""
        if self._is_slow:
            return "slow mode"
        if self._span is not None and not self._is_overruled:
            return f"until {self._span.end_text}"
        return ""

    def set_rate(self, rate_bps: int | None) -> None:
        """Set the limit by hand; this ends slow mode."""
        self._rate = rate_bps
        self._is_slow = False
        self._is_overruled = True
        self._apply()

    def set_slow(self, *, on: bool | None = None, rate_bps: int | None = None) -> None:
        """Switch slow mode, or change its rate; None keeps the present value."""
        self._is_slow = self._is_slow if on is None else on
        self._slow_rate = rate_bps or self._slow_rate
        self._apply()

    def set_schedule(self, spans: Sequence[Span]) -> None:
        """Use another schedule from now on; the same one changes nothing."""
        if tuple(spans) == self._spans:
            return
        self._spans = tuple(spans)
        self._span = None
        self.follow_clock()
        self._changed.set()

    def follow_clock(self) -> None:
        """Read the clock and apply the current limit."""
        span = span_at(self._spans, self._clock())
        if span != self._span:
            self._span = span
            self._is_overruled = False
        self._apply()

    async def run(self) -> None:
        """Follow the schedule until cancelled; sleep while it is empty."""
        while True:
            if self._spans:
                # Spans begin and end with minutes.
                await asyncio.sleep(nap_before((time.time() // 60 + 1) * 60))
                self.follow_clock()
            else:
                self._changed.clear()
                await self._changed.wait()

    def _apply(self) -> None:
        rate = self._rate
        if self._span is not None and not self._is_overruled:
            rate = self._span.rate_bps
        if self._is_slow:
            rate = self._slow_rate if rate is None else min(rate, self._slow_rate)
        if rate != self._limits.total.rate_bps:
            self._limits.set_total(rate)
