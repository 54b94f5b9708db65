"""HookRunner: run commands and show desktop notifications after a download."""

import asyncio
import logging
import shutil
import sys
from collections.abc import Callable

from rheo_core.domain.engine_options import CompletionHooks
from rheo_core.domain.text import printable, redact_url
from rheo_core.events import (
    BaseEmitter,
    DownloadCompletedEvent,
    DownloadEvent,
    DownloadEventType,
    DownloadFailedEvent,
)
from rheo_core.events.notifications import EndedDownloads
from rheo_core.infrastructure.processes import CommandRunner

_log = logging.getLogger(__name__)
_GATHER_SECONDS = 1.0
"""Downloads that end within this time share one notification."""
_NOTICE_SECONDS = 5.0
_TERMINAL_EVENTS = (DownloadEventType.COMPLETED, DownloadEventType.FAILED)

Explain = Callable[[str, str], None]
"""Report a problem after the end of a download: its id and a sentence."""


class HookRunner:
    """Runs hooks when downloads end. A failing hook never changes a download.

    Commands run one at a time, in the order in which the downloads ended. Draining the emitter
    waits for them.
    """

    def __init__(self, hooks: CompletionHooks, emitter: BaseEmitter, explain: Explain) -> None:
        self._hooks = hooks
        self._explain = explain
        self._commands = CommandRunner()
        self._endings = EndedDownloads()
        self._timer: asyncio.TimerHandle | None = None
        self._telling: set[asyncio.Task[None]] = set()
        self._is_open = False
        if hooks.on_complete:
            emitter.on(DownloadEventType.COMPLETED, self._run_command)
        if hooks.on_error:
            emitter.on(DownloadEventType.FAILED, self._run_command)
        if hooks.on_desktop:
            for kind in _TERMINAL_EVENTS:
                emitter.on(kind, self._gather)

    def open(self) -> None:
        """Start to run hooks."""
        self._commands = CommandRunner()
        self._is_open = True

    async def close(self) -> None:
        """End the running command, drop waiting ones, and show the pending notification."""
        self._is_open = False
        if self._timer is not None:
            self._timer.cancel()
            self._tell()
        if self._telling:
            await asyncio.wait(self._telling)
        await self._commands.close()

    async def _run_command(self, event: DownloadEvent) -> None:
        if not self._is_open:
            _log.warning(
                "%s: its command did not run because the program is exiting", event.download_id
            )
            return
        is_complete = isinstance(event, DownloadCompletedEvent)
        command = self._hooks.on_complete if is_complete else self._hooks.on_error
        problem = await self._commands.run(command, facts_of(event), self._hooks.timeout)
        if problem is not None:
            _log.warning("%s: its command failed: %s", event.download_id, problem)
            self._explain(event.download_id, f"command after the download: {problem}")

    def _gather(self, event: DownloadEvent) -> None:
        self._endings.add(event)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_GATHER_SECONDS, self._tell)

    def _tell(self) -> None:
        self._timer = None
        task = asyncio.create_task(self._show(self._endings.take()))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _show(self, text: str) -> None:
        command = desktop_command(text)
        if command is None:
            _log.info("no notification: neither notify-send nor osascript is installed")
            return
        problem = await self._commands.run(command, {}, _NOTICE_SECONDS)
        if problem is not None:
            _log.warning("no notification: %s", problem)


def facts_of(event: DownloadEvent) -> dict[str, str]:
    """Return the environment variables of a command, "" if unknown, without secrets of the URL."""
    facts = {
        "RHEO_ID": event.download_id,
        "RHEO_URL": redact_url(event.url),
        "RHEO_STATUS": event.event_type.removeprefix("download."),
        "RHEO_PATH": "",
        "RHEO_SIZE": "",
        "RHEO_HASH": "",
        "RHEO_ERROR": "",
    }
    if isinstance(event, DownloadCompletedEvent):
        facts |= {"RHEO_PATH": event.destination_path, "RHEO_SIZE": str(event.total_bytes)}
        if event.validation is not None:
            checked = event.validation
            facts["RHEO_HASH"] = f"{checked.algorithm.value}:{checked.calculated_hash}"
        if event.computed_hash is not None:
            facts["RHEO_HASH"] = event.computed_hash
    elif isinstance(event, DownloadFailedEvent):
        facts["RHEO_ERROR"] = printable(event.error.message)
    return facts


def desktop_command(text: str) -> list[str] | None:
    """Return the command that shows `text`, one printable line; None if no program can."""
    if sys.platform == "darwin" and (program := shutil.which("osascript")):
        script = 'on run argv\ndisplay notification (item 1 of argv) with title "rheo"\nend run'
        return [program, "-e", script, "--", text]
    if program := shutil.which("notify-send"):
        return [
            program,
            "--app-name=rheo",
            "--",
            text,
        ]  # as a summary, because a body may contain markup
    return None
