"""Retry policy: errors that are retried, and delays between attempts."""

import random
from enum import Enum

from pydantic import BaseModel, ConfigDict, Field


class ErrorCategory(Enum):
    """Classes of errors by their chance of success on retry."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"


class RetryPolicy(BaseModel):
    """HTTP statuses that are retried."""

    model_config = ConfigDict(frozen=True)

    transient_status_codes: frozenset[int] = Field(
        default=frozenset({408, 429, 500, 502, 503, 504}),
        description="HTTP statuses that are retried",
    )
    permanent_status_codes: frozenset[int] = Field(
        default=frozenset({400, 401, 403, 404, 405, 410}),
        description="HTTP statuses that are never retried, even if they are transient too",
    )
    retry_unknown_errors: bool = Field(
        default=False, description="Retry statuses and errors that are in neither list"
    )

    def should_retry_status(self, status_code: int) -> bool:
        """Return True if a reply with this HTTP status should be retried."""
        if status_code in self.permanent_status_codes:
            return False
        return status_code in self.transient_status_codes or self.retry_unknown_errors


class RetryConfig(BaseModel):
    """Exponential backoff: number of retries and delays, in seconds."""

    model_config = ConfigDict(frozen=True)

    max_retries: int = Field(default=3, ge=0, description="Number of attempts after the first one")
    base_delay: float = Field(default=1.0, gt=0, description="First delay, seconds")
    max_delay: float = Field(default=60.0, gt=0, description="Longest delay, seconds")
    exponential_base: float = Field(default=2.0, gt=1.0, description="Factor between two delays")
    jitter: bool = Field(default=True, description="Vary each delay by up to 25 %")
    policy: RetryPolicy = Field(default_factory=RetryPolicy, description="Errors that are retried")

    def calculate_delay(self, attempt: int) -> float:
        """Return the delay in seconds before retry number `attempt`, counted from 0."""
        try:
            delay = min(self.base_delay * self.exponential_base**attempt, self.max_delay)
        except OverflowError:
            delay = self.max_delay
        return delay * random.uniform(0.75, 1.25) if self.jitter else delay
