"""EventLog: the latest events as text, for the log pane and the details."""

import time
from collections import deque
from dataclasses import dataclass, replace

from rheo_core.domain.filenames import filename_from_url
from rheo_core.domain.text import printable
from rheo_core.events import DownloadEvent, DownloadFailedEvent
from rheo_core.events.describe import Level, describe, status_of
from rheo_tui.formatting import count_text
from rheo_tui.services.protocol import ManyDownloadsEvent


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
        self._many: tuple[LogLine, ManyDownloadsEvent] | None = None  # latest one about many
        self.written = 0  # number of lines ever written; readers compare it

    def write(self, line: LogLine) -> None:
        """Append a line; drop the oldest if the log is full."""
        self.lines.append(line)
        self.written += 1

    def write_many(self, event: ManyDownloadsEvent) -> None:
        """Write the line for an event of many downloads, or add its number to the previous line.

        Long work creates one such event for each batch.
        """
        if self._many is not None and self.lines and self.lines[-1] is self._many[0]:
            before = self._many[1]
            if before.event_type == event.event_type:
                event = replace(event, count=before.count + event.count)
                self.lines.pop()
        line = line_of_many(event)
        self.write(line)
        self._many = line, event

    def note(self, text: str, level: Level = "info", name: str = "") -> None:
        """Append a message of the app itself, perhaps about the download with a name."""
        self.write(LogLine(time.time(), printable(text), level, name=printable(name)))

    def of(self, download_id: str) -> list[LogLine]:
        """Return the lines about one download."""
        return [line for line in self.lines if line.download_id == download_id]


def line_of_many(event: ManyDownloadsEvent) -> LogLine:
    """Return the line for an event of many downloads: `10,000 downloads  paused`."""
    return LogLine(event.time, status_of(event.event_type), name=count_text(event.count))


def log_line(event: DownloadEvent, name: str = "") -> LogLine:
    """Return the line for an event.

    Args:
        event: the event.
        name: name of the download; "" takes the name in its URL.
    """
    description = describe(event)
    is_failure = isinstance(event, DownloadFailedEvent)
    return LogLine(
        time=event.occurred_at.timestamp(),
        text=printable(f"✗ {description.detail}" if is_failure else str(description)),
        level=description.level,
        download_id=event.download_id,
        name=printable(name or filename_from_url(event.url)),
    )
