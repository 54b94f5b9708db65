"""Download events, emitters and subscriptions."""

from .base import BaseEmitter
from .emitter import EventEmitter
from .models import (
    BaseEvent,
    CancelledFrom,
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
    ErrorInfo,
    EventHandler,
    EventType,
    Handler,
    ValidationResult,
)
from .null import NullEmitter
from .stream import stream_events
from .subscription import Subscription

__all__ = [
    "BaseEmitter",
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
    "EventEmitter",
    "EventHandler",
    "EventType",
    "Handler",
    "NullEmitter",
    "Subscription",
    "ValidationResult",
    "stream_events",
]
