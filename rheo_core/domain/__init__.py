"""Data types that describe downloads, without I/O.

Modules that need pydantic are imported on first use of their names, because `rheo --help` does not
need it.
"""

from typing import TYPE_CHECKING

from rheo_core.lazy import names_from

from .cancellation import CancelledFrom, CancelResult
from .exceptions import (
    CertificateError,
    ClientNotInitialisedError,
    ConnectionFailedError,
    DestinationError,
    DiskFullError,
    DownloadError,
    DownloadManagerError,
    DownloadTimeoutError,
    FileAccessError,
    FileExistsError,
    FileInUseError,
    FileValidationError,
    HashMismatchError,
    HostFullError,
    HostNotFoundError,
    HttpClientError,
    HttpStatusError,
    IncompleteError,
    InfrastructureError,
    ManagerNotInitialisedError,
    NoNetworkError,
    PendingDownloadsError,
    ProcessQueueError,
    ProtocolError,
    ProxyRefusalError,
    QueueError,
    RequestOptionsError,
    RetryError,
    RheoError,
    RobotsTagError,
    ShortageError,
    TooLargeError,
    TooManyRedirectsError,
    ValidationError,
    WebPageError,
    WorkerError,
    WorkerPoolAlreadyStartedError,
    WorkerPoolError,
)
from .file_exists import FileExistsStrategy

if TYPE_CHECKING:
    from .downloads import DownloadInfo, DownloadSnapshot, DownloadStats, DownloadStatus, Snapshot
    from .file_config import FileConfig
    from .hash_validation import HashAlgorithm, HashConfig, PieceHashes, ValidationResult
    from .retry import ErrorCategory, RetryConfig, RetryPolicy
    from .speed import SpeedCalculator, SpeedMetrics

__all__ = [
    "CancelResult",
    "CancelledFrom",
    "CertificateError",
    "ClientNotInitialisedError",
    "ConnectionFailedError",
    "DestinationError",
    "DiskFullError",
    "DownloadError",
    "DownloadInfo",
    "DownloadManagerError",
    "DownloadSnapshot",
    "DownloadStats",
    "DownloadStatus",
    "DownloadTimeoutError",
    "ErrorCategory",
    "FileAccessError",
    "FileConfig",
    "FileExistsError",
    "FileExistsStrategy",
    "FileInUseError",
    "FileValidationError",
    "HashAlgorithm",
    "HashConfig",
    "HashMismatchError",
    "HostFullError",
    "HostNotFoundError",
    "HttpClientError",
    "HttpStatusError",
    "IncompleteError",
    "InfrastructureError",
    "ManagerNotInitialisedError",
    "NoNetworkError",
    "PendingDownloadsError",
    "PieceHashes",
    "ProcessQueueError",
    "ProtocolError",
    "ProxyRefusalError",
    "QueueError",
    "RequestOptionsError",
    "RetryConfig",
    "RetryError",
    "RetryPolicy",
    "RheoError",
    "RobotsTagError",
    "ShortageError",
    "Snapshot",
    "SpeedCalculator",
    "SpeedMetrics",
    "TooLargeError",
    "TooManyRedirectsError",
    "ValidationError",
    "ValidationResult",
    "WebPageError",
    "WorkerError",
    "WorkerPoolAlreadyStartedError",
    "WorkerPoolError",
]

__getattr__ = names_from(
    __name__,
    {
        "downloads": (
            "DownloadInfo",
            "DownloadSnapshot",
            "DownloadStats",
            "DownloadStatus",
            "Snapshot",
        ),
        "file_config": ("FileConfig",),
        "hash_validation": ("HashAlgorithm", "HashConfig", "PieceHashes", "ValidationResult"),
        "retry": ("ErrorCategory", "RetryConfig", "RetryPolicy"),
        "speed": ("SpeedCalculator", "SpeedMetrics"),
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
