"""Progress on standard error: bars on a terminal, plain lines elsewhere.

`running.py` chooses between bars and plain lines (`Output.live`).
"""

import logging
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO, cast

from rheo_core.domain.text import printable, redact
from rheo_core.domain.units import duration_text, size_text, speed_text
from rheo_core.events import (
    DownloadEvent,
    DownloadFailedEvent,
    DownloadProgressEvent,
    DownloadRetryingEvent,
    DownloadStartedEvent,
    DownloadValidatingEvent,
)

from .report import TERMINAL_EVENTS, RunCounts, line_of

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Reporter(ABC):
    """Shows events. Enter it before the first one."""

    def __init__(self) -> None:
        self.expected = 0  # number of downloads, including ended ones
        self._names: dict[str, str] = {}  # of downloads that have not ended, by id

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def expect(self, names: Mapping[str, str]) -> None:
        """Announce downloads.

        Args:
            names: name of each download, by id.
        """
        self.expected += len(names)
        self._names |= names

    def report(self, event: DownloadEvent) -> None:
        """Show `event`. Forget the download if it ended."""
        self.show(event)
        if isinstance(event, TERMINAL_EVENTS):
            self._names.pop(event.download_id, None)

    @abstractmethod
    def show(self, event: DownloadEvent) -> None:
        """Show `event` if this reporter shows its kind."""

    @abstractmethod
    def say(self, line: str) -> None:
        """Show a line of text, which may contain any characters."""

    @abstractmethod
    def close(self) -> None:
        """Restore the terminal. Calling it again does nothing."""

    def rename(self, download_id: str, name: str) -> None:
        """Use another name for a download from now on."""
        self._names[download_id] = name

    def name(self, event: DownloadEvent) -> str:
        """Return the name of the download of `event`."""
        return self._names.get(event.download_id, event.download_id[:8])


class PlainReporter(Reporter):
    """Writes a line for each important event; with `quiet`, only for failures."""

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__()
        self._quiet = quiet

    def show(self, event: DownloadEvent) -> None:
        line = line_of(event, self.name(event))
        if line and (isinstance(event, DownloadFailedEvent) or not self._quiet):
            self.say(line)

    def say(self, line: str) -> None:
        with suppress(OSError):  # no reader is left; the downloads continue
            print(printable(line), file=sys.stderr, flush=True)

    def close(self) -> None:
        """Do nothing: there is nothing to restore."""


class LiveReporter(Reporter):
    """Draws a bar for all downloads and one for each active download, below other lines."""

    def __init__(self) -> None:
        super().__init__()
        self._progress = _make_progress()
        self._bars: dict[str, TaskID] = {}
        self._speeds: dict[str, float] = {}
        self._counts = RunCounts()
        self._total = self._add_bar("total", None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def close(self) -> None:
        self._progress.stop()

    def expect(self, names: Mapping[str, str]) -> None:
        super().expect(names)
        self._show_total()

    def show(self, event: DownloadEvent) -> None:
        self._counts.add(event)
        if isinstance(event, TERMINAL_EVENTS):
            self._drop_bar(event.download_id)
        elif isinstance(event, DownloadStartedEvent):
            self._update_bar(event, total=event.total_bytes)
        elif isinstance(event, DownloadProgressEvent):
            self._show_progress(event)
        elif isinstance(event, DownloadValidatingEvent):
            self._update_bar(event, speed="checking", left="")
        elif isinstance(event, DownloadRetryingEvent):
            self._drop_bar(event.download_id)
        line = line_of(event, self.name(event))
        if line:
            self.say(line)
        self._show_total()

    def say(self, line: str) -> None:
        from rich.text import Text

        self._progress.console.print(Text(printable(line)), soft_wrap=True)

    def _show_progress(self, event: DownloadProgressEvent) -> None:
        done, total = event.bytes_downloaded, event.total_bytes
        amount = size_text(done) if total is None else f"{size_text(done)}/{size_text(total)}"
        speed, left = "", ""
        if event.speed is not None:
            self._speeds[event.download_id] = event.speed.current_speed_bps
            speed = speed_text(event.speed.current_speed_bps)
            left = duration_text(event.speed.eta_seconds)
        self._update_bar(event, completed=done, total=total, amount=amount, speed=speed, left=left)

    def _add_bar(self, name: str, total: int | None) -> "TaskID":
        name = printable(name)
        return self._progress.add_task("", total=total, name=name, amount="", speed="", left="")

    def _update_bar(self, event: DownloadEvent, **changes: object) -> None:
        bar = self._bars.get(event.download_id)
        if bar is None:
            bar = self._add_bar(self.name(event), None)
            self._bars[event.download_id] = bar
        self._progress.update(bar, **changes)  # type: ignore[arg-type]  # fields of ours

    def _drop_bar(self, download_id: str) -> None:
        self._speeds.pop(download_id, None)
        bar = self._bars.pop(download_id, None)
        if bar is not None:
            self._progress.remove_task(bar)

    def _show_total(self) -> None:
        ended = self._counts.ended
        self._progress.update(
            self._total,
            completed=ended,
            total=self.expected,
            amount=f"{ended} of {self.expected}",
            speed=speed_text(sum(self._speeds.values())),
        )


class _LossyStream:
    """Wrapper of a stream that may lose its terminal. It then drops the written text."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _make_progress() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    def column(field: str, table_column: Column) -> TextColumn:
        # Names are data. With markup, a name such as `[/]` would end the program.
        return TextColumn(f"{{task.fields[{field}]}}", markup=False, table_column=table_column)

    return Progress(
        column("name", Column(ratio=3, no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=None, table_column=Column(ratio=2)),
        column("amount", Column(no_wrap=True, justify="right", min_width=17)),
        column("speed", Column(no_wrap=True, justify="right", min_width=10)),
        column("left", Column(no_wrap=True, justify="right", min_width=7)),
        console=Console(file=cast(TextIO, _LossyStream(sys.stderr)), highlight=False),
        expand=True,
        transient=True,
    )


class LogLines(logging.Handler):
    """Log handler that writes through a reporter, because other output would break the bars."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__()
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        self._reporter.say(f"{record.levelname.lower():<9} {redact(record.getMessage())}")
