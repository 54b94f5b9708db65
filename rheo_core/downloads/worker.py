"""DownloadWorker: runs attempts and decides what follows a failed one."""

import logging
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from rheo_core.domain.exceptions import DownloadError
from rheo_core.domain.file_config import FileConfig, FileExistsStrategy
from rheo_core.events import BaseEmitter, EventEmitter
from rheo_core.infrastructure.disk import DiskThreads
from rheo_core.infrastructure.http import BaseHttpClient
from rheo_core.tracking import BaseTracker, DownloadRecord, DownloadTracker
from rheo_core.transfer import PartFile, TokenBucket, TransferOptions, source_of

from .attempt import Attempt, Tools
from .destination import DestinationResolver, PathLocks
from .lifecycle import Lifecycle
from .progress import ProgressReporter
from .retry import BaseRetryHandler, NullRetryHandler
from .validation import BaseFileValidator, FileValidator

_log = logging.getLogger(__name__)


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
        limit: TokenBucket | None = None,
        options: TransferOptions | None = None,
        lifecycle: Lifecycle | None = None,
    ) -> None:
        self.download_dir = download_dir
        self.retry_handler = retry_handler or NullRetryHandler()
        self._tracker = tracker or DownloadTracker()
        disk = disk or DiskThreads()
        reading = DiskThreads(2)
        emitter = emitter or EventEmitter()
        self.resolver = DestinationResolver(FileExistsStrategy(file_exists_strategy), disk)
        self._tools = Tools(
            client=client,
            disk=disk,
            reading=reading,
            limit=limit or TokenBucket(),
            options=options or TransferOptions(),
            lifecycle=lifecycle or Lifecycle(self._tracker, emitter),
            reporter=ProgressReporter(self._tracker, emitter),
            resolver=self.resolver,
            locks=PathLocks(),
            validator=validator or FileValidator(disk=reading),
            written={},
        )

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
            async with AsyncExitStack() as stack:
                await Attempt(self._tools, record, stack).run(self._destination(record))
        except Exception as error:
            if not isinstance(error, DownloadError):
                _log.exception("attempt of %s ended with a bug", record.id)
            return self._after_failure(record, error)
        finally:
            record.end_attempt()
        return None

    async def discard(self, record: DownloadRecord) -> None:
        """Remove the partial data of a download that does not run."""
        path, locks = self._destination(record), self._tools.locks
        if locks.try_acquire(path):  # else it belongs to another download by now
            try:
                await self._tools.disk.run(PartFile(path, source_of(record.config.url)).discard)
            finally:
                locks.release(path)

    def close(self) -> None:
        """End its threads."""
        self._tools.disk.close()
        self._tools.reading.close()

    def _destination(self, record: DownloadRecord) -> Path:
        return record.destination or record.config.get_destination_path(self.download_dir)

    def _after_failure(self, record: DownloadRecord, error: Exception) -> float | None:
        if record.bytes_downloaded > record.furthest:  # progress regains the attempts
            record.furthest = record.bytes_downloaded
            record.failures = 0
        record.failures += 1
        delay = self.retry_handler.next_delay(error, record.failures)
        if delay is None:
            self._tools.lifecycle.failed(record, error)
        else:
            retries = self.retry_handler.max_retries
            self._tools.lifecycle.retrying(record, error, delay, retries)
        return delay
