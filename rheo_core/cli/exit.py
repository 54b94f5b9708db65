"""Exit status of the command: its codes, the one that a run ends with, and the last sentence."""

from collections.abc import Set
from enum import IntEnum
from typing import NoReturn

import typer

from rheo_core.domain.exceptions import DestinationError, DiskFullError, RequestOptionsError
from rheo_core.domain.text import printable, redact


class ExitCode(IntEnum):
    """Exit codes."""

    DONE = 0
    FAILED = 1  # a download failed, or some input is not valid
    USAGE = 2  # a flag, a variable or a setting is not valid
    STOPPED = 3  # by --stop-after; a fleet run is not complete
    DISK = 4  # full, or not writable
    HUNG_UP = 129  # the terminal was closed
    INTERRUPTED = 130  # by Ctrl+C
    TERMINATED = 143


_DISK_ERRORS = frozenset({DiskFullError.__name__, DestinationError.__name__})


def reason_of(error: OSError, named: str = "") -> str:
    """Return the reason of an error, after its file unless the sentence has `named` that one."""
    reason = error.strerror or str(error)
    return reason if error.filename in (None, named) else f"{error.filename}: {reason}"


def code_of_run(
    errors: Set[str], *, ended_by: ExitCode | None, lost_events: bool, bad_input: bool
) -> ExitCode:
    """Return the exit code of a run of downloads.

    Args:
        errors: see `code_of`.
        ended_by: the code of a signal or of --stop-after, if that ended the run early.
        lost_events: True if events are missing from the output of --json.
        bad_input: True if some input was not downloaded.
    """
    if ended_by is not None:
        return ended_by
    if errors:
        return code_of(errors)
    if lost_events:
        return ExitCode.DISK
    return ExitCode.FAILED if bad_input else ExitCode.DONE


def code_of(errors: Set[str]) -> ExitCode:
    """Return the exit code that failed downloads cause.

    Args:
        errors: names of the types of their errors; "" stands for downloads that the user cancelled.
    """
    if not errors:
        return ExitCode.DONE
    if errors & _DISK_ERRORS:
        return ExitCode.DISK
    if RequestOptionsError.__name__ in errors:  # of a flag, a variable or a setting
        return ExitCode.USAGE
    return ExitCode.FAILED


def fail(message: str, code: ExitCode) -> NoReturn:
    """End the command with one sentence on standard error."""
    typer.echo(f"rheo: {printable(redact(message))}", err=True)
    raise typer.Exit(code)
