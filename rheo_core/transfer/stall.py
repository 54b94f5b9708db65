"""When a transfer counts as stalled: no byte for too long, or next to none over that time."""

from collections.abc import Callable

from rheo_core.domain.exceptions import DownloadTimeoutError
from rheo_core.tracking.record import DownloadRecord

_GRACE_SECONDS = 0.1
"""Seconds; the connections themselves notice first that nothing comes, and say it better."""


class StallWatch:
    """Looks at one transfer as a whole, however often its segments change hands.

    Args:
        record: its counter of bytes.
        is_throttled: tells whether a limit holds the bytes back; then slowness is no stall.
        seconds: patience; None is endless.
        speed: bytes/s that must come on average over `seconds`.
        now: the loop's clock.
    """

    def __init__(
        self,
        record: DownloadRecord,
        is_throttled: Callable[[], bool],
        seconds: float | None,
        speed: int,
        now: float,
    ) -> None:
        self._record = record
        self._is_throttled = is_throttled
        self._seconds = seconds
        self._speed = speed
        self._last = self._mark = record.stats.transferred
        self._last_at = self._mark_at = now

    def check(self, now: float, host: str) -> None:
        """See that enough has come; to be called often.

        Raises:
            DownloadTimeoutError: it has not.
        """
        count = self._record.stats.transferred
        if count != self._last:
            self._last, self._last_at = count, now
        if self._seconds is None or self._is_throttled():
            self._mark = count
            self._last_at = self._mark_at = now
            return
        if now - self._last_at >= self._seconds + _GRACE_SECONDS:
            raise DownloadTimeoutError(f"no data from {host}", self._seconds)
        elapsed = now - self._mark_at
        if elapsed < self._seconds:
            return
        if count - self._mark < self._speed * elapsed:
            raise DownloadTimeoutError(
                f"less than {self._speed} bytes/s from {host}", self._seconds
            )
        self._mark, self._mark_at = count, now
