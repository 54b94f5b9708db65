"""DownloadTable: draw the visible downloads, and repaint only rows that changed."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import wrap
from typing import ClassVar, NamedTuple, Self

from rich.segment import Segment
from textual import events
from textual.cache import LRUCache
from textual.color import TRANSPARENT, Color
from textual.filter import LineFilter
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from rheo_core.domain import DownloadSnapshot, DownloadStatus, Snapshot
from rheo_tui.actions import first_key
from rheo_tui.columns import (
    AUTOMATIC,
    COLUMNS,
    Column,
    ColumnChoice,
    Edge,
    Layout,
    layout,
)
from rheo_tui.formatting import size_text
from rheo_tui.list_hint import list_hint
from rheo_tui.status_text import Waiting, countdown_text, status_text
from rheo_tui.table_model import FOLD, TableModel

from .row import (
    RowLook,
    RowPainter,
    RowStyles,
    header_line,
    hint_line,
    left_text,
    status_fits,
)

_MARK_CELLS = 2
"""Cells at the left edge in which a click marks a row."""
_RIGHT_BUTTON = 3
_MIN_TITLED_HEIGHT = 9
_HOLD_SECONDS = 2.0
"""Time after a key in which rows keep their places while they change."""
_RECHECK_SHARE = 0.02
"""Maximum part of the time for a filter by age, because it checks all rows."""
_STEPS_PER_SECOND = 4
"""Steps of the moving piece in the bar of an unknown size."""
_STATUS_STYLES = (
    "queued", "active", "retrying", "paused", "done", "failed", "skipped", "cancelled",
)  # fmt: skip


class _Surface(NamedTuple):
    """The properties of the table for which strips are drawn."""

    size: Size
    width: int  # of a row, cells
    filters: Sequence[LineFilter]
    background: Color


class DownloadTable(ScrollView, can_focus=True, inherit_bindings=False):
    """Shows a `TableModel`. Line 0 is the header and does not scroll."""

    COMPONENT_CLASSES: ClassVar = {
        "table--header",
        "table--cursor",
        "table--cursor-blurred",
        "table--cursor-bar",
        "table--mark",
        "table--hit",
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
            """Return True for another message of this kind, because only the last one matters."""
            return isinstance(message, DownloadTable.CursorMoved)

    @dataclass
    class Activated(Message):
        """The user double-clicked the current row."""

    @dataclass
    class MenuRequested(Message):
        """The user clicked the current row with the right button."""

    @dataclass
    class Marked(Message):
        """Rows were marked or unmarked."""

    @dataclass
    class Following(Message):
        """The cursor follows a download now, or no longer does."""

        hidden: DownloadSnapshot | None = None  # it ended because this row is not shown any more

    @dataclass
    class NotFound(Message):
        """There is no row to go to."""

        sentence: str

    @dataclass
    class SortRequested(Message):
        """The user clicked the title of a column."""

        column: Column

    @dataclass
    class ColumnsChosen(Message):
        """The user has sized a column with the mouse."""

        columns: ColumnChoice

    def __init__(
        self,
        model: TableModel,
        keymap: Mapping[str, str],
        *,
        read_only: bool = False,
        columns: ColumnChoice = AUTOMATIC,
        id: str | None = None,
    ) -> None:
        self._drawn: dict[int, Strip] = {}  # the strips on the screen, by line
        self._surface = _Surface(Size(), 0, (), TRANSPARENT)
        super().__init__(id=id)
        self.model = model
        self._keymap = keymap
        self._is_read_only = read_only
        self._strips: LRUCache[tuple[object, ...], tuple[DownloadSnapshot, Strip]] = LRUCache(
            maxsize=1024
        )
        self._painter: RowPainter | None = None
        self._waiting = Waiting()
        self._current_id: str | None = None
        self._lost_id: str | None = None  # row that was under the cursor until it left the list
        self._held_until = 0.0
        self._is_loading = True  # until the first snapshot, and while more of the list follows
        self._is_starting = True  # until the kept downloads run, or the user acts
        self._recheck_at = 0.0
        self._range_keeps_on = False
        self._pressed: str | None = None  # row on which the mouse button was pressed
        self._has_dragged = False
        self.columns = columns
        self._edge: Edge | None = None  # edge of a title that is dragged

    # Rows

    @property
    def current(self) -> DownloadSnapshot | None:
        """Row under the cursor, or None."""
        return self.model.row_at(self.cursor)

    @property
    def on_fold(self) -> bool:
        """True if the cursor is on the line of the finished downloads."""
        return self.model.id_at(self.cursor) == FOLD

    @property
    def is_marking(self) -> bool:
        """True if the cursor marks rows until the range ends."""
        return self.model.has_range and self._range_keeps_on

    @property
    def is_following(self) -> bool:
        """True if the current download stays under the cursor while it is shown."""
        return self.model.followed is not None

    @property
    def page_size(self) -> int:
        """Number of rows that fit."""
        height = self.size.height
        return max(1, height - _header_lines(height))

    @property
    def _header_lines(self) -> int:
        """Number of lines of titles."""
        return _header_lines(self.size.height)

    def hold(self) -> None:
        """Keep rows in their places, because the user presses keys."""
        self._is_starting = False
        returned, lost, self._lost_id = self.model.hold(), self._lost_id, None
        if returned:
            if lost in returned:  # it was under the cursor a moment ago
                self._current_id = lost
            self._reordered()
        self._held_until = time.monotonic() + _HOLD_SECONDS

    def _release(self) -> None:
        """Let rows move until the next key, because the user has not aimed at one in a new list."""
        self.model.held = False

    def on_mount(self) -> None:
        """Update countdowns and volatile orders once a second."""
        self.set_interval(1.0, self._tick)

    def apply(self, snapshot: Snapshot) -> None:
        """Apply a snapshot and repaint only its changes."""
        was_loading, self._is_loading = self._is_loading, snapshot.is_loading
        priorities_differed = self.model.totals.priorities_differ
        change = self.model.apply(snapshot)
        waiting = Waiting.now(snapshot)
        waiting_changed, self._waiting = waiting != self._waiting, waiting
        if (
            change.order
            or was_loading
            or priorities_differed != self.model.totals.priorities_differ
        ):
            self._reordered()
        else:
            model, visible = self.model, self._visible_positions()
            self._refresh_rows([at for at in visible if model.id_at(at) in change.rows])
            if waiting_changed:
                self._refresh_rows(self._visible_with(DownloadStatus.QUEUED))
        stats = snapshot.stats
        if not snapshot.is_loading and (not stats.queued or stats.in_progress >= snapshot.slots):
            self._is_starting = False

    def resort(self) -> None:
        """Sort again after a change of the order; the cursor keeps its row."""
        self._release()
        self.model.rebuild()
        self._reordered()
        self._scroll_to_cursor()

    def refilter(self) -> None:
        """Filter again after a change of the filter or the tab.

        The cursor keeps its row, or goes to the first one if that is not shown.
        """
        self._release()
        self.model.refilter()
        if self.model.position(self._current_id or FOLD) is None:
            self.set_reactive(DownloadTable.cursor, 0)
        self._restyle()  # other parts of the names are highlighted
        self._reordered()
        self._scroll_to_cursor()

    def status_of(self, row: DownloadSnapshot) -> str:
        """Return status and reason of `row` in words, without facts that the details show."""
        is_running = row.status is DownloadStatus.IN_PROGRESS
        columns = COLUMNS if is_running else {}
        return status_text(row, self._waiting, time.time(), columns).full

    def _reordered(self) -> None:
        """Keep the cursor on its row, and the row on its line of the screen.

        While the app starts, it stays at the top, because kept downloads that start go there.
        """
        self._end_following_hidden()
        line = self.cursor - self.scroll_offset.y if self._is_visible(self.cursor) else None
        was_at_top = self.scroll_offset.y == 0
        self.virtual_size = Size(1, self.model.lines + self._header_lines)
        known = self._current_id is not None and not self._is_starting
        position = self.model.position(self._current_id or FOLD) if known else None
        if known and position is None:
            self._lost_id = self._current_id
        position = self._near(self.cursor) if position is None else position
        self.set_reactive(DownloadTable.cursor, position)
        self._announce()
        if line is not None or self.is_following:
            if line is not None and not was_at_top:
                self.scroll_to(y=max(0, self.cursor - line), animate=False)
            self._scroll_to_cursor()
        self._refresh_lines()

    def _near(self, position: int) -> int:
        """Return a position that exists; not the fold, where a key acts on many downloads."""
        position = max(0, min(position, self.model.lines - 1))
        return position - 1 if self.model.id_at(position) == FOLD else position

    def _refresh_lines(self) -> None:
        """Draw all changed lines, because rows may have moved anywhere."""
        self._repaint({y: self.render_line(y) for y in range(self.size.height)})

    def _tick(self) -> None:
        if self.model.held and time.monotonic() > self._held_until:
            self.model.held = False
        if self.model.held:
            self._refresh_rows(self._visible_with(DownloadStatus.RETRYING))
        elif self.model.depends_on_time and time.monotonic() >= self._recheck_at:
            began = time.monotonic()
            self.model.refilter()
            took = time.monotonic() - began
            self._recheck_at = began + max(1.0, took / _RECHECK_SHARE)
            self._reordered()
        elif self.model.stale:
            self.model.settle()
            self._reordered()
        else:
            self._refresh_rows(self._visible_with(DownloadStatus.RETRYING))
            if self._waiting.host_waits:
                self._refresh_rows(self._visible_with(DownloadStatus.QUEUED))

    def _visible_positions(self) -> range:
        first = self.scroll_offset.y
        return range(first, min(first + self.page_size, self.model.lines))

    def _visible_with(self, status: DownloadStatus) -> list[int]:
        visible = ((at, self.model.row_at(at)) for at in self._visible_positions())
        return [at for at, row in visible if row is not None and row.status is status]

    def _is_visible(self, position: int) -> bool:
        return position in self._visible_positions()

    def _refresh_rows(self, positions: Iterable[int]) -> None:
        """Draw only visible rows that changed, because drawing is most of the work."""
        visible = self._visible_positions()
        top = self.scroll_offset.y - self._header_lines
        width = self._width
        self._repaint({at - top: self._line(at, width) for at in positions if at in visible})

    def _repaint(self, lines: Mapping[int, Strip]) -> None:
        """Paint the lines that look different, and keep them, so that each is drawn only once."""
        changed = {y: line for y, line in lines.items() if line != self._drawn.get(y)}
        if changed:
            width = self.size.width
            self.refresh(*(Region(0, y, width, 1) for y in changed))
            self._drawn.update(changed)

    # The cursor

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a row."""
        return max(0, min(cursor, self.model.lines - 1))

    def watch_cursor(self, old: int, new: int) -> None:
        """Repaint the old and the new row."""
        if old != new:  # Textual also calls this for the initial value
            self._is_starting = False
        if self.model.has_range:
            self._extend_range()
        self._refresh_rows((old, new))
        self._announce()
        self._scroll_to_cursor()
        if self.is_following:
            self.end_following()

    # Handlers of actions

    def do_range(self) -> None:
        """Begin a range of marks at the current row, or end it."""
        if self.model.has_range:
            self.end_range()
        elif self.current:
            self._begin_range(self.current.id, keeps_on=True)

    def do_range_up(self) -> None:
        """Move up and mark the rows from the first one on."""
        self._range_by(-1)

    def do_range_down(self) -> None:
        """Move down and mark the rows from the first one on."""
        self._range_by(1)

    def do_range_page_up(self) -> None:
        """Move one screen up and mark the rows from the first one on."""
        self._range_by(-self.page_size)

    def do_range_page_down(self) -> None:
        """Move one screen down and mark the rows from the first one on."""
        self._range_by(self.page_size)

    def do_range_first(self) -> None:
        """Move to the first row and mark the rows from the first one of the range on."""
        self._range_by(-self.model.lines)

    def do_range_last(self) -> None:
        """Move to the last row and mark the rows from the first one of the range on."""
        self._range_by(self.model.lines)

    def _range_by(self, lines: int) -> None:
        if not self.model.has_range and self.current:
            self._begin_range(self.current.id)
        with self._extending():
            self.cursor += lines

    def _begin_range(self, download_id: str, *, keeps_on: bool = False) -> None:
        """Begin a range of marks.

        Args:
            download_id: its first row.
            keeps_on: True if it follows the cursor until it is ended; otherwise the next move of
                the cursor ends it.
        """
        self.model.begin_range(download_id)
        self._range_keeps_on = keeps_on
        self.post_message(self.Marked())

    @contextmanager
    def _extending(self) -> Iterator[None]:
        """Extend the range to the row on which the cursor is afterwards."""
        kept, self._range_keeps_on = self._range_keeps_on, True
        yield
        self._range_keeps_on = kept

    def end_range(self) -> None:
        """End the range of marks; its marks stay."""
        self.model.end_range()
        self.post_message(self.Marked())

    def _extend_range(self) -> None:
        """Extend the range to the cursor, or end it."""
        row_id = self.model.id_at(self.cursor)
        if not self._range_keeps_on:
            self.model.end_range()
        elif row_id:
            self.model.extend_range(row_id)
            self.post_message(self.Marked())

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
        self.cursor = self.model.lines - 1

    def do_next_active(self) -> None:
        """Move the cursor to the next download that runs."""
        self._go_to_next(lambda status: status.is_active, "active")

    def do_next_failed(self) -> None:
        """Move the cursor to the next download that failed."""
        self._go_to_next(lambda status: status is DownloadStatus.FAILED, "failed")

    def _go_to_next(self, fits: Callable[[DownloadStatus], bool], word: str) -> None:
        download_id = self.model.next_where(fits, self.cursor)
        position = None if download_id is None else self.model.position(download_id)
        if position is None:
            self.post_message(self.NotFound(f"No download shown here is {word}."))
        else:
            self.cursor = position

    def go_to_first(self, ids: Iterable[str]) -> None:
        """Move the cursor to the first shown one of some downloads, if there is one."""
        positions = (self.model.position(each) for each in ids)
        position = next((each for each in positions if each is not None), None)
        if position is not None:
            self.cursor = position

    def do_follow(self) -> None:
        """Keep the current download in the list and under the cursor, or end that."""
        if self.is_following:
            self.end_following()
        elif self.current:
            self.model.follow(self.current.id)
            self.post_message(self.Following())

    def end_following(self) -> None:
        """Let the followed download go to its place; the cursor stays on its row."""
        self.model.follow(None)
        self._reordered()
        self.post_message(self.Following())

    def _end_following_hidden(self) -> None:
        """End following if the tab or the filter does not show the download any more."""
        followed = self.model.followed
        if followed is not None and self.model.position(followed) is None:
            self.model.follow(None)
            self.post_message(self.Following(self.model.rows[followed]))

    def toggle_fold(self) -> None:
        """Show or hide the finished downloads."""
        self.model.toggle_fold()
        self._reordered()
        self._scroll_to_cursor()

    def do_mark(self) -> None:
        """Mark or unmark the current row and move to the next; the fold is not one."""
        if self.current:
            self.model.toggle_mark(self.current.id)
            self.cursor = self._near(self.cursor + 1)
            self.post_message(self.Marked())

    def do_mark_all(self) -> None:
        """Mark all rows shown; if all are marked, unmark them."""
        self.model.mark_shown()
        self.post_message(self.Marked())

    def do_invert_marks(self) -> None:
        """Invert the marks of the rows shown."""
        self.model.invert_marks()
        self.post_message(self.Marked())

    # The cursor's place

    def _announce(self) -> None:
        row = self.current
        row_id = self.model.id_at(self.cursor)
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
        if offset.y < self._header_lines:
            if self._has_dragged:
                return
            if (column := self._layout(self._width).column_at(offset.x)) is not None:
                self.post_message(self.SortRequested(column))
            return
        self.hold()
        position = self.scroll_offset.y + offset.y - self._header_lines
        if event.button == _RIGHT_BUTTON:
            if self.model.id_at(position) is not None:
                self.cursor = position
                self.post_message(self.MenuRequested())
            return
        if self.model.id_at(position) == FOLD:
            self.cursor = position
            self.toggle_fold()
        row = self.model.row_at(position)
        if row is None:
            return
        if self._has_dragged:
            return
        self.cursor = position
        if offset.x < _MARK_CELLS or event.ctrl:
            self.model.toggle_mark(row.id)
            self.post_message(self.Marked())
        elif event.chain == 2:
            self.post_message(self.Activated())

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Remember the row on which a drag may begin."""
        self._has_dragged = False
        offset = event.get_content_offset_capture(self)
        is_title = offset.y < self._header_lines
        self._edge = (
            self._layout(self._width).edge_at(offset.x) if is_title and event.button == 1 else None
        )
        if self._edge:
            self.capture_mouse()
        row = None if is_title else self.model.row_at(self._position_at(event))
        self._pressed = row.id if row is not None and event.button == 1 else None
        if self._pressed:
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Mark the rows from the one on which the drag began to the one under the mouse."""
        if self._edge is not None:
            self._drag_edge(self._edge, event.get_content_offset_capture(self).x)
            return
        if self._pressed is None or event.button != 1:
            return
        position = self.validate_cursor(self._position_at(event))
        if not self._has_dragged:
            if self.model.id_at(position) == self._pressed:
                return
            self._has_dragged = True
            self.hold()
            self._begin_range(self._pressed)
        with self._extending():
            self.cursor = position

    def on_mouse_up(self) -> None:
        """End a drag."""
        self.release_mouse()
        self._pressed = None
        if self._edge is not None:
            self._edge = None
            if self._has_dragged:
                self.post_message(self.ColumnsChosen(self.columns))
        elif self._has_dragged:
            self.end_range()

    def _drag_edge(self, edge: Edge, x: int) -> None:
        columns = self.columns.sized(edge.place.column.id, edge.width_at(x))
        if columns != self.columns:
            self._has_dragged = True
            self.choose_columns(columns)

    def choose_columns(self, columns: ColumnChoice) -> None:
        """Show other columns."""
        self.columns = columns
        self._restyle()

    def _position_at(self, event: events.MouseEvent) -> int:
        """Return the position of the row under the mouse; it may be outside the list."""
        offset = event.get_content_offset_capture(self)
        return self.scroll_offset.y + offset.y - self._header_lines

    # Painting

    @property
    def _width(self) -> int:
        return self.scrollable_content_region.width

    def _layout(self, width: int) -> Layout:
        # The last cell stays blank.
        differ = self.model.totals.priorities_differ
        return layout(width - 1, with_priority=differ, choice=self.columns)

    def notify_style_update(self) -> None:
        """Repaint everything after a change of theme."""
        super().notify_style_update()
        self._painter = None
        self._strips.clear()
        self._drawn.clear()

    @property
    def _painter_now(self) -> RowPainter:
        if self._painter is None:
            self._painter = RowPainter(self._styles_now(), self.model.filter.spans_in)
        return self._painter

    def _styles_now(self) -> RowStyles:
        cursor = "cursor" if self.has_focus else "cursor-blurred"
        get = self.get_component_rich_style
        return RowStyles(
            base=self.rich_style,
            header=get("table--header"),
            cursor=get(f"table--{cursor}", partial=True),
            cursor_bar=get("table--cursor-bar"),
            mark=get("table--mark"),
            hit=get("table--hit", partial=True),
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
        _, background = self.background_colors
        surface = _Surface(self.size, self._width, self.get_line_filters(), background)
        if self._surface != surface:
            self._surface = surface
            self._drawn.clear()
            self._strips.clear()
        strips = []
        for y in crop.line_range:
            strip = self._drawn.get(y)
            if strip is None:
                strip = self._drawn[y] = self.render_line(y)
            strips.append(strip)
        width = surface.width
        if width < surface.size.width and not self.show_vertical_scrollbar:
            # Its space is reserved, but it draws there only while it is visible.
            width = surface.size.width
            (blank,) = self._filtered([Segment(" ", self._painter_now.styles.base)], 1)
            strips = [strip.adjust_cell_length(width, blank.style) for strip in strips]
        left, right = crop.column_span
        if left > 0 or right < width:
            strips = [strip.crop(left, right) for strip in strips]
        return strips

    def render_line(self, y: int) -> Strip:
        """Render the titles, a row, a line of the hint, or a blank line."""
        styles, width = self._painter_now.styles, self._width
        if not width:  # a terminal of a column or two, or before the first layout
            return Strip.blank(0)
        if not self.model.lines:
            hint = list_hint(
                self.model,
                self._keymap,
                is_loading=self._is_loading,
                read_only=self._is_read_only,
            )
            lines = [part for line in hint for part in wrap(line, width) or [""]]
            return self._filtered(hint_line(lines, y, self.size.height, width, styles), width)
        if y < self._header_lines:
            line = header_line(self.model.sort, width, self._layout(width), styles)
            return self._filtered(line, width)
        position = self.scroll_offset.y + y - self._header_lines
        if position >= self.model.lines:
            return self._filtered([Segment(" " * width, styles.base)], width)
        return self._line(position, width)

    def _filtered(self, line: Iterable[Segment], width: int) -> Strip:
        """Return the strip of a line in the filters' colours, once instead of at each paint.

        `Strip.apply_filter` would look each line up, and make a second strip.
        """
        segments = list(line)
        for line_filter in self._surface.filters:
            segments = line_filter.apply(segments, self._surface.background)
        return Strip(segments, width)

    def _line(self, position: int, width: int) -> Strip:
        row = self.model.row_at(position)
        return self._fold_line(position, width) if row is None else self._row(row, position, width)

    def _fold_line(self, position: int, width: int) -> Strip:
        verb = "folds" if self.model.is_unfolded else "shows"
        size = self.model.totals.completed_bytes
        facts = [size_text(size)] if size else []
        facts.append(f"{self._key_of('details')} {verb} them")
        facts.append(f"{self._key_of('clear_finished')} clears them from the list")
        line = self._painter_now.paint_fold(
            f"{self.model.finished:,} done",
            facts,
            self.model.is_unfolded,
            width,
            position == self.cursor,
        )
        return self._filtered(line, width)

    def _row(self, row: DownloadSnapshot, position: int, width: int) -> Strip:
        columns, now = self._layout(width), time.time()
        status = status_text(row, self._waiting, now, columns.ids)
        left = left_text(row, countdown_text(row, now, self._waiting))
        if row.status is DownloadStatus.RETRYING and not status_fits(status.short, columns):
            # Without the countdown in its own column, the status may take the empty ones.
            status, left = status_text(row, self._waiting, now, columns.ids - {"left"}), ""
        is_moving = row.total_bytes is None and row.status is DownloadStatus.IN_PROGRESS
        look = RowLook(
            status=status,
            left=left,
            marked=row.id in self.model.marked,
            cursor=position == self.cursor,
            phase=int(now * _STEPS_PER_SECOND) if is_moving and self._is_animated else 0,
        )
        key = (id(row), width, len(columns.places), look)
        painted = self._strips.get(key)
        if painted is None:  # with the row, so that no other one gets its id()
            segments = self._painter_now.paint(row, width, columns, look)
            painted = self._strips[key] = (row, self._filtered(segments, width))
        return painted[1]

    @property
    def _is_animated(self) -> bool:
        return self.app.animation_level != "none"

    def _key_of(self, action: str) -> str:
        return first_key(action, self._keymap)


def _header_lines(height: int) -> int:
    """Return the number of lines of titles; a low screen has no space for them."""
    return int(height >= _MIN_TITLED_HEIGHT)
