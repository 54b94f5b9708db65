"""Events as lines of JSON on standard output, for other programs."""

import asyncio
import os
import sys
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread

from rheo_core.events import DownloadEvent, DownloadProgressEvent

_MOST_WAITING = 64
"""Behind a reader with more lines waiting than this, progress events are left out."""


class JsonLines:
    """Writes in a thread of its own, so that a slow reader holds up no download.

    Make it on the event loop.
    """

    def __init__(self) -> None:
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._written = asyncio.Event()
        # Straight to the descriptor: a thread stuck in a write to sys.stdout would hold its lock
        # when Python ends and flushes it.
        self._descriptor = sys.stdout.fileno()
        Thread(target=self._write_all, name="json-lines", daemon=True).start()

    def add(self, event: DownloadEvent) -> None:
        """Write `event` soon."""
        crowded = self._lines.qsize() > _MOST_WAITING
        if not (crowded and isinstance(event, DownloadProgressEvent)):
            self._lines.put(event.model_dump_json().encode() + b"\n")

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
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
        except OSError:
            return False
        return True
