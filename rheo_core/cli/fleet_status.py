"""`rheo fleet status` and `rheo fleet stop`, and the live status of `rheo fleet run`."""

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from rheo_core.domain.text import printable

from .exit import ExitCode, code_of_status, fail, reason_of
from .fleet_flags import ExistingOut

if TYPE_CHECKING:
    from rheo_core.domain.fleet import FleetPlan, FleetStatus
    from rheo_core.fleet.targets import Target

_WATCH_SECONDS = 2.0
_PLAIN_SECONDS = 60.0  # between lines without a terminal

Watch = Annotated[bool, typer.Option("--watch", help="Update the status until the run ends.")]
Undo = Annotated[
    bool, typer.Option("--undo", help="Withdraw the request, so that slices can continue.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]


def status(output: ExistingOut, *, watch: Watch = False, json: Json = False) -> None:
    """Show the progress of a run from its output folder alone, with or without a driver.

    Exit status: 0 if it is complete, 1 if it is complete and some downloads failed, 3 if it is
    not complete or one of its files is damaged, 4 if the folder is not readable.
    """
    from rheo_core.domain.fleet import to_json

    from .fleet_request import existing_plan, open_output

    target = open_output(output)
    plan = existing_plan(target, output)
    while True:
        status = _read(target, output, plan)
        if json:
            typer.echo(to_json(status))
        else:
            show_status(status)
        if not watch or status.state != "running":
            raise typer.Exit(code_of_status(status))
        time.sleep(_WATCH_SECONDS)


def stop(output: ExistingOut, *, undo: Undo = False) -> None:
    """Stop a run: running shards finish, and no new ones start, also in slices that start later.

    `rheo fleet run` withdraws the request and continues. For slices, use --undo.
    """
    from rheo_core.domain.fleet import STOP_NAME

    from .fleet_request import existing_plan, open_output

    target = open_output(output)
    existing_plan(target, output)
    try:
        if undo:
            target.remove(STOP_NAME)
        else:
            target.put(STOP_NAME, b"")
    except OSError as error:
        fail(f"cannot write to {output}: {reason_of(error, output)}.", ExitCode.DISK)
    if undo:
        typer.echo("Withdrew the stop request; shards can start again.")
    else:
        typer.echo("Running shards will finish; no new ones will start.")


def show_status(status: "FleetStatus", *, is_error: bool = False) -> None:
    """Write a status and its errors to standard output, or to standard error."""
    from rheo_core.fleet.status import error_lines, status_line

    typer.echo("\n  ".join([status_line(status), *error_lines(status)]), err=is_error)


class Progress:
    """Shows each status on standard error: on one line of a terminal, elsewhere once a minute.

    It shows a new error of a shard at once, because rheo may retry the shard for a minute.
    """

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._next = 0.0
        self._message = ""

    def show(self, status: "FleetStatus") -> None:
        """Show a status."""
        from rheo_core.fleet.status import status_line

        clear = "\r\x1b[K" if self._is_terminal else ""
        if status.state == "running" and status.message not in ("", self._message):
            self._message = status.message
            typer.echo(f"{clear}rheo: {printable(status.message)}", err=True)
        if self._is_terminal:
            typer.echo(f"{clear}{status_line(status)}", nl=status.state != "running", err=True)
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + _PLAIN_SECONDS
            typer.echo(status_line(status), err=True)


def _read(target: "Target", output: str, plan: "FleetPlan") -> "FleetStatus":
    from rheo_core.fleet.status import read_status

    try:
        return read_status(target, plan)
    except OSError as error:
        fail(f"cannot read {output}: {reason_of(error, output)}.", ExitCode.DISK)
    except ValueError as error:
        fail(f"{error}.", ExitCode.STOPPED)
