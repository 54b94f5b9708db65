"""Disk threads: run blocking file operations outside the event loop."""

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, ParamSpec, TypeVar

from rheo_core.domain.exceptions import ShortageError

P = ParamSpec("P")
J = TypeVar("J")
T = TypeVar("T")

_BRIEF_SECONDS = 0.001
"""Roughly the cost of passing a call to a thread if two cores contend for the GIL."""
_MEAN_WEIGHT = 1 / 8
"""Weight of the last call in the moving average. One call of 7 ms, or a few slow ones, move the
work back to the threads."""
_SLOW_SECONDS = 1.0
"""Seconds for which the threads do brief work after it was slow. One of two disks may be slow."""
_END_SECONDS = 1.0
"""Longest wait for the end of an idle thread."""


class DiskFuture(asyncio.Future[T]):
    """Result of work in a thread. It cannot be cancelled.

    A thread cannot be stopped. So if the task that awaits this is cancelled, it gets the
    cancellation after the work has ended, and no thread still works on a file.
    """

    def cancel(self, msg: Any | None = None) -> bool:
        """Refuse. asyncio then cancels the task at its next step, which follows the work."""
        return False


class DiskThreads:
    """Thread pool of one user, so that a hanging disk delays nobody else.

    A call costs a third of the time that `ThreadPoolExecutor` and asyncio need. It creates one
    future instead of two, and one wake-up of the loop delivers all finished results.

    Args:
        threads: maximum number of threads.
    """

    def __init__(self, threads: int = 4) -> None:
        self._max_threads = threads
        self._pool: _Threads | None = None

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

    def submit_to(self, row: "TurnBatch[J, T]", job: J) -> DiskFuture[T]:
        """Run a job on the loop if the previous ones were fast, otherwise in a thread.

        Thread and loop contend for the GIL at each call, which costs more than the calls. After the
        loop had to wait for a disk, the threads run the jobs for `_SLOW_SECONDS`.

        Raises:
            ShortageError: as for `submit`.
        """
        pool = self._pool_of_loop()
        work: DiskFuture[T] = DiskFuture(loop=pool.loop)
        if time.monotonic() < row.gate.inline_since:
            pool.take(work, partial(row.probe, job))
        else:
            pool.take_in_row(row, work, job)
        return work

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
        """End the threads after the submitted work; the next `submit` starts new ones."""
        if self._pool is not None:
            self._pool.dismiss()
            self._pool = None

    def _pool_of_loop(self) -> "_Threads":
        loop = asyncio.get_running_loop()
        if self._pool is None or self._pool.loop is not loop:
            self.close()
            self._pool = _Threads(loop, self._max_threads)
        return self._pool


class TurnBatch(Generic[J, T]):
    """Runs jobs of a few system calls each. The loop runs all jobs of one turn in a row.

    From the second job on, the processor's caches are warm, which halves the time.

    Args:
        step: work for one job; its result is that of the job.
        settle: work for all jobs of a row together, before their results.
    """

    def __init__(self, step: Callable[[J], T], settle: Callable[[Sequence[J]], None]) -> None:
        self._step = step
        self._settle = settle
        self.gate = _LatencyGate()

    def probe(self, job: J) -> T:
        """Run one job in a thread."""
        return self.gate.probe(partial(self.run_alone, job))

    def run_alone(self, job: J) -> T:
        """Run one job, which may take long, as a separate row."""
        result = self._step(job)
        self._settle((job,))
        return result

    def run(self, jobs: Sequence[tuple[DiskFuture[T], J]], threads: "_Threads") -> None:
        """Run jobs on the loop; leave the rest to threads after a slow one."""
        done: list[tuple[DiskFuture[T], J, T]] = []
        began = time.monotonic()
        is_slow = False
        for index, (work, job) in enumerate(jobs):
            if index and not is_slow:
                began = self.gate.note(began, time.monotonic())
                is_slow = began < self.gate.inline_since
            try:
                if is_slow:
                    threads.take(work, partial(self.probe, job))
                else:
                    done.append((work, job, self._step(job)))
            except BaseException as error:
                _fail(work, error)
        self._end(done)
        self.gate.note(began, time.monotonic())

    def _end(self, done: Sequence[tuple[DiskFuture[T], J, T]]) -> None:
        try:
            self._settle([job for _, job, _ in done])
        except BaseException as error:
            for work, _, _ in done:
                _fail(work, error)
        else:
            for work, _, result in done:
                work.set_result(result)


class _LatencyGate:
    """Choice between loop and threads for one function, by its latency."""

    def __init__(self) -> None:
        self.inline_since = math.inf  # when the loop may begin to run it, seconds, monotonic
        self._mean = 0.0  # moving average of its latency, seconds

    def probe(self, function: Callable[[], T]) -> T:
        """Run `function` in a thread. If it was fast, the loop runs it next time."""
        began = time.monotonic()
        result = function()
        if self.inline_since == math.inf and time.monotonic() - began < _BRIEF_SECONDS:
            self.inline_since = began
        return result

    def note(self, began: float, ended: float) -> float:
        """Record a run on the loop by its times (seconds, monotonic); return `ended`."""
        self._mean += (ended - began - self._mean) * _MEAN_WEIGHT
        if self._mean >= _BRIEF_SECONDS:
            self._mean = _BRIEF_SECONDS / 2  # then one slow call is enough
            self.inline_since = ended + _SLOW_SECONDS
        return ended


class _Threads:
    """Threads of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_threads: int) -> None:
        self.loop = loop
        self._max_threads = max_threads
        self._threads: list[threading.Thread] = []
        self._busy = 0  # jobs whose results are not delivered yet
        self._jobs: SimpleQueue[tuple[DiskFuture[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._done: deque[tuple[DiskFuture[Any], Any, BaseException | None]] = deque()
        self._is_notified = False  # the loop is going to deliver results
        self._rows: dict[TurnBatch[Any, Any], list[tuple[DiskFuture[Any], Any]]] = {}

    def take(self, work: DiskFuture[Any], function: Callable[[], Any]) -> None:
        if len(self._threads) < min(self._busy + 1, self._max_threads):
            # A daemon, because an exit during a write does no more harm than a kill.
            thread = threading.Thread(target=self._run, name="rheo-disk", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system's limit; the existing threads suffice
                if not self._threads:
                    raise ShortageError.of_threads() from None
            else:
                self._threads.append(thread)
        self._busy += 1
        self._jobs.put((work, function))

    def take_in_row(self, row: TurnBatch[J, T], work: DiskFuture[T], job: J) -> None:
        """Let the loop run a job in its next turn, with the others of its row."""
        jobs = self._rows.get(row)
        if jobs is None:
            jobs = self._rows[row] = []
            self.loop.call_soon(self._run_row, row)
        jobs.append((work, job))

    def _run_row(self, row: TurnBatch[Any, Any]) -> None:
        row.run(self._rows.pop(row), self)

    def dismiss(self) -> None:
        for _ in self._threads:
            self._jobs.put(None)
        # A thread that ends while the process exits may free the same memory as OpenSSL. Idle
        # threads end at once. Nobody waits for a busy one, because its disk may not answer.
        for thread in () if self._busy else self._threads:
            thread.join(_END_SECONDS)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, function = job
            try:
                self._done.append((work, function(), None))
            except BaseException as error:
                self._done.append((work, None, error))
            del job, work, function  # so that the waiting thread keeps nothing alive
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
