"""Run downloads until they end or the user interrupts them."""

import asyncio
import atexit
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING

from rheo_core.config import LogLevel, Notify, Settings
from rheo_core.domain import FileConfig, RheoError
from rheo_core.domain.schedule import start_text
from rheo_core.events import DownloadEvent, DownloadEventType
from rheo_core.events.models import IS_EVENT, DownloadSkippedEvent
from rheo_core.events.notifications import EndedDownloads, terminal_sequence
from rheo_core.infrastructure.key_log import drop_broken_key_log
from rheo_core.infrastructure.wall_clock import sleep_until
from rheo_core.inputs.arguments import Diagnostic, Diagnostics, Item
from rheo_core.inputs.background_reader import BackgroundReader
from rheo_core.tracking import NullTracker

from .download_configs import InputLines
from .exit import ExitCode, code_of_run, code_of_signal
from .json_lines import JsonLines
from .progress_display import LiveReporter, LogLines, PlainReporter, Reporter
from .report import TERMINAL_EVENTS, RunCounts
from .run_limits import RunLimits
from .start import end_imports

if TYPE_CHECKING:
    from rheo_core.downloads import DownloadManager

_READ_AHEAD = 4_000
"""Number of waiting and running downloads above which the reading of a list pauses, so that memory
does not grow with the list. It is large, so that a busy host at the top does not hide idle hosts
further down."""
_JSON_GRACE_SECONDS = 2.0
"""Time for a reader of events to catch up after an interrupt."""


@dataclass(frozen=True, slots=True)
class Output:
    """Kinds of output."""

    input_lines: InputLines | None = (
        None  # events to standard output, with the input_lines of downloads
    )
    to_output: bool = False  # the file goes to standard output
    quiet: bool = False  # only errors to standard error
    verbose: bool = False

    @property
    def json(self) -> bool:
        """True if events are written to standard output."""
        return self.input_lines is not None

    @property
    def live(self) -> bool:
        """True if progress bars are drawn."""
        plain = self.json or self.quiet or os.environ.get("TERM") == "dumb"
        return sys.stderr.isatty() and not plain


def run(
    items: Iterator[Item],
    diagnostics: Diagnostics,
    settings: Settings,
    output: Output,
    limits: RunLimits,
    *,
    insecure: frozenset[str] = frozenset(),
) -> ExitCode:
    """Download items, and report about them and about diagnostics.

    Args:
        items: downloads and diagnostics, read while the downloads run.
        diagnostics: reports what is not downloaded.
        settings: the effective settings. Their download folder exists.
        output: kinds of output.
        limits: start and end of the run.
        insecure: hosts whose certificates are not checked.

    Returns:
        The exit code.
    """
    reporter: Reporter = LiveReporter() if output.live else PlainReporter(quiet=output.quiet)
    with reporter, _logging(reporter, settings, output):
        try:
            runner = _Run(diagnostics, settings, output, reporter, limits, insecure)
            return asyncio.run(runner.main(items))
        except (RheoError, OSError) as error:
            reporter.say(f"rheo: {error}")
            return ExitCode.FAILED


@contextmanager
def _logging(reporter: Reporter, settings: Settings, output: Output) -> Iterator[None]:
    """Show the log between the other lines."""
    level = settings.log_level
    if output.verbose:
        level = LogLevel.DEBUG if level is LogLevel.DEBUG else LogLevel.INFO
    elif output.quiet:
        level = LogLevel.ERROR
    root = logging.getLogger()
    handler, before = LogLines(reporter), root.level
    handler.addFilter(lambda record: not hasattr(record, IS_EVENT))  # those are reported anyway
    root.addHandler(handler)
    root.setLevel(level.value)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


class _Run:
    """One run of the command."""

    def __init__(
        self,
        diagnostics: Diagnostics,
        settings: Settings,
        output: Output,
        reporter: Reporter,
        limits: RunLimits,
        insecure: frozenset[str],
    ) -> None:
        self._diagnostics = diagnostics
        self._settings = settings
        self._output = output
        self._reporter = reporter
        self._limits = limits
        self._insecure = insecure
        self._counts = RunCounts()
        self._ended = EndedDownloads()
        self._tracker = NullTracker()
        self._one_ended = asyncio.Event()
        self._is_read = False  # True once all items are read

    async def main(self, items: Iterator[Item]) -> ExitCode:
        """Download all items, or until the user interrupts; return the exit code."""
        reporter, output, counts = self._reporter, self._output, self._counts
        interruption = _catch_signals(reporter)
        interrupted = interruption.came
        drop_broken_key_log()
        from rheo_core.engine import make_manager  # imports the HTTP library

        end_imports()
        manager = make_manager(self._settings, tracker=self._tracker, insecure=self._insecure)
        async with manager:
            for event_type in _event_types(output):
                manager.on(event_type, self._report)
            lines = None if output.input_lines is None else JsonLines(output.input_lines)
            if lines is not None:
                manager.on("*", lines.add)
            manager.set_limits(stop_after_bytes=self._limits.stop_after)
            stopping = asyncio.create_task(manager.wait_until_stopped())
            stopping.add_done_callback(_unless_cancelled(interrupted.set))
            finished = await _unless(interrupted, self._download(BackgroundReader(items), manager))
            stopped = stopping.done()
            stopping.cancel()
            await manager.close()
        is_all_there = self._is_read and counts.ended == reporter.expected
        if is_all_there and not self._has_hooks:
            finished = True  # everything ended before the interrupt
        if lines is not None:
            finished = finished and await _unless(interrupted, lines.finish())
            await lines.finish(timeout=_JSON_GRACE_SECONDS)
        reporter.close()  # bars would swallow the sequence below
        if (line := self._ended.take()) and sys.stderr.isatty():
            print(terminal_sequence(line), end="", file=sys.stderr, flush=True)
        if not output.quiet:
            folder = self._settings.download_dir
            where = "to standard output" if output.to_output else f"folder {folder}"
            reporter.say(f"{counts.summary()}; {where}")
            if not finished:
                reason = "Stopped by --stop-after" if stopped else "Interrupted"
                # The folder of a file for standard output is removed.
                is_kept = not (output.to_output or is_all_there)
                advice = " Run the same command again to resume." if is_kept else ""
                reporter.say(f"{reason}.{advice}")
        problem = None if lines is None else lines.problem
        if finished and problem is not None:
            reporter.say(f"rheo: events are missing from the output: {problem}")
        return code_of_run(
            counts.failures,
            is_finished=finished,
            is_stopped=stopped,
            signalled=interruption.signal,
            lost_events=problem is not None,
            bad_input=self._diagnostics.problems > 0,
        )

    @property
    def _has_hooks(self) -> bool:
        return bool(self._settings.on_complete or self._settings.on_error)

    async def _download(self, reader: BackgroundReader[Item], manager: "DownloadManager") -> None:
        """Queue items a little ahead of the running ones, and wait until all have ended."""
        await self._wait_for_start()
        while items := await reader.take():
            configs = [item for item in items if isinstance(item, FileConfig)]
            for item in items:
                if isinstance(item, Diagnostic):
                    self._diagnostics.report(item, self._say)
            self._reporter.expect({one.id: one.get_destination_filename() for one in configs})
            await manager.add(configs)
            while self._reporter.expected - self._counts.ended >= _READ_AHEAD:
                self._one_ended.clear()
                await self._one_ended.wait()
        self._diagnostics.finish(self._say)
        self._is_read = True
        await manager.wait_until_complete()

    def _say(self, line: str) -> None:
        self._reporter.say(f"rheo: {line}")

    async def _wait_for_start(self) -> None:
        start_at = self._limits.start_at
        if start_at is None:
            return
        if not self._output.quiet:
            self._reporter.say(f"Waiting until {start_text(start_at, datetime.now())}.")
        await sleep_until(start_at)

    def _report(self, event: DownloadEvent) -> None:
        self._counts.add(event)
        record = self._tracker.get(event.download_id)
        if isinstance(event, DownloadSkippedEvent) and event.destination_path is not None:
            self._reporter.rename(event.download_id, PurePath(event.destination_path).name)
        elif record is not None:  # the server may have suggested another name
            self._reporter.rename(record.id, record.name)
        self._reporter.report(event)
        if self._settings.notify is Notify.TERMINAL:
            self._ended.add(event)
        if isinstance(event, TERMINAL_EVENTS):
            self._one_ended.set()


def _event_types(output: Output) -> list[str]:
    """Return the events to subscribe to: the engine skips events without a listener."""
    left_out = {DownloadEventType.QUEUED}
    if not output.live:
        left_out.add(DownloadEventType.PROGRESS)
    return [kind for kind in DownloadEventType if kind not in left_out]


async def _unless(interrupted: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Wait for `work` or an interrupt; return True if the work was done."""
    task = asyncio.create_task(work)
    stop = asyncio.create_task(interrupted.wait())
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        return task.done()
    finally:
        for each in (task, stop):
            each.cancel()
        await asyncio.gather(task, stop, return_exceptions=True)


def _unless_cancelled(callback: Callable[[], None]) -> Callable[[asyncio.Task[None]], None]:
    return lambda task: None if task.cancelled() else callback()


@dataclass(slots=True)
class _Interruption:
    """The first signal that ends the command."""

    came: asyncio.Event = field(default_factory=asyncio.Event)
    signal: int | None = None


def _catch_signals(reporter: Reporter) -> _Interruption:
    """Note Ctrl+C, SIGTERM or a closed terminal; a second one ends the process.

    A signal that the parent process ignores stays ignored: nohup(1) ignores SIGHUP, and shells
    ignore Ctrl+C for background jobs of scripts.

    These handlers outlive the loop. asyncio's handlers do not, so a Ctrl+C at the last moment would
    print a traceback. At its end, the interpreter restores the default action of each signal that
    has a handler; ignored signals cannot replace the exit status.
    """
    interruption = _Interruption()
    loop = asyncio.get_running_loop()

    def interrupt(number: int) -> None:
        if interruption.came.is_set():
            reporter.close()  # shows the cursor again
            os._exit(code_of_signal(number))
        interruption.signal = number
        interruption.came.set()

    def catch(number: int, _: object) -> None:
        if not loop.is_closed():  # otherwise the process is about to end
            loop.call_soon_threadsafe(interrupt, number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, catch)
            atexit.register(signal.signal, number, signal.SIG_IGN)
    return interruption
