"""Download states, statistics, and the snapshots that readers get."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from .failures import EXISTING_KINDS, Failure, FailureKind
from .hash_validation import ValidationResult
from .hosts import HostWait

Rank = int | Fraction
"""Position among downloads with the same priority; lower runs first."""
QueuePlace = tuple[int, Rank]
"""Priority and rank: the place of a download in the queue."""

NOT_STORED = "not stored"
"""Part of the reason of an ended download whose login or headers the session no longer has. Do not
reword it, because stored rows contain it."""


class DownloadStatus(StrEnum):
    """State of a download.

    The usual order is queued, pending, in_progress, [verifying], completed. In between, a download
    may be paused or retrying. It may also end as failed, skipped or cancelled.
    """

    QUEUED = "queued"
    PENDING = "pending"  # holds a slot and waits for the server's response
    IN_PROGRESS = "in_progress"
    VERIFYING = "verifying"
    RETRYING = "retrying"  # waits for the next attempt without a slot
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    __hash__ = str.__hash__  # Enum's is written in Python, so it is too slow for long lists

    @classmethod
    def terminal_states(cls) -> set["DownloadStatus"]:
        """Return the states of ended downloads."""
        return set(_TERMINAL)

    # Attributes, because a property is slow if a list is long.
    is_terminal: bool
    """True if the download has ended."""
    is_active: bool
    """True if the download holds a slot."""

    @property
    def word(self) -> str:
        """Word for users, such as `done` for completed."""
        return _WORDS.get(self, self.value)


_TERMINAL = frozenset(
    {
        DownloadStatus.COMPLETED,
        DownloadStatus.FAILED,
        DownloadStatus.SKIPPED,
        DownloadStatus.CANCELLED,
    }
)
_WORDS = {
    DownloadStatus.PENDING: "connecting",
    DownloadStatus.IN_PROGRESS: "downloading",
    DownloadStatus.VERIFYING: "checking",
    DownloadStatus.COMPLETED: "done",
}
_ACTIVE = frozenset({DownloadStatus.PENDING, DownloadStatus.IN_PROGRESS, DownloadStatus.VERIFYING})
for _status in DownloadStatus:
    _status.is_terminal = _status in _TERMINAL
    _status.is_active = _status in _ACTIVE


class DownloadInfo(BaseModel):
    """Copy of the state of one download."""

    model_config = ConfigDict(defer_build=True)

    id: str = Field(description="Id of the download")
    url: str = Field(description="URL being downloaded")
    status: DownloadStatus = Field(
        default=DownloadStatus.PENDING, description="State of the download"
    )
    bytes_downloaded: int = Field(default=0, ge=0, description="Bytes received so far")
    total_bytes: int | None = Field(default=None, ge=0, description="Size in bytes, if known")
    error: str | None = Field(default=None, description="Reason for the failure")
    http_status: int | None = Field(
        default=None, description="HTTP status of the failure, if the server refused the request"
    )
    average_speed_bps: float | None = Field(
        default=None, ge=0.0, description="Average speed in bytes/s, after the end"
    )
    destination_path: str | None = Field(default=None, description="Path of the file, if known")
    validation: ValidationResult | None = Field(default=None, description="Result of the checksum")

    def get_progress(self) -> float:
        """Return the fraction done, 0.0 to 1.0; 0.0 while the size is unknown."""
        if self.status is DownloadStatus.COMPLETED:
            return 1.0
        if not self.total_bytes:
            return 0.0
        return min(self.bytes_downloaded / self.total_bytes, 1.0)

    def is_terminal(self) -> bool:
        """Return True if the download has ended."""
        return self.status.is_terminal


class DownloadStats(BaseModel):
    """Number of downloads in each state."""

    model_config = ConfigDict(defer_build=True)

    total: int = Field(default=0, ge=0, description="All downloads in the list")
    queued: int = Field(default=0, ge=0, description="Waiting for a slot or for a retry")
    in_progress: int = Field(default=0, ge=0, description="Holding a slot")
    completed: int = Field(default=0, ge=0)
    failed: int = Field(default=0, ge=0)
    cancelled: int = Field(default=0, ge=0)
    skipped: int = Field(default=0, ge=0)
    paused: int = Field(default=0, ge=0)
    completed_bytes: int = Field(default=0, ge=0, description="Bytes of completed downloads")


class HistoryTotals(NamedTuple):
    """Totals of the ended downloads in the history."""

    ended: int = 0
    done: int = 0
    done_bytes: int = 0
    failed: int = 0


class DownloadSnapshot(NamedTuple):
    """State of one download at one revision.

    Times are in seconds since the epoch, sizes in bytes, speeds in bytes/s. Texts are printable and
    the URL is redacted. It is a tuple, because creating a frozen dataclass takes far longer.
    """

    id: str
    url: str
    name: str
    status: DownloadStatus
    reason: str  # of this state, in a few words; "" if the state says it all
    priority: int
    rank: float  # place in the queue among downloads of its priority
    bytes_downloaded: int = 0
    total_bytes: int | None = None
    speed_bps: float = 0.0
    eta_seconds: float | None = None
    connections: int = 0  # that receive data now
    speed_limit_bps: int | None = None  # of this download alone
    start_at: float | None = None  # earliest start
    attempt: int = 0  # 1 for the first; pauses and restarts count too
    failures: int = 0  # failed attempts in a row; the download ends at `max_attempts`
    max_attempts: int = 1
    retry_at: float | None = None
    added_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    average_speed_bps: float | None = None
    destination: str = ""  # path on the disk; make it printable to show it
    error: str | None = None
    failure: Failure | None = None  # kind of the error; None if an earlier version stored it
    validation: ValidationResult | None = None

    @property
    def order(self) -> tuple[int, float]:
        """Sort key of the queue."""
        return -self.priority, self.rank

    @property
    def failure_kind(self) -> FailureKind | None:
        """Kind of the last error, if it is known."""
        return None if self.failure is None else self.failure.kind

    @property
    def cause(self) -> str:
        """Cause of the last failure in a few words; "" if there is none.

        A failure of unknown kind, stored by an earlier version, gives its whole message.
        """
        return (self.failure.cause if self.failure is not None else "") or self.error or ""

    @property
    def got_page(self) -> bool:
        """True if the download failed because the server sent a web page instead of the file."""
        return self.status is DownloadStatus.FAILED and self.failure_kind is FailureKind.WEB_PAGE

    @property
    def lost_login(self) -> bool:
        """True if the download has lost its login or headers, because it ended before a restart."""
        return NOT_STORED in self.reason

    @property
    def has_file(self) -> bool:
        """True if the download ended with its file on the disk, or skipped an existing file."""
        if self.status is DownloadStatus.FAILED:
            return self.failure_kind in EXISTING_KINDS
        return self.status in (DownloadStatus.COMPLETED, DownloadStatus.SKIPPED)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Changes since an earlier revision, and the totals.

    Pass `since=snapshot.revision` to get the next one. If `reset` is true, drop all earlier data:
    this snapshot is complete.
    """

    revision: int
    downloads: tuple[DownloadSnapshot, ...]  # in the order of their latest change
    removed: tuple[str, ...]
    stats: DownloadStats
    speed_bps: float = 0.0
    slots: int = 0  # downloads that may run at once
    host_waits: Mapping[str, HostWait] = field(default_factory=dict)  # by host with its port
    speed_limit_bps: int | None = None  # for all downloads together
    speed_limit_reason: str = ""  # such as `slow mode` or `until 18:00`; "" for the user's limit
    is_slow: bool = False  # True in slow mode
    stop_after_bytes: int | None = None  # everything pauses after this number of bytes
    is_offline: bool = False  # True while downloads wait for the network
    closed_by: tuple[str, ...] = ()  # sentences on mistakes in settings; downloads wait for them
    is_closed: bool = False  # True if all downloads wait, not only those of some hosts
    is_loading: bool = False  # True while the session is read; more downloads follow
    reset: bool = False

    @property
    def full_hosts(self) -> frozenset[str]:
        """Hosts with their ports whose downloads wait."""
        return frozenset(self.host_waits)

    @property
    def lowered_hosts(self) -> int:
        """Number of hosts whose downloads wait because the host refused requests."""
        return sum(bool(wait.cause) for wait in self.host_waits.values())
