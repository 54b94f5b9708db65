"""The names, fields and attributes that programs rely on and that may not go away."""

import inspect
from datetime import UTC
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from rheo_core import DownloadInfo, DownloadManager, DownloadStats, DownloadStatus, FileConfig
from rheo_core import domain as domain_package
from rheo_core.domain import (
    CancelledFrom,
    CancelResult,
    FileExistsStrategy,
    HashAlgorithm,
    HashConfig,
    RetryConfig,
    RetryPolicy,
    ValidationResult,
    exceptions,
)
from rheo_core.domain.exceptions import HashMismatchError, PendingDownloadsError
from rheo_core.domain.speed import SpeedCalculator, SpeedMetrics
from rheo_core.events import (
    DownloadEvent,
    DownloadEventType,
    DownloadProgressEvent,
    ErrorInfo,
    models,
)

_EXCEPTIONS = (
    "RheoError DownloadManagerError ManagerNotInitialisedError PendingDownloadsError "
    "DownloadError FileExistsError FileValidationError FileAccessError HashMismatchError "
    "WorkerError WorkerPoolError WorkerPoolAlreadyStartedError QueueError ProcessQueueError "
    "ValidationError RetryError InfrastructureError HttpClientError ClientNotInitialisedError"
)
_EVENTS = (
    "DownloadEventType DownloadEvent DownloadQueuedEvent DownloadStartedEvent "
    "DownloadProgressEvent DownloadCompletedEvent DownloadFailedEvent DownloadSkippedEvent "
    "DownloadCancelledEvent DownloadRetryingEvent DownloadValidatingEvent ErrorInfo BaseEvent "
    "EventType Handler EventHandler ValidationResult CancelledFrom"
)
_RETRY = "BaseRetryHandler RetryHandler NullRetryHandler ErrorCategoriser"
_VALIDATION = "BaseFileValidator FileValidator NullFileValidator"

NAMES = {
    "rheo_core": (
        "DownloadManager FileConfig DownloadInfo DownloadStatus DownloadStats DownloadTracker "
        "NullTracker PriorityDownloadQueue DownloadWorker EventEmitter __version__"
    ),
    "rheo_core.domain": (
        "FileConfig FileExistsStrategy CancelResult CancelledFrom DownloadInfo DownloadStatus "
        "DownloadStats HashAlgorithm HashConfig ValidationResult ErrorCategory RetryConfig "
        f"RetryPolicy {_EXCEPTIONS}"
    ),
    "rheo_core.domain.cancellation": "CancelResult CancelledFrom",
    "rheo_core.domain.downloads": "DownloadInfo DownloadStatus DownloadStats",
    "rheo_core.domain.file_config": "FileConfig FileExistsStrategy",
    "rheo_core.domain.hash_validation": "HashAlgorithm HashConfig ValidationResult",
    "rheo_core.domain.retry": "ErrorCategory RetryConfig RetryPolicy",
    "rheo_core.domain.speed": "SpeedMetrics SpeedCalculator",
    "rheo_core.domain.exceptions": _EXCEPTIONS,
    "rheo_core.downloads": (
        "DownloadManager DownloadWorker PriorityDownloadQueue DestinationResolver "
        f"{_RETRY} {_VALIDATION}"
    ),
    "rheo_core.downloads.retry": _RETRY,
    "rheo_core.downloads.validation": _VALIDATION,
    "rheo_core.events": f"BaseEmitter EventEmitter NullEmitter Subscription {_EVENTS}",
    "rheo_core.events.models": _EVENTS,
    "rheo_core.tracking": "BaseTracker DownloadTracker NullTracker",
    "rheo_core.infrastructure.http": (
        "BaseHttpClient AiohttpClient create_ssl_context create_secure_connector"
    ),
    "rheo_core.config.settings": "Settings build_settings",
    "rheo_core.cli.main": "app",
}


@pytest.mark.parametrize("module", NAMES)
def test_names(module: str) -> None:
    imported = import_module(module)
    assert [name for name in NAMES[module].split() if not hasattr(imported, name)] == []


# Values


def test_enumerations() -> None:
    assert {str(value) for value in FileExistsStrategy} == {"skip", "error", "overwrite", "rename"}
    assert [str(value) for value in CancelResult] == ["cancelled", "not_found", "already_terminal"]
    assert [str(value) for value in CancelledFrom] == ["queued", "in_progress"]
    assert {str(value) for value in DownloadStatus} == {
        *("queued", "pending", "in_progress", "completed", "failed", "skipped", "cancelled"),
        *("paused", "retrying", "verifying"),
    }
    ended = {"completed", "failed", "skipped", "cancelled"}
    assert DownloadStatus.terminal_states() == ended
    assert {status for status in DownloadStatus if status.is_terminal} == ended
    lengths = {str(value): value.hex_length for value in HashAlgorithm}
    assert lengths == {
        **{"md5": 32, "sha256": 64, "sha512": 128},
        **{"sha1": 40, "sha384": 96, "blake2b": 128},
    }


def test_terminal_states_is_the_callers_own() -> None:
    DownloadStatus.terminal_states().clear()
    assert DownloadStatus.COMPLETED.is_terminal


FIELDS: dict[type[BaseModel], str] = {
    FileConfig: (
        "url type description priority size_human size_bytes filename destination_subdir "
        "hash_config timeout file_exists_strategy mirrors fetch_url headers speed_limit start_at "
        "sidecar request pieces check_existing accept_html connections ignore_digest list_options "
        "compute_hash download_dir overwrite_only"
    ),
    DownloadInfo: (
        "id url status bytes_downloaded total_bytes error http_status average_speed_bps "
        "destination_path validation"
    ),
    DownloadStats: (
        "total queued in_progress completed failed cancelled completed_bytes skipped paused"
    ),
    HashConfig: "algorithm expected_hash",
    ValidationResult: "algorithm expected_hash calculated_hash duration_ms",
    RetryPolicy: "transient_status_codes permanent_status_codes retry_unknown_errors",
    RetryConfig: "max_retries base_delay max_delay exponential_base jitter policy",
    SpeedMetrics: "current_speed_bps average_speed_bps eta_seconds elapsed_seconds",
    ErrorInfo: "exc_type message traceback http_status kind",
}


@pytest.mark.parametrize("model", FIELDS, ids=lambda model: model.__name__)
def test_fields(model: type[BaseModel]) -> None:
    assert set(model.model_fields) == set(FIELDS[model].split())


def test_defaults() -> None:
    file = FileConfig(url="http://example.com/a.zip")
    assert (file.priority, file.file_exists_strategy) == (1, None)
    assert file.get_destination_filename() == "a.zip"
    retry = RetryConfig()
    assert (retry.max_retries, retry.base_delay, retry.max_delay) == (3, 1.0, 60.0)
    assert (retry.exponential_base, retry.jitter) == (2.0, True)
    assert retry.policy.transient_status_codes == {408, 429, 500, 502, 503, 504}
    assert retry.policy.permanent_status_codes == {400, 401, 403, 404, 405, 410}
    assert not retry.policy.retry_unknown_errors
    signature = inspect.signature(SpeedCalculator)
    assert signature.parameters["window_seconds"].default == 5.0
    record = inspect.signature(SpeedCalculator.record_chunk)
    assert list(record.parameters)[1:] == [
        *("chunk_bytes", "bytes_downloaded", "total_bytes", "current_time")
    ]


@pytest.mark.parametrize(
    ("status", "done", "total", "progress"),
    [
        (DownloadStatus.IN_PROGRESS, 25, 100, 0.25),
        (DownloadStatus.IN_PROGRESS, 25, None, 0.0),
        (DownloadStatus.IN_PROGRESS, 0, 0, 0.0),
        (DownloadStatus.IN_PROGRESS, 120, 100, 1.0),
        (DownloadStatus.COMPLETED, 0, 0, 1.0),
        (DownloadStatus.COMPLETED, 25, None, 1.0),
        (DownloadStatus.FAILED, 25, 100, 0.25),
    ],
)
def test_get_progress(
    status: DownloadStatus, done: int, total: int | None, progress: float
) -> None:
    info = DownloadInfo(
        id="1", url="http://a/", status=status, bytes_downloaded=done, total_bytes=total
    )
    assert info.get_progress() == progress
    assert info.is_terminal() == status.is_terminal


# Events

EVENTS: dict[str, str] = {
    "queued": "priority",
    "started": "total_bytes offset",
    "progress": "chunk_size bytes_downloaded total_bytes speed progress_percent",
    "completed": (
        "destination_path total_bytes elapsed_seconds average_speed_bps validation "
        "computed_hash http_status media_type final_url attempts"
    ),
    "failed": "error validation elapsed_seconds attempts",
    "skipped": "reason destination_path validation",
    "cancelled": "cancelled_from",
    "retrying": "retry max_retries delay_seconds error",
    "validating": "algorithm",
    "repairing": "bad_pieces pieces host",
    "paused": "reason",
    "resumed": "",
    "priority_changed": "priority",
    "removed": "",
}
_NEEDED: dict[str, dict[str, Any]] = {
    "queued": {"priority": 1},
    "failed": {"error": ErrorInfo(exc_type="E", message="m")},
    "skipped": {"reason": "file_exists"},
    "cancelled": {"cancelled_from": CancelledFrom.QUEUED},
    "retrying": {"retry": 1, "max_retries": 3, "error": ErrorInfo(exc_type="E", message="m")},
    "validating": {"algorithm": HashAlgorithm.MD5},
    "repairing": {"bad_pieces": 1, "pieces": 2, "host": "a"},
    "priority_changed": {"priority": 2},
}


@pytest.mark.parametrize("name", EVENTS)
def test_event(name: str) -> None:
    class_name = f"Download{name.title().replace('_', '')}Event"
    kind: type[DownloadEvent] = getattr(models, class_name)
    event = kind(download_id="1", url="http://a/", **_NEEDED.get(name, {}))
    common = {"occurred_at", "download_id", "url", "event_type"}
    assert set(event.model_dump()) == {*common, *EVENTS[name].split()}
    assert event.event_type == f"download.{name}" == DownloadEventType(event.event_type)
    assert event.occurred_at.tzinfo is UTC
    with pytest.raises(ValidationError, match="frozen"):
        event.url = "http://b/"  # type: ignore[misc]


def test_event_types() -> None:
    assert {str(value) for value in DownloadEventType} == {f"download.{name}" for name in EVENTS}


@pytest.mark.parametrize(
    ("done", "total", "percent"), [(1, 4, 25.0), (1, None, None), (0, 0, 100.0), (9, 4, 100.0)]
)
def test_progress_percent(done: int, total: int | None, percent: float | None) -> None:
    event = DownloadProgressEvent(
        download_id="1", url="http://a/", bytes_downloaded=done, total_bytes=total
    )
    assert event.progress_percent == percent


def test_error_info() -> None:
    try:
        raise exceptions.HttpStatusError(404, "Not\x1b[31m Found")
    except exceptions.RheoError as error:
        info = ErrorInfo.from_exception(error)
        full = ErrorInfo.from_exception(error, include_traceback=True)
    assert info.exc_type == "rheo_core.domain.exceptions.HttpStatusError"
    assert "404" in info.message
    assert "\x1b" not in info.message
    assert info.traceback is None
    assert full.traceback is not None
    assert "test_error_info" in full.traceback
    assert ErrorInfo.from_exception(TimeoutError()).message == "TimeoutError"


# Exceptions

TREE = {
    "DownloadManagerError": "RheoError",
    "InfrastructureError": "RheoError",
    "HttpClientError": "InfrastructureError",
    "ClientNotInitialisedError": "HttpClientError",
    "ManagerNotInitialisedError": "DownloadManagerError",
    "PendingDownloadsError": "DownloadManagerError",
    "DownloadError": "DownloadManagerError",
    "FileExistsError": "DownloadError",
    "FileValidationError": "DownloadError",
    "FileAccessError": "FileValidationError",
    "HashMismatchError": "FileValidationError",
    "WorkerError": "DownloadManagerError",
    "WorkerPoolError": "DownloadManagerError",
    "WorkerPoolAlreadyStartedError": "WorkerPoolError",
    "QueueError": "DownloadManagerError",
    "ProcessQueueError": "QueueError",
    "ValidationError": "DownloadManagerError",
    "RetryError": "DownloadManagerError",
}


@pytest.mark.parametrize("name", TREE)
def test_exception_tree(name: str) -> None:
    assert getattr(exceptions, name).__base__ is getattr(exceptions, TREE[name])


def test_all_errors_are_ours_and_exported() -> None:
    own = {
        name: value
        for name, value in vars(exceptions).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert all(issubclass(value, exceptions.RheoError) for value in own.values())
    assert [name for name in own if getattr(domain_package, name, None) is not own[name]] == []


def test_exceptions_carry_their_facts() -> None:
    assert PendingDownloadsError(3).pending_count == 3
    assert "3" in str(PendingDownloadsError(pending_count=3))
    assert exceptions.FileExistsError(Path("a/b")).path == Path("a/b")
    mismatch = HashMismatchError(
        expected_hash="a" * 64, calculated_hash="b" * 64, file_path=Path("a/b")
    )
    assert mismatch.expected_hash == "a" * 64
    assert mismatch.calculated_hash == "b" * 64
    assert mismatch.file_path == Path("a/b")
    status = exceptions.HttpStatusError(503, "Busy", retry_after=2.0)
    assert (status.status, status.reason, status.retry_after) == (503, "Busy", 2.0)
    incomplete = exceptions.IncompleteError(3, 10)
    assert (incomplete.received, incomplete.expected) == (3, 10)
    assert exceptions.DiskFullError(Path("a")).path == Path("a")
    assert exceptions.TooManyRedirectsError(10).count == 10


# The manager


def test_manager_arguments() -> None:
    parameters = inspect.signature(DownloadManager).parameters
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    assert (
        defaults.items()
        >= {
            "client": None,
            "queue": None,
            "tracker": None,
            "timeout": None,
            "max_concurrent": 3,
            "download_dir": Path(),
            "file_exists_strategy": FileExistsStrategy.SKIP,
            "emitter": None,
            "retry_handler": None,
        }.items()
    )


def test_manager_members() -> None:
    promised = (
        "open close is_active add wait_until_complete cancel on get_download_info stats tracker "
        "client pause resume retry remove set_priority move pause_all resume_all set_limits "
        "snapshot events"
    )
    assert [name for name in promised.split() if not hasattr(DownloadManager, name)] == []
