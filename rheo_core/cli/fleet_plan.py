"""`rheo fleet plan`: split a list into shards."""

import os
import sys
from typing import TYPE_CHECKING

import typer

from rheo_core.domain.text import printable
from rheo_core.domain.units import count_text

from .exit import ExitCode, fail, reason_of
from .fleet_flags import (
    ComputeHash,
    Concurrency,
    Contact,
    FleetMaxSize,
    FleetRetries,
    Format,
    HashColumn,
    HostConnections,
    HostRate,
    IgnoreRobotsTag,
    Keep,
    LaneCount,
    Layout,
    Lists,
    NameColumn,
    Out,
    ShardSize,
    SpreadBy,
    UrlColumn,
)

if TYPE_CHECKING:
    from rheo_core.domain.fleet import FleetPlan
    from rheo_core.fleet.planning import PlanRequest
    from rheo_core.fleet.targets import Target


def plan(
    context: typer.Context,
    output: Out,
    lists: Lists = None,
    format_: Format = None,
    url_column: UrlColumn = None,
    hash_column: HashColumn = None,
    name_column: NameColumn = None,
    keep: Keep = None,
    shard_size: ShardSize = None,
    spread: SpreadBy = None,
    lanes: LaneCount = None,
    layout: Layout = None,
    concurrency: Concurrency = None,
    host_connections: HostConnections = None,
    host_rate: HostRate = None,
    retries: FleetRetries = None,
    max_size: FleetMaxSize = None,
    compute_hash: ComputeHash = None,
    ignore_robots_tag: IgnoreRobotsTag = None,
    contact: Contact = None,
) -> None:
    """Split lists into shards, without downloading. `rheo fleet run` does this if needed.

    The same command again changes nothing. Another list, shard size, spread, number of lanes or
    layout in the same folder is refused. Exit status: as for `rheo download`.
    """
    from rheo_core.fleet.executors import SHARDS_AT_ONCE

    from .fleet_request import open_output, read_request

    target = open_output(output)
    request = read_request(context.params)
    made = make_plan(target, output, request, SHARDS_AT_ONCE * (os.cpu_count() or 1))
    bad = f", {made.unreadable:,} of them unreadable" if made.unreadable else ""
    typer.echo(
        f"{count_text(made.entries, 'entry', 'entries')}{bad}, "
        f"{count_text(len(made.shards), 'shard')}, "
        f"{count_text(len({shard.lane for shard in made.shards}), 'lane')}"
    )
    for site, count in made.split_sites.items():
        typer.echo(f"{printable(site)}: split over {count_text(count, 'lane')}")


def make_plan(
    target: "Target", output: str, request: "PlanRequest", usual_lanes: int
) -> "FleetPlan":
    """Return the plan of an output folder; create it if necessary. End the command on failure.

    Args:
        target: the output folder.
        output: its path or URL, for messages.
        request: lists and options.
        usual_lanes: number of lanes if the request names none.
    """
    from dataclasses import replace

    from rheo_core.fleet.list_files import found_sources
    from rheo_core.fleet.planning import plan_fleet
    from rheo_core.fleet.rows import ListError, NoColumnError

    try:
        with found_sources(request.sources) as sources:
            request = replace(request, sources=sources)
            return plan_fleet(target, request, usual_lanes, _show_progress)
    except ListError as error:
        is_usage = isinstance(error, NoColumnError)
        fail(f"{error}.", ExitCode.USAGE if is_usage else ExitCode.FAILED)
    except ValueError as error:
        fail(f"{error}.", ExitCode.USAGE)
    except OSError as error:
        fail(f"cannot write to {output}: {reason_of(error, output)}.", ExitCode.DISK)


def _show_progress(rows: int) -> None:
    if sys.stderr.isatty():
        typer.echo(f"rheo: {rows:,} rows planned", err=True)
