"""DetailsPane: show the details of the current download on pages.

`rheo_tui/inspector_pages.py` writes the pages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Console
from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from rheo_tui.actions import first_key
from rheo_tui.inspector_pages import GRAPH_ROWS, PAGES, Inspected, Page

_GRAPHS_SHARE = 3
"""A high pane, divided by this, is the height of its graph."""
_GAP = 1
"""Cells between a page and its scrollbar."""
_COPIED_WIDTH, _MAX_LINE = 80, 10_000
"""Cells of a page that is copied, and of a line in it that is longer, such as a URL."""


class PageBar(Widget):
    """Shows the titles of the pages on one line; a click opens one."""

    COMPONENT_CLASSES: ClassVar = {"pages--current", "pages--plain"}

    @dataclass
    class Chosen(Message):
        """The user clicked a page."""

        page: Page

    def __init__(self, keymap: Mapping[str, str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._keymap = keymap
        self.current = PAGES[0]

    @property
    def _keys(self) -> str:
        turn, close = (first_key(action, self._keymap) for action in ("next_page", "clear"))
        return f"{turn} next page · {close} close"

    def render(self) -> Text:
        """Render the titles; the current one stands out."""
        text = Text(no_wrap=True, end="")
        for page, title in self._titles():
            name = "pages--current" if page is self.current else "pages--plain"
            text.append(title, self.get_component_rich_style(name))
        hint = f"{self._keys} "
        if text.cell_len + len(hint) < self.size.width:
            text.append(
                hint.rjust(self.size.width - text.cell_len),
                self.get_component_rich_style("pages--plain"),
            )
        return text

    def _titles(self) -> list[tuple[Page, str]]:
        """Return the pages with their titles; a narrow pane shows only the current one whole."""
        titles = [(page, f" {page.title} ") for page in PAGES]
        if sum(len(title) for _, title in titles) <= self.size.width:
            return titles
        return [(page, title if page is self.current else title[:4]) for page, title in titles]

    def on_click(self, event: events.Click) -> None:
        """Open the page under the mouse."""
        x = 0
        for page, title in self._titles():
            if x <= event.x < x + len(title):
                self.post_message(self.Chosen(page))
            x += len(title)


class DetailsPane(Vertical):
    """A pane that is hidden until opened. Only changes repaint it."""

    COMPONENT_CLASSES: ClassVar = {
        "details--label",
        "details--bad",
        "details--good",
        "details--title",
        "details--active",
        "details--warning",
    }

    def __init__(self, keymap: Mapping[str, str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._keymap = keymap
        self._seen: object = None
        self._shown: Inspected | None = None

    def compose(self) -> ComposeResult:
        """Create the titles of the pages and the text."""
        yield PageBar(self._keymap, id="details-pages")
        with VerticalScroll(id="details-scroll", can_focus=False):
            yield Static(id="details-text", markup=False)

    @property
    def page(self) -> Page:
        """The page that is open."""
        return self.query_one(PageBar).current

    @property
    def text(self) -> str:
        """The open page as plain text, without broken lines; "" if it shows no download."""
        if self._shown is None:
            return ""
        page = self.page.render(self._shown, lambda _: Style(), _COPIED_WIDTH)
        console = Console(width=_MAX_LINE, color_system=None)
        with console.capture() as captured:
            console.print(page)
        return "\n".join(line.rstrip() for line in captured.get().splitlines())

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Names and values of the fields on the open page; none for a page without fields."""
        if self._shown is None:
            return []
        facts = self.page.facts(self._shown, lambda _: Style())
        return [(name, value.plain) for name, value in facts if name]

    def show(self, seen: Inspected | None) -> None:
        """Show a download, or a hint that none is selected."""
        before, self._shown = self._shown, seen
        self._update()
        if seen is not None and (before is None or before.row.id != seen.row.id):
            self.page_scroll.scroll_home(animate=False)

    def open_page(self, page: Page) -> None:
        """Open a page."""
        bar = self.query_one(PageBar)
        bar.current = page
        bar.refresh()
        self.page_scroll.scroll_home(animate=False)
        self._update()

    def turn(self, by: int) -> None:
        """Open the next page, or the previous one for -1."""
        self.open_page(PAGES[(PAGES.index(self.page) + by) % len(PAGES)])

    @property
    def page_scroll(self) -> VerticalScroll:
        """The part that scrolls: the open page."""
        return self.query_one("#details-scroll", VerticalScroll)

    def on_page_bar_chosen(self, event: PageBar.Chosen) -> None:
        """Open the page that was clicked."""
        event.stop()
        self.open_page(event.page)

    def on_resize(self) -> None:
        """Fit the page to another width."""
        self._update()

    def notify_style_update(self) -> None:
        """Build the text again after a change of theme, because it contains colours."""
        super().notify_style_update()
        self._seen = None

    def _update(self) -> None:
        width, height = self.page_scroll.scrollable_content_region.size
        width -= _GAP
        seen = (self._shown, self.page, width, height)
        if seen == self._seen or width < 1:
            return
        self._seen = seen
        text = self.query_one("#details-text", Static)
        if self._shown is None:
            text.update("No download selected.")
        else:
            rows = max(GRAPH_ROWS, height // _GRAPHS_SHARE)
            shown = self._shown._replace(keymap=self._keymap, graph_rows=rows)
            text.update(self.page.render(shown, self._style, width))

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"details--{name}", partial=True)
