"""EventLog: the latest events as lines, shown by the log pane and the details."""

import time
from collections import deque
from dataclasses import dataclass
from typing import Literal

from rheo_core.domain.filenames import filename_from_url
from rheo_core.domain.text import printable
from rheo_core.events import (
    DownloadCancelledEvent,
    DownloadCompletedEvent,
    DownloadEvent,
    DownloadFailedEvent,
    DownloadPausedEvent,
    DownloadPriorityChangedEvent,
    DownloadQueuedEvent,
    DownloadRemovedEvent,
    DownloadRepairingEvent,
    DownloadResumedEvent,
    DownloadRetryingEvent,
    DownloadSkippedEvent,
    DownloadStartedEvent,
    DownloadValidatingEvent,
)

from .formatting import duration_text, size_text, speed_text

Level = Literal["info", "good", "warning", "bad"]


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line; `time` is in seconds since the epoch, texts are printable."""

    time: float
    text: str
    level: Level = "info"
    download_id: str = ""
    name: str = ""


class EventLog:
    """The latest lines, oldest first."""

    MAX_LINES = 2000

    def __init__(self) -> None:
        self.lines: deque[LogLine] = deque(maxlen=self.MAX_LINES)
        self.written = 0  # number of lines ever written; readers compare it

    def write(self, line: LogLine) -> None:
        """Append a line; drop the oldest if the log is full."""
        self.lines.append(line)
        self.written += 1

    def note(self, text: str, level: Level = "info") -> None:
        """Append a message of the app itself."""
        self.write(LogLine(time.time(), printable(text), level))

    def of(self, download_id: str) -> list[LogLine]:
        """Return the lines about one download."""
        return [line for line in self.lines if line.download_id == download_id]


def log_line(event: DownloadEvent, name: str = "") -> LogLine:
    """Return the line for an event.

    Args:
        event: the event.
        name: name of the download; "" takes the name in its URL.
    """
    text, level = _describe(event)
    return LogLine(
        time=event.occurred_at.timestamp(),
        text=printable(text),
        level=level,
        download_id=event.download_id,
        name=printable(name or filename_from_url(event.url)),
    )


def _describe(event: DownloadEvent) -> tuple[str, Level]:
    match event:
        case DownloadQueuedEvent():
            more = f" with priority {event.priority}" if event.priority != 1 else ""
            return f"queued{more}", "info"
        case DownloadStartedEvent():
            size = size_text(event.total_bytes)
            return f"started, {size}" if size else "started, size unknown", "info"
        case DownloadCompletedEvent():
            speed = speed_text(event.average_speed_bps)
            facts = [size_text(event.total_bytes), duration_text(event.elapsed_seconds), speed]
            return f"done: {', '.join(fact for fact in facts if fact)}", "good"
        case DownloadFailedEvent():
            return f"failed: {event.error.message}", "bad"
        case DownloadRetryingEvent():
            wait = duration_text(event.delay_seconds)
            count = f"retry {event.retry} of {event.max_retries} in {wait}"
            return f"{count}: {event.error.message}", "warning"
        case DownloadRepairingEvent():
            bad = f"bad pieces: {event.bad_pieces:,} of {event.pieces:,}"
            return f"{bad}; fetched again from {event.host}", "warning"
        case DownloadSkippedEvent():
            return f"skipped: {event.reason.replace('_', ' ')}", "warning"
        case DownloadCancelledEvent():
            return "cancelled", "warning"
        case _:
            return _describe_rest(event), "info"


def _describe_rest(event: DownloadEvent) -> str:
    match event:
        case DownloadPausedEvent():
            return "paused"
        case DownloadResumedEvent():
            return "resumed"
        case DownloadPriorityChangedEvent():
            return f"priority {event.priority}"
        case DownloadRemovedEvent():
            return "removed from the list"
        case DownloadValidatingEvent():
            return f"checking {event.algorithm.value}"
        case _:
            return event.event_type.removeprefix("download.").replace("_", " ")
