"""SummaryHeader: show the overall progress and the active limits.

`rheo_tui/summary.py` writes its lines.
"""

from collections import deque
from dataclasses import replace
from itertools import islice
from pathlib import Path

from rheo_core.domain import Snapshot
from rheo_core.domain.text import printable
from rheo_tui.formatting import short_path
from rheo_tui.summary import Span, Summary, header_lines
from rheo_tui.totals import Totals

from .header_lines import HeaderLines

_MAX_SAMPLES = 120
_MIN_MEAN_SAMPLES, _MEAN_SAMPLES = 3, 10
"""Samples, one a second, whose mean predicts the time left; fewer would make it jump."""


class SummaryHeader(HeaderLines):
    """Shows two lines, or one on a low screen; only changes repaint it."""

    def __init__(self, folder: Path, *, badge: str = "", id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown = Summary(folder=_short(folder), badge=badge)
        self._samples: deque[float] = deque(maxlen=_MAX_SAMPLES)
        self._steady = 0  # latest samples with data under the same conditions
        self._paused = 0

    def on_mount(self) -> None:
        """Sample the speed once a second."""
        self.set_interval(1.0, self._sample)

    def apply(self, snapshot: Snapshot, totals: Totals) -> None:
        """Show the totals of a snapshot."""
        paused, self._paused = self._paused, snapshot.stats.paused
        if snapshot.speed_limit_bps != self._shown.limit or self._paused < paused:
            self._steady = 0  # earlier speeds say nothing about the time left
        self._show(
            busy=snapshot.stats.in_progress,
            slots=snapshot.slots,
            connections=totals.connections,
            limit=snapshot.speed_limit_bps,
            limit_reason=snapshot.speed_limit_reason,
            stop_after=snapshot.stop_after_bytes,
            is_offline=snapshot.is_offline,
            done=totals.done_bytes,
            total=totals.total_bytes,
            guessed=totals.guessed_bytes,
            left=totals.left_bytes,
            guessed_left=totals.guessed_left_bytes,
            unknown=totals.unknown,
            slowest=totals.slowest_seconds,
            failed=snapshot.stats.failed,
            speed=snapshot.speed_bps,
            reading=snapshot.stats.total if snapshot.is_loading else 0,
        )

    def show_marks(self, marked: int, hidden: int, *, is_range: bool = False) -> None:
        """Show the number of marked rows, and of those among them that are hidden.

        `is_range` says that the cursor marks rows as it moves.
        """
        self._show(marked=marked, hidden_marks=hidden, marks_range=is_range)

    def show_following(self, on: bool) -> None:
        """Show whether the cursor follows a download."""
        self._show(follows=on)

    def show_folder(self, folder: Path, free: int | None) -> None:
        """Show the download folder and the free bytes of its disk; None if they are unknown."""
        self._show(folder=_short(folder), free=free)

    def show_quits_when_done(self, on: bool) -> None:
        """Show whether the app quits after the last download."""
        self._show(quits_when_done=on)

    def _show(self, **changes: object) -> None:
        now = replace(self._shown, **changes)  # type: ignore[arg-type]
        if now != self._shown:
            self._shown = now
            self.refresh()

    def _sample(self) -> None:
        self._samples.append(self._shown.speed)
        self._steady = self._steady + 1 if self._shown.speed else 0
        if not any(self._samples):
            self._samples.clear()
        self._show(samples=tuple(self._samples), mean_speed=self._mean_speed())

    def _mean_speed(self) -> float:
        """Return the mean of the last steady seconds; 0.0 before there are enough."""
        count = min(self._steady, _MEAN_SAMPLES)
        recent = islice(reversed(self._samples), count)
        return sum(recent) / count if count >= _MIN_MEAN_SAMPLES else 0.0

    def lines(self) -> list[list[Span]]:
        """Return the lines that fit."""
        return header_lines(self._shown, *self.size)


def _short(folder: Path) -> str:
    return printable(short_path(folder))
