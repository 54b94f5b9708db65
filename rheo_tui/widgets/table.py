"""DownloadTable: draws only visible rows, and of those only the ones that look different."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Self

from textual import events
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from rheo_core.domain import DownloadSnapshot, DownloadStatus, Snapshot
from rheo_core.domain.text import printable
from rheo_tui.columns import GAP, Column
from rheo_tui.statuses import Waiting, status_text
from rheo_tui.table_model import TableModel

from .row import RowPainter, RowStyles, columns_in, header_line, hint_line

_HEADER_LINES = 1
_STATUS_STYLES = (
    "queued", "active", "retrying", "paused", "done", "failed", "skipped", "cancelled",
)  # fmt: skip
_EMPTY = (
    "Nothing to download yet",
    "",
    "Press a to add links, o to load a list,",
    "or paste links here.",
)
_EMPTY_READ_ONLY = ("No downloads yet", "", "Downloads that the other process adds appear here.")


class DownloadTable(ScrollView, can_focus=True, inherit_bindings=False):
    """Shows a `TableModel`. Line 0 is the header and does not scroll."""

    COMPONENT_CLASSES: ClassVar = {
        "table--header",
        "table--cursor",
        "table--cursor-blurred",
        "table--mark",
        "table--quiet",
        "table--track",
        "table--done-bar",
        *(f"table--{style}" for style in _STATUS_STYLES),
    }

    cursor: reactive[int] = reactive(0, repaint=False)

    @dataclass
    class CursorMoved(Message):
        """Another download is current."""

        row: DownloadSnapshot | None

        def can_replace(self, message: Message) -> bool:
            """Return True for another message of this kind; only the last one counts."""
            return isinstance(message, DownloadTable.CursorMoved)

    @dataclass
    class Activated(Message):
        """The user double-clicked the current row."""

    @dataclass
    class Marked(Message):
        """Rows were marked or unmarked."""

    @dataclass
    class SortRequested(Message):
        """The user clicked the title of a column."""

        column: Column

    def __init__(
        self, model: TableModel, *, read_only: bool = False, id: str | None = None
    ) -> None:
        self._drawn: dict[int, Strip] = {}  # the strips on the screen, by line
        self._drawn_for = (Size(), 0)  # the sizes for which they were drawn
        super().__init__(id=id)
        self.model = model
        self._empty = _EMPTY_READ_ONLY if read_only else _EMPTY
        self._strips: LRUCache[tuple[object, ...], Strip] = LRUCache(maxsize=1024)
        self._painter: RowPainter | None = None
        self._waiting = Waiting()
        self._current_id: str | None = None

    # Rows

    @property
    def current(self) -> DownloadSnapshot | None:
        """Row under the cursor, or None."""
        return self.model.row_at(self.cursor)

    @property
    def page_size(self) -> int:
        """Number of rows that fit."""
        return max(1, self.size.height - _HEADER_LINES)

    def on_mount(self) -> None:
        """Update countdowns and volatile orders once a second."""
        self.set_interval(1.0, self._tick)

    def apply(self, snapshot: Snapshot) -> list[int]:
        """Apply a snapshot, repaint only its changes and return their positions."""
        had_rows = bool(self.model.rows)
        change = self.model.apply(snapshot)
        waiting = Waiting.now(snapshot)
        waiting_changed, self._waiting = waiting != self._waiting, waiting
        if change.order or had_rows != bool(self.model.rows):
            self._reordered()
        else:
            self._refresh_rows(change.rows)
            if waiting_changed:
                self._refresh_rows(self._visible_with(DownloadStatus.QUEUED))
        return change.rows

    def rebuild(self) -> None:
        """Filter and sort again after a change of either; the cursor keeps its row."""
        self.model.rebuild()
        self._reordered()
        self._scroll_to_cursor()

    def status_of(self, row: DownloadSnapshot) -> str:
        """Return status and reason of `row` in words."""
        return status_text(row, self._waiting, time.time())

    def _reordered(self) -> None:
        was_visible = self._is_visible(self.cursor)
        self.virtual_size = Size(1, len(self.model.shown) + _HEADER_LINES)
        position = self.model.position(self._current_id) if self._current_id else None
        last = max(0, len(self.model.shown) - 1)
        self.set_reactive(
            DownloadTable.cursor, min(self.cursor, last) if position is None else position
        )
        self._announce()
        if was_visible:
            self._scroll_to_cursor()
        self.refresh()

    def _tick(self) -> None:
        if self.model.stale:
            self.model.rebuild()
            self._reordered()
        else:
            self._refresh_rows(self._visible_with(DownloadStatus.RETRYING))

    def _visible_positions(self) -> range:
        first = self.scroll_offset.y
        return range(first, min(first + self.page_size, len(self.model.shown)))

    def _visible_with(self, status: DownloadStatus) -> list[int]:
        rows = self.model.rows
        shown = self.model.shown
        return [at for at in self._visible_positions() if rows[shown[at]].status is status]

    def _is_visible(self, position: int) -> bool:
        return position in self._visible_positions()

    def _refresh_rows(self, positions: Iterable[int]) -> None:
        """Draw visible rows that look different; drawing is most of the work."""
        visible = self._visible_positions()
        top = self.scroll_offset.y - _HEADER_LINES
        width = self._width
        regions = [
            Region(0, position - top, self.size.width, 1)
            for position in positions
            if position in visible
            and self._row_line(position, width) != self._drawn.get(position - top)
        ]
        if regions:
            self.refresh(*regions)

    # The cursor

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a row."""
        return max(0, min(cursor, len(self.model.shown) - 1))

    def watch_cursor(self, old: int, new: int) -> None:
        """Repaint the old and the new row."""
        self._refresh_rows((old, new))
        self._announce()
        self._scroll_to_cursor()

    # Handlers of actions

    def do_cursor_up(self) -> None:
        """Move the cursor one row up."""
        self.cursor -= 1

    def do_cursor_down(self) -> None:
        """Move the cursor one row down."""
        self.cursor += 1

    def do_page_up(self) -> None:
        """Move the cursor one screen up."""
        self.cursor -= self.page_size

    def do_page_down(self) -> None:
        """Move the cursor one screen down."""
        self.cursor += self.page_size

    def do_first(self) -> None:
        """Move the cursor to the first row."""
        self.cursor = 0

    def do_last(self) -> None:
        """Move the cursor to the last row."""
        self.cursor = len(self.model.shown) - 1

    def do_mark(self) -> None:
        """Mark or unmark the current row and move to the next."""
        if self.current:
            self.model.toggle_mark(self.current.id)
            self.cursor += 1
            self.post_message(self.Marked())

    def do_mark_all(self) -> None:
        """Mark all rows shown; unmark those that were marked."""
        self.model.invert_marks()
        self.post_message(self.Marked())

    # The cursor's place

    def _announce(self) -> None:
        row = self.current
        row_id = row.id if row else None
        if row_id != self._current_id:
            self._current_id = row_id
            self.post_message(self.CursorMoved(row))

    def _scroll_to_cursor(self) -> None:
        top = self.scroll_offset.y
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + self.page_size:
            self.scroll_to(y=self.cursor - self.page_size + 1, animate=False)

    def on_resize(self) -> None:
        """Keep the cursor visible."""
        self._scroll_to_cursor()

    # Mouse

    def on_click(self, event: events.Click) -> None:
        """Sort on a title, mark on the first cell, select a row; a double click activates it."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y < _HEADER_LINES:
            if (column := self._column_at(offset.x)) is not None:
                self.post_message(self.SortRequested(column))
            return
        position = self.scroll_offset.y + offset.y - _HEADER_LINES
        row = self.model.row_at(position)
        if row is None:
            return
        self.cursor = position
        if offset.x < GAP + 1:
            self.model.toggle_mark(row.id)
            self.post_message(self.Marked())
        elif event.chain == 2:
            self.post_message(self.Activated())

    def _column_at(self, x: int) -> Column | None:
        for place in columns_in(self._width):
            if place.x <= x <= place.x + place.width and place.column.id != "mark":
                return place.column
        return None

    # Painting

    @property
    def _width(self) -> int:
        return self.scrollable_content_region.width

    def notify_style_update(self) -> None:
        """Paint everything again after a change of theme."""
        super().notify_style_update()
        self._painter = None
        self._strips.clear()
        self._drawn.clear()

    @property
    def _painter_now(self) -> RowPainter:
        if self._painter is None:
            self._painter = RowPainter(self._styles_now())
        return self._painter

    def _styles_now(self) -> RowStyles:
        cursor = "cursor" if self.has_focus else "cursor-blurred"
        get = self.get_component_rich_style
        return RowStyles(
            base=self.rich_style,
            header=get("table--header"),
            cursor=get(f"table--{cursor}", partial=True),
            mark=get("table--mark"),
            quiet=get("table--quiet"),
            track=get("table--track"),
            done_bar=get("table--done-bar"),
            by_status={name: get(f"table--{name}") for name in _STATUS_STYLES},
        )

    def on_focus(self) -> None:
        """Restyle the cursor row, which depends on the focus."""
        self._restyle()

    def on_blur(self) -> None:
        """Restyle the cursor row, which depends on the focus."""
        self._restyle()

    def _restyle(self) -> None:
        self._painter = None
        self._strips.clear()
        self.refresh()

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> Self:
        """Draw these regions again, or everything."""
        for y in [y for region in regions for y in region.line_range] or list(self._drawn):
            self._drawn.pop(y, None)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Render the lines of `crop`, without padding, borders and tints, because none are used.

        Textual's own method makes new strips to apply them. A strip that is reused keeps its
        computed values, which are most of the cost of a line.
        """
        filters, (_, background) = self.get_line_filters(), self.background_colors
        base = self._painter_now.styles.base
        # The scrollbar's space is reserved; it draws there only while it is visible.
        width = self.size.width if not self.show_vertical_scrollbar else self._width
        if self._drawn_for != (now := (self.size, self._width)):
            self._drawn_for = now
            self._drawn.clear()
        strips = []
        for y in crop.line_range:
            strip = self._drawn.get(y)
            if strip is None:
                strip = self._drawn[y] = self.render_line(y)
            strip = strip.adjust_cell_length(width, base)
            for line_filter in filters:
                strip = strip.apply_filter(line_filter, background)
            strips.append(strip)
        left, right = crop.column_span
        if left > 0 or right < width:
            strips = [strip.crop(left, right) for strip in strips]
        return strips

    def render_line(self, y: int) -> Strip:
        """Render the header, a row, a line of the hint, or a blank line."""
        styles, width = self._painter_now.styles, self._width
        if not self.model.shown:
            return hint_line(self._hint(), y, self.size.height, width, styles)
        if y < _HEADER_LINES:
            return header_line(self.model.sort, width, styles)
        position = self.scroll_offset.y + y - _HEADER_LINES
        if position >= len(self.model.shown):
            return Strip.blank(width, styles.base)
        return self._row_line(position, width)

    def _row_line(self, position: int, width: int) -> Strip:
        row = self.model.rows[self.model.shown[position]]
        cursor = position == self.cursor
        marked = row.id in self.model.marked
        status = self.status_of(row)
        key = (row.id, self.model.revisions[row.id], width, cursor, marked, status)
        strip = self._strips.get(key)
        if strip is None:
            strip = self._painter_now.paint(row, width, marked=marked, cursor=cursor, status=status)
            self._strips[key] = strip
        return strip

    def _hint(self) -> tuple[str, ...]:
        if not self.model.rows:
            return self._empty
        needle = printable(self.model.filter.needle)
        return (f"No name or URL contains “{needle}”", "", "Press Esc to show all downloads.")
