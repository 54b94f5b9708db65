"""SharedTimer: one event-loop timer for all callers that wait for the same time."""

import asyncio
import math
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

_LATE_SECONDS = 1.0
"""Delay of a timer above which the program counts as suspended."""


def was_suspended(due: float, now: float) -> bool:
    """Return True if the program was suspended (Ctrl+Z) when a timer was due.

    Time limits then start over, because the program could not receive anything meanwhile.

    Args:
        due: time of the timer, by the loop's clock.
        now: present time, by the same clock.
    """
    return now - due > _LATE_SECONDS


class SharedTimer:
    """Calls back after a fixed time, unless it is stopped earlier.

    Nearly all waits for a response end long before their time. Here each costs a dictionary entry
    instead of a timer.

    Args:
        seconds: time until the call; None: never call.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = math.inf if seconds is None else seconds
        self._ends: dict[Callable[[], object], float] = {}  # monotonic clock; the first ends first
        self._handle: asyncio.TimerHandle | None = None

    def start(self, callback: Callable[[], object]) -> None:
        """Call `callback`, which must not be waiting already, after the time."""
        self._ends[callback] = end = time.monotonic() + self._seconds
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_at(end, self._ring)

    def stop(self, callback: Callable[[], object]) -> bool:
        """Stop waiting; return False if `callback` was already called."""
        waited = self._ends.pop(callback, None) is not None
        if not self._ends and self._handle is not None:
            self._handle.cancel()
            self._handle = None
        return waited

    def _ring(self) -> None:
        """Call all whose time has come, and wait for the next one."""
        loop = asyncio.get_running_loop()
        if self._handle is not None and was_suspended(self._handle.when(), loop.time()):
            self._ends = dict.fromkeys(self._ends, loop.time() + self._seconds)
        while self._ends:
            callback, end = next(iter(self._ends.items()))
            if end > loop.time():
                break
            del self._ends[callback]
            callback()
        if self._handle is not None:  # a callback may have set it
            self._handle.cancel()
        self._handle = loop.call_at(end, self._ring) if self._ends else None


class TimeLimit:
    """Context that cancels its task when the time of a shared timer is over, like asyncio.timeout.

    Attributes:
        has_expired: the time was over.
    """

    def __init__(self, timer: SharedTimer) -> None:
        self._timer = timer
        self._task: asyncio.Task[object] | None = None
        self._cancellations = 0  # of the task before this block
        self.has_expired = False

    @classmethod
    def after(cls, seconds: float | None) -> Self:
        """Return a limit with its own timer; None: no limit."""
        return cls(SharedTimer(seconds))

    def __enter__(self) -> Self:
        self._task = task = asyncio.current_task()
        assert task is not None
        self._cancellations = task.cancelling()
        self._timer.start(self._expire)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the limit.

        Raises:
            TimeoutError: the time was over, and nobody else has cancelled the task.
        """
        self._timer.stop(self._expire)
        if not self.has_expired:
            return
        assert self._task is not None
        is_cancelled_by_others = self._task.uncancel() > self._cancellations
        if kind is asyncio.CancelledError and not is_cancelled_by_others:
            raise TimeoutError from error

    def _expire(self) -> None:
        assert self._task is not None
        self.has_expired = True
        self._task.cancel()
