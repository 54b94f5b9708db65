"""HistoryList: ended downloads, one per line with status, name, size, time and URL."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from rheo_core.domain import DownloadSnapshot
from rheo_core.domain.text import printable
from rheo_tui.formatting import clock_text, fit, fit_middle, fit_right, size_text
from rheo_tui.statuses import LOOKS

_SIZE_WIDTH, _TIME_WIDTH = 8, 16
_FIXED_WIDTH = 1 + _SIZE_WIDTH + _TIME_WIDTH + 4  # the glyph, and a blank between all five columns
_MIN_URL_WIDTH = 46


class HistoryList(OptionList):
    """Shows the rows loaded so far; posts a message near the end of them."""

    COMPONENT_CLASSES: ClassVar = {
        "history--done",
        "history--failed",
        "history--skipped",
        "history--cancelled",
        "history--quiet",
    }
    BINDINGS: ClassVar = [
        ("k", "cursor_up", "Up"),
        ("j", "cursor_down", "Down"),
        ("g", "first", "First"),
        ("G", "last", "Last"),
    ]

    @dataclass
    class NearEnd(Message):
        """Less than one screen of loaded rows is left below."""

        def can_replace(self, message: Message) -> bool:
            """Return True for another message of this kind."""
            return isinstance(message, HistoryList.NearEnd)

    def __init__(self) -> None:
        super().__init__(compact=True, markup=False)
        self.rows: list[DownloadSnapshot] = []

    @property
    def current(self) -> DownloadSnapshot | None:
        """Row under the cursor, or None."""
        return self.rows[self.highlighted] if self.highlighted is not None else None

    def show(self, rows: Sequence[DownloadSnapshot]) -> None:
        """Replace the rows shown."""
        self.rows = list(rows)
        self._lay_out()
        self.highlighted = 0 if rows else None

    def append(self, rows: Sequence[DownloadSnapshot]) -> None:
        """Append rows, without those that are shown already."""
        known = {row.id for row in self.rows}
        fresh = [row for row in rows if row.id not in known]
        self.rows += fresh
        self.add_options(map(self._option, fresh))

    def remove_row(self, download_id: str) -> None:
        """Remove a row, if it is shown."""
        for at, row in enumerate(self.rows):
            if row.id == download_id:
                del self.rows[at]
                self.remove_option_at_index(at)
                return

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

    def _option(self, row: DownloadSnapshot) -> Option:
        look = LOOKS[row.status]
        width = max(self.scrollable_content_region.width - _FIXED_WIDTH, 2)
        name_width = max(width * 5 // 9, 1)
        url_width = width - name_width
        source = row.url if url_width >= _MIN_URL_WIDTH else urlsplit(row.url).hostname or ""
        size = row.bytes_downloaded or None if row.total_bytes is None else row.total_bytes
        when = clock_text(row.finished_at or row.added_at)[:_TIME_WIDTH]
        quiet = self.get_component_rich_style("history--quiet", partial=True)
        text = Text(no_wrap=True, end="")
        style = self.get_component_rich_style(f"history--{look.style}", partial=True)
        text.append(f"{look.glyph} ", style)
        text.append(f"{fit_middle(printable(row.name), name_width)} ")
        text.append(f"{fit_right(size_text(size), _SIZE_WIDTH)} ")
        text.append(f"{fit(when, _TIME_WIDTH)} {fit(printable(source), url_width)}", quiet)
        return Option(text)
