"""LogPane: show the latest events, newest at the bottom."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from rich.text import Text
from textual.strip import Strip

from rheo_tui.formatting import count_text, fit_middle
from rheo_tui.services.event_log import EventLog, LogLine

from .line_view import LineView

_MIN_NAME_WIDTH, _MAX_NAME_WIDTH = 12, 36
_MIN_TEXT_WIDTH = 24
"""Minimum cells for wrapping a text; with fewer cells, it is cut."""
_TIME_WIDTH, _GAP = 10, 2
_MIN_FOLDED = 4
_NOTHING = "Nothing has happened yet."
_CONSOLE = Console()


class _Part(NamedTuple):
    """A part of a line that is as wide as the pane."""

    line: LogLine
    text: str
    is_first: bool


class LogPane(LineView[_Part], can_focus=True):
    """Shows an `EventLog`, with long lines wrapped; `update_lines` shows its new lines."""

    COMPONENT_CLASSES: ClassVar = {
        "log--time",
        "log--info",
        "log--good",
        "log--warning",
        "log--bad",
        "log--name",
    }

    def __init__(self, event_log: EventLog, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._event_log = event_log
        self._seen = 0
        self.border_title = " Log · not saved to a file "

    def render_line(self, y: int) -> Strip:
        """Render a line; the first one says so if there are none."""
        if self._items or y:
            return super().render_line(y)
        strip = Strip([Segment(_NOTHING, self.get_component_rich_style("log--time"))])
        return strip.adjust_cell_length(self.scrollable_content_region.width, self.rich_style)

    def update_lines(self) -> None:
        """Show new lines, if there are any and the pane is visible."""
        if self.display and self._seen != self._event_log.written:
            self._seen = self._event_log.written
            self.show(tuple(self._parts()), to_end=True)

    def on_resize(self) -> None:
        """Wrap the lines again."""
        self.show(tuple(self._parts()))
        super().on_resize()

    @property
    def _name_width(self) -> int:
        return max(_MIN_NAME_WIDTH, min(self.size.width * 2 // 7, _MAX_NAME_WIDTH))

    def _parts(self) -> Iterator[_Part]:
        whole = self.scrollable_content_region.width - _TIME_WIDTH
        beside_name = whole - self._name_width - _GAP
        for line in _folded(self._event_log.lines):
            for at, text in enumerate(_wrapped(line.text, beside_name if line.name else whole)):
                yield _Part(line, text, not at)

    @property
    def _top(self) -> _Part | None:
        at = self.scroll_offset.y
        return self._items[at] if at < len(self._items) else None

    def text_of(self, part: _Part) -> Text:
        """Return time, name and event. A wrapped line has them once, in its first visible row."""
        is_named = part.is_first or part is self._top
        style = self.get_component_rich_style
        text, line = Text(no_wrap=True, end=""), part.line
        clock = datetime.fromtimestamp(line.time).strftime("%H:%M:%S") if is_named else ""
        text.append(clock.ljust(_TIME_WIDTH), style("log--time", partial=True))
        if line.name:
            name = fit_middle(line.name if is_named else "", self._name_width)
            text.append(name + " " * _GAP, style("log--name", partial=True))
        text.append(part.text, style(f"log--{line.level}", partial=True))
        return text


def _folded(lines: Iterable[LogLine]) -> Iterator[LogLine]:
    """Yield one line for consecutive lines that report the same about several downloads.

    Failures stay separate, because their names matter.
    """
    for _, run in groupby(lines, key=lambda line: (line.text, bool(line.download_id))):
        same = list(run)
        if len(same) < _MIN_FOLDED or not same[0].download_id or same[0].level == "bad":
            yield from same
        else:
            yield replace(same[-1], name=count_text(len(same)), download_id="")


@lru_cache(maxsize=EventLog.MAX_LINES)
def _wrapped(text: str, width: int) -> tuple[str, ...]:
    if width < _MIN_TEXT_WIDTH or len(text) * 2 <= width or cell_len(text) <= width:
        return (text,)
    return tuple(line.plain for line in Text(text).wrap(_CONSOLE, width))
