"""Waiting for conditions that no event announces."""

import asyncio
from collections.abc import Awaitable, Callable

Until = Callable[..., Awaitable[None]]


async def until(condition: Callable[[], object], timeout: float = 30.0) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: it does not hold within `timeout` seconds.
    """
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.005)
