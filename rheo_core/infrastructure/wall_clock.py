"""Wait until a time of day, even if the clock changes."""

import asyncio
import time

_MAX_NAP_SECONDS = 10.0


def nap_before(at: float) -> float:
    """Return the seconds to sleep before the next check of the clock.

    Somebody may set the clock, and no timer runs while the machine is suspended. So this checks the
    clock at least every ten seconds.

    Args:
        at: the time to wait for, seconds since the epoch.
    """
    return min(max(at - time.time(), 0.0) + 0.01, _MAX_NAP_SECONDS)


async def sleep_until(at: float) -> None:
    """Sleep until the time `at`, seconds since the epoch."""
    while time.time() < at:  # noqa: ASYNC110 (nobody could set an event)
        await asyncio.sleep(nap_before(at))
