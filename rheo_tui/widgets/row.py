"""RowPainter: draws one row of the table as a strip."""

from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from rheo_core.domain import DownloadSnapshot, DownloadStatus
from rheo_core.domain.text import printable
from rheo_tui.columns import GAP, PlacedColumn, layout
from rheo_tui.formatting import (
    bar_text,
    duration_text,
    fit,
    fit_middle,
    fit_right,
    fraction_done,
    percent_text,
    size_text,
    speed_text,
)
from rheo_tui.statuses import LOOKS
from rheo_tui.table_model import Sort

_PERCENT_WIDTH = 5


@dataclass(frozen=True, slots=True)
class RowStyles:
    """Styles of a theme, each with its own background."""

    base: Style
    header: Style
    cursor: Style  # added to the whole row
    mark: Style
    quiet: Style
    track: Style
    done_bar: Style
    by_status: dict[str, Style]


class RowPainter:
    """Draws rows with one set of styles."""

    def __init__(self, styles: RowStyles) -> None:
        self.styles = styles
        background = styles.base.bgcolor
        # Made once, because a Style takes longer than the rest of a bar.
        self._bars = {
            name: Style(color=colour.color, bgcolor=background)
            for name, colour in styles.by_status.items()
        }
        self._done_bar = Style(color=styles.done_bar.color, bgcolor=background)
        self._track = Style(color=styles.track.bgcolor, bgcolor=background)

    def paint(
        self,
        row: DownloadSnapshot,
        width: int,
        *,
        marked: bool,
        cursor: bool,
        status: str,
    ) -> Strip:
        """Return the strip of a row.

        Args:
            row: the download.
            width: length of the strip in cells.
            marked: True if the row is marked.
            cursor: True if the cursor is on the row.
            status: status and reason in words.
        """
        segments: list[Segment] = []
        for place in columns_in(width):
            segments += self._cell(row, place, marked, status)
            segments.append(Segment(" " * GAP, self.styles.base))
        segments = _joined(segments)
        return Strip(self._under_cursor(segments) if cursor else segments, width)

    def _under_cursor(self, segments: list[Segment]) -> list[Segment]:
        track = self.styles.track.bgcolor
        return [
            segment
            if segment.style and segment.style.bgcolor == track
            else Segment(segment.text, (segment.style or self.styles.base) + self.styles.cursor)
            for segment in segments
        ]

    def _cell(
        self, row: DownloadSnapshot, place: PlacedColumn, marked: bool, status: str
    ) -> list[Segment]:
        styles, width = self.styles, place.width
        look = LOOKS[row.status]
        colour = styles.by_status[look.style]
        match place.column.id:
            case "mark":
                return [Segment("▌" if marked else " ", styles.mark)]
            case "name":
                style = styles.mark if marked else self._name_style(row)
                return [Segment(fit_middle(printable(row.name), width), style)]
            case "progress":
                return self._progress(row, width)
            case "status":
                words = fit(printable(status), width - 2)
                return [Segment(f"{look.glyph} {words}", colour)]
        text = self._plain_text(row, place.column.id)
        style = styles.quiet if place.column.id in {"id", "priority"} else styles.base
        align = fit_right if place.column.right else fit
        return [Segment(align(text, width), style)]

    def _name_style(self, row: DownloadSnapshot) -> Style:
        faint = {DownloadStatus.SKIPPED, DownloadStatus.CANCELLED}
        return self.styles.quiet if row.status in faint else self.styles.base

    def _plain_text(self, row: DownloadSnapshot, column_id: str) -> str:
        match column_id:
            case "size":
                return size_text(row.total_bytes)
            case "speed":
                return speed_text(row.speed_bps) if row.status.is_active else ""
            case "eta":
                return duration_text(row.eta_seconds) if row.status.is_active else ""
            case "priority":
                return str(row.priority)
            case _:
                return row.id[:8]

    def _progress(self, row: DownloadSnapshot, width: int) -> list[Segment]:
        fraction = fraction_done(row.bytes_downloaded, row.total_bytes)
        if row.status is DownloadStatus.COMPLETED:
            fraction = 1.0
        if fraction is None or (fraction == 0.0 and not row.status.is_active):
            so_far = size_text(row.bytes_downloaded) if row.bytes_downloaded else ""
            return [Segment(fit_right(so_far, width), self.styles.quiet)]
        filled, track = bar_text(fraction, width - _PERCENT_WIDTH)
        percent = fit_right(percent_text(fraction), _PERCENT_WIDTH)
        style = self.styles.base if row.status.is_active else self.styles.quiet
        bar = self._bars[LOOKS[row.status].style]
        if row.status is DownloadStatus.COMPLETED:
            bar = self._done_bar  # many full bars in full colour would distract
        return [Segment(filled, bar), Segment(track, self._track), Segment(percent, style)]


def _joined(segments: list[Segment]) -> list[Segment]:
    """Join adjacent segments of one style, because each segment costs time to draw."""
    joined = segments[:1]
    for segment in segments[1:]:
        last = joined[-1]
        if segment.style is last.style:
            joined[-1] = Segment(last.text + segment.text, last.style)
        else:
            joined.append(segment)
    return joined


def columns_in(width: int) -> tuple[PlacedColumn, ...]:
    """Return the columns of a table of `width` cells; the last cell stays blank."""
    return layout(width - GAP)


def header_line(sort: Sort, width: int, styles: RowStyles) -> Strip:
    """Return the line of titles, with an arrow at the sort column."""
    arrow = "▼" if sort.descending else "▲"
    cells = []
    for place in columns_in(width):
        title = place.column.title
        if place.column is sort.column:
            title = f"{arrow} {title}" if place.column.right else f"{title} {arrow}"
        align = fit_right if place.column.right else fit
        cells.append(align(title, place.width))
    line = Strip([Segment((" " * GAP).join(cells), styles.header)])
    return line.adjust_cell_length(width, styles.header)


def hint_line(lines: tuple[str, ...], y: int, height: int, width: int, styles: RowStyles) -> Strip:
    """Return line `y` of a hint, centred in `height` lines; its first line is highlighted."""
    at = y - max(0, (height - len(lines)) // 2)
    text = fit(lines[at], width).strip() if 0 <= at < len(lines) else ""
    style = styles.base if at == 0 else styles.quiet
    return Strip([Segment(text.center(width), style)])
