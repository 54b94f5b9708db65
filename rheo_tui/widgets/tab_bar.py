"""TabBar: the tabs of the list with their counts, on one line."""

from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widget import Widget

from rheo_core.domain import DownloadStats
from rheo_tui.tabs import ALL, Tab, tab_width, tabs_in


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

    def show(self, stats: DownloadStats, current: Tab) -> None:
        """Show the counts and the tab that is open."""
        if (stats, current) != (self._stats, self._current):
            self._stats, self._current = stats, current
            self.refresh()

    def render(self) -> Text:
        """Render the tabs; what is broken and what runs has a colour."""
        style = self.get_component_rich_style
        text = Text(" ", no_wrap=True, end="")
        for tab, count in self._tabs():
            is_empty = count == "0"
            if tab is self._current:
                text.append(f" {tab.key} {tab.title} {count} ", style("tabs--current"))
            else:
                look = style("tabs--quiet" if is_empty else f"tabs--{tab.style}")
                text.append(f" {tab.key} ", style("tabs--key"))
                text.append(f"{tab.title} {count} ", look)
            text.append(" ")
        return text

    def _tabs(self) -> list[tuple[Tab, str]]:
        return tabs_in(self.size.width - 1, self._stats, self._current)

    def on_click(self, event: events.Click) -> None:
        """Open the tab under the mouse."""
        x = 1
        for tab, count in self._tabs():
            width = tab_width(tab, count)
            if x <= event.x < x + width:
                self.post_message(self.Chosen(tab))
            x += width
