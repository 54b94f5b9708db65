"""`rheo fleet work`: run one slice of the shards, for batch systems such as Slurm."""

import asyncio
import logging
import os
import signal
from collections.abc import Coroutine, Mapping
from shlex import quote
from typing import TYPE_CHECKING, Any

import typer

from rheo_core.domain.text import printable
from rheo_core.domain.units import count_text

from .effective_settings import check_protection, settings_in_force
from .exit import ExitCode, code_of, code_of_signal, fail, reason_of
from .flags import (
    AllowDowngrade,
    Auth,
    Bearer,
    CaFile,
    Certificate,
    Cookies,
    Headers,
    Insecure,
    Interface,
    Ipv4,
    Ipv6,
    Key,
    Netrc,
    Proxy,
    Quiet,
    Referer,
    User,
    UserAgent,
)
from .fleet_flags import ExistingOut, IgnoreRobotsTag, Scratch, ShardsAtOnce, SliceOf
from .start import end_imports

if TYPE_CHECKING:
    from rheo_core.config import Settings
    from rheo_core.domain.fleet import ShardFacts
    from rheo_core.fleet.shard_downloads import WorkerOptions
    from rheo_core.fleet.slices import Slice, SliceResult

_MAX_BUSY_SHOWN = 5


def work(
    context: typer.Context,
    output: ExistingOut,
    slice_of: SliceOf = "0/1",
    shards_at_once: ShardsAtOnce = 2,
    scratch: Scratch = None,
    ignore_robots_tag: IgnoreRobotsTag = None,
    headers: Headers = None,
    user_agent: UserAgent = None,
    referer: Referer = None,
    cookies: Cookies = None,
    user: User = None,
    auth: Auth = None,
    bearer: Bearer = None,
    netrc: Netrc = False,
    proxy: Proxy = None,
    ca_file: CaFile = None,
    client_cert: Certificate = None,
    client_key: Key = None,
    insecure: Insecure = None,
    ipv4: Ipv4 = False,
    ipv6: Ipv6 = False,
    interface: Interface = None,
    allow_downgrade: AllowDowngrade = False,
    quiet: Quiet = False,
) -> None:
    """Work on one of N slices of a planned run, without Dask or Ray.

    This downloads what the folder says, with your logins and settings. Use it only if you trust
    those who planned the folder or can change it.

    Use this in Slurm arrays, in Indexed Jobs of Kubernetes, or with GNU parallel.

    To continue after an interruption, run the same command: complete shards are left alone.
    Retry passes that `rheo fleet retry --plan-only` has planned belong to the slice too.

    Exit status: 0 if everything was downloaded, 1 if the slice is complete and some downloads
    failed, 2 if a flag, a variable, a setting or the folder is not valid, 3 if the slice is not
    complete, 4 if a disk is full or not writable. If a signal ends it, the status is 128 plus the
    signal number.
    """
    from .fleet_notes import show_limits, show_owner
    from .fleet_request import check_robots_tag, existing_plan, open_output

    slice_ = _slice(slice_of)
    settings = settings_in_force(quiet=quiet)
    worker = _worker_options(context.params, settings, quiet=quiet)
    target = open_output(output)
    plan = existing_plan(target, output)
    check_robots_tag(plan, ignore_robots_tag)

    from rheo_core.fleet.manifest import check_installed
    from rheo_core.fleet.slices import SliceWorker

    try:
        check_installed()
    except ValueError as error:
        fail(f"{error}.", ExitCode.USAGE)
    lanes = {shard.lane for shard in plan.shards}
    own_lanes = list(filter(slice_.has, lanes))
    if not own_lanes and not quiet:
        typer.echo(
            f"Nothing to do: the plan has {count_text(len(lanes), 'lane')} for "
            f"{count_text(slice_.count, 'slice')}.",
            err=True,
        )
    if own_lanes and not quiet:
        show_owner(target, output)
        show_limits(plan, settings, min(shards_at_once, len(own_lanes)) * slice_.count)
    slice_worker = SliceWorker(
        output, target, plan, worker, (lambda facts: None) if quiet else _report
    )
    raise typer.Exit(_run(slice_worker.run(slice_, shards_at_once), output, quiet=quiet))


def _slice(text: str) -> "Slice":
    from rheo_core.fleet.slices import Slice

    try:
        return Slice.parse(text)
    except ValueError as error:
        fail(f"--slice: {error}.", ExitCode.USAGE)


def _worker_options(
    parameters: Mapping[str, Any], settings: "Settings", *, quiet: bool
) -> "WorkerOptions":
    from rheo_core.fleet.shard_downloads import WorkerOptions

    from .fleet_request import read_scratch
    from .request_flags import RequestFlags, insecure_hosts

    requests = RequestFlags.of(parameters).read()
    check_protection(settings, requests, quiet=quiet)
    return WorkerOptions(
        scratch=read_scratch(parameters["scratch"]),
        requests=requests,
        insecure=insecure_hosts(parameters["insecure"] or []),
        ignore_robots_tag=bool(parameters["ignore_robots_tag"]),
    )


def _run(work: "Coroutine[Any, Any, SliceResult]", output: str, *, quiet: bool) -> ExitCode:
    """Run a slice to its end, or until a signal; return the exit code."""
    from rheo_core.domain.exceptions import RheoError
    from rheo_core.fleet.shard_downloads import ShardError

    end_imports()
    _show_log()
    try:
        result, signalled = asyncio.run(_until_signal(work))
    except ShardError as error:
        code = code_of({error.failure})
        fail(str(error), ExitCode.STOPPED if code is ExitCode.FAILED else code)
    except OSError as error:
        fail(f"{reason_of(error)}.", ExitCode.DISK)
    except (RheoError, ValueError) as error:
        fail(f"{error}.", ExitCode.STOPPED)
    if result is None:
        if not quiet:
            typer.echo("Interrupted. Run the same command again to continue.", err=True)
        return code_of_signal(signalled)
    return _judge(result, output, quiet=quiet)


def _judge(result: "SliceResult", output: str, *, quiet: bool) -> ExitCode:
    from rheo_core.domain.units import size_text

    failed = result.counts.total() - result.counts["completed"]
    if not quiet:
        typer.echo(
            f"{result.shards_done:,} of {count_text(result.shards, 'shard')} complete: "
            f"{count_text(result.counts['completed'], 'file')}, {size_text(result.bytes)}; "
            f"{failed:,} failed",
            err=True,
        )
        for shard in result.busy[:_MAX_BUSY_SHOWN]:
            typer.echo(f"{shard}.", err=True)
        if (more := len(result.busy) - _MAX_BUSY_SHOWN) > 0:
            typer.echo(f"Other workers have {count_text(more, 'more shard')}.", err=True)
        if result.was_stopped:
            again = f"rheo fleet stop --undo {quote(printable(output))}"
            typer.echo(
                f"Stopped by rheo fleet stop. To continue, withdraw the stop request: {again}",
                err=True,
            )
    if not result.is_complete:
        return ExitCode.STOPPED
    return ExitCode.FAILED if failed else ExitCode.DONE


def _report(facts: "ShardFacts") -> None:
    from rheo_core.domain.units import duration_text, size_text

    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(facts.counts.items()))
    size, seconds = size_text(facts.bytes), duration_text(facts.seconds)
    pass_ = f", pass {facts.pass_number}" if facts.pass_number > 1 else ""
    typer.echo(f"shard {facts.shard:06d}{pass_}: {counts}; {size} in {seconds}", err=True)


def _show_log() -> None:
    """Show warnings, but not those about single downloads, which the manifests contain."""
    from rheo_core.events.models import IS_EVENT

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("rheo: %(message)s"))
    handler.addFilter(lambda record: not hasattr(record, IS_EVENT))
    logging.getLogger().addHandler(handler)


async def _until_signal(
    work: "Coroutine[Any, Any, SliceResult]",
) -> "tuple[SliceResult | None, int]":
    """Return the result of a slice, or None and the signal that ended it.

    Running downloads keep their bytes. A second signal ends the process at once.
    """
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    caught: list[int] = []

    def catch(number: int) -> None:
        if caught:
            os._exit(code_of_signal(number))
        caught.append(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, catch, number)
    try:
        return await task, 0
    except asyncio.CancelledError:
        return None, caught[0]
