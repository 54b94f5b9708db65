"""Download events: their types and fields.

Order: queued, started, progress*, [validating], then exactly one of completed, failed, skipped,
cancelled. Each failed attempt that is retried sends a retrying event. If validation finds bad
pieces, a repairing event, progress and another validating event follow.
"""

import time
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, computed_field

from rheo_core.domain.cancellation import CancelledFrom as CancelledFrom
from rheo_core.domain.exceptions import HttpStatusError, failure_of
from rheo_core.domain.failures import FailureKind
from rheo_core.domain.hash_validation import HashAlgorithm
from rheo_core.domain.hash_validation import ValidationResult as ValidationResult
from rheo_core.domain.speed import SpeedMetrics
from rheo_core.domain.text import printable, redact, shorten

_MAX_MESSAGE_LENGTH = 10_000
"""Maximum length of a message, in characters. A path may have 4,096 bytes. Text from a server is
shorter."""


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


class BaseEvent(BaseModel):
    """Base class of events. Immutable."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    occurred_at: datetime = Field(default_factory=_now, description="Time of the event (UTC)")


class ErrorInfo(BaseModel):
    """Description of an exception that is safe to show, store and send."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    exc_type: str = Field(description="Class of the exception with its module")
    message: str = Field(description="Message on one line")
    traceback: str | None = Field(default=None, description="Full traceback, if requested")
    http_status: int | None = Field(
        default=None, description="HTTP status, if the server refused the request"
    )
    kind: FailureKind = Field(default=FailureKind.OTHER, description="Kind of the failure")

    @classmethod
    def from_exception(cls, exc: BaseException, include_traceback: bool = False) -> Self:
        """Describe an exception. The message is never empty.

        Args:
            exc: the exception.
            include_traceback: add the redacted traceback.
        """
        kind = type(exc)
        trace = redact("".join(traceback.format_exception(exc))) if include_traceback else None
        return cls(
            exc_type=f"{kind.__module__}.{kind.__qualname__}",
            message=shorten(printable(redact(str(exc))), _MAX_MESSAGE_LENGTH) or kind.__name__,
            traceback=trace,
            http_status=exc.status if isinstance(exc, HttpStatusError) else None,
            kind=failure_of(exc).kind,
        )


IS_EVENT = "rheo_event"
"""Attribute of log records whose message is also in an event."""


class DownloadEventType(StrEnum):
    """Types of events, for subscriptions."""

    QUEUED = "download.queued"
    STARTED = "download.started"
    PROGRESS = "download.progress"
    COMPLETED = "download.completed"
    FAILED = "download.failed"
    SKIPPED = "download.skipped"
    CANCELLED = "download.cancelled"
    RETRYING = "download.retrying"
    VALIDATING = "download.validating"
    REPAIRING = "download.repairing"
    PAUSED = "download.paused"
    RESUMED = "download.resumed"
    PRIORITY_CHANGED = "download.priority_changed"
    REMOVED = "download.removed"


E = TypeVar("E")
Handler = Callable[[E], Awaitable[None] | None]
EventHandler = Callable[[Any], Awaitable[None] | None]
EventType = DownloadEventType | str


class DownloadEvent(BaseEvent):
    """Base class of events of a download."""

    event_type: str = Field(default="", description="One of DownloadEventType")
    download_id: str = Field(description="Id of the download")
    url: str = Field(description="URL being downloaded")


class DownloadQueuedEvent(DownloadEvent):
    """The download was queued."""

    event_type: str = DownloadEventType.QUEUED.value
    priority: int = Field(ge=1, description="Higher values start first")


class DownloadStartedEvent(DownloadEvent):
    """The server responded, and data follows. Sent once, even if there are several attempts."""

    model_config = ConfigDict(defer_build=False)  # every program needs it
    event_type: str = DownloadEventType.STARTED.value
    total_bytes: int | None = Field(default=None, ge=0, description="Size in bytes, if known")
    offset: int = Field(default=0, ge=0, description="Bytes that an earlier run left")


class DownloadProgressEvent(DownloadEvent):
    """Data arrived. Sent up to ten times a second for each download, and once at the end."""

    event_type: str = DownloadEventType.PROGRESS.value
    chunk_size: int = Field(default=0, ge=0, description="Bytes since the last progress event")
    bytes_downloaded: int = Field(default=0, ge=0, description="Bytes received so far")
    total_bytes: int | None = Field(default=None, ge=0, description="Size in bytes, if known")
    speed: SpeedMetrics | None = Field(default=None, description="Speed and remaining time")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def progress_percent(self) -> float | None:
        """Progress from 0 to 100; None while the size is unknown."""
        if self.total_bytes is None:
            return None
        if self.total_bytes == 0:
            return 100.0
        return min(self.bytes_downloaded / self.total_bytes * 100, 100.0)


class DownloadCompletedEvent(DownloadEvent):
    """The file has its final name, complete and verified."""

    model_config = ConfigDict(defer_build=False)  # every program needs it
    event_type: str = DownloadEventType.COMPLETED.value
    destination_path: str = Field(default="", description="Path of the file")
    total_bytes: int = Field(default=0, ge=0, description="Size in bytes")
    elapsed_seconds: float = Field(default=0.0, ge=0, description="Time of all attempts, seconds")
    average_speed_bps: float = Field(default=0.0, ge=0, description="Average, bytes/s")
    validation: ValidationResult | None = Field(default=None, description="Result of the checksum")
    computed_hash: str | None = Field(
        default=None, description="Hash that --compute-hash asks for, such as sha256:9f86..."
    )
    http_status: int | None = Field(
        default=None,
        description="HTTP status of the last response; null if the file needed no request",
    )
    media_type: str | None = Field(
        default=None, description="Media type of the file, from the server"
    )
    final_url: str | None = Field(
        default=None,
        description="URL that sent the last response, after redirects; without secrets, and with "
        "an ellipsis after 8,192 characters",
    )
    attempts: int = Field(default=0, ge=0, description="Number of attempts")


class DownloadFailedEvent(DownloadEvent):
    """The download failed, and rheo will not retry it."""

    event_type: str = DownloadEventType.FAILED.value
    error: ErrorInfo = Field(description="Reason for the failure")
    validation: ValidationResult | None = Field(default=None, description="Result of the checksum")
    elapsed_seconds: float = Field(default=0.0, ge=0, description="Time of all attempts, seconds")
    attempts: int = Field(default=0, ge=0, description="Number of attempts")


class DownloadSkippedEvent(DownloadEvent):
    """The download was not needed."""

    event_type: str = DownloadEventType.SKIPPED.value
    reason: str = Field(description="Reason, such as 'file_exists'")
    destination_path: str | None = Field(default=None, description="Path of the existing file")
    validation: ValidationResult | None = Field(default=None, description="Result of the checksum")


class DownloadCancelledEvent(DownloadEvent):
    """The user cancelled the download."""

    event_type: str = DownloadEventType.CANCELLED.value
    cancelled_from: CancelledFrom = Field(description="State before: queued or in_progress")


class DownloadRetryingEvent(DownloadEvent):
    """An attempt failed, and rheo will retry it."""

    event_type: str = DownloadEventType.RETRYING.value
    retry: int = Field(ge=1, description="1 for the first retry")
    max_retries: int = Field(ge=1, description="Maximum number of retries")
    delay_seconds: float = Field(default=0.0, ge=0, description="Delay before the retry, seconds")
    error: ErrorInfo = Field(description="Reason why the attempt failed")


class DownloadValidatingEvent(DownloadEvent):
    """All data has arrived, and rheo is verifying the checksum."""

    event_type: str = DownloadEventType.VALIDATING.value
    algorithm: HashAlgorithm = Field(description="Hash algorithm")


class DownloadRepairingEvent(DownloadEvent):
    """Some pieces do not match their checksums, and rheo fetches them again."""

    event_type: str = DownloadEventType.REPAIRING.value
    bad_pieces: int = Field(ge=1, description="Number of bad pieces")
    pieces: int = Field(ge=1, description="Number of pieces of the file")
    host: str = Field(description="Host that they are fetched from")


class DownloadPausedEvent(DownloadEvent):
    """The user paused the download, or its disk is full. rheo keeps the partial data."""

    event_type: str = DownloadEventType.PAUSED.value
    reason: str = Field(default="", description="Reason, unless the user paused it")


class DownloadResumedEvent(DownloadEvent):
    """The download was queued again."""

    event_type: str = DownloadEventType.RESUMED.value


class DownloadPriorityChangedEvent(DownloadEvent):
    """The priority of the download changed."""

    event_type: str = DownloadEventType.PRIORITY_CHANGED.value
    priority: int = Field(ge=1, description="Higher values start first")


class DownloadRemovedEvent(DownloadEvent):
    """The download was removed from the list."""

    event_type: str = DownloadEventType.REMOVED.value
