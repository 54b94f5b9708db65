"""DownloadController: the user's verbs, one at a time for each download."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from weakref import WeakValueDictionary

from rheo_core.domain.cancellation import CancelledFrom, CancelResult
from rheo_core.domain.downloads import DownloadStatus
from rheo_core.domain.file_config import FileConfig, normalise_url
from rheo_core.tracking import BaseTracker, DownloadRecord
from rheo_core.transfer import source_of

from .admission import Admission
from .lifecycle import Lifecycle
from .pool import WorkerPool
from .queue import PriorityDownloadQueue, check_priority
from .worker import DownloadWorker


class DownloadController:
    """Carries out the verbs of `DownloadManager`, which documents them."""

    def __init__(
        self,
        queue: PriorityDownloadQueue,
        tracker: BaseTracker,
        lifecycle: Lifecycle,
        worker: DownloadWorker,
        admission: Admission,
        pool: WorkerPool,
    ) -> None:
        self._queue = queue
        self._tracker = tracker
        self._lifecycle = lifecycle
        self._worker = worker
        self._admission = admission
        self._pool = pool
        self._verbs: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._kept: dict[str, DownloadRecord] = {}  # cancelled ones with their partial data

    async def add(self, files: Sequence[FileConfig]) -> None:
        """Queue downloads; one whose id is still pending is dropped with a warning."""
        await self._admission.add(files, self._pool)

    async def cancel(self, download_id: str, *, keep_partial: bool = False) -> CancelResult:
        """End a download in whatever state it is; remove its partial data unless it is kept."""
        async with self._verb(download_id):
            record = self._tracker.get(download_id)
            if record is None:
                return CancelResult.NOT_FOUND
            was = cancelled_from(record)
            if not await self._halt(record, keep_partial=keep_partial):
                return CancelResult.ALREADY_TERMINAL
            self.end_halted(record, was, keep_partial=keep_partial)
            return CancelResult.CANCELLED

    def end_halted(
        self, record: DownloadRecord, was: CancelledFrom, *, keep_partial: bool = False
    ) -> None:
        """End a cancelled download that neither waits nor runs any more."""
        self._worker.names.release(record)
        record.before_cancel = state_to_restore(record)
        if keep_partial:
            self._kept[record.id] = record
        else:
            record.bytes_downloaded = 0
        self._lifecycle.cancelled(record, was)

    async def pause(self, download_id: str) -> bool:
        """Stop a download and keep its bytes; False if it has ended or is paused."""
        async with self._verb(download_id):
            record = self._tracker.get(download_id)
            if record is None or not can_pause(record):
                return False
            if not await self._halt(record, keep_partial=True):
                return False
            self._lifecycle.paused(record)
            return True

    async def resume(self, download_id: str) -> bool:
        """Put a paused download back into the queue, at the place it had."""
        async with self._verb(download_id):
            record = self._tracker.get(download_id)
            if record is None:
                return False
            if record.status is DownloadStatus.RETRYING:
                return self._pool.skip_wait(record.config)
            if record.status is not DownloadStatus.PAUSED:
                return False
            self._queue.put(record.config, record.priority, record.rank, record.redirect_host)
            self._lifecycle.resumed(record)
            return True

    async def retry(self, download_id: str) -> bool:
        """Queue a failed, cancelled or skipped download again, with all its attempts."""
        async with self._verb(download_id):
            record = self._tracker.get(download_id)
            if record is None or record.status is DownloadStatus.COMPLETED:
                return False
            if not record.status.is_terminal:
                return self._pool.skip_wait(record.config)
            again = self._admission.fresh_record(record)
            if record.stats_or_none is not None and record.stats_or_none.received is not None:
                # The server need not be asked again for received bytes.
                again.stats.received = record.stats_or_none.received
            self._admission.enqueue(again)
            self._lifecycle.changed(again)
            return True

    async def accept_html(self, download_id: str) -> bool:
        """Queue a failed download again and save the web page that the server sends instead."""
        async with self._verb(download_id):
            record = self._tracker.get(download_id)
            if record is None or record.status is not DownloadStatus.FAILED:
                return False
            again = self._admission.fresh_record(record)
            again.config = record.config.model_copy(update={"accept_html": True})
            self._admission.enqueue(again)
            self._lifecycle.changed(again)
            return True

    async def replace_url(self, download_id: str, url: str) -> bool:
        """Fetch a download from another URL from now on."""
        url = normalise_url(url)
        async with self._verb(download_id):
            record = self._tracker.get(download_id)
            if record is None or _is_completed(record):
                return False
            stays_paused = not record.status.is_terminal and not can_pause(record)
            await self._halt(record, keep_partial=True)
            if _is_completed(record):  # it completed meanwhile
                return False
            fetch_url = None if url == record.config.url else url
            config = record.config.model_copy(update={"fetch_url": fetch_url})
            if record.status.is_terminal:
                again = self._admission.fresh_record(record)
                again.config = config
                self._admission.enqueue(again)
                self._lifecycle.changed(again)
            else:
                record.config = config
                record.stats.failures = 0  # those of the old link
                record.stats.redirect_host = None
                if stays_paused:
                    self._lifecycle.changed(record)
                else:
                    self._admission.requeue(config)
            return True

    async def keep(self, download_id: str) -> Path | None:
        """Keep data that failed its check as `NAME.unverified`; return its path."""
        async with self._verb(download_id):
            record = self._tracker.get(download_id)
            if record is None or record.status is not DownloadStatus.FAILED:
                return None
            path = await self._worker.keep_unverified(record)
            if path is not None:
                self._lifecycle.kept(record, path)
            return path

    async def remove(self, download_id: str, *, keep_partial: bool = False) -> bool:
        """Remove a download from the list and cancel it if necessary; a finished file stays."""
        record = self._tracker.get(download_id)
        if record is None:
            return False
        was = state_to_restore(record)
        await self.cancel(download_id, keep_partial=keep_partial)
        return self.remove_ended(record, was)

    def remove_ended(self, record: DownloadRecord, was: DownloadStatus) -> bool:
        """Remove a download that has ended; False if it was removed meanwhile.

        Args:
            record: the download.
            was: its state before it was cancelled, for `restore`.
        """
        if self._tracker.get(record.id) is not record or not record.status.is_terminal:
            return False
        record.before_removal = was if record.status is DownloadStatus.CANCELLED else None
        self._lifecycle.removed(record)
        return True

    async def restore(self, download_id: str) -> bool:
        """Undo `remove`, or `cancel` in the list: restore state and place; see `_revive`."""
        async with self._verb(download_id):
            record = self._tracker.restore(download_id)
            if record is None:
                record = self._tracker.get(download_id)
                if record is None or record.status is not DownloadStatus.CANCELLED:
                    return False
                was = record.before_cancel
            else:
                was, record.before_removal = record.before_removal, None
                if was is None or was.is_terminal:
                    self._lifecycle.restored(record)
                    return True
            if was is None:
                return False
            self._revive(record, was)
            return True

    def _revive(self, record: DownloadRecord, was: DownloadStatus) -> None:
        """Return a cancelled download to the state that it had; a running one is queued."""
        self._kept.pop(record.id, None)
        again = self._admission.revived_record(record)
        if was is DownloadStatus.PAUSED:
            self._tracker.add(again)
            self._lifecycle.paused(again)
        else:
            self._admission.enqueue(again)
            self._lifecycle.changed(again)

    async def discard_kept(self) -> None:
        """Remove the partial data that `cancel` kept, unless another download continues it."""
        kept, self._kept = self._kept, {}
        in_use = {
            source_of(record.config.url)
            for record in self._tracker.records()
            if record.status not in (DownloadStatus.CANCELLED, DownloadStatus.COMPLETED)
        }
        useless = [each for each in kept.values() if source_of(each.config.url) not in in_use]
        for record in useless:
            record.bytes_downloaded = 0
        await self._worker.discard_many(useless)

    async def set_priority(self, download_id: str, priority: int) -> bool:
        """Change the priority (1 or more, higher first); False if it is unknown or has ended."""
        check_priority(priority)
        record = self._tracker.get(download_id)
        if record is None or record.status.is_terminal:
            return False
        self._queue.set_priority(download_id, priority)
        self.note_priority(record, priority)
        return True

    def note_priority(self, record: DownloadRecord, priority: int) -> None:
        """Set the priority of a download whose place in the queue is settled."""
        if record.priority != priority:
            record.priority = priority
            self._lifecycle.priority_changed(record)

    async def set_start(self, download_id: str, start_at: float | None) -> bool:
        """Make a download wait until a time (seconds since the epoch)."""
        async with self._verb(download_id):
            record = self._tracker.get(download_id)
            if record is None or record.status.is_terminal:
                return False
            is_due = start_at is None or start_at <= time.time()
            stays = not can_pause(record) or (is_due and record.status.is_active)
            if not stays and not await self._halt(record, keep_partial=True):
                return False
            record.config = record.config.model_copy(update={"start_at": start_at})
            if stays:
                self._lifecycle.changed(record)
            else:
                self._admission.requeue(record.config)
            return True

    async def move(
        self,
        download_id: str,
        *,
        before: str | None = None,
        after: str | None = None,
        to: Literal["top", "bottom", "up", "down"] | None = None,
    ) -> bool:
        """Move a waiting download; it gets the priority of its new neighbour."""
        if to in ("up", "down"):
            earlier, later = self._queue.neighbours(download_id)
            before, after, to = (earlier, None, None) if to == "up" else (None, later, None)
            if before is None and after is None:
                return False
        place = self._queue.move(download_id, before=before, after=after, to=to)
        record = self._tracker.get(download_id)
        if place is None or record is None:
            return False
        was = record.priority
        record.priority, record.rank = place
        if record.priority == was:
            self._lifecycle.changed(record)
        else:
            self._lifecycle.priority_changed(record)
        return True

    async def verbs_done(self) -> None:
        """Wait until all running verbs have ended."""
        for lock in tuple(self._verbs.values()):
            async with lock:
                pass

    async def _halt(self, record: DownloadRecord, *, keep_partial: bool) -> bool:
        """Take a download out of queue and pool; False if it has ended."""
        if record.status.is_terminal:
            return False
        record.keep_partial = keep_partial
        ran = not self._queue.remove(record.id) and await self._pool.stop(record.id)
        record.keep_partial = True
        if record.status.is_terminal:  # it ended before the stop took effect
            return False
        if not keep_partial and not (ran and record.status.is_active):
            await self._worker.discard(record)
        return True

    def is_changing(self, download_id: str) -> bool:
        """Return True if a verb is changing a download."""
        lock = self._verbs.get(download_id)
        return lock is not None and lock.locked()

    def _verb(self, download_id: str) -> asyncio.Lock:
        """Return the lock of a download, so that each verb sees a settled state."""
        lock = self._verbs.get(download_id)
        if lock is None:
            lock = self._verbs[download_id] = asyncio.Lock()
        return lock


def _is_completed(record: DownloadRecord) -> bool:
    return record.status is DownloadStatus.COMPLETED


def can_pause(record: DownloadRecord) -> bool:
    """Return True if a download has not ended and does not wait for the user."""
    is_paused = record.status is DownloadStatus.PAUSED and not record.waits_for_room
    return not record.status.is_terminal and not is_paused


def cancelled_from(record: DownloadRecord) -> CancelledFrom:
    """Return the state for the event of a download that is about to be cancelled."""
    waits = record.status in (DownloadStatus.QUEUED, DownloadStatus.PAUSED)
    return CancelledFrom.QUEUED if waits else CancelledFrom.IN_PROGRESS


def state_to_restore(record: DownloadRecord) -> DownloadStatus:
    """Return the state of a download that `restore` returns to."""
    # Downloads that wait for room continue without the user, as queued ones do.
    return DownloadStatus.QUEUED if record.waits_for_room else record.status
