"""Admission: add new and restored downloads to the list, the queue and the session."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from rheo_core.domain.downloads import DownloadStatus
from rheo_core.domain.file_config import FileConfig
from rheo_core.tracking import BaseTracker, DownloadRecord

from .lifecycle import Lifecycle
from .name_numbers import NameNumbers
from .pool import WorkerPool
from .queue import PriorityDownloadQueue

if TYPE_CHECKING:
    from .session import Session

T = TypeVar("T")
UntilFree = Callable[[str], Awaitable[None]]
"""Wait until no verb is changing a download, by id."""
_log = logging.getLogger(__name__)
_SLICE_ITEMS = 500
"""Number of downloads to add before the event loop runs again; they take about 10 ms."""


class Admission:
    """Creates records and adds them to tracker and queue, and to the session if there is one."""

    def __init__(
        self,
        queue: PriorityDownloadQueue,
        tracker: BaseTracker,
        lifecycle: Lifecycle,
        session: "Session | None",
        names: NameNumbers,
    ) -> None:
        self._queue = queue
        self._tracker = tracker
        self._lifecycle = lifecycle
        self._session = session
        self._names = names

    async def restore_session(self, session: "Session", on_problem: Callable[[str], None]) -> None:
        """Load the downloads of the session that are not in the list yet, in pieces."""
        early: set[str] = set()

        def take_early(records: list[DownloadRecord]) -> None:
            early.update(record.id for record in records)
            self._take_up(records)

        for problem in await session.open(on_records=take_early):
            on_problem(problem)
        records = await session.restore()
        self._take_up([record for record in records if record.id not in early])
        for record in records:  # only now, because names are numbered in the order of the queue
            if self._tracker.get(record.id) is not record:
                continue
            if record.status in (DownloadStatus.FAILED, DownloadStatus.CANCELLED):
                self._names.note_ended(record)
            else:
                self._names.add(record)

    def _take_up(self, records: Iterable[DownloadRecord]) -> None:
        """Add restored downloads that are not in the list yet to list and queue."""
        for record in records:
            if not self._tracker.get(record.id) and record.id not in self._queue:
                self._tracker.add(record)
                self._queue.reserve(record.rank)  # paused ones return to their place too
                if record.status is DownloadStatus.QUEUED:
                    self._queue.put(record.config, record.priority, record.rank)

    def requeue_interrupted(self) -> None:
        """Queue downloads again that were stopped while they ran, or just before."""
        for record in self._tracker.records():
            is_interrupted = (
                not record.status.is_terminal and record.status is not DownloadStatus.PAUSED
            )
            if is_interrupted and record.id not in self._queue:
                self.requeue(record.config)

    def pending_count(self) -> int:
        """Return the number of downloads that have not ended; ended ones may still hold slots."""
        records = self._tracker.records()
        ended = sum(record.status.is_terminal and record.id in self._queue for record in records)
        return self._queue.pending_count - ended

    async def add(
        self,
        files: Sequence[FileConfig],
        pool: WorkerPool,
        until_free: UntilFree,
        *,
        paused: bool = False,
    ) -> None:
        """Queue downloads, or add them paused; one that is still pending is dropped with a warning.

        If `pool` runs and there is a session, the downloads are saved when this returns.

        Raises:
            SessionStoreError: the session cannot be written. Nothing is queued.
            TypeError: one of `files` is not a `FileConfig`.
        """
        now = time.time()
        fresh: dict[str, DownloadRecord] = {}  # to be saved first
        async for some in in_slices(files):
            for config in some:
                if not isinstance(config, FileConfig):
                    raise TypeError(
                        f"add() takes a list of FileConfig, not of {type(config).__name__}"
                    )
                id_ = config.id
                if not self._is_alive(id_):
                    await pool.until_left(id_)
                await until_free(id_)
                if id_ in fresh or self._is_pending(id_):
                    _log.warning("%s is already queued; dropped", id_)
                    continue
                record = self._ranked(DownloadRecord.of(config, now))
                if paused:
                    record.status = DownloadStatus.PAUSED
                self._names.add(record)
                if self._session is not None and pool.is_running:
                    fresh[record.id] = record
                else:
                    self.enqueue(record)
                    self._lifecycle.note(record)  # for the session, once it is open
        if self._session is not None and fresh:
            records = tuple(fresh.values())
            fresh.clear()  # with a long list, it is as large as the queue that follows
            await self._add_saved(self._session, records, until_free)

    async def _add_saved(
        self, session: "Session", records: Sequence[DownloadRecord], until_free: UntilFree
    ) -> None:
        await session.save_now(records)
        async for some in in_slices(records):
            for record in some:
                await until_free(record.id)
                if self._is_pending(record.id):
                    _log.warning("%s is already queued; dropped", record.id)  # in the meantime
                    if (queued := self._tracker.get(record.id)) is not None:
                        self._lifecycle.note(queued)  # `save_now` has overwritten it
                else:
                    self.enqueue(record)

    def enqueue(self, record: DownloadRecord) -> None:
        """Add a new record to list and queue; to the list alone if it is paused."""
        is_paused = record.status is DownloadStatus.PAUSED
        if not is_paused:
            self._queue.put(record.config, record.priority, record.rank)
        self._lifecycle.queued(record)
        if is_paused:
            self._lifecycle.paused(record)

    def fresh_record(self, record: DownloadRecord) -> DownloadRecord:
        """Return a new record of the same download, at the end of the queue."""
        again = self._ranked(DownloadRecord.of(record.config, record.added_at))
        again.priority, again.name_number = record.priority, record.name_number
        is_failed = record.status is DownloadStatus.FAILED and not record.is_blocked_by_file
        if is_failed or record.is_kept:  # its bytes have that name
            again.destination, again.final_name = record.destination, record.final_name
            if record.stats_or_none is not None and record.stats_or_none.media_type is not None:
                again.stats.media_type = record.stats_or_none.media_type
        return again

    def reinstated_record(self, record: DownloadRecord) -> DownloadRecord:
        """Return a new record of a cancelled download, with its former place and its bytes."""
        again = self.fresh_record(record)
        again.rank = record.rank
        again.bytes_downloaded, again.total_bytes = record.bytes_downloaded, record.total_bytes
        if again.destination is None:  # another download may have got its number
            again.name_number = 0
            self._names.add(again)
        return again

    def requeue(self, config: FileConfig) -> None:
        """Put a waiting or stopped download back at its former place."""
        record = self._tracker.get(config.id)
        if record is None:  # put into the queue behind the manager's back
            self._queue.put(config)
        else:
            # The config may have changed meanwhile.
            self._queue.put(record.config, record.priority, record.rank, record.redirect_host)
            self._lifecycle.waits_again(record)

    def _ranked(self, record: DownloadRecord) -> DownloadRecord:
        """Give a record the last place."""
        record.rank = self._queue.next_rank()
        return record

    def _is_alive(self, download_id: str) -> bool:
        known = self._tracker.get(download_id)
        return known is not None and not known.status.is_terminal

    def _is_pending(self, download_id: str) -> bool:
        return download_id in self._queue or self._is_alive(download_id)


async def in_slices(items: Sequence[T]) -> AsyncIterator[Sequence[T]]:
    """Yield the items in slices, and let the event loop run between them."""
    for start in range(0, len(items), _SLICE_ITEMS):
        if start:
            await asyncio.sleep(0)
        yield items[start : start + _SLICE_ITEMS]
