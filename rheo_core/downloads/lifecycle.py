"""Lifecycle: change the status of a download, then send the event."""

import logging
import time
from functools import cache
from pathlib import Path
from typing import Protocol

from rheo_core.domain.cancellation import CancelledFrom
from rheo_core.domain.downloads import DownloadStatus
from rheo_core.domain.exceptions import DiskFullError, DownloadError, failure_of
from rheo_core.domain.hash_validation import HashAlgorithm
from rheo_core.domain.text import printable, redact
from rheo_core.events import (
    BaseEmitter,
    DownloadCancelledEvent,
    DownloadCompletedEvent,
    DownloadEvent,
    DownloadEventType,
    DownloadFailedEvent,
    DownloadPausedEvent,
    DownloadPriorityChangedEvent,
    DownloadQueuedEvent,
    DownloadRemovedEvent,
    DownloadRepairingEvent,
    DownloadResumedEvent,
    DownloadRetryingEvent,
    DownloadSkippedEvent,
    DownloadStartedEvent,
    DownloadValidatingEvent,
    ErrorInfo,
)
from rheo_core.events.base import publish_safely
from rheo_core.events.models import IS_EVENT
from rheo_core.tracking import BaseTracker, DownloadRecord

_log = logging.getLogger(__name__)


class RecordStore(Protocol):
    """Saves changes that must outlive the process (`Session`)."""

    def note(self, record: DownloadRecord) -> None:
        """Record a change; this returns at once."""

    def drop(self, download_id: str) -> None:
        """Forget a download; this returns at once."""

    async def save_changes(self) -> bool:
        """Save what was noted."""


class Lifecycle:
    """Reports each change of a download to tracker, session and listeners, in this order."""

    def __init__(
        self, tracker: BaseTracker, emitter: BaseEmitter, store: RecordStore | None = None
    ) -> None:
        self._tracker = tracker
        self._emitter = emitter
        self._store = store

    def queued(self, record: DownloadRecord) -> None:
        """Report a new download that waits for a slot. The caller adds it to the journal."""
        self._tracker.add(record)
        self._publish(record, DownloadQueuedEvent, priority=record.priority)

    def connecting(self, record: DownloadRecord, max_attempts: int) -> None:
        """Report that a download has a slot and an attempt begins."""
        record.begin_attempt(max_attempts)
        record.retry_at = None
        self._change(record, DownloadStatus.PENDING)

    def started(self, record: DownloadRecord) -> None:
        """Report that bytes will follow. Send the event only once for all attempts."""
        self._change(record, DownloadStatus.IN_PROGRESS)
        stats = record.stats
        if not stats.announced:
            stats.announced = True
            self._publish(
                record,
                DownloadStartedEvent,
                total_bytes=record.total_bytes,
                offset=record.bytes_downloaded,
            )

    def explain(self, record: DownloadRecord, reason: str) -> None:
        """Set a short reason for the present state; "" clears it."""
        if record.reason != reason:
            record.reason = reason
            self._tracker.touch(record)

    def explain_ended(self, download_id: str, reason: str) -> None:
        """Set the reason of an ended download; ignore one that has begun again."""
        record = self._tracker.get(download_id)
        if record is not None and record.status.is_terminal:
            record.reason = reason
            self.changed(record)

    def verifying(self, record: DownloadRecord, algorithm: HashAlgorithm) -> None:
        """Report that the checksum is being verified."""
        self._change(record, DownloadStatus.VERIFYING)
        self._publish(record, DownloadValidatingEvent, algorithm=algorithm)

    def repairing(self, record: DownloadRecord, bad: int, pieces: int, host: str) -> None:
        """Report that bad pieces are fetched again."""
        self._change(record, DownloadStatus.IN_PROGRESS)
        self._publish(record, DownloadRepairingEvent, bad_pieces=bad, pieces=pieces, host=host)

    def completed(self, record: DownloadRecord) -> None:
        """Report that the file has its final name."""
        record.end_attempt()
        stats = record.stats
        stats.error = stats.failure = stats.http_status = None
        self._end(record, DownloadStatus.COMPLETED)
        if not self._emitter.has_listeners(DownloadEventType.COMPLETED):
            return  # nobody needs its facts
        self._publish(
            record,
            DownloadCompletedEvent,
            destination_path=str(record.destination),
            total_bytes=record.bytes_downloaded,
            elapsed_seconds=stats.elapsed,
            average_speed_bps=record.average_speed_bps or 0.0,
            validation=stats.validation,
            computed_hash=stats.computed_hash,
            http_status=stats.response_status,
            media_type=stats.media_type and printable(stats.media_type),
            final_url=stats.final_url and redact(stats.final_url),
            attempts=stats.attempt,
        )

    def skipped(self, record: DownloadRecord, path: Path) -> None:
        """Report that the file existed already."""
        record.end_attempt()
        record.destination = path
        record.final_name = path.name
        self._end(record, DownloadStatus.SKIPPED, "file exists")
        self._publish(
            record,
            DownloadSkippedEvent,
            reason="file_exists",
            destination_path=str(path),
            validation=record.stats.validation,
        )

    def failed(self, record: DownloadRecord, error: Exception) -> None:
        """Report a failure without another attempt."""
        info = self._note_error(record, error)
        existing = error.existing if isinstance(error, DownloadError) else None
        if existing is not None and not record.bytes_downloaded:
            record.destination, record.final_name = existing, existing.name
        url = printable(redact(record.config.url))  # a log may go to a terminal as it is
        _log.warning("%s failed: %s", url, printable(info.message), extra={IS_EVENT: True})
        self._end(record, DownloadStatus.FAILED)
        self._publish(
            record,
            DownloadFailedEvent,
            error=info,
            validation=record.stats.validation,
            elapsed_seconds=record.stats.elapsed,
            attempts=record.stats.attempt,
        )

    def retrying(
        self, record: DownloadRecord, error: Exception, delay: float, max_retries: int
    ) -> None:
        """Report that the next attempt follows after `delay` seconds."""
        info = self._note_error(record, error)
        record.retry_at = time.time() + delay
        self._change(record, DownloadStatus.RETRYING)
        self._publish(
            record,
            DownloadRetryingEvent,
            retry=record.stats.failures,
            max_retries=max(max_retries, record.stats.failures),
            delay_seconds=delay,
            error=info,
        )

    def cancelled(self, record: DownloadRecord, was: CancelledFrom) -> None:
        """Report that the user cancelled the download."""
        self._end(record, DownloadStatus.CANCELLED)
        self._publish(record, DownloadCancelledEvent, cancelled_from=was)

    def paused(self, record: DownloadRecord) -> None:
        """Report that the user paused the download."""
        record.retry_at = None
        self._change(record, DownloadStatus.PAUSED)
        self._publish(record, DownloadPausedEvent)

    def paused_for_room(self, record: DownloadRecord, error: DiskFullError) -> None:
        """Report that the disk is full; the download continues when there is room."""
        self._note_error(record, error)
        self._change(record, DownloadStatus.PAUSED)
        record.waits_for_room = True
        record.reason = "disk full; continues when there is space"
        self.changed(record)
        self._publish(record, DownloadPausedEvent, reason=str(error))

    def kept(self, record: DownloadRecord, path: Path) -> None:
        """Report that data which failed its check is kept under another name."""
        record.reason = f"kept as {path.name}"
        self.changed(record)

    def resumed(self, record: DownloadRecord) -> None:
        """Report that a paused download waits for a slot again."""
        self._change(record, DownloadStatus.QUEUED)
        self._publish(record, DownloadResumedEvent)

    def put_off(self, record: DownloadRecord, reason: str) -> None:
        """Report that an attempt ended because of a shortage and does not count.

        The reason completes `waiting: `, which readers of the list add.
        """
        record.end_attempt()
        record.stats.attempt -= 1
        self._change(record, DownloadStatus.QUEUED)
        self.explain(record, reason)

    def waits_again(self, record: DownloadRecord) -> None:
        """Report that the wait for an attempt is over, or that a stopped one keeps its place."""
        record.retry_at = None
        reason = record.reason if record.status is DownloadStatus.QUEUED else ""
        self._change(record, DownloadStatus.QUEUED)
        if reason:  # that of `put_off` still holds
            self.explain(record, reason)

    def priority_changed(self, record: DownloadRecord) -> None:
        """Report another priority."""
        self.changed(record)
        self._publish(record, DownloadPriorityChangedEvent, priority=record.priority)

    def changed(self, record: DownloadRecord) -> None:
        """Report a change without an event, such as another place in the queue."""
        self._tracker.touch(record)
        self.note(record)

    def removed(self, record: DownloadRecord) -> None:
        """Report that a download left the list."""
        self._tracker.remove(record.id)
        record.listed = False
        self.note(record)
        self._publish(record, DownloadRemovedEvent)

    async def save_renamed(self, record: DownloadRecord, again: DownloadRecord) -> bool:
        """Save that another record, with another id, takes the place of this one.

        Return False if the session could not be written, so that it still has this one.
        """
        if self._store is None:
            return True
        self._store.drop(record.id)
        self._store.note(again)
        return await self._store.save_changes()

    def renamed(self, record: DownloadRecord) -> None:
        """Report that another record takes the place of this one; see `save_renamed`."""
        self._tracker.drop(record.id)
        self._publish(record, DownloadRemovedEvent)

    def restored(self, record: DownloadRecord) -> None:
        """Report that a removed download is in the list again."""
        record.listed = True
        self.changed(record)

    def _note_error(self, record: DownloadRecord, error: Exception) -> ErrorInfo:
        record.end_attempt()
        info, stats = ErrorInfo.from_exception(error), record.stats
        stats.error, stats.http_status = info.message, info.http_status
        stats.failure = failure_of(error)
        _log.info("%s: attempt %d failed: %s", record.id, stats.attempt, info.message)
        return info

    def _change(self, record: DownloadRecord, status: DownloadStatus) -> None:
        record.reason = ""
        record.waits_for_room = False
        self._tracker.touch(record, status)
        if self._store is not None:
            self._store.note(record)

    def _end(self, record: DownloadRecord, status: DownloadStatus, reason: str = "") -> None:
        record.finished_at = time.time()
        record.retry_at = None
        record.waits_for_room = False
        record.reason = reason
        self._tracker.touch(record, status)
        if self._store is not None:
            self._store.note(record)

    def note(self, record: DownloadRecord) -> None:
        """Save the record in the journal, if there is one."""
        if self._store is not None:
            self._store.note(record)

    def _publish(self, record: DownloadRecord, kind: type[DownloadEvent], **facts: object) -> None:
        if self._emitter.has_listeners(_type_of(kind)):
            values = {"download_id": record.id, "url": redact(record.config.url), **facts}
            publish_safely(self._emitter, kind.model_validate(values))


@cache
def _type_of(kind: type[DownloadEvent]) -> DownloadEventType:
    event_type: DownloadEventType = kind.model_fields["event_type"].default
    return event_type
