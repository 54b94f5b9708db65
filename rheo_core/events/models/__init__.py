"""Typed events."""

from rheo_core.domain.cancellation import CancelledFrom
from rheo_core.domain.hash_validation import ValidationResult

from .base import BaseEvent
from .download import (
    DownloadCancelledEvent,
    DownloadCompletedEvent,
    DownloadEvent,
    DownloadEventType,
    DownloadFailedEvent,
    DownloadPausedEvent,
    DownloadPriorityChangedEvent,
    DownloadProgressEvent,
    DownloadQueuedEvent,
    DownloadRemovedEvent,
    DownloadRepairingEvent,
    DownloadResumedEvent,
    DownloadRetryingEvent,
    DownloadSkippedEvent,
    DownloadStartedEvent,
    DownloadValidatingEvent,
    EventHandler,
    EventType,
    Handler,
)
from .error_info import ErrorInfo

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
