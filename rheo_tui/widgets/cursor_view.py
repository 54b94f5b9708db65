"""CursorView: a list of lines with a cursor, moved by keys and clicks."""

from dataclasses import dataclass
from typing import ClassVar, TypeVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from .line_view import LineView

T = TypeVar("T")


class CursorView(LineView[T], can_focus=True):
    """Shows items, one per line; the line under the cursor has a bar at its first cell."""

    COMPONENT_CLASSES: ClassVar = {"lines--titles", "lines--cursor", "lines--bar"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", id="cursor_up"),
        Binding("down,j", "move(1)", "Down", id="cursor_down"),
        Binding("pageup", "page(-1)", "Page up", id="page_up"),
        Binding("pagedown", "page(1)", "Page down", id="page_down"),
        Binding("home,g", "first", "First", id="first"),
        Binding("end,G", "last", "Last", id="last"),
    ]

    cursor: reactive[int] = reactive(0, repaint=False)

    @dataclass
    class CursorMoved(Message):
        """Another line is under the cursor."""

        def can_replace(self, message: Message) -> bool:
            """Return True for another message of this kind, because only the last one matters."""
            return isinstance(message, CursorView.CursorMoved)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._follows = False

    @property
    def current(self) -> T | None:
        """Line under the cursor, or None."""
        return self._items[self.cursor] if self.cursor < len(self._items) else None

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a line."""
        return max(0, min(cursor, len(self._items) - 1))

    def watch_cursor(self) -> None:
        """Draw the cursor at its new place."""
        self.refresh()
        self._scroll_to_cursor()
        self.post_message(self.CursorMoved())

    def _scroll_to_cursor(self) -> None:
        top, height = self.scroll_offset.y, max(self.size.height, 1)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, immediate=True)

    def on_resize(self) -> None:
        """Keep the cursor visible."""
        self._scroll_to_cursor()

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.cursor += by

    def action_page(self, by: int) -> None:
        """Move the cursor by screens."""
        self.cursor += by * max(self.size.height, 1)

    def action_first(self) -> None:
        """Move the cursor to the first line."""
        self.cursor = 0

    def action_last(self) -> None:
        """Move the cursor to the last line."""
        self.cursor = len(self._items) - 1

    def line_at(self, event: events.Click) -> int | None:
        """Return the number of the clicked line; None outside all lines."""
        offset = event.get_content_offset(self)
        at = None if offset is None else self.scroll_offset.y + offset.y
        return at if at is not None and at < len(self._items) else None

    def on_focus(self) -> None:
        """Show the cursor as active."""
        self.refresh()

    def on_blur(self) -> None:
        """Show the cursor as inactive."""
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Render one line; the line under the cursor has its own style."""
        strip = super().render_line(y)
        if self.scroll_offset.y + y != self.cursor or not self._items or not self.has_focus:
            return strip
        # Over the styles of the parts, which have a background already.
        cursor = self.get_component_rich_style("lines--cursor", partial=True)
        parts = [Segment(part.text, part.style and part.style + cursor) for part in strip]
        strip = Strip(parts, strip.cell_length)
        bar = Strip([Segment("▌", self.get_component_rich_style("lines--bar"))])
        return Strip.join([bar, strip.crop(1)])
