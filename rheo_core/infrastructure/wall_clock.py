"""Waiting for a time of the day."""

import asyncio
import time

_MAX_NAP_SECONDS = 10.0


def nap_before(at: float) -> float:
    """Seconds to sleep before the clock is looked at again, on the way to a time (epoch).

    The clock may be set meanwhile, and no timer runs while the machine is suspended: so it is
    looked at every ten seconds.
    """
    return min(max(at - time.time(), 0.0) + 0.01, _MAX_NAP_SECONDS)


async def sleep_until(at: float) -> None:
    """Sleep until a time, in seconds since the epoch."""
    while time.time() < at:  # noqa: ASYNC110 (nobody could set an event)
        await asyncio.sleep(nap_before(at))
