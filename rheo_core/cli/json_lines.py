"""`--json`: write events to standard output, one JSON object per line."""

import asyncio
import errno
import json
import sys
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread

from rheo_core.domain.downloads import DownloadStatus
from rheo_core.domain.exceptions import ShortageError
from rheo_core.domain.listing import json_line
from rheo_core.events import DownloadEvent, DownloadEventType, DownloadProgressEvent

from .download_configs import InputLines
from .report import TERMINAL_EVENTS
from .standard_output import write_all

_MAX_WAITING = 64
"""Lines that may wait for a slow reader; beyond that, progress events are dropped."""
_READER_GONE = {errno.EPIPE, errno.ECONNRESET, errno.EIO}
"""Errors that mean that the reader is gone; EIO means a closed terminal."""


SCHEMA_VERSION = 1
"""Version of the lines. New fields and events do not change it; removed or changed ones do."""
STATUSES: dict[str, DownloadStatus] = {
    DownloadEventType.QUEUED: DownloadStatus.QUEUED,
    DownloadEventType.STARTED: DownloadStatus.IN_PROGRESS,
    DownloadEventType.PROGRESS: DownloadStatus.IN_PROGRESS,
    DownloadEventType.REPAIRING: DownloadStatus.IN_PROGRESS,
    DownloadEventType.VALIDATING: DownloadStatus.VERIFYING,
    DownloadEventType.RETRYING: DownloadStatus.RETRYING,
    DownloadEventType.PAUSED: DownloadStatus.PAUSED,
    DownloadEventType.RESUMED: DownloadStatus.QUEUED,
    DownloadEventType.COMPLETED: DownloadStatus.COMPLETED,
    DownloadEventType.FAILED: DownloadStatus.FAILED,
    DownloadEventType.SKIPPED: DownloadStatus.SKIPPED,
    DownloadEventType.CANCELLED: DownloadStatus.CANCELLED,
}
"""Status of a download after each event; other events do not change it."""


class JsonLines:
    """Writer with a separate thread, so that a slow reader does not delay downloads.

    Create it on the event loop.

    Args:
        input_lines: inputs and lines by the id of a download; an entry is dropped when it ends.
    """

    def __init__(self, input_lines: InputLines) -> None:
        self._input_lines = input_lines
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._written = asyncio.Event()
        self.problem: str | None = None  # why events are missing, such as a full disk
        # Not sys.stdout: a thread stuck in a write would hold its lock when Python flushes it at
        # exit.
        self._descriptor = sys.stdout.fileno()
        try:
            Thread(target=self._write_all, name="json-lines", daemon=True).start()
        except RuntimeError:
            raise ShortageError.of_threads() from None

    def add(self, event: DownloadEvent) -> None:
        """Queue `event` for writing."""
        crowded = self._lines.qsize() > _MAX_WAITING
        if not (crowded and isinstance(event, DownloadProgressEvent)):
            self._lines.put(_line_of(event, self._input_lines.get(event.download_id)))
        if isinstance(event, TERMINAL_EVENTS):
            self._input_lines.pop(event.download_id, None)

    async def finish(self, timeout: float | None = None) -> None:
        """Wait until all events are written. Add none afterwards.

        Args:
            timeout: maximum wait in seconds; None: no limit.
        """
        self._lines.put(None)
        try:
            async with asyncio.timeout(timeout):
                await self._written.wait()
        except TimeoutError:
            return

    def _write_all(self) -> None:
        has_reader = True
        while (line := self._lines.get()) is not None:
            if has_reader:
                has_reader = self._write(line)
        with suppress(RuntimeError):  # the loop is closed, so nobody waits
            self._loop.call_soon_threadsafe(self._written.set)

    def _write(self, line: bytes) -> bool:
        """Write a line; return False if nobody can read it. Downloads continue without a reader."""
        try:
            write_all(self._descriptor, line)
        except OSError as error:
            if error.errno not in _READER_GONE:
                self.problem = error.strerror
            return False
        return True


def _line_of(event: DownloadEvent, place: tuple[str, int] | None) -> bytes:
    """Return an event as JSON, with the fields specific to this output."""
    text = json_line(event)
    source, line = place or (None, None)
    more = {"status": STATUSES.get(event.event_type), "input": source, "line": line}
    added = json.dumps(more, separators=(",", ":"))
    return f'{{"schema":{SCHEMA_VERSION},{text[1:-1]},{added[1:]}\n'.encode()
