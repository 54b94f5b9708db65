"""HistoryList: a list of ended downloads with status, name, size, time and URL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, NamedTuple
from urllib.parse import urlsplit

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.widgets.option_list import Option

from rheo_core.domain import DownloadSnapshot, DownloadStatus
from rheo_core.domain.text import printable
from rheo_tui.failure_advice import cause_of
from rheo_tui.formatting import clock_text, fit, fit_middle, fit_right, size_text
from rheo_tui.status_look import look_of

from .choice_list import ChoiceList

_SIZE_WIDTH, _TIME_WIDTH = 8, 16
_MARKS_WIDTH = 3
"""Cells of the mark, the glyph and the blank after it."""
_MIN_URL_WIDTH = 46
_MEDIUM, _WIDE = 52, 72
"""Widths from which there is space for the source, and for the time of day."""
_MARK = "◆"


class _Widths(NamedTuple):
    name: int
    size: int
    time: int
    source: int  # 0: not shown


def _widths_for(width: int, time: int) -> _Widths:
    rest = max(width - _MARKS_WIDTH - _SIZE_WIDTH - time - 5, 2)
    if width < _MEDIUM:
        return _Widths(rest + 2, _SIZE_WIDTH, time, 0)
    name = max(rest * 5 // 9, 1)
    return _Widths(name, _SIZE_WIDTH, time, rest - name)


class HistoryList(ChoiceList):
    """Shows the rows loaded so far; posts a message near the end of them.

    Attributes:
        rows: the rows loaded so far.
        marked: ids of the marked ones.
    """

    COMPONENT_CLASSES: ClassVar = {
        "history--done",
        "history--failed",
        "history--skipped",
        "history--cancelled",
        "history--quiet",
        "history--mark",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        ("k", "cursor_up", "Up"),
        ("j", "cursor_down", "Down"),
        ("g", "first", "First"),
        ("G", "last", "Last"),
        ("space", "mark", "Mark"),
        ("asterisk", "mark_all", "Mark all"),
    ]

    @dataclass
    class NearEnd(Message):
        """Less than one screen of loaded rows is left below."""

        def can_replace(self, message: Message) -> bool:
            """Return True for another message of this kind."""
            return isinstance(message, HistoryList.NearEnd)

    @dataclass
    class Marked(Message):
        """Rows were marked or unmarked."""

    def __init__(self) -> None:
        super().__init__(compact=True, markup=False)
        self.rows: list[DownloadSnapshot] = []
        self.marked: set[str] = set()

    @property
    def current(self) -> DownloadSnapshot | None:
        """Row under the cursor, or None."""
        return self.rows[self.highlighted] if self.highlighted is not None else None

    @property
    def targets(self) -> list[DownloadSnapshot]:
        """The marked rows, or the one under the cursor."""
        marked = [row for row in self.rows if row.id in self.marked]
        return marked or [row for row in (self.current,) if row is not None]

    def show(self, rows: Sequence[DownloadSnapshot]) -> None:
        """Replace the rows shown; rows that are still shown keep their marks."""
        self.rows = list(rows)
        self.marked &= {row.id for row in rows}
        self._lay_out()
        self.highlighted = 0 if rows else None

    def append(self, rows: Sequence[DownloadSnapshot]) -> None:
        """Append rows, except those that are already shown."""
        known = {row.id for row in self.rows}
        fresh = [row for row in rows if row.id not in known]
        widths = self._widths
        self.rows += fresh
        if self._widths == widths:
            self.add_options(map(self._option, fresh))
        else:
            self._lay_out()

    def remove_rows(self, download_ids: set[str]) -> None:
        """Remove rows, if they are shown."""
        at = self.highlighted or 0
        self.rows = [row for row in self.rows if row.id not in download_ids]
        self.marked -= download_ids
        self._lay_out()
        self.highlighted = min(at, len(self.rows) - 1) if self.rows else None

    def action_mark(self) -> None:
        """Mark or unmark the row under the cursor, and go to the next one."""
        if (row := self.current) is not None and self.highlighted is not None:
            self.marked ^= {row.id}
            self.replace_option_prompt_at_index(self.highlighted, self._text_of(row))
            if self.highlighted != len(self.rows) - 1:
                self.action_cursor_down()
            self.post_message(self.Marked())

    def action_mark_all(self) -> None:
        """Mark the rows loaded so far; if all are marked, unmark them."""
        shown = {row.id for row in self.rows}
        self.marked = set() if shown <= self.marked else shown
        self._lay_out()
        self.post_message(self.Marked())

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Post `NearEnd` before the last row is reached."""
        super().watch_scroll_y(old_value, new_value)
        if new_value > old_value and new_value > self.max_scroll_y - self.size.height:
            self.post_message(self.NearEnd())

    def on_resize(self, event: events.Resize) -> None:
        """Fit the columns to the new width."""
        self._lay_out()

    def _lay_out(self) -> None:
        at = self.highlighted
        self.set_options(map(self._option, self.rows))
        self.highlighted = at

    def titles(self) -> str:
        """Return the titles of the columns."""
        widths = self._widths
        line = f"{'':{_MARKS_WIDTH}}{fit('Name', widths.name)} {fit_right('Size', widths.size)}  "
        return line + fit("Ended", widths.time) + ("  From" if widths.source else "")

    @property
    def _widths(self) -> _Widths:
        width = self.scrollable_content_region.width
        if width >= _WIDE:
            return _widths_for(width, _TIME_WIDTH)
        oldest = self.rows[-1:]  # only a day is longer than a time of today
        texts = [_time_text(row.finished_at or row.added_at, 0) for row in oldest]
        return _widths_for(width, max(map(len, ("Ended", *texts))))

    def _option(self, row: DownloadSnapshot) -> Option:
        return Option(self._text_of(row))

    def _text_of(self, row: DownloadSnapshot) -> Text:
        look, widths = look_of(row), self._widths
        size = row.bytes_downloaded or None if row.total_bytes is None else row.total_bytes
        when = _time_text(row.finished_at or row.added_at, widths.time)
        quiet, style = self._style("quiet"), self._style(look.style)
        is_marked = row.id in self.marked
        mark = self._style("mark")
        text = Text(no_wrap=True, end="")
        text.append(_MARK if is_marked else " ", mark)
        text.append(f"{look.glyph} ", style)
        text.append(f"{fit_middle(printable(row.name), widths.name)} ", mark if is_marked else "")
        text.append(f"{fit_right(size_text(size), widths.size)}  ")
        text.append(fit(when, widths.time), quiet)
        if widths.source:
            source, is_failed = _source(row, widths.source), row.status is DownloadStatus.FAILED
            text.append(f"  {fit(printable(source), widths.source)}", style if is_failed else quiet)
        return text

    def _style(self, name: str) -> Style:
        """Return a style; without the default colour, which cannot be seen on a bright cursor."""
        style = self.get_component_rich_style(f"history--{name}", partial=True)
        return Style() if style.color and style.color.is_default else style


def _time_text(timestamp: float, width: int) -> str:
    """Return date and time, or the more useful one if `width` is too small."""
    when = clock_text(timestamp)[: -len(":00")]
    day, _, minute = when.partition(" ")
    if width >= _TIME_WIDTH:
        return when
    return minute if day == str(date.today()) else day


def _source(row: DownloadSnapshot, width: int) -> str:
    """Return the cause of a failure, or else the URL or its host."""
    if row.status is DownloadStatus.FAILED:
        return cause_of(row).text
    return row.url if width >= _MIN_URL_WIDTH else urlsplit(row.url).hostname or ""
