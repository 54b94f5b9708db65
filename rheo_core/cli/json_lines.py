"""Events as lines of JSON on standard output, for other programs."""

import asyncio
import errno
import json
import os
import select
import sys
from contextlib import suppress
from datetime import datetime
from queue import SimpleQueue
from threading import Thread

from rheo_core.events import DownloadEvent, DownloadProgressEvent
from rheo_core.infrastructure.shortage import no_threads

_MOST_WAITING = 64
"""Behind a reader with more lines waiting than this, progress events are left out."""
_GONE = {errno.EPIPE, errno.ECONNRESET, errno.EIO}
"""Nobody reads any more; EIO is what a terminal says that is gone."""


class JsonLines:
    """Writes in a thread of its own, so that a slow reader holds up no download.

    Make it on the event loop.
    """

    def __init__(self) -> None:
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._written = asyncio.Event()
        self.problem: str | None = None  # why events are missing, such as a full disk
        # Straight to the descriptor: a thread stuck in a write to sys.stdout would hold its lock
        # when Python ends and flushes it.
        self._descriptor = sys.stdout.fileno()
        try:
            Thread(target=self._write_all, name="json-lines", daemon=True).start()
        except RuntimeError:
            raise no_threads() from None

    def add(self, event: DownloadEvent) -> None:
        """Write `event` soon."""
        crowded = self._lines.qsize() > _MOST_WAITING
        if not (crowded and isinstance(event, DownloadProgressEvent)):
            self._lines.put(_line_of(event))

    async def finish(self, timeout: float | None = None) -> None:
        """Wait until all is written, `timeout` seconds at the most; add nothing after it."""
        self._lines.put(None)
        try:
            async with asyncio.timeout(timeout):
                await self._written.wait()
        except TimeoutError:
            return

    def _write_all(self) -> None:
        reader_is_there = True
        while (line := self._lines.get()) is not None:
            if reader_is_there:
                reader_is_there = self._write(line)
        with suppress(RuntimeError):  # the loop is closed: nobody waited so long
            self._loop.call_soon_threadsafe(self._written.set)

    def _write(self, line: bytes) -> bool:
        """Whether it could be written; the downloads go on without a reader."""
        while line:
            try:
                line = line[os.write(self._descriptor, line) :]
            except BlockingIOError:  # another program that has the same pipe made it so
                self._wait_for_room()
            except OSError as error:
                if error.errno not in _GONE:
                    self.problem = error.strerror
                return False
        return True

    def _wait_for_room(self) -> None:
        room = select.poll()
        room.register(self._descriptor, select.POLLOUT)
        room.poll()


def _line_of(event: DownloadEvent) -> bytes:
    try:
        return event.model_dump_json().encode() + b"\n"
    except ValueError:  # a path need not be UTF-8; such a byte becomes an escape: \udcff
        values = event.model_dump() | {"occurred_at": _iso(event.occurred_at)}
        return json.dumps(values, separators=(",", ":")).encode() + b"\n"


def _iso(time: datetime) -> str:
    """Return a time as pydantic writes it."""
    return time.isoformat().replace("+00:00", "Z")
