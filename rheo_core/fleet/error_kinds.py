"""Error kinds: the cause of a failure in one word, and whether a retry may help.

`domain/retry.py` has the HTTP statuses that are worth a retry.
"""

import re

from rheo_core.domain.exceptions import DiskFullError
from rheo_core.domain.failures import FailureKind
from rheo_core.domain.retry import RetryPolicy
from rheo_core.events import ErrorInfo

UNREADABLE = "unreadable"
HOST_DOWN = "host_down"
DISK_FULL = "disk_full"
NO_NETWORK = FailureKind.NO_NETWORK.value
OTHER = FailureKind.OTHER.value
CONNECTION_KINDS = frozenset({"connection", "dns", "timeout", NO_NETWORK})
"""Kinds of failures that a dead host causes."""

_OF_THE_WORKER = frozenset(
    {
        FailureKind.DESTINATION,
        FailureKind.FILE_ACCESS,
        FailureKind.FILE_EXISTS,
        FailureKind.FILE_IN_USE,
        FailureKind.PROXY_LOGIN_MISSING,
        FailureKind.PROXY_LOGIN_REFUSED,
        FailureKind.REQUEST_OPTIONS,
        FailureKind.SHORTAGE,
    }
)
_WORDS = {
    FailureKind.PROMISED_HASH: "hash",
    FailureKind.PIECES: "hash",
    FailureKind.EXISTING_DIFFERS: "file",
    **dict.fromkeys(_OF_THE_WORKER, OTHER),
}
"""Words for kinds that a manifest does not distinguish; others stay unchanged."""

_TRANSIENT = CONNECTION_KINDS | {"incomplete", "host_full", HOST_DOWN, DISK_FULL}
_HTTP = re.compile(r"http_([1-5][0-9]{2})")
_RETRIED = RetryPolicy()
_OF_FLEETS = frozenset({HOST_DOWN, DISK_FULL})  # kinds that no single download has
_DISK_FULL_ERROR = f"{DiskFullError.__module__}.{DiskFullError.__qualname__}"


def kinds() -> list[str]:
    """Return the kinds of failures without a status."""
    return sorted({_WORDS.get(kind, kind.value) for kind in FailureKind} | _OF_FLEETS)


def is_kind(text: str) -> bool:
    """Return True if a failed entry may have this kind."""
    return text in kinds() or _HTTP.fullmatch(text) is not None


def kind_of(error: ErrorInfo) -> str:
    """Return the kind of a failure, such as `timeout` or `http_404`."""
    if error.http_status is not None:
        return f"http_{error.http_status}"
    if error.exc_type == _DISK_FULL_ERROR:
        return DISK_FULL
    return _WORDS.get(error.kind, error.kind.value)


def is_of_worker(error: ErrorInfo) -> bool:
    """Return True if the worker cannot continue: its disk is full, or a setting is not valid.

    Such a failure says nothing about the URL, and every other download would fail too. The kind
    `DISK_FULL` is an exception if the disk has room without this file.
    """
    return error.kind in _OF_THE_WORKER


def may_pass(kind: str) -> bool:
    """Return True if a later attempt may succeed. HTTP statuses are those that downloads retry."""
    http = _HTTP.fullmatch(kind)
    return kind in _TRANSIENT if http is None else _RETRIED.should_retry_status(int(http[1]))
