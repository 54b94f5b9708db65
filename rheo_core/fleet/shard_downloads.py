"""Downloads of one shard: its entries go through an engine, and each end into the journal."""

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rheo_core.config import load_settings
from rheo_core.domain.engine_options import EngineOptions
from rheo_core.domain.exceptions import RheoError
from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.file_exists import FileExistsStrategy
from rheo_core.domain.fleet import EntryOutcome, FleetEntry, FleetPlan
from rheo_core.domain.hash_algorithms import HashAlgorithm
from rheo_core.domain.hash_validation import HashConfig, ValidationResult
from rheo_core.domain.request_options import NO_OPTIONS, RequestOptions
from rheo_core.domain.retry import RetryConfig
from rheo_core.downloads import DownloadManager, RetryHandler
from rheo_core.engine import make_host_limits, make_request_rules
from rheo_core.events import (
    DownloadCompletedEvent,
    DownloadEventType,
    DownloadFailedEvent,
    DownloadSkippedEvent,
    ErrorInfo,
)
from rheo_core.infrastructure.shortage import raise_descriptor_limit
from rheo_core.tracking import NullTracker

from .journal import Journal
from .keys import file_name
from .kinds import is_of_worker, kind_of, name_of
from .politeness import shard_limits

_CONNECT_SECONDS = 10.0
_RESPONSE_SECONDS = 30.0
_STALL_SECONDS = 30.0
_NOTE_SECONDS = 0.1
"""Interval between writes of the journal. After a kill, only size and hash are known of files that
ended within it. One write for each end would contend with the disk threads."""
_BATCH = 250
"""Entries added at a time, so that the first downloads begin at once."""
_READ_AHEAD = 4_000
"""Entries that wait or run, so that a busy host does not hide idle ones further down."""


class ShardError(RheoError):
    """The worker cannot go on with a shard. What has ended is in the journal.

    Attributes:
        error_name: name of the class of the error behind it; "" if there is none.
    """

    def __init__(self, message: str, error_name: str = "") -> None:
        super().__init__(message)
        self.error_name = error_name


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Options that belong to a worker instead of the plan. Secrets never leave it.

    Args:
        scratch: folder for temporary files; None: see `ShardPlaces.of`.
        requests: options of all requests, such as a User-Agent or a token.
        insecure: hosts whose certificates are not checked.
    """

    scratch: Path | None = None
    requests: RequestOptions = NO_OPTIONS
    insecure: frozenset[str] = frozenset()


class ShardDownloads:
    """Downloads entries into a folder, and collects their outcomes.

    Args:
        folder: folder of the files.
        plan: plan of the run.
        worker: options of the worker.
        journal: takes each outcome as soon as it is known.
    """

    def __init__(
        self, folder: Path, plan: FleetPlan, worker: WorkerOptions, journal: Journal
    ) -> None:
        self._folder = folder
        self._plan = plan
        self._worker = worker
        self._journal = journal
        self._keys: dict[str, str] = {}  # of entries that have not ended, by id of the download
        self._found: list[tuple[str, DownloadSkippedEvent]] = []  # files without an outcome
        self._one_ended = asyncio.Event()
        self._flushing: asyncio.TimerHandle | None = None
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.outcomes: dict[str, EntryOutcome] = {}

    async def run(self, entries: Sequence[FleetEntry]) -> None:
        """Download all entries; `outcomes` has the result of each.

        Raises:
            ShardError: this worker cannot go on.
            OSError: the journal cannot be written.
        """
        if not entries:
            return
        try:
            await self._download(entries)
        finally:
            self._flush()
        if self._failure.done():
            self._failure.result()
        await asyncio.to_thread(self._note_found)

    async def _download(self, entries: Sequence[FleetEntry]) -> None:
        async with self._manager(entries) as manager:
            manager.on(DownloadEventType.COMPLETED, self._completed)
            manager.on(DownloadEventType.FAILED, self._failed)
            manager.on(DownloadEventType.SKIPPED, self._skipped)
            feeding = asyncio.ensure_future(self._feed(manager, iter(entries)))
            try:
                await asyncio.wait({feeding, self._failure}, return_when=asyncio.FIRST_COMPLETED)
                if self._failure.done():
                    self._failure.result()
                await feeding
            finally:
                feeding.cancel()

    def _manager(self, entries: Sequence[FleetEntry]) -> DownloadManager:
        raise_descriptor_limit()
        plan, settings = self._plan, load_settings().settings
        options = EngineOptions(
            max_concurrent=plan.concurrency,
            download_dir=self._folder,
            file_exists_strategy=FileExistsStrategy.SKIP,
            connect_timeout=_CONNECT_SECONDS,
            response_timeout=_RESPONSE_SECONDS,
            stall_timeout=_STALL_SECONDS,
            connections=1,
            connections_per_host=plan.host_connections,
            durable=False,  # synced with the facts
            network_timeout=settings.network_timeout,
            max_size=plan.max_size,
            hosts=shard_limits(plan, entries, make_host_limits(settings)),
            request_rules=make_request_rules(settings, self._worker.insecure),
        )
        retries = RetryHandler(RetryConfig(max_retries=plan.retries))
        return DownloadManager.from_options(options, tracker=NullTracker(), retry_handler=retries)

    async def _feed(self, manager: DownloadManager, entries: Iterator[FleetEntry]) -> None:
        while batch := tuple(islice(entries, _BATCH)):
            configs = [self._config_of(entry) for entry in batch]
            self._keys.update(
                zip((each.id for each in configs), (e.key for e in batch), strict=True)
            )
            await manager.add(configs)
            while len(self._keys) >= _READ_AHEAD:
                self._one_ended.clear()
                await self._one_ended.wait()
            await asyncio.sleep(0)
        await manager.wait_until_complete()

    def _config_of(self, entry: FleetEntry) -> FileConfig:
        algorithm, expected = self._plan.compute_hash, entry.hash
        return FileConfig(
            url=entry.url,
            filename=file_name(entry),
            size_bytes=entry.size_bytes,
            hash_config=HashConfig.from_checksum_string(expected) if expected else None,
            compute_hash=HashAlgorithm(algorithm) if algorithm else None,
            request=self._worker.requests,
        )

    # Ends

    def _completed(self, event: DownloadCompletedEvent) -> None:
        moved = event.final_url if event.final_url != event.url else None
        self._note(
            event.download_id,
            EntryOutcome(
                self._keys[event.download_id],
                "completed",
                file=Path(event.destination_path).name,
                status=event.http_status,
                size=event.total_bytes,
                type=event.media_type,
                hash=event.computed_hash or _hash_of(event.validation),
                final_url=moved,
                attempts=event.attempts,
                seconds=round(event.elapsed_seconds, 3),
            ),
        )

    def _failed(self, event: DownloadFailedEvent) -> None:
        if is_of_worker(event.error):
            self._fail(_shard_error(event.error))
            return
        self._note(
            event.download_id,
            EntryOutcome(
                self._keys[event.download_id],
                "failed",
                status=event.error.http_status,
                error=event.error.message,
                kind=kind_of(event.error),
                attempts=event.attempts,
                seconds=round(event.elapsed_seconds, 3),
            ),
        )

    def _skipped(self, event: DownloadSkippedEvent) -> None:
        """Take note of a file that a killed worker completed, but did not note."""
        self._found.append((self._keys.pop(event.download_id), event))
        self._one_ended.set()

    def _note_found(self) -> None:
        """Note the outcomes of such files. Blocks."""
        for key, event in self._found:
            path = Path(event.destination_path or "")
            checksum = _hash_of(event.validation)
            if checksum is None and self._plan.compute_hash is not None:
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, self._plan.compute_hash).hexdigest()
                checksum = f"{self._plan.compute_hash}:{digest}"
            size = path.stat().st_size
            outcome = EntryOutcome(key, "completed", file=path.name, size=size, hash=checksum)
            self._journal.note(outcome)
            self.outcomes[key] = outcome
        self._journal.flush()

    def _note(self, download_id: str, outcome: EntryOutcome) -> None:
        self._journal.note(outcome)
        if self._flushing is None:
            loop = asyncio.get_running_loop()
            self._flushing = loop.call_later(_NOTE_SECONDS, self._flush)
        self.outcomes[outcome.key] = outcome
        del self._keys[download_id]
        self._one_ended.set()

    def _flush(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        try:
            self._journal.flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)


def _hash_of(validation: ValidationResult | None) -> str | None:
    if validation is None or not validation.is_valid:
        return None
    return f"{validation.algorithm.value}:{validation.calculated_hash}"


def _shard_error(error: ErrorInfo) -> ShardError:
    return ShardError(error.message, name_of(error))
