"""Slices: run a fleet as a Slurm array or a Kubernetes Indexed Job, without Dask or Ray.

Slice I of N runs the lanes whose number modulo N is I, so two slices never send requests to the
same site.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from rheo_core.domain.fleet import (
    STOP_NAME,
    FleetPlan,
    ShardFacts,
    ShardTask,
)

from .journal import ShardBusyError
from .passes import PlannedShard, planned_shards, read_passes
from .shard import work_on_shard
from .shard_downloads import WorkerOptions
from .status import read_facts_of, settled_shards
from .targets import Target


@dataclass(frozen=True, slots=True)
class Slice:
    """One of `count` equal parts of a run; numbered from 0."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `I/N`.

        Raises:
            ValueError: it is not a slice; one sentence without a full stop.
        """
        number, slash, count = text.partition("/")
        if not (slash and number.isascii() and number.isdigit()) or not (
            count.isascii() and count.isdigit()
        ):
            raise ValueError(f"slice {text!r} does not have the form I/N, such as 0/4")
        chosen = cls(int(number), int(count))
        if chosen.count == 0:
            raise ValueError(f"slice {text!r} is not valid: there must be at least one slice")
        if chosen.number >= chosen.count:
            raise ValueError(
                f"slice {text!r} does not exist: slices are numbered from 0, so the last of "
                f"{count} is {chosen.count - 1}/{count}"
            )
        return chosen

    def has(self, lane: int) -> bool:
        """Return True if a lane belongs to this slice."""
        return lane % self.count == self.number

    def lanes(self, planned: Iterable[PlannedShard]) -> list[list[PlannedShard]]:
        """Return the shards of each lane of this slice."""
        lanes: dict[int, list[PlannedShard]] = {}
        for shard in planned:
            if self.has(shard.lane):
                lanes.setdefault(shard.lane, []).append(shard)
        return list(lanes.values())


@dataclass(slots=True)
class SliceResult:
    """Results of a slice in numbers."""

    shards: int = 0
    shards_done: int = 0
    counts: Counter[str] = field(default_factory=Counter)  # entries of complete shards, by outcome
    bytes: int = 0
    busy: list[str] = field(default_factory=list)  # shards of other workers, with the worker
    was_stopped: bool = False  # by `rheo fleet stop`

    @property
    def is_complete(self) -> bool:
        """True if every shard of the slice is complete."""
        return self.shards_done == self.shards

    def expect(self, shard: PlannedShard) -> None:
        """Count a shard of the slice. Entries that a later pass tries again have not failed yet."""
        self.shards += 1
        if shard.pass_number > 1:
            self.counts["failed"] -= shard.entries

    def add(self, facts: ShardFacts) -> None:
        """Count a complete shard."""
        self.shards_done += 1
        self.counts.update(facts.counts)
        self.bytes += facts.bytes


class SliceWorker:
    """Works on the shards of a slice, several lanes at a time.

    Args:
        out: the output folder as the user names it.
        target: the same, open.
        plan: its plan.
        worker: options of the worker.
        on_shard: called with the facts of each shard that this worker completed.
    """

    def __init__(
        self,
        out: str,
        target: Target,
        plan: FleetPlan,
        worker: WorkerOptions,
        on_shard: Callable[[ShardFacts], None],
    ) -> None:
        self._out = out
        self._target = target
        self._plan = plan
        self._worker = worker
        self._on_shard = on_shard
        self._result = SliceResult()
        self._at_once = 1  # shards of all slices at a time

    async def run(self, slice_: Slice, at_once: int) -> SliceResult:
        """Complete the slice, except for shards of other workers.

        Args:
            slice_: the slice.
            at_once: shards that run at a time.

        Raises:
            ShardError, OSError, ValueError: as for `run_shard`. The other shards stop too.
        """
        rest = await asyncio.to_thread(self._incomplete, slice_)
        queue = iter(rest)
        # Each slice has an equal share of the speed limit, whenever the others run.
        self._at_once = min(at_once, len(rest)) * slice_.count
        await _all_or_first_error([self._work(queue) for _ in range(at_once)])
        return self._result

    def _incomplete(self, slice_: Slice) -> list[list[PlannedShard]]:
        """Return the shards to work on, by lane; count the others. Blocks."""
        lanes = slice_.lanes(planned_shards(self._plan, read_passes(self._target)))
        expected = [shard for lane in lanes for shard in lane]
        for shard in expected:
            self._result.expect(shard)
        settled = settled_shards(self._target, expected)
        for facts in read_facts_of(self._target, settled):
            self._result.add(facts)
        done = set(settled)
        rest = [[shard for shard in lane if shard not in done] for lane in lanes]
        return [lane for lane in rest if lane]

    def _task(self, shard: PlannedShard) -> ShardTask:
        return ShardTask(self._out, shard.shard, shard.pass_number, self._at_once)

    async def _work(self, lanes: Iterator[list[PlannedShard]]) -> None:
        for lane in lanes:
            for shard in lane:
                if await asyncio.to_thread(self._target.exists, STOP_NAME):
                    self._result.was_stopped = True
                    return
                await self._complete(shard)

    async def _complete(self, shard: PlannedShard) -> None:
        try:
            facts = await work_on_shard(self._task(shard), self._worker)
        except ShardBusyError as error:
            self._result.busy.append(f"shard {shard.shard:06d}: {error}")
            return
        self._result.add(facts)
        self._on_shard(facts)


async def _all_or_first_error(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all work; the first error stops the rest, and is raised unchanged."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
