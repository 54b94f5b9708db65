"""JournalProgress: read the progress of a shard from the new lines of its journal."""

import json
import time
from collections import Counter, deque
from contextlib import suppress
from pathlib import Path

from rheo_core.domain.fleet import EntryOutcome
from rheo_core.domain.fleet_view import ShardRow, ShardState
from rheo_core.user_files import open_regular

from .journal import IDLE_SECONDS
from .status import add_counts

_MAX_BYTES = 1 << 22
"""Bytes of a journal to read at a time."""
_SUFFIX = ".jsonl"


class RateMeter:
    """Rate of a growing number: its mean over the last minute."""

    def __init__(self, window: float = 60.0) -> None:
        self._window = window
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, number: int) -> None:
        """Record the current number."""
        now = time.monotonic()
        if self._samples and number < self._samples[-1][1]:  # it started over
            self._samples.clear()
        self._samples.append((now, number))
        while len(self._samples) > 2 and now - self._samples[1][0] >= self._window:
            self._samples.popleft()

    @property
    def per_second(self) -> float:
        """Increase per second; 0.0 if unknown."""
        if len(self._samples) < 2:
            return 0.0
        (began, first), (ended, last) = self._samples[0], self._samples[-1]
        return (last - first) / max(ended - began, 0.001)


def facts_name_of(journal: str) -> str:
    """Return the name of the facts that will replace a journal; "" for other files."""
    return f"part-{journal.removesuffix(_SUFFIX)}.json" if journal.endswith(_SUFFIX) else ""


class JournalProgress:
    """Numbers of one journal. Another process writes it meanwhile.

    Args:
        path: the journal.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begin()

    def _begin(self) -> None:
        self._offset = 0
        self._changed = 0.0  # time of the last change, seconds since the epoch
        self._worker = ""
        self._meter = RateMeter()
        self.counts: Counter[str] = Counter()
        """Ended entries by outcome."""
        self.bytes = 0
        """Bytes of complete files."""
        self.errors: Counter[str] = Counter()
        """Failed entries by kind."""

    @property
    def is_moving(self) -> bool:
        """True if a worker wrote to it in the last minute."""
        return time.time() - self._changed < IDLE_SECONDS

    @property
    def failed(self) -> int:
        """Number of failed entries."""
        return self.counts.total() - self.counts["completed"]

    def look(self) -> None:
        """Read the new lines.

        Raises:
            FileNotFoundError: the shard is complete.
            OSError: it cannot be read.
        """
        with open_regular(self._path) as file:
            size = file.seek(0, 2)
            if size < self._offset:  # its next owner rejected it
                self._begin()
            file.seek(self._offset)
            text = file.read(_MAX_BYTES)
        self._changed = self._path.stat().st_mtime
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            self._take(line)
        self._meter.add(self.counts.total())

    def _take(self, line: bytes) -> None:
        with suppress(ValueError, TypeError, KeyError, RecursionError):
            if line.startswith(b'{"host":'):
                machine = json.loads(line)
                self._worker = ":".join(
                    str(machine[key]) for key in ("host", "pid") if key in machine
                )
            elif not line.startswith(b'{"run":'):
                outcome = EntryOutcome.from_line(line)
                self.counts[outcome.outcome] += 1
                self.bytes += outcome.size or 0
                if outcome.kind is not None:
                    add_counts(self.errors, {outcome.kind: 1})

    def row(self, row: ShardRow) -> ShardRow:
        """Return the row of a shard with these numbers."""
        return row._replace(
            state=ShardState.RUNNING if self.is_moving else ShardState.STOPPED,
            completed=self.counts["completed"],
            failed=self.failed,
            bytes=self.bytes,
            entries_per_second=self._meter.per_second,
            worker=self._worker,
        )
