"""Kinds of errors: the reason of a failure in one word, for counts and for a further pass."""

from rheo_core.domain import exceptions
from rheo_core.events import ErrorInfo

UNREADABLE = "unreadable"
HOST_DOWN = "host_down"
NO_NETWORK = "no_network"
OTHER = "other"
CONNECTION_KINDS = frozenset({"connection", "dns", "timeout", NO_NETWORK})
"""Kinds of failures that a host which is down causes."""

_KINDS: dict[type[Exception], str] = {
    exceptions.ConnectionFailedError: "connection",
    exceptions.HostNotFoundError: "dns",
    exceptions.NoNetworkError: NO_NETWORK,
    exceptions.DownloadTimeoutError: "timeout",
    exceptions.IncompleteError: "incomplete",
    exceptions.HostFullError: "host_full",
    exceptions.CertificateError: "certificate",
    exceptions.ProtocolError: "protocol",
    exceptions.WebPageError: "web_page",
    exceptions.TooLargeError: "too_large",
    exceptions.RobotsTagError: "robots_tag",
    exceptions.TooManyRedirectsError: "redirects",
    exceptions.HashMismatchError: "hash",
    exceptions.FileValidationError: "file",
}
_KINDS_BY_NAME = {kind.__name__: word for kind, word in _KINDS.items()}

_OF_THE_WORKER = (
    exceptions.DestinationError,
    exceptions.DiskFullError,
    exceptions.FileInUseError,
    exceptions.FileAccessError,
    exceptions.FileExistsError,
    exceptions.RequestOptionsError,
    exceptions.ShortageError,
)
_NAMES_OF_THE_WORKER = frozenset(each.__name__ for each in _OF_THE_WORKER)

_TRANSIENT_STATUSES = (408, 425, 429, 500, 502, 503, 504)
_TRANSIENT = CONNECTION_KINDS | {"incomplete", "host_full", HOST_DOWN}
_TRANSIENT |= {f"http_{status}" for status in _TRANSIENT_STATUSES}


def name_of(error: ErrorInfo) -> str:
    """Return the name of the class of an error."""
    return error.exc_type.rpartition(".")[2]


def kind_of(error: ErrorInfo) -> str:
    """Return the kind of a failure, such as `timeout` or `http_404`."""
    if error.http_status is not None:
        return f"http_{error.http_status}"
    return _KINDS_BY_NAME.get(name_of(error), OTHER)


def is_of_worker(error: ErrorInfo) -> bool:
    """Return True if the worker cannot go on: its disk is full, a setting is not valid.

    Such a failure says nothing about the URL, and each further download would have it too.
    """
    return name_of(error) in _NAMES_OF_THE_WORKER


def may_pass(kind: str) -> bool:
    """Return True if a later attempt may succeed."""
    return kind in _TRANSIENT
