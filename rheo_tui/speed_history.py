"""SpeedHistory: sample the speed of each active download once a second, shown as a graph."""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from rheo_core.domain import DownloadSnapshot

_MAX_SAMPLES = 600
_MAX_DOWNLOADS = 256


class Sample(NamedTuple):
    """Speed of a download at one time."""

    speed_bps: float
    attempt: int


class SpeedHistory:
    """Samples of the latest downloads; the cost of a sample grows with the running ones."""

    def __init__(self) -> None:
        self._samples: dict[str, deque[Sample]] = {}  # by download, latest last
        self._sampled_at = -1.0

    def sample(self, rows: Iterable[DownloadSnapshot], now: float) -> None:
        """Sample running rows, at most once a second.

        Args:
            rows: rows that changed, including all running ones.
            now: seconds of any clock.
        """
        if now - self._sampled_at < 1.0:
            return
        for row in rows:
            if row.status.is_active:
                self._sampled_at = now
                samples = self._samples.pop(row.id, None) or deque(maxlen=_MAX_SAMPLES)
                samples.append(Sample(row.speed_bps, row.attempt))
                self._samples[row.id] = samples
        while len(self._samples) > _MAX_DOWNLOADS:
            del self._samples[next(iter(self._samples))]

    def of(self, download_id: str) -> tuple[Sample, ...]:
        """Return the samples of a download, oldest first."""
        return tuple(self._samples.get(download_id, ()))
