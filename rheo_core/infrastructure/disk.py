"""Threads for blocking work on the disk."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class DiskThreads:
    """A thread pool of our own: name look-ups use asyncio's default one, and a disk that hangs
    must not keep them waiting.
    """

    def __init__(self, threads: int = 4) -> None:
        self._threads = threads
        self._executor: ThreadPoolExecutor | None = None

    def submit(
        self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> "asyncio.Future[T]":
        """Start `function` in a thread."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="rheo-disk")
        return asyncio.wrap_future(self._executor.submit(function, *args, **kwargs))

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` in a thread; see `settle` for what a cancellation does."""
        return await settle(self.submit(function, *args, **kwargs))

    async def run_stoppable(self, function: Callable[[threading.Event], T]) -> T:
        """Run long work that ends early once its event is set, which a cancellation does."""
        stop = threading.Event()
        work = self.submit(function, stop)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            stop.set()
            with suppress(Exception):
                await settle(work)
            raise

    def close(self) -> None:
        """End the threads once they are idle; the next `submit` makes new ones."""
        if self._executor is not None:
            self._executor.shutdown(wait=False)
            self._executor = None


async def settle(future: "asyncio.Future[T]") -> T:
    """Await the work of a thread.

    Where the caller is cancelled meanwhile, the cancellation is raised only after the work has
    ended: nothing of ours is ever left busy on a file.
    """
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():  # another cancellation may come meanwhile
            with suppress(asyncio.CancelledError):
                await asyncio.wait({future})
        if not future.cancelled():
            future.exception()  # seen, so that asyncio does not complain
        raise
