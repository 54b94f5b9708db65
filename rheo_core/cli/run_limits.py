"""RunLimits: start and stop a run by `--at` and `--stop-after`.

`transfer/rate_limits.py` counts the bytes for `--stop-after`, and `downloads/limit_control.py`
pauses the downloads.
"""

from datetime import datetime
from typing import NamedTuple, NoReturn

from rheo_core.domain.file_exists import FileExistsStrategy
from rheo_core.domain.schedule import parse_start
from rheo_core.domain.text import shorten
from rheo_core.domain.units import parse_size

from .exit import ExitCode, fail

_MAX_SHOWN_LENGTH = 60


class RunLimits(NamedTuple):
    """Start of a run, and the amount of data after which it ends.

    Attributes:
        start_at: seconds since the epoch; None to start at once.
        stop_after: bytes; None for no limit.
    """

    start_at: float | None = None
    stop_after: int | None = None


def read_run_limits(
    at: str | None, stop_after: str | None, strategy: FileExistsStrategy
) -> RunLimits:
    """Return the limits of the two flags; end the command if one is not valid.

    Args:
        at: value of --at.
        stop_after: value of --stop-after.
        strategy: action if a file exists. If it downloads the file again, runs with --stop-after
            would never finish a list larger than SIZE.
    """
    if stop_after is not None and not strategy.keeps_existing:
        fail(
            f"--stop-after needs --exists skip or error: with {strategy}, each run would download "
            "finished files again.",
            ExitCode.USAGE,
        )
    return RunLimits(
        None if at is None else _start(at), None if stop_after is None else _size(stop_after)
    )


def _start(text: str) -> float:
    try:
        return parse_start(text, datetime.now())
    except ValueError as error:
        _refuse("--at", text, error)


def _size(text: str) -> int:
    try:
        size = parse_size(text)
    except ValueError as error:
        _refuse("--stop-after", text, error)
    if size == 0:
        _refuse("--stop-after", text, "should be more than 0")
    return size


def _refuse(flag: str, text: str, problem: object) -> NoReturn:
    shown = shorten(text, _MAX_SHOWN_LENGTH)
    fail(f"{flag} {shown!r} is not valid: it {problem}.", ExitCode.USAGE)
