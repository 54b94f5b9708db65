"""ShardTable: show the shards of a fleet run, one per line."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

from rich.style import Style
from rich.text import Text
from textual import events
from textual.message import Message

from rheo_core.domain.fleet_view import ShardRow, ShardState
from rheo_core.domain.text import printable
from rheo_tui.columns import PERCENT_WIDTH
from rheo_tui.fleet_summary import rate_text
from rheo_tui.formatting import (
    bar_text,
    duration_text,
    fit,
    fit_middle,
    fit_right,
    percent_text,
)

from .cursor_view import CursorView

_GLYPHS = {
    ShardState.RUNNING: ("●", "active"),
    ShardState.STOPPED: ("‖", "paused"),
    ShardState.QUEUED: ("○", "queued"),
    ShardState.DONE: ("✓", "done"),
}
_GLYPH_CELLS = 3
"""Cells of the cursor's bar, the glyph and the blank after it."""
_NARROW, _MEDIUM, _WIDE = 50, 76, 100
"""Widths from which there is space for state and done, for rate and time, and for the worker."""
_MIN_BAR, _MAX_BAR = 4, 40


class Widths(NamedTuple):
    """Widths of the columns; 0 for one that is not shown."""

    shard: int
    state: int
    bar: int  # including the percentage after it
    done: int
    failed: int
    rate: int
    time: int
    worker: int


_TITLES = Widths._fields
_RIGHT = frozenset({"done", "failed", "rate", "time"})


@lru_cache(maxsize=16)
def widths_for(width: int) -> Widths:
    """Return the widths of the columns in `width` cells."""
    shard = 9 if width >= _NARROW else 6
    state = 9 if width >= _NARROW else 0
    done = 7 if width >= _NARROW else 0
    failed = 7
    rate, clock = (8, 6) if width >= _MEDIUM else (0, 0)
    fixed = [each for each in (shard, state, done, failed, rate, clock) if each]
    rest = max(width - _GLYPH_CELLS - sum(fixed) - 2 * len(fixed), _MIN_BAR)
    bar = rest if width < _WIDE else min(max(rest // 2, _MIN_BAR), _MAX_BAR)
    worker = max(rest - bar - 2, 0)
    return Widths(shard, state, bar, done, failed, rate, clock, worker)


class ShardTable(CursorView[ShardRow]):
    """Shows shards; the cursor stays on its shard while their order changes."""

    COMPONENT_CLASSES: ClassVar = {
        "shards--quiet",
        "shards--track",
        "shards--failed",
        "shards--done-bar",
        *(f"shards--{style}" for _, style in _GLYPHS.values()),
    }

    @dataclass
    class Opened(Message):
        """The user double-clicked a shard."""

    def show_rows(self, rows: Sequence[ShardRow]) -> None:
        """Show other rows, or other numbers; the current shard stays under the cursor."""
        current, line = self.current, self.cursor - self.scroll_offset.y
        at = self.cursor
        if current is not None and at > 0 and rows is not self._items:
            places = (place for place, row in enumerate(rows) if row.id == current.id)
            at = next(places, at)
        self.show(rows)
        if at != self.cursor:
            self.cursor = at
            self.scroll_to(y=max(0, at - line), animate=False, immediate=True)
        self.cursor = self.validate_cursor(self.cursor)
        self.post_message(self.CursorMoved())

    def on_click(self, event: events.Click) -> None:
        """Move the cursor; a double click opens the shard."""
        if (line := self.line_at(event)) is not None:
            self.cursor = line
            if event.chain == 2:
                self.post_message(self.Opened())

    def titles(self) -> Text:
        """Return the titles of the columns."""
        cells = []
        for name, width in zip(_TITLES, self._widths, strict=True):
            title = "progress" if name == "bar" else name
            align = fit_right if name in _RIGHT else fit
            cells += [align(title.capitalize(), width)] if width else []
        style = self.get_component_rich_style("lines--titles", partial=True)
        return Text(" " * _GLYPH_CELLS + "  ".join(cells), style, no_wrap=True)

    @property
    def _widths(self) -> Widths:
        return widths_for(max(self.scrollable_content_region.width - 1, 20))

    def text_of(self, item: ShardRow) -> Text:
        """Return glyph, number, state, progress, counts, rate, time and worker of a shard."""
        glyph, name = _GLYPHS[item.state]
        widths, style = self._widths, self._style(name)
        quiet = self._style("quiet")
        cells: list[tuple[str, Style | None]] = [
            (fit(shard_text(item), widths.shard), None),
            (fit(state_text(item), widths.state), style),
            ("", None),  # the bar
            (fit_right(f"{item.completed:,}" if item.ended else "", widths.done), None),
            (
                fit_right(f"{item.failed:,}" if item.failed else "", widths.failed),
                self._style("failed"),
            ),
            (fit_right(rate_text(item.entries_per_second), widths.rate), quiet),
            (fit_right(_time_text(item), widths.time), quiet),
            (fit_middle(printable(item.worker), widths.worker), quiet),
        ]
        text = Text(f" {glyph} ", style, no_wrap=True)
        for at, ((words, cell_style), width) in enumerate(zip(cells, widths, strict=True)):
            if width:
                text.append("  " if at else "")
                if at == 2:
                    self._add_bar(text, item, width, style)
                else:
                    text.append(words, cell_style)
        return text

    def _add_bar(self, text: Text, row: ShardRow, width: int, style: Style) -> None:
        fraction = min(row.ended / row.entries, 1.0) if row.entries else 1.0
        if not row.ended:
            text.append(" " * width)
            return
        filled, track = bar_text(fraction, width - PERCENT_WIDTH)
        is_done = row.state is ShardState.DONE
        text.append(filled, self._style("done-bar") if is_done else style)
        text.append(track, self._style("track"))
        percent = fit_right(percent_text(fraction), PERCENT_WIDTH)
        text.append(percent, self._style("quiet") if is_done else None)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"shards--{name}", partial=True)


def shard_text(row: ShardRow) -> str:
    """Return number and pass of a shard as in file names: `000123`, `000123.p2`."""
    return f"{row.shard:06d}" + (f".p{row.pass_number}" if row.pass_number > 1 else "")


def state_text(row: ShardRow) -> str:
    """Return the state of a shard in a word, or the number of the attempt."""
    return f"attempt {row.attempt}" if row.attempt > 1 else str(row.state)


def _time_text(row: ShardRow) -> str:
    """Return the time that a shard took, or has been running."""
    if row.since is not None:
        return duration_text(max(0.0, time.time() - row.since))
    return duration_text(row.seconds)
