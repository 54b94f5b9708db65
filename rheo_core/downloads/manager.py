"""DownloadManager: the public interface of the engine."""

import asyncio
import contextlib
import logging
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, Unpack

from rheo_core.domain.cancellation import CancelResult
from rheo_core.domain.downloads import (
    DownloadInfo,
    DownloadSnapshot,
    DownloadStats,
    HistoryTotals,
    QueuePlace,
    Snapshot,
)
from rheo_core.domain.engine_options import (
    DEFAULTS,
    CompletionHooks,
    EngineOptions,
    OtherOptions,
)
from rheo_core.domain.exceptions import (
    DownloadManagerError,
    ManagerNotInitialisedError,
    PendingDownloadsError,
)
from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.file_exists import FileExistsStrategy
from rheo_core.domain.hosts import HostLimits, by_host
from rheo_core.domain.inspector_details import DownloadDetails
from rheo_core.domain.request_rules import RequestRules
from rheo_core.domain.schedule import parse_schedule
from rheo_core.events import (
    BaseEmitter,
    DownloadEvent,
    EventEmitter,
    EventHandler,
    EventType,
    Subscription,
    stream_events,
)
from rheo_core.events.base import CALLBACK_ERRORS, ForeignEmitter
from rheo_core.infrastructure.http import BaseHttpClient, WireClient
from rheo_core.tracking import BaseTracker, DownloadTracker

from .assembly import Parts, assemble
from .inspection import inspect
from .queue import PriorityDownloadQueue
from .retry import BaseRetryHandler
from .shielded import shielded

_log = logging.getLogger(__name__)
_DRAIN_SECONDS = 5.0
"""Time that `close` waits for busy handlers."""


class _State(Enum):
    NEW = auto()
    OPEN = auto()
    CLOSING = auto()
    CLOSED = auto()


class DownloadManager:
    """Download queue and the engine that runs it.

    Use it as a context manager: `async with DownloadManager(...) as manager`.

    Args:
        client: HTTP client for all requests. None: the manager opens and closes its own.
        queue: queue of waiting downloads; it may already contain some.
        tracker: keeps the records of the downloads.
        emitter: sends events to their handlers.
        retry_handler: decides whether to retry after a failed attempt. None: never retry.
        on_problem: called with a sentence about each problem of the session. None: log it.
        logger: ignored, with a DeprecationWarning. Configure the `logging` module instead.

    Every other argument is a field of `EngineOptions`, which documents it.

    Raises:
        ValueError: a limit is too small, or a line of the schedule is not valid.
    """

    def __init__(
        self,
        client: BaseHttpClient | None = None,
        queue: PriorityDownloadQueue | None = None,
        tracker: BaseTracker | None = None,
        timeout: float | None = DEFAULTS.timeout,
        max_concurrent: int = DEFAULTS.max_concurrent,
        download_dir: Path = DEFAULTS.download_dir,
        file_exists_strategy: FileExistsStrategy = DEFAULTS.file_exists_strategy,
        emitter: BaseEmitter | None = None,
        retry_handler: BaseRetryHandler | None = None,
        *,
        on_problem: Callable[[str], None] | None = None,
        logger: object = None,
        hosts: Mapping[str, HostLimits] | None = None,
        following: CompletionHooks | None = None,
        request_rules: RequestRules | None = None,
        **options: Unpack[OtherOptions],
    ) -> None:
        if logger is not None:
            _warn_of_logger()
        self._options = EngineOptions(
            timeout=timeout,
            max_concurrent=max_concurrent,
            download_dir=download_dir,
            file_exists_strategy=file_exists_strategy,
            hosts=hosts or DEFAULTS.hosts,
            following=following or DEFAULTS.following,
            request_rules=request_rules or DEFAULTS.request_rules,
            **options,
        )
        self._client = client or WireClient()
        self._owns_client = client is None
        self._on_problem = _log.warning if on_problem is None else _guarded(on_problem)
        self._parts = assemble(
            self._options,
            self._client,
            PriorityDownloadQueue() if queue is None else queue,
            DownloadTracker() if tracker is None else tracker,
            _emitter_of(emitter),
            retry_handler,
            self._on_problem,
        )
        self.set_limits(  # raises ValueError if a number is too small
            max_concurrent=self._options.max_concurrent,
            connections=self._options.connections,
            connections_per_host=self._options.connections_per_host,
            hosts=self._options.hosts,
        )
        self._watchers: list[asyncio.Task[None]] = []
        self._ended = asyncio.Event()
        self._state = _State.NEW
        self._turn = asyncio.Lock()  # of opening and closing
        self._loop: asyncio.AbstractEventLoop | None = None  # in which it was first opened
        self._drain_seconds = _DRAIN_SECONDS
        self._draining: asyncio.Timeout | None = None  # while `close` waits for handlers
        self._is_loading = False

    @classmethod
    def from_options(
        cls,
        options: EngineOptions,
        *,
        client: BaseHttpClient | None = None,
        tracker: BaseTracker | None = None,
        retry_handler: BaseRetryHandler | None = None,
        on_problem: Callable[[str], None] | None = None,
    ) -> Self:
        """Return a manager with these options. It is not open yet."""
        return cls(
            client,
            tracker=tracker,
            retry_handler=retry_handler,
            on_problem=on_problem,
            **vars(options),
        )

    # Opening and closing

    async def open(self, *, paused: bool = False) -> None:
        """Open the manager and run its queued downloads. Do nothing if it is already open.

        You can open a closed manager again in the same event loop.

        Args:
            paused: load the downloads of the session, but run none until you call `start`.

        Raises:
            DownloadManagerError: the manager was opened in another event loop before.
            SessionLockedError: another process uses the session.
            SessionStoreError: the session cannot be read or created.
        """
        self._check_loop()
        async with self._turn:
            if self._state is not _State.OPEN:
                await self._open(paused=paused)

    async def _open(self, *, paused: bool) -> None:
        parts = self._parts
        self._is_loading = parts.session is not None
        try:
            if parts.session is not None:
                await parts.admission.restore_session(parts.session, self._on_problem)
            if self._client.closed:
                await self._client.open()
                self._owns_client = True
        except BaseException:
            if self._parts.session is not None:
                await self._parts.session.close()
            raise
        finally:
            self._is_loading = False
        self._ended.clear()
        parts.hooks.open()
        if parts.notifications is not None:
            parts.notifications.open()
        parts.pool.start(paused=paused)
        self._watchers = [asyncio.create_task(watcher) for watcher in parts.watchers()]
        self._drain_seconds = _DRAIN_SECONDS
        self._loop = asyncio.get_running_loop()
        self._state = _State.OPEN

    def start(self) -> None:
        """Run the queued downloads of a manager that was opened with `open(paused=True)`."""
        self._parts.pool.unpause()

    async def close(self, wait_for_current: bool = False) -> None:
        """Close the manager. Partial data and the queue are kept.

        Everything is closed when this returns or raises. If you cancel this call, or call `close()`
        again, it stops the downloads and handlers that it is waiting for.

        Args:
            wait_for_current: wait until running downloads end instead of stopping them.

        Raises:
            DownloadManagerError: the manager was opened in another event loop.
        """
        if self._state in (_State.OPEN, _State.CLOSING):
            self._check_loop()
        if self._state is _State.CLOSING and not wait_for_current:
            self._hurry()
        async with self._turn:
            if self._state is not _State.OPEN:
                return
            self._state = _State.CLOSING
            try:
                await shielded(self._stop(wait_for_current=wait_for_current), self._hurry)
                await self._drain()
            finally:
                await shielded(self._release(), self._hurry)

    def _hurry(self) -> None:
        """Let `close` wait neither for downloads nor for handlers."""
        self._parts.pool.stop_all()
        self._drain_seconds = 0.0
        if self._draining is not None and not self._draining.expired():
            self._draining.reschedule(0.0)

    async def _stop(self, *, wait_for_current: bool) -> None:
        """Stop all activity."""
        await self._parts.pool.close(wait_for_current=wait_for_current)
        await self._parts.sets.verbs_done()  # they may move downloads
        self._parts.admission.requeue_interrupted()
        for task in self._watchers:
            task.cancel()
        await asyncio.wait(self._watchers)
        await self._parts.control.kept.discard_all()
        await self._parts.hooks.close()
        if self._parts.notifications is not None:
            await self._parts.notifications.close()

    async def _drain(self) -> None:
        """Wait for handlers in the caller's task, because one that calls `close` is left out."""
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._drain_seconds) as self._draining:
                    await self._parts.emitter.drain()
        finally:
            self._draining = None

    async def _release(self) -> None:
        """Close session, client and threads."""
        self._state = _State.CLOSED
        await self._parts.sets.verbs_done()  # the session saves what they did
        try:
            if self._parts.session is not None:
                await self._parts.session.close()
        finally:
            self._ended.set()
            self._parts.worker.close()
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
        pending = self._parts.admission.pending_count() if self.is_active else 0
        await self.close()
        if pending and exc_type is None and self._parts.session is None:  # a session keeps them
            raise PendingDownloadsError(pending)

    @property
    def is_active(self) -> bool:
        """True while the manager is open."""
        return self._state is _State.OPEN

    @property
    def client(self) -> BaseHttpClient:
        """The HTTP client.

        Raises:
            ManagerNotInitialisedError: the manager is not open.
        """
        if self._client.closed:
            raise ManagerNotInitialisedError("the DownloadManager is not open; use 'async with'")
        return self._client

    # Verbs, which raise errors as `_usable` does

    @property
    def _usable(self) -> Parts:
        """Parts for a verb. Verbs on a manager that was never open apply once it is.

        Raises:
            ManagerNotInitialisedError: the manager was closed, so nothing would run or be saved.
            DownloadManagerError: the manager was opened in another event loop.
        """
        if self._state is _State.CLOSED:
            raise ManagerNotInitialisedError(
                "the DownloadManager is closed; call open() again, or use another one"
            )
        self._check_loop()
        return self._parts

    def _check_loop(self) -> None:
        if self._loop not in (None, asyncio.get_running_loop()):
            raise DownloadManagerError(
                "the DownloadManager was opened in another event loop; create one for each loop"
            )

    async def add(self, files: Sequence[FileConfig], *, paused: bool = False) -> None:
        """Queue downloads. Skip a download that is already pending, with a warning.

        If an open manager has a session, the downloads are saved when this returns.

        Args:
            files: the downloads.
            paused: add them paused. rheo sends no request before `resume`.

        Raises:
            ManagerNotInitialisedError: the manager was closed.
            SessionStoreError: the session cannot be written. Nothing is queued.
            TypeError: one of `files` is not a `FileConfig`.
        """
        parts = self._usable
        await parts.admission.add(files, parts.pool, parts.control.until_free, paused=paused)

    async def cancel(self, download_id: str, *, keep_partial: bool = False) -> CancelResult:
        """Cancel a download and remove its partial data.

        Args:
            download_id: id of the download.
            keep_partial: keep its data for `restore` for 10 minutes, or until the manager closes
                or the disk is full.
        """
        return await self._usable.control.cancel(download_id, keep_partial=keep_partial)

    async def pause(self, download_id: str) -> bool:
        """Pause a download and keep its data. Return False if it is paused or has ended."""
        return await self._usable.control.pause(download_id)

    async def resume(self, download_id: str) -> bool:
        """Return a paused download to its former place in the queue.

        A download that waits for its next attempt returns to the queue at once. Return False for
        other downloads.
        """
        return await self._usable.control.resume(download_id)

    async def retry(self, download_id: str) -> bool:
        """Queue a failed, cancelled or skipped download again, with new attempts.

        A download that waits for its next attempt returns to the queue at once. Return False for
        other downloads.
        """
        return await self._usable.control.retry(download_id)

    async def accept_html(self, download_id: str) -> bool:
        """Queue a failed download again and save the web page that the server sends instead.

        The page replaces a partial file. Return False if the download has not failed.
        """
        return await self._usable.control.accept_html(download_id)

    async def replace_url(self, download_id: str, url: str) -> bool:
        """Change the URL of a download, for example because its link has expired.

        rheo keeps the data and uses it if the validators agree. Otherwise the download fails. If
        it has ended, it is queued again. A checksum in the fragment of the URL is combined with the
        checksum of the download. Return False if the download is unknown or completed.

        Raises:
            ValueError: the URL or its checksum is not valid, or the two checksums differ.
        """
        return await self._usable.control.replace_url(download_id, url)

    async def edit(self, download_id: str, config: FileConfig) -> str | None:
        """Replace the config of a download that is not completed.

        The download keeps its data and its place in the queue. If it is paused, it stays paused.
        Otherwise it is queued, even if it has failed. A new name or folder changes its id.

        Args:
            download_id: id of the download.
            config: the new config, usually a changed copy of the one from `find_config`; its
                priority applies too.

        Returns:
            The new id of the download; None if it is unknown or completed.

        Raises:
            ValueError: the `url` of `config` names another object, or another download in the list
                or another edit uses the same URL and name. Pass a new link to the same object as
                `fetch_url`, also if only its signature or login differs.
            DestinationError: the partial data cannot be moved to the new name. Nothing changes.
        """
        edited = await self._usable.control.edit(download_id, config)
        if edited is not None:
            await self._usable.limits.set_speed_limit(edited, config.speed_limit)
        return edited

    async def keep(self, download_id: str) -> Path | None:
        """Save data that failed its check as `NAME.unverified`, and return its path.

        Return None if there is no such data. Without a session, a manager does not keep it.

        Raises:
            DestinationError: the data cannot be renamed.
        """
        return await self._usable.control.keep(download_id)

    async def remove(self, download_id: str, *, keep_partial: bool = False) -> bool:
        """Remove a download from the list. Cancel it first if it has not ended.

        A finished file stays on the disk. With a session, the download stays in the history.

        Args:
            download_id: id of the download.
            keep_partial: keep the data of an unfinished download for a while, as `cancel` does.
        """
        return await self._usable.control.remove(download_id, keep_partial=keep_partial)

    async def restore(self, download_id: str) -> bool:
        """Undo `remove` or `cancel`: restore the previous state and place.

        If the download was running, it starts again, with its data if that was kept. Return False
        if it was neither removed nor cancelled, or if this was too long ago.
        """
        return await self._usable.control.restore(download_id)

    async def set_priority(self, download_id: str, priority: int) -> bool:
        """Change the priority: 1 or more, higher first. Return False if unknown or ended.

        Raises:
            ProcessQueueError: the priority is below 1.
        """
        return await self._usable.control.set_priority(download_id, priority)

    async def set_start(self, download_id: str, start_at: float | None) -> bool:
        """Delay a download until a time, in seconds since the epoch. None: start at once.

        A running download stops, keeps its data and its place, and continues at that time. A
        paused download stays paused. Return False if the download is unknown or has ended.
        """
        return await self._usable.control.set_start(download_id, start_at)

    async def move(
        self,
        download_id: str,
        *,
        before: str | None = None,
        after: str | None = None,
        to: Literal["top", "bottom", "up", "down"] | None = None,
    ) -> bool:
        """Move a waiting download. It takes the priority of its new neighbour.

        Return False if one of the two does not wait, or if the download cannot move any further.
        """
        return await self._usable.control.move(download_id, before=before, after=after, to=to)

    # Verbs on many downloads: repeated and unknown ids are ignored

    async def pause_many(self, ids: Sequence[str]) -> list[str]:
        """Pause downloads. Return the ids of those that were neither paused nor ended."""
        return await self._usable.sets.pause(ids)

    async def resume_many(self, ids: Sequence[str]) -> list[str]:
        """Resume downloads. Return the ids of those for which `resume` returns True."""
        return await self._usable.sets.resume(ids)

    async def cancel_many(self, ids: Sequence[str], *, keep_partial: bool = False) -> list[str]:
        """Cancel downloads. Return the ids of those that had not ended.

        See `cancel` for `keep_partial`.
        """
        return await self._usable.sets.cancel(ids, keep_partial=keep_partial)

    async def retry_many(self, ids: Sequence[str]) -> list[str]:
        """Queue downloads again. Return the ids of those for which `retry` returns True."""
        return await self._usable.sets.retry(ids)

    async def remove_many(self, ids: Sequence[str], *, keep_partial: bool = False) -> list[str]:
        """Remove downloads from the list. Return the ids of those that were in the list.

        `restore_many` can undo this for 10 minutes. See `cancel` for `keep_partial`.
        """
        return await self._usable.sets.remove(ids, keep_partial=keep_partial)

    async def restore_many(self, ids: Sequence[str]) -> list[str]:
        """Undo `remove_many` or `cancel_many`. Return the ids of the restored downloads."""
        return await self._usable.sets.restore(ids)

    async def set_priorities(self, priorities: Mapping[str, int]) -> list[str]:
        """Change priorities. Return the ids of the downloads that have not ended.

        Args:
            priorities: the new priorities by id: 1 or more, higher first.

        Raises:
            ProcessQueueError: a priority is below 1. Nothing changes.
        """
        return await self._usable.sets.set_priorities(priorities)

    async def move_block(
        self, ids: Sequence[str], to: Literal["top", "bottom", "up", "down"]
    ) -> list[str]:
        """Move waiting downloads together. Return the ids of those that moved.

        Downloads at the end of the queue stay there, and the others do not overtake them.
        """
        return await self._usable.sets.move_block(ids, to)

    def places(self, ids: Iterable[str]) -> dict[str, QueuePlace]:
        """Return the places of unfinished downloads in the queue; see `set_places`."""
        return self._parts.sets.places(ids)

    async def set_places(self, places: Mapping[str, QueuePlace]) -> list[str]:
        """Undo changes of priorities and moves. Return the ids of the downloads put back.

        Args:
            places: the result of an earlier call of `places`.
        """
        return await self._usable.sets.set_places(places)

    async def pause_all(self) -> None:
        """Pause every download that has not ended."""
        await self._usable.sets.pause_all()

    async def resume_all(self) -> None:
        """Resume every paused download."""
        await self._usable.sets.resume_all()

    # Limits

    async def set_speed_limit(self, download_id: str, speed_limit_bps: int | None) -> bool:
        """Limit the speed of one download now, in bytes/s. None: no limit.

        Return False if the download is unknown or has ended.

        Raises:
            ValueError: the limit is below 1.
        """
        return await self._usable.limits.set_speed_limit(download_id, speed_limit_bps)

    def set_limits(
        self,
        *,
        max_concurrent: int | None = None,
        speed_limit_bps: int | None = None,
        connections: int | None = None,
        connections_per_host: int | None = None,
        schedule: Sequence[str] | None = None,
        slow: bool | None = None,
        slow_limit_bps: int | None = None,
        hosts: Mapping[str, HostLimits] | None = None,
        stop_after_bytes: int | None = None,
    ) -> None:
        """Change limits now, also for running downloads. None keeps the current value.

        To limit a single download, use `set_speed_limit`.

        Args:
            max_concurrent: number of downloads that run at once.
            speed_limit_bps: limit for all downloads together, bytes/s; 0 removes it. It ends slow
                mode and applies until the schedule changes the limit.
            connections: connections for one download, starting with its next attempt.
            connections_per_host: connections to one host for all downloads.
            schedule: times with another limit for all downloads together; empty: no schedule.
            slow: True turns slow mode on, False turns it off.
            slow_limit_bps: limit of slow mode, bytes/s.
            hosts: limits for individual hosts. They replace all earlier ones.
            stop_after_bytes: pause all downloads after this many more bytes (see
                `wait_until_stopped`); 0: never.

        Raises:
            ValueError: a number is too small, or a line of the schedule or a host is not valid.
                Nothing changes.
        """
        _check_minimum(0, speed_limit_bps=speed_limit_bps, stop_after_bytes=stop_after_bytes)
        _check_minimum(
            1,
            max_concurrent=max_concurrent,
            connections=connections,
            connections_per_host=connections_per_host,
            slow_limit_bps=slow_limit_bps,
        )
        spans = None if schedule is None else parse_schedule(schedule)
        tables = None if hosts is None else by_host(hosts)
        parts = self._parts
        if max_concurrent is not None:
            parts.pool.slots = max_concurrent
        if speed_limit_bps is not None:
            parts.total_limit.set_rate(speed_limit_bps or None)
        if connections is not None:
            parts.worker.connections = connections
        if connections_per_host is not None:
            parts.hosts.limit = connections_per_host
        if spans is not None:
            parts.total_limit.set_schedule(spans)
        parts.total_limit.set_slow(on=slow, rate_bps=slow_limit_bps)
        if tables is not None:
            parts.limits.set_hosts(tables)
        if stop_after_bytes is not None:
            parts.limits.stop_after(stop_after_bytes or None)

    def lift_host_limits(self) -> list[str]:
        """Remove the reduced limits and the pauses of hosts that refused requests.

        Without this call, rheo raises the limits step by step, one connection at a time. Limits
        from `set_limits` stay. Return the hosts, with their ports.
        """
        return self._parts.hosts.lift()

    async def wait_until_stopped(self) -> None:
        """Wait until all downloads are paused because of `stop_after_bytes`."""
        await self._parts.limits.wait_until_stopped()

    # Looking

    @property
    def queue(self) -> PriorityDownloadQueue:
        """Queue of the waiting downloads."""
        return self._parts.queue

    @property
    def download_dir(self) -> Path:
        """Folder for the files."""
        return self._parts.worker.folders.base

    @property
    def timeout(self) -> float | None:
        """Limit for a whole attempt, in seconds; None: no limit."""
        return self._options.timeout

    @property
    def max_concurrent(self) -> int:
        """Maximum number of downloads that run at once."""
        return self._parts.pool.slots

    @property
    def file_exists_strategy(self) -> FileExistsStrategy:
        """Action if a file exists, unless its config says otherwise."""
        return self._parts.worker.resolver.default_strategy

    @property
    def tracker(self) -> BaseTracker:
        """Tracker with the records of all downloads."""
        return self._parts.tracker

    @property
    def stats(self) -> DownloadStats:
        """Number of downloads in each status."""
        return self._parts.tracker.get_stats()

    def get_download_info(self, download_id: str) -> DownloadInfo | None:
        """Return a copy of the state of a download; None if it is unknown."""
        return self._parts.tracker.get_download_info(download_id)

    def details(self, download_id: str) -> DownloadDetails | None:
        """Return facts about one download that its snapshot leaves out; None if it is unknown."""
        record = self._parts.tracker.get(download_id)
        return inspect(record, self._parts.queue, self._parts.worker) if record else None

    async def has_own_file(self, download_id: str) -> bool:
        """Return True if the file of a completed download is still the file that rheo wrote.

        Check this before you delete the file, because another program may have replaced it.

        Raises:
            OSError: the file does not exist.
        """
        record = self._parts.tracker.get(download_id)
        if record is None:
            return False
        return await self._parts.worker.has_own_file(record)

    async def find_config(self, download_id: str, *, to_show: bool = False) -> FileConfig | None:
        """Return the config of a download in the list or the history; None if it is unknown.

        Args:
            download_id: id of the download.
            to_show: return the config even if you must not download it.

        Raises:
            DownloadManagerError: the config comes from another user's session, and its proxy or
                another protection is missing, so a download would connect directly.
        """
        from rheo_core.infrastructure.session_rows import has_lost_protection  # imports SQLite

        record = self._parts.tracker.get(download_id)
        if record is None and self._parts.session is not None:
            record = await self._parts.session.find(download_id)
        if record is not None and not to_show and has_lost_protection(record):
            raise DownloadManagerError(record.reason)
        return record.config if record else None

    async def history(
        self, text: str = "", limit: int = 100, offset: int = 0, *, failed: bool = False
    ) -> list[DownloadSnapshot]:
        """Return ended downloads, latest first, also those removed from the list.

        Without a session the result is empty.

        Args:
            text: part of the name or URL; case is ignored.
            limit: maximum number of results.
            offset: number of results to skip.
            failed: True returns only failed downloads.

        Raises:
            SessionStoreError: the session cannot be read.
        """
        if self._parts.session is None:
            return []
        records = await self._parts.session.search(text, limit, offset, failed=failed)
        return [record.snapshot() for record in records]

    async def history_totals(self, text: str = "") -> HistoryTotals:
        """Return the totals of the ended downloads that match `text`; see `history`.

        Raises:
            SessionStoreError: the session cannot be read.
        """
        if self._parts.session is None:
            return HistoryTotals()
        return await self._parts.session.history_totals(text)

    async def forget(
        self,
        ids: Sequence[str] | None = None,
        *,
        text: str = "",
        older_than_days: float | None = None,
    ) -> int:
        """Delete downloads from the history, but not from the list or the disk.

        Return their number.

        A download is deleted if it matches all conditions.

        Args:
            ids: ids of downloads; None: any.
            text: part of the name or URL; case is ignored.
            older_than_days: minimum age in days, since the end of the download; None: any.

        Raises:
            SessionStoreError: the session cannot be written.
        """
        if self._parts.session is None:
            return 0
        return await self._parts.session.forget(ids, text=text, older_than_days=older_than_days)

    def snapshot(self, since: int = 0) -> Snapshot:
        """Return the downloads that changed after revision `since`, and the totals."""
        rules = self._parts.worker.request_rules
        unclear = rules.unclear if self._options.wait_for_settings else ()
        return replace(
            self._parts.tracker.snapshot(since),
            closed_by=tuple(each.sentence for each in unclear),
            is_closed=bool(unclear and rules.refusals_of_all()),
            slots=self._parts.pool.slots,
            host_waits=self._parts.hosts.busy() if self.is_active else {},
            speed_limit_bps=self._parts.total_limit.rate_bps,
            speed_limit_reason=self._parts.total_limit.reason,
            is_slow=self._parts.total_limit.is_slow,
            stop_after_bytes=self._parts.limits.left_bytes,
            is_offline=self._parts.network is not None and self._parts.network.is_waited_for,
            is_loading=self._is_loading,
        )

    def on(self, event_type: EventType, handler: EventHandler) -> Subscription:
        """Call `handler` with each event of a type; `"*"` means all types.

        `handler` is a function or a coroutine function. Handlers do not delay transfers.
        """
        self._parts.emitter.on(event_type, handler)
        return Subscription(self._parts.emitter, event_type, handler)

    def events(self) -> AsyncIterator[DownloadEvent]:
        """Yield all events from now on, until the manager closes.

        A slow reader gets fewer progress events.

        Raises:
            QueueError: you read too slowly. More than 100,000 events were waiting, not counting
                progress events, and rheo dropped the later ones.
        """
        return stream_events(self._parts.emitter, self._ended)

    async def wait_until_complete(self, timeout: float | None = None) -> None:
        """Wait until every download has ended or is paused, and all events are handled.

        Return early if the manager closes.

        Raises:
            ManagerNotInitialisedError: the manager is not open, so no download would ever end.
            TimeoutError: more than `timeout` seconds passed.
        """
        if not self.is_active:
            raise ManagerNotInitialisedError(
                "the DownloadManager is not open; use `async with`, or call open() first"
            )
        self._check_loop()
        async with asyncio.timeout(timeout):
            while True:
                await _first(self._parts.queue.join(), self._ended.wait())
                await self._parts.sets.verbs_done()  # a verb may put a download back
                if not self._parts.queue.pending_count or self._ended.is_set():
                    break
            await self._parts.emitter.drain()

    @property
    def request_rules(self) -> RequestRules:
        """Rules for all requests, in addition to the options of each download."""
        return self._parts.worker.request_rules

    def set_defaults(
        self,
        *,
        download_dir: Path | None = None,
        file_exists_strategy: FileExistsStrategy | None = None,
        retry_handler: BaseRetryHandler | None = None,
        request_rules: RequestRules | None = None,
        max_size: int | None = None,
    ) -> None:
        """Change the defaults for new attempts. None keeps the current value.

        A download that has started stays in its folder. The rules apply to every new request, even
        of running downloads.

        Args:
            download_dir: folder for the files.
            file_exists_strategy: action if a file exists.
            retry_handler: decides whether to retry after a failed attempt.
            request_rules: rules for all requests.
            max_size: size of the largest file to download, bytes; 0: no limit.
        """
        self._parts.worker.folders.base = download_dir or self._parts.worker.folders.base
        self._parts.worker.retry_handler = retry_handler or self._parts.worker.retry_handler
        if file_exists_strategy is not None:
            self._parts.worker.resolver.default_strategy = file_exists_strategy
        if max_size is not None:
            self._parts.worker.max_size = max_size or None
        if request_rules is not None:
            self._parts.worker.request_rules = request_rules
            self._parts.queue.look_again()


def _warn_of_logger() -> None:
    warnings.warn(
        "logger is ignored: this library logs with the logging module, as rheo_core",
        DeprecationWarning,
        stacklevel=3,  # at the caller of `DownloadManager`
    )


def _emitter_of(emitter: BaseEmitter | None) -> BaseEmitter:
    if emitter is None:
        return EventEmitter()
    return emitter if isinstance(emitter, BaseEmitter) else ForeignEmitter(emitter)


def _guarded(on_problem: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that calls `on_problem` and logs its errors."""

    def report(problem: str) -> None:
        try:
            on_problem(problem)
        except CALLBACK_ERRORS:
            _log.exception("on_problem %r failed to report: %s", on_problem, problem)

    return report


async def _first(*works: Coroutine[None, None, object]) -> None:
    """Wait until one of them is done, and cancel the others."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _check_minimum(minimum: int, **limits: int | None) -> None:
    for name, count in limits.items():
        if count is not None and count < minimum:
            raise ValueError(f"{name} is {count}; it must be {minimum} or more")
