"""Retry passes: plan new shards for failed entries, under the same keys."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from rheo_core.domain.fleet import (
    FOLDER,
    MAX_SHARDS,
    FleetPass,
    FleetPlan,
    facts_name,
    part_name,
    pass_name,
    shard_list_name,
    to_json,
)

from .manifest import read_manifest
from .output_files import StoredFileError, read_value
from .shard_files import read_shard, remove_other_lists, write_shard
from .targets import Target

_PASS = re.compile(r"pass-([0-9]{1,6})\.json")
_MAX_SHARDS = 2 * MAX_SHARDS  # of all retry passes


class PassTakenError(ValueError):
    """Another process has planned a retry pass; one sentence without a full stop."""


class PlannedShard(NamedTuple):
    """A shard of a run or of one of its retry passes."""

    shard: int
    pass_number: int
    lane: int
    entries: int

    @property
    def part(self) -> str:
        """Name of its results, without a suffix."""
        return part_name(self.shard, self.pass_number)

    @property
    def facts_name(self) -> str:
        """Path of its facts in the output folder."""
        return facts_name(self.shard, self.pass_number)


def read_passes(target: Target) -> list[FleetPass]:
    """Return the retry passes of a run, in their order.

    Raises:
        OSError: they cannot be read.
        ValueError: one of them is damaged, or they are too large; one sentence.
    """
    numbers = sorted(int(match[1]) for match in map(_PASS.fullmatch, target.names(FOLDER)) if match)
    passes: list[FleetPass] = []
    for number in numbers:
        passes.append(read_pass(target, number))
        _check_total(passes)
    return passes


def read_pass(target: Target, number: int) -> FleetPass:
    """Return one retry pass of a run.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged; one sentence.
    """
    try:
        stored = read_value(target, pass_name(number), FleetPass)
    except StoredFileError as error:
        raise ValueError(f"{error}; remove it to continue") from None
    if stored.number != number or number < 2 or not stored.shards:
        raise _damaged(number)
    return stored


def _check_total(passes: Sequence[FleetPass]) -> None:
    """Raise ValueError if passes have more shards than fit into the memory of a watcher."""
    if sum(len(each.shards) for each in passes) > _MAX_SHARDS:
        raise ValueError(
            f"the passes up to {pass_name(passes[-1].number)} have more than {_MAX_SHARDS:,} "
            "shards; remove it to continue"
        )


def _damaged(number: int) -> ValueError:
    return ValueError(f"{pass_name(number)} is damaged; remove it to continue")


def planned_shards(plan: FleetPlan, passes: Sequence[FleetPass]) -> Iterator[PlannedShard]:
    """Yield all shards of a run: first those of the plan, then those of the passes.

    Raises:
        ValueError: a pass names a shard that the plan lacks; one sentence.
    """
    for number, shard in enumerate(plan.shards):
        yield PlannedShard(number, 1, shard.lane, shard.entries)
    for each in passes:
        for number, entries in each.shards.items():
            if not 0 <= number < len(plan.shards):
                raise _damaged(each.number)
            yield PlannedShard(number, each.number, plan.shards[number].lane, entries)


def plan_pass(
    target: Target, plan: FleetPlan, passes: Sequence[FleetPass], is_wanted: Callable[[str], bool]
) -> FleetPass | None:
    """Plan a retry pass over failed entries; return None if there are none.

    Every shard of the run must be complete. If several processes plan the pass at the same time,
    the first one wins.

    Args:
        target: the output folder.
        plan: plan of the run.
        passes: its earlier passes.
        is_wanted: returns True for a kind of errors to try again.

    Raises:
        PassTakenError: another process has planned another pass of this number; one sentence.
        OSError: manifests cannot be read, or lists cannot be written.
        ValueError: a manifest is damaged; one sentence.
    """
    number = passes[-1].number + 1 if passes else 2
    further = _with_lists(target, plan, passes, number, is_wanted)
    if not further.shards:
        return None
    _check_total([*passes, further])
    target.create(pass_name(number), to_json(further).encode())
    first = read_pass(target, number)
    named = {shard_list_name(each, number, first.crc32_of(each)) for each in first.shards}
    remove_other_lists(target, named, number)
    if first != further:
        raise PassTakenError(f"another process has just planned pass {number}")
    return further


def _with_lists(
    target: Target,
    plan: FleetPlan,
    passes: Sequence[FleetPass],
    number: int,
    is_wanted: Callable[[str], bool],
) -> FleetPass:
    """Store the lists of a pass; return the pass."""
    earlier: dict[int, list[PlannedShard]] = {}
    for planned in planned_shards(plan, passes):
        earlier.setdefault(planned.shard, []).append(planned)
    shards: dict[int, int] = {}
    crc32s: dict[int, int] = {}
    errors: Counter[str] = Counter()
    for shard, parts in earlier.items():
        kinds = {key: kind for key, kind in _failed(target, parts).items() if is_wanted(kind)}
        if kinds:
            entries = read_shard(target, shard, crc32=plan.crc32_of(shard))
            failed = (entry for entry in entries if entry.key in kinds)
            crc32s[shard] = write_shard(target, shard, number, failed)
            shards[shard] = len(kinds)
            errors.update(kinds.values())
    return FleetPass(number, shards, dict(errors), crc32s)


def _failed(target: Target, parts: Sequence[PlannedShard]) -> dict[str, str]:
    """Return the kinds of errors of a shard's entries that have failed in their last pass."""
    kinds: dict[str, str] = {}
    for part in parts:
        for row in read_manifest(target, f"{part.part}.parquet", ("key", "outcome", "kind")):
            if row["outcome"] == "failed":
                kinds[row["key"]] = row["kind"] or ""
            else:
                kinds.pop(row["key"], None)
    return kinds
