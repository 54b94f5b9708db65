"""Steps of the speed limit, used by keys and menu."""

SPEED_LIMITS = (
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    None,
)
"""Steps of the speed limit in bytes/s, slowest first; None: no limit."""


def limit_step(current: int | None, up: bool, speed: float = 0.0) -> int | None:
    """Return the next step from a speed limit, in bytes/s; None: no limit.

    Args:
        current: the limit.
        up: True for the next higher one.
        speed: current speed. Without a limit, the next lower one is the highest step that it
            reaches, because a higher one would change nothing.
    """
    numbers = [step for step in SPEED_LIMITS if step is not None]
    if up:
        higher = [step for step in numbers if current is not None and step > current]
        return higher[0] if higher else None
    if current is None and speed < 1:
        return numbers[-1]
    lower = [step for step in numbers if (step <= speed if current is None else step < current)]
    return lower[-1] if lower else numbers[0]
