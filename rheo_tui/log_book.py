"""What happened, as lines: a bounded book that the log pane and the details read."""

import time
from collections import deque
from dataclasses import dataclass

from rheo_core.domain.filenames import filename_from_url
from rheo_core.domain.text import printable
from rheo_core.events import DownloadEvent
from rheo_core.events.describe import Level, describe


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line; `time` in seconds since the epoch, texts printable."""

    time: float
    text: str
    level: Level = "info"
    download_id: str = ""
    name: str = ""


class LogBook:
    """The last lines, oldest first."""

    LIMIT = 2000

    def __init__(self) -> None:
        self.lines: deque[LogLine] = deque(maxlen=self.LIMIT)
        self.written = 0  # lines ever; tells readers whether there is news

    def write(self, line: LogLine) -> None:
        """Append, letting the oldest go."""
        self.lines.append(line)
        self.written += 1

    def note(self, text: str, level: Level = "info") -> None:
        """Append something the app itself has to say."""
        self.write(LogLine(time.time(), printable(text), level))

    def of(self, download_id: str) -> list[LogLine]:
        """The lines about one download."""
        return [line for line in self.lines if line.download_id == download_id]


def log_line(event: DownloadEvent, name: str = "") -> LogLine:
    """The line for an event; `name` is the download's, else the URL's is shown."""
    description = describe(event)
    return LogLine(
        time=event.occurred_at.timestamp(),
        text=printable(str(description)),
        level=description.level,
        download_id=event.download_id,
        name=printable(name or filename_from_url(event.url)),
    )
