"""LongWork: change many downloads in batches, with progress; Esc stops it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
_BATCH_SIZE = 2000
"""Downloads of one batch, which takes about 0.2 s."""
_SHOW_AFTER_SECONDS = 0.3


class LongWork:
    """Runs work in batches.

    Args:
        say: shows a sentence to the user; None shows nothing.

    Attributes:
        is_stopped: True if the user stopped the latest work before its end.
    """

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._say = say
        self._running = 0
        self.is_stopped = False

    def stop(self) -> bool:
        """Stop after the current batch; return False if nothing is running."""
        self.is_stopped = self._running > 0
        return self.is_stopped

    async def each(
        self,
        title: str,
        items: Sequence[T],
        call: Callable[[Sequence[T]], Awaitable[int]],
        *,
        from_end: bool = False,
        say: Callable[[str], None] | None = None,
    ) -> int:
        """Call `call` with one batch of items after another; return the sum of its results.

        Args:
            title: the work in a word, such as `Removing`.
            items: all items.
            call: works on some of them.
            from_end: begin with the last batch.
            say: shows the progress in another place, such as a dialog.
        """
        began, count = time.monotonic(), 0
        self.is_stopped = False
        self._running += 1
        try:
            starts = range(0, max(len(items), 1), _BATCH_SIZE)
            for turn, start in enumerate(reversed(starts) if from_end else starts, 1):
                count += await call(items[start : start + _BATCH_SIZE])
                await asyncio.sleep(0)  # let keys and the screen run in between
                if self.is_stopped:
                    break
                if time.monotonic() - began >= _SHOW_AFTER_SECONDS:
                    self._show(say or self._say, title, turn * _BATCH_SIZE, len(items))
        finally:
            self._running -= 1
        return count

    @staticmethod
    def _show(say: Callable[[str], None] | None, title: str, done: int, total: int) -> None:
        if say is not None and done < total:
            say(f"{title}: {done:,} of {total:,}")
