"""Convert downloads to session rows and back, without unneeded secrets."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from rheo_core.domain.downloads import NOT_STORED, DownloadStatus
from rheo_core.domain.failures import Failure
from rheo_core.domain.file_config import ID_RULE, STORED, FileConfig
from rheo_core.domain.hash_validation import ValidationResult
from rheo_core.domain.request_options import CERTIFICATE, PROTECTING, REVEAL
from rheo_core.domain.text import redact
from rheo_core.domain.untrusted import MAX_PRIORITY, Untrusted, admit
from rheo_core.tracking.record import AttemptStats, DownloadRecord

from .session_schema import Proof, StoredDownload

_NO_STATS = AttemptStats()  # shared, because most of a long list has none


def to_stored(record: DownloadRecord) -> StoredDownload:
    """Return the row of a download. A running one is stored as queued, for the next start."""
    status = record.status
    is_paused = status is DownloadStatus.PAUSED and not record.waits_for_room
    is_settled = status.is_terminal or is_paused
    stats = record.stats_or_none or _NO_STATS
    validation, config = stats.validation, _storable_config(record)
    return StoredDownload(
        id=record.id,
        config=config.model_dump_json(
            exclude_defaults=True, exclude_computed_fields=True, context=REVEAL
        ),
        status=status.value if is_settled else DownloadStatus.QUEUED.value,
        priority=record.priority,
        rank=str(record.rank),
        added_at=record.added_at,
        started_at=stats.started_at,
        finished_at=record.finished_at,
        bytes_downloaded=record.bytes_downloaded,
        total_bytes=record.total_bytes,
        destination=None if record.destination is None else str(record.destination),
        name=record.name,
        error=stats.error,
        attempt=stats.attempt,
        failures=stats.failures,
        validation=(
            None if validation is None else validation.model_dump_json(exclude_computed_fields=True)
        ),
        reason=_storable_reason(record, config) if is_settled else "",
        max_attempts=stats.max_attempts,
        elapsed=stats.elapsed,
        transferred=stats.transferred,
        listed=record.listed,
        failure=None if stats.failure is None else stats.failure.to_text(),
    )


def _storable_config(record: DownloadRecord) -> FileConfig:
    """Return the config to store. No secret outlives its use.

    A download that may continue needs its secrets after a restart, and rheo identifies the source
    of partial data by its whole URL. A download that has ended keeps the secrets in its URL while
    it is in the list, because its id comes from the URL. Unless it is completed, it also keeps the
    secrets in the link that replaced the URL, because a retry needs them. The history keeps none.
    """
    if not record.status.is_terminal or record.is_kept:
        return record.config
    if not record.listed:
        return record.config.without_secrets()
    if record.status is DownloadStatus.FAILED:  # it may be retried
        return record.config
    config = record.config.without_options()
    if config.fetch_url is None and not config.mirrors:
        return config
    mirrors = tuple(filter(_is_harmless, config.mirrors))
    link = config.fetch_url
    if record.status is DownloadStatus.COMPLETED and link is not None and not _is_harmless(link):
        link = None
    return config.model_copy(update={"mirrors": mirrors, "fetch_url": link})


def _storable_reason(record: DownloadRecord, stored: FileConfig) -> str:
    """Return the reason to store: it names the login and headers that `stored` lacks."""
    lost = _credentials_of(record.config) if stored is not record.config else []
    if not lost:
        return record.reason
    verb = "was" if lost == ["login"] else "were"
    note = f"its {' and '.join(lost)} {verb} {NOT_STORED}"
    return f"{record.reason}; {note}" if record.reason else note


def _credentials_of(config: FileConfig) -> list[str]:
    """Return the kinds of options by which a download logs in."""
    request = config.request
    login = ["login"] if request.user or request.bearer else []
    return [*login, *(["headers"] if config.headers or request.headers else [])]


def _is_harmless(url: str) -> bool:
    """Return True if a URL contains no secret."""
    return redact(url) == url


def to_record(row: StoredDownload) -> DownloadRecord:
    """Return the download of a row.

    Its id comes from its config. It differs from the id of the row only if another id rule made
    that one, or if the history removed the secrets from the URL.

    Raises:
        ValueError, OverflowError: the row is not valid; pydantic's ValidationError is a ValueError.
    """
    if row.proof is Proof.INTACT:
        return _from_outside(row)
    # A field that only another version knows is dropped; the rest of the row stays usable.
    config = FileConfig.model_validate_json(row.config, extra="ignore", context=STORED)
    if row.id != config.id and row.id_rule == ID_RULE and row.listed:
        raise ValueError("the id is not that of its URL")
    stats = _stats_of(row)
    return DownloadRecord(
        config=config,
        id=config.id,
        final_name=None if row.name == config.get_destination_filename() else row.name,
        priority=row.priority,
        rank=row.exact_rank(),
        status=DownloadStatus(row.status),
        reason=row.reason,
        bytes_downloaded=row.bytes_downloaded,
        total_bytes=row.total_bytes,
        added_at=row.added_at,
        finished_at=row.finished_at,
        destination=None if row.destination is None else Path(row.destination),
        listed=bool(row.listed),
        stats_or_none=None if stats == _NO_STATS else stats,
    )


def _stats_of(row: StoredDownload) -> AttemptStats:
    validation = row.validation
    return AttemptStats(
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        failures=row.failures,
        started_at=row.started_at,
        elapsed=row.elapsed,
        transferred=row.transferred,
        error=row.error,
        failure=None if row.failure is None else Failure.of_text(row.failure),
        validation=None if validation is None else ValidationResult.model_validate_json(validation),
    )


_MAX_TIME_SECONDS = 253_402_300_799.0  # the end of the year 9999, seconds since the epoch
_FOREIGN_FIELDS = frozenset(Untrusted._fields) - {
    "wishes",
    "priority",
    "file_exists_strategy",
    "timeout",
}
"""Fields that another user's row may set. The priority has its own column. The user's strategy and
timeout, which a row may only make stricter, are unknown here."""

_LOST = "would not be used"
"""Part of the reason of a download that has lost its protection, and the only record of this in a
session. Do not reword it, because old rows contain it."""
_PROTECTIVE_OPTIONS = PROTECTING | CERTIFICATE


def _from_outside(row: StoredDownload) -> DownloadRecord:
    """Return the download of a row that another user wrote, with only the options of a list.

    The row chooses what to download, but not the destination, the replacement of files, the route
    of requests, or the progress. If it has a proxy or a similar option, the download is paused; if
    it has ended, it cannot be queued again.

    Raises:
        ValueError, OverflowError: the row is not valid.
    """
    requested = from_json(row.config)
    if not isinstance(requested, dict):
        raise ValueError("the download is not an object")
    fields = {name: requested[name] for name in _FOREIGN_FIELDS if name in requested}
    config = admit(Untrusted(**fields)).config
    if not all(0 <= time <= _MAX_TIME_SECONDS for time in (row.added_at, row.finished_at or 0.0)):
        raise ValueError("a time is out of range")
    record = DownloadRecord.of(config, row.added_at)
    record.priority = min(max(row.priority, 1), MAX_PRIORITY)
    record.rank = row.exact_rank()
    float(record.rank)  # OverflowError: the screen cannot sort by it
    status = DownloadStatus(row.status)
    is_settled = status.is_terminal or status is DownloadStatus.PAUSED
    record.status = status if is_settled else DownloadStatus.QUEUED
    if lost := _protection_in(requested):
        # It may be the user's own row, which was meant to avoid a direct connection.
        without = "them" if len(lost) > 1 else "it"
        record.reason = f"its {', '.join(lost)} {_LOST}; "
        if row.listed and status is not DownloadStatus.COMPLETED:  # a retry is one key
            record.status = DownloadStatus.PAUSED
            record.reason += f"resume it to connect without {without}"
        else:
            record.reason += f"add its URL again to connect without {without}"
    record.finished_at = row.finished_at if record.status.is_terminal else None
    record.listed = bool(row.listed)
    return record


def has_lost_protection(record: DownloadRecord) -> bool:
    """Return True if another user's row asked for a proxy or a similar option, by its `reason`."""
    return record.status.is_terminal and _LOST in record.reason


def _protection_in(requested: dict[str, Any]) -> list[str]:
    """Return the names of options in a row that protect the user, such as a proxy."""
    request = requested.get("request")
    named = request if isinstance(request, dict) else {}
    return sorted(
        name.replace("_", " ") for name in _PROTECTIVE_OPTIONS if named.get(name) is not None
    )


@dataclass(frozen=True, slots=True)
class LoadedRecords:
    """Records of the rows of a session, and the unusable rows."""

    records: list[DownloadRecord]
    renamed: list[tuple[str, DownloadRecord]]  # the old id, and the record with its new one
    unreadable: list[str]  # ids
    foreign: list[DownloadRecord]  # those of `records` that another user wrote

    def extend(self, other: "LoadedRecords") -> None:
        """Append the results for other rows."""
        self.records.extend(other.records)
        self.renamed.extend(other.renamed)
        self.unreadable.extend(other.unreadable)
        self.foreign.extend(other.foreign)


def records_of(rows: Iterable[StoredDownload]) -> LoadedRecords:
    """Return the downloads of `rows` in their order, and list invalid rows separately."""
    loaded = LoadedRecords([], [], [], [])
    for row in rows:
        if row.proof is Proof.DAMAGED:
            loaded.unreadable.append(row.id)
            continue
        try:
            record = to_record(row)
        except (ValueError, TypeError, ArithmeticError, AttributeError):
            loaded.unreadable.append(row.id)
            continue
        loaded.records.append(record)
        if row.proof is Proof.INTACT:
            loaded.foreign.append(record)
        if record.id != row.id:
            loaded.renamed.append((row.id, record))
    return loaded
