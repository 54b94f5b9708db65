"""Retries: delays, which errors, and what the server asks for."""

import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from rheo_core.domain import ErrorCategory, RetryConfig, RetryPolicy, exceptions
from rheo_core.downloads import ErrorCategoriser, NullRetryHandler, RetryHandler

STEADY = RetryConfig(jitter=False)


def test_delays_double_up_to_the_longest() -> None:
    assert [STEADY.calculate_delay(attempt) for attempt in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    slow = RetryConfig(base_delay=0.5, exponential_base=3, max_delay=10, jitter=False)
    assert [slow.calculate_delay(attempt) for attempt in range(4)] == [0.5, 1.5, 4.5, 10]


@given(st.integers(0, 10**6))
def test_any_attempt_has_a_delay(attempt: int) -> None:
    assert 1 <= STEADY.calculate_delay(attempt) <= 60


@given(st.integers(0, 20))
def test_jitter_stays_within_a_quarter(attempt: int) -> None:
    exact = STEADY.calculate_delay(attempt)
    delays = {RetryConfig().calculate_delay(attempt) for _ in range(20)}
    assert len(delays) > 1
    assert all(exact * 0.75 <= delay <= exact * 1.25 for delay in delays)


@pytest.mark.parametrize(
    "fields",
    [
        {"max_retries": -1},
        {"base_delay": 0},
        {"max_delay": 0},
        {"exponential_base": 1.0},
    ],
)
def test_bad_config(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="greater than"):
        RetryConfig(**fields)


def test_policy() -> None:
    policy = RetryPolicy()
    assert all(map(policy.should_retry_status, (408, 429, 500, 502, 503, 504)))
    assert not any(map(policy.should_retry_status, (400, 401, 403, 404, 405, 410, 418, 501)))
    bold = RetryPolicy(retry_unknown_errors=True)
    assert bold.should_retry_status(418)
    assert not bold.should_retry_status(404)
    both = RetryPolicy(
        transient_status_codes=frozenset({404}), permanent_status_codes=frozenset({404})
    )
    assert not both.should_retry_status(404)


def _response_error(status: int) -> aiohttp.ClientResponseError:
    request = cast("aiohttp.RequestInfo", SimpleNamespace(real_url=URL("http://x/")))
    return aiohttp.ClientResponseError(request, (), status=status)


_KEY = cast(ConnectionKey, SimpleNamespace(host="x", port=443, ssl=True, is_ssl=True))
_HERE = Path("a")


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (exceptions.HttpStatusError(503), "TRANSIENT"),
        (exceptions.HttpStatusError(404), "PERMANENT"),
        (exceptions.HttpStatusError(418), "PERMANENT"),
        (_response_error(503), "TRANSIENT"),
        (_response_error(404), "PERMANENT"),
        (exceptions.ConnectionFailedError("x", "refused"), "TRANSIENT"),
        (exceptions.DownloadTimeoutError("no data", 3), "TRANSIENT"),
        (exceptions.IncompleteError(1, 2), "TRANSIENT"),
        (exceptions.CertificateError("x", "expired"), "PERMANENT"),
        (exceptions.TooManyRedirectsError(10), "PERMANENT"),
        (exceptions.DiskFullError(_HERE), "PERMANENT"),
        (exceptions.DestinationError(_HERE, "no"), "PERMANENT"),
        (exceptions.FileExistsError(_HERE), "PERMANENT"),
        (exceptions.FileAccessError("no"), "PERMANENT"),
        (
            exceptions.HashMismatchError(expected_hash="a", calculated_hash="b", file_path=_HERE),
            "PERMANENT",
        ),
        (aiohttp.ClientConnectorError(_KEY, OSError(111, "refused")), "TRANSIENT"),
        (aiohttp.ClientConnectorSSLError(_KEY, ssl.SSLError("bad")), "PERMANENT"),
        (aiohttp.ClientPayloadError("cut"), "TRANSIENT"),
        (aiohttp.ServerDisconnectedError(), "TRANSIENT"),
        (TimeoutError(), "TRANSIENT"),
        (PermissionError(), "PERMANENT"),
        (FileNotFoundError(), "PERMANENT"),
        (exceptions.ProtocolError("odd"), "UNKNOWN"),
        (ValueError(), "UNKNOWN"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_categories(error: Exception, category: str) -> None:
    categoriser = ErrorCategoriser(RetryPolicy())
    assert categoriser.categorise(error) is ErrorCategory[category]
    assert categoriser.is_transient(error) == (category == "TRANSIENT")


def test_unknown_errors_when_asked_for() -> None:
    categoriser = ErrorCategoriser(RetryPolicy(retry_unknown_errors=True))
    assert categoriser.is_transient(ValueError())
    assert categoriser.is_transient(exceptions.HttpStatusError(418))
    assert not categoriser.is_transient(exceptions.HttpStatusError(404))
    assert not categoriser.is_transient(exceptions.DiskFullError(_HERE))


def test_next_delay_counts_failures() -> None:
    handler = RetryHandler(RetryConfig(max_retries=2, jitter=False))
    error = exceptions.IncompleteError(1, 2)
    assert handler.max_retries == 2
    assert [handler.next_delay(error, failures) for failures in (1, 2, 3)] == [1.0, 2.0, None]
    assert handler.next_delay(exceptions.HttpStatusError(404), 1) is None


@pytest.mark.parametrize(
    ("asked", "delay"),
    [(None, 1.0), (0.0, 1.0), (0.5, 1.0), (7.0, 7.0), (3600.0, 3600.0), (3601.0, None)],
)
def test_retry_after(asked: float | None, delay: float | None) -> None:
    error = exceptions.HttpStatusError(503, "Busy", retry_after=asked)
    assert RetryHandler(STEADY).next_delay(error, 1) == delay


@pytest.mark.parametrize("status", [202, 400, 403, 404, 409, 429, 501, 503, 529])
def test_retry_after_beats_the_status(status: int) -> None:
    error = exceptions.HttpStatusError(status, retry_after=2.0)
    assert RetryHandler(STEADY).next_delay(error, 1) == 2.0


def test_the_policy_of_the_caller_beats_retry_after() -> None:
    policy = RetryPolicy(permanent_status_codes=frozenset({403}))
    handler = RetryHandler(RetryConfig(jitter=False, policy=policy))
    error = exceptions.HttpStatusError(403, retry_after=2.0)
    assert handler.next_delay(error, 1) is None


@pytest.mark.parametrize("status", range(500, 600))
def test_unknown_server_errors_count_as_500(status: int) -> None:
    assert RetryPolicy().should_retry_status(status) == (status not in {501, 505, 511})


def test_status_look_of_the_caller_are_complete() -> None:
    policy = RetryPolicy(transient_status_codes=frozenset({503}))
    assert not policy.should_retry_status(520) and policy.should_retry_status(503)


def test_a_wait_that_is_too_long_is_named() -> None:
    assert str(exceptions.HttpStatusError(503, "Busy", retry_after=7200)) == (
        "HTTP 503 Busy; the server asks you to wait 2h00m"
    )


def test_null_handler() -> None:
    handler = NullRetryHandler()
    assert handler.max_retries == 0
    assert handler.next_delay(exceptions.IncompleteError(1, 2), 1) is None
