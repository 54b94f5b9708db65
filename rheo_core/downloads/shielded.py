"""Shield an operation on a download: finish it even if its caller is cancelled.

A half-stopped download would be in no queue, and nothing would ever start it again.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


async def shielded(work: Coroutine[Any, Any, T], hurry: Callable[[], None] | None = None) -> T:
    """Await `work`. If the caller is cancelled, raise CancelledError only when the work has ended.

    Args:
        work: the operation.
        hurry: called at a cancellation, to end the work sooner.
    """
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if hurry is not None:
            hurry()
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # the cancellation counts, so nobody else retrieves it
        raise
