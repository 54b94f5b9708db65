"""DownloadManager: the facade of the engine."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from weakref import WeakValueDictionary

from rheo_core.domain.cancellation import CancelledFrom, CancelResult
from rheo_core.domain.downloads import DownloadInfo, DownloadStats, DownloadStatus, Snapshot
from rheo_core.domain.exceptions import (
    ManagerNotInitialisedError,
    PendingDownloadsError,
    ProcessQueueError,
)
from rheo_core.domain.file_config import FileConfig, FileExistsStrategy
from rheo_core.events import (
    BaseEmitter,
    DownloadEvent,
    EventEmitter,
    EventHandler,
    EventType,
    Subscription,
)
from rheo_core.infrastructure.disk import DiskThreads
from rheo_core.infrastructure.http import AiohttpClient, BaseHttpClient
from rheo_core.tracking import BaseTracker, DownloadRecord, DownloadTracker
from rheo_core.transfer import TokenBucket, TransferOptions

from .lifecycle import Lifecycle
from .pool import WorkerPool
from .progress import ProgressReporter
from .queue import PriorityDownloadQueue
from .retry import BaseRetryHandler
from .worker import DownloadWorker

_log = logging.getLogger(__name__)
_DRAIN_SECONDS = 5.0
"""How long `close` waits for handlers that are still busy."""


class DownloadManager:
    """Queues downloads and runs them; use it as `async with DownloadManager(...) as manager`.

    Args:
        client: makes the requests; an `AiohttpClient` of its own where None.
        queue: what waits; may hold downloads already.
        tracker: what is known of the downloads.
        timeout: limit for each attempt in all, seconds; None is no limit.
        max_concurrent: downloads that run at once.
        download_dir: where files go.
        file_exists_strategy: what to do when a file exists, unless its config says otherwise.
        emitter: carries the events.
        retry_handler: decides on further attempts; without one there are none.
        connect_timeout: patience for a connection, seconds.
        stall_timeout: patience while no byte comes, seconds.
        speed_limit_bps: for all downloads together, bytes/s; None is no limit.
        chunk_size: bytes collected before they are written to the disk.
        connections: for one download, where the server gives ranges.
    """

    def __init__(
        self,
        client: BaseHttpClient | None = None,
        queue: PriorityDownloadQueue | None = None,
        tracker: BaseTracker | None = None,
        timeout: float | None = None,
        max_concurrent: int = 3,
        download_dir: Path = Path(),
        file_exists_strategy: FileExistsStrategy = FileExistsStrategy.SKIP,
        emitter: BaseEmitter | None = None,
        retry_handler: BaseRetryHandler | None = None,
        *,
        connect_timeout: float | None = 30.0,
        stall_timeout: float | None = 60.0,
        speed_limit_bps: int | None = None,
        chunk_size: int = 1 << 20,
        connections: int = 1,
    ) -> None:
        self._client = client or AiohttpClient()
        self._owns_client = client is None
        self._queue = queue or PriorityDownloadQueue()
        self._tracker = tracker or DownloadTracker()
        self._emitter = emitter or EventEmitter()
        self._limit = TokenBucket(speed_limit_bps or None)
        self._disk = DiskThreads()
        self._lifecycle = Lifecycle(self._tracker, self._emitter)
        self._reporter = ProgressReporter(self._tracker, self._emitter)
        self._reporting: asyncio.Task[None] | None = None
        self._worker = DownloadWorker(
            self._client,
            download_dir=Path(download_dir),
            file_exists_strategy=file_exists_strategy,
            tracker=self._tracker,
            emitter=self._emitter,
            retry_handler=retry_handler,
            disk=self._disk,
            limit=self._limit,
            options=TransferOptions(
                timeout, connect_timeout, stall_timeout, chunk_size, connections
            ),
        )
        self._pool = WorkerPool(self._queue, self._worker.attempt, self._requeue, max_concurrent)
        self._verbs: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._ended = asyncio.Event()
        self._is_active = False

    # Opening and closing

    async def open(self) -> None:
        """Begin to run what is queued; an open manager stays open."""
        if self._is_active:
            return
        if self._client.closed:
            await self._client.open()
            self._owns_client = True
        self._ended.clear()
        self._pool.start()
        self._reporting = asyncio.get_running_loop().create_task(self._reporter.run())
        self._is_active = True

    async def close(self, wait_for_current: bool = False) -> None:
        """Stop, or let those running end first; bytes are kept, what waits stays queued."""
        if not self._is_active:
            return
        self._is_active = False
        await self._pool.close(wait_for_current=wait_for_current)
        for record in self._tracker.records():
            if _is_begun(record):
                self._requeue(record.config)
        if self._reporting is not None:
            self._reporting.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self._emitter.drain()
        self._ended.set()
        if self._owns_client:
            await self._client.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        pending = self._pending_count() if self._is_active else 0
        await self.close()
        if pending and exc_type is None:
            raise PendingDownloadsError(pending)

    @property
    def is_active(self) -> bool:
        """Whether it is open."""
        return self._is_active

    @property
    def client(self) -> BaseHttpClient:
        """The HTTP client.

        Raises:
            ManagerNotInitialisedError: the manager is not open.
        """
        if self._client.closed:
            raise ManagerNotInitialisedError("the DownloadManager is not open; use 'async with'")
        return self._client

    # Looking

    @property
    def tracker(self) -> BaseTracker:
        """What is known of the downloads."""
        return self._tracker

    @property
    def stats(self) -> DownloadStats:
        """How many downloads stand where."""
        return self._tracker.get_stats()

    def get_download_info(self, download_id: str) -> DownloadInfo | None:
        """A copy of what is known of a download, None where unknown."""
        return self._tracker.get_download_info(download_id)

    def snapshot(self, since: int = 0) -> Snapshot:
        """What changed after revision `since`, and the totals."""
        return replace(
            self._tracker.snapshot(since),
            slots=self._pool.slots,
            speed_limit_bps=self._limit.rate_bps,
        )

    def on(self, event_type: EventType, handler: EventHandler) -> Subscription:
        """Call `handler`, a function or a coroutine function, with each such event.

        `"*"` means events of every type. No handler delays a transfer.
        """
        self._emitter.on(event_type, handler)
        return Subscription(self._emitter, event_type, handler)

    def events(self) -> AsyncIterator[DownloadEvent]:
        """Every event from this call on, until the manager closes."""
        waiting: asyncio.Queue[DownloadEvent] = asyncio.Queue()
        return self._stream(waiting, self.on("*", waiting.put_nowait))

    async def _stream(
        self, waiting: asyncio.Queue[DownloadEvent], subscription: Subscription
    ) -> AsyncIterator[DownloadEvent]:
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            while not (ended.done() and waiting.empty()):
                coming = asyncio.ensure_future(waiting.get())
                try:
                    await asyncio.wait({coming, ended}, return_when=asyncio.FIRST_COMPLETED)
                    if coming.done():
                        yield coming.result()
                finally:
                    coming.cancel()
        finally:
            ended.cancel()
            subscription.unsubscribe()

    async def wait_until_complete(self, timeout: float | None = None) -> None:
        """Wait until every download has ended or is paused, and its events are handled.

        Raises:
            TimeoutError: it took more than `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            await self._queue.join()
            await self._emitter.drain()

    # Steering

    async def add(self, files: Sequence[FileConfig]) -> None:
        """Queue downloads; one whose id is still pending is dropped with a warning."""
        for config in files:
            known = self._tracker.get(config.id)
            if config.id in self._queue or (known and not known.status.is_terminal):
                _log.warning("%s is already queued; dropped", config.id)
            else:
                self._enqueue(DownloadRecord.of(config))

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
            if record is None or record.status is DownloadStatus.PAUSED:
                return False
            if not await self._halt(record, keep_partial=True):
                return False
            self._lifecycle.paused(record)
            return True

    async def resume(self, download_id: str) -> bool:
        """Put a paused download back into the queue, at the place it had.

        One that waits for its next attempt goes to the queue at once. False for others.
        """
        record = self._tracker.get(download_id)
        if record is None:
            return False
        if record.status is DownloadStatus.RETRYING:
            return self._pool.skip_wait(record.config)
        if record.status is not DownloadStatus.PAUSED:
            return False
        self._queue.put(record.config, record.priority, record.rank)
        self._lifecycle.resumed(record)
        return True

    async def retry(self, download_id: str) -> bool:
        """Queue a failed, cancelled or skipped download again, with all its attempts.

        One that waits for its next attempt need not wait any longer. False for others.
        """
        record = self._tracker.get(download_id)
        if record is None or record.status is DownloadStatus.COMPLETED:
            return False
        if not record.status.is_terminal:
            return self._pool.skip_wait(record.config)
        again = DownloadRecord.of(record.config)
        again.priority, again.added_at = record.priority, record.added_at
        if record.status is DownloadStatus.FAILED:  # its bytes are under that name
            again.destination, again.name = record.destination, record.name
        self._enqueue(again)
        return True

    async def remove(self, download_id: str) -> bool:
        """Take a download off the list, cancelling it if need be; a finished file stays."""
        if await self.cancel(download_id) is CancelResult.NOT_FOUND:
            return False
        record = self._tracker.get(download_id)
        if record is not None:
            self._lifecycle.removed(record)
        return record is not None

    async def restore(self, download_id: str) -> bool:
        """Undo `remove`: an ended download is back in the list, another one in the queue."""
        record = self._tracker.restore(download_id)
        if record is not None and record.status is DownloadStatus.CANCELLED:
            return await self.retry(download_id)
        return record is not None

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
            self._tracker.touch(record)
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

    def set_limits(
        self,
        *,
        max_concurrent: int | None = None,
        speed_limit_bps: int | None = None,
        connections: int | None = None,
    ) -> None:
        """Change limits at once, also for what runs; None leaves one as it is.

        Args:
            max_concurrent: downloads that run at once.
            speed_limit_bps: for all together, bytes/s; 0 lifts the limit.
            connections: for one download; holds for attempts that begin.
        """
        if max_concurrent is not None:
            if max_concurrent < 1:
                raise ValueError(f"max_concurrent is {max_concurrent}; it must be 1 or more")
            self._pool.slots = max_concurrent
        if speed_limit_bps is not None:
            self._limit.rate_bps = speed_limit_bps or None
        if connections is not None:
            if connections < 1:
                raise ValueError(f"connections is {connections}; it must be 1 or more")
            self._worker.connections = connections

    def set_defaults(
        self,
        *,
        download_dir: Path | None = None,
        file_exists_strategy: FileExistsStrategy | None = None,
        retry_handler: BaseRetryHandler | None = None,
    ) -> None:
        """Change what holds for attempts from now on; None leaves it as it is.

        A download that has begun stays in the folder it began in.
        """
        self._worker.download_dir = download_dir or self._worker.download_dir
        self._worker.retry_handler = retry_handler or self._worker.retry_handler
        if file_exists_strategy is not None:
            self._worker.resolver.default_strategy = file_exists_strategy

    # Inside

    def _enqueue(self, record: DownloadRecord) -> None:
        record.rank = self._queue.put(record.config, record.priority)
        self._tracker.add(record)
        self._lifecycle.queued(record)

    def _requeue(self, config: FileConfig) -> None:
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
        ran = not self._queue.remove(record.id) and await self._pool.stop(record.id)
        record.keep_partial = True
        if record.status.is_terminal:  # it ended before the stop could strike
            return False
        if not keep_partial and not (ran and record.status.is_active):
            await self._worker.discard(record)
        return True

    def _pending_count(self) -> int:
        return self._queue.size() + sum(map(_is_begun, self._tracker.records()))

    def _verb(self, download_id: str) -> asyncio.Lock:
        """Two verbs for one download wait for each other, so that each sees a settled state."""
        lock = self._verbs.get(download_id)
        if lock is None:
            lock = self._verbs[download_id] = asyncio.Lock()
        return lock

    def _ids(self, wanted: Callable[[DownloadRecord], bool]) -> list[str]:
        return [record.id for record in self._tracker.records() if wanted(record)]


def _is_begun(record: DownloadRecord) -> bool:
    return record.status.is_active or record.status is DownloadStatus.RETRYING


def _can_pause(record: DownloadRecord) -> bool:
    return not record.status.is_terminal and record.status is not DownloadStatus.PAUSED
