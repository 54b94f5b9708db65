"""Runs downloads to their end, or until the user interrupts."""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rheo_core.config import LogLevel, Notify, Settings
from rheo_core.domain import FileConfig, RheoError
from rheo_core.domain.schedule import start_text
from rheo_core.events import DownloadEvent, DownloadEventType
from rheo_core.events.endings import Endings, terminal_notice
from rheo_core.infrastructure.wall_clock import sleep_until
from rheo_core.inputs.background_reader import BackgroundReader
from rheo_core.inputs.sources import Diagnostic, Diagnostics, Item
from rheo_core.tracking import NullTracker

from .json_lines import JsonLines
from .options import Bounds, ExitCode
from .outcome import ENDS, Tally
from .progress import LiveReporter, LogLines, PlainReporter, Reporter

if TYPE_CHECKING:
    from rheo_core.downloads import DownloadManager

_AHEAD = 4_000
"""Downloads that wait or run before more of a list is read: what a list takes does not grow with
it. As many as this, so that hosts that have room are found behind those that have none."""
_JSON_SECONDS = 2.0  # for a reader to catch up after the user interrupted


@dataclass(frozen=True, slots=True)
class Output:
    """What is told of the downloads."""

    json: bool = False  # events to standard output
    quiet: bool = False  # only errors to standard error
    verbose: bool = False

    @property
    def live(self) -> bool:
        """Whether bars are drawn."""
        plain = self.json or self.quiet or os.environ.get("TERM") == "dumb"
        return sys.stderr.isatty() and not plain


def run(
    wanted: Iterator[Item],
    remarks: Diagnostics,
    settings: Settings,
    output: Output,
    bounds: Bounds,
    *,
    insecure: frozenset[str] = frozenset(),
) -> ExitCode:
    """Download what is wanted and tell of it, remarks included.

    The certificates of the hosts `insecure` are not checked.

    Returns:
        What the shell should learn; the caller has the folder made.
    """
    reporter: Reporter = LiveReporter() if output.live else PlainReporter(quiet=output.quiet)
    with reporter, _logging(reporter, settings, output):
        try:
            runner = _Run(remarks, settings, output, reporter, bounds, insecure)
            return asyncio.run(runner.main(wanted))
        except (RheoError, OSError) as error:
            reporter.say(f"rheo: {error}")
            return ExitCode.FAILED


@contextmanager
def _logging(reporter: Reporter, settings: Settings, output: Output) -> Iterator[None]:
    """Show the log among the other lines."""
    level = settings.log_level
    if output.verbose:
        level = LogLevel.DEBUG if level is LogLevel.DEBUG else LogLevel.INFO
    elif output.quiet:
        level = LogLevel.ERROR
    root = logging.getLogger()
    handler, before = LogLines(reporter), root.level
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
        remarks: Diagnostics,
        settings: Settings,
        output: Output,
        reporter: Reporter,
        bounds: Bounds,
        insecure: frozenset[str],
    ) -> None:
        self._remarks = remarks
        self._settings = settings
        self._output = output
        self._reporter = reporter
        self._bounds = bounds
        self._insecure = insecure
        self._tally = Tally()
        self._endings = Endings()
        self._tracker = NullTracker()
        self._one_ended = asyncio.Event()
        self._is_read = False  # everything that is wanted

    async def main(self, wanted: Iterator[Item]) -> ExitCode:
        """Download all, or until the user interrupts."""
        reporter, output, tally = self._reporter, self._output, self._tally
        interrupted = _catch_signals(reporter)
        from rheo_core.engine import make_manager  # brings the HTTP library with it

        gc.freeze()  # what was imported stays
        gc.enable()
        manager = make_manager(self._settings, tracker=self._tracker, insecure=self._insecure)
        async with manager:
            for event_type in _event_types(output):
                manager.on(event_type, self._tell)
            lines = JsonLines() if output.json else None
            if lines is not None:
                manager.on("*", lines.add)
            manager.set_limits(stop_after_bytes=self._bounds.stop_after)
            stopping = asyncio.create_task(manager.wait_until_stopped())
            stopping.add_done_callback(_unless_cancelled(interrupted.set))
            finished = await _unless(interrupted, self._download(BackgroundReader(wanted), manager))
            stopped = stopping.done()
            stopping.cancel()
            await manager.close()
        if self._is_read and tally.ended == reporter.expected:
            finished = True  # the interrupt came too late
        if lines is not None:
            finished = finished and await _unless(interrupted, lines.finish())
            await lines.finish(timeout=_JSON_SECONDS)
        reporter.close()  # while it draws it lets no sequence for the terminal through
        if (told := self._endings.take()) and sys.stderr.isatty():
            print(terminal_notice(told), end="", file=sys.stderr, flush=True)
        if not output.quiet:
            reporter.say(f"{tally.summary()}, in {self._settings.download_dir}")
            if not finished:
                why = "Stopped after the bytes of --stop-after" if stopped else "Interrupted"
                reporter.say(f"{why}; run the same command again to go on from here.")
        if not finished:
            return ExitCode.STOPPED if stopped else ExitCode.INTERRUPTED
        if lines is not None and lines.problem is not None:
            reporter.say(f"rheo: events are missing from the output: {lines.problem}")
            return tally.exit_code or ExitCode.DISK
        return tally.exit_code

    async def _download(self, feed: BackgroundReader[Item], manager: "DownloadManager") -> None:
        """Queue what is wanted, a little ahead of what runs, and see it to its end."""
        await self._wait_for_start()
        while items := await feed.take():
            configs = [item for item in items if isinstance(item, FileConfig)]
            for item in items:
                if isinstance(item, Diagnostic):
                    self._remarks.tell(item, self._say)
            self._reporter.expect({one.id: one.get_destination_filename() for one in configs})
            await manager.add(configs)
            while self._reporter.expected - self._tally.ended >= _AHEAD:
                self._one_ended.clear()
                await self._one_ended.wait()
        self._remarks.finish(self._say)
        self._is_read = True
        await manager.wait_until_complete()

    def _say(self, line: str) -> None:
        self._reporter.say(f"rheo: {line}")

    async def _wait_for_start(self) -> None:
        start_at = self._bounds.start_at
        if start_at is None:
            return
        if not self._output.quiet:
            self._reporter.say(f"Waits until {start_text(start_at, datetime.now())}.")
        await sleep_until(start_at)

    def _tell(self, event: DownloadEvent) -> None:
        self._tally.add(event)
        record = self._tracker.get(event.download_id)
        if record is not None:  # the server may have named it
            self._reporter.rename(record.id, record.name)
        self._reporter.tell(event)
        if self._settings.notify is Notify.TERMINAL:
            self._endings.add(event)
        if isinstance(event, ENDS):
            self._one_ended.set()


def _event_types(output: Output) -> list[str]:
    """What to listen to: the engine makes no events for which nobody listens."""
    left_out = {DownloadEventType.QUEUED}
    if not output.live:
        left_out.add(DownloadEventType.PROGRESS)
    return [kind for kind in DownloadEventType if kind not in left_out]


async def _unless(interrupted: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Wait for `work` or the user, whichever comes first; True if the work was done."""
    doing = asyncio.create_task(work)
    stop = asyncio.create_task(interrupted.wait())
    try:
        await asyncio.wait({doing, stop}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            await doing
        return doing.done()
    finally:
        for task in (doing, stop):
            task.cancel()
        await asyncio.gather(doing, stop, return_exceptions=True)


def _unless_cancelled(tell: Callable[[], None]) -> Callable[[asyncio.Task[None]], None]:
    return lambda task: None if task.cancelled() else tell()


def _catch_signals(reporter: Reporter) -> asyncio.Event:
    """An event set by Ctrl-C, SIGTERM or a closed terminal. The second ends the process at once.

    The handlers stay: those of asyncio go with the loop, and a Ctrl-C of the last moment would
    print a traceback.
    """
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        if interrupted.is_set():
            reporter.close()  # the cursor was hidden
            os._exit(ExitCode.INTERRUPTED)
        interrupted.set()

    def catch(*_: object) -> None:
        if not loop.is_closed():  # else the process is about to end
            loop.call_soon_threadsafe(interrupt)

    signal.signal(signal.SIGINT, catch)
    signal.signal(signal.SIGTERM, catch)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup(1) has it
        signal.signal(signal.SIGHUP, catch)
    return interrupted
