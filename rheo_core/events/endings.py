"""Ends of downloads as something to tell a person who looks elsewhere."""

import os
from collections.abc import Mapping
from pathlib import PurePath

from rheo_core.domain.filenames import filename_from_url
from rheo_core.domain.text import printable

from .models import DownloadCompletedEvent, DownloadEvent, DownloadFailedEvent

_LONGEST_NAME = 80


class Endings:
    """Counts what ends, so that a hundred downloads are one sentence."""

    def __init__(self) -> None:
        self._forget()

    def add(self, event: DownloadEvent) -> bool:
        """Take note of an event; whether it is one to tell of."""
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
        """One printable line on all there is, which is forgotten then; "" for nothing."""
        name = printable(self._name)
        if len(name) > _LONGEST_NAME:
            name = f"{name[:_LONGEST_NAME]}…"
        counts = (("Downloaded", self._completed), ("Failed", self._failed))
        told = "; ".join(
            f"{what} {name}" if self._completed + self._failed == 1 else f"{what}: {count:,}"
            for what, count in counts
            if count
        )
        self._forget()
        return told

    def _forget(self) -> None:
        self._completed = self._failed = 0
        self._name = ""


def terminal_notice(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """The sequence that makes a terminal show a notification; others ignore it.

    OSC 777 (urxvt) where the terminal is known to be one of those, else OSC 9 (iTerm2); one of
    them, because some terminals know both. `text` is one printable line.
    """
    is_777 = "VTE_VERSION" in environment or environment.get("TERM", "").startswith(
        ("rxvt", "foot")
    )
    return f"\x1b]777;notify;rheo;{text}\x07" if is_777 else f"\x1b]9;{text}\x07"
