"""Convert download events to the outcomes of entries."""

import hashlib
import os
from pathlib import Path

from rheo_core.domain.fleet import EntryOutcome, FleetEntry
from rheo_core.domain.hash_validation import ValidationResult
from rheo_core.events import DownloadCompletedEvent, DownloadFailedEvent, DownloadSkippedEvent

from .error_kinds import HOST_DOWN, UNREADABLE, kind_of


def completed(key: str, event: DownloadCompletedEvent) -> EntryOutcome:
    """Return the outcome of an entry whose file is complete."""
    return EntryOutcome(
        key,
        "completed",
        file=event.destination_path.rpartition(os.sep)[2],  # a Path takes ten times as long
        status=event.http_status,
        size=event.total_bytes,
        type=event.media_type,
        hash=event.computed_hash or _hash_of(event.validation),
        final_url=event.final_url if event.final_url != event.url else None,
        attempts=event.attempts,
        seconds=round(event.elapsed_seconds, 3),
    )


def failed(key: str, event: DownloadFailedEvent) -> EntryOutcome:
    """Return the outcome of an entry whose download failed."""
    return EntryOutcome(
        key,
        "failed",
        status=event.error.http_status,
        error=event.error.message,
        kind=kind_of(event.error),
        attempts=event.attempts,
        seconds=round(event.elapsed_seconds, 3),
    )


def unrecorded(key: str, event: DownloadSkippedEvent, algorithm: str | None) -> EntryOutcome:
    """Return the outcome of a file that a killed worker completed but did not record. Blocks.

    Args:
        key: key of the entry.
        event: reports that the file exists.
        algorithm: hash to compute; None: none.

    Raises:
        OSError: the file cannot be read.
    """
    path = Path(event.destination_path or "")
    checksum = _hash_of(event.validation)
    if checksum is None and algorithm is not None:
        with path.open("rb") as file:
            checksum = f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"
    return EntryOutcome(key, "completed", file=path.name, size=path.stat().st_size, hash=checksum)


def host_down(key: str, host: str) -> EntryOutcome:
    """Return the outcome of an entry that was skipped because its host does not answer."""
    error = f"not tried, because many connections to {host} failed in a row"
    return EntryOutcome(key, "failed", error=error, kind=HOST_DOWN)


def unreadable(entry: FleetEntry) -> EntryOutcome:
    """Return the outcome of an entry that cannot be downloaded."""
    return EntryOutcome(entry.key, "unreadable", error=entry.problem, kind=UNREADABLE)


def _hash_of(validation: ValidationResult | None) -> str | None:
    if validation is None or not validation.is_valid:
        return None
    return f"{validation.algorithm.value}:{validation.calculated_hash}"
