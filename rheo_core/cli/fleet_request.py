"""Convert the flags of `rheo fleet` to a plan request; stop if a flag is not valid."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from rheo_core.domain.fleet import FleetPlan, LayoutName, Spread
from rheo_core.domain.paths import absolute_path
from rheo_core.domain.text import printable, redact

from .exit import ExitCode, fail, reason_of

if TYPE_CHECKING:
    from rheo_core.fleet.planning import PlanRequest
    from rheo_core.fleet.targets import Target

_T = TypeVar("_T")
_OFF = "off"


def open_output(out: str) -> "Target":
    """Return the output folder; end the command if its URL is unusable."""
    from rheo_core.fleet.targets import open_target

    if out.startswith("memory:"):
        shown = printable(redact(out))
        fail(
            f"output folder {shown} exists only in this process; use a folder or an object store.",
            ExitCode.USAGE,
        )
    try:
        return open_target(out)
    except ValueError as error:
        fail(f"{error}.", ExitCode.USAGE)


def read_scratch(scratch: str | None) -> Path | None:
    """Return the absolute path of `--scratch`; end the command if it is not a path."""
    try:
        return None if scratch is None else absolute_path(scratch, "folder")
    except ValueError as error:
        fail(f"--scratch {error}.", ExitCode.USAGE)


def existing_plan(target: "Target", out: str) -> FleetPlan:
    """Return the plan of an output folder; end the command if it has none."""
    from rheo_core.fleet.planning import PlanError, read_plan

    try:
        plan = read_plan(target)
    except PlanError as error:
        fail(f"{error}.", ExitCode.USAGE)
    except OSError as error:
        fail(f"cannot read {out}: {reason_of(error, out)}.", ExitCode.DISK)
    if plan is None:
        fail(f"{out} is not the output folder of a fleet; it has no plan.", ExitCode.USAGE)
    return plan


def check_robots_tag(plan: FleetPlan, ignore_robots_tag: bool | None) -> None:
    """End the command if a plan ignores X-Robots-Tag, but no flag says so.

    Somebody else may have written the plan.
    """
    if plan.ignore_robots_tag and ignore_robots_tag is None:
        fail(
            "the plan ignores X-Robots-Tag; pass --ignore-robots-tag or --respect-robots-tag.",
            ExitCode.USAGE,
        )


def read_request(params: Mapping[str, Any]) -> "PlanRequest":
    """Return the request of `plan` or `run`; end the command if a flag is not valid.

    Args:
        params: parameters of the command by name.
    """
    from rheo_core.config import load_settings
    from rheo_core.domain.hash_algorithms import HashAlgorithm
    from rheo_core.domain.units import parse_rate, parse_size
    from rheo_core.fleet.columns import FORMATS, TableOptions
    from rheo_core.fleet.contact import contact_in
    from rheo_core.fleet.planning import PlanError, PlanRequest, check_request

    table = TableOptions(
        format=_one_of("--format", params["format_"], FORMATS),
        url_column=params["url_column"],
        hash_column=params["hash_column"],
        name_column=params["name_column"],
        keep=tuple(params["keep"] or ()),
    )
    request = PlanRequest(
        sources=tuple(params["lists"] or ()),
        table=table,
        shard_size=params["shard_size"],
        spread=_one_of("--spread", params["spread"], get_args(Spread)),
        lanes=params["lanes"],
        layout=_one_of("--layout", params["layout"], get_args(LayoutName)),
        concurrency=params["concurrency"],
        host_connections=params["host_connections"],
        host_rate=_parsed("--host-rate", params["host_rate"], parse_rate),
        retries=params["retries"],
        max_size=_parsed("--max-size", params["max_size"], parse_size),
        compute_hash=_one_of("--compute-hash", params["compute_hash"], tuple(HashAlgorithm)),
        ignore_robots_tag=params["ignore_robots_tag"],
        contact=_contact(params["contact"]),
        usual_contact=contact_in(load_settings().settings.request.user_agent),
    )
    try:
        check_request(request)
    except PlanError as error:
        fail(f"{error}.", ExitCode.USAGE)
    return request


def _contact(value: str | None) -> str | None:
    from rheo_core.fleet.contact import check_contact

    if value is None:
        return None
    try:
        return check_contact(value)
    except ValueError as error:
        fail(f"--contact: {error}.", ExitCode.USAGE)


def _one_of(flag: str, value: str | None, allowed: tuple[_T, ...]) -> _T | None:
    if value is None:
        return None
    for each in allowed:
        if each == value:
            return each
    known = ", ".join(map(str, allowed))
    return fail(f"{flag} is {value!r}; it must be one of {known}.", ExitCode.USAGE)


def _parsed(flag: str, value: str | None, parse: Callable[[str], int | None]) -> int | None:
    if value is None or value == _OFF:
        return None
    try:
        return parse(value)
    except ValueError as error:
        fail(f"{flag}: {error}.", ExitCode.USAGE)
