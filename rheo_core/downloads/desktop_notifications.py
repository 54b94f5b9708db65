"""DesktopNotifications: notify the desktop once for downloads that end together.

`rheo_tui/terminal_notifications.py` notifies the terminal.
"""

import asyncio
import logging
import shutil
import sys

from rheo_core.events import BaseEmitter, DownloadEvent, DownloadEventType
from rheo_core.events.notifications import EndedDownloads
from rheo_core.infrastructure.processes import ProcessRunner

_log = logging.getLogger(__name__)
_GATHER_SECONDS = 1.0
"""Downloads that end within this time share one notification."""
_NOTICE_SECONDS = 5.0
_TERMINAL_EVENTS = (DownloadEventType.COMPLETED, DownloadEventType.FAILED)


class DesktopNotifications:
    """Notifies the user of ended downloads on the desktop, if it has a program for that."""

    def __init__(self, emitter: BaseEmitter) -> None:
        self._commands = ProcessRunner()
        self._endings = EndedDownloads()
        self._timer: asyncio.TimerHandle | None = None
        self._telling: set[asyncio.Task[None]] = set()
        for kind in _TERMINAL_EVENTS:
            emitter.on(kind, self._gather)

    def open(self) -> None:
        """Start showing notifications."""
        self._commands = ProcessRunner()

    async def close(self) -> None:
        """Show the pending notification."""
        if self._timer is not None:
            self._timer.cancel()
            self._tell()
        if self._telling:
            await asyncio.wait(self._telling)
        await self._commands.close()

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
