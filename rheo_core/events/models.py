"""The events of a download's life.

Order: queued, started, progress*, [validating], then exactly one of completed, failed, skipped,
cancelled. Each failed attempt that will be tried again is a retrying event; where validating finds
bad pieces, a repairing event, progress and another validating follow.
"""

import time
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, computed_field

from rheo_core.domain.cancellation import CancelledFrom
from rheo_core.domain.hash_validation import HashAlgorithm, ValidationResult
from rheo_core.domain.speed import SpeedMetrics
from rheo_core.domain.text import printable, redact

__all__ = [
    "BaseEvent",
    "CancelledFrom",
    "DownloadCancelledEvent",
    "DownloadCompletedEvent",
    "DownloadEvent",
    "DownloadEventType",
    "DownloadFailedEvent",
    "DownloadPausedEvent",
    "DownloadPriorityChangedEvent",
    "DownloadProgressEvent",
    "DownloadQueuedEvent",
    "DownloadRemovedEvent",
    "DownloadRepairingEvent",
    "DownloadResumedEvent",
    "DownloadRetryingEvent",
    "DownloadSkippedEvent",
    "DownloadStartedEvent",
    "DownloadValidatingEvent",
    "ErrorInfo",
    "EventHandler",
    "EventType",
    "Handler",
    "ValidationResult",
]


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


class BaseEvent(BaseModel):
    """Something that happened; immutable."""

    model_config = ConfigDict(frozen=True)

    occurred_at: datetime = Field(default_factory=_now, description="When it happened (UTC)")


class ErrorInfo(BaseModel):
    """What went wrong, fit to be shown, stored and sent."""

    model_config = ConfigDict(frozen=True)

    exc_type: str = Field(description="Class of the exception, with its module")
    message: str = Field(description="What it says, on one line")
    traceback: str | None = Field(default=None, description="Full traceback, where asked for")

    @classmethod
    def from_exception(cls, exc: BaseException, include_traceback: bool = False) -> Self:
        """Describe `exc`; the message is never empty."""
        kind = type(exc)
        trace = redact("".join(traceback.format_exception(exc))) if include_traceback else None
        return cls(
            exc_type=f"{kind.__module__}.{kind.__qualname__}",
            message=printable(redact(str(exc))) or kind.__name__,
            traceback=trace,
        )


class DownloadEventType(StrEnum):
    """Names to subscribe to."""

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
    """Base of the events below."""

    event_type: str = Field(default="", description="One of DownloadEventType")
    download_id: str = Field(description="Id of the download")
    url: str = Field(description="URL being downloaded")


class DownloadQueuedEvent(DownloadEvent):
    """It was put into the queue."""

    event_type: str = DownloadEventType.QUEUED.value
    priority: int = Field(ge=1, description="Higher goes first")


class DownloadStartedEvent(DownloadEvent):
    """The server's reply is there and bytes follow. Sent once, whatever the attempts."""

    event_type: str = DownloadEventType.STARTED.value
    total_bytes: int | None = Field(default=None, ge=0, description="Size in bytes, if known")


class DownloadProgressEvent(DownloadEvent):
    """Bytes arrived; at most ten a second for one download, and one last."""

    event_type: str = DownloadEventType.PROGRESS.value
    chunk_size: int = Field(default=0, ge=0, description="Bytes since the last progress event")
    bytes_downloaded: int = Field(default=0, ge=0, description="Bytes so far")
    total_bytes: int | None = Field(default=None, ge=0, description="Size in bytes, if known")
    speed: SpeedMetrics | None = Field(default=None, description="Speed and remaining time")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def progress_percent(self) -> float | None:
        """0 to 100, None while the size is unknown."""
        if self.total_bytes is None:
            return None
        if self.total_bytes == 0:
            return 100.0
        return min(self.bytes_downloaded / self.total_bytes * 100, 100.0)


class DownloadCompletedEvent(DownloadEvent):
    """The file is under its final name, whole and verified."""

    event_type: str = DownloadEventType.COMPLETED.value
    destination_path: str = Field(default="", description="Where the file is")
    total_bytes: int = Field(default=0, ge=0, description="Size in bytes")
    elapsed_seconds: float = Field(default=0.0, ge=0, description="Time of all attempts")
    average_speed_bps: float = Field(default=0.0, ge=0, description="Average, bytes/s")
    validation: ValidationResult | None = Field(default=None, description="Outcome of the hash")


class DownloadFailedEvent(DownloadEvent):
    """It failed for good."""

    event_type: str = DownloadEventType.FAILED.value
    error: ErrorInfo = Field(description="Why")
    validation: ValidationResult | None = Field(default=None, description="Outcome of the hash")


class DownloadSkippedEvent(DownloadEvent):
    """There was nothing to do."""

    event_type: str = DownloadEventType.SKIPPED.value
    reason: str = Field(description="Why, such as 'file_exists'")
    destination_path: str | None = Field(default=None, description="The file that is there")
    validation: ValidationResult | None = Field(default=None, description="Outcome of the hash")


class DownloadCancelledEvent(DownloadEvent):
    """The user cancelled it."""

    event_type: str = DownloadEventType.CANCELLED.value
    cancelled_from: CancelledFrom = Field(description="Whether it had begun")


class DownloadRetryingEvent(DownloadEvent):
    """An attempt failed and another will follow."""

    event_type: str = DownloadEventType.RETRYING.value
    retry: int = Field(ge=1, description="1 for the first retry")
    max_retries: int = Field(ge=1, description="Retries there may be")
    delay_seconds: float = Field(default=0.0, ge=0, description="Wait before it, seconds")
    error: ErrorInfo = Field(description="Why the attempt failed")


class DownloadValidatingEvent(DownloadEvent):
    """All bytes are there; their hash is being checked."""

    event_type: str = DownloadEventType.VALIDATING.value
    algorithm: HashAlgorithm = Field(description="Hash algorithm")


class DownloadRepairingEvent(DownloadEvent):
    """Some of its pieces are not what they should be and are fetched again."""

    event_type: str = DownloadEventType.REPAIRING.value
    bad_pieces: int = Field(ge=1, description="How many pieces are bad")
    pieces: int = Field(ge=1, description="How many pieces the file has")
    host: str = Field(description="Where they are fetched from now")


class DownloadPausedEvent(DownloadEvent):
    """The user paused it, or its disk is full; its bytes are kept."""

    event_type: str = DownloadEventType.PAUSED.value
    reason: str = Field(default="", description="Why, where it was not the user")


class DownloadResumedEvent(DownloadEvent):
    """It is back in the queue."""

    event_type: str = DownloadEventType.RESUMED.value


class DownloadPriorityChangedEvent(DownloadEvent):
    """Its priority is another one."""

    event_type: str = DownloadEventType.PRIORITY_CHANGED.value
    priority: int = Field(ge=1, description="Higher goes first")


class DownloadRemovedEvent(DownloadEvent):
    """It is no longer in the list."""

    event_type: str = DownloadEventType.REMOVED.value
