"""TabBar: show the tabs and their counts on one line."""

from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.message import Message
from textual.widget import Widget

from rheo_core.domain import DownloadStats
from rheo_tui.tabs import ALL, MORE, Tab, tab_text, tabs_in


class TabBar(Widget):
    """Shows the tabs that fit; a click opens one.

    In a narrow terminal, lines between them replace the blanks around them.
    """

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
        """Render the tabs; failed and running downloads have a colour."""
        style = self.get_component_rich_style
        (tabs, is_cut), text = self._tabs(), Text(no_wrap=True, end="")
        pad, line = (" ", " ") if self._is_wide(tabs) else ("", "│")
        for tab, count in tabs:
            is_empty = count == "0"
            shown = f"{pad}{tab_text(tab, count)}{pad}"
            text.append(line if text else " ", style("tabs--quiet"))
            if tab == self._current:
                text.append(shown, style("tabs--current"))
            else:
                look = style("tabs--quiet" if is_empty else f"tabs--{tab.style}")
                after_key = len(pad) + 2
                text.append(shown[:after_key], style("tabs--key"))
                text.append(shown[after_key:], look)
        if is_cut:
            text.append(line + MORE, style("tabs--quiet"))
        return text

    def _tabs(self) -> tuple[list[tuple[Tab, str]], bool]:
        return tabs_in(self.size.width - 1, self._stats, self._current, self._own)

    def _is_wide(self, tabs: list[tuple[Tab, str]]) -> bool:
        """Return True if the tabs fit with blanks around them."""
        return sum(cell_len(tab_text(*each)) + 3 for each in tabs) < self.size.width

    def on_click(self, event: events.Click) -> None:
        """Open the tab under the mouse."""
        tabs, _ = self._tabs()
        x, blanks = 1, 2 if self._is_wide(tabs) else 0
        for tab, count in tabs:
            width = cell_len(tab_text(tab, count)) + blanks
            if x <= event.x < x + width:
                self.post_message(self.Chosen(tab))
            x += width + 1
