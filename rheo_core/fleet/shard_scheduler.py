"""ShardScheduler: submit shards to an executor, and resubmit those of failed workers.

One shard of each lane runs at a time. Any `concurrent.futures.Executor` works, because submitting
a shard twice is harmless: a shard is complete when its facts exist.

`journal.py` locks a shard for its worker, and decides when that worker counts as hung.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from queue import Empty, SimpleQueue

from rheo_core.domain.fleet import STOP_NAME, FleetPlan, FleetStatus, ShardFacts, ShardTask
from rheo_core.domain.text import printable, redact

from .journal import ShardBusyError
from .passes import PlannedShard, planned_shards, read_passes
from .status import StatusBoard, read_facts_of, settled_shards, store_status
from .targets import Target

Work = Callable[[ShardTask], ShardFacts]
Ended = tuple[int, "Future[ShardFacts]"]

_MAX_ATTEMPTS = 6
_WINDOW = 1.25  # shards submitted per slot, so that the next ones arrive before a slot is free
_DELAYS = (0.0, 1.0, 5.0, 15.0, 30.0)  # seconds before each further attempt
_BUSY_SECONDS = 5.0


class ClusterLostError(Exception):
    """The executor accepts no more work, or has cancelled its work; one sentence."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Intervals of a scheduler, in seconds."""

    status: float = 5.0
    stop: float = 1.0  # between checks for a request to stop


@dataclass(slots=True)
class _Lane:
    """Shards of a lane that are not complete, in their order."""

    number: int
    shards: deque[PlannedShard] = field(default_factory=deque)
    entries: int = 0  # of these shards
    attempts: int = 0  # of the first of them
    running: "Future[ShardFacts] | None" = None


class ShardScheduler:
    """Runs a plan to its end, or until it is stopped.

    It stores numbers of shards, but nothing about their entries.

    Args:
        target: the output folder.
        out: path or URL of that folder for workers.
        plan: the plan.
        executor: runs the shards.
        slots: number of shards that the executor runs at a time.
        work: does the work of one shard; the executor sends it to workers.
        on_status: called with each new status.
        dashboard: URL of the engine's own page.
        pace: its intervals.
    """

    def __init__(
        self,
        target: Target,
        out: str,
        plan: FleetPlan,
        executor: Executor,
        slots: int,
        work: Work,
        *,
        on_status: Callable[[FleetStatus], None] = lambda status: None,
        dashboard: str = "",
        pace: Pace = Pace(),
    ) -> None:
        self._target = target
        self._out = out
        self._executor = executor
        self._slots = slots
        self._window = math.ceil(slots * _WINDOW)
        self._work = work
        self._on_status = on_status
        self._pace = pace
        passes = read_passes(target)
        self.board = StatusBoard(plan, passes, dashboard)
        self._lanes = self._lanes_to_do(list(planned_shards(plan, passes)))
        self._running = 0
        self._is_stopping = False
        self._is_interrupted = False
        self._ended: SimpleQueue[Ended | None] = SimpleQueue()
        self._ready: list[tuple[int, int]] = []  # heap: the lane with most entries first
        self._delayed: list[tuple[float, int]] = []  # heap: time by the monotonic clock, lane
        for lane in self._lanes.values():
            self._make_ready(lane)

    def interrupt(self) -> None:
        """End the run without waiting for running shards. Safe in a signal handler."""
        self._is_interrupted = True
        self._ended.put(None)

    def run(self) -> FleetStatus:
        """Run the shards, and return the status at the end.

        Raises:
            ClusterLostError: the executor is gone.
            OSError: the output folder cannot be read.
        """
        self._target.remove(STOP_NAME)
        next_status = next_look = 0.0
        try:
            while not self._is_interrupted and self._has_work():
                now = time.monotonic()
                if now >= next_look:
                    next_look = now + self._pace.stop
                    self._is_stopping = self._is_stopping or self._target.exists(STOP_NAME)
                self._submit_ready(now)
                if now >= next_status:
                    next_status = now + self._pace.status
                    self._report()
                self._take_ended()
        except ClusterLostError as error:
            self.board.message = str(error)
            raise
        finally:
            self._cancel_running()
            status = self._final_status()
            store_status(self._target, status)
            self._on_status(status)
        return status

    def _lanes_to_do(self, planned: Sequence[PlannedShard]) -> dict[int, _Lane]:
        settled = settled_shards(self._target, planned)
        for facts in read_facts_of(self._target, settled):
            self.board.add(facts, is_earlier=True)
        done = set(settled)
        lanes: dict[int, _Lane] = {}
        for each in planned:
            if each not in done:
                lane = lanes.setdefault(each.lane, _Lane(each.lane))
                lane.shards.append(each)
                lane.entries += each.entries
        return lanes

    def _has_work(self) -> bool:
        return self._running > 0 or (bool(self._lanes) and not self._is_stopping)

    def _make_ready(self, lane: _Lane) -> None:
        heappush(self._ready, (-lane.entries, lane.number))

    def _submit_ready(self, now: float) -> None:
        while self._delayed and self._delayed[0][0] <= now:
            self._make_ready(self._lanes[heappop(self._delayed)[1]])
        while self._ready and self._running < self._window and not self._is_stopping:
            self._submit(self._lanes[heappop(self._ready)[1]])

    def _submit(self, lane: _Lane) -> None:
        shard = lane.shards[0]
        try:
            # Lanes only end, so the shares of all running shards never exceed the whole.
            at_once = min(self._slots, len(self._lanes))
            task = ShardTask(self._out, shard.shard, shard.pass_number, at_once)
            future = self._executor.submit(self._work, task)
        except Exception as error:
            problem = f"the cluster no longer accepts shards: {_reason(error)}"
            raise ClusterLostError(problem) from error
        lane.attempts += 1
        lane.running = future
        self._running += 1
        self.board.begin(shard.shard, lane.attempts)
        future.add_done_callback(partial(self._note_end, lane.number))

    def _note_end(self, lane: int, future: "Future[ShardFacts]") -> None:
        self._ended.put((lane, future))

    def _take_ended(self) -> None:
        """Wait for the next shard to end, or until something else must be done."""
        try:
            ended = self._ended.get(timeout=self._pace.stop)
        except Empty:
            return
        if ended is None:
            return
        number, future = ended
        lane = self._lanes[number]
        lane.running = None
        self._running -= 1
        try:
            facts = future.result()
        except CancelledError:
            raise ClusterLostError("the cluster has ended and cancelled its shards") from None
        except Exception as error:
            self._retry(lane, error)
        else:
            self.board.add(facts)
            self._advance(lane)

    def _advance(self, lane: _Lane) -> None:
        """Continue with the next shard of a lane."""
        lane.entries -= lane.shards.popleft().entries
        lane.attempts = 0
        if lane.shards:
            self._make_ready(lane)
        else:
            del self._lanes[lane.number]

    def _retry(self, lane: _Lane, error: Exception) -> None:
        """Resubmit a shard after a delay, or give it up for this run."""
        shard = lane.shards[0].shard
        self.board.give_back(shard, f"shard {shard}: {_reason(error)}")
        if isinstance(error, ShardBusyError):  # another worker runs it, or will be found dead
            lane.attempts -= 1
            if error.is_idle:  # it sends no requests, so the next shards of the lane need not wait
                lane.attempts = 0
                lane.shards.rotate(-1)
            self._delay(lane, _BUSY_SECONDS)
        elif lane.attempts < _MAX_ATTEMPTS:
            self._delay(lane, _DELAYS[lane.attempts - 1])
        else:
            self.board.failed.add(shard)
            self._advance(lane)

    def _delay(self, lane: _Lane, seconds: float) -> None:
        heappush(self._delayed, (time.monotonic() + seconds, lane.number))

    def _cancel_running(self) -> None:
        """Drop the results of shards that still run; their workers may complete them."""
        for lane in self._lanes.values():
            if lane.running is not None:
                lane.running.cancel()

    def _report(self) -> None:
        status = self.board.status("running")
        store_status(self._target, status)
        self._on_status(status)

    def _final_status(self) -> FleetStatus:
        if self._lanes:
            return self.board.status("stopped")
        return self.board.status("failed" if self.board.failed else "complete")


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return printable(redact(text.strip().splitlines()[0] if text.strip() else text))[:500]
