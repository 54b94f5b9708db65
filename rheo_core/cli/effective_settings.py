"""Merge flags, environment variables and the settings file into the effective settings."""

from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from rheo_core.domain.text import printable

from .exit import ExitCode, fail

if TYPE_CHECKING:
    from rheo_core.config import Settings
    from rheo_core.domain.request_options import RequestOptions

_FLAGS = {
    "download_dir": "--output",
    "max_concurrent": "--workers",
    "max_retries": "--retries",
    "speed_limit": "--limit-rate",
    "file_exists_strategy": "--exists",
}
"""Flags whose name differs from that of their setting."""


class CommonOptions(NamedTuple):
    """Options before the name of the command."""

    download_dir: str | None = None
    workers: str | None = None
    verbose: bool = False


def settings_in_force(*, quiet: bool, **flags: Any) -> "Settings":
    """Return the effective settings; flags take precedence. End the command if one is not valid.

    This only reports a mistake in a setting that a flag replaces, or that only the app uses.
    `check_protection` handles the settings of requests.

    Args:
        quiet: report only mistakes that end the command.
        flags: values of settings by name; None if the flag is missing.
    """
    from pydantic import ValidationError

    from rheo_core.config import load_settings
    from rheo_core.config.problems import explain

    try:
        loaded = load_settings(**flags)
    except ValidationError as error:
        names = {name: _FLAGS.get(name, f"--{name.replace('_', '-')}") for name in flags}
        fail(f"{'; '.join(explain(error, names).values())}.", ExitCode.USAGE)
    if loaded.faults:
        fail(" ".join(loaded.faults), ExitCode.USAGE)
    closing = {each.sentence for each in loaded.settings.unclear}
    if not quiet:
        for problem in loaded.problems:
            if problem not in closing:
                typer.echo(f"rheo: {printable(problem)}", err=True)
    return loaded.settings


def check_protection(settings: "Settings", own: "RequestOptions", *, quiet: bool) -> None:
    """End the command if a mistake in the settings blocks every host.

    This only reports mistakes that block some hosts, because the engine refuses their requests.

    Args:
        settings: the effective settings.
        own: options given by flags, which may replace such a setting.
        quiet: report only mistakes that end the command.
    """
    from rheo_core.domain.request_rules import RequestRules

    hosts = {host: each.request for host, each in settings.hosts.items()}
    rules = RequestRules(settings.request, hosts, unclear=settings.unclear)
    if refusals := rules.refusals_of_all(own):
        fail(f"{' '.join(refusals)} rheo downloads nothing until you correct this.", ExitCode.USAGE)
    for each in settings.unclear if not quiet else ():
        is_replaced = own.decide(each.option)
        fails = f" Requests to {each.host} fail until you correct this."
        effect = fails if each.host and not is_replaced else ""
        typer.echo(f"rheo: {printable(each.sentence + effect)}", err=True)
