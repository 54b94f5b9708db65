"""LineView: a scrolling view that renders only the visible lines."""

from collections.abc import Sequence
from typing import Generic, TypeVar

from rich.text import Text
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

T = TypeVar("T")


class LineView(ScrollView, Generic[T], can_focus=False):
    """Shows items, one per line, cut at the right edge. Markup is never parsed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._items: Sequence[T] = ()
        self._follows = True
        self._size_shown = Size()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Stop auto-follow when the user scrolls up; resume it at the end."""
        super().watch_scroll_y(old_value, new_value)
        if self.size != self._size_shown:
            return  # a new height moves the lines, not the user
        if new_value >= self.max_scroll_y:
            self._follows = True
        elif new_value < old_value:
            self._follows = False

    def on_resize(self) -> None:
        """Stay at the end during auto-follow."""
        self._size_shown = self.size
        if self._follows:
            self.scroll_end(animate=False, immediate=True)

    def text_of(self, item: T) -> Text:
        """Return the line for an item."""
        raise NotImplementedError

    def show(self, items: Sequence[T], *, to_end: bool = False) -> None:
        """Replace all lines; `to_end` scrolls to the last one during auto-follow."""
        self._items = items
        self.virtual_size = Size(1, len(items))
        self.refresh()
        if to_end and self._follows:
            # The new height is known only after the next layout.
            self.call_after_refresh(self.scroll_end, animate=False, immediate=True)

    def render_line(self, y: int) -> Strip:
        """Render one line in the widget's own style."""
        width = self.scrollable_content_region.width
        index = self.scroll_offset.y + y
        base = self.rich_style
        if index >= len(self._items):
            return Strip.blank(width, base)
        text = self.text_of(self._items[index])
        text.truncate(width, overflow="ellipsis")
        segments = list(text.render(self.app.console))
        strip = Strip([segment for segment in segments if segment.text])
        return Strip(list(strip.apply_style(base))).adjust_cell_length(width, base)
