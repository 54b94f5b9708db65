"""Runs downloads to their end, or until the user interrupts."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rheo_core.config import LogLevel, Settings
from rheo_core.domain import FileConfig, RheoError
from rheo_core.events import DownloadEvent, DownloadEventType

from .json_lines import JsonLines
from .options import ExitCode
from .outcome import Tally
from .progress import LiveReporter, LogLines, PlainReporter, Reporter

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
    configs: Sequence[FileConfig],
    settings: Settings,
    output: Output,
    *,
    insecure: frozenset[str] = frozenset(),
) -> ExitCode:
    """Download `configs` and tell of it.

    Returns:
        What the shell should learn; the caller has the folder made.
    """
    names = {config.id: config.get_destination_filename() for config in configs}
    reporter: Reporter = (
        LiveReporter(names) if output.live else PlainReporter(names, quiet=output.quiet)
    )
    with reporter, _logging(reporter, settings, output):
        try:
            return asyncio.run(_run(configs, settings, output, reporter, insecure))
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


async def _run(
    configs: Sequence[FileConfig],
    settings: Settings,
    output: Output,
    reporter: Reporter,
    insecure: frozenset[str],
) -> ExitCode:
    tally = Tally()

    def tell(event: DownloadEvent) -> None:
        tally.add(event)
        reporter.show(event)

    interrupted = _catch_signals(reporter)
    from rheo_core.engine import make_manager  # brings the HTTP library with it

    manager = make_manager(settings, insecure=insecure)
    async with manager:
        for event_type in _event_types(output):
            manager.on(event_type, tell)
        lines = JsonLines() if output.json else None
        if lines is not None:
            manager.on("*", lines.add)
        await manager.add(configs)
        finished = await _unless(interrupted, manager.wait_until_complete())
        await manager.close()
    finished = finished or tally.ended == len(configs)  # the interrupt came too late
    if lines is not None:
        finished = finished and await _unless(interrupted, lines.finish())
        await lines.finish(timeout=_JSON_SECONDS)
    if not output.quiet:
        reporter.close()
        reporter.say(f"{tally.summary()}, in {settings.download_dir}")
        if not finished:
            reporter.say("Interrupted; run the same command again to go on from here.")
    return tally.exit_code if finished else ExitCode.INTERRUPTED


def _event_types(output: Output) -> list[str]:
    """What to listen to: the engine makes no progress events where nobody listens."""
    if output.live:
        return ["*"]
    return [kind for kind in DownloadEventType if kind is not DownloadEventType.PROGRESS]


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


def _catch_signals(reporter: Reporter) -> asyncio.Event:
    """An event set by Ctrl-C, SIGTERM or a closed terminal. The second ends the process at once."""
    interrupted = asyncio.Event()

    def interrupt() -> None:
        if interrupted.is_set():
            reporter.close()  # the cursor was hidden
            os._exit(ExitCode.INTERRUPTED)
        interrupted.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, interrupt)
    loop.add_signal_handler(signal.SIGTERM, interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup(1) has it
        loop.add_signal_handler(signal.SIGHUP, interrupt)
    return interrupted
