"""Describe events in sentences, for the command and the app."""

from pathlib import PurePath
from typing import Literal, NamedTuple

from rheo_core.domain.failures import FailureKind
from rheo_core.domain.units import duration_text, size_text, speed_text

from .models import (
    DownloadCompletedEvent,
    DownloadEvent,
    DownloadFailedEvent,
    DownloadPriorityChangedEvent,
    DownloadQueuedEvent,
    DownloadRepairingEvent,
    DownloadRetryingEvent,
    DownloadSkippedEvent,
    DownloadStartedEvent,
    DownloadValidatingEvent,
)

Level = Literal["info", "good", "warning", "bad"]


class Description(NamedTuple):
    """An event in words, which may hold any characters: pass them through `printable`."""

    status: str  # one or two words, such as "done"
    detail: str = ""  # facts or a reason
    level: Level = "info"

    def __str__(self) -> str:
        return f"{self.status}: {self.detail}" if self.detail else self.status


def describe(event: DownloadEvent) -> Description:
    """Return an event in words. The name of the download is not among them."""
    match event:
        case DownloadCompletedEvent():
            return Description("done", _facts(event), "good")
        case DownloadFailedEvent():
            return Description("failed", event.error.message, "bad")
        case DownloadRetryingEvent():
            delay = duration_text(event.delay_seconds)
            plan = f"retry {event.retry} of {event.max_retries} in {delay}"
            return Description("retrying", f"{event.error.message}; {plan}", "warning")
        case DownloadRepairingEvent():
            bad = f"bad pieces: {event.bad_pieces:,} of {event.pieces:,}"
            return Description("repairing", f"{bad}; fetched again from {event.host}", "warning")
        case DownloadSkippedEvent():
            checked = ", hash verified" if event.validation else ""
            reason = event.reason.replace("_", " ")
            return Description("skipped", f"{reason}{checked}", "warning")
        case DownloadStartedEvent():
            return Description("started", size_text(event.total_bytes) or "size unknown")
        case DownloadQueuedEvent() if event.priority != 1:
            return Description("queued", f"priority {event.priority}")
        case DownloadPriorityChangedEvent():
            return Description("priority", str(event.priority))
        case DownloadValidatingEvent():
            return Description("checking", event.algorithm.value)
        case _:
            status = status_of(event.event_type)
            return Description(status, level="warning" if status == "cancelled" else "info")


def status_of(event_type: str) -> str:
    """Return the type of an event as one or two words."""
    return event_type.removeprefix("download.").replace("_", " ")


def name_of(event: DownloadEvent, name: str) -> str:
    """Return a name for the download of `event`: that of its file once it exists."""
    if isinstance(event, DownloadCompletedEvent):
        return PurePath(event.destination_path).name or name
    return name


def is_web_page(event: DownloadEvent) -> bool:
    """Return True if a download failed because a web page arrived instead of a file."""
    return isinstance(event, DownloadFailedEvent) and event.error.kind is FailureKind.WEB_PAGE


def _facts(event: DownloadCompletedEvent) -> str:
    spent = round(event.elapsed_seconds)
    time = f" in {duration_text(spent)}" if spent else ""  # "in 1 s" would contradict the speed
    speed = speed_text(event.average_speed_bps) if event.total_bytes else ""
    checked = "hash verified" if event.validation else ""
    size = f"{size_text(event.total_bytes)}{time}"
    return ", ".join(filter(None, (size, speed, checked, event.computed_hash)))
