"""Retry handlers: decide whether to retry after an error, and how long to wait (Retry-After).

The policy in `domain/retry.py` gives the statuses and the backoff.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TypeVar

from rheo_core.domain.exceptions import (
    MAX_RETRY_AFTER_SECONDS,
    CertificateError,
    ConnectionFailedError,
    DestinationError,
    DownloadTimeoutError,
    FileExistsError,
    FileValidationError,
    HostNotFoundError,
    HttpStatusError,
    IncompleteError,
    RequestOptionsError,
    RobotsTagError,
    ShortageError,
    TooLargeError,
    TooManyRedirectsError,
    WebPageError,
)
from rheo_core.domain.retry import ErrorCategory, RetryConfig, RetryPolicy
from rheo_core.infrastructure.http.base import is_of_aiohttp
from rheo_core.tracking import DownloadRecord

T = TypeVar("T")
_MIN_PROGRESS_BYTES = 16 << 10
"""Progress that resets the number of failures. Otherwise a server that sends one byte for each
request would get as many requests as the file has bytes."""


def note_progress(record: DownloadRecord) -> bool:
    """Reset the failures of a download if it made clear progress. Return True if it did."""
    if record.bytes_downloaded < record.stats.best_offset + _MIN_PROGRESS_BYTES:
        return False
    record.stats.best_offset = record.bytes_downloaded
    record.stats.failures = 0
    return True


class BaseRetryHandler(ABC):
    """Interface of retry handlers, which decide whether to retry a failed attempt."""

    @property
    @abstractmethod
    def max_retries(self) -> int:
        """Maximum number of attempts after the first one."""

    @abstractmethod
    def next_delay(self, error: Exception, failures: int) -> float | None:
        """Return the seconds to wait before the next attempt; None to give up.

        Args:
            error: the error of the last attempt.
            failures: number of failed attempts, 1 or more.
        """

    async def execute_with_retry(
        self,
        operation: Callable[[], Awaitable[T]],
        url: str,
        download_id: str,
        max_retries: int | None = None,
    ) -> T:
        """Run `operation` until it succeeds or `next_delay` gives up. Raise the last error.

        For users of the library. The engine calls `next_delay` instead, so that a waiting
        download holds no slot. `url` and `download_id` identify the operation.
        """
        failures = 0
        while True:
            try:
                return await operation()
            except Exception as error:
                failures += 1
                delay = self.next_delay(error, failures)
                if delay is None or (max_retries is not None and failures > max_retries):
                    raise
            await asyncio.sleep(delay)


class ErrorCategoriser:
    """Classify exceptions by a `RetryPolicy`."""

    def __init__(self, policy: RetryPolicy) -> None:
        self.policy = policy

    def categorise(self, exception: Exception) -> ErrorCategory:
        """Return the category of `exception`, which shows whether a retry can help."""
        if is_of_aiohttp(exception):  # of an operation of a user of the library
            return self._of_aiohttp(exception)
        match exception:
            case HttpStatusError(status=status, retry_after=wait):
                return self._by_status(status, has_wait=wait is not None)
            case HostNotFoundError():
                return ErrorCategory.PERMANENT
            case ConnectionFailedError() | DownloadTimeoutError() | IncompleteError():
                return ErrorCategory.TRANSIENT
            case ShortageError():
                return ErrorCategory.TRANSIENT
            case (
                CertificateError()
                | RequestOptionsError()
                | TooLargeError()
                | RobotsTagError()
                | WebPageError()
                | TooManyRedirectsError()
                | DestinationError()
                | FileExistsError()
                | FileValidationError()
            ):
                return ErrorCategory.PERMANENT
            case TimeoutError() | ConnectionError():
                return ErrorCategory.TRANSIENT
            case OSError():
                return ErrorCategory.PERMANENT
        return self._unknown()

    def _of_aiohttp(self, exception: Exception) -> ErrorCategory:
        import aiohttp  # it is imported already

        match exception:
            case aiohttp.ClientResponseError(status=status):
                return self._by_status(status)
            case aiohttp.ClientSSLError():
                return ErrorCategory.PERMANENT
            case (
                aiohttp.ClientOSError()
                | aiohttp.ClientPayloadError()
                | aiohttp.ServerDisconnectedError()
                | TimeoutError()
                | ConnectionError()
            ):
                return ErrorCategory.TRANSIENT
        return self._unknown()

    def _unknown(self) -> ErrorCategory:
        if self.policy.retry_unknown_errors:
            return ErrorCategory.TRANSIENT
        return ErrorCategory.UNKNOWN

    def is_transient(self, exception: Exception) -> bool:
        """Return True if a retry can help."""
        return self.categorise(exception) is ErrorCategory.TRANSIENT

    def _by_status(self, status: int, *, has_wait: bool = False) -> ErrorCategory:
        if self.policy.should_retry_status(status, has_wait=has_wait):
            return ErrorCategory.TRANSIENT
        return ErrorCategory.PERMANENT


class RetryHandler(BaseRetryHandler):
    """Retry handler that retries transient errors, with the delays of a `RetryConfig`."""

    def __init__(
        self, config: RetryConfig | None = None, categoriser: ErrorCategoriser | None = None
    ) -> None:
        self.config = config or RetryConfig()
        self.categoriser = categoriser or ErrorCategoriser(self.config.policy)

    @property
    def max_retries(self) -> int:
        return self.config.max_retries

    def next_delay(self, error: Exception, failures: int) -> float | None:
        """Return the backoff, or the server's Retry-After if that is longer.

        Retry-After may exceed `max_delay`. Above `MAX_RETRY_AFTER_SECONDS`, the download fails.
        """
        if failures > self.config.max_retries or not self.categoriser.is_transient(error):
            return None
        delay = self.config.calculate_delay(failures - 1)
        wait = error.retry_after if isinstance(error, HttpStatusError) else None
        if wait is None:
            return delay
        return max(delay, wait) if wait <= MAX_RETRY_AFTER_SECONDS else None


class NullRetryHandler(BaseRetryHandler):
    """Retry handler that never retries."""

    @property
    def max_retries(self) -> int:
        return 0

    def next_delay(self, error: Exception, failures: int) -> float | None:
        return None
