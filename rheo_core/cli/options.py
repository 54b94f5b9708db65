"""From flags, the environment and the settings file to the settings in force."""

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from rheo_core.domain.text import printable, redact

if TYPE_CHECKING:
    from rheo_core.config import Settings
    from rheo_core.domain.request_options import RequestOptions

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
    USAGE = 2  # a flag, a variable or a setting is not right
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
    """The settings, flags first. Ends the command if a flag, a variable or a setting is wrong.

    A wrong setting that a flag replaces, or that is for the app alone, is only reported, and not
    even that with `quiet`. Those of requests are for `check_protection`.
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
    if loaded.faults:
        fail(" ".join(loaded.faults), ExitCode.USAGE)
    closing = {each.sentence for each in loaded.settings.unclear}
    if not quiet:
        for problem in loaded.problems:
            if problem not in closing:
                typer.echo(f"rheo: {printable(problem)}", err=True)
    return loaded.settings


def check_protection(settings: "Settings", own: "RequestOptions", *, quiet: bool) -> None:
    """End the command if a setting that cannot be understood closes every host.

    One that closes some hosts is reported: the engine refuses the requests to them.

    Args:
        settings: the settings in force.
        own: the options that the flags give. They may replace such a setting.
        quiet: whether nothing is said but what ends the command.
    """
    from rheo_core.domain.request_rules import RequestRules

    hosts = {host: each.request for host, each in settings.hosts.items()}
    rules = RequestRules(settings.request, hosts, unclear=settings.unclear)
    if refusals := rules.refusals_of_all(own):
        fail(f"{' '.join(refusals)} Nothing is downloaded until this is corrected.", ExitCode.USAGE)
    for each in settings.unclear if not quiet else ():
        is_replaced = own.decide(each.option)
        fails = f" Requests to {each.host} fail until this is corrected."
        effect = fails if each.host and not is_replaced else ""
        typer.echo(f"rheo: {printable(each.sentence + effect)}", err=True)
