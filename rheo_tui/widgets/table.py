"""The queue table: draws only the rows that are seen, and of those only what looks different."""

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
from rheo_tui.listing import Listing
from rheo_tui.statuses import Waiting, status_text

from .row import RowPainter, RowStyles, columns_in, header_line, hint_line

_HEADER_LINES = 1
_STATUS_STYLES = (
    "queued", "active", "retrying", "paused", "done", "failed", "skipped", "cancelled",
)  # fmt: skip
_EMPTY = (
    "Nothing to download yet",
    "",
    "Press a to add links, o to load a list,",
    "or just paste links here.",
)
_EMPTY_READ_ONLY = ("Nothing in this list yet", "", "What its owner adds appears here.")


class DownloadTable(ScrollView, can_focus=True, inherit_bindings=False):
    """Shows a `Listing`. Line 0 is the header and stays; rows scroll below it."""

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
        """Another row is current, or the current row is another one."""

        row: DownloadSnapshot | None

        def can_replace(self, message: Message) -> bool:
            """Only the last one counts."""
            return isinstance(message, DownloadTable.CursorMoved)

    @dataclass
    class Activated(Message):
        """The current row was double-clicked."""

    @dataclass
    class Marked(Message):
        """A click set or took away a mark."""

    @dataclass
    class SortRequested(Message):
        """A column's title was clicked."""

        column: Column

    def __init__(self, listing: Listing, *, read_only: bool = False, id: str | None = None) -> None:
        self._drawn: dict[int, Strip] = {}  # what the screen shows, by line
        self._drawn_for = (Size(), 0)  # the sizes that this holds for
        super().__init__(id=id)
        self.listing = listing
        self._empty = _EMPTY_READ_ONLY if read_only else _EMPTY
        self._strips: LRUCache[tuple[object, ...], Strip] = LRUCache(maxsize=1024)
        self._painter: RowPainter | None = None
        self._waiting = Waiting()
        self._current_id: str | None = None

    # What is shown

    @property
    def current(self) -> DownloadSnapshot | None:
        """The row under the cursor."""
        return self.listing.row_at(self.cursor)

    @property
    def page_size(self) -> int:
        """Rows that fit."""
        return max(1, self.size.height - _HEADER_LINES)

    def on_mount(self) -> None:
        """Countdowns and volatile orders go on once a second."""
        self.set_interval(1.0, self._tick)

    def apply(self, snapshot: Snapshot) -> list[int]:
        """Take over what changed and repaint only that; gives positions that changed."""
        had_rows = bool(self.listing.rows)
        change = self.listing.apply(snapshot)
        waiting = Waiting.now(snapshot)
        waiting_changed, self._waiting = waiting != self._waiting, waiting
        if change.order or had_rows != bool(self.listing.rows):
            self._reordered()
        else:
            self._refresh_rows(change.rows)
            if waiting_changed:
                self._refresh_rows(self._visible_with(DownloadStatus.QUEUED))
        return change.rows

    def rebuild(self) -> None:
        """Filter and sort anew, after one of them was changed; the cursor keeps its row."""
        self.listing.rebuild()
        self._reordered()
        self._scroll_to_cursor()

    def status_of(self, row: DownloadSnapshot) -> str:
        """State and reason of `row` in words."""
        return status_text(row, self._waiting, time.time())

    def _reordered(self) -> None:
        was_visible = self._is_visible(self.cursor)
        self.virtual_size = Size(1, len(self.listing.shown) + _HEADER_LINES)
        position = self.listing.position(self._current_id) if self._current_id else None
        last = max(0, len(self.listing.shown) - 1)
        self.set_reactive(
            DownloadTable.cursor, min(self.cursor, last) if position is None else position
        )
        self._announce()
        if was_visible:
            self._scroll_to_cursor()
        self.refresh()

    def _tick(self) -> None:
        if self.listing.stale:
            self.listing.rebuild()
            self._reordered()
        else:
            self._refresh_rows(self._visible_with(DownloadStatus.RETRYING))

    def _visible_positions(self) -> range:
        first = self.scroll_offset.y
        return range(first, min(first + self.page_size, len(self.listing.shown)))

    def _visible_with(self, status: DownloadStatus) -> list[int]:
        rows = self.listing.rows
        shown = self.listing.shown
        return [at for at in self._visible_positions() if rows[shown[at]].status is status]

    def _is_visible(self, position: int) -> bool:
        return position in self._visible_positions()

    def _refresh_rows(self, positions: Iterable[int]) -> None:
        """Draw those again that are seen and look different: most of the work is the drawing."""
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
        """Keep it on a row."""
        return max(0, min(cursor, len(self.listing.shown) - 1))

    def watch_cursor(self, old: int, new: int) -> None:
        """Repaint the two rows concerned."""
        self._refresh_rows((old, new))
        self._announce()
        self._scroll_to_cursor()

    def go(self, action_id: str) -> None:
        """Carry out one of the actions that move the cursor."""
        last = len(self.listing.shown) - 1
        self.cursor = {
            "cursor_up": self.cursor - 1,
            "cursor_down": self.cursor + 1,
            "page_up": self.cursor - self.page_size,
            "page_down": self.cursor + self.page_size,
            "first": 0,
            "last": last,
        }[action_id]

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
        """The cursor stays in sight."""
        self._scroll_to_cursor()

    # Mouse

    def on_click(self, event: events.Click) -> None:
        """Title: sort. First cell: mark. Row: select; twice: details."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y < _HEADER_LINES:
            if (column := self._column_at(offset.x)) is not None:
                self.post_message(self.SortRequested(column))
            return
        position = self.scroll_offset.y + offset.y - _HEADER_LINES
        row = self.listing.row_at(position)
        if row is None:
            return
        self.cursor = position
        if offset.x < GAP + 1:
            self.listing.toggle_mark(row.id)
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
        """Another theme: everything is painted anew."""
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
        """The cursor row looks different without focus."""
        self._restyle()

    def on_blur(self) -> None:
        """The cursor row looks different without focus."""
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
        """Have these regions drawn anew, or everything."""
        for y in [y for region in regions for y in region.line_range] or list(self._drawn):
            self._drawn.pop(y, None)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of `crop`, without padding, borders and tints, of which there are none here.

        Textual's own way makes new strips to apply them, and a strip that stays keeps what was
        worked out of it: that is most of the cost of a line.
        """
        filters, (_, background) = self.get_line_filters(), self.background_colors
        base = self._painter_now.styles.base
        # The bar has its place in any case, and draws there only while it is shown.
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
        """The header, a row, a line of the hint, or nothing."""
        styles, width = self._painter_now.styles, self._width
        if not self.listing.shown:
            return hint_line(self._hint(), y, self.size.height, width, styles)
        if y < _HEADER_LINES:
            return header_line(self.listing.sort, width, styles)
        position = self.scroll_offset.y + y - _HEADER_LINES
        if position >= len(self.listing.shown):
            return Strip.blank(width, styles.base)
        return self._row_line(position, width)

    def _row_line(self, position: int, width: int) -> Strip:
        row = self.listing.rows[self.listing.shown[position]]
        cursor = position == self.cursor
        marked = row.id in self.listing.marked
        status = self.status_of(row)
        key = (row.id, self.listing.revisions[row.id], width, cursor, marked, status)
        strip = self._strips.get(key)
        if strip is None:
            strip = self._painter_now.paint(row, width, marked=marked, cursor=cursor, status=status)
            self._strips[key] = strip
        return strip

    def _hint(self) -> tuple[str, ...]:
        if not self.listing.rows:
            return self._empty
        needle = printable(self.listing.filter.needle)
        return (f"No name or link contains “{needle}”", "", "Esc shows all downloads again.")
