"""SpeedPolicy: the limit for all downloads together that holds now, and the reason."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from rheo_core.domain.schedule import Span, span_at
from rheo_core.infrastructure.wall_clock import nap_before
from rheo_core.transfer import RateLimits


class SpeedPolicy:
    """Slow mode before the schedule, the schedule before what is set by hand.

    What is set by hand while a span of the schedule holds, holds until that span ends.

    Args:
        limits: where the limit is put in force.
        rate_bps: set by hand, bytes/s; None is no limit.
        slow_bps: that of slow mode.
        clock: gives the local time.
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
        self._span: Span | None = None  # that holds now
        self._is_overruled = False  # by hand, since it began
        self._changed = asyncio.Event()
        self.look()

    @property
    def rate_bps(self) -> int | None:
        """What holds now, bytes/s; None is no limit."""
        return self._limits.total.rate_bps

    @property
    def is_slow(self) -> bool:
        """Whether slow mode is on."""
        return self._is_slow

    @property
    def reason(self) -> str:
        """Why what holds is not what was set by hand: `slow mode`, `until 18:00`; else ""."""
        if self._is_slow:
            return "slow mode"
        if self._span is not None and not self._is_overruled:
            return f"until {self._span.end_text}"
        return ""

    def set_rate(self, rate_bps: int | None) -> None:
        """By hand; it ends slow mode."""
        self._rate = rate_bps
        self._is_slow = False
        self._is_overruled = True
        self._apply()

    def set_slow(self, *, on: bool | None = None, rate_bps: int | None = None) -> None:
        """Switch slow mode, or change its rate; None leaves it as it is."""
        self._is_slow = self._is_slow if on is None else on
        self._slow_rate = rate_bps or self._slow_rate
        self._apply()

    def set_schedule(self, spans: Sequence[Span]) -> None:
        """Go by another schedule, from now on; the same one changes nothing."""
        if tuple(spans) == self._spans:
            return
        self._spans = tuple(spans)
        self._span = None
        self.look()
        self._changed.set()

    def look(self) -> None:
        """Look at the clock, and put in force what holds now."""
        span = span_at(self._spans, self._clock())
        if span != self._span:
            self._span = span
            self._is_overruled = False
        self._apply()

    async def run(self) -> None:
        """Follow the schedule until cancelled; sleep while there is none."""
        while True:
            if self._spans:
                # Spans begin and end with minutes.
                await asyncio.sleep(nap_before((time.time() // 60 + 1) * 60))
                self.look()
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
