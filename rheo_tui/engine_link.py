"""Keeping the main screen and the engine together: start, poll, never fall over."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rheo_core.domain import FileConfig, RheoError, Snapshot
from rheo_core.domain.text import printable
from rheo_core.events import DownloadEvent

from .formatting import count_text
from .log_book import LogBook, log_line
from .service import DownloadService

if TYPE_CHECKING:
    from rheo_core.inputs.sources import Item

_ADDED_AT_ONCE = 2000

Notice = Callable[[str, bool], None]
"""Tells the user a sentence; True for an error."""


class EngineLink:
    """What the screen knows of the service's state.

    The engine's own errors become a notice and a log line; the app goes on.
    """

    def __init__(
        self,
        service: DownloadService,
        book: LogBook,
        notice: Notice,
        on_event: Callable[[DownloadEvent], None],
    ) -> None:
        self.service = service
        self.ready = False
        self.latest: Snapshot | None = None
        self._book = book
        self._notice = notice
        self._on_event = on_event
        self._poll_failed = False
        self._closed = False
        self._tried = asyncio.Event()  # to start, whatever came of it

    async def start(self) -> None:
        """Open the engine.

        Raises:
            RheoError: it cannot, for a reason that the app cannot mend.
        """
        try:
            if not self._closed:
                await self.service.start()
                self.ready = not self._closed
        except RheoError:
            raise
        except Exception as error:
            self.report("The engine did not start", error)
        finally:
            self._tried.set()

    async def close(self) -> None:
        """Close the engine, once."""
        if not self._closed:
            self._closed = True
            self.ready = False
            await self.guard(self.service.close(), "The engine did not close well")

    async def poll(self, name_of: Callable[[str], str]) -> Snapshot | None:
        """What changed since the last call; None for nothing. Events become log lines.

        Args:
            name_of: gives the name of a download for its log lines, by id; "" where unknown.
        """
        if not self.ready:
            return None
        since = self.latest.revision if self.latest else 0
        try:
            for event in self.service.take_events():
                self._book.write(log_line(event, name_of(event.download_id)))
                self._on_event(event)
            snapshot = await self.service.snapshot(since)
        except Exception as error:
            if not self._poll_failed:
                self._poll_failed = True
                self.report("The list cannot be brought up to date", error)
            return None
        self._poll_failed = False
        for problem in self.service.take_problems():
            self._book.note(problem, "bad")
            self._notice(problem, True)
        if self.latest is not None and snapshot.revision == since:
            before = replace(self.latest, downloads=(), removed=(), reset=False)
            if before == replace(snapshot, downloads=(), removed=(), reset=False):
                return None
        self.latest = snapshot
        return snapshot

    async def add(self, configs: Sequence[FileConfig]) -> bool:
        """Queue downloads, once the engine runs; False, and told, if it could not."""
        await self._tried.wait()
        if not self.ready:
            self._notice("Not added: the engine does not run.", True)
            return False
        for start in range(0, len(configs), _ADDED_AT_ONCE):  # the first are seen meanwhile
            some = configs[start : start + _ADDED_AT_ONCE]
            if not await self.guard(self.service.add(some), "Cannot add"):
                return False
        return True

    async def add_wanted(self, wanted: "Iterable[Item]") -> None:
        """Queue what is wanted as it is read; what is not right is told in the log and counted."""
        from rheo_core.inputs.background_reader import BackgroundReader
        from rheo_core.inputs.sources import Diagnostic, Diagnostics

        reader, diagnostics = BackgroundReader(iter(wanted)), Diagnostics(quiet=False)

        told: list[str] = []

        def say(line: str) -> None:
            told.append(line)
            self._book.note(line, "warning")

        while items := await reader.take():
            for item in items:
                if isinstance(item, Diagnostic):
                    diagnostics.report(item, say)
            configs = [item for item in items if not isinstance(item, Diagnostic)]
            if configs and not await self.add(configs):
                break
        diagnostics.finish(say)
        if len(told) == 1:
            self._notice(f"{told[0]}.", diagnostics.problems > 0)
        elif diagnostics.problems:
            what = count_text(diagnostics.problems, "line")
            self._notice(f"{what} not acceptable; see the log.", True)
        elif diagnostics.warnings:
            what = count_text(diagnostics.warnings, "link")
            self._notice(f"{what} asked for a proxy or similar; see the log.", True)

    async def guard(self, work: Awaitable[None], what: str) -> bool:
        """Await `work`; what it raises is told as "`what`: reason". Gives whether all went well."""
        try:
            await work
        except Exception as error:
            self.report(what, error)
            return False
        return True

    def report(self, what: str, error: Exception) -> None:
        """A notice and a log line."""
        reason = printable(str(error)).rstrip(".") or type(error).__name__
        self._book.note(f"{what}: {reason}.", "bad")
        self._notice(f"{what}: {reason}.", True)
