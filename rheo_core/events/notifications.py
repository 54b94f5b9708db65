"""EndedDownloads: combine many ended downloads into one notification.

Shown by `downloads/desktop_notifications.py`, `rheo_tui/terminal_notifications.py` and
`cli/running.py`.
"""

import os
from collections.abc import Mapping
from pathlib import PurePath

from rheo_core.domain.filenames import filename_from_url
from rheo_core.domain.text import printable, shorten

from .models import DownloadCompletedEvent, DownloadEvent, DownloadFailedEvent

_MAX_NAME_LENGTH = 80


class EndedDownloads:
    """Counts completed and failed downloads until they are shown."""

    def __init__(self) -> None:
        self._forget()

    def add(self, event: DownloadEvent) -> bool:
        """Count an event; return False if it ends no download that a user would wait for."""
        if isinstance(event, DownloadCompletedEvent):
            self._completed += 1
            self._name = PurePath(event.destination_path).name
        elif isinstance(event, DownloadFailedEvent):
            self._failed += 1
            self._name = filename_from_url(event.url)
        else:
            return False
        return True

    def take(self) -> str:
        """Return one printable line on the counted downloads and forget them; "" for none."""
        name = shorten(printable(self._name), _MAX_NAME_LENGTH)
        counts = (("Downloaded", self._completed), ("Failed", self._failed))
        line = "; ".join(
            f"{what} {name}" if self._completed + self._failed == 1 else f"{what}: {count:,}"
            for what, count in counts
            if count
        )
        self._forget()
        return line

    def _forget(self) -> None:
        self._completed = self._failed = 0
        self._name = ""


def terminal_sequence(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return the sequence that makes a terminal show a notification; other terminals ignore it.

    It is OSC 777 for terminals known to support that (urxvt, foot, VTE), otherwise OSC 9 (iTerm2).
    Never both, because some terminals support both.

    Args:
        text: one printable line.
        environment: the variables that identify the terminal.
    """
    is_777 = "VTE_VERSION" in environment or environment.get("TERM", "").startswith(
        ("rxvt", "foot")
    )
    return f"\x1b]777;notify;rheo;{text}\x07" if is_777 else f"\x1b]9;{text}\x07"
