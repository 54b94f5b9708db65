"""Calculate speed and remaining time from samples of (time, bytes)."""

from collections import deque

from pydantic import BaseModel, ConfigDict, Field

_MIN_ETA_SECONDS = 0.5
"""Time with data before the remaining time is known; a shorter one would make it jump."""


class SpeedMetrics(BaseModel):
    """Speed at one moment; speeds in bytes/s, times in seconds."""

    model_config = ConfigDict(frozen=True)  # every program with progress needs it

    current_speed_bps: float = Field(ge=0.0, description="Speed of the last record, bytes/s")
    average_speed_bps: float = Field(ge=0.0, description="Speed over the window, bytes/s")
    eta_seconds: float | None = Field(
        default=None, ge=0.0, description="Seconds until complete; None if unknown"
    )
    elapsed_seconds: float = Field(ge=0.0, description="Seconds since the first record")


class SpeedCalculator:
    """Moving average over the last `window_seconds` seconds of a download.

    The wait for the first byte does not count.
    """

    def __init__(self, window_seconds: float = 5.0) -> None:
        if window_seconds <= 0:
            raise ValueError(f"window_seconds is {window_seconds}; it must be positive")
        self._window = window_seconds
        self._records: deque[tuple[float, int]] = deque()
        self._first_time: float | None = None
        self._last_time = 0.0

    def record_chunk(
        self,
        chunk_bytes: int,
        bytes_downloaded: int,
        total_bytes: int | None,
        current_time: float,
    ) -> SpeedMetrics:
        """Record `chunk_bytes` and return the current speed.

        Args:
            chunk_bytes: bytes received since the last record.
            bytes_downloaded: all bytes received so far, including this chunk.
            total_bytes: size of the download, bytes; None if unknown.
            current_time: time of a monotonic clock, seconds.
        """
        if self._first_time is None:
            self._first_time = self._last_time = current_time
            self._records.append((current_time, bytes_downloaded))
            return SpeedMetrics(current_speed_bps=0, average_speed_bps=0, elapsed_seconds=0)

        elapsed_here = current_time - self._last_time
        current = chunk_bytes / elapsed_here if elapsed_here > 0 else 0.0
        self._last_time = current_time
        if len(self._records) == 1 and self._records[0][1] == bytes_downloaded:
            self._records.clear()
        self._records.append((current_time, bytes_downloaded))
        # One record older than the window stays, so that the average spans the whole window.
        while len(self._records) > 2 and self._records[1][0] <= current_time - self._window:
            self._records.popleft()

        average = self._average(bytes_downloaded, current_time)
        return SpeedMetrics(
            current_speed_bps=max(current, 0.0),
            average_speed_bps=average,
            eta_seconds=self._eta(bytes_downloaded, total_bytes, average),
            elapsed_seconds=max(current_time - self._first_time, 0.0),
        )

    def _average(self, bytes_downloaded: int, current_time: float) -> float:
        oldest_time, oldest_bytes = self._records[0]
        span = current_time - oldest_time
        return max((bytes_downloaded - oldest_bytes) / span, 0.0) if span > 0 else 0.0

    def _eta(self, bytes_downloaded: int, total_bytes: int | None, speed: float) -> float | None:
        if total_bytes is None:
            return None
        remaining = total_bytes - bytes_downloaded
        if remaining <= 0:
            return 0.0
        span = self._last_time - self._records[0][0]
        is_known = speed > 0 and span >= min(_MIN_ETA_SECONDS, self._window)
        return remaining / speed if is_known else None
