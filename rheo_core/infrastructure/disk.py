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

from rheo_core.domain.exceptions import ShortageError

P = ParamSpec("P")
T = TypeVar("T")

_BRIEF_SECONDS = 0.001
"""Roughly the cost of a hand-over to a thread if two cores contend for Python's lock."""
_MEAN_WEIGHT = 1 / 8
"""Weight of the last call in the moving average. One call of 7 ms, or a few slow ones, send the
work back to the threads."""
_SLOW_SECONDS = 1.0
"""Time in seconds for which the loop leaves brief work to the threads after it was slow. One of two
disks may be slow."""


class DiskFuture(asyncio.Future[T]):
    """Result of work in a thread. It cannot be cancelled.

    A thread cannot be stopped. So if the task that awaits this is cancelled, the cancellation is
    raised after the work has ended, and no thread is left busy on a file.
    """

    def cancel(self, msg: Any | None = None) -> bool:
        """Refuse. asyncio then cancels the task at its next step, which follows the work."""
        return False


class DiskThreads:
    """Thread pool of one user, so that a disk that hangs delays nobody else.

    A hand-over costs a third of the time that `ThreadPoolExecutor` and asyncio need. It makes one
    future instead of two, and one wake-up of the loop delivers all finished results.

    Args:
        threads: the greatest number of threads.
    """

    def __init__(self, threads: int = 4) -> None:
        self._max_threads = threads
        self._pool: _Threads | None = None
        self._gates: defaultdict[Callable[..., Any], _LatencyGate] = defaultdict(_LatencyGate)

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> DiskFuture[T]:
        """Start `function` in a thread; return its result as a future.

        Raises:
            ShortageError: no thread exists, and the system cannot start one.
        """
        pool = self._pool_of_loop()
        work: DiskFuture[T] = DiskFuture(loop=pool.loop)
        pool.take(work, partial(function, *args, **kwargs))
        return work

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` in a thread and return its result; see `DiskFuture` on cancellation.

        Raises:
            ShortageError: as for `submit`.
        """
        return await self.submit(function, *args, **kwargs)

    def submit_maybe_inline(
        self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> DiskFuture[T]:
        """Run a few system calls on the loop if they have been quick, otherwise in a thread.

        Thread and loop contend for Python's lock at each call, which costs more than the calls.
        After the loop had to wait for a disk, the threads run them for `_SLOW_SECONDS`. The loop
        runs all that was submitted in one of its turns in a row: the caches of the processor are
        warm from the second one on, which then takes half the time.

        Raises:
            ShortageError: as for `submit`.
        """
        pool, gate = self._pool_of_loop(), self._gates[function]
        work: DiskFuture[T] = DiskFuture(loop=pool.loop)
        job = partial(function, *args, **kwargs)
        if time.monotonic() < gate.inline_since:
            pool.take(work, partial(gate.probe, job))
        else:
            pool.take_brief(work, job, gate)
        return work

    async def run_maybe_inline(
        self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one or two system calls at once if they have been quick, otherwise in a thread.

        Raises:
            ShortageError: as for `submit`.
        """
        gate = self._gates[function]
        began = time.monotonic()
        if began < gate.inline_since:
            return await self.submit(gate.probe, partial(function, *args, **kwargs))
        try:
            return function(*args, **kwargs)
        finally:
            gate.note(began, time.monotonic())

    async def run_stoppable(self, function: Callable[[threading.Event], T]) -> T:
        """Run long work in a thread and return its result.

        Args:
            function: called with an event; it must return soon after a cancellation sets it.

        Raises:
            ShortageError: as for `submit`.
        """
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
        """End the threads after the work that was submitted; the next `submit` starts new ones."""
        if self._pool is not None:
            self._pool.dismiss()
            self._pool = None

    def _pool_of_loop(self) -> "_Threads":
        loop = asyncio.get_running_loop()
        if self._pool is None or self._pool.loop is not loop:
            self.close()
            self._pool = _Threads(loop, self._max_threads)
        return self._pool


class _LatencyGate:
    """Choice between loop and threads for one function, by its latency."""

    def __init__(self) -> None:
        self.inline_since = math.inf  # when the loop may begin to run it, seconds, monotonic
        self._mean = 0.0  # moving average of its latency, seconds

    def probe(self, function: Callable[[], T]) -> T:
        """Run `function` in a thread, and let the loop run it next if it was quick."""
        began = time.monotonic()
        result = function()
        if self.inline_since == math.inf and time.monotonic() - began < _BRIEF_SECONDS:
            self.inline_since = began
        return result

    def note(self, began: float, ended: float) -> None:
        """Take note of a run on the loop, by its times (seconds, monotonic)."""
        self._mean += (ended - began - self._mean) * _MEAN_WEIGHT
        if self._mean >= _BRIEF_SECONDS:
            self._mean = _BRIEF_SECONDS / 2  # then one slow call is enough
            self.inline_since = ended + _SLOW_SECONDS


class _Threads:
    """Threads of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_threads: int) -> None:
        self.loop = loop
        self._max_threads = max_threads
        self._count = 0
        self._busy = 0  # jobs that are not delivered yet
        self._jobs: SimpleQueue[tuple[DiskFuture[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._done: deque[tuple[DiskFuture[Any], Any, BaseException | None]] = deque()
        self._is_notified = False  # the loop is going to deliver results
        self._brief: list[tuple[DiskFuture[Any], Callable[[], Any], _LatencyGate]] = []

    def take(self, work: DiskFuture[Any], function: Callable[[], Any]) -> None:
        if self._count < min(self._busy + 1, self._max_threads):
            # A daemon, because an exit during a write does no harm, as a kill does none.
            try:
                threading.Thread(target=self._run, name="rheo-disk", daemon=True).start()
                self._count += 1
            except RuntimeError:  # the system's limit; the existing threads suffice
                if not self._count:
                    raise ShortageError.of_threads() from None
        self._busy += 1
        self._jobs.put((work, function))

    def take_brief(
        self, work: DiskFuture[Any], function: Callable[[], Any], gate: _LatencyGate
    ) -> None:
        """Let the loop run `function` in its next turn."""
        if not self._brief:
            self.loop.call_soon(self._run_brief)
        self._brief.append((work, function, gate))

    def _run_brief(self) -> None:
        jobs, self._brief = self._brief, []
        for work, function, gate in jobs:
            began = time.monotonic()
            try:
                if began < gate.inline_since:  # the one before was slow
                    self.take(work, partial(gate.probe, function))
                    continue
                work.set_result(function())
            except BaseException as error:
                _fail(work, error)
            gate.note(began, time.monotonic())

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
            del job, work, function  # the waiting thread keeps nothing alive
            if not self._is_notified:
                self._is_notified = True
                with suppress(RuntimeError):  # the loop was closed: nothing waits for results
                    self.loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._is_notified = False  # first, so that later results notify the loop again
        while self._done:
            work, result, error = self._done.popleft()
            self._busy -= 1
            if error is None:
                work.set_result(result)
            else:
                _fail(work, error)


def _fail(work: DiskFuture[Any], error: BaseException) -> None:
    """Give a future its error. StopIteration would end the coroutine that awaits it (PEP 479)."""
    if isinstance(error, StopIteration):
        wrapped = RuntimeError("work on the disk raised StopIteration")
        wrapped.__cause__ = error
        error = wrapped
    work.set_exception(error)
