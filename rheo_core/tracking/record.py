"""All that is known of one download."""

import time
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from rheo_core.domain.downloads import DownloadInfo, DownloadSnapshot, DownloadStatus
from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.hash_validation import ValidationResult
from rheo_core.domain.speed import SpeedCalculator, SpeedMetrics
from rheo_core.domain.text import printable, redact, redact_url

Rank = int | Fraction
"""Place among the downloads of one priority; lower goes first."""


@dataclass(slots=True)
class _Meter:
    """The clock of one attempt."""

    counted: int  # bytes of the download at the last sample
    began: float = field(default_factory=time.monotonic)
    calculator: SpeedCalculator = field(default_factory=SpeedCalculator)
    metrics: SpeedMetrics | None = None


@dataclass(slots=True)
class AttemptStats:
    """What the attempts at a download came to. Apart, for what waits in a long list has none."""

    attempt: int = 0
    max_attempts: int = 1
    failures: int = 0  # failed attempts since one got clearly further than all before it
    best_offset: int = 0  # bytes that the best attempt had, for that comparison
    started_at: float | None = None  # the first of them, seconds since the epoch
    announced: bool = False  # the started event has been sent
    elapsed: float = 0.0  # seconds spent in ended attempts
    connections: int = 0
    transferred: int = 0  # bytes that came over the network, repeated ones included
    received: int | None = None  # size of the file, once this run brought the last byte of it
    error: str | None = None  # of the last that failed
    media_type: str | None = None  # of the file, from the last reply that was accepted
    validation: ValidationResult | None = None
    meter: _Meter | None = None  # while an attempt runs
    redirect_host: str | None = None  # host (with its port) that its link redirected to last


@dataclass(slots=True, eq=False)
class DownloadRecord:
    """Mutable; the engine writes it, `BaseTracker.touch` tells readers that it changed.

    The transfer only adds to `bytes_downloaded`; it waits for nobody. Times are seconds since
    the epoch.
    """

    config: FileConfig
    id: str
    priority: int
    final_name: str | None = None  # once it is known to be another than the config suggests
    rank: Rank = 0
    status: DownloadStatus = DownloadStatus.QUEUED
    reason: str = ""
    bytes_downloaded: int = 0
    total_bytes: int | None = None
    retry_at: float | None = None
    added_at: float = field(default_factory=time.time)
    finished_at: float | None = None
    destination: Path | None = None
    listed: bool = True  # False once it was taken off the list; the history has it then
    before_removal: DownloadStatus | None = None
    waits_for_room: bool = False  # paused because its disk is full; goes on by itself
    keep_partial: bool = True  # whether bytes outlive the end of an attempt
    revision: int = 0
    stats_or_none: AttemptStats | None = None  # None: there was no attempt yet

    @classmethod
    def of(cls, config: FileConfig, added_at: float | None = None) -> "DownloadRecord":
        """A fresh record of a download that was asked for, now unless `added_at` tells when."""
        return cls(
            config=config,
            id=config.id,
            priority=config.priority,
            total_bytes=config.size_bytes,
            added_at=time.time() if added_at is None else added_at,
        )

    @property
    def name(self) -> str:
        """What to call it: the name of its file, as far as it is known."""
        if self.final_name is None:
            return self.config.get_destination_filename()
        return self.final_name

    @property
    def stats(self) -> AttemptStats:
        """Its attempts, to count them; to look at them `stats_or_none` will do."""
        if self.stats_or_none is None:
            self.stats_or_none = AttemptStats()
        return self.stats_or_none

    @property
    def redirect_host(self) -> str | None:
        """Host (with its port) that its link redirects to, as far as is known."""
        return self.stats_or_none.redirect_host if self.stats_or_none is not None else None

    def begin_attempt(self) -> None:
        """Start the clock of one attempt."""
        stats = self.stats
        stats.attempt += 1
        stats.meter = _Meter(self.bytes_downloaded)
        stats.started_at = stats.started_at or time.time()

    def end_attempt(self) -> None:
        """Stop the clock."""
        stats = self.stats_or_none
        if stats is not None and stats.meter is not None:
            stats.elapsed += time.monotonic() - stats.meter.began
            stats.meter = None

    def resume_from(self, offset: int) -> None:
        """The first `offset` bytes are there already; they do not count as speed."""
        self.bytes_downloaded = offset
        if (meter := self._meter) is not None:
            meter.counted = offset

    def sample(self) -> int:
        """Take the speed now; return the bytes since the last sample."""
        meter = self._meter
        if meter is None:
            return 0
        fresh = max(self.bytes_downloaded - meter.counted, 0)
        meter.counted = self.bytes_downloaded
        meter.metrics = meter.calculator.record_chunk(
            fresh, self.bytes_downloaded, self.total_bytes, time.monotonic()
        )
        return fresh

    @property
    def _meter(self) -> _Meter | None:
        return self.stats_or_none.meter if self.stats_or_none is not None else None

    @property
    def metrics(self) -> SpeedMetrics | None:
        """The speed while an attempt runs, as it was last sampled."""
        meter = self._meter
        return meter.metrics if meter is not None else None

    @property
    def average_speed_bps(self) -> float | None:
        """Bytes over the network per second of all attempts, None before any came."""
        stats = self.stats_or_none
        return stats.transferred / stats.elapsed if stats and stats.elapsed > 0 else None

    def info(self) -> DownloadInfo:
        """A copy for users of the library."""
        stats = self.stats_or_none or AttemptStats()
        return DownloadInfo(
            id=self.id,
            url=redact(self.config.url),
            status=self.status,
            bytes_downloaded=self.bytes_downloaded,
            total_bytes=self.total_bytes,
            error=stats.error,
            average_speed_bps=self.average_speed_bps if self.status.is_terminal else None,
            destination_path=str(self.destination) if self.destination else None,
            validation=stats.validation,
        )

    def snapshot(self) -> DownloadSnapshot:
        """A frozen copy for the screen."""
        metrics, stats = self.metrics, self.stats_or_none or AttemptStats()
        return DownloadSnapshot(
            id=self.id,
            url=redact_url(self.config.source),
            name=printable(self.name),
            status=self.status,
            reason=self.reason,
            priority=self.priority,
            order=(-self.priority, float(self.rank)),
            bytes_downloaded=self.bytes_downloaded,
            total_bytes=self.total_bytes,
            speed_bps=metrics.average_speed_bps if metrics else 0.0,
            eta_seconds=metrics.eta_seconds if metrics else None,
            connections=stats.connections,
            speed_limit_bps=self.config.speed_limit,
            start_at=self.config.start_at,
            attempt=stats.attempt,
            failures=stats.failures,
            max_attempts=stats.max_attempts,
            retry_at=self.retry_at,
            added_at=self.added_at,
            started_at=stats.started_at,
            finished_at=self.finished_at,
            average_speed_bps=self.average_speed_bps,
            destination=printable(str(self.destination)) if self.destination else "",
            error=stats.error,
            validation=stats.validation,
        )
