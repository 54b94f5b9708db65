"""From flags, the environment and the settings file to the settings in force."""

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from rheo_core.domain.text import printable, redact

if TYPE_CHECKING:
    from rheo_core.config import Settings

_FLAGS = {
    "download_dir": "--output",
    "connections": "--connections",
    "max_concurrent": "--workers",
    "max_retries": "--retries",
    "speed_limit": "--limit-rate",
    "max_size": "--max-size",
    "file_exists_strategy": "--exists",
}


class ExitCode(IntEnum):
    """What the shell learns."""

    DONE = 0
    FAILED = 1  # some download failed, or some input is not right
    USAGE = 2
    STOPPED = 3  # by --stop-after
    DISK = 4  # full, or not writable
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class CommonOptions:
    """The options before the command's name."""

    download_dir: str | None = None
    workers: str | None = None
    verbose: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """When a run begins, and when it ends before all is done."""

    start_at: float | None = None  # seconds since the epoch
    stop_after: int | None = None  # bytes


def fail(message: str, code: ExitCode) -> NoReturn:
    """End the command with one sentence on standard error."""
    typer.echo(f"rheo: {printable(redact(message))}", err=True)
    raise typer.Exit(code)


def settings_in_force(*, quiet: bool, **flags: Any) -> "Settings":
    """The settings, flags first. Ends the command where a flag or a variable is not right.

    A settings file that is not right is only told of, and not even that with `quiet`.
    """
    from pydantic import ValidationError

    from rheo_core.config import load_settings
    from rheo_core.config.problems import explain

    try:
        loaded = load_settings(**flags)
    except ValidationError as error:
        fail(f"{'; '.join(explain(error, _FLAGS).values())}.", ExitCode.USAGE)
    if loaded.environment_problems:
        fail(" ".join(loaded.environment_problems), ExitCode.USAGE)
    if not quiet:
        for problem in loaded.problems:
            typer.echo(f"rheo: {printable(problem)}", err=True)
    return loaded.settings
