"""DNS threads: a slow name lookup does not delay the others."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from rheo_core.domain.exceptions import ShortageError

_MAX_THREADS = 32
_MAX_THREADS_PER_HOST = 2
_MAX_THREADS_TOTAL = 256
_MAX_QUEUED_SECONDS = 1.0
"""After this time in the queue, a lookup gets an extra thread, up to `_MAX_THREADS_TOTAL`. Lookups
that no server answers may occupy all the usual ones."""
_IDLE_SECONDS = 60.0
"""A thread ends after it has been idle for this time."""


@dataclass(slots=True, eq=False)
class _Job:
    host: str
    work: Callable[[], Any]
    answer: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop


class LookupThreads:
    """Threads for blocking lookups, shared by all event loops, with a limit for each host.

    A lookup cannot be stopped. The system gives up after about half a minute. The threads are
    daemons, so the end of the program does not wait for them.

    Args:
        threads: usual maximum number of threads.
        threads_per_host: maximum number of them for one host.
    """

    def __init__(
        self, threads: int = _MAX_THREADS, threads_per_host: int = _MAX_THREADS_PER_HOST
    ) -> None:
        self._max_threads = threads
        self._max_threads_per_host = threads_per_host
        self._changed = threading.Condition()  # guards the following attributes
        self._waiting: list[_Job] = []
        self._busy = Counter[str]()  # threads, by host
        self._count = 0
        self._idle = 0

    async def run(self, host: str, work: Callable[[], Any]) -> Any:
        """Run `work` in a thread and return its result.

        A cancellation removes the work from the queue if it has not begun.

        Args:
            host: the name that is looked up; lookups of one host share its limit.
            work: a function that may block.

        Raises:
            ShortageError: no thread exists, and the system cannot start one.
        """
        loop = asyncio.get_running_loop()
        job = _Job(host, work, loop.create_future(), loop)
        with self._changed:
            self._waiting.append(job)
            if len(self._waiting) > self._idle and self._count < self._max_threads:
                self._start_thread(job)
            self._changed.notify()
        extra = loop.call_later(_MAX_QUEUED_SECONDS, self._start_extra_thread, job)
        try:
            return await job.answer
        finally:
            extra.cancel()
            with self._changed, suppress(ValueError):
                self._waiting.remove(job)

    def _start_extra_thread(self, job: _Job) -> None:
        """Start another thread if the lookup is still queued."""
        with self._changed:
            is_queued = job in self._waiting and self._busy[job.host] < self._max_threads_per_host
            if is_queued and self._count < _MAX_THREADS_TOTAL:
                self._start_thread(job)

    def _start_thread(self, job: _Job) -> None:
        try:
            threading.Thread(target=self._work, name="rheo-names", daemon=True).start()
        except RuntimeError:  # the system's limit; the existing threads suffice
            if not self._count:
                self._waiting.remove(job)
                raise ShortageError.of_threads() from None
        else:
            self._count += 1

    def _work(self) -> None:
        while (job := self._next()) is not None:
            result, error = None, None
            try:
                result = job.work()
            except BaseException as raised:
                error = raised
            with self._changed:
                self._busy[job.host] -= 1
                if not self._busy[job.host]:
                    del self._busy[job.host]
            with suppress(RuntimeError):  # the loop was closed: nothing waits for the answer
                job.loop.call_soon_threadsafe(_deliver, job.answer, result, error)
            del job, result, error

    def _next(self) -> _Job | None:
        """Wait for a job whose host is below its limit; None after `_IDLE_SECONDS` without."""
        with self._changed:
            self._idle += 1
            try:
                while (job := self._pop_runnable()) is None:
                    if not self._changed.wait(_IDLE_SECONDS) and not self._waiting:
                        self._count -= 1
                        return None
                return job
            finally:
                self._idle -= 1

    def _pop_runnable(self) -> _Job | None:
        for job in self._waiting:
            if self._busy[job.host] < self._max_threads_per_host:
                self._waiting.remove(job)
                self._busy[job.host] += 1
                return job
        return None


def _deliver(answer: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if answer.done():  # the caller was cancelled
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
