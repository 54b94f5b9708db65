"""EngineClient: start, poll and close the service. Its errors never stop the app."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from rheo_core.domain import DownloadSnapshot, FileConfig, RheoError, Snapshot
from rheo_core.domain.text import printable
from rheo_core.events import DownloadEvent
from rheo_tui.formatting import count_text
from rheo_tui.long_work import LongWork
from rheo_tui.services.event_log import EventLog, log_line

from .protocol import DownloadService, ManyDownloadsEvent

if TYPE_CHECKING:
    from rheo_core.inputs.arguments import Item

POLL_SECONDS = 0.25
"""Time between two looks at the engine, which are two paints."""
ShowToast = Callable[[str, bool], None]
"""Shows a message to the user; the flag is True for an error."""


class EngineClient:
    """Keeps the main screen up to date with the service.

    Errors of the engine become a toast and a line of the event log; the app continues.

    Attributes:
        ready: True while the engine is open.
        latest: the last snapshot.
        work: work on many downloads, which the user may stop.
    """

    def __init__(
        self,
        service: DownloadService,
        event_log: EventLog,
        show_toast: ShowToast,
        on_event: Callable[[DownloadEvent], None],
        work: LongWork | None = None,
    ) -> None:
        self.service = service
        self.ready = False
        self._is_starting = False
        self.latest: Snapshot | None = None
        self._event_log = event_log
        self._show_toast = show_toast
        self._on_event = on_event
        self.work = work or LongWork()
        self._polling = asyncio.Lock()
        self._poll_failed = False
        self._closed = False
        self._first_attempt = asyncio.Event()  # set after the attempt to start, successful or not

    async def start(self) -> None:
        """Open the engine.

        Raises:
            RheoError: the session cannot be used.
        """
        try:
            if not self._closed:
                self._is_starting = True
                await self.service.start()
                self.ready = not self._closed
        except RheoError:
            raise
        except Exception as error:
            self.report("Cannot start the engine", error)
        finally:
            self._is_starting = False
            self._first_attempt.set()

    async def opened(self) -> None:
        """Wait until the engine is open, or has failed to open."""
        await self._first_attempt.wait()

    async def close(self) -> None:
        """Close the engine, once."""
        if not self._closed:
            self._closed = True
            self.ready = False
            await self.guard(self.service.close(), "Cannot close the engine")

    async def poll(self, name_of: Callable[[str], str]) -> Snapshot | None:
        """Return the changes since the last call, or None; write events to the event log.

        Args:
            name_of: returns the name of a download by its id; "" if it is unknown.
        """
        if not (self.ready or self._is_starting):
            return None
        async with self._polling:  # two calls at a time would get the same changes
            return await self._poll(name_of)

    async def _poll(self, name_of: Callable[[str], str]) -> Snapshot | None:
        since = self.latest.revision if self.latest else 0
        events, snapshot = self.service.take_events(), None
        try:
            snapshot = await self.service.snapshot(since)
        except Exception as error:
            if not self._poll_failed:
                self._poll_failed = True
                self.report("Cannot update the list", error)
            return None
        finally:  # later, because the snapshot has the names of new downloads
            self._write(events, snapshot.downloads if snapshot else (), name_of)
        self._poll_failed = False
        if not self.ready and not snapshot.downloads:  # the list may follow
            return None
        for problem in self.service.take_problems():
            self._event_log.note(problem, "bad")
            self._show_toast(problem, True)
        if self.latest is not None and snapshot.revision == since:
            before = replace(self.latest, downloads=(), removed=(), reset=False)
            if before == replace(snapshot, downloads=(), removed=(), reset=False):
                return None
        self.latest = snapshot
        return snapshot

    def _write(
        self,
        events: Iterable[DownloadEvent | ManyDownloadsEvent],
        changed: Iterable[DownloadSnapshot],
        name_of: Callable[[str], str],
    ) -> None:
        """Write events to the event log, with the names that their downloads have now."""
        ids = {each.download_id for each in events if not isinstance(each, ManyDownloadsEvent)}
        names = {row.id: row.name for row in changed if row.id in ids}
        for event in events:
            if isinstance(event, ManyDownloadsEvent):
                self._event_log.write_many(event)
            else:
                name = names.get(event.download_id) or name_of(event.download_id)
                self._event_log.write(log_line(event, name))
                self._on_event(event)

    async def add(
        self,
        configs: Sequence[FileConfig],
        *,
        paused: bool = False,
        first: bool = False,
        earlier: Mapping[str, str] = MappingProxyType({}),
        say: Callable[[str], None] | None = None,
    ) -> bool:
        """Queue downloads once the engine runs; return False if that fails or is stopped.

        Args:
            configs: the downloads.
            paused: True to pause them before they start.
            first: True to put them before all others.
            earlier: see `DownloadService.add`.
            say: shows the progress in a dialog.
        """
        await self.opened()
        if not self.ready:
            self._show_toast("Cannot add: the engine is not running.", True)
            return False

        async def add_some(some: Sequence[FileConfig]) -> int:
            await self.service.add(some, paused=paused, earlier=earlier)
            return len(some)

        # In batches, so that the first appear soon.
        adding = self.work.each("Adding", configs, add_some, say=say)
        if not await self.guard(adding, "Cannot add") or self.work.is_stopped:
            return False
        if first:
            await self.guard(self._move_to_top(configs), "Cannot move")
        return True

    async def _move_to_top(self, configs: Sequence[FileConfig]) -> None:
        await self.service.move([config.id for config in configs], "top")

    async def add_items(self, items: "Iterable[Item]") -> None:
        """Queue items while they are read; log invalid ones and report their number."""
        from rheo_core.inputs.arguments import Diagnostic, Diagnostics
        from rheo_core.inputs.background_reader import BackgroundReader

        reader, diagnostics = BackgroundReader(iter(items)), Diagnostics(quiet=False)

        messages: list[str] = []

        def say(line: str) -> None:
            messages.append(line)
            self._event_log.note(line, "warning")

        while taken := await reader.take():
            for item in taken:
                if isinstance(item, Diagnostic):
                    diagnostics.report(item, say)
            configs = [item for item in taken if not isinstance(item, Diagnostic)]
            if configs and not await self.add(configs):
                break
        diagnostics.finish(say)
        if len(messages) == 1:
            self._show_toast(f"{messages[0]}.", diagnostics.problems > 0)
        elif diagnostics.problems:
            lines = count_text(diagnostics.problems, "line")
            self._show_toast(f"Skipped {lines} with errors; see the log.", True)
        elif diagnostics.warnings:
            urls = count_text(diagnostics.warnings, "URL")
            self._show_toast(f"Ignored options of {urls}, such as a proxy; see the log.", True)

    async def guard(self, work: Awaitable[object], title: str) -> bool:
        """Await `work`; report an exception as "`title`: reason". Return True on success."""
        try:
            await work
        except Exception as error:
            self.report(title, error)
            return False
        return True

    def report(self, title: str, error: Exception) -> None:
        """Show an error as a toast and write it to the event log."""
        reason = printable(str(error)).rstrip(".") or type(error).__name__
        self._event_log.note(f"{title}: {reason}.", "bad")
        self._show_toast(f"{title}: {reason}.", True)
