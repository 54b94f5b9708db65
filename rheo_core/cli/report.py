"""Word the line of an event and the summary of a run; `progress_display.py` prints them."""

import time
from collections import Counter

from rheo_core.domain.failures import FailureKind
from rheo_core.domain.units import size_text
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

TERMINAL_EVENTS: tuple[type[DownloadEvent], ...] = (
    DownloadCompletedEvent,
    DownloadFailedEvent,
    DownloadSkippedEvent,
    DownloadCancelledEvent,
)
"""Terminal events: each download ends with one of them."""
_REPORTED: tuple[type[DownloadEvent], ...] = (
    *TERMINAL_EVENTS,
    DownloadRepairingEvent,
    DownloadRetryingEvent,
)
_LOGIN = "; log in with --user NAME, --bearer - or --netrc"
_LOGIN_HINTS = {
    FailureKind.LOGIN_MISSING: _LOGIN,
    FailureKind.LOGIN_REFUSED: _LOGIN,
    FailureKind.PROXY_LOGIN_MISSING: "; log in with --proxy http://NAME:PASSWORD@HOST:PORT",
}
"""Flags that log in."""


def line_of(event: DownloadEvent, name: str) -> str | None:
    """Return the line for `event`; None for events without a line."""
    if type(event) not in _REPORTED:
        return None
    status, detail, _ = describe(event)
    return f"{status:<9} {name_of(event, name)}{': ' * bool(detail)}{detail}{_hint(event)}"


def _hint(event: DownloadEvent) -> str:
    """Return the flag that helps: one that logs in, or saves the server's response anyway."""
    if not isinstance(event, DownloadFailedEvent):
        return ""
    if is_web_page(event):
        return "; --accept-html saves the page"
    if event.error.kind is FailureKind.PROMISED_HASH:
        return "; --ignore-digest saves the file"
    return _LOGIN_HINTS.get(event.error.kind, "")


class RunCounts:
    """Counts of the ended downloads.

    Attributes:
        failures: kinds of errors; None if the user cancelled a download.
    """

    def __init__(self) -> None:
        self.failures: set[FailureKind | None] = set()
        self._counts: Counter[type[DownloadEvent]] = Counter()
        self._bytes = 0
        self._began = time.monotonic()

    def add(self, event: DownloadEvent) -> None:
        """Count `event` if it is terminal."""
        if not isinstance(event, TERMINAL_EVENTS):
            return
        self._counts[type(event)] += 1
        if isinstance(event, DownloadCompletedEvent):
            self._bytes += event.total_bytes
        elif isinstance(event, DownloadFailedEvent):
            self.failures.add(event.error.kind)
        elif isinstance(event, DownloadCancelledEvent):
            self.failures.add(None)

    @property
    def ended(self) -> int:
        """Number of downloads that have ended in any way."""
        return self._counts.total()

    def summary(self) -> str:
        """Return a line about all downloads, with the size of the complete files."""
        words = ("completed", "failed", "skipped", "cancelled")
        counts = [
            (self._counts[kind], word) for kind, word in zip(TERMINAL_EVENTS, words, strict=True)
        ]
        parts = [f"{count} {word}" for count, word in counts if count or word == "completed"]
        seconds = time.monotonic() - self._began
        size = f"; {size_text(self._bytes)}" if self._bytes else ""
        return f"{', '.join(parts)}{size} in {seconds:.1f} s"
