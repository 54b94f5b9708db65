"""FleetWatcher: follow a run through its output folder, reading only new data.

Facts never change, so it reads them once. Journals grow, so it reads only their new lines. It lists
the folder only if the folder may have changed.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice

from rheo_core.domain.fleet import (
    FOLDER,
    PLAN_NAME,
    STATUS_NAME,
    STOP_NAME,
    FleetPass,
    FleetPlan,
    FleetState,
    FleetStatus,
    RunningShard,
    ShardFacts,
    facts_name,
)
from rheo_core.domain.fleet_view import FleetView, ShardRow, ShardState

from .journal_progress import JournalProgress, RateMeter, facts_name_of
from .output_files import StoredFileError, read_value
from .passes import planned_shards, read_passes
from .planning import PlanError, read_plan
from .status import FRESH_SECONDS, StatusBoard, add_counts
from .targets import Target

_LOOK_SECONDS = 0.5
"""Maximum time to read facts in one look; the next look continues."""
_READERS = 16
_CHUNK = 64
_YIELD_SECONDS = 0.002
"""Pause between chunks, in which a screen in this process gets the GIL."""
_RACY_SECONDS = 2.0
"""Age after which a folder's time proves that it has not changed since the listing."""
_MAX_SHOWN = 50
_PLAN = PLAN_NAME.removeprefix(f"{FOLDER}/")
_STATUS = STATUS_NAME.removeprefix(f"{FOLDER}/")
_STOP = STOP_NAME.removeprefix(f"{FOLDER}/")


def _by_interest(row: ShardRow) -> tuple[int, ...]:
    ranks = {
        ShardState.RUNNING: 0,
        ShardState.STOPPED: 1,
        ShardState.QUEUED: 3,
        ShardState.DONE: 2 if row.failed else 4,
    }
    return ranks[row.state], row.shard, row.pass_number


ORDERS: dict[str, Callable[[ShardRow], tuple[int, ...]]] = {
    "at work first": _by_interest,
    "by number": lambda row: row.id,
    "most failures first": lambda row: (-row.failed, *row.id),
}
"""Orders of the rows, by their names."""


class FleetWatcher:
    """Reads the output folder of a run. Every call blocks; one thread at a time may use it.

    Args:
        target: the output folder.

    Attributes:
        order: name of the order of the rows.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self.order = next(iter(ORDERS))
        self._begin(None, ())

    def _begin(self, plan: FleetPlan | None, passes: Sequence[FleetPass]) -> None:
        """Start over, because the folder now has this run and these passes."""
        planned = list(planned_shards(plan, passes)) if plan is not None else []
        self._planned = {each.facts_name: each for each in planned}
        self._rows = {name: self._new_row(name) for name in self._planned}
        self._sorted: tuple[str, tuple[ShardRow, ...]] | None = None  # rows in a named order
        self._passes = (1, *(each.number for each in passes))
        self._board = None if plan is None else StatusBoard(plan, passes)
        # Sizes of the plan and of the passes; None: not read, or to be read again.
        self._heads: dict[str, int] | None = None
        self._folder_time = 0
        self._unread: set[str] = set()  # names of facts
        self._read: set[str] = set()
        self._damaged: dict[str, str] = {}  # sentences on damaged facts, by name
        self._hosts: Counter[str] = Counter()
        self._workers: set[str] = set()
        self._journals: dict[str, JournalProgress] = {}  # by the names of facts
        self._begun: set[str] = set()  # shards running or stopped at the last look
        self._entries_meter, self._bytes_meter = RateMeter(), RateMeter()

    def look(self) -> FleetView:
        """Return the current state of the run, as far as half a second suffices to read it.

        Raises:
            PlanError: the folder has no plan, or an unusable one; one sentence.
            OSError: the folder cannot be read.
            ValueError: a pass is damaged; one sentence.
        """
        heads = self._target.sizes(FOLDER)
        self._read_plan(heads)
        self._list()
        self._read_facts()
        status = self._status_of_driver() if _STATUS in heads else None
        self._read_journals()
        return self._view(status, stop_requested=_STOP in heads)

    def _read_plan(self, heads: Mapping[str, int]) -> None:
        """Read plan and passes, unless they are unchanged since the last look."""
        now = {name: size for name, size in heads.items() if name == _PLAN or name[:5] == "pass-"}
        if self._board is not None and now == self._heads:
            return
        self._begin(None, ())
        plan = read_plan(self._target)
        if plan is None:
            raise PlanError("it has no plan")
        self._begin(plan, read_passes(self._target))
        self._heads = now

    # Complete shards

    def _list(self) -> None:
        """List the facts, unless the folder is unchanged since the last look."""
        if (path := self._target.path) is not None:
            changed = path.stat().st_mtime_ns
            if changed == self._folder_time:
                return
            is_settled = time.time() - changed / 1e9 > _RACY_SECONDS
            self._folder_time = changed if is_settled else 0
        listed = self._planned.keys() & set(self._target.names())
        if not self._read <= listed:  # somebody removed facts, so that a shard runs again
            self._heads = None
            self._read_plan(self._target.sizes(FOLDER))
        self._unread = listed - self._read
        for name in self._damaged.keys() - listed:
            del self._damaged[name]

    def _read_facts(self) -> None:
        until = time.monotonic() + _LOOK_SECONDS
        while self._unread and time.monotonic() < until:
            chunk = list(islice(self._unread, _CHUNK))
            for name, facts in zip(chunk, self._facts_of(chunk), strict=True):
                self._unread.remove(name)
                if facts is not None:
                    self._add(name, facts)
            time.sleep(_YIELD_SECONDS)

    def _facts_of(self, names: Sequence[str]) -> Iterable[ShardFacts | None]:
        if self._target.path is not None:  # threads would take more time than these files
            return map(self._facts, names)
        with ThreadPoolExecutor(_READERS) as threads:
            return list(threads.map(self._facts, names))

    def _facts(self, name: str) -> ShardFacts | None:
        try:
            return read_value(self._target, name, ShardFacts)
        except FileNotFoundError:
            return None
        except StoredFileError as error:
            self._damaged[name] = str(error)
            return None

    def _add(self, name: str, facts: ShardFacts) -> None:
        assert self._board is not None
        self._read.add(name)
        self._damaged.pop(name, None)
        self._board.add(facts)
        self._workers.add(facts.worker)
        add_counts(self._hosts, facts.hosts)
        completed = facts.counts.get("completed", 0)
        row = self._new_row(name)._replace(
            state=ShardState.DONE,
            completed=completed,
            failed=facts.entries - completed,
            bytes=facts.bytes,
            entries_per_second=facts.entries / facts.seconds if facts.seconds else 0.0,
            worker=facts.worker,
            seconds=facts.seconds,
        )
        self._show(name, row)

    # Running shards

    def _status_of_driver(self) -> FleetStatus | None:
        with suppress(FileNotFoundError, StoredFileError):
            return read_value(self._target, STATUS_NAME, FleetStatus)
        return None

    def _read_journals(self) -> None:
        """Read the new lines of all journals. In an object store, their workers keep them."""
        if self._target.path is None:
            return
        journals: dict[str, JournalProgress] = {}
        folder = self._target.path / FOLDER / "journals"
        for file in self._target.names(f"{FOLDER}/journals"):
            name = facts_name_of(file)
            if name in self._planned and name not in self._read:
                journal = self._journals.get(name) or JournalProgress(folder / file)
                with suppress(OSError):  # its shard is complete now, or this is not a file
                    journal.look()
                    journals[name] = journal
        self._journals = journals

    def _running_now(self, status: FleetStatus) -> dict[str, RunningShard]:
        """Return the shards that the driver has submitted, by the names of facts."""
        given: dict[str, RunningShard] = {}
        for running in status.running:
            names = (facts_name(running.shard, number) for number in self._passes)
            left = [name for name in names if name in self._planned and name not in self._read]
            given |= dict.fromkeys(left[:1], running)
        return given

    def _update_rows(self, given: Mapping[str, RunningShard]) -> None:
        """Update the rows of shards that are running, or were at the last look."""
        begun = given.keys() | self._journals.keys()
        for name in (begun | self._begun) - self._read:
            row = self._new_row(name)
            if (journal := self._journals.get(name)) is not None:
                row = journal.row(row)
            if (running := given.get(name)) is not None:
                row = row._replace(
                    state=ShardState.RUNNING, attempt=running.attempt, since=running.since
                )
            self._show(name, row)
        self._begun = begun

    # Rows

    def _new_row(self, name: str) -> ShardRow:
        planned = self._planned[name]
        return ShardRow(planned.shard, planned.pass_number, planned.entries)

    def _show(self, name: str, row: ShardRow) -> None:
        if row != self._rows.get(name):
            self._rows[name] = row
            self._sorted = None

    def _sorted_rows(self) -> tuple[ShardRow, ...]:
        if self._unread:  # sorting them each time would take most of the time
            return tuple(self._rows.values())
        if self._sorted is None or self._sorted[0] != self.order:
            rows = tuple(sorted(self._rows.values(), key=ORDERS[self.order]))
            self._sorted = self.order, rows
        return self._sorted[1]

    # The sum

    def _view(self, status: FleetStatus | None, *, stop_requested: bool) -> FleetView:
        assert self._board is not None
        is_driven = status is not None and _is_fresh(status)
        self._update_rows(self._running_now(status) if status is not None and is_driven else {})
        sums = self._board.status("stopped")
        completed = sums.counts.get("completed", 0)
        failed, size, errors = sums.entries_done - completed, sums.bytes, Counter(sums.errors)
        for journal in self._journals.values():
            completed += journal.counts["completed"]
            failed += journal.failed
            size += journal.bytes
            errors.update(journal.errors)
        rate, bytes_rate = self._rates(completed + failed, size)
        if status is not None and is_driven and not rate:
            rate = status.entries_per_second
            bytes_rate = rate * size / max(completed + failed, 1)
        at_work = sum(self._rows[name].state is ShardState.RUNNING for name in self._begun)
        state = _state(sums, status, is_running=is_driven or at_work > 0 or rate > 0)
        return FleetView(
            state=state,
            stop_requested=stop_requested,
            entries=sums.entries,
            completed=completed,
            failed=failed,
            bytes=size,
            entries_per_second=rate,
            bytes_per_second=bytes_rate,
            shards=sums.shards,
            shards_done=sums.shards_done,
            shards_running=at_work,
            workers=len(self._workers),
            read=len(self._read),
            to_read=len(self._read) + len(self._unread),
            errors=tuple(errors.most_common()),
            hosts=tuple(self._hosts.most_common(_MAX_SHOWN)),
            rows=self._sorted_rows(),
            problem=self._problem(None if state == "complete" else status),
        )

    def _rates(self, ended: int, size: int) -> tuple[float, float]:
        """Return entries and bytes per second, once all facts are read."""
        if self._unread:
            return 0.0, 0.0
        self._entries_meter.add(ended)
        self._bytes_meter.add(size)
        return self._entries_meter.per_second, self._bytes_meter.per_second

    def _problem(self, status: FleetStatus | None) -> str:
        if self._damaged:
            return f"{min(self._damaged.values())}; remove it, and run the fleet again"
        return "" if status is None else status.message


def _is_fresh(status: FleetStatus) -> bool:
    return status.state == "running" and abs(time.time() - status.updated) < FRESH_SECONDS


def _state(sums: FleetStatus, status: FleetStatus | None, *, is_running: bool) -> FleetState:
    if sums.shards_done == sums.shards:
        return "complete"
    if is_running:
        return "running"
    return "failed" if status is not None and status.state == "failed" else "stopped"
