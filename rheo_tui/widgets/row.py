"""RowPainter: draw one row of the table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from rheo_core.domain import DownloadSnapshot, DownloadStatus
from rheo_core.domain.text import printable
from rheo_core.domain.urls import host_of
from rheo_tui.columns import PERCENT_WIDTH, Layout, PlacedColumn, folder_name
from rheo_tui.formatting import (
    bar_text,
    duration_text,
    facts_that_fit,
    fit,
    fit_middle,
    fit_right,
    fraction_done,
    moving_bar_text,
    percent_text,
    size_pair_text,
    speed_text,
)
from rheo_tui.status_look import look_of
from rheo_tui.status_text import StatusText
from rheo_tui.table_model import Sort

_CURSOR, _MARK = "▌", "◆"
_FOLD_GAP = "   "
_GLYPH_CELLS = 2
"""Cells of the glyph of a status and the blank after it."""
_FAINT = frozenset({DownloadStatus.SKIPPED, DownloadStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class RowStyles:
    """Styles of a theme, each with its own background."""

    base: Style
    header: Style
    cursor: Style  # added to the whole row
    cursor_bar: Style
    mark: Style
    hit: Style  # added to the text that matches the filter
    quiet: Style
    track: Style
    done_bar: Style
    by_status: dict[str, Style]


@dataclass(frozen=True, slots=True)
class RowLook:
    """The parts of a row's look that do not come from the download."""

    status: StatusText
    left: str = ""  # time left, or until the next attempt
    marked: bool = False
    cursor: bool = False
    phase: int = 0  # place of the moving piece, for an unknown size


class RowPainter:
    """Draws rows with one set of styles.

    Args:
        styles: styles of the theme.
        find_hits: returns the parts of a name that match the filter.
    """

    def __init__(
        self, styles: RowStyles, find_hits: Callable[[str], list[tuple[int, int]]]
    ) -> None:
        self.styles = styles
        self._find_hits = find_hits
        background = styles.base.bgcolor
        # Created once, because a Style takes longer than the rest of a bar.
        self._bars = {
            name: Style(color=colour.color, bgcolor=background)
            for name, colour in styles.by_status.items()
        }
        self._done_bar = Style(color=styles.done_bar.color, bgcolor=background)
        self._track = Style(color=styles.track.bgcolor, bgcolor=background)

    def paint(
        self, row: DownloadSnapshot, width: int, layout: Layout, look: RowLook
    ) -> list[Segment]:
        """Return the line of a row.

        Args:
            row: the download.
            width: length of the line in cells.
            layout: columns of the row.
            look: the other contents of the row.
        """
        segments: list[Segment] = []
        x = 0
        for place in layout.places:
            if place.column.id == "status":
                start = _status_start(look.status.short, place, layout, segments)
                if start < place.x:
                    segments, x = list(Strip(segments).crop(0, start)), start
                    place = replace(place, x=start, width=place.x + place.width - start)
            segments.append(Segment(" " * (place.x - x), self.styles.base))
            segments += self._cell(row, place, look)
            x = place.x + place.width
        segments.append(Segment(" " * (width - x), self.styles.base))
        return self._finished(segments, look.cursor)

    def paint_fold(
        self, text: str, facts: Sequence[str], is_unfolded: bool, width: int, cursor: bool
    ) -> Strip:
        """Return the line that represents the finished downloads.

        Args:
            text: their number in words.
            facts: facts and keys; those that do not fit are left out.
            is_unfolded: True if they are shown below.
            width: length of the strip in cells.
            cursor: True if the cursor is on the line.
        """
        done = self.styles.by_status["done"]
        bar = Segment(_CURSOR if cursor else " ", self.styles.cursor_bar)
        arrow = Segment(f" {'▾' if is_unfolded else '▸'} {text}", done)
        room = max(0, width - 1 - len(arrow.text))
        rest = facts_that_fit(facts, room - len(_FOLD_GAP))
        segments = [bar, arrow, Segment(fit(_FOLD_GAP + rest, room), self.styles.quiet)]
        return Strip(self._finished(segments, cursor)).adjust_cell_length(width, self.styles.base)

    def _finished(self, segments: list[Segment], cursor: bool) -> list[Segment]:
        joined = _joined(segments)
        if not cursor:
            return joined
        return [
            Segment(segment.text, (segment.style or self.styles.base) + self.styles.cursor)
            for segment in joined
        ]

    def _cell(self, row: DownloadSnapshot, place: PlacedColumn, look: RowLook) -> list[Segment]:
        styles, width = self.styles, place.width
        status = look_of(row)
        match place.column.id:
            case "mark":
                if look.marked:
                    return [Segment(_MARK, styles.mark)]
                return [Segment(_CURSOR if look.cursor else " ", styles.cursor_bar)]
            case "name":
                style = styles.mark if look.marked else self._name_style(row)
                return self._with_hits(fit_middle(printable(row.name), width), style)
            case "progress":
                return self._progress(row, width, look.phase)
            case "status":
                room = width - _GLYPH_CELLS
                words = fit(printable(look.status.fitting(room)), room)
                return [Segment(f"{status.glyph} {words}", styles.by_status[status.style])]
        text = self._plain_text(row, place.column.id, look)
        align = fit_right if place.column.right else fit
        if place.column.id == "folder":
            align = fit_middle  # the end is more informative
        quiet = place.column.id in {"host", "priority", "size", "folder", "id"}
        return [Segment(align(text, width), styles.quiet if quiet else styles.base)]

    def _with_hits(self, name: str, style: Style) -> list[Segment]:
        segments, at = [], 0
        for start, end in self._find_hits(name):
            if end > at:  # hits may overlap
                start = max(start, at)
                segments.append(Segment(name[at:start], style))
                segments.append(Segment(name[start:end], style + self.styles.hit))
                at = end
        return [*segments, Segment(name[at:], style)]

    def _name_style(self, row: DownloadSnapshot) -> Style:
        return self.styles.quiet if row.status in _FAINT else self.styles.base

    def _plain_text(self, row: DownloadSnapshot, column_id: str, look: RowLook) -> str:
        match column_id:
            case "size":
                return size_pair_text(row.bytes_downloaded, row.total_bytes)
            case "speed":
                return speed_text(row.speed_bps) if row.status.is_active else ""
            case "left":
                return look.left
            case "priority":
                return str(row.priority)
            case "id":
                return row.id
            case "folder":
                return folder_name(row)
            case "host":
                return host_of(row.url).rpartition(":")[0]
        raise ValueError(f"column {column_id!r} has no text")

    def _progress(self, row: DownloadSnapshot, width: int, phase: int) -> list[Segment]:
        fraction = fraction_done(row.bytes_downloaded, row.total_bytes)
        bar = self._bars[look_of(row).style]
        if row.status is DownloadStatus.COMPLETED:
            return self._full_bar(width)
        if fraction is None and row.status is DownloadStatus.IN_PROGRESS:
            before, piece, after = moving_bar_text(phase, width - PERCENT_WIDTH)
            return [
                Segment(before, self._track),
                Segment(piece, bar),
                Segment(after + " " * PERCENT_WIDTH, self._track),
            ]
        if not fraction or row.status in _FAINT:
            return [Segment(" " * width, self.styles.base)]
        filled, track = bar_text(fraction, width - PERCENT_WIDTH)
        percent = fit_right(percent_text(fraction), PERCENT_WIDTH)
        style = self.styles.base if row.status.is_active else self.styles.quiet
        return [Segment(filled, bar), Segment(track, self._track), Segment(percent, style)]

    def _full_bar(self, width: int) -> list[Segment]:
        """Return a faint bar, because many full bars in full colour would distract."""
        bar = "━" * (width - PERCENT_WIDTH)
        percent = fit_right(percent_text(1.0), PERCENT_WIDTH)
        return [Segment(bar, self._done_bar), Segment(percent, self.styles.quiet)]


def _joined(segments: list[Segment]) -> list[Segment]:
    """Join adjacent segments of one style, because each segment costs time to draw."""
    joined = segments[:1]
    for segment in segments[1:]:
        last = joined[-1]
        if segment.style is last.style:
            joined[-1] = Segment(last.text + segment.text, last.style)
        elif segment.text:
            joined.append(segment)
    return joined


def status_fits(words: str, layout: Layout) -> bool:
    """Return True if a status fits into its own column."""
    (width,) = (place.width for place in layout.places if place.column.id == "status")
    return cell_len(printable(words)) + _GLYPH_CELLS <= width


def _status_start(
    words: str, place: PlacedColumn, layout: Layout, before: Sequence[Segment]
) -> int:
    """Return the first cell of a status, which takes the empty cells before it if it needs them.

    It begins where a column does, if that is enough; otherwise it leaves a cell after the text.

    Args:
        words: the shortest text of the status.
        place: the column of the status.
        layout: columns of the row.
        before: the cells before that column.
    """
    end, needed = place.x + place.width, cell_len(printable(words)) + _GLYPH_CELLS
    if needed <= place.width:
        return place.x
    taken = cell_len("".join(segment.text for segment in before).rstrip())
    starts = [each.x for each in layout.places if taken < each.x < place.x]
    enough = [x for x in starts if end - x >= needed]
    return max(enough, default=min(place.x, max(taken + 1, end - needed)))


def left_text(row: DownloadSnapshot, countdown: str) -> str:
    """Return the time left of an active download, or the `countdown` of a waiting one."""
    return duration_text(row.eta_seconds) if row.status.is_active else countdown


def header_line(sort: Sort, width: int, layout: Layout, styles: RowStyles) -> Strip:
    """Return the line of titles, with an arrow at the sort column."""
    arrow = "▼" if sort.descending else "▲"
    line = ""
    for place in layout.places:
        title = place.column.title
        if place.column is sort.column:
            title = f"{arrow} {title}" if place.column.right else f"{title} {arrow}"
        align = fit_right if place.column.right else fit
        line = line.ljust(place.x) + align(title, place.width)
    return Strip([Segment(line, styles.header)]).adjust_cell_length(width, styles.header)


def hint_line(lines: Sequence[str], y: int, height: int, width: int, styles: RowStyles) -> Strip:
    """Return line `y` of a hint, centred in `height` lines; its first line is highlighted."""
    at = y - max(0, (height - len(lines)) // 2)
    text = fit(lines[at], width).strip() if 0 <= at < len(lines) else ""
    style = styles.base if at == 0 else styles.quiet
    return Strip([Segment(text.center(width), style)])
