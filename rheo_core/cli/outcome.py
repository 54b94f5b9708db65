"""How downloads ended: the lines that tell of it, and what the shell learns."""

import time
from collections import Counter

from rheo_core.domain.exceptions import DestinationError, DiskFullError, RequestOptionsError
from rheo_core.domain.sizes import size_text
from rheo_core.events import (
    DownloadCancelledEvent,
    DownloadCompletedEvent,
    DownloadEvent,
    DownloadFailedEvent,
    DownloadRepairingEvent,
    DownloadRetryingEvent,
    DownloadSkippedEvent,
)
from rheo_core.events.describe import describe, is_web_page, name_of

from .options import ExitCode

ENDS: tuple[type[DownloadEvent], ...] = (
    DownloadCompletedEvent,
    DownloadFailedEvent,
    DownloadSkippedEvent,
    DownloadCancelledEvent,
)
"""The events one of which is a download's last."""
_REPORTED: tuple[type[DownloadEvent], ...] = (*ENDS, DownloadRepairingEvent, DownloadRetryingEvent)
_DISK_ERRORS = frozenset({DiskFullError.__name__, DestinationError.__name__})


def line_of(event: DownloadEvent, name: str) -> str | None:
    """Return the line on `event`; None for events that get none."""
    if not isinstance(event, _REPORTED):
        return None
    status, detail, _ = describe(event)
    hint = "; --accept-html saves the page" if is_web_page(event) else ""
    return f"{status:<9} {name_of(event, name)}{': ' * bool(detail)}{detail}{hint}"


class Tally:
    """How the downloads ended."""

    def __init__(self) -> None:
        self._ends: Counter[type[DownloadEvent]] = Counter()
        self._bytes = 0
        self._errors: set[str] = set()  # their kinds
        self._began = time.monotonic()

    def add(self, event: DownloadEvent) -> None:
        """Count `event` where it ends a download."""
        if not isinstance(event, ENDS):
            return
        self._ends[type(event)] += 1
        if isinstance(event, DownloadCompletedEvent):
            self._bytes += event.total_bytes
        elif isinstance(event, DownloadFailedEvent):
            self._errors.add(event.error.exc_type.rpartition(".")[2])

    @property
    def ended(self) -> int:
        """Downloads that have ended in any way."""
        return self._ends.total()

    @property
    def exit_code(self) -> ExitCode:
        """What the shell should learn."""
        if self._errors & _DISK_ERRORS:
            return ExitCode.DISK
        if RequestOptionsError.__name__ in self._errors:  # a flag, a variable or a setting
            return ExitCode.USAGE
        if self._ends[DownloadFailedEvent] or self._ends[DownloadCancelledEvent]:
            return ExitCode.FAILED
        return ExitCode.DONE

    def summary(self) -> str:
        """One line for the end, with the bytes of the files that are complete."""
        words = ("completed", "failed", "skipped", "cancelled")
        counts = [(self._ends[kind], word) for kind, word in zip(ENDS, words, strict=True)]
        parts = [f"{count} {word}" for count, word in counts if count or word == "completed"]
        seconds = time.monotonic() - self._began
        what = f"{size_text(self._bytes)} in" if self._bytes else "took"
        return f"{', '.join(parts)}; {what} {seconds:.1f} s"
