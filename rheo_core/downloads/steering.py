"""Steering: what a user may do with downloads; `DownloadManager` passes it on."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, TypeVar
from weakref import WeakValueDictionary

from rheo_core.domain.cancellation import CancelledFrom, CancelResult
from rheo_core.domain.downloads import DownloadStatus
from rheo_core.domain.exceptions import ProcessQueueError
from rheo_core.domain.file_config import FileConfig, normalise_url
from rheo_core.tracking import BaseTracker, DownloadRecord
from rheo_core.transfer import Hosts

from .lifecycle import Lifecycle
from .pool import WorkerPool
from .queue import PriorityDownloadQueue
from .session import Session
from .worker import DownloadWorker

T = TypeVar("T")
_log = logging.getLogger(__name__)
_SLICE = 500  # downloads that are added before the event loop gets its turn


class Steering:
    """Every verb, carried out on queue, pool and records; owns the pool."""

    def __init__(
        self,
        queue: PriorityDownloadQueue,
        tracker: BaseTracker,
        lifecycle: Lifecycle,
        worker: DownloadWorker,
        session: Session | None,
        slots: int,
        hosts: Hosts,
    ) -> None:
        self._queue = queue
        self._tracker = tracker
        self._lifecycle = lifecycle
        self._worker = worker
        self._session = session
        self._verbs: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.pool = WorkerPool(queue, worker.attempt, self.requeue, slots, hosts)

    async def take_up(self, session: Session, on_problem: Callable[[str], None]) -> None:
        """Go on with what the session holds, but for what is known here already."""
        for problem in await session.open():
            on_problem(problem)
        for record in await session.restore():
            if not self._tracker.get(record.id) and record.id not in self._queue:
                self._tracker.add(record)
                self._queue.reserve(record.rank)  # paused ones too come back to their place
                if record.status is DownloadStatus.QUEUED:
                    self._queue.put(record.config, record.priority, record.rank)

    def pending_count(self) -> int:
        """Downloads that wait, run, or sleep before a retry."""
        return self._queue.size() + sum(map(_is_begun, self._tracker.records()))

    def put_back(self) -> None:
        """Queue again what was stopped while it ran."""
        for record in self._tracker.records():
            if _is_begun(record):
                self.requeue(record.config)

    async def add(self, files: Sequence[FileConfig]) -> None:
        """Queue downloads; one whose id is still pending is dropped with a warning.

        Where there is a session, they are in it, durably, when this returns.

        Raises:
            SessionStoreError: the session cannot be written; nothing is queued.
        """
        fresh: dict[str, DownloadRecord] = {}
        async for config in _in_slices(files):
            is_alive = self._is_alive(config.id)
            if not is_alive:
                await self.pool.until_left(config.id)
            if is_alive or config.id in fresh or config.id in self._queue:
                _log.warning("%s is already queued; dropped", config.id)
            else:
                fresh[config.id] = self._ranked(DownloadRecord.of(config))
        if self._session is not None and self.pool.is_running and fresh:
            await self._session.save_now(tuple(fresh.values()))
        async for record in _in_slices(fresh.values()):
            if self._is_pending(record.id):  # another `add` was quicker
                _log.warning("%s is already queued; dropped", record.id)
                continue
            self._enqueue(record)
            if self._session is not None and not self.pool.is_running:
                self._session.note(record)  # for when it is open

    async def cancel(self, download_id: str) -> CancelResult:
        """End a download in whatever state it is and remove its partial data."""
        async with self._verb(download_id):
            record = self._tracker.get(download_id)
            if record is None:
                return CancelResult.NOT_FOUND
            waits = record.status in (DownloadStatus.QUEUED, DownloadStatus.PAUSED)
            if not await self._halt(record, keep_partial=False):
                return CancelResult.ALREADY_TERMINAL
            was = CancelledFrom.QUEUED if waits else CancelledFrom.IN_PROGRESS
            self._lifecycle.cancelled(record, was)
            return CancelResult.CANCELLED

    async def pause(self, download_id: str) -> bool:
        """Stop a download and keep its bytes; False where it has ended or is paused."""
        async with self._verb(download_id):
            record = self._tracker.get(download_id)
            if record is None or not _can_pause(record):
                return False
            if not await self._halt(record, keep_partial=True):
                return False
            self._lifecycle.paused(record)
            return True

    async def resume(self, download_id: str) -> bool:
        """Put a paused download back into the queue, at the place it had.

        One that waits for its next attempt goes to the queue at once. False for others.
        """
        async with self._verb(download_id):
            record = self._tracker.get(download_id)
            if record is None:
                return False
            if record.status is DownloadStatus.RETRYING:
                return self.pool.skip_wait(record.config)
            if record.status is not DownloadStatus.PAUSED:
                return False
            self._queue.put(record.config, record.priority, record.rank)
            self._lifecycle.resumed(record)
            return True

    async def retry(self, download_id: str) -> bool:
        """Queue a failed, cancelled or skipped download again, with all its attempts.

        One that waits for its next attempt need not wait any longer. False for others.
        """
        async with self._verb(download_id):
            record = self._tracker.get(download_id)
            if record is None or record.status is DownloadStatus.COMPLETED:
                return False
            if not record.status.is_terminal:
                return self.pool.skip_wait(record.config)
            again = self._again(record)
            self._enqueue(again)
            self._lifecycle.changed(again)
            return True

    async def replace_url(self, download_id: str, url: str) -> bool:
        """Fetch a download from another URL from now on; its bytes are kept.

        False where it is unknown or completed.

        Raises:
            ValueError: the URL is not acceptable.
        """
        url = normalise_url(url)
        async with self._verb(download_id):
            record = self._tracker.get(download_id)
            if record is None or _is_completed(record):
                return False
            stays_paused = not record.status.is_terminal and not _can_pause(record)
            await self._halt(record, keep_partial=True)
            if _is_completed(record):  # it was quicker
                return False
            own = url == record.config.url
            config = record.config.model_copy(update={"fetch_url": None if own else url})
            if record.status.is_terminal:
                again = self._again(record)
                again.config = config
                self._enqueue(again)
                self._lifecycle.changed(again)
            else:
                record.config = config
                record.failures = 0  # those of the old link
                if stays_paused:
                    self._lifecycle.changed(record)
                else:
                    self.requeue(config)
            return True

    async def keep(self, download_id: str) -> Path | None:
        """Keep data that failed its check under another name; None where there is none.

        Raises:
            DestinationError: the name cannot be given; the data is where it was.
        """
        async with self._verb(download_id):
            record = self._tracker.get(download_id)
            if record is None or record.status is not DownloadStatus.FAILED:
                return None
            kept = await self._worker.keep_rejected(record)
            if kept is not None:
                self._lifecycle.kept(record, kept)
            return kept

    async def remove(self, download_id: str) -> bool:
        """Take a download off the list, cancelling it if need be; a finished file stays.

        With a session it stays in the history.
        """
        record = self._tracker.get(download_id)
        if record is None:
            return False
        # What waits for room goes on by itself, as what is queued does.
        was = DownloadStatus.QUEUED if record.waits_for_room else record.status
        await self.cancel(download_id)
        if self._tracker.get(download_id) is not record:
            return False  # removed meanwhile
        record.before_removal = was if record.status is DownloadStatus.CANCELLED else None
        self._lifecycle.removed(record)
        return True

    async def restore(self, download_id: str) -> bool:
        """Undo `remove`: it is back in the state it had; one that ran begins again."""
        async with self._verb(download_id):
            record = self._tracker.restore(download_id)
            if record is None:
                return False
            was, record.before_removal = record.before_removal, None
            if was is None or was.is_terminal:
                self._lifecycle.restored(record)
                return True
            again = self._again(record)  # its bytes went with it
            if was is DownloadStatus.PAUSED:
                self._tracker.add(again)
                self._lifecycle.paused(again)
            else:
                self._enqueue(again)
                self._lifecycle.changed(again)
            return True

    async def set_priority(self, download_id: str, priority: int) -> bool:
        """Change the priority (1 or more, higher first); False where unknown or ended.

        Raises:
            ProcessQueueError: the priority is below 1.
        """
        if priority < 1:
            raise ProcessQueueError(f"priority is {priority}; it must be 1 or more")
        record = self._tracker.get(download_id)
        if record is None or record.status.is_terminal:
            return False
        self._queue.set_priority(download_id, priority)
        if record.priority != priority:
            record.priority = priority
            self._lifecycle.priority_changed(record)
        return True

    async def move(
        self,
        download_id: str,
        *,
        before: str | None = None,
        after: str | None = None,
        to: Literal["top", "bottom", "up", "down"] | None = None,
    ) -> bool:
        """Move a waiting download; it takes over the priority of its new neighbour.

        False where it, or the one to move to, does not wait, or there is nowhere to go.
        """
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

    async def pause_all(self) -> None:
        """Pause every download that has not ended."""
        await asyncio.gather(*(self.pause(id_) for id_ in self._ids(_can_pause)))

    async def resume_all(self) -> None:
        """Resume every paused download."""
        for download_id in self._ids(lambda record: record.status is DownloadStatus.PAUSED):
            await self.resume(download_id)

    async def verbs_done(self) -> None:
        """Wait until every verb that is at work has ended."""
        for lock in tuple(self._verbs.values()):
            async with lock:
                pass

    def _is_alive(self, download_id: str) -> bool:
        known = self._tracker.get(download_id)
        return known is not None and not known.status.is_terminal

    def _is_pending(self, download_id: str) -> bool:
        return download_id in self._queue or self._is_alive(download_id)

    def _again(self, record: DownloadRecord) -> DownloadRecord:
        """A fresh record of the same download, behind all others."""
        again = self._ranked(DownloadRecord.of(record.config))
        again.priority, again.added_at = record.priority, record.added_at
        if record.status is DownloadStatus.FAILED:  # its bytes are under that name
            again.destination, again.final_name = record.destination, record.final_name
        return again

    def _ranked(self, record: DownloadRecord) -> DownloadRecord:
        """Give it the place after all there are."""
        record.rank = self._queue.next_rank()
        return record

    def _enqueue(self, record: DownloadRecord) -> None:
        self._queue.put(record.config, record.priority, record.rank)
        self._lifecycle.queued(record)

    def requeue(self, config: FileConfig) -> None:
        record = self._tracker.get(config.id)
        if record is None:  # put into the queue behind the manager's back
            self._queue.put(config)
        else:
            self._queue.put(config, record.priority, record.rank)
            self._lifecycle.waits_again(record)

    async def _halt(self, record: DownloadRecord, *, keep_partial: bool) -> bool:
        """Take a download out of queue and pool; False where it has ended."""
        if record.status.is_terminal:
            return False
        record.keep_partial = keep_partial
        ran = not self._queue.remove(record.id) and await self.pool.stop(record.id)
        record.keep_partial = True
        if record.status.is_terminal:  # it ended before the stop could strike
            return False
        if not keep_partial and not (ran and record.status.is_active):
            await self._worker.discard(record)
        return True

    def _verb(self, download_id: str) -> asyncio.Lock:
        """Two verbs for one download wait for each other, so that each sees a settled state."""
        lock = self._verbs.get(download_id)
        if lock is None:
            lock = self._verbs[download_id] = asyncio.Lock()
        return lock

    def _ids(self, wanted: Callable[[DownloadRecord], bool]) -> list[str]:
        return [record.id for record in self._tracker.records() if wanted(record)]


async def _in_slices(items: Iterable[T]) -> AsyncIterator[T]:
    """The event loop gets its turn between them."""
    for number, item in enumerate(items, 1):
        yield item
        if number % _SLICE == 0:
            await asyncio.sleep(0)


def _is_begun(record: DownloadRecord) -> bool:
    return record.status.is_active or record.status is DownloadStatus.RETRYING


def _is_completed(record: DownloadRecord) -> bool:
    return record.status is DownloadStatus.COMPLETED


def _can_pause(record: DownloadRecord) -> bool:
    is_paused = record.status is DownloadStatus.PAUSED and not record.waits_for_room
    return not record.status.is_terminal and not is_paused
