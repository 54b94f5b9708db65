"""Retry policy: the statuses to retry, and the backoff between attempts.

`downloads/retry.py` applies the policy, and obeys Retry-After up to `MAX_RETRY_AFTER_SECONDS` in
`exceptions.py`, whose message gives a longer wait.
"""

import random
from enum import Enum

from pydantic import BaseModel, ConfigDict, Field


class ErrorCategory(Enum):
    """Error categories by the chance that a retry succeeds."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"


_LASTING_SERVER_ERRORS = {501, 505, 511}
"""Not implemented, HTTP version not supported, network sign-in required: waiting is useless."""
_MISDIRECTED, _TOO_EARLY = 421, 425
"""The server asks for the same request on another connection (RFC 9110 15.5.20), or in a finished
handshake (RFC 8470 5.2)."""


class RetryPolicy(BaseModel):
    """HTTP statuses to retry.

    An unknown status from 500 to 599 is handled like 500 (RFC 9110 15), and 421 and 425 like 503. A
    response with Retry-After is retried with any status that the caller does not list as permanent.
    """

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

    def should_retry_status(self, status_code: int, *, has_wait: bool = False) -> bool:
        """Return True if rheo should retry after a response with this HTTP status.

        Args:
            status_code: the status.
            has_wait: the response has a Retry-After header.
        """
        if status_code in self.permanent_status_codes:
            is_of_caller = "permanent_status_codes" in self.model_fields_set
            return has_wait and not is_of_caller
        if status_code in self.transient_status_codes or self.retry_unknown_errors or has_wait:
            return True
        if "transient_status_codes" in self.model_fields_set:
            return False
        is_server_error = 500 <= status_code < 600 and status_code not in _LASTING_SERVER_ERRORS
        return is_server_error or status_code in (_MISDIRECTED, _TOO_EARLY)


class RetryConfig(BaseModel):
    """Exponential backoff: number of retries and delays, in seconds."""

    model_config = ConfigDict(frozen=True)

    max_retries: int = Field(default=3, ge=0, description="Number of attempts after the first one")
    base_delay: float = Field(default=1.0, gt=0, description="First delay, seconds")
    max_delay: float = Field(default=60.0, gt=0, description="Longest delay, seconds")
    exponential_base: float = Field(default=2.0, gt=1.0, description="Factor between two delays")
    jitter: bool = Field(default=True, description="Vary each delay by up to 25%")
    policy: RetryPolicy = Field(default_factory=RetryPolicy, description="Errors that are retried")

    def calculate_delay(self, attempt: int) -> float:
        """Return the delay in seconds before retry number `attempt`, counted from 0."""
        try:
            delay = min(self.base_delay * self.exponential_base**attempt, self.max_delay)
        except OverflowError:
            delay = self.max_delay
        return delay * random.uniform(0.75, 1.25) if self.jitter else delay
