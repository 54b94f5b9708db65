"""Exit codes of the command, and the sentence it ends with."""

from enum import IntEnum
from typing import NoReturn

import typer

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


def fail(message: str, code: ExitCode) -> NoReturn:
    """End the command with one sentence on standard error."""
    typer.echo(f"rheo: {printable(redact(message))}", err=True)
    raise typer.Exit(code)
