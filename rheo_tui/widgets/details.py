"""DetailsPane: all facts about the current download, and its log lines."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from rheo_core.domain import DownloadSnapshot, DownloadStatus
from rheo_core.domain.text import printable
from rheo_tui.actions import BY_ID, key_names
from rheo_tui.causes import algorithm_text, cause_of
from rheo_tui.event_log import LogLine
from rheo_tui.formatting import (
    clock_text,
    duration_text,
    fraction_done,
    limit_text,
    percent_text,
    size_text,
    speed_text,
)
from rheo_tui.statuses import LOOKS

_LABEL_WIDTH = 9


class DetailsPane(VerticalScroll):
    """A pane that is hidden until opened; Tab focuses it, arrow keys scroll it.

    Only changes repaint it.
    """

    COMPONENT_CLASSES: ClassVar = {
        "details--label",
        "details--bad",
        "details--good",
        "details--title",
    }

    def __init__(self, keymap: Mapping[str, str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._keymap = keymap
        self._seen: object = None

    def compose(self) -> ComposeResult:
        """Create the text."""
        yield Static(id="details-text", markup=False)

    def show(self, row: DownloadSnapshot | None, status: str, lines: list[LogLine]) -> None:
        """Show a row.

        Args:
            row: the download, or None.
            status: its status and reason in words.
            lines: its lines of the event log, oldest first.
        """
        seen = (row, status, len(lines))
        if seen == self._seen:
            return
        previous = self._seen
        self._seen = seen
        text = self.query_one("#details-text", Static)
        text.update(self._table(row, status, lines) if row else "No download selected.")
        if not isinstance(previous, tuple) or row is None or previous[0] is None:
            return
        if previous[0].id != row.id:
            self.scroll_home(animate=False)

    def notify_style_update(self) -> None:
        """Build the text again after a change of theme, because it contains colours."""
        super().notify_style_update()
        self._seen = None

    def _table(self, row: DownloadSnapshot, status: str, lines: list[LogLine]) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=_LABEL_WIDTH, no_wrap=True)
        table.add_column(overflow="fold")
        label = self.get_component_rich_style("details--label", partial=True)
        for name, value in self._facts(row, status):
            table.add_row(Text(name, label), value)
        for at, line in enumerate(reversed(lines)):
            clock = datetime.fromtimestamp(line.time).strftime("%H:%M:%S")
            table.add_row(Text("Log" if at == 0 else "", label), Text(f"{clock} {line.text}"))
        return table

    def _facts(self, row: DownloadSnapshot, status: str) -> Iterator[tuple[str, Text]]:
        style = self.get_component_rich_style
        yield "Name", Text(printable(row.name), style("details--title", partial=True))
        yield "Status", Text(f"{LOOKS[row.status].glyph} {printable(status)}")
        yield from self._failure(row, status)
        yield "Size", Text(_size(row))
        if speed := _speed(row):
            yield "Speed", Text(speed)
        if row.speed_limit_bps is not None:
            yield "Limit", Text(limit_text(row.speed_limit_bps))
        if row.start_at is not None and not row.status.is_terminal:
            yield "Starts", Text(clock_text(row.start_at))
        yield "URL", Text(printable(row.url))
        if row.destination:
            yield "File", Text(printable(row.destination))
        if row.attempt:
            ended = row.status is DownloadStatus.FAILED
            turn = max(row.failures if ended else row.failures + 1, 1)
            yield "Attempt", Text(f"{turn} of {max(row.max_attempts, turn)}")
        yield "Priority", Text(str(row.priority))
        yield from self._hashes(row)
        yield from _times(row)
        yield "ID", Text(row.id)

    def _failure(self, row: DownloadSnapshot, status: str) -> Iterator[tuple[str, Text]]:
        cause = cause_of(row)
        if cause.advice and row.status in (DownloadStatus.FAILED, DownloadStatus.SKIPPED):
            key = key_names(BY_ID[cause.action], self._keymap)[0]
            yield "Advice", Text(cause.advice.format(key=key))
        if row.error and row.error != status and not row.status.is_active:
            bad = self.get_component_rich_style("details--bad", partial=True)
            yield "Error", Text(printable(row.error), bad)

    def _hashes(self, row: DownloadSnapshot) -> Iterator[tuple[str, Text]]:
        check = row.validation
        if check is None:
            return
        name = "details--good" if check.is_valid else "details--bad"
        style = self.get_component_rich_style(name, partial=True)
        verdict = "matches" if check.is_valid else "does not match"
        yield "Hash", Text(f"{algorithm_text(check.algorithm)} {verdict}", style)
        yield "Expected", Text(printable(check.expected_hash))
        yield "Actual", Text(printable(check.calculated_hash), style)


def _size(row: DownloadSnapshot) -> str:
    done = size_text(row.bytes_downloaded)
    if row.total_bytes is None:
        return f"{done} of unknown size" if row.bytes_downloaded else "unknown"
    fraction = fraction_done(row.bytes_downloaded, row.total_bytes) or 0.0
    exact = f"{row.total_bytes:,} bytes"
    return f"{done} of {size_text(row.total_bytes)} ({exact}), {percent_text(fraction).strip()}"


def _speed(row: DownloadSnapshot) -> str:
    if row.status.is_active:
        left = duration_text(row.eta_seconds)
        return speed_text(row.speed_bps) + (f", {left} left" if left else "")
    if row.average_speed_bps:
        return f"{speed_text(row.average_speed_bps)} on average"
    return ""


def _times(row: DownloadSnapshot) -> Iterator[tuple[str, Text]]:
    for name, moment in (
        ("Added", row.added_at or None),
        ("Started", row.started_at),
        ("Finished", row.finished_at),
    ):
        if moment is not None:
            yield name, Text(clock_text(moment))
