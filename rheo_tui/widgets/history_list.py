"""Downloads that ended, a line each: what became of it, name, size, when, from where."""

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
_FIXED_WIDTH = 1 + _SIZE_WIDTH + _TIME_WIDTH + 4  # the glyph, and a blank between all five
_MIN_URL_WIDTH = 46


class HistoryList(OptionList):
    """Holds the rows loaded so far; tells when the end of them comes near."""

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
        """Less than a screen of loaded rows is left below."""

        def can_replace(self, message: Message) -> bool:
            """Once is enough."""
            return isinstance(message, HistoryList.NearEnd)

    def __init__(self) -> None:
        super().__init__(compact=True, markup=False)
        self.rows: list[DownloadSnapshot] = []

    @property
    def current(self) -> DownloadSnapshot | None:
        """The row under the cursor."""
        return self.rows[self.highlighted] if self.highlighted is not None else None

    def show(self, rows: Sequence[DownloadSnapshot]) -> None:
        """Show these in place of others."""
        self.rows = list(rows)
        self._lay_out()
        self.highlighted = 0 if rows else None

    def append(self, rows: Sequence[DownloadSnapshot]) -> None:
        """Show these below the others; what is there already is left out."""
        known = {row.id for row in self.rows}
        fresh = [row for row in rows if row.id not in known]
        self.rows += fresh
        self.add_options(map(self._option, fresh))

    def take_out(self, download_id: str) -> None:
        """Take a row out, if it is there."""
        for at, row in enumerate(self.rows):
            if row.id == download_id:
                del self.rows[at]
                self.remove_option_at_index(at)
                return

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Ask for more in time."""
        super().watch_scroll_y(old_value, new_value)
        if new_value > old_value and new_value > self.max_scroll_y - self.size.height:
            self.post_message(self.NearEnd())

    def on_resize(self, event: events.Resize) -> None:
        """The columns fill the width."""
        self._lay_out()

    def _lay_out(self) -> None:
        at = self.highlighted
        self.set_options(map(self._option, self.rows))
        self.highlighted = at

    def _option(self, row: DownloadSnapshot) -> Option:
        look = LOOKS[row.status]
        room = max(self.scrollable_content_region.width - _FIXED_WIDTH, 2)
        name = max(room * 5 // 9, 1)
        link = room - name
        where = row.url if link >= _MIN_URL_WIDTH else urlsplit(row.url).hostname or ""
        size = row.bytes_downloaded or None if row.total_bytes is None else row.total_bytes
        when = clock_text(row.finished_at or row.added_at)[:_TIME_WIDTH]
        quiet = self.get_component_rich_style("history--quiet", partial=True)
        text = Text(no_wrap=True, end="")
        style = self.get_component_rich_style(f"history--{look.style}", partial=True)
        text.append(f"{look.glyph} ", style)
        text.append(f"{fit_middle(printable(row.name), name)} ")
        text.append(f"{fit_right(size_text(size), _SIZE_WIDTH)} ")
        text.append(f"{fit(when, _TIME_WIDTH)} {fit(printable(where), link)}", quiet)
        return Option(text)
