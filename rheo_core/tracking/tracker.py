"""DownloadTracker: keep records in memory, with revisions and snapshots.

The cost of a snapshot grows with the number of changes, not with the number of downloads.
"""

import time
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

from rheo_core.domain.downloads import DownloadInfo, DownloadStats, DownloadStatus, Snapshot
from rheo_core.domain.speed import SpeedMetrics
from rheo_core.domain.tuning import DEFAULT_TUNING

from .base import BaseTracker
from .record import DownloadRecord

_MAX_REMOVED = 10_000
"""Number of removed downloads kept for slow readers."""


class _Removed(NamedTuple):
    """A removed download."""

    revision: int
    record: DownloadRecord | None  # None: it cannot be restored
    time: float  # of the monotonic clock


class DownloadTracker(BaseTracker):
    """Tracker that keeps all records in memory."""

    def __init__(self, undo_seconds: float = DEFAULT_TUNING.undo_seconds) -> None:
        self._undo_seconds = undo_seconds
        self._revision = 0
        self._records: dict[str, DownloadRecord] = {}  # in the order of their latest change
        self._active: dict[str, DownloadRecord] = {}
        # Latest last. A plain dict would be slow to find its first entry after many removals.
        self._removed: OrderedDict[str, _Removed] = OrderedDict()
        self._complete_since = 0  # removals up to this revision may be missing
        self._counts = defaultdict[DownloadStatus, int](int)  # a Counter takes ten times as long
        self._completed_bytes = 0

    def add(self, record: DownloadRecord) -> None:
        self._forget(record.id)
        self._removed.pop(record.id, None)
        self._count(record, +1)
        self._revision = record.revision = self._revision + 1
        self._records[record.id] = record

    def get(self, download_id: str) -> DownloadRecord | None:
        return self._records.get(download_id)

    def touch(self, record: DownloadRecord, status: DownloadStatus | None = None) -> None:
        records, download_id = self._records, record.id
        if records.get(download_id) is not record:
            return  # removed in the meantime
        if status is not None and status is not record.status:
            self._change(record, status)
        self._revision = record.revision = self._revision + 1
        records[download_id] = records.pop(download_id)

    def remove(self, download_id: str) -> DownloadRecord | None:
        record = self._forget(download_id)
        if record is not None:
            self._note_removal(download_id, record)
        return record

    def drop(self, download_id: str) -> None:
        if self._forget(download_id) is not None:
            self._note_removal(download_id, None)

    def _note_removal(self, download_id: str, record: DownloadRecord | None) -> None:
        """Keep a removal for readers, and its record for `restore`."""
        self._revision += 1
        self._removed[download_id] = _Removed(self._revision, record, time.monotonic())
        self._forget_removed()

    def _forget_removed(self) -> None:
        """Forget old removals if there are many."""
        too_old = time.monotonic() - self._undo_seconds
        while len(self._removed) > _MAX_REMOVED:
            if next(iter(self._removed.values())).time > too_old:
                return
            self._complete_since = self._removed.popitem(last=False)[1].revision

    def restore(self, download_id: str) -> DownloadRecord | None:
        removed = self._removed.get(download_id)
        if removed is None or removed.record is None:
            return None
        self.add(removed.record)
        return removed.record

    def active(self) -> Iterator[DownloadRecord]:
        return iter(tuple(self._active.values()))

    def records(self) -> Iterator[DownloadRecord]:
        return iter(tuple(self._records.values()))

    def get_download_info(self, download_id: str) -> DownloadInfo | None:
        record = self._records.get(download_id)
        return record.info() if record else None

    def get_all_downloads(self) -> dict[str, DownloadInfo]:
        """Return copies of all downloads by id."""
        return {id_: record.info() for id_, record in self._records.items()}

    def get_active_downloads(self) -> dict[str, DownloadInfo]:
        """Return copies of the downloads that hold a slot, by id."""
        return {id_: record.info() for id_, record in self._active.items()}

    def get_speed_metrics(self, download_id: str) -> SpeedMetrics | None:
        """Return the speed of a running download; None for others."""
        record = self._records.get(download_id)
        return record.metrics if record else None

    def get_stats(self) -> DownloadStats:
        counts = self._counts
        return DownloadStats(
            total=len(self._records),
            queued=counts[DownloadStatus.QUEUED] + counts[DownloadStatus.RETRYING],
            in_progress=len(self._active),
            completed=counts[DownloadStatus.COMPLETED],
            failed=counts[DownloadStatus.FAILED],
            cancelled=counts[DownloadStatus.CANCELLED],
            skipped=counts[DownloadStatus.SKIPPED],
            paused=counts[DownloadStatus.PAUSED],
            completed_bytes=self._completed_bytes,
        )

    def snapshot(self, since: int = 0) -> Snapshot:
        reset = since < self._complete_since or since <= 0
        changed = self._records.values() if reset else self._changed_after(since)
        return Snapshot(
            revision=self._revision,
            downloads=tuple(record.snapshot() for record in changed),
            removed=() if reset else tuple(self._removed_after(since)),
            stats=self.get_stats(),
            speed_bps=sum(
                record.metrics.average_speed_bps
                for record in self._active.values()
                if record.metrics is not None
            ),
            reset=reset,
        )

    def _changed_after(self, since: int) -> Sequence[DownloadRecord]:
        latest_first = reversed(self._records.values())
        changed = list(takewhile(lambda record: record.revision > since, latest_first))
        changed.reverse()  # so that new ones are in the order of addition
        return changed

    def _removed_after(self, since: int) -> Iterator[str]:
        for download_id, removed in reversed(self._removed.items()):
            if removed.revision <= since:
                return
            yield download_id

    def _forget(self, download_id: str) -> DownloadRecord | None:
        record = self._records.pop(download_id, None)
        if record is not None:
            self._count(record, -1)
        return record

    def _change(self, record: DownloadRecord, status: DownloadStatus) -> None:
        before, record.status = record.status, status
        self._counts[before] -= 1
        self._counts[status] += 1
        if before is DownloadStatus.COMPLETED:
            self._completed_bytes -= record.bytes_downloaded
        if status is DownloadStatus.COMPLETED:
            self._completed_bytes += record.bytes_downloaded
        if status.is_active:
            self._active[record.id] = record
        elif before.is_active:
            del self._active[record.id]

    def _count(self, record: DownloadRecord, by: int) -> None:
        status = record.status
        self._counts[status] += by
        if status is DownloadStatus.COMPLETED:
            self._completed_bytes += by * record.bytes_downloaded
        if not status.is_active:
            return
        if by > 0:
            self._active[record.id] = record
        else:
            del self._active[record.id]
