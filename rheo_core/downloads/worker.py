"""DownloadWorker: run attempts, and decide what follows a failed one.

`pool.py` manages slots and the waits between attempts.
"""

import asyncio
import inspect
import logging
import math
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from rheo_core.domain.downloads import DownloadStatus
from rheo_core.domain.engine_options import DEFAULTS
from rheo_core.domain.exceptions import (
    DestinationError,
    DiskFullError,
    DownloadError,
    FileExistsError,
    FileValidationError,
    HashMismatchError,
    HostFullError,
    HttpStatusError,
    ShortageError,
    WorkerError,
)
from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.file_exists import FileExistsStrategy
from rheo_core.domain.request_rules import RequestRules
from rheo_core.domain.rules import Rule
from rheo_core.domain.text import printable
from rheo_core.domain.urls import host_of
from rheo_core.events import BaseEmitter, EventEmitter
from rheo_core.events.base import CALLBACK_ERRORS, is_cancelled
from rheo_core.infrastructure.disk import DiskThreads, TurnBatch
from rheo_core.infrastructure.http import BaseHttpClient, Requester
from rheo_core.infrastructure.http.recent_exchanges import RecentExchanges
from rheo_core.infrastructure.shortage_errors import memory_shortage
from rheo_core.tracking import BaseTracker, DownloadRecord, DownloadTracker
from rheo_core.transfer import (
    HostLimiter,
    PartFile,
    PartListings,
    PartNames,
    PartOwner,
    RateLimits,
    TransferOptions,
    give_final_name,
    keep_unverified,
    make_names_durable,
)
from rheo_core.transfer.errors import named_errors

from .attempt import Attempt
from .attempt_context import AttemptContext
from .destination import DestinationResolver, check_inside
from .disk_space_watch import DiskSpaceWatch
from .existing_file_check import is_written_by
from .file_naming import Folders
from .lifecycle import Lifecycle
from .name_numbers import NameNumbers
from .network_watch import NetworkWatch
from .path_check import check_path
from .path_locks import PathInUseError, PathLocks
from .progress import ProgressReporter
from .retry import BaseRetryHandler, NullRetryHandler, note_progress
from .shortage import Shortage
from .validation import BaseFileValidator

T = TypeVar("T")
_log = logging.getLogger(__name__)
_UNAUTHORIZED, _TOO_MANY_REQUESTS = 401, 429
"""RFC 6585 4: a 429 concerns the client, so all its downloads; a 503 may concern one."""

_SLICE_PARTS = 200
"""Number of part files to remove at a time, so that the disk thread can do other work."""


class DownloadWorker:
    """Worker that runs attempts, any number of them at the same time.

    The arguments are parts of the `DownloadManager`, which shares them with the worker.
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
        hosts: HostLimiter | None = None,
        limits: RateLimits | None = None,
        options: TransferOptions | None = None,
        lifecycle: Lifecycle | None = None,
        keep_unverified: bool = False,
        rules: Sequence[Rule] = (),
        request_rules: RequestRules | None = None,
        network: NetworkWatch | None = None,
    ) -> None:
        self.folders = Folders(download_dir, rules)
        self.names = NameNumbers(self.folders)
        self.retry_handler = retry_handler or NullRetryHandler()
        self.disk_space: DiskSpaceWatch | None = None  # None: a full disk is a failure
        self.network = network  # None: a missing network is a failure
        self.make_room: Callable[[], Awaitable[None]] | None = None  # on a full disk
        self.shortage: Shortage | None = None  # None: a shortage is a failure
        self._tracker = tracker or DownloadTracker()
        disk = disk or DiskThreads()
        options = options or TransferOptions()
        reading = DiskThreads(2)
        emitter = emitter or EventEmitter()
        self.resolver = DestinationResolver(FileExistsStrategy(file_exists_strategy), disk)
        self._context = AttemptContext(
            requester=Requester(
                client,
                request_rules,
                response_timeout=options.response_timeout,
                patience=options.tuning.response_patience_seconds,
            ),
            disk=disk,
            reading=reading,
            path_checks=TurnBatch(check_path, lambda _: None),
            commits=TurnBatch(give_final_name, make_names_durable),
            hosts=hosts or HostLimiter(DEFAULTS.connections_per_host),
            limits=limits or RateLimits(),
            options=options,
            lifecycle=lifecycle or Lifecycle(self._tracker, emitter),
            reporter=ProgressReporter(self._tracker, emitter),
            resolver=self.resolver,
            locks=PathLocks(),
            validator=validator,
            folders=self.folders,
            names=self.names,
            part_listings=PartListings(disk),
            written={},
            keep_unverified=keep_unverified,
        )

    @property
    def request_rules(self) -> RequestRules:
        """Rules for all requests, in addition to the options of each download; can be replaced."""
        return self._context.requester.rules

    @request_rules.setter
    def request_rules(self, rules: RequestRules) -> None:
        self._context.requester.use_rules(rules)

    @property
    def recent_exchanges(self) -> RecentExchanges:
        """Heads of the latest requests and responses."""
        return self._context.requester.recent

    def is_forbidden(self, host: str) -> bool:
        """Return True if the rules forbid requests to this host (with its port)."""
        return self.request_rules.refusal(host.rpartition(":")[0]) is not None

    @property
    def connections(self) -> int:
        """Maximum number of connections for one download; a change affects new attempts."""
        return self._context.options.connections

    @connections.setter
    def connections(self, count: int) -> None:
        self._context = replace(
            self._context, options=replace(self._context.options, connections=count)
        )

    @property
    def max_size(self) -> int | None:
        """Size of the largest file to download, bytes; a change affects new attempts."""
        return self._context.options.max_size

    @max_size.setter
    def max_size(self, size: int | None) -> None:
        options = replace(self._context.options, max_size=size)
        self._context = replace(self._context, options=options)

    async def attempt(self, config: FileConfig) -> float | None:
        """Run one attempt. Return the seconds until the next one; None: the download has ended.

        Raises:
            asyncio.CancelledError: the caller cancelled the attempt and decides on the next
                status. The worker keeps the bytes unless `record.keep_partial` is off.
        """
        record = self._tracker.get(config.id)
        if record is None:  # put into the queue behind the manager's back
            record = DownloadRecord.of(config)
            self._tracker.add(record)
        self._context.lifecycle.connecting(record, 1 + self._max_retries())
        try:
            expected = self.folders.path_of(record.config)
            attempt = Attempt(self._current_context(record.config), record, expected)
            try:
                await attempt.run(record.destination or expected)
            finally:
                await attempt.close()
        except MemoryError:  # of Python itself; its traceback would keep memory
            return await self._after_failure(record, memory_shortage())
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            _log.exception("attempt of %s ended with a bug", record.id)  # such as one of a client
            return await self._after_failure(record, WorkerError("the attempt cancelled itself"))
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
        """Remove the partial data of a download that is not running."""
        with suppress(PathInUseError):
            await self._with_part(record, PartFile.discard)

    async def discard_many(self, records: Sequence[DownloadRecord]) -> None:
        """Remove the partial data of downloads that are not running."""
        candidates = await self._context.reading.run(self._with_part_files, records)
        for start in range(0, len(candidates), _SLICE_PARTS):
            await self._discard_slice(candidates[start : start + _SLICE_PARTS])

    def _with_part_files(self, records: Sequence[DownloadRecord]) -> list[tuple[Path, PartOwner]]:
        """Return destinations and owners of parts that downloads may have; this blocks."""
        names = PartNames()
        return [
            (self.destination(record), self.names.part_owner(record.config))
            for record in records
            if names.may_include(*self._place(record)) and not self._may_go_on(record)
        ]

    def _may_go_on(self, record: DownloadRecord) -> bool:
        """Return True if the link of a failed download can continue its data when it is added."""
        if record.status is not DownloadStatus.FAILED:
            return False
        owner = self.names.part_owner(record.config)
        part = PartFile(self.destination(record), owner, key=self._context.options.key)
        state = part.found_state()
        return state is not None and owner.may_continue(state)

    def _place(self, record: DownloadRecord) -> tuple[Path, str]:
        """Return the folder and the name of a destination; mostly faster than `destination`."""
        config, name = record.config, record.config.get_destination_filename()
        is_plain = not config.has_folder and name.isascii() and not self.folders.rules
        if record.destination is None and is_plain:
            return self.folders.base, name
        destination = self.destination(record)
        return destination.parent, destination.name

    async def _discard_slice(self, candidates: Sequence[tuple[Path, PartOwner]]) -> None:
        key = self._context.options.key
        with ExitStack() as held:
            parts = []
            for path, owner in candidates:
                with suppress(PathInUseError):
                    held.enter_context(self._context.locks.for_part(path))
                    parts.append(PartFile(path, owner, key=key))
            await self._context.disk.run(_discard_each, parts)

    async def begin_move(self, record: DownloadRecord, config: FileConfig) -> PartFile | None:
        """Move the partial data of a download that is not running to the path of `config`.

        Returns:
            The part file for `end_move`, if there is one. It is locked until you close it.

        Raises:
            DestinationError: the data cannot be moved, or the file exists there, so the data would
                be dropped. It stays in its place.
        """
        path, earlier = self.folders.path_of(config), self.destination(record)
        strategy = config.strategy_at(path, self.resolver.default_strategy)
        is_skipped = strategy is FileExistsStrategy.SKIP and record.bytes_downloaded > 0

        def move(part: PartFile) -> PartFile | None:
            if config.destination_subdir is not None:
                check_inside(path, config.destination_subdir)
            if is_skipped and os.path.lexists(path):
                raise DestinationError(path, "the file already exists")
            with named_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                if record.bytes_downloaded and _disk_of(path) != _disk_of(earlier):
                    raise DestinationError(path, "the data downloaded so far is on another disk")
            moved = PartFile(path, part.owner, key=self._context.options.key).begin_move(earlier)
            if moved is None and record.bytes_downloaded:  # they would stay under the old name
                part.check_usable()
                if part.found_state() is not None:
                    raise DestinationError(path, "data of the same link is there already")
            return moved

        if path == earlier:
            return None
        if not self._context.locks.try_acquire(path):
            raise PathInUseError(path)
        try:
            return await self._with_part(record, move)
        finally:
            self._context.part_listings.forget()
            self._context.locks.release(path)

    async def end_move(self, record: DownloadRecord, moved: PartFile) -> None:
        """Remove the former name of partial data, after the session has the new path."""
        await self._with_part(record, lambda part: part.end_move(moved))

    async def keep_unverified(self, record: DownloadRecord) -> Path | None:
        """Rename data that failed its check. Return None if there is no such data.

        Raises:
            DestinationError: the data cannot be renamed.
        """
        return await self._with_part(record, keep_unverified)

    async def has_own_file(self, record: DownloadRecord) -> bool:
        """Return True if the file of a completed download is still the file that rheo wrote.

        Raises:
            OSError: the file does not exist.
        """
        source = self.names.source_of(record.config.url)
        path = self.destination(record)
        written = self._context.written
        return await self._context.reading.run(is_written_by, record, path, source, written)

    async def _with_part(self, record: DownloadRecord, work: Callable[[PartFile], T]) -> T | None:
        """Work on the part file of a download that is not running.

        Raises:
            PathInUseError: another download may be writing it.
        """
        path = self.destination(record)
        with self._context.locks.for_part(path):
            owner = self.names.part_owner(record.config)
            part = PartFile(path, owner, key=self._context.options.key)
            return await self._context.disk.run(work, part)

    def close(self) -> None:
        """End its threads."""
        self._context.disk.close()
        self._context.reading.close()

    def _current_context(self, config: FileConfig) -> AttemptContext:
        """Return the context of an attempt, with one connection during a shortage."""
        is_short = self.shortage is not None and self.shortage.is_on
        connections = 1 if is_short else config.connections
        if connections is None:
            return self._context
        options = replace(self._context.options, connections=connections)
        return replace(self._context, options=options)

    def _may_wait(self, error: ShortageError) -> bool:
        self._context.requester.client.drop_idle()  # they use descriptors, memory and ports
        return self.shortage is not None and self.shortage.note(error)

    def destination(self, record: DownloadRecord) -> Path:
        """Return the path of the file, as far as it is known."""
        return record.destination or self.folders.path_of(record.config)

    async def _after_failure(self, record: DownloadRecord, error: Exception) -> float | None:
        if isinstance(error, DiskFullError) and not error.is_too_large:
            if self.make_room is not None:
                await self.make_room()
            if self.disk_space is not None:
                # Waiting costs no attempt.
                needed = await self.disk_space.needed_by(record, error)
                self._context.lifecycle.paused_for_room(record, error)
                self.disk_space.keep(record, needed)
                return None
        if isinstance(error, HostFullError):
            record.stats.redirect_host = error.host
            self._context.lifecycle.put_off(record, f"host limit: {printable(error.host)} is full")
            return 0.0
        if note_progress(record) and self.shortage is not None:
            self.shortage.over()
        if isinstance(error, ShortageError) and self._may_wait(error):
            self._context.lifecycle.put_off(record, error.problem)
            return 0.0
        host = record.redirect_host or host_of(record.config.source)
        if self.network is not None and self.network.is_lost(error, host, record.attempt_began):
            self._context.requester.client.drop_idle()  # the old connections are dead
            self._context.lifecycle.put_off(record, "no network")
            return 0.0
        record.stats.failures += 1
        error, delay = self._passing(error, record.stats.failures)
        if delay is None:
            self.names.release(record)
            self._context.lifecycle.failed(record, self._explained(record, error))
        else:
            if isinstance(error, HttpStatusError) and error.status == _TOO_MANY_REQUESTS:
                seconds = min(delay, error.retry_after or 0.0)
                self._context.hosts.rest(host, seconds, record.id, f"HTTP {error.status}")
            self._context.lifecycle.retrying(record, error, delay, self._max_retries())
        return delay

    def _explained(self, record: DownloadRecord, error: Exception) -> Exception:
        """Return the error; it distinguishes a refused login from a missing one.

        If a mirror should have replaced a wrong file, its failure does not hide the wrong file.
        """
        stats = record.stats
        if stats.wrong_urls and stats.validation is not None and _is_of_source(error):
            return HashMismatchError(
                expected_hash=stats.validation.expected_hash,
                calculated_hash=stats.validation.calculated_hash,
                file_path=self.destination(record),
                mirror_errors=[error],
                algorithm=stats.validation.algorithm,
            )
        if type(error) is not HttpStatusError or error.status != _UNAUTHORIZED:
            return error
        if not self.recent_exchanges.sent_login(record.id):
            return error
        return HttpStatusError(error.status, error.reason, is_login_refused=True)

    def _passing(self, error: Exception, failures: int) -> tuple[Exception, float | None]:
        """Return the error that another attempt may mend, such as a mirror's, and the delay."""
        mirrors = error.mirror_errors if isinstance(error, HashMismatchError) else ()
        for each in (error, *mirrors):
            if (delay := self._next_delay(each, failures)) is not None:
                return each, delay
        return error, None

    def _next_delay(self, error: Exception, failures: int) -> float | None:
        """Ask the retry handler; give up if its result is not valid."""
        try:
            delay: object = self.retry_handler.next_delay(error, failures)
            if delay is None:
                return None
            if inspect.iscoroutine(delay):
                delay.close()
            is_number = isinstance(delay, int | float) and not isinstance(delay, bool)
            if is_number and 0 <= float(delay) < math.inf:  # type: ignore[arg-type]
                return float(delay)  # type: ignore[arg-type]
            raise TypeError(f"next_delay returned {delay!r}; it must be seconds or None")
        except CALLBACK_ERRORS:
            _log.exception("the retry handler failed; the download is not retried")
            return None

    def _max_retries(self) -> int:
        """Return the number of retries to show."""
        try:
            return max(int(self.retry_handler.max_retries), 0)
        except CALLBACK_ERRORS:
            _log.exception("the retry handler failed")
            return 0


def _is_of_source(error: Exception) -> bool:
    """Return True if the source of a download caused an error, not this computer or a check."""
    ours = (DestinationError, FileExistsError, FileValidationError, ShortageError)
    return isinstance(error, DownloadError) and not isinstance(error, ours)


def _discard_each(parts: Iterable[PartFile]) -> None:
    for part in parts:
        part.discard()


def _disk_of(path: Path) -> int:
    """Return the device of the folder of a path."""
    return path.parent.stat().st_dev
