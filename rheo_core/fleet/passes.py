"""Passes: failed entries are tried again, with the keys that they have."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from rheo_core.domain.fleet import (
    FOLDER,
    MAX_SHARDS,
    FleetPass,
    FleetPlan,
    facts_name,
    part_name,
    pass_name,
    to_json,
)

from .file_locks import HeldError, check_alone, holder_in, line_of_this_process, open_locked
from .manifest import read_manifest
from .shard_files import read_shard, write_shard
from .stored import StoredFileError, read_value
from .targets import Target, check_inside

_PASS = re.compile(r"pass-([0-9]{1,6})\.json")
_CLAIM = f"{FOLDER}/planning"
_MAX_SHARDS = 2 * MAX_SHARDS  # of all further passes


class PassBusyError(ValueError):
    """Another process plans a further pass; one sentence without a full stop."""


class PlannedShard(NamedTuple):
    """A shard of a run or of one of its further passes."""

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
    """Return the further passes of a run, in their order.

    Raises:
        OSError: they cannot be read.
        ValueError: one of them is damaged, or they are too large; one sentence.
    """
    numbers = sorted(int(found[1]) for found in map(_PASS.fullmatch, target.names(FOLDER)) if found)
    passes: list[FleetPass] = []
    for number in numbers:
        try:
            found = read_value(target, pass_name(number), FleetPass)
        except StoredFileError as error:
            raise ValueError(f"{error}; remove it to continue") from None
        if found.number != number or number < 2 or not found.shards:
            raise _damaged(number)
        passes.append(found)
        _check_total(passes)
    return passes


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
    """Plan a further pass over failed entries; return None if there are none.

    Every shard of the run must be complete. One process at a time plans, because the lists of two
    would get the same names.

    Args:
        target: the output folder.
        plan: plan of the run.
        passes: its earlier passes.
        is_wanted: returns True for a kind of errors to try again.

    Raises:
        PassBusyError: another process plans this pass, or has just done it; one sentence.
        OSError: manifests cannot be read, or lists cannot be written.
        ValueError: a manifest is damaged; one sentence.
    """
    number = passes[-1].number + 1 if passes else 2
    with _sole_planner(target, number):
        if target.exists(pass_name(number)):
            raise PassBusyError(f"another process has just planned pass {number}")
        return _plan(target, plan, passes, number, is_wanted)


@contextmanager
def _sole_planner(target: Target, number: int) -> Iterator[None]:
    """Keep other processes from planning until the context ends.

    A kill releases the lock of a file. An object store has no locks: there the file itself is the
    claim, and a killed process leaves it.
    """
    if target.path is None:
        if not target.create(_CLAIM, line_of_this_process()):
            with target.open(_CLAIM) as file:
                holder = holder_in(file)
            raise PassBusyError(
                f"{holder} is planning pass {number}; if it was killed, remove {_CLAIM}"
            )
        try:
            yield
        finally:
            target.remove(_CLAIM)
        return
    check_inside(target.path, target.path / FOLDER)
    try:
        descriptor = open_locked(target.path / _CLAIM)
    except HeldError as error:
        raise PassBusyError(f"{error.holder} is planning pass {number}") from None
    try:
        check_alone(descriptor, target.path / _CLAIM)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, line_of_this_process())
        try:
            yield
        finally:
            target.remove(_CLAIM)  # before the lock is released
    finally:
        os.close(descriptor)


def _plan(
    target: Target,
    plan: FleetPlan,
    passes: Sequence[FleetPass],
    number: int,
    is_wanted: Callable[[str], bool],
) -> FleetPass | None:
    earlier: dict[int, list[PlannedShard]] = {}
    for planned in planned_shards(plan, passes):
        earlier.setdefault(planned.shard, []).append(planned)
    shards: dict[int, int] = {}
    errors: Counter[str] = Counter()
    for shard, parts in earlier.items():
        kinds = {key: kind for key, kind in _failed(target, parts).items() if is_wanted(kind)}
        if kinds:
            entries = read_shard(target, shard, crc32=plan.crc32_of(shard))
            write_shard(target, shard, number, (entry for entry in entries if entry.key in kinds))
            shards[shard] = len(kinds)
            errors.update(kinds.values())
    if not shards:
        return None
    further = FleetPass(number, shards, dict(errors))
    _check_total([*passes, further])
    target.create(pass_name(number), to_json(further).encode())
    return further


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
