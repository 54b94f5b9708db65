"""Threads for name look-ups: names that nobody answers for must not keep the others waiting."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from rheo_core.infrastructure.shortage import thread_shortage

_MAX_THREADS = 32
_MAX_THREADS_PER_HOST = 2
_MAX_THREADS_TOTAL = 256
_MAX_QUEUED_SECONDS = 1.0
"""After this time in line a look-up gets a further thread, up to `_MAX_THREADS_TOTAL`: the usual
ones may all be held by names that nobody answers for."""
_IDLE_SECONDS = 60.0
"""A thread that has had nothing to do for this time ends."""


@dataclass(slots=True, eq=False)
class _Job:
    host: str
    work: Callable[[], Any]
    answer: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop


class LookUpThreads:
    """Threads for blocking look-ups, few for any one host, shared by all event loops.

    A look-up cannot be stopped: the system gives up after half a minute or so. The threads are
    daemons, so that the end of the program does not wait for them.
    """

    def __init__(
        self, threads: int = _MAX_THREADS, threads_per_host: int = _MAX_THREADS_PER_HOST
    ) -> None:
        self._max_threads = threads
        self._max_threads_per_host = threads_per_host
        self._changed = threading.Condition()  # guards what follows
        self._waiting: list[_Job] = []
        self._busy = Counter[str]()  # threads, by host
        self._count = 0
        self._idle = 0

    async def run(self, host: str, work: Callable[[], Any]) -> Any:
        """Return what `work` returns in a thread.

        A cancellation takes it out of the line, if it has not begun.

        Raises:
            ShortageError: there is no thread, and the system gives no further one.
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
        """Start a further thread if a look-up still waits for one."""
        with self._changed:
            is_queued = job in self._waiting and self._busy[job.host] < self._max_threads_per_host
            if is_queued and self._count < _MAX_THREADS_TOTAL:
                self._start_thread(job)

    def _start_thread(self, job: _Job) -> None:
        try:
            threading.Thread(target=self._work, name="rheo-names", daemon=True).start()
        except RuntimeError:  # the system has no more; those that are there will do
            if not self._count:
                self._waiting.remove(job)
                raise thread_shortage() from None
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
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                job.loop.call_soon_threadsafe(_deliver, job.answer, result, error)
            del job, result, error

    def _next(self) -> _Job | None:
        """Wait for a job whose host has a thread to spare; None if there is none for long."""
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
    if answer.done():  # who asked has left
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
