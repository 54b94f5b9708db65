"""Tell people about a fleet before it starts: its owner, complete shards and limits."""

from typing import TYPE_CHECKING

import typer

from rheo_core.domain.fleet import PLAN_NAME, FleetPlan
from rheo_core.domain.text import printable

if TYPE_CHECKING:
    from rheo_core.config import Settings
    from rheo_core.fleet.targets import Target


def show_owner(target: "Target", output: str) -> None:
    """Warn if another user can change the plan of a local output folder."""
    from rheo_core.user_files import check_control, open_regular

    if target.path is None:
        return
    try:
        with open_regular(plan := target.path / PLAN_NAME) as file:
            check_control(file, plan)
    except PermissionError as error:
        typer.echo(
            f"rheo: {printable(output)} may be somebody else's: {PLAN_NAME}: {error.strerror}. "
            "rheo downloads what it says, with your logins.",
            err=True,
        )


def show_complete(target: "Target", output: str, plan: FleetPlan) -> None:
    """Report the number of shards that are complete already; their files are not verified again."""
    from rheo_core.fleet.passes import planned_shards, read_passes
    from rheo_core.fleet.status import complete_shards

    planned = list(planned_shards(plan, read_passes(target)))
    if count := len(complete_shards(target, planned)):
        typer.echo(
            f"rheo: {count:,} of {len(planned):,} shards were complete before this run; "
            f"`rheo fleet check --deep {printable(output)}` verifies their files",
            err=True,
        )


def show_limits(plan: FleetPlan, settings: "Settings", at_once: int) -> None:
    """Report the limits of the settings that slow down a plan."""
    from rheo_core.domain.units import count_text
    from rheo_core.fleet.politeness import plan_within

    within = plan_within(plan, settings, at_once)
    if within.concurrency < plan.concurrency:
        downloads = count_text(within.concurrency, "download")
        reason = f"because your settings have max_concurrent = {settings.max_concurrent:,}"
        typer.echo(f"rheo: each shard runs {downloads} at a time, {reason}", err=True)
    if within.host_connections < plan.host_connections:
        connections = count_text(within.host_connections, "connection")
        limit = settings.connections_per_host
        reason = f"because your settings have connections_per_host = {limit:,}"
        typer.echo(f"rheo: each host gets at most {connections}, {reason}", err=True)
