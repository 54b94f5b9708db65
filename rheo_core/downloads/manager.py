"""DownloadManager: the facade of the engine."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from rheo_core.domain.downloads import DownloadInfo, DownloadSnapshot, DownloadStats, Snapshot
from rheo_core.domain.exceptions import (
    ManagerNotInitialisedError,
    PendingDownloadsError,
)
from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.file_exists import FileExistsStrategy
from rheo_core.domain.hosts import HostLimits
from rheo_core.domain.request_rules import RequestRules
from rheo_core.domain.rules import Rule
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
from rheo_core.infrastructure.disk import DiskThreads
from rheo_core.infrastructure.http import AiohttpClient, BaseHttpClient
from rheo_core.tracking import BaseTracker, DownloadTracker
from rheo_core.transfer import Hosts, Limits, TransferOptions

from .afterwards import Afterwards, Following
from .intake import Intake
from .lifecycle import Lifecycle
from .limiting import Limiting
from .pool import WorkerPool
from .progress import ProgressReporter
from .queue import PriorityDownloadQueue
from .retry import BaseRetryHandler
from .room import RoomKeeper
from .session import Session
from .speed_plan import SpeedPlan
from .worker import DownloadWorker

_log = logging.getLogger(__name__)
_DRAIN_SECONDS = 5.0
"""How long `close` waits for handlers that are still busy."""


class DownloadManager(Limiting):
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
        schedule: when another limit holds for all together, such as `Mon-Fri 08:00-18:00 2M`; the
            first that fits, in local time (`rheo_core.domain.schedule`).
        slow_limit_bps: the limit of slow mode, for all together, bytes/s.
        hosts: limits of single hosts, by name or as `*.example.org`.
        chunk_size: bytes that a connection collects before they are written to the disk; fewer
            where there are many connections.
        session_path: where queue and history are kept, and taken up by `open`; None: nowhere.
        on_problem: told in a sentence what is wrong with the session; the log, where None.
        connections: for one download, where the server gives ranges.
        connections_per_host: for all downloads from one host; fewer where the host refuses.
        stall_speed: less than this over `stall_timeout` counts as stalled, bytes/s.
        durable: whether bytes are synced to the disk before anything relies on them. Without, a
            loss of power may leave a finished file empty or short.
        wait_for_room: whether a full disk pauses a download until there is room (its reason and
            the paused event tell so); without, it fails with `DiskFullError`. None: as there is a
            session or not, for a script wants to know, and an app to go on.
        wait_for_settings: whether downloads to whose host no request may be made, because a setting
            cannot be understood (`RequestRules.unclear`), stay queued until `set_defaults` brings
            other rules; without, they fail.
        history_days: what is off the list and ended longer ago is forgotten by `open`; None: it is
            kept for ever.
        server_time: whether a file gets the server's time (Last-Modified).
        origin: whether a file gets its URL as an extended attribute, without secrets.
        max_size: largest file to download, bytes; None is no limit.
        rules: which downloads go to another folder, of which the first that matches holds.
        following: commands and notifications that follow the end of a download.
        request_rules: what requests carry and how they travel, for all and by host; each download
            may say otherwise (`FileConfig.request`).
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
        chunk_size: int = 4 << 20,
        session_path: Path | None = None,
        on_problem: Callable[[str], None] | None = None,
        connections: int = 1,
        connections_per_host: int = 16,
        stall_speed: int = 100,
        durable: bool = True,
        wait_for_room: bool | None = None,
        wait_for_settings: bool = False,
        history_days: int | None = None,
        schedule: Sequence[str] = (),
        slow_limit_bps: int = 100_000,
        hosts: Mapping[str, HostLimits] | None = None,
        server_time: bool = False,
        origin: bool = False,
        max_size: int | None = None,
        rules: Sequence[Rule] = (),
        following: Following | None = None,
        request_rules: RequestRules | None = None,
    ) -> None:
        if session_path is not None:  # the next start may be made from another folder
            download_dir = Path(download_dir).absolute()
        self._client = client or AiohttpClient()
        self._owns_client = client is None
        self._queue = queue or PriorityDownloadQueue()
        self._tracker = tracker or DownloadTracker()
        self._emitter = emitter or EventEmitter()
        limits = Limits()
        plan = SpeedPlan(
            limits,
            rate_bps=speed_limit_bps or None,
            slow_bps=slow_limit_bps,
            schedule=parse_schedule(schedule),
        )
        self._disk = DiskThreads()
        self._hosts = Hosts(connections_per_host, self._queue.look_again)
        self._on_problem = on_problem or _log.warning
        self._session = (
            Session(session_path, self._on_problem, history_days=history_days)
            if session_path
            else None
        )
        self._lifecycle = Lifecycle(self._tracker, self._emitter, self._session)
        self._reporter = ProgressReporter(self._tracker, self._emitter)
        self._watching: list[asyncio.Task[None]] = []
        self._worker = DownloadWorker(
            self._client,
            download_dir=Path(download_dir),
            file_exists_strategy=file_exists_strategy,
            tracker=self._tracker,
            emitter=self._emitter,
            retry_handler=retry_handler,
            disk=self._disk,
            hosts=self._hosts,
            limits=limits,
            lifecycle=self._lifecycle,
            keep_rejected=self._session is not None,
            request_rules=request_rules,
            options=TransferOptions(
                timeout=timeout,
                connect_timeout=connect_timeout,
                stall_timeout=stall_timeout,
                stall_speed=stall_speed,
                chunk_size=chunk_size,
                connections=connections,
                durable=durable,
                server_time=server_time,
                origin=origin,
                max_size=max_size,
            ),
            rules=rules,
        )
        self._afterwards = Afterwards(following or Following(), self._emitter, self._explain)
        intake = Intake(self._queue, self._tracker, self._lifecycle, self._session)
        pool = WorkerPool(
            self._queue, self._worker.attempt, intake.requeue, max_concurrent, self._hosts
        )
        self._worker.shortage = pool.shortage
        super().__init__(
            self._queue,
            self._tracker,
            self._lifecycle,
            self._worker,
            intake,
            pool,
            self._hosts,
            limits,
            plan,
        )
        self.set_limits(hosts=hosts)
        if self._session is not None if wait_for_room is None else wait_for_room:
            self._worker.room = RoomKeeper(self._disk, self.resume)
        if wait_for_settings:
            pool.is_held = self._is_held
        self._waits_for_settings = wait_for_settings
        self._ended = asyncio.Event()
        self._is_active = False

    # Opening and closing

    async def open(self) -> None:
        """Begin to run what is queued; an open manager stays open.

        Raises:
            SessionLockedError: another process works with the session.
            SessionStoreError: the session can be neither read nor made.
        """
        if self._is_active:
            return
        try:
            if self._session is not None:
                await self._intake.take_up(self._session, self._on_problem)
            if self._client.closed:
                await self._client.open()
                self._owns_client = True
        except BaseException:
            if self._session is not None:
                await self._session.close()
            raise
        self._ended.clear()
        self._afterwards.open()
        self._pool.start()
        watchers = [self._reporter.run(), self._plan.run(), self._stop_when_spent()]
        if self._worker.room is not None:
            watchers.append(self._worker.room.run())
        self._watching = [asyncio.create_task(watcher) for watcher in watchers]
        self._is_active = True

    async def close(self, wait_for_current: bool = False) -> None:
        """Stop, or let those running end first; bytes are kept, what waits stays queued."""
        if not self._is_active:
            return
        self._is_active = False
        await self._pool.close(wait_for_current=wait_for_current)
        self._intake.put_back()
        for task in self._watching:
            task.cancel()
        await self._afterwards.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self._emitter.drain()
        try:
            if self._session is not None:
                await self._session.close()
        finally:
            self._ended.set()
            self._worker.close()
            if self._owns_client:
                await self._client.close()

    def _explain(self, download_id: str, reason: str) -> None:
        record = self._tracker.get(download_id)
        if record is not None and record.status.is_terminal:  # else it has begun again
            record.reason = reason
            self._lifecycle.changed(record)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        pending = self._intake.pending_count() if self._is_active else 0
        await self.close()
        if pending and exc_type is None and self._session is None:  # a session loses nothing
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

    async def find_config(self, download_id: str) -> FileConfig | None:
        """What was asked for, of a download in the list or the history; None where unknown."""
        record = self._tracker.get(download_id)
        if record is None and self._session is not None:
            record = await self._session.find(download_id)
        return record.config if record else None

    async def history(
        self, text: str = "", limit: int = 100, offset: int = 0
    ) -> list[DownloadSnapshot]:
        """Ended downloads, in the list or taken off it; those that ended last come first.

        Those with `text` in their name or URL, whatever the case; `limit` at the most, after the
        first `offset`. None where there is no session.

        Raises:
            SessionStoreError: the session cannot be read.
        """
        if self._session is None:
            return []
        return [record.snapshot() for record in await self._session.search(text, limit, offset)]

    async def forget(
        self,
        ids: Sequence[str] | None = None,
        *,
        text: str = "",
        older_than_days: float | None = None,
    ) -> int:
        """Take downloads out of the history; what is in the list stays, and so do files.

        Those that are among `ids`, have `text` in their name or URL, and ended longer ago than
        `older_than_days`, as far as these are given. Returns how many.

        Raises:
            SessionStoreError: the session cannot be written.
        """
        if self._session is None:
            return 0
        return await self._session.forget(ids, text=text, older_than_days=older_than_days)

    def snapshot(self, since: int = 0) -> Snapshot:
        """What changed after revision `since`, and the totals."""
        rules = self._worker.request_rules
        unclear = rules.unclear if self._waits_for_settings else ()
        return replace(
            self._tracker.snapshot(since),
            closed_by=tuple(each.sentence for each in unclear),
            is_closed=bool(unclear and rules.refusals_of_all()),
            slots=self._pool.slots,
            full_hosts=self._hosts.busy() if self._is_active else frozenset(),
            speed_limit_bps=self._plan.rate_bps,
            speed_limit_reason=self._plan.reason,
            is_slow=self._plan.is_slow,
        )

    def _is_held(self, host: str) -> bool:
        return self._worker.request_rules.refusal(host.rpartition(":")[0]) is not None

    def on(self, event_type: EventType, handler: EventHandler) -> Subscription:
        """Call `handler`, a function or a coroutine function, with each such event.

        `"*"` means events of every type. No handler delays a transfer.
        """
        self._emitter.on(event_type, handler)
        return Subscription(self._emitter, event_type, handler)

    def events(self) -> AsyncIterator[DownloadEvent]:
        """Every event from this call on, until the manager closes."""
        return stream_events(self._emitter, self._ended)

    async def wait_until_complete(self, timeout: float | None = None) -> None:
        """Wait until every download has ended or is paused, and its events are handled.

        Raises:
            TimeoutError: it took more than `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            while True:
                await self._queue.join()
                await self._verbs_done()  # one may put a download back
                if not self._queue.pending_count:
                    break
            await self._emitter.drain()

    @property
    def request_rules(self) -> RequestRules:
        """Rules for all requests, besides the options of each download."""
        return self._worker.request_rules

    def set_defaults(
        self,
        *,
        download_dir: Path | None = None,
        file_exists_strategy: FileExistsStrategy | None = None,
        retry_handler: BaseRetryHandler | None = None,
        request_rules: RequestRules | None = None,
        max_size: int | None = None,
    ) -> None:
        """Change what holds for attempts from now on; None leaves it as it is.

        `max_size` is in bytes; 0 lifts the limit.

        A download that has begun stays in the folder it began in. Rules hold for each request from
        now on, of running downloads too.
        """
        self._worker.folders.base = download_dir or self._worker.folders.base
        self._worker.retry_handler = retry_handler or self._worker.retry_handler
        if file_exists_strategy is not None:
            self._worker.resolver.default_strategy = file_exists_strategy
        if max_size is not None:
            self._worker.max_size = max_size or None
        if request_rules is not None:
            self._worker.request_rules = request_rules
            self._queue.look_again()
