"""TerminalTitle: show the progress in the title of the terminal window."""

import os
import time
from collections.abc import Mapping

from textual.dom import DOMNode

from rheo_core.domain import Snapshot

from .formatting import percent_text, speed_text
from .totals import Totals

_NAME = "rheo"
_SAVE_TITLE, _RESTORE_TITLE = "\x1b[22;0t", "\x1b[23;0t"  # xterm's stack of titles
_NO_PROGRESS, _RUNNING, _UNKNOWN, _PAUSED = 0, 1, 3, 4
"""States of OSC 9;4, as ConEmu defined them."""
_INTERVAL_SECONDS = 1.0
"""Time between two titles of one state, because some window managers draw each."""


class TerminalTitle:
    """Shows progress and speed; `clear` restores the terminal's title.

    Args:
        screen: a screen of the app whose terminal is used.
        environment: variables that identify the terminal.
    """

    def __init__(self, screen: DOMNode, environment: Mapping[str, str] = os.environ) -> None:
        self._screen = screen
        self._has_progress = shows_progress(environment)
        self._title = ""  # "": the one of the terminal
        self._progress = (_NO_PROGRESS, 0)
        self._state = _NO_PROGRESS
        self._written_at = 0.0  # seconds, monotonic

    def show(self, snapshot: Snapshot, totals: Totals) -> None:
        """Show the state of all downloads."""
        fraction = totals.fraction
        done = "" if fraction is None else percent_text(fraction).lstrip()
        percent = int(100 * (fraction or 0.0))
        if snapshot.stats.in_progress:
            speed = speed_text(snapshot.speed_bps)
            state = _UNKNOWN if fraction is None else _RUNNING
            self._write(" ".join(filter(None, (done, speed, _NAME))), (state, percent))
        elif totals.left_bytes or snapshot.stats.paused:
            self._write(f"{done} {_NAME}".lstrip(), (_PAUSED, percent))
        else:
            self._write(_NAME, (_NO_PROGRESS, 0))

    def clear(self) -> None:
        """Restore the title, and show no progress."""
        if self._title:
            self._send(_RESTORE_TITLE + self._progress_change((_NO_PROGRESS, 0)))
            self._title = ""

    def _write(self, title: str, progress: tuple[int, int]) -> None:
        now = time.monotonic()
        is_same_state = bool(self._title) and progress[0] == self._state
        if is_same_state and now < self._written_at + _INTERVAL_SECONDS:
            return
        self._written_at, self._state = now, progress[0]
        sequence = "" if self._title else _SAVE_TITLE
        if title != self._title:
            self._title = title
            sequence += f"\x1b]0;{title}\x1b\\"
        self._send(sequence + self._progress_change(progress))

    def _progress_change(self, progress: tuple[int, int]) -> str:
        if not self._has_progress or progress == self._progress:
            return ""
        self._progress = progress
        return f"\x1b]9;4;{progress[0]};{progress[1]}\x1b\\"

    def _send(self, sequence: str) -> None:
        app = self._screen.app
        if sequence and app._driver is not None and not app.is_headless:
            app._driver.write(sequence)  # as App.bell and App.copy_to_clipboard do
            app._driver.flush()


def shows_progress(environment: Mapping[str, str]) -> bool:
    """Return True for terminals that are known to show the progress of OSC 9;4.

    Others may treat it as a notification (OSC 9).
    """
    if "TMUX" in environment or environment.get("TERM", "").startswith(("screen", "tmux")):
        return False
    if environment.get("TERM_PROGRAM") in {"ghostty", "WezTerm"}:
        return True
    return "WT_SESSION" in environment or environment.get("ConEmuANSI") == "ON"
