"""Exit codes of the command, the one that failed downloads cause, and its last sentence."""

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
    STOPPED = 3  # by --stop-after
    DISK = 4  # full, or not writable
    HUNG_UP = 129  # the terminal was closed
    INTERRUPTED = 130  # by Ctrl-C
    TERMINATED = 143


_DISK_ERRORS = frozenset({DiskFullError.__name__, DestinationError.__name__})


def code_of(errors: Set[str]) -> ExitCode:
    """Return the exit code of a run in which downloads failed.

    Args:
        errors: names of the types of their errors; empty if only the user cancelled downloads.
    """
    if errors & _DISK_ERRORS:
        return ExitCode.DISK
    if RequestOptionsError.__name__ in errors:  # of a flag, a variable or a setting
        return ExitCode.USAGE
    return ExitCode.FAILED


def fail(message: str, code: ExitCode) -> NoReturn:
    """End the command with one sentence on standard error."""
    typer.echo(f"rheo: {printable(redact(message))}", err=True)
    raise typer.Exit(code)
