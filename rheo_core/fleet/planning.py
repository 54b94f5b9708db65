"""Plan a run: split lists into shards."""

import errno
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from hashlib import sha256
from itertools import count
from typing import Any

from rheo_core.domain.engine_options import MAX_CONCURRENT
from rheo_core.domain.fleet import (
    DEFAULT_SHARD_SIZE,
    MAX_KEPT_COLUMNS,
    MAX_NAME_LENGTH,
    MAX_SHARD_SIZE,
    PLAN_NAME,
    PLAN_VERSION,
    FleetPlan,
    LayoutName,
    Spread,
    shard_list_name,
    to_json,
)
from rheo_core.domain.hash_algorithms import HashAlgorithm
from rheo_core.domain.text import is_unicode, printable, shorten
from rheo_core.domain.units import MAX_FILE_BYTES

from .columns import TableOptions
from .contact import MAX_URLS_WITHOUT_CONTACT, check_contact
from .lanes import HeavySites, Lanes, authority_of, site_of
from .list_check import is_split_of
from .list_files import digest_of
from .output_files import StoredFileError, read_value
from .rows import ListError, Row
from .shard_files import ShardWriter, remove_other_lists
from .tables import read_rows
from .targets import Target

MAX_LANES = 4_096
"""Lanes of a plan. Each has an open shard while the lists are read."""
_REPORT_ROWS = 100_000
_RESULT = re.compile(r"part-\d{6}(?:\.p\d+)?(?:\.json|\.parquet|\.tar)?")
_NOT_OF_A_PLAN = frozenset({"sources", "table", "usual_contact"})
_FIXED = {
    "shard_size": "--shard-size",
    "spread": "--spread",
    "lanes": "--lanes",
    "layout": "--layout",
}
"""Fields of a plan that never change, with their flags; keys and files depend on them."""

_RANGES = {
    "shard_size": (1, MAX_SHARD_SIZE),
    "lanes": (1, MAX_LANES),
    "concurrency": (1, MAX_CONCURRENT),
    "host_connections": (1, 1_000_000),
    "host_rate": (1, 10**15),
    "retries": (0, 100),
    "max_size": (1, MAX_FILE_BYTES),
}


class PlanError(ValueError):
    """An output folder has no usable plan, or a different one; one sentence."""


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Options of a plan. None leaves the value of an existing plan, or the default."""

    sources: Sequence[str] = ()
    table: TableOptions = field(default_factory=TableOptions)
    shard_size: int | None = None  # entries
    spread: Spread | None = None
    lanes: int | None = None
    layout: LayoutName | None = None
    concurrency: int | None = None  # downloads at a time, a shard
    host_connections: int | None = None  # of the whole cluster
    host_rate: float | None = None  # bytes/s of the whole cluster
    retries: int | None = None
    max_size: int | None = None  # bytes
    compute_hash: str | None = None  # algorithm
    ignore_robots_tag: bool | None = None
    contact: str | None = None
    usual_contact: str | None = None  # if neither the request nor the plan names one

    @property
    def given(self) -> dict[str, Any]:
        """Fields of `FleetPlan` that have a value."""
        names = [each.name for each in fields(self) if each.name not in _NOT_OF_A_PLAN]
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}


def read_plan(target: Target) -> FleetPlan | None:
    """Return the plan of an output folder; None if it has none.

    Raises:
        PlanError: it is damaged, or from another version.
        OSError: it cannot be read.
    """
    try:
        plan = read_value(target, PLAN_NAME, FleetPlan)
    except FileNotFoundError:
        return None
    except StoredFileError as error:
        raise PlanError(f"{error}; choose another output folder") from None
    if plan.version != PLAN_VERSION:
        raise PlanError(
            f"{PLAN_NAME} was written by another version of rheo; choose another output folder"
        )
    if problem := _problem_of(plan):
        raise PlanError(f"{PLAN_NAME} is damaged: {problem}; choose another output folder")
    return plan


def _problem_of(plan: FleetPlan) -> str:
    """Return a phrase about a value that rheo never writes into a plan; "" for none."""
    if wrong := _out_of_range(plan):
        name, value, range_ = wrong
        return f"{name} is {value}, not {range_}"
    if min(plan.split_sites.values(), default=1) < 1:
        return "a site has no lane"
    if (algorithm := plan.compute_hash) is not None and algorithm not in set(HashAlgorithm):
        return f"the algorithm {shorten(printable(algorithm), 40)!r} is unknown"
    try:
        if plan.contact is not None:
            check_contact(plan.contact)
    except ValueError as error:
        return printable(str(error))
    return ""


def plan_fleet(
    target: Target,
    request: PlanRequest,
    usual_lanes: int,
    on_progress: Callable[[int], None] = lambda rows: None,
) -> FleetPlan:
    """Return the plan of an output folder; split the lists into shards if it has none.

    Args:
        target: the output folder.
        request: lists and options.
        usual_lanes: number of lanes if the request names none.
        on_progress: called from time to time with the number of rows written so far.

    Raises:
        ListError: a list cannot be read, or has no usable row.
        PlanError: the folder has a different plan.
        OSError: the folder cannot be written.
    """
    check_request(request)
    digest = _digest(request) if request.sources else None
    while (existing := read_plan(target)) is None:
        if digest is None:
            raise PlanError("the output folder has no plan; name a list")
        _check_no_results(target)
        plan = _split(target, request, usual_lanes, digest, on_progress)
        is_first = target.create(PLAN_NAME, to_json(plan).encode())
        if (first := plan if is_first else read_plan(target)) is not None:
            remove_other_lists(target, _lists_of(first))
        if is_first:
            return plan  # otherwise, another process was faster
    return _agreed(target, existing, request, digest)


def _lists_of(plan: FleetPlan) -> set[str]:
    return {shard_list_name(shard, crc32=each.crc32) for shard, each in enumerate(plan.shards)}


def _check_no_results(target: Target) -> None:
    """Raise PlanError if a folder without a plan has results, which would count as complete."""
    if results := list(filter(_RESULT.fullmatch, target.names())):
        raise PlanError(
            f"the output folder has no plan, but results of another run, such as {min(results)}; "
            "choose another folder"
        )


def check_request(request: PlanRequest) -> None:
    """Raise PlanError if a value of a request is out of its range."""
    if wrong := _out_of_range(request):
        name, value, range_ = wrong
        raise PlanError(f"--{name.replace('_', '-')} is {value}; it must be {range_}")
    if len(keep := request.table.keep) > MAX_KEPT_COLUMNS:
        raise PlanError(
            f"--keep names {len(keep):,} columns; at most {MAX_KEPT_COLUMNS:,} are kept"
        )
    for column in keep:
        shown = shorten(printable(column), 40)
        if len(column) > MAX_NAME_LENGTH:
            raise PlanError(
                f"--keep names the column {shown!r} of {len(column):,} characters; at most "
                f"{MAX_NAME_LENGTH} are allowed"
            )
        if not is_unicode(column):
            raise PlanError(f"--keep names the column {shown!r}, which is not UTF-8")


def _out_of_range(holder: PlanRequest | FleetPlan) -> tuple[str, object, str] | None:
    """Return name, value and range of a number that is out of its range; None for none."""
    for name, (least, most) in _RANGES.items():
        value = getattr(holder, name)
        if value is not None and not least <= value <= most:
            return name, value, f"from {least} to {most:,}"
    return None


def _digest(request: PlanRequest) -> str:
    """Return a digest of the lists, and of the options for reading them."""
    columns = replace(request.table, format=None)
    whole = sha256(f"{digest_of(request.sources)} {columns}".encode())
    return f"sha256:{whole.hexdigest()}"


def _agreed(target: Target, plan: FleetPlan, request: PlanRequest, digest: str | None) -> FleetPlan:
    """Return an existing plan with the given options, if they may change.

    Raises:
        PlanError: the lists, or options that determine keys and files, are different.
    """
    if digest not in (None, plan.list_digest):
        raise PlanError(
            "the output folder was planned from a different list or different columns; choose "
            "another folder"
        )
    for name, flag in _FIXED.items():
        before, now = getattr(plan, name), getattr(request, name)
        if now not in (None, before):
            raise PlanError(
                f"the output folder was planned with {flag} {before}, not {now}; leave it out, or "
                "choose another folder"
            )
    if request.lanes is not None and len({shard.lane for shard in plan.shards}) > request.lanes:
        raise PlanError(  # of --spread order
            "the output folder was planned without --lanes; leave it out, or choose another folder"
        )
    if digest is not None:
        _check_shards(target, plan, request)
    changed = replace(plan, **request.given)
    changed = replace(changed, contact=changed.contact or request.usual_contact)
    _check_contact(changed.entries, changed.contact)
    if changed != plan:
        target.put(PLAN_NAME, to_json(changed).encode())
    return changed


def _check_shards(target: Target, plan: FleetPlan, request: PlanRequest) -> None:
    """Raise PlanError if the shards of a folder have other entries than the lists.

    The digest of the lists is in the plan, which somebody else may have written.
    """
    request = replace(request, contact=request.contact or plan.contact)
    try:
        if is_split_of(target, plan, _rows(request)):
            return
    except ListError:
        raise
    except ValueError as error:
        raise PlanError(str(error)) from None
    except OSError as error:
        if error.errno not in (None, errno.ENOENT):
            raise
        problem = error.strerror or error
        raise PlanError(f"a list of the plan: {problem}; choose another output folder") from None
    raise PlanError(
        "the shards in the output folder do not match the list, so somebody has changed them; "
        "choose another folder"
    )


def _split(
    target: Target,
    request: PlanRequest,
    usual_lanes: int,
    digest: str,
    on_progress: Callable[[int], None],
) -> FleetPlan:
    given = {"shard_size": DEFAULT_SHARD_SIZE, "lanes": usual_lanes, **request.given}
    given["keep"] = request.table.keep
    given["contact"] = request.contact or request.usual_contact
    draft = FleetPlan(list_digest=digest, entries=0, unreadable=0, shards=(), **given)
    lanes: Lanes | None = None
    if draft.spread == "sites":
        lanes = Lanes.balanced(draft.lanes, _heavy_sites(request), draft.host_connections)
    writer = ShardWriter(target, draft.shard_size)
    entries = unreadable = 0
    for entries, row in zip(count(1), _rows(request), strict=False):
        lane = 0
        if row.problem is not None:
            unreadable += 1
        elif lanes is not None:
            lane = lanes.lane_of(row.url)
        writer.add(lane, row)
        if entries % _REPORT_ROWS == 0:
            on_progress(entries)
    if entries == unreadable:
        raise ListError(_no_url(unreadable))
    shards = writer.finish()
    if lanes is None:  # only --lanes makes a shard wait for another one
        limit = request.lanes or len(shards)
        shards = tuple(replace(shard, lane=number % limit) for number, shard in enumerate(shards))
    return replace(
        draft,
        entries=entries,
        unreadable=unreadable,
        shards=shards,
        split_sites=dict(lanes.split_sites()) if lanes is not None else {},
    )


def _heavy_sites(request: PlanRequest) -> HeavySites:
    heavy = HeavySites()
    for row in _rows(request):
        if row.problem is None:
            heavy.add(site_of(authority_of(row.url)))
    return heavy


def _rows(request: PlanRequest) -> Iterator[Row]:
    rows = (row for source in request.sources for row in read_rows(source, request.table))
    for number, row in enumerate(rows, 1):
        if number > MAX_URLS_WITHOUT_CONTACT:
            _check_contact(number, request.contact or request.usual_contact)
        yield row


def _check_contact(urls: int, contact: str | None) -> None:
    """Raise PlanError if this number of URLs needs a contact, and there is none."""
    if urls > MAX_URLS_WITHOUT_CONTACT and contact is None:
        raise PlanError(
            f"the list has more than {MAX_URLS_WITHOUT_CONTACT:,} URLs; tell site owners how to "
            "reach you: --contact ann@example.org"
        )


def _no_url(unreadable: int) -> str:
    if not unreadable:
        return "the list contains no URL"
    return f"none of the {unreadable:,} rows of the list has a usable URL"
