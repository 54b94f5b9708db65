"""DownloadWorker: runs attempts and decides what follows a failed one."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from rheo_core.domain.exceptions import (
    DiskFullError,
    DownloadError,
    HostFullError,
    HttpStatusError,
    ShortageError,
)
from rheo_core.domain.file_config import FileConfig, host_of
from rheo_core.domain.file_exists import FileExistsStrategy
from rheo_core.domain.request_rules import RequestRules
from rheo_core.domain.rules import Rule
from rheo_core.domain.text import printable
from rheo_core.events import BaseEmitter, EventEmitter
from rheo_core.infrastructure.disk import DiskThreads
from rheo_core.infrastructure.http import BaseHttpClient, Requester
from rheo_core.tracking import BaseTracker, DownloadRecord, DownloadTracker
from rheo_core.transfer import Hosts, Limits, PartFile, TransferOptions, keep_rejected, source_of

from .attempt import Attempt
from .destination import DestinationResolver, Folders, PathLocks
from .lifecycle import Lifecycle
from .progress import ProgressReporter
from .retry import BaseRetryHandler, NullRetryHandler
from .room import RoomKeeper
from .shortage import Shortage
from .tools import Tools
from .validation import BaseFileValidator

T = TypeVar("T")
_log = logging.getLogger(__name__)
_MOST_CONNECTIONS = 16
"""To one host, where nobody says otherwise."""
_TOO_MANY_REQUESTS = 429
"""RFC 6585 4: meant for the client, and so for all its downloads; a 503 may be about one."""
_LEAST_PROGRESS = 16 << 10
"""Bytes that give a download its attempts back. With less, a server that answers each request with
a single byte would be asked as often as the file has bytes."""


class DownloadWorker:
    """Runs any number of attempts at a time; the records hold what belongs to one download.

    Args are those of `DownloadManager`, which makes one and shares its parts with it.
    """

    def __init__(
        self,
        client: BaseHttpClient,
        *,
        download_dir: Path = Path(),
        file_exists_strategy: FileExistsStrategy = FileExistsStrategy.SKIP,
        tracker: BaseTracker | None = None,
        emitter: BaseEmitter | None = None,
        retry_handler: BaseRetryHandler | None = None,
        validator: BaseFileValidator | None = None,
        disk: DiskThreads | None = None,
        hosts: Hosts | None = None,
        limits: Limits | None = None,
        options: TransferOptions | None = None,
        lifecycle: Lifecycle | None = None,
        keep_rejected: bool = False,
        rules: Sequence[Rule] = (),
        request_rules: RequestRules | None = None,
    ) -> None:
        self.folders = Folders(download_dir, rules)
        self.retry_handler = retry_handler or NullRetryHandler()
        self.room: RoomKeeper | None = None  # without one a full disk is a failure
        self.shortage: Shortage | None = None  # without one a shortage is a failure
        self._tracker = tracker or DownloadTracker()
        disk = disk or DiskThreads()
        reading = DiskThreads(2)
        emitter = emitter or EventEmitter()
        self.resolver = DestinationResolver(FileExistsStrategy(file_exists_strategy), disk)
        self._tools = Tools(
            requester=Requester(client, request_rules),
            disk=disk,
            reading=reading,
            hosts=hosts or Hosts(_MOST_CONNECTIONS),
            limits=limits or Limits(),
            options=options or TransferOptions(),
            lifecycle=lifecycle or Lifecycle(self._tracker, emitter),
            reporter=ProgressReporter(self._tracker, emitter),
            resolver=self.resolver,
            locks=PathLocks(),
            validator=validator,
            folders=self.folders,
            written={},
            keep_rejected=keep_rejected,
        )

    @property
    def request_rules(self) -> RequestRules:
        """Rules for all requests, besides the options of each download; may be replaced."""
        return self._tools.requester.rules

    @request_rules.setter
    def request_rules(self, rules: RequestRules) -> None:
        self._tools.requester.go_by(rules)

    @property
    def connections(self) -> int:
        """Connections that one download may use; a change holds for attempts that begin."""
        return self._tools.options.connections

    @connections.setter
    def connections(self, count: int) -> None:
        self._tools = replace(self._tools, options=replace(self._tools.options, connections=count))

    async def attempt(self, config: FileConfig) -> float | None:
        """Make one attempt; return the seconds to wait before another, None when it has ended.

        Raises:
            asyncio.CancelledError: what becomes of the download is for the canceller to say;
                its bytes are kept unless `record.keep_partial` is off.
        """
        record = self._tracker.get(config.id)
        if record is None:  # put into the queue behind the manager's back
            record = DownloadRecord.of(config)
            self._tracker.add(record)
        self._tools.lifecycle.connecting(record, 1 + self.retry_handler.max_retries)
        try:
            attempt = Attempt(self._tools_for_now(), record)
            try:
                await attempt.run(self._destination(record))
            finally:
                await attempt.close()
        except Exception as error:
            if not isinstance(error, DownloadError):
                _log.exception("attempt of %s ended with a bug", record.id)
            return await self._after_failure(record, error)
        finally:
            record.end_attempt()
        if self.shortage is not None:
            self.shortage.over()
        return None

    async def discard(self, record: DownloadRecord) -> None:
        """Remove the partial data of a download that does not run."""
        await self._with_part(record, PartFile.discard)

    async def keep_rejected(self, record: DownloadRecord) -> Path | None:
        """Give data that failed its check a name of its own; None where there is none.

        Raises:
            DestinationError: the name cannot be given.
        """
        return await self._with_part(record, keep_rejected)

    async def _with_part(self, record: DownloadRecord, work: Callable[[PartFile], T]) -> T | None:
        """Do something with the part file of a download that does not run."""
        path, locks = self._destination(record), self._tools.locks
        if not locks.try_acquire(path):  # it belongs to another download by now
            return None
        try:
            source, key = source_of(record.config.url), self._tools.options.key
            return await self._tools.disk.run(work, PartFile(path, source, key=key))
        finally:
            locks.release(path)

    def close(self) -> None:
        """End its threads."""
        self._tools.disk.close()
        self._tools.reading.close()

    def _tools_for_now(self) -> Tools:
        """Return the tools of an attempt: while the machine is short, one connection must do."""
        if self.shortage is None or not self.shortage.is_on:
            return self._tools
        return replace(self._tools, options=replace(self._tools.options, connections=1))

    def _may_wait(self, error: ShortageError) -> bool:
        self._tools.requester.client.drop_idle()  # they hold descriptors, memory and ports
        return self.shortage is not None and self.shortage.note(error)

    def _note_progress(self, record: DownloadRecord) -> None:
        """Give a download that got clearly further than before its attempts and patience back."""
        if record.bytes_downloaded < record.tries.furthest + _LEAST_PROGRESS:
            return
        record.tries.furthest = record.bytes_downloaded
        record.tries.failures = 0
        if self.shortage is not None:
            self.shortage.over()

    def _destination(self, record: DownloadRecord) -> Path:
        return record.destination or self.folders.path_of(record.config)

    async def _after_failure(self, record: DownloadRecord, error: Exception) -> float | None:
        if self.room is not None and isinstance(error, DiskFullError) and not error.is_too_large:
            # Waiting costs no attempt.
            needed = await self.room.needed_by(record, error)
            self._tools.lifecycle.paused_for_room(record, error)
            self.room.keep(record, needed)
            return None
        if isinstance(error, HostFullError):
            record.tries.leads_to = error.host
            self._tools.lifecycle.put_off(record, f"host limit: {printable(error.host)} is full")
            return 0.0
        self._note_progress(record)
        if isinstance(error, ShortageError) and self._may_wait(error):
            self._tools.lifecycle.put_off(record, f"waiting: {error.problem}")
            return 0.0
        record.tries.failures += 1
        delay = self.retry_handler.next_delay(error, record.tries.failures)
        if delay is None:
            self._tools.lifecycle.failed(record, error)
        else:
            if isinstance(error, HttpStatusError) and error.status == _TOO_MANY_REQUESTS:
                host = record.leads_to or host_of(record.config.source)
                self._tools.hosts.rest(host, min(delay, error.retry_after or 0.0))
            retries = self.retry_handler.max_retries
            self._tools.lifecycle.retrying(record, error, delay, retries)
        return delay
