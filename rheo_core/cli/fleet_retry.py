"""`rheo fleet retry`: try failed URLs again."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from rheo_core.domain.units import count_text

from .exit import ExitCode, fail, reason_of
from .flags import Quiet
from .fleet_flags import ExistingOut, IgnoreRobotsTag, Scratch
from .fleet_run import ClusterName, Processes, complete

if TYPE_CHECKING:
    from rheo_core.domain.fleet import FleetPlan
    from rheo_core.fleet.targets import Target

Kinds = Annotated[
    list[str] | None,
    typer.Option(
        "--kind",
        metavar="KIND",
        help="Kind of errors to retry, such as timeout or http_404. May be repeated. Default: "
        "temporary errors, such as timeout, dns and http_503.",
    ),
]
PlanOnly = Annotated[
    bool,
    typer.Option("--plan-only", help="Plan the pass without running it, for `rheo fleet work`."),
]


def retry(
    output: ExistingOut,
    kinds: Kinds = None,
    cluster: ClusterName = "local",
    processes: Processes = None,
    scratch: Scratch = None,
    ignore_robots_tag: IgnoreRobotsTag = None,
    plan_only: PlanOnly = False,
    quiet: Quiet = False,
) -> None:
    """Try failed downloads of a complete run again, in a retry pass. Their keys do not change.

    The results of a pass are part-NUMBER.p2.parquet and so on. To continue an
    interrupted pass, run `rheo fleet retry` or `rheo fleet run`.

    Exit status: as for `rheo fleet run`; 0 after `--plan-only`.
    """
    from rheo_core.fleet.passes import PassTakenError
    from rheo_core.fleet.shard_downloads import WorkerOptions

    from .fleet_notes import show_owner
    from .fleet_request import check_robots_tag, existing_plan, open_output, read_scratch

    _check_kinds(kinds or ())
    folder = read_scratch(scratch)
    target = open_output(output)
    plan = existing_plan(target, output)
    if not plan_only:
        check_robots_tag(plan, ignore_robots_tag)
    try:
        summary = _plan_pass(target, plan, kinds)
    except ImportError:
        fail("manifests need pyarrow: pip install 'rheo-tui[fleet]'.", ExitCode.USAGE)
    except OSError as error:
        fail(f"cannot use {output}: {reason_of(error, output)}.", ExitCode.DISK)
    except PassTakenError as error:
        fail(f"{error}.", ExitCode.STOPPED)
    except ValueError as error:
        fail(f"{error}.", ExitCode.FAILED)
    if not quiet:
        if not plan_only:
            show_owner(target, output)
        typer.echo(summary, err=True)
    if plan_only:
        raise typer.Exit(ExitCode.DONE)
    complete(
        target,
        output,
        lambda slots: plan,
        cluster,
        processes,
        WorkerOptions(folder, ignore_robots_tag=bool(ignore_robots_tag)),
        quiet=quiet,
    )


def _check_kinds(kinds: Sequence[str]) -> None:
    """End the command if no failed entry can have one of these kinds."""
    from rheo_core.fleet.error_kinds import is_kind
    from rheo_core.fleet.error_kinds import kinds as all_kinds

    for kind in kinds:
        if not is_kind(kind):
            allowed = ", ".join(all_kinds())
            fail(f"--kind is {kind!r}; it must be one of http_STATUS, {allowed}.", ExitCode.USAGE)


def _plan_pass(target: "Target", plan: "FleetPlan", kinds: list[str] | None) -> str:
    """Plan a retry pass if all earlier ones are complete; return a sentence about it."""
    from rheo_core.fleet.error_kinds import may_pass
    from rheo_core.fleet.passes import plan_pass, planned_shards, read_passes
    from rheo_core.fleet.status import complete_shards

    passes = read_passes(target)
    planned = list(planned_shards(plan, passes))
    if len(complete_shards(target, planned)) < len(planned):
        if passes:
            return f"Continuing pass {passes[-1].number}."
        fail("the run is not complete; run `rheo fleet run` first.", ExitCode.STOPPED)
    is_wanted = may_pass if kinds is None else set(kinds).__contains__
    further = plan_pass(target, plan, passes, is_wanted)
    if further is None:
        return "Nothing to retry."
    entries = count_text(further.entries, "entry", "entries")
    return f"Pass {further.number}: {entries} of {count_text(len(further.shards), 'shard')}."
