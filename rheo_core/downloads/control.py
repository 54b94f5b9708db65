"""DownloadController: pause, resume, cancel, retry, remove and change one download."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Literal, NamedTuple, ParamSpec, TypeVar
from weakref import WeakValueDictionary

from rheo_core.domain.cancellation import CancelledFrom, CancelResult
from rheo_core.domain.downloads import DownloadStatus, Rank
from rheo_core.domain.exceptions import DestinationError, DownloadError
from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.tuning import DEFAULT_TUNING, Tuning
from rheo_core.domain.urls import normalise_url
from rheo_core.tracking import BaseTracker, DownloadRecord
from rheo_core.transfer import source_of

from .admission import Admission, in_slices
from .kept_partials import KeptPartials
from .lifecycle import Lifecycle
from .pool import WorkerPool
from .queue import PriorityDownloadQueue, check_priority
from .shielded import shielded
from .worker import DownloadWorker

if TYPE_CHECKING:
    from .session import Session

P = ParamSpec("P")
T = TypeVar("T")


class ControlContext(NamedTuple):
    """Parts of a manager that the verbs use."""

    queue: PriorityDownloadQueue
    tracker: BaseTracker
    lifecycle: Lifecycle
    worker: DownloadWorker
    admission: Admission
    pool: WorkerPool


def _in_turn(
    verb: Callable[Concatenate["DownloadController", str, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate["DownloadController", str, P], Coroutine[Any, Any, T]]:
    """Let a verb wait for the one before it, and then finish even if its caller is cancelled.

    Verbs that do not wait for anything else take the lock alone, because a cancellation cannot
    interrupt them, and a long list would need a task for each of its downloads.
    """

    @wraps(verb)
    async def run(
        self: "DownloadController", download_id: str, /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        async with self._verb(download_id):
            return await shielded(verb(self, download_id, *args, **kwargs))

    return run


class DownloadController:
    """Carries out the verbs of `DownloadManager`, which documents them."""

    def __init__(self, context: ControlContext, tuning: Tuning = DEFAULT_TUNING) -> None:
        self._context = context
        self._verbs: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.kept = KeptPartials(self._discard_kept, tuning)

    @_in_turn
    async def cancel(self, download_id: str, *, keep_partial: bool = False) -> CancelResult:
        """End a download in any state and remove its partial data, at once or later."""
        record = self._context.tracker.get(download_id)
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
        record.before_cancel = state_to_restore(record)
        if not (keep_partial and self.kept.keep(record)):
            self._context.worker.names.release(record)
            record.bytes_downloaded = 0
        self._context.lifecycle.cancelled(record, was)

    async def discard_left(self, session: "Session | None") -> None:
        """Remove partial data that an earlier run kept for an undo and could not remove."""
        left = [record for record in self._context.tracker.records() if record.is_kept]
        if session is not None:
            left += await session.find_kept()
        await self.kept.discard(left)

    async def _discard_kept(self, records: Sequence[DownloadRecord]) -> None:
        """Remove the partial data of cancelled downloads, unless another one continues it."""
        in_use = await self._partials_in_use({self._source_of(each) for each in records})
        useless = [
            record
            for record in records
            if self._partial_of(record) not in in_use
            and self._context.tracker.get(record.id)
            in (None, record)  # otherwise it was queued again
        ]
        had_bytes = [record for record in useless if record.bytes_downloaded]
        for record in useless:
            record.bytes_downloaded = 0  # now, so that `restore` does not rely on them
            self._context.worker.names.release(record)
        await self._context.worker.discard_many(useless)
        for record in had_bytes:
            self._context.lifecycle.changed(record)

    async def _partials_in_use(self, sources: set[str]) -> set[tuple[str, Path]]:
        """Return the partial data of these sources that downloads may continue."""
        in_use: set[tuple[str, Path]] = set()
        async for some in in_slices(tuple(self._context.tracker.records())):
            for each in filter(_may_continue, some):
                if self._source_of(each) in sources:
                    in_use.add(self._partial_of(each))
        return in_use

    def _partial_of(self, record: DownloadRecord) -> tuple[str, Path]:
        """Return source and destination, which together identify partial data."""
        return self._source_of(record), self._context.worker.destination(record)

    def _source_of(self, record: DownloadRecord) -> str:
        return self._context.worker.names.source_of(record.config.url)

    @_in_turn
    async def pause(self, download_id: str) -> bool:
        """Stop a download and keep its bytes; False if it has ended or is paused."""
        record = self._context.tracker.get(download_id)
        if record is None or not can_pause(record):
            return False
        if not await self._halt(record, keep_partial=True):
            return False
        self._context.lifecycle.paused(record)
        return True

    async def resume(self, download_id: str) -> bool:
        """Put a paused download back to its former place in the queue."""
        async with self._verb(download_id):
            record = self._context.tracker.get(download_id)
            if record is None:
                return False
            if record.status is DownloadStatus.RETRYING:
                return self._context.pool.skip_wait(record.config)
            if record.status is not DownloadStatus.PAUSED:
                return False
            self._context.queue.put(
                record.config, record.priority, record.rank, record.redirect_host
            )
            self._context.lifecycle.resumed(record)
            return True

    async def retry(self, download_id: str) -> bool:
        """Queue a failed, cancelled or skipped download again, with all its attempts."""
        async with self._verb(download_id):
            record = self._context.tracker.get(download_id)
            if record is None or record.status is DownloadStatus.COMPLETED:
                return False
            if not record.status.is_terminal:
                return self._context.pool.skip_wait(record.config)
            again = self._context.admission.fresh_record(record)
            if record.stats_or_none is not None and record.stats_or_none.received is not None:
                # The server need not be asked again for received bytes.
                again.stats.received = record.stats_or_none.received
            self._context.admission.enqueue(again)
            self._context.lifecycle.changed(again)
            return True

    async def accept_html(self, download_id: str) -> bool:
        """Queue a failed download again and save the web page that the server sends instead."""
        async with self._verb(download_id):
            record = self._context.tracker.get(download_id)
            if record is None or record.status is not DownloadStatus.FAILED:
                return False
            again = self._context.admission.fresh_record(record)
            again.config = record.config.model_copy(update={"accept_html": True})
            self._context.admission.enqueue(again)
            self._context.lifecycle.changed(again)
            return True

    @_in_turn
    async def replace_url(self, download_id: str, url: str) -> bool:
        """Use another URL for a download from now on."""
        url = normalise_url(url)
        record = self._context.tracker.get(download_id)
        if record is None or _is_completed(record):
            return False
        record.config.with_link(url)  # raises before anything is stopped
        stays_paused = not record.status.is_terminal and not can_pause(record)
        await self._halt(record, keep_partial=True)
        if _is_completed(record):  # it completed meanwhile
            return False
        config = record.config.with_link(url)
        if record.status.is_terminal:
            again = self._context.admission.fresh_record(record)
            again.config = config
            self._context.admission.enqueue(again)
            self._context.lifecycle.changed(again)
        else:
            record.config = config
            record.stats.failures = 0  # those of the old link
            record.stats.redirect_host = None
            if stays_paused:
                self._context.lifecycle.changed(record)
            else:
                self._context.admission.requeue(config)
        return True

    @_in_turn
    async def edit(self, download_id: str, config: FileConfig) -> str | None:
        """Give a download that is not completed another config."""
        record = self._context.tracker.get(download_id)
        if record is None or _is_completed(record):
            return None
        if source_of(config.url) != source_of(record.config.url):
            raise ValueError("the URL of a download cannot change; fetch_url can")
        names = self._context.worker.names
        if names.source_of(config.url) != names.source_of(record.config.url):
            own = config.model_copy(update={"url": record.config.url})
            is_fetched = config.fetch_url not in (None, record.config.fetch_url)
            # Its bytes stay those of its first link.
            config = own.with_link(config.source if is_fetched else config.url)
        if config.id == download_id:
            return await self._edit(record, config)
        if self.is_changing(config.id):
            raise ValueError("another change uses this URL and name")
        async with self._verb(config.id):  # so that nothing else adds it meanwhile
            if self._context.tracker.get(config.id) is not None:
                raise ValueError("another download in the list has this URL and name")
            return await self._edit(record, config)

    async def _edit(self, record: DownloadRecord, config: FileConfig) -> str | None:
        """Give a download a config of the same source, whose id is its own or free."""
        stays_paused = not record.status.is_terminal and not can_pause(record)
        await self._halt(record, keep_partial=True)
        if _is_completed(record):  # it completed meanwhile
            return None
        again = self._context.admission.reinstated_record(record)
        again.config, again.id, again.priority = config, config.id, config.priority
        if stays_paused:
            again.status = DownloadStatus.PAUSED
        if config.id != record.id:
            try:
                await self._rename(record, again)
            except DownloadError:
                if not record.status.is_terminal and not stays_paused:
                    self._context.admission.requeue(record.config)
                raise
        elif not record.is_blocked_by_file:
            again.destination, again.final_name = record.destination, record.final_name
        if stays_paused:
            self._context.tracker.add(again)
            self._context.lifecycle.paused(again)
        else:
            self._context.admission.enqueue(again)
            self._context.lifecycle.changed(again)
        return again.id

    async def _rename(self, record: DownloadRecord, again: DownloadRecord) -> None:
        """Let a record with another id, and so another path, take the place of `record`."""
        again.destination = again.final_name = None
        await self.kept.discard(self.kept.find(again.id))  # of the removed one it replaces
        worker, lifecycle = self._context.worker, self._context.lifecycle
        moved = await worker.begin_move(record, again.config)
        # A crash finds the part file by the row of the session. So it keeps both names until then.
        is_saved = await lifecycle.save_renamed(record, again)
        if moved is not None:
            await worker.end_move(again if is_saved else record, moved)
            if not is_saved:
                await lifecycle.save_renamed(again, record)
                raise DestinationError(worker.destination(again), "the list cannot be saved")
        self.kept.forget(record)
        self._context.worker.names.release(record)
        again.name_number = 0
        self._context.worker.names.add(again)
        self._context.lifecycle.renamed(record)

    @_in_turn
    async def keep(self, download_id: str) -> Path | None:
        """Keep data that failed its check as `NAME.unverified`; return its path."""
        record = self._context.tracker.get(download_id)
        if record is None or record.status is not DownloadStatus.FAILED:
            return None
        path = await self._context.worker.keep_unverified(record)
        if path is not None:
            self._context.lifecycle.kept(record, path)
        return path

    async def remove(self, download_id: str, *, keep_partial: bool = False) -> bool:
        """Remove a download from the list and cancel it if necessary; a finished file stays."""
        record = self._context.tracker.get(download_id)
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
        if self._context.tracker.get(record.id) is not record or not record.status.is_terminal:
            return False
        is_cancelled = record.status is DownloadStatus.CANCELLED and not was.is_terminal
        record.before_removal = was if is_cancelled else None
        if record.status is DownloadStatus.FAILED and record.config.fetch_url is not None:
            self.kept.keep(record)  # later, nothing but the link that was replaced would find it
        self._context.lifecycle.removed(record)
        return True

    async def restore(self, download_id: str) -> bool:
        """Undo `remove` or `cancel`: restore the previous state; a running one starts again."""
        async with self._verb(download_id):
            record = self._context.tracker.get(download_id)
            if record is not None:
                if record.status is not DownloadStatus.CANCELLED or record.before_cancel is None:
                    return False
                self._reinstate(record, record.before_cancel)
                return True
            record = self._context.tracker.restore(download_id)
            if record is None:
                return False
            was, record.before_removal = record.before_removal, None
            if was is None:
                self._context.lifecycle.restored(record)
            else:
                self._reinstate(record, was)
            return True

    def _reinstate(self, record: DownloadRecord, was: DownloadStatus) -> None:
        """Put a cancelled download back to its place, with its kept data."""
        again = self._context.admission.reinstated_record(record)
        if was is DownloadStatus.PAUSED:
            self._context.tracker.add(again)
            self._context.lifecycle.paused(again)
        else:
            self._context.admission.enqueue(again)
            self._context.lifecycle.changed(again)

    async def set_priority(self, download_id: str, priority: int) -> bool:
        """Change the priority (1 or more, higher first); False if it is unknown or has ended."""
        check_priority(priority)
        record = self._context.tracker.get(download_id)
        if record is None or record.status.is_terminal:
            return False
        self._context.queue.set_priority(download_id, priority)
        self.note_priority(record, priority)
        return True

    def note_priority(self, record: DownloadRecord, priority: int) -> None:
        """Set the priority of a download that already has a place in the queue."""
        if record.priority != priority:
            self.note_place(record, priority, record.rank)

    def note_place(self, record: DownloadRecord, priority: int, rank: Rank) -> None:
        """Store the place that the queue gave to a download."""
        was, record.priority, record.rank = record.priority, priority, rank
        if was == priority:
            self._context.lifecycle.changed(record)
        else:
            self._context.lifecycle.priority_changed(record)

    @_in_turn
    async def set_start(self, download_id: str, start_at: float | None) -> bool:
        """Make a download wait until a time (seconds since the epoch)."""
        record = self._context.tracker.get(download_id)
        if record is None or record.status.is_terminal:
            return False
        is_due = start_at is None or start_at <= time.time()
        stays = not can_pause(record) or (is_due and record.status.is_active)
        if not stays and not await self._halt(record, keep_partial=True):
            return False
        record.config = record.config.model_copy(update={"start_at": start_at})
        if stays:
            self._context.lifecycle.changed(record)
        else:
            self._context.admission.requeue(record.config)
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
            earlier, later = self._context.queue.neighbours(download_id)
            before, after, to = (earlier, None, None) if to == "up" else (None, later, None)
            if before is None and after is None:
                return False
        place = self._context.queue.move(download_id, before=before, after=after, to=to)
        record = self._context.tracker.get(download_id)
        if place is None or record is None:
            return False
        self.note_place(record, *place)
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
        if not self._context.queue.remove(record.id):
            await self._context.pool.stop(record.id)
        record.keep_partial = True
        if record.status.is_terminal:  # it ended before the stop took effect
            return False
        if not keep_partial:  # the attempt discards a part file only after it has opened it
            await self._context.worker.discard(record)
        return True

    async def until_free(self, download_id: str) -> None:
        """Wait until no verb is changing a download."""
        # Mostly, no verb is running, and a list may be long.
        while len(self._verbs) and self.is_changing(download_id):
            async with self._verb(download_id):
                pass

    def is_changing(self, download_id: str) -> bool:
        """Return True if a verb is changing a download."""
        lock = self._verbs.get(download_id)
        return lock is not None and lock.locked()

    def _verb(self, download_id: str) -> asyncio.Lock:
        """Return the lock of a download, so that each verb sees a stable state."""
        lock = self._verbs.get(download_id)
        if lock is None:
            lock = self._verbs[download_id] = asyncio.Lock()
        return lock


def _is_completed(record: DownloadRecord) -> bool:
    return record.status is DownloadStatus.COMPLETED


def _may_continue(record: DownloadRecord) -> bool:
    return record.status not in (DownloadStatus.CANCELLED, DownloadStatus.COMPLETED)


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
