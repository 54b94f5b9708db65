"""Data types for watching a fleet run: shards as rows, and totals."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from .fleet import FleetState


class ShardState(StrEnum):
    """State of a shard, in the order of interest."""

    RUNNING = "running"
    STOPPED = "stopped"  # begun, but no worker seems to run it
    QUEUED = "queued"
    DONE = "done"


class ShardRow(NamedTuple):
    """One shard of a run, or of one of its retry passes."""

    shard: int
    pass_number: int
    entries: int
    state: ShardState = ShardState.QUEUED
    completed: int = 0
    failed: int = 0  # unreadable entries too
    bytes: int = 0
    entries_per_second: float = 0.0
    worker: str = ""  # host and process, or the host alone while it runs
    attempt: int = 1  # of the driver
    since: float | None = None  # start, in seconds since the epoch, while it runs
    seconds: float | None = None  # time that a complete shard took

    @property
    def id(self) -> tuple[int, int]:
        """Number of the shard, and of the pass."""
        return self.shard, self.pass_number

    @property
    def ended(self) -> int:
        """Number of entries that have a result."""
        return self.completed + self.failed


@dataclass(frozen=True, slots=True)
class FleetView:
    """A run at one moment.

    Attributes:
        state: the state of the run.
        stop_requested: `_rheo/stop` exists.
        entries: number of entries of the list.
        completed: number of complete files.
        failed: entries that failed or cannot be read.
        bytes: bytes of the files.
        entries_per_second: mean of the last minute.
        bytes_per_second: mean of the last minute.
        shards: number of shards, with those of retry passes.
        shards_done: number of complete shards.
        shards_running: number of running shards.
        workers: number of workers that have completed a shard.
        read: number of complete shards that were read so far.
        to_read: number of all complete shards.
        errors: failed entries by kind, the most frequent first.
        hosts: failed entries by host, the most frequent first.
        rows: the shards in the order of the watcher; by number until all facts were read.
        problem: the last error of the run, or a damaged file; "" for none.
    """

    state: FleetState
    stop_requested: bool = False
    entries: int = 0
    completed: int = 0
    failed: int = 0
    bytes: int = 0
    entries_per_second: float = 0.0
    bytes_per_second: float = 0.0
    shards: int = 0
    shards_done: int = 0
    shards_running: int = 0
    workers: int = 0
    read: int = 0
    to_read: int = 0
    errors: tuple[tuple[str, int], ...] = ()
    hosts: tuple[tuple[str, int], ...] = ()
    rows: tuple[ShardRow, ...] = ()
    problem: str = ""

    @property
    def left(self) -> int:
        """Number of entries without a result."""
        return max(0, self.entries - self.completed - self.failed)

    @property
    def seconds_left(self) -> float | None:
        """Time until all entries have a result, at the current rate; None if nothing moves."""
        if not self.left or self.entries_per_second <= 0:
            return None
        return self.left / self.entries_per_second


class FailedEntry(NamedTuple):
    """One failed entry of a shard. Its URL has no secrets."""

    key: str
    url: str
    kind: str
    error: str
