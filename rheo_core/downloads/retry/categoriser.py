"""Which errors another attempt can cure."""

import aiohttp

from rheo_core.domain.exceptions import (
    CertificateError,
    ConnectionFailedError,
    DestinationError,
    DownloadTimeoutError,
    FileExistsError,
    FileValidationError,
    HttpStatusError,
    IncompleteError,
    RequestOptionsError,
    ShortageError,
    TooLargeError,
    TooManyRedirectsError,
    WebPageError,
)
from rheo_core.domain.retry import ErrorCategory, RetryPolicy


class ErrorCategoriser:
    """Sorts exceptions by a `RetryPolicy`."""

    def __init__(self, policy: RetryPolicy) -> None:
        self.policy = policy

    def categorise(self, exception: Exception) -> ErrorCategory:
        """Whether trying again can help against `exception`."""
        match exception:
            case HttpStatusError(status=status) | aiohttp.ClientResponseError(status=status):
                return self._by_status(status)
            case ConnectionFailedError() | DownloadTimeoutError() | IncompleteError():
                return ErrorCategory.TRANSIENT
            case ShortageError():
                return ErrorCategory.TRANSIENT
            case (
                CertificateError()
                | RequestOptionsError()
                | TooLargeError()
                | WebPageError()
                | TooManyRedirectsError()
                | DestinationError()
                | FileExistsError()
                | FileValidationError()
                | aiohttp.ClientSSLError()
            ):
                return ErrorCategory.PERMANENT
            case aiohttp.ClientOSError() | aiohttp.ClientPayloadError() | TimeoutError():
                return ErrorCategory.TRANSIENT
            case aiohttp.ServerDisconnectedError() | ConnectionError():
                return ErrorCategory.TRANSIENT
            case OSError():
                return ErrorCategory.PERMANENT
        if self.policy.retry_unknown_errors:
            return ErrorCategory.TRANSIENT
        return ErrorCategory.UNKNOWN

    def is_transient(self, exception: Exception) -> bool:
        """Whether another attempt is worth while."""
        return self.categorise(exception) is ErrorCategory.TRANSIENT

    def _by_status(self, status: int) -> ErrorCategory:
        if self.policy.should_retry_status(status):
            return ErrorCategory.TRANSIENT
        return ErrorCategory.PERMANENT
