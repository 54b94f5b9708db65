"""How downloads ended: the lines that tell of it, and what the shell learns."""

import time
from collections import Counter
from pathlib import PurePath

from rheo_core.domain.exceptions import (
    DestinationError,
    DiskFullError,
    RequestOptionsError,
    WebPageError,
)
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

from .options import ExitCode

ENDS: tuple[type[DownloadEvent], ...] = (
    DownloadCompletedEvent,
    DownloadFailedEvent,
    DownloadSkippedEvent,
    DownloadCancelledEvent,
)
"""The events one of which is a download's last."""
_DISK_ERRORS = frozenset({DiskFullError.__name__, DestinationError.__name__})


def format_size(size: float) -> str:
    """Bytes for people, such as `2.5 MB` (1 MB is 1,000,000 bytes)."""
    # Nothing is imported here: too few files may be open by then.
    return "1 byte" if int(size) == 1 else size_text(int(size))


def describe(event: DownloadEvent, name: str) -> str | None:
    """The line that tells of `event`; None for those that get none."""
    match event:
        case DownloadCompletedEvent():
            name = PurePath(event.destination_path).name or name
            speed = f", {format_size(event.average_speed_bps)}/s" if event.total_bytes else ""
            checked = ", hash verified" if event.validation else ""
            return f"done      {name} ({format_size(event.total_bytes)}{speed}{checked})"
        case DownloadFailedEvent():
            hint = "; --accept-html saves the page" if _is_page(event) else ""
            return f"failed    {name}: {event.error.message}{hint}"
        case DownloadSkippedEvent():
            checked = ", hash verified" if event.validation else ""
            return f"skipped   {name}: {event.reason.replace('_', ' ')}{checked}"
        case DownloadCancelledEvent():
            return f"cancelled {name}"
        case DownloadRepairingEvent():
            bad = f"bad pieces: {event.bad_pieces:,} of {event.pieces:,}"
            return f"repairing {name}: {bad}; fetched again from {event.host}"
        case DownloadRetryingEvent():
            turn = f"retry {event.retry} of {event.max_retries}"
            return (
                f"retrying  {name} in {event.delay_seconds:.1f} s ({turn}): {event.error.message}"
            )
    return None


def _is_page(event: DownloadFailedEvent) -> bool:
    return event.error.exc_type.rpartition(".")[2] == WebPageError.__name__


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
        told = [f"{count} {word}" for count, word in counts if count or word == "completed"]
        seconds = time.monotonic() - self._began
        what = f"{format_size(self._bytes)} in" if self._bytes else "took"
        return f"{', '.join(told)}; {what} {seconds:.1f} s"
