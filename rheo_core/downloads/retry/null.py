"""No retries."""

from .base import BaseRetryHandler


class NullRetryHandler(BaseRetryHandler):
    """Every failure is final."""

    @property
    def max_retries(self) -> int:
        return 0

    def next_delay(self, error: Exception, failures: int) -> float | None:
        return None
