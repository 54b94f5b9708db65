"""DownloadRecord: the mutable state of one download."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rheo_core.domain.downloads import DownloadInfo, DownloadSnapshot, DownloadStatus, Rank
from rheo_core.domain.failures import EXISTING_KINDS, Failure
from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.hash_validation import ValidationResult
from rheo_core.domain.inspector_details import TransferDetails
from rheo_core.domain.speed import SpeedCalculator, SpeedMetrics
from rheo_core.domain.text import printable, redact, redact_url


@dataclass(slots=True)
class _Meter:
    """Clock and speed of one attempt."""

    counted: int  # bytes of the download at the last sample
    began: float = field(default_factory=time.monotonic)
    calculator: SpeedCalculator | None = None  # None before the first sample
    metrics: SpeedMetrics | None = None


@dataclass(slots=True)
class AttemptStats:
    """Statistics of the attempts at a download. Separate, because waiting downloads have none."""

    attempt: int = 0
    max_attempts: int = 1
    failures: int = 0  # failed attempts in a row; clear progress resets them
    best_offset: int = 0  # bytes of the furthest attempt, to detect progress
    started_at: float | None = None  # start of the first attempt, seconds since the epoch
    announced: bool = False  # True after the started event
    elapsed: float = 0.0  # seconds spent in ended attempts
    connections: int = 0
    transferred: int = 0  # bytes from the network, including repeated ones
    known_size: tuple[str, int] | None = None  # validator and size that a short body contradicted
    received: int | None = None  # size of the file, set when this run received its last byte
    error: str | None = None  # message of the last failed attempt
    failure: Failure | None = None  # kind of that error; None with one of an earlier version
    http_status: int | None = None  # of that error
    media_type: str | None = None  # of the file, from the last accepted response
    response_status: int | None = None  # HTTP status of the last accepted response
    final_url: str | None = None  # URL that sent it, after redirects; may have secrets
    validation: ValidationResult | None = None
    computed_hash: str | None = None  # `sha256:…`, if `FileConfig.compute_hash` asks for it
    meter: _Meter | None = None  # set while an attempt runs
    transfer_details: Callable[[], TransferDetails] | None = None  # set while a transfer runs
    redirect_host: str | None = None  # host and port of the last redirect, or of another source
    wrong_urls: frozenset[str] = frozenset()  # sources with a wrong file; not asked again
    wrong_hashes: frozenset[str] = frozenset()  # checksums of their files


@dataclass(slots=True, eq=False)
class DownloadRecord:
    """State of one download. The engine changes it and calls `BaseTracker.touch` for readers.

    Transfers add to `bytes_downloaded` without a call, so that they never wait. Times are in
    seconds since the epoch.
    """

    config: FileConfig
    id: str
    priority: int
    final_name: str | None = None  # set if it differs from the name that the config suggests
    rank: Rank = 0
    name_number: int = 0  # number of earlier downloads that ask for the same name
    status: DownloadStatus = DownloadStatus.QUEUED
    reason: str = ""
    bytes_downloaded: int = 0
    total_bytes: int | None = None
    retry_at: float | None = None
    added_at: float = field(default_factory=time.time)
    finished_at: float | None = None
    destination: Path | None = None
    listed: bool = True  # False after removal from the list; the history keeps it
    before_cancel: DownloadStatus | None = None  # for `restore`
    before_removal: DownloadStatus | None = None  # set if the removal cancelled it
    waits_for_room: bool = False  # paused because its disk is full; resumes automatically
    keep_partial: bool = True  # False: the partial file is removed after an attempt
    revision: int = 0
    stats_or_none: AttemptStats | None = None  # None before the first attempt

    @classmethod
    def of(cls, config: FileConfig, added_at: float | None = None) -> "DownloadRecord":
        """Return a new record for a requested download.

        Args:
            config: the request.
            added_at: time of the request, seconds since the epoch; None: now.
        """
        return cls(
            config=config,
            id=config.id,
            priority=config.priority,
            total_bytes=config.size_bytes,
            added_at=time.time() if added_at is None else added_at,
        )

    @property
    def is_kept(self) -> bool:
        """True if the download was cancelled or removed, and its data goes when undo expires."""
        if self.status is DownloadStatus.FAILED:
            # Data of any other failed download stays for one with the same URL.
            is_dropped = not self.listed and self.config.fetch_url is not None
        else:
            is_dropped = self.status is DownloadStatus.CANCELLED
        return is_dropped and self.bytes_downloaded > 0

    @property
    def name(self) -> str:
        """Name of the file, as far as it is known."""
        if self.final_name is None:
            return self.config.get_destination_filename()
        return self.final_name

    @property
    def is_blocked_by_file(self) -> bool:
        """True if it failed before its first byte because of a file, which is its `destination`."""
        failure = None if self.stats_or_none is None else self.stats_or_none.failure
        is_failed = self.status is DownloadStatus.FAILED and not self.bytes_downloaded
        return is_failed and failure is not None and failure.kind in EXISTING_KINDS

    @property
    def stats(self) -> AttemptStats:
        """Statistics of the attempts, created on first use. Read them by `stats_or_none`."""
        if self.stats_or_none is None:
            self.stats_or_none = AttemptStats()
        return self.stats_or_none

    @property
    def redirect_host(self) -> str | None:
        """Host and port that the URL redirects to, if known."""
        return self.stats_or_none.redirect_host if self.stats_or_none is not None else None

    def begin_attempt(self, max_attempts: int) -> None:
        """Count an attempt of at most `max_attempts`, and start its clock."""
        stats = self.stats
        stats.attempt += 1
        stats.max_attempts = max_attempts
        stats.meter = _Meter(self.bytes_downloaded)
        stats.started_at = stats.started_at or time.time()

    @property
    def attempt_began(self) -> float:
        """Start of the running attempt, seconds of the monotonic clock; now if there is none."""
        meter = self._meter
        return time.monotonic() if meter is None else meter.began

    def end_attempt(self) -> None:
        """Stop the clock of the attempt."""
        stats = self.stats_or_none
        if stats is not None and stats.meter is not None:
            stats.elapsed += time.monotonic() - stats.meter.began
            stats.meter = None

    def resume_from(self, offset: int) -> None:
        """Continue from `offset` bytes on the disk, which do not affect the speed."""
        self.bytes_downloaded = offset
        if (meter := self._meter) is not None:
            meter.counted, meter.calculator = offset, None

    def sample(self) -> int:
        """Measure the speed; return the bytes received since the last sample."""
        meter = self._meter
        if meter is None:
            return 0
        fresh = max(self.bytes_downloaded - meter.counted, 0)
        meter.counted = self.bytes_downloaded
        if meter.calculator is None:
            meter.calculator = SpeedCalculator()
        meter.metrics = meter.calculator.record_chunk(
            fresh, self.bytes_downloaded, self.total_bytes, time.monotonic()
        )
        return fresh

    @property
    def _meter(self) -> _Meter | None:
        return self.stats_or_none.meter if self.stats_or_none is not None else None

    @property
    def metrics(self) -> SpeedMetrics | None:
        """Speed of the last sample; None while no attempt runs."""
        meter = self._meter
        return meter.metrics if meter is not None else None

    @property
    def average_speed_bps(self) -> float | None:
        """Average of all ended attempts, bytes/s from the network; None before the first."""
        stats = self.stats_or_none
        return stats.transferred / stats.elapsed if stats and stats.elapsed > 0 else None

    def info(self) -> DownloadInfo:
        """Return a copy for users of the library."""
        stats = self.stats_or_none or AttemptStats()
        return DownloadInfo(
            id=self.id,
            url=redact(self.config.url),
            status=self.status,
            bytes_downloaded=self.bytes_downloaded,
            total_bytes=self.total_bytes,
            error=stats.error,
            http_status=stats.http_status,
            average_speed_bps=self.average_speed_bps if self.status.is_terminal else None,
            destination_path=str(self.destination) if self.destination else None,
            validation=stats.validation,
        )

    def snapshot(self) -> DownloadSnapshot:
        """Return an immutable copy for the screen."""
        metrics, stats = self.metrics, self.stats_or_none or AttemptStats()
        return DownloadSnapshot(
            id=self.id,
            url=redact_url(self.config.source),
            name=printable(self.name),
            status=self.status,
            reason=self.reason,
            priority=self.priority,
            rank=self.rank if isinstance(self.rank, int) else float(self.rank),
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
            destination=str(self.destination) if self.destination else "",
            error=stats.error,
            failure=stats.failure,
            validation=stats.validation,
        )
