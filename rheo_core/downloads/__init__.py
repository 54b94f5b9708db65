"""Downloads: `DownloadManager` with its queue, worker pool and attempts."""

from rheo_core.domain.engine_options import CompletionHooks
from rheo_core.domain.exceptions import FileAccessError, FileValidationError, HashMismatchError

from .destination import DestinationResolver
from .manager import DownloadManager
from .queue import PriorityDownloadQueue
from .retry import BaseRetryHandler, ErrorCategoriser, NullRetryHandler, RetryHandler
from .validation import BaseFileValidator, FileValidator, NullFileValidator
from .worker import DownloadWorker

__all__ = [
    "BaseFileValidator",
    "BaseRetryHandler",
    "CompletionHooks",
    "DestinationResolver",
    "DownloadManager",
    "DownloadWorker",
    "ErrorCategoriser",
    "FileAccessError",
    "FileValidationError",
    "FileValidator",
    "HashMismatchError",
    "NullFileValidator",
    "NullRetryHandler",
    "PriorityDownloadQueue",
    "RetryHandler",
]
