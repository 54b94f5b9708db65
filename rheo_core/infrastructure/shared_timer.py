"""SharedTimer: one timer of the event loop for all that wait for the same time."""

import asyncio
import time
from collections.abc import Callable


class SharedTimer:
    """Calls back after a fixed time unless it is stopped before.

    Nearly all waits for a reply end long before their time. They cost an entry in a dictionary
    here, instead of a timer each.

    Args:
        seconds: time until the call.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends: dict[Callable[[], object], float] = {}  # monotonic clock; the first ends first
        self._handle: asyncio.TimerHandle | None = None

    def start(self, callback: Callable[[], object]) -> None:
        """Call `callback`, which does not wait here yet, after the time."""
        self._ends[callback] = end = time.monotonic() + self._seconds
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_at(end, self._ring)

    def stop(self, callback: Callable[[], object]) -> bool:
        """Do not call `callback` any more; return False if it was called."""
        waited = self._ends.pop(callback, None) is not None
        if not self._ends and self._handle is not None:
            self._handle.cancel()
            self._handle = None
        return waited

    def _ring(self) -> None:
        """Call all whose time has come, and wait for the next one."""
        loop = asyncio.get_running_loop()
        while self._ends:
            callback, end = next(iter(self._ends.items()))
            if end > loop.time():
                break
            del self._ends[callback]
            callback()
        if self._handle is not None:  # a callback may have set it
            self._handle.cancel()
        self._handle = loop.call_at(end, self._ring) if self._ends else None
