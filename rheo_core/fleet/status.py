"""Status of a run: totals of its shards, and the active workers."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from rheo_core.domain.fleet import (
    JOURNALS,
    STATUS_NAME,
    FleetPass,
    FleetPlan,
    FleetState,
    FleetStatus,
    RunningShard,
    ShardFacts,
    journal_name,
    to_json,
)
from rheo_core.domain.text import printable
from rheo_core.domain.units import count_text, size_text

from .output_files import StoredFileError, read_value
from .passes import PlannedShard, planned_shards, read_passes
from .targets import Target

_READERS = 16
_MAX_ERRORS_SHOWN = 5
_MAX_NAMES = 10_000
FRESH_SECONDS = 30.0
"""A driver stores the status at shorter intervals."""


class StatusBoard:
    """Totals of a run, without its entries."""

    def __init__(
        self, plan: FleetPlan, passes: Sequence[FleetPass] = (), dashboard: str = ""
    ) -> None:
        self._plan = plan
        self._shards = len(plan.shards) + sum(len(each.shards) for each in passes)
        self._dashboard = dashboard
        self._started = time.time()
        self._shards_done = self._entries_done = self._bytes = 0
        self._entries_before = 0
        self._counts: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._running: dict[int, RunningShard] = {}
        self.failed: set[int] = set()
        """Shards given up for this run."""
        self.message = ""
        """Last error of a shard or of the cluster; a complete run has overcome it."""
        for each in passes:  # entries to try again count as not done
            self._entries_done -= each.entries
            self._entries_before -= each.entries
            self._counts["failed"] -= each.entries
            self._errors.subtract(each.errors)

    def add(self, facts: ShardFacts, *, is_earlier: bool = False) -> None:
        """Add a complete shard.

        Args:
            facts: its facts.
            is_earlier: it was complete before this run, so it does not count for the rate.
        """
        self._running.pop(facts.shard, None)
        self._shards_done += 1
        self._entries_done += facts.entries
        self._entries_before += facts.entries if is_earlier else 0
        self._bytes += facts.bytes
        add_counts(self._counts, facts.counts)
        add_counts(self._errors, facts.errors)

    def begin(self, shard: int, attempt: int) -> None:
        """Note that a shard was given to the cluster."""
        self._running[shard] = RunningShard(shard, time.time(), attempt)

    def give_back(self, shard: int, message: str) -> None:
        """Note that a shard ended with an error."""
        self._running.pop(shard, None)
        self.message = message

    def status(self, state: FleetState) -> FleetStatus:
        """Return the current status."""
        now = time.time()
        fresh = self._entries_done - self._entries_before
        return FleetStatus(
            state=state,
            started=self._started,
            updated=now,
            shards=self._shards,
            shards_done=self._shards_done,
            shards_failed=len(self.failed),
            entries=self._plan.entries,
            entries_done=self._entries_done,
            counts=dict(+self._counts),
            bytes=self._bytes,
            errors=dict(+self._errors),
            entries_per_second=round(fresh / max(now - self._started, 0.001), 1),
            running=tuple(self._running.values()),
            message="" if state == "complete" else self.message,
            dashboard=self._dashboard,
        )


def add_counts(total: Counter[str], more: Mapping[str, int]) -> None:
    """Add numbers by name, such as failures by host. If there are many names, drop the smallest."""
    total.update(more)
    if len(total) > 2 * _MAX_NAMES:
        most = dict(total.most_common(_MAX_NAMES))
        total.clear()
        total.update(most)


def complete_shards(target: Target, planned: Iterable[PlannedShard]) -> list[PlannedShard]:
    """Return the shards whose facts exist, by listing the folder once.

    Raises:
        OSError: the folder cannot be read.
    """
    names = set(target.names())
    return [each for each in planned if each.facts_name in names]


def settled_shards(target: Target, planned: Iterable[PlannedShard]) -> list[PlannedShard]:
    """Return the complete shards that need no worker any more.

    A worker may be killed after it writes the facts, but before it removes journal and temporary
    files.

    Raises:
        OSError: the folder cannot be read.
    """
    begun = {f"{JOURNALS}/{name}" for name in target.names(JOURNALS)}
    complete = complete_shards(target, planned)
    return [each for each in complete if journal_name(each.shard, each.pass_number) not in begun]


def facts_at(target: Target, name: str) -> ShardFacts:
    """Return the facts of one shard.

    Args:
        target: the output folder.
        name: path of the facts in it.

    Raises:
        OSError: they cannot be read.
        ValueError: they are damaged; one sentence.
    """
    try:
        return read_value(target, name, ShardFacts)
    except StoredFileError as error:
        raise ValueError(f"{error}; remove it, and run the fleet again") from None


def read_facts_of(target: Target, shards: Iterable[PlannedShard]) -> Iterator[ShardFacts]:
    """Yield the facts of complete shards, in their order.

    Raises:
        OSError: one of them cannot be read.
        ValueError: one of them is damaged; one sentence.
    """

    def read(shard: PlannedShard) -> ShardFacts:
        return facts_at(target, shard.facts_name)

    if target.path is not None:  # threads would take more time than these files
        yield from map(read, shards)
        return
    with ThreadPoolExecutor(_READERS) as threads:
        yield from threads.map(read, shards)


def read_status(target: Target, plan: FleetPlan) -> FleetStatus:
    """Return the status of a run, from its driver if it runs, otherwise from the facts.

    Raises:
        OSError: the folder cannot be read.
        ValueError: a file of it is damaged; one sentence.
    """
    stored: FleetStatus | None = None
    with suppress(FileNotFoundError, StoredFileError):
        stored = read_value(target, STATUS_NAME, FleetStatus)
    plain = StatusBoard(plan, read_passes(target)).status("running")
    if stored is not None and _is_of_driver(stored, plain):
        return stored
    found = status_of_facts(target, plan)
    if stored is None or found.state == "complete":  # such a run is past its last error
        return found
    return replace(found, message=stored.message)


def status_of_facts(target: Target, plan: FleetPlan) -> FleetStatus:
    """Return the status of a run from its facts, whatever a driver says.

    Raises:
        OSError: the folder cannot be read.
        ValueError: a file of it is damaged; one sentence.
    """
    passes = read_passes(target)
    board = StatusBoard(plan, passes)
    complete = complete_shards(target, planned_shards(plan, passes))
    for facts in read_facts_of(target, complete):
        board.add(facts, is_earlier=True)
    stopped = board.status("stopped")
    state: FleetState = "complete" if stopped.shards_done == stopped.shards else "stopped"
    return board.status(state)


def _is_of_driver(stored: FleetStatus, plain: FleetStatus) -> bool:
    """Check that a stored status is that of a driver of this run that runs now."""
    is_fresh = stored.state == "running" and abs(time.time() - stored.updated) < FRESH_SECONDS
    has_same_size = (stored.shards, stored.entries) == (plain.shards, plain.entries)
    return is_fresh and has_same_size and 0 <= stored.shards_done <= stored.shards


def store_status(target: Target, status: FleetStatus) -> None:
    """Store the status for readers. A store that refuses it does not end the run."""
    with suppress(OSError):
        target.put(STATUS_NAME, to_json(status).encode())


def status_line(status: FleetStatus) -> str:
    """Return the status in one line."""
    parts = [
        f"{status.shards_done:,} of {count_text(status.shards, 'shard')}",
        f"{status.entries_done:,} of {count_text(status.entries, 'entry', 'entries')}",
    ]
    parts += [f"{count:,} {printable(name)}" for name, count in sorted(status.counts.items())]
    parts.append(size_text(status.bytes))
    if status.state == "running":
        parts += [f"{status.entries_per_second:,.0f}/s", f"{len(status.running):,} at work"]
    if status.shards_failed:
        parts.append(f"{count_text(status.shards_failed, 'shard')} given up")
    return f"{status.state}: {', '.join(parts)}"


def error_lines(status: FleetStatus) -> list[str]:
    """Return the most frequent kinds of errors, one per line, and the last error of a shard."""
    kinds = sorted(status.errors.items(), key=lambda pair: -pair[1])
    lines = [f"{printable(kind)}: {count:,}" for kind, count in kinds[:_MAX_ERRORS_SHOWN]]
    if more := len(kinds) - _MAX_ERRORS_SHOWN:
        lines += [f"and {more} more kinds"] if more > 0 else []
    return [*lines, printable(status.message)] if status.message else lines
