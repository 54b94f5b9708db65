"""The retry interface."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class BaseRetryHandler(ABC):
    """Decides whether and when a failed attempt is followed by another."""

    @property
    @abstractmethod
    def max_retries(self) -> int:
        """Attempts there may be after the first one."""

    @abstractmethod
    def next_delay(self, error: Exception, failures: int) -> float | None:
        """Seconds to wait before the next attempt; None to give up.

        Args:
            error: why the last attempt failed.
            failures: how many attempts have failed, 1 or more.
        """

    async def execute_with_retry(
        self,
        operation: Callable[[], Awaitable[T]],
        url: str,
        download_id: str,
        max_retries: int | None = None,
    ) -> T:
        """Run `operation` until it succeeds or `next_delay` gives up; raise its last error.

        For users of the library. The engine asks `next_delay` itself, so that a download
        that waits holds no slot. `url` and `download_id` say what the operation is about.
        """
        failures = 0
        while True:
            try:
                return await operation()
            except Exception as error:
                failures += 1
                delay = self.next_delay(error, failures)
                if delay is None or (max_retries is not None and failures > max_retries):
                    raise
            await asyncio.sleep(delay)
