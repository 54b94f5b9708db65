"""BackgroundReader: read standard input and other blocking iterators in a thread."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, Queue
from threading import Thread
from typing import Generic, TypeVar

from rheo_core.domain.exceptions import ShortageError

T = TypeVar("T")
_READ_AHEAD = 1_000
"""Items that may wait here before reading pauses."""


class BackgroundReader(Generic[T]):
    """Reads in a separate thread. Create it on the event loop.

    If nobody takes the rest, the thread ends with the process.
    """

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._read: Queue[T] = Queue(_READ_AHEAD)
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._is_awaited = False
        self._is_over = False
        self._error: BaseException | None = None
        try:
            Thread(target=self._read_all, name="background-reader", daemon=True).start()
        except RuntimeError:
            raise ShortageError.of_threads() from None

    async def take(self) -> list[T]:
        """Wait for items and return them; return an empty list at the end."""
        while True:
            is_over, self._is_awaited = self._is_over, True
            taken = self._take_now()
            if taken:
                return taken
            if is_over:
                if self._error is not None:
                    raise self._error
                return []
            await self._news.wait()
            self._news.clear()

    def _take_now(self) -> list[T]:
        taken: list[T] = []
        with suppress(Empty):
            while len(taken) < _READ_AHEAD:  # items may arrive as fast as the loop takes them
                taken.append(self._read.get_nowait())
        return taken

    def _read_all(self) -> None:
        try:
            for item in self._items:
                self._read.put(item)
                if self._is_awaited:
                    self._wake()
        except BaseException as error:  # raised by take()
            self._error = error
        self._is_over = True
        self._wake()

    def _wake(self) -> None:
        self._is_awaited = False
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._news.set)
