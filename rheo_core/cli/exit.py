"""Exit statuses: the codes, the choice for a run, and the last line of output."""

from collections.abc import Set
from enum import IntEnum
from typing import TYPE_CHECKING, NoReturn

import typer

from rheo_core.domain.failures import FailureKind
from rheo_core.domain.text import printable, redact

if TYPE_CHECKING:
    from rheo_core.domain.fleet import FleetStatus


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


def reason_of(error: OSError, named: str = "") -> str:
    """Return the reason of an error, after its file unless the sentence already `named` it."""
    reason = error.strerror or str(error)
    return reason if error.filename in (None, named) else f"{error.filename}: {reason}"


def code_of_run(
    failures: Set[FailureKind | None],
    *,
    is_finished: bool,
    is_stopped: bool,
    signalled: int | None,
    lost_events: bool,
    bad_input: bool,
) -> ExitCode:
    """Return the exit code of a run of downloads.

    Args:
        failures: see `code_of`.
        is_finished: all downloads and their commands ended, and all events are written, so a
            later stop or signal does not count.
        is_stopped: --stop-after stopped the run.
        signalled: number of the signal that interrupted the run, if one did.
        lost_events: True if events are missing from the output of --json.
        bad_input: True if some input was not downloaded.
    """
    if is_stopped and not is_finished:
        return ExitCode.STOPPED
    if signalled is not None and not is_finished:
        return code_of_signal(signalled)
    if failures:
        return code_of(failures)
    if lost_events:
        return ExitCode.DISK
    return ExitCode.FAILED if bad_input else ExitCode.DONE


def code_of_status(status: "FleetStatus") -> ExitCode:
    """Return the exit code of a fleet run with this status."""
    if status.shards_done < status.shards:
        return ExitCode.STOPPED
    is_whole = status.counts.get("completed", 0) == status.entries_done
    return ExitCode.DONE if is_whole else ExitCode.FAILED


def code_of(failures: Set[FailureKind | None]) -> ExitCode:
    """Return the exit code that failed downloads cause.

    Args:
        failures: kinds of their errors; None means downloads that the user cancelled.
    """
    if not failures:
        return ExitCode.DONE
    if FailureKind.DESTINATION in failures:
        return ExitCode.DISK
    if FailureKind.REQUEST_OPTIONS in failures:  # from a flag, a variable or a setting
        return ExitCode.USAGE
    return ExitCode.FAILED


def code_of_signal(number: int) -> ExitCode:
    """Return the exit code after a signal: 128 and its number, as shells report it."""
    return ExitCode(128 + number)


def fail(message: str, code: ExitCode) -> NoReturn:
    """End the command with one sentence on standard error."""
    typer.echo(f"rheo: {printable(redact(message))}", err=True)
    raise typer.Exit(code)
