"""Detect transfers that stall as a whole; `segments.py` takes over from one slow connection."""

from collections.abc import Callable

from rheo_core.domain.exceptions import DownloadTimeoutError
from rheo_core.infrastructure.shared_timer import was_suspended
from rheo_core.tracking.record import DownloadRecord

_GRACE_SECONDS = 0.1
"""Extra time, because connections detect silence first and report it better."""


class StallWatch:
    """Watches one transfer as a whole, with all its connections.

    Args:
        record: counts the bytes.
        is_throttled: returns True if a limit delays bytes. A slow transfer is then not stalled.
        seconds: time without bytes after which it is stalled; None: never.
        speed: minimum average over `seconds`, bytes/s.
        now: time of the loop's clock.
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
        self._last = self._base = record.stats.transferred
        self._last_at = self._base_at = self._checked_at = now

    def check(self, now: float, host: str) -> None:
        """Check that enough bytes arrived; call this often.

        Raises:
            DownloadTimeoutError: too few bytes arrived.
        """
        count = self._record.stats.transferred
        if count != self._last:
            self._last, self._last_at = count, now
        is_late, self._checked_at = was_suspended(self._checked_at, now), now
        if self._seconds is None or is_late or self._is_throttled():
            self._base = count
            self._last_at = self._base_at = now
            return
        if now - self._last_at >= self._seconds + _GRACE_SECONDS:
            raise DownloadTimeoutError("no data", self._seconds, "for", peer=f"from {host}")
        elapsed = now - self._base_at
        if elapsed < self._seconds:
            return
        if count - self._base < self._speed * elapsed:
            raise DownloadTimeoutError(
                f"less than {self._speed} bytes/s", self._seconds, "for", peer=f"from {host}"
            )
        self._base, self._base_at = count, now
