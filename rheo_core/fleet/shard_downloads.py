"""Download the entries of one shard, and record each outcome in the journal."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rheo_core.config import Settings, load_settings
from rheo_core.domain import robots_tag
from rheo_core.domain.engine_options import EngineOptions
from rheo_core.domain.exceptions import RheoError
from rheo_core.domain.failures import FailureKind
from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.file_exists import FileExistsStrategy
from rheo_core.domain.fleet import EntryOutcome, FleetEntry, FleetPlan
from rheo_core.domain.hash_algorithms import HashAlgorithm
from rheo_core.domain.hash_validation import HashConfig
from rheo_core.domain.request_options import NO_OPTIONS, RequestOptions
from rheo_core.domain.retry import RetryConfig
from rheo_core.domain.schedule import share_of_line
from rheo_core.domain.units import share_of_rate
from rheo_core.downloads import DownloadManager, RetryHandler
from rheo_core.engine import make_host_limits, make_request_rules
from rheo_core.events import (
    DownloadCancelledEvent,
    DownloadCompletedEvent,
    DownloadEventType,
    DownloadFailedEvent,
    DownloadSkippedEvent,
)
from rheo_core.infrastructure.network import has_route
from rheo_core.infrastructure.shortage_errors import raise_descriptor_limit
from rheo_core.tracking import NullTracker

from . import outcomes
from .breaker import Breaker
from .contact import user_agent_with
from .disk_room import is_full, remove_partial
from .error_kinds import DISK_FULL, NO_NETWORK, is_of_worker
from .file_names import file_name
from .journal import Journal
from .lanes import authority_of
from .politeness import plan_within, shard_limits

_CONNECT_SECONDS = 10.0
_RESPONSE_SECONDS = 30.0
_STALL_SECONDS = 30.0
_NETWORK_SECONDS = 60.0
_NOTE_SECONDS = 0.1
"""Interval between writes of the journal. After a kill, rheo knows only size and hash of files that
ended within it. One write per file would contend with the disk threads."""
_BATCH = 250
"""Entries added at a time, so that the first downloads begin at once."""
_READ_AHEAD = 4_000
"""Entries that wait or run, so that a busy host does not hide idle ones further down."""


class ShardError(RheoError):
    """The worker cannot continue a shard. The ended entries are in the journal.

    Attributes:
        failure: kind of the failed download behind it; None if there is none.
    """

    def __init__(self, message: str, failure: FailureKind | None = None) -> None:
        super().__init__(message)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Options that belong to a worker instead of the plan. Secrets never leave it.

    Args:
        scratch: folder for temporary files; None: see `ShardPaths.of`.
        requests: options of all requests, such as a User-Agent or a token.
        insecure: hosts whose certificates are not checked.
        ignore_robots_tag: ignore X-Robots-Tag if the plan does. A plan alone does not suffice,
            because somebody else may have written it.
    """

    scratch: Path | None = None
    requests: RequestOptions = NO_OPTIONS
    insecure: frozenset[str] = frozenset()
    ignore_robots_tag: bool = False


class ShardDownloads:
    """Downloads entries into a folder, and collects their outcomes.

    Args:
        folder: folder of the files.
        plan: plan of the run.
        worker: options of the worker.
        journal: takes each outcome as soon as it is known.
        at_once: shards of the run at a time, which share limits of the settings.
    """

    def __init__(
        self, folder: Path, plan: FleetPlan, worker: WorkerOptions, journal: Journal, at_once: int
    ) -> None:
        self._folder = folder
        self._at_once = at_once
        self._plan = plan
        self._worker = worker
        self._journal = journal
        self._open: dict[str, FleetEntry] = {}  # entries that have not ended, by id of the download
        self._breaker = Breaker()
        self._giving_up: list[asyncio.Future[list[str]]] = []  # cancellations at hosts
        self._looking: list[asyncio.Future[None]] = []  # checks of the disk
        self._manager: DownloadManager | None = None
        self._unrecorded: list[tuple[str, DownloadSkippedEvent]] = []  # files without an outcome
        self._one_ended = asyncio.Event()
        self._flushing: asyncio.TimerHandle | None = None
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.outcomes: dict[str, EntryOutcome] = {}

    async def run(self, entries: Sequence[FleetEntry]) -> None:
        """Download all entries; `outcomes` has the result of each.

        Raises:
            ShardError: this worker cannot continue.
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
        await asyncio.to_thread(self._note_unrecorded)

    async def _download(self, entries: Sequence[FleetEntry]) -> None:
        async with self._new_manager(entries) as manager:
            self._manager = manager
            manager.on(DownloadEventType.COMPLETED, self._completed)
            manager.on(DownloadEventType.FAILED, self._failed)
            manager.on(DownloadEventType.SKIPPED, self._skipped)
            manager.on(DownloadEventType.CANCELLED, self._cancelled)
            feeding = asyncio.ensure_future(self._feed(manager, iter(entries)))
            try:
                await asyncio.wait({feeding, self._failure}, return_when=asyncio.FIRST_COMPLETED)
                if self._failure.done():
                    self._failure.result()
                await feeding
            finally:
                feeding.cancel()

    def _new_manager(self, entries: Sequence[FleetEntry]) -> DownloadManager:
        raise_descriptor_limit()
        settings = _with_contact(load_settings().settings, self._plan.contact)
        plan = plan_within(self._plan, settings, self._at_once)
        ignores_robots_tag = plan.ignore_robots_tag and self._worker.ignore_robots_tag
        options = EngineOptions(
            max_concurrent=plan.concurrency,
            download_dir=self._folder,
            file_exists_strategy=FileExistsStrategy.SKIP,
            timeout=settings.timeout,
            speed_limit_bps=share_of_rate(settings.speed_limit, self._at_once),
            schedule=[share_of_line(line, self._at_once) for line in settings.schedule],
            connect_timeout=_CONNECT_SECONDS,
            response_timeout=_RESPONSE_SECONDS,
            stall_timeout=_STALL_SECONDS,
            connections=1,
            connections_per_host=plan.host_connections,
            durable=False,  # synced with the facts
            network_timeout=_NETWORK_SECONDS,
            max_size=plan.max_size,
            refused_robots_tags=frozenset() if ignores_robots_tag else robots_tag.REFUSALS,
            hosts=shard_limits(plan, entries, make_host_limits(settings)),
            request_rules=make_request_rules(settings, self._worker.insecure),
        )
        retries = RetryHandler(RetryConfig(max_retries=plan.retries))
        return DownloadManager.from_options(options, tracker=NullTracker(), retry_handler=retries)

    async def _feed(self, manager: DownloadManager, entries: Iterator[FleetEntry]) -> None:
        while batch := tuple(islice(entries, _BATCH)):
            await manager.add(list(self._configs_of(batch)))
            while len(self._open) >= _READ_AHEAD:
                self._one_ended.clear()
                await self._one_ended.wait()
            await asyncio.sleep(0)
        await manager.wait_until_complete()
        await asyncio.gather(*self._looking)

    def _configs_of(self, entries: Sequence[FleetEntry]) -> Iterator[FileConfig]:
        for entry in entries:
            host = authority_of(entry.url)
            config = self._config_of(entry)
            self._open[config.id] = entry
            if self._breaker.is_down(host):
                self._note(config.id, outcomes.host_down(entry.key, host))
            else:
                yield config

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
        entry = self._open[event.download_id]
        self._breaker.note(authority_of(entry.url), None)
        self._note(event.download_id, outcomes.completed(entry.key, event))

    def _failed(self, event: DownloadFailedEvent) -> None:
        entry = self._open[event.download_id]
        outcome = outcomes.failed(entry.key, event)
        # With a default route, only the name servers of this host fail.
        is_lost = outcome.kind == NO_NETWORK and not has_route()
        if outcome.kind == DISK_FULL:
            self._looking.append(asyncio.ensure_future(self._after_full_disk(event, outcome)))
            return
        if is_lost or is_of_worker(event.error):
            self._fail(ShardError(event.error.message, event.error.kind))
            return
        self._note(event.download_id, outcome)
        host = authority_of(entry.url)
        if self._breaker.note(host, outcome.kind):
            self._give_up(host)

    async def _after_full_disk(self, event: DownloadFailedEvent, outcome: EntryOutcome) -> None:
        """Continue if the disk has room without the file that did not fit."""
        try:
            await asyncio.to_thread(remove_partial, self._folder, outcome.key)
            is_worker_stuck = await asyncio.to_thread(is_full, self._folder)
        except OSError as error:
            self._fail(error)
            return
        if is_worker_stuck:
            self._fail(ShardError(event.error.message, event.error.kind))
        else:
            self._note(event.download_id, outcome)

    def _skipped(self, event: DownloadSkippedEvent) -> None:
        """Record a file that a killed worker completed but did not record."""
        self._unrecorded.append((self._open.pop(event.download_id).key, event))
        self._one_ended.set()

    def _cancelled(self, event: DownloadCancelledEvent) -> None:
        entry = self._open[event.download_id]
        self._note(event.download_id, outcomes.host_down(entry.key, authority_of(entry.url)))

    def _give_up(self, host: str) -> None:
        """Cancel the downloads from a host that is down."""
        assert self._manager is not None
        ids = [id_ for id_, entry in self._open.items() if authority_of(entry.url) == host]
        self._giving_up.append(asyncio.ensure_future(self._manager.cancel_many(ids)))

    def _note_unrecorded(self) -> None:
        """Record the outcomes of files without one. Blocks."""
        for key, event in self._unrecorded:
            outcome = outcomes.unrecorded(key, event, self._plan.compute_hash)
            self._journal.note(outcome)
            self.outcomes[key] = outcome
        self._journal.flush()

    def _note(self, download_id: str, outcome: EntryOutcome) -> None:
        self._journal.note(outcome)
        if self._flushing is None:
            loop = asyncio.get_running_loop()
            self._flushing = loop.call_later(_NOTE_SECONDS, self._flush)
        self.outcomes[outcome.key] = outcome
        del self._open[download_id]
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


def _with_contact(settings: Settings, contact: str | None) -> Settings:
    """Return settings whose User-Agent has the contact of a plan, unless it has one already."""
    if contact is None:
        return settings
    user_agent = user_agent_with(contact, settings.request.user_agent)
    request = settings.request.model_copy(update={"user_agent": user_agent})
    return settings.model_copy(update={"request": request})
