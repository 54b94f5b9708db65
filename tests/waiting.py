"""Waiting for conditions that no event announces."""

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any

_SOON_SECONDS = 0.04
"""Timers that are due sooner belong to the present work: two frames of the screen at most."""
_MAX_TIMERS = 50
"""About a second of an animation that never rests."""

Until = Callable[..., Awaitable[None]]


async def until(condition: Callable[[], object], timeout: float = 60.0) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: it does not hold within `timeout` seconds.
    """
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.005)


async def until_idle(*_seconds: float) -> None:
    """Wait until the event loop only waits: for files and sockets, threads, or later timers.

    It takes no time limit: a busy machine may take any time for the work.
    """
    loop: Any = asyncio.get_running_loop()  # neither attribute below is public
    for _ in range(_MAX_TIMERS):
        await asyncio.sleep(0)  # the loop looks at files, sockets and timers meanwhile
        while loop._ready:
            await asyncio.sleep(0)
        timers = [timer.when() for timer in loop._scheduled if not timer.cancelled()]
        seconds = min(timers, default=inf) - loop.time()
        if seconds > _SOON_SECONDS:
            return
        await asyncio.sleep(seconds)
