"""Exponential backoff."""

from rheo_core.domain.exceptions import HttpStatusError
from rheo_core.domain.retry import RetryConfig

from .base import BaseRetryHandler
from .categoriser import ErrorCategoriser


class RetryHandler(BaseRetryHandler):
    """Retries transient errors as a `RetryConfig` says."""

    def __init__(
        self, config: RetryConfig | None = None, categoriser: ErrorCategoriser | None = None
    ) -> None:
        self.config = config or RetryConfig()
        self.categoriser = categoriser or ErrorCategoriser(self.config.policy)

    @property
    def max_retries(self) -> int:
        return self.config.max_retries

    def next_delay(self, error: Exception, failures: int) -> float | None:
        """The backoff, or what the server asked for (Retry-After) up to the longest delay."""
        if failures > self.config.max_retries or not self.categoriser.is_transient(error):
            return None
        delay = self.config.calculate_delay(failures - 1)
        if isinstance(error, HttpStatusError) and error.retry_after is not None:
            return max(delay, min(error.retry_after, self.config.max_delay))
        return delay
