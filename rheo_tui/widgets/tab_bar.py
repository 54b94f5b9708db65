"""TabBar: show the tabs and their counts on one line."""

from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widget import Widget

from rheo_core.domain import DownloadStats
from rheo_tui.tabs import ALL, Tab, tab_text, tab_width, tabs_in

_KEY_CELLS = 3
"""Cells of the number at the beginning of a tab."""


class TabBar(Widget):
    """Shows the tabs that fit; a click opens one."""

    COMPONENT_CLASSES: ClassVar = {
        "tabs--key",
        "tabs--current",
        "tabs--plain",
        "tabs--active",
        "tabs--failed",
        "tabs--paused",
        "tabs--done",
        "tabs--quiet",
    }

    @dataclass
    class Chosen(Message):
        """The user clicked a tab."""

        tab: Tab

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._stats = DownloadStats()
        self._current = ALL
        self._own: dict[Tab, int] = {}

    def show(self, stats: DownloadStats, current: Tab, own: dict[Tab, int] | None = None) -> None:
        """Show the counts, the tab that is open, and the user's tabs with their counts."""
        own = own or {}
        if (stats, current, own) != (self._stats, self._current, self._own):
            self._stats, self._current, self._own = stats, current, own
            self.refresh()

    def render(self) -> Text:
        """Render the tabs; what is broken and what runs has a colour."""
        style = self.get_component_rich_style
        text = Text(" ", no_wrap=True, end="")
        for tab, count in self._tabs():
            is_empty = count == "0"
            shown = tab_text(tab, count)
            if tab == self._current:
                text.append(shown, style("tabs--current"))
            else:
                look = style("tabs--quiet" if is_empty else f"tabs--{tab.style}")
                text.append(shown[:_KEY_CELLS], style("tabs--key"))
                text.append(shown[_KEY_CELLS:], look)
            text.append(" ")
        return text

    def _tabs(self) -> list[tuple[Tab, str]]:
        return tabs_in(self.size.width - 1, self._stats, self._current, self._own)

    def on_click(self, event: events.Click) -> None:
        """Open the tab under the mouse."""
        x = 1
        for tab, count in self._tabs():
            width = tab_width(tab, count)
            if x <= event.x < x + width:
                self.post_message(self.Chosen(tab))
            x += width
