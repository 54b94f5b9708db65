"""Threads for blocking work on the disk."""

import asyncio
import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from .shortage import thread_shortage

P = ParamSpec("P")
T = TypeVar("T")

_BRIEF_SECONDS = 0.001
"""About what a hand-over costs where two cores are free to fight over Python's lock."""
_MEAN_WEIGHT = 1 / 8
"""Of the last one in the mean: it takes 7 ms, or a few slow ones, to have the loop stand back."""
_SLOW_SECONDS = 1.0
"""The loop does no brief work for so long after it proved slow: there may be two disks, and one of
them slow."""


class DiskFuture(asyncio.Future[T]):
    """What a thread does, for the one who awaits it.

    Nothing of ours is ever left busy on a file: a thread cannot be stopped, so where the task
    that awaits this is cancelled, the cancellation is raised only after the work has ended.
    """

    def cancel(self, msg: Any | None = None) -> bool:
        """Refuse; asyncio cancels the task at its next step then, which follows the work."""
        return False


class DiskThreads:
    """A thread pool of our own: a disk that hangs must not keep others waiting.

    A hand-over costs a third of what `ThreadPoolExecutor` and asyncio need for it: there is one
    future instead of two, and one wake-up brings the results of all that is done.
    """

    def __init__(self, threads: int = 4) -> None:
        self._max_threads = threads
        self._pool: _Threads | None = None
        self._gates: defaultdict[Callable[..., Any], _LatencyGate] = defaultdict(_LatencyGate)

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> DiskFuture[T]:
        """Start `function` in a thread."""
        loop = asyncio.get_running_loop()
        if self._pool is None or self._pool.loop is not loop:
            self.close()
            self._pool = _Threads(loop, self._max_threads)
        work: DiskFuture[T] = DiskFuture(loop=loop)
        self._pool.take(work, partial(function, *args, **kwargs))
        return work

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` in a thread; see `DiskFuture` for what a cancellation does."""
        return await self.submit(function, *args, **kwargs)

    def submit_maybe_inline(
        self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> DiskFuture[T]:
        """As `submit`, for a few system calls; done at once where a thread found them quick.

        The thread and the loop fight for Python's lock at each of these calls, which costs more
        than they do. Once the loop had to wait for a disk, they are the threads' for a while.
        """
        began = time.monotonic()
        gate = self._gates[function]
        if began < gate.inline_since:
            return self.submit(partial(gate.probe, function, *args, **kwargs))
        work: DiskFuture[T] = DiskFuture(loop=asyncio.get_running_loop())
        try:
            work.set_result(function(*args, **kwargs))
        except BaseException as error:
            work.set_exception(error)
        gate.note(began, time.monotonic())
        return work

    async def run_stoppable(self, function: Callable[[threading.Event], T]) -> T:
        """Run long work that ends early once its event is set, which a cancellation does."""
        stop = threading.Event()
        work = self.submit(function, stop)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            stop.set()
            with suppress(Exception):
                await work
            raise

    def close(self) -> None:
        """End the threads once they have done what there is; the next `submit` makes new ones."""
        if self._pool is not None:
            self._pool.dismiss()
            self._pool = None


class _LatencyGate:
    """How quick one kind of brief work is."""

    def __init__(self) -> None:
        self.inline_since = math.inf  # when the loop may do it
        self._mean = 0.0  # seconds, of late

    def probe(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do it in a thread."""
        began = time.monotonic()
        result = function(*args, **kwargs)
        if self.inline_since == math.inf and time.monotonic() - began < _BRIEF_SECONDS:
            self.inline_since = began
        return result

    def note(self, began: float, ended: float) -> None:
        """The loop has done it."""
        self._mean += (ended - began - self._mean) * _MEAN_WEIGHT
        if self._mean >= _BRIEF_SECONDS:
            self._mean = _BRIEF_SECONDS / 2  # the next slow one will do
            self.inline_since = ended + _SLOW_SECONDS


class _Threads:
    """The threads that work for one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_threads: int) -> None:
        self.loop = loop
        self._max_threads = max_threads
        self._count = 0
        self._busy = 0  # jobs that are not delivered yet
        self._jobs: SimpleQueue[tuple[DiskFuture[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._done: deque[tuple[DiskFuture[Any], Any, BaseException | None]] = deque()
        self._is_notified = False  # the loop is going to look at what is done

    def take(self, work: DiskFuture[Any], function: Callable[[], Any]) -> None:
        if self._count < min(self._busy + 1, self._max_threads):
            # A daemon: like a kill, an exit in the middle of a write does no harm.
            try:
                threading.Thread(target=self._run, name="rheo-disk", daemon=True).start()
                self._count += 1
            except RuntimeError:  # the system has no more; those that are there will do
                if not self._count:
                    raise thread_shortage() from None
        self._busy += 1
        self._jobs.put((work, function))

    def dismiss(self) -> None:
        for _ in range(self._count):
            self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, function = job
            try:
                self._done.append((work, function(), None))
            except BaseException as error:
                self._done.append((work, None, error))
            del job, work, function  # while it waits it keeps nothing alive
            if not self._is_notified:
                self._is_notified = True
                with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                    self.loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._is_notified = False  # first, so that what is done from now on is told again
        while self._done:
            work, result, error = self._done.popleft()
            self._busy -= 1
            if error is None:
                work.set_result(result)
            else:
                work.set_exception(error)
