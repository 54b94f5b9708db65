"""`rheo fleet check`: compare the files of a run with its manifests."""

from typing import Annotated

import typer

from rheo_core.domain.text import printable
from rheo_core.domain.units import count_text

from .exit import ExitCode, fail, reason_of
from .fleet_flags import ExistingOut

_MAX_SHOWN = 50

Deep = Annotated[
    bool, typer.Option("--deep", help="Read every file and verify its checksum, if there is one.")
]


def check(output: ExistingOut, *, deep: Deep = False) -> None:
    """Compare the files of a run with its manifests and facts. Nothing is changed.

    To download a damaged shard again, remove its part-NUMBER.json and run the fleet again.

    Exit status: 0 if nothing is wrong, 1 if something is missing, left over or damaged, 3 if
    nothing is wrong but the run is not complete.
    """
    from rheo_core.fleet.checking import problems
    from rheo_core.fleet.status import status_of_facts

    from .fleet_request import existing_plan, open_output

    target = open_output(output)
    plan = existing_plan(target, output)
    count = 0
    try:
        for count, problem in enumerate(problems(target, plan, deep=deep), 1):
            if count <= _MAX_SHOWN:
                typer.echo(printable(problem))
        status = status_of_facts(target, plan)
    except ImportError:
        fail("manifests need pyarrow: pip install 'rheo-tui[fleet]'.", ExitCode.USAGE)
    except OSError as error:
        fail(f"cannot read {output}: {reason_of(error, output)}.", ExitCode.DISK)
    except ValueError as error:
        fail(f"{error}.", ExitCode.FAILED)
    if count > _MAX_SHOWN:
        typer.echo(f"and {count - _MAX_SHOWN:,} more")
    typer.echo(
        f"{status.shards_done:,} of {count_text(status.shards, 'shard')} complete; "
        f"{count_text(count, 'problem')}"
    )
    code = ExitCode.DONE if status.shards_done == status.shards else ExitCode.STOPPED
    raise typer.Exit(ExitCode.FAILED if count else code)
