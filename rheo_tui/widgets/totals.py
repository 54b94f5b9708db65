"""TotalsHeader: the number of downloads by status, the total speed and its history."""

from collections import deque
from typing import ClassVar

from rich.text import Text
from textual.widget import Widget

from rheo_core.domain import Snapshot
from rheo_tui.formatting import limit_text, sparkline_text, speed_text

_MAX_SAMPLES = 60


class TotalsHeader(Widget):
    """Shows one line; only changes repaint it."""

    COMPONENT_CLASSES: ClassVar = {
        "totals--name",
        "totals--active",
        "totals--queued",
        "totals--done",
        "totals--failed",
        "totals--paused",
        "totals--quiet",
        "totals--speed",
        "totals--read-only",
    }

    def __init__(self, *, read_only: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._read_only = read_only
        self._counts: list[tuple[str, int, str, str]] = []
        self._speed = ""
        self._limit: int | None = None
        self._limit_reason = ""
        self._marked = 0
        self._bytes_per_second = 0.0
        self._samples: deque[float] = deque([0.0] * _MAX_SAMPLES, maxlen=_MAX_SAMPLES)

    def on_mount(self) -> None:
        """Advance the sparkline once a second."""
        self.set_interval(1.0, self._sample)

    def apply(self, snapshot: Snapshot, marked: int) -> None:
        """Show the totals of a snapshot and the number of marked rows."""
        stats = snapshot.stats
        counts = [
            ("●", stats.in_progress, "active", "active"),
            ("○", stats.queued, "queued", "queued"),
            ("✓", stats.completed, "done", "done"),
            ("✗", stats.failed, "failed", "failed"),
        ]
        if stats.paused:
            counts.append(("‖", stats.paused, "paused", "paused"))
        self._bytes_per_second = snapshot.speed_bps
        speed = speed_text(snapshot.speed_bps) or "0 B/s"
        limit = (snapshot.speed_limit_bps, snapshot.speed_limit_reason)
        seen = (counts, speed, *limit, marked)
        if seen != (self._counts, self._speed, self._limit, self._limit_reason, self._marked):
            self._counts, self._speed, self._limit, self._limit_reason, self._marked = seen
            self.refresh()

    def _sample(self) -> None:
        moving = self._bytes_per_second > 0 or any(self._samples)
        self._samples.append(self._bytes_per_second)
        if moving:
            self.refresh()

    def render(self) -> Text:
        """Render counts on the left, speed on the right and the sparkline between them."""
        width = self.size.width
        right = self._right_side()
        left = self._left_side(long=True)
        if left.cell_len + right.cell_len + 2 > width:
            left = self._left_side(long=False)
        available = width - left.cell_len - right.cell_len - 3
        spark = sparkline_text(list(self._samples), min(max(available, 0), _MAX_SAMPLES, 40))
        left.append(" " * max(1, width - left.cell_len - len(spark) - 1 - right.cell_len))
        left.append(spark, self.get_component_rich_style("totals--speed"))
        left.append(" ")
        left.append_text(right)
        left.truncate(width, overflow="ellipsis")
        return left

    def _left_side(self, *, long: bool) -> Text:
        style = self.get_component_rich_style
        text = Text(no_wrap=True, end="")
        text.append(" rheo ", style("totals--name"))
        if self._read_only:
            text.append(" read-only ", style("totals--read-only"))
        for glyph, count, word, name in self._counts:
            shown = style(f"totals--{name}") if count else style("totals--quiet")
            text.append(f"  {glyph} {count:,}", shown)
            if long:
                text.append(f" {word}", style("totals--quiet"))
        if self._marked:
            text.append(f"  ▌{self._marked:,} marked", style("totals--paused"))
        return text

    def _right_side(self) -> Text:
        style = self.get_component_rich_style
        text = Text(no_wrap=True, end="")
        text.append(f"{self._speed:>10}", style("totals--speed"))
        if self._limit is not None:
            text.append(f" of {limit_text(self._limit)}", style("totals--paused"))
        if self._limit_reason:
            text.append(f" ({self._limit_reason})", style("totals--paused"))
        text.append(" ")
        return text
