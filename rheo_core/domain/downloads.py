"""The states of a download and what readers see of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel, Field

from .exceptions import WebPageError
from .hash_validation import ValidationResult


class DownloadStatus(StrEnum):
    """Where a download stands.

    queued -> pending -> in_progress -> [verifying] -> completed, with paused and retrying on
    the way and failed, skipped and cancelled as the other ends.
    """

    QUEUED = "queued"
    PENDING = "pending"  # has a slot, waits for the server's reply
    IN_PROGRESS = "in_progress"
    VERIFYING = "verifying"
    RETRYING = "retrying"  # sleeps before the next attempt, holds no slot
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    __hash__ = str.__hash__  # that of Enum is written in Python, and long lists ask for many

    @classmethod
    def terminal_states(cls) -> set["DownloadStatus"]:
        """The states that a download does not leave by itself."""
        return set(_TERMINAL)

    @property
    def is_terminal(self) -> bool:
        """Whether the download has ended."""
        return self in _TERMINAL

    @property
    def is_active(self) -> bool:
        """Whether the download holds a slot."""
        return self in _ACTIVE


_TERMINAL = frozenset(
    {
        DownloadStatus.COMPLETED,
        DownloadStatus.FAILED,
        DownloadStatus.SKIPPED,
        DownloadStatus.CANCELLED,
    }
)
_ACTIVE = frozenset({DownloadStatus.PENDING, DownloadStatus.IN_PROGRESS, DownloadStatus.VERIFYING})


class DownloadInfo(BaseModel):
    """A copy of what is known of one download."""

    id: str = Field(description="Id of the download")
    url: str = Field(description="URL being downloaded")
    status: DownloadStatus = Field(default=DownloadStatus.PENDING, description="Where it stands")
    bytes_downloaded: int = Field(default=0, ge=0, description="Bytes so far")
    total_bytes: int | None = Field(default=None, ge=0, description="Size in bytes, if known")
    error: str | None = Field(default=None, description="Why it failed")
    average_speed_bps: float | None = Field(
        default=None, ge=0.0, description="Average speed in bytes/s, once ended"
    )
    destination_path: str | None = Field(default=None, description="Where the file is, if known")
    validation: ValidationResult | None = Field(default=None, description="Outcome of the hash")

    def get_progress(self) -> float:
        """Fraction done, 0.0 to 1.0; 0.0 while the size is unknown."""
        if self.status is DownloadStatus.COMPLETED:
            return 1.0
        if not self.total_bytes:
            return 0.0
        return min(self.bytes_downloaded / self.total_bytes, 1.0)

    def is_terminal(self) -> bool:
        """Whether the download has ended."""
        return self.status.is_terminal


class DownloadStats(BaseModel):
    """How many downloads stand where."""

    total: int = Field(default=0, ge=0, description="Downloads known")
    queued: int = Field(default=0, ge=0, description="Waiting for a slot or for a retry")
    in_progress: int = Field(default=0, ge=0, description="Holding a slot")
    completed: int = Field(default=0, ge=0)
    failed: int = Field(default=0, ge=0)
    cancelled: int = Field(default=0, ge=0)
    skipped: int = Field(default=0, ge=0)
    paused: int = Field(default=0, ge=0)
    completed_bytes: int = Field(default=0, ge=0, description="Bytes of completed downloads")


class DownloadSnapshot(NamedTuple):
    """One download at one revision: what a row and the details of it show.

    Times are seconds since the epoch, sizes bytes, speeds bytes/s. Texts are printable; the URL
    is redacted. A tuple, because long lists make many and a frozen dataclass takes far longer.
    """

    id: str
    url: str
    name: str
    status: DownloadStatus
    reason: str  # why it is in this state, in a few words; "" where the state says it all
    priority: int
    order: tuple[int, float]  # sorts as the queue does
    bytes_downloaded: int = 0
    total_bytes: int | None = None
    speed_bps: float = 0.0
    eta_seconds: float | None = None
    connections: int = 0  # that bring bytes now
    speed_limit_bps: int | None = None  # its own
    start_at: float | None = None  # it does not begin before
    attempt: int = 0  # 1 for the first try; pauses and restarts count too
    failures: int = 0  # failed attempts in a row; `max_attempts` of them end the download
    max_attempts: int = 1
    retry_at: float | None = None
    added_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    average_speed_bps: float | None = None
    destination: str = ""
    error: str | None = None
    validation: ValidationResult | None = None

    @property
    def got_page(self) -> bool:
        """True if it failed because the server sent a web page instead of the file."""
        return self.status is DownloadStatus.FAILED and WebPageError.matches_message(self.error)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What changed since an earlier revision, and the totals.

    Ask again with `since=snapshot.revision`. `reset` tells that the reader must drop what it
    knew: everything there is comes with this snapshot.
    """

    revision: int
    downloads: tuple[DownloadSnapshot, ...]  # the latest change last
    removed: tuple[str, ...]
    stats: DownloadStats
    speed_bps: float = 0.0
    slots: int = 0  # downloads that may run at once
    full_hosts: frozenset[str] = frozenset()  # with their ports; downloads from them wait
    speed_limit_bps: int | None = None  # for all together
    speed_limit_reason: str = ""  # why it is not the one set by hand: `slow mode`, `until 18:00`
    is_slow: bool = False  # whether slow mode is on
    closed_by: tuple[str, ...] = ()  # sentences on settings for whose correction downloads wait
    is_closed: bool = False  # whether all of them wait for that, whatever their host
    reset: bool = False
