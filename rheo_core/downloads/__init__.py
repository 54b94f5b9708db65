"""Which download runs when."""

from rheo_core.domain.exceptions import FileAccessError, FileValidationError, HashMismatchError

from .afterwards import Following
from .destination import DestinationResolver
from .manager import DownloadManager
from .queue import PriorityDownloadQueue
from .retry import BaseRetryHandler, ErrorCategoriser, NullRetryHandler, RetryHandler
from .validation import BaseFileValidator, FileValidator, NullFileValidator
from .worker import DownloadWorker

__all__ = [
    "BaseFileValidator",
    "BaseRetryHandler",
    "DestinationResolver",
    "DownloadManager",
    "DownloadWorker",
    "ErrorCategoriser",
    "FileAccessError",
    "FileValidationError",
    "FileValidator",
    "Following",
    "HashMismatchError",
    "NullFileValidator",
    "NullRetryHandler",
    "PriorityDownloadQueue",
    "RetryHandler",
]
