"""The event loop of the app, which keeps Python's lock while it handles a key."""

import asyncio
import selectors
from collections.abc import Coroutine
from selectors import SelectorKey
from typing import Any, TypeVar

T = TypeVar("T")
_MAX_TURNS = 16
"""Turns without a look at the descriptors."""


class BusySelector(selectors.DefaultSelector):
    """Looks at the descriptors only every few turns of the loop while callbacks are ready.

    Each look lets the engine's thread take Python's lock, for 5 ms and more at full speed, and a
    key needs a dozen turns until it is seen. Other threads put their callbacks into the loop
    without a descriptor, so that they do not wait for a look.
    """

    def __init__(self) -> None:
        super().__init__()
        self._turns = 0  # since the last look

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Return the descriptors that are ready, or none between two looks."""
        if timeout is not None and timeout <= 0 and self._turns < _MAX_TURNS:
            self._turns += 1
            return []
        self._turns = 0
        return super().select(timeout)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on a new event loop, and return its result."""
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(BusySelector())) as runner:
        return runner.run(work)
