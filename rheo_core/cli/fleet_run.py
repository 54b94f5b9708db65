"""`rheo fleet run`: run all shards on a cluster."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from rheo_core.domain.fleet import PLAN_NAME, STOP_NAME

from .exit import ExitCode, code_of_signal, code_of_status, fail, reason_of
from .flags import Quiet
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
    Scratch,
    ShardSize,
    SpreadBy,
    UrlColumn,
)
from .fleet_plan import make_plan
from .fleet_status import Progress, show_status
from .start import end_imports

if TYPE_CHECKING:
    from rheo_core.domain.fleet import FleetPlan, FleetStatus
    from rheo_core.fleet.executors import Cluster
    from rheo_core.fleet.shard_downloads import WorkerOptions
    from rheo_core.fleet.shard_scheduler import ShardScheduler
    from rheo_core.fleet.targets import Target

ClusterName = Annotated[
    str,
    typer.Option(
        "--cluster",
        metavar="local|dask://HOST:PORT|ray://HOST:PORT",
        help="Cluster to run on. local: processes on this machine.",
    ),
]
Processes = Annotated[
    int | None,
    typer.Option(
        "-j",
        "--processes",
        metavar="N",
        min=1,
        max=1_024,
        help="Number of processes of a local cluster. Default: one for each core.",
    ),
]


def run(
    context: typer.Context,
    output: Out,
    lists: Lists = None,
    cluster: ClusterName = "local",
    processes: Processes = None,
    scratch: Scratch = None,
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
    quiet: Quiet = False,
) -> None:
    """Download lists with many workers. To continue after an interruption, run the same command.

    Settings and secrets of requests are those of the workers: their settings file, environment
    and ~/.netrc. A cluster runs everything it is sent, so keep a scheduler in a private network or
    protect it by TLS. Workers of a local cluster do so by themselves.

    Without a list, this downloads what the folder says, with your logins and settings. Use it only
    if you trust those who planned the folder or can change it.

    Exit status: 0 if everything was downloaded, 1 if a download failed or some input is not valid,
    2 if a flag or the output folder is not valid, 3 if the run is not complete, 4 if the output
    folder is not writable. If a signal ends it, the status is 128 plus the signal number.
    """
    from rheo_core.fleet.shard_downloads import WorkerOptions

    from .fleet_notes import show_complete, show_owner
    from .fleet_request import (
        check_robots_tag,
        open_output,
        read_request,
        read_scratch,
    )

    worker = WorkerOptions(read_scratch(scratch), ignore_robots_tag=bool(ignore_robots_tag))
    target = open_output(output)
    request = read_request(context.params)

    def plan(slots: Callable[[], int]) -> "FleetPlan":
        usual = 1 if target.exists(PLAN_NAME) else slots()
        made = make_plan(target, output, request, usual)
        check_robots_tag(made, ignore_robots_tag)
        if not quiet:
            show_owner(target, output)
            show_complete(target, output, made)
        return made

    complete(target, output, plan, cluster, processes, worker, quiet=quiet)


def complete(
    target: "Target",
    output: str,
    plan: "Callable[[Callable[[], int]], FleetPlan]",
    cluster: str,
    processes: int | None,
    worker: "WorkerOptions",
    *,
    quiet: bool,
) -> NoReturn:
    """Complete a run on a cluster, show its status, and end the command.

    Args:
        target: the output folder.
        output: its path or URL, for messages.
        plan: returns the plan. Its argument returns the number of shards that the cluster runs at a
            time.
        cluster: name of the cluster.
        processes: number of processes, if it is local; None: one for each core.
        worker: options of the workers.
        quiet: show only errors.
    """
    from rheo_core.fleet.executors import ClusterError, check_name

    end_imports()
    try:
        check_name(cluster)
        with ExitStack() as stack:
            needed = _Needed(stack, cluster, processes or os.cpu_count() or 1)
            made = plan(lambda: needed.slots)
            status = _run(needed, target, output, made, worker, quiet=quiet)
    except ClusterError as error:
        fail(f"{error}.", ExitCode.USAGE)
    except OSError as error:
        fail(f"cannot use {output}: {reason_of(error, output)}.", ExitCode.DISK)
    except ValueError as error:
        fail(f"{error}.", ExitCode.FAILED)
    code = code_of_status(status)
    if not quiet or code is ExitCode.STOPPED:
        show_status(status, is_error=quiet)
    raise typer.Exit(code)


class _Needed:
    """A cluster that opens on first use, because a complete run needs none.

    Args:
        stack: closes the cluster.
        name: its name.
        processes: number of processes, if it is local.
    """

    def __init__(self, stack: ExitStack, name: str, processes: int) -> None:
        self._stack = stack
        self._name = name
        self._processes = processes
        self._opened: Cluster | None = None

    def open(self) -> "Cluster":
        """Return the open cluster."""
        from rheo_core.fleet.executors import open_cluster

        if self._opened is None:
            opening = open_cluster(self._name, self._processes)
            self._opened = self._stack.enter_context(opening)
        return self._opened

    @property
    def is_local(self) -> bool:
        """True if its workers are processes of this machine, with the settings of this user."""
        from rheo_core.fleet.executors import LOCAL

        return self._name == LOCAL

    @property
    def slots(self) -> int:
        """Number of shards that it runs at a time."""
        from rheo_core.fleet.executors import SHARDS_AT_ONCE

        if self.is_local:
            return SHARDS_AT_ONCE * self._processes
        return self.open().slots


def _run(
    needed: _Needed,
    target: "Target",
    output: str,
    made: "FleetPlan",
    worker: "WorkerOptions",
    *,
    quiet: bool,
) -> "FleetStatus":
    from rheo_core.config import load_settings
    from rheo_core.domain.fleet import JOURNALS
    from rheo_core.fleet.status import read_status

    from .fleet_notes import show_limits

    status = read_status(target, made)
    if status.state == "complete" and not target.names(JOURNALS):  # a kill may leave one
        return status
    cluster = needed.open()
    lanes = len({shard.lane for shard in made.shards})
    if lanes < cluster.slots and not quiet:
        typer.echo(
            f"rheo: using only {lanes:,} of {cluster.slots:,} slots for shards, because the "
            "plan has no more lanes",
            err=True,
        )
    if needed.is_local and not quiet:
        show_limits(made, load_settings().settings, min(cluster.slots, lanes))
    return _drive(cluster, target, output, made, worker, quiet=quiet)


def _drive(
    cluster: "Cluster",
    target: "Target",
    output: str,
    made: "FleetPlan",
    worker: "WorkerOptions",
    *,
    quiet: bool,
) -> "FleetStatus":
    from rheo_core.fleet.shard import run_shard
    from rheo_core.fleet.shard_scheduler import ClusterLostError, ShardScheduler

    scheduler = ShardScheduler(
        target,
        output if target.path is None else str(target.path),
        made,
        cluster.executor,
        cluster.slots,
        partial(run_shard, worker=worker),
        on_status=(lambda status: None) if quiet else Progress().show,
        dashboard=cluster.dashboard,
    )
    if target.exists(STOP_NAME) and not quiet:
        typer.echo("rheo: continuing after rheo fleet stop", err=True)
    with _caught_signals(scheduler) as caught:
        try:
            status = scheduler.run()
        except ClusterLostError as error:
            fail(f"{error}. Run the same command again to continue.", ExitCode.STOPPED)
    if caught:
        if not quiet:
            typer.echo("Interrupted. Run the same command again to continue.", err=True)
        raise typer.Exit(code_of_signal(caught[0]))
    return status


@contextmanager
def _caught_signals(scheduler: "ShardScheduler") -> Iterator[list[int]]:
    """End the run at the first signal, and the process at the second one.

    Yields:
        The received signals.
    """
    caught: list[int] = []

    def catch(number: int, _: FrameType | None) -> None:
        if caught:
            os._exit(code_of_signal(number))
        caught.append(number)
        scheduler.interrupt()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, catch)
    yield caught
