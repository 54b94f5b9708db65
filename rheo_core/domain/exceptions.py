"""Errors of the engine.

RheoError
├── DownloadManagerError
│   ├── ManagerNotInitialisedError, PendingDownloadsError
│   ├── DownloadError
│   │   ├── FileExistsError
│   │   ├── HttpStatusError, ProtocolError, TooManyRedirectsError
│   │   ├── WebPageError, TooLargeError, RobotsTagError, RequestOptionsError
│   │   ├── ConnectionFailedError ── HostNotFoundError, NoNetworkError
│   │   ├── CertificateError, DownloadTimeoutError, IncompleteError
│   │   ├── HostFullError, ShortageError
│   │   ├── DestinationError ── DiskFullError, FileInUseError
│   │   └── FileValidationError ── FileAccessError, HashMismatchError
│   ├── WorkerError, WorkerPoolError ── WorkerPoolAlreadyStartedError
│   ├── QueueError ── ProcessQueueError
│   └── ValidationError, RetryError
└── InfrastructureError ── HttpClientError ── ClientNotInitialisedError
"""

from pathlib import Path

from .units import duration_text, size_text

MAX_RETRY_AFTER_SECONDS = 3600.0
"""Longest wait for which a server is obeyed. A download fails if it asks for more."""
FILE_UNCHANGED = "; the file was not changed"
"""End of the message if an existing file is not the requested one and is kept."""
_FILE_EXISTS = "file already exists: "
_SIGN_IN = "sign in, or get a new link if this one has expired"


class RheoError(Exception):
    """Base class of all errors of this library."""


class DownloadManagerError(RheoError):
    """Base class of errors while downloads are managed."""


class InfrastructureError(RheoError):
    """Base class of errors of the parts below the engine, such as the HTTP client."""


class HttpClientError(InfrastructureError):
    """Base class of errors of the HTTP client."""


class ClientNotInitialisedError(HttpClientError):
    """The client was used before `open()` or after `close()`."""


class ManagerNotInitialisedError(DownloadManagerError):
    """The manager was used before `open()` or after `close()`."""


class PendingDownloadsError(DownloadManagerError):
    """The manager's `async with` block was left while downloads were pending."""

    def __init__(self, pending_count: int) -> None:
        self.pending_count = pending_count
        super().__init__(
            f"left the DownloadManager with {pending_count} pending download(s), now stopped; "
            "call wait_until_complete() first, or close() to stop them on purpose"
        )


class DownloadError(DownloadManagerError):
    """Base class of reasons why one download fails."""


class FileExistsError(DownloadError):
    """The destination exists, and the strategy is ERROR."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{_FILE_EXISTS}{path}")


def met_existing_file(message: str | None) -> bool:
    """Return True if an existing file caused the error of `message`.

    Sessions store only the message.
    """
    return message is not None and (
        message.startswith(_FILE_EXISTS) or message.endswith(FILE_UNCHANGED)
    )


class HttpStatusError(DownloadError):
    """The server's final reply is not a success."""

    def __init__(self, status: int, reason: str = "", *, retry_after: float | None = None) -> None:
        self.status = status
        self.reason = reason
        self.retry_after = retry_after  # seconds, as the server requested
        is_long = retry_after is not None and retry_after > MAX_RETRY_AFTER_SECONDS
        wait = f"; the server asks to wait {duration_text(retry_after)}" if is_long else ""
        super().__init__(f"HTTP {status} {reason}".rstrip() + wait)


class ProtocolError(DownloadError):
    """The server's reply contradicts itself or the request."""


class WebPageError(DownloadError):
    """The server sent a web page, an API's error message or an image instead of the file."""

    _SIGN = " instead of the file"

    def __init__(
        self,
        media_type: str,
        name: str,
        size: int | None = None,
        *,
        is_kept: bool = False,
        what: str = "a web page",
    ) -> None:
        self.media_type = media_type  # of the page; "" if the server gave none
        self.name = name  # of the file that was expected
        self.size = size  # of the page, bytes; None: unknown
        self.is_kept = is_kept  # True if a partial file stays for the next attempt
        type_text = media_type or "no media type"
        facts = type_text if size is None else f"{type_text}, {size:,} bytes"
        note = "; the partial file is kept" if is_kept else ""
        super().__init__(f"the server sent {what} ({facts}){self._SIGN}; {_SIGN_IN}{note}")

    @classmethod
    def matches_message(cls, message: str | None) -> bool:
        """Return True if `message` is that of this error. Sessions store only the message."""
        return message is not None and cls._SIGN in message


class TooLargeError(DownloadError):
    """The file is larger than `max_size`."""

    def __init__(self, limit: int, size: int | None = None) -> None:
        self.limit = limit  # bytes
        self.size = size  # bytes; None: unknown, but more than `limit`
        what = "the file" if size is None else f"the file ({size:,} bytes)"
        super().__init__(f"{what} is larger than max_size ({limit:,} bytes)")


class RobotsTagError(DownloadError):
    """The server asks programs not to use the file (X-Robots-Tag), and the user respects that."""

    def __init__(self, directive: str) -> None:
        self.directive = directive
        super().__init__(
            f"the server asks programs not to use this file: X-Robots-Tag: {directive}"
        )


class IncompleteError(DownloadError):
    """The connection ended before all bytes were received."""

    def __init__(self, received: int, expected: int | None) -> None:
        self.received = received  # bytes
        self.expected = expected  # bytes; None: unknown
        of_how_many = "" if expected is None else f" of {expected}"
        super().__init__(f"connection ended at {received}{of_how_many} bytes")


class ConnectionFailedError(DownloadError):
    """The server could not be reached, or the connection was lost."""

    def __init__(self, host: str, problem: str) -> None:
        self.host = host
        self.problem = problem
        super().__init__(f"{host}: {problem}")


class HostNotFoundError(ConnectionFailedError):
    """A name server says that the host, or the proxy, does not exist."""

    def __init__(self, host: str, *, is_proxy: bool = False) -> None:
        super().__init__(host, f"{'the proxy: ' if is_proxy else ''}host name not found")


class NoNetworkError(ConnectionFailedError):
    """This machine has no network, or no name server answers.

    With `network_timeout`, the engine waits until the network is back, and the attempt does not
    count.
    """

    def __init__(self, host: str, problem: str, *, is_look_up: bool = False) -> None:
        self.is_look_up = is_look_up  # True if a name server should have answered for `host`
        self.is_ipv6_only = False  # True if all addresses of `host` are of IPv6
        super().__init__(host, problem)


class CertificateError(DownloadError):
    """The server's certificate is not trusted."""

    def __init__(self, host: str, problem: str) -> None:
        self.host = host
        self.problem = problem
        super().__init__(f"{host}: certificate refused: {problem}")


class DownloadTimeoutError(DownloadError):
    """No data arrived for too long, or the whole attempt took too long."""

    def __init__(self, what: str, seconds: float | None, span: str = "within") -> None:
        self.seconds = seconds
        super().__init__(f"{what} {span} {seconds:g} s" if seconds else f"{what}: timed out")


class HostFullError(DownloadError):
    """A redirect leads to a host that has reached its limit of connections.

    Users never see this error: the engine requeues the download, which then waits for that host.
    """

    def __init__(self, host: str) -> None:
        self.host = host  # with its port
        super().__init__(f"{host} has reached its limit of connections")


class ShortageError(DownloadError):
    """The machine is out of a resource that every download needs, such as file descriptors.

    The engine runs fewer downloads at once and tries again. A download fails with this error only
    if no other download is running.
    """

    def __init__(self, problem: str, advice: str = "") -> None:
        self.problem = problem
        super().__init__(f"{problem}{advice}")

    @classmethod
    def of_threads(cls) -> "ShortageError":
        """Return the error for a thread that cannot be started."""
        return cls("cannot start another thread")


class RequestOptionsError(DownloadError):
    """Options of a request cannot be used: a file is missing, or a proxy does not work."""


class TooManyRedirectsError(DownloadError):
    """The redirects exceed the limit."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(f"more than {count} redirects")


class DestinationError(DownloadError):
    """The destination cannot be written."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"cannot write {path}: {problem}")


class DiskFullError(DestinationError):
    """The disk has no space for the file."""

    def __init__(
        self,
        path: Path,
        missing: int | None = None,
        *,
        reserve: int | None = None,
        is_too_large: bool = False,
    ) -> None:
        self.missing = missing  # bytes that do not fit; None: unknown
        self.reserve = reserve  # bytes kept free while the length of a file is unknown
        self.is_too_large = is_too_large  # for the file system, even if the disk has space
        problem = "disk full" if missing is None else f"disk full, {size_text(missing)} short"
        if reserve is not None:
            kept_free = size_text(reserve)
            problem += f": {kept_free} are kept free because the length of the file is unknown"
        if is_too_large:
            problem = "the file is too large for this file system or for ulimit -f"
        super().__init__(path, problem)


class FileInUseError(DestinationError):
    """Another process is writing the file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "another process is working on it")


class FileValidationError(DownloadError):
    """Base class of errors while a file is checked."""


class FileAccessError(FileValidationError):
    """The file to check cannot be read."""


class HashMismatchError(FileValidationError):
    """The digest of a file differs from the expected one.

    Args:
        expected_hash: expected digest, hexadecimal; of the first bad piece if pieces are bad.
        calculated_hash: actual digest, hexadecimal; None: unknown.
        file_path: path of the file.
        bad_pieces: number of bad pieces; 0 if the file is checked as a whole.
        pieces: number of pieces of the file.
        page: media type of the web page that the server sent; None: no page.
        was_there: the file existed before and was not downloaded, because existing files are kept.
        is_promised: the expected digest is from the headers of the server's reply.
    """

    _PROMISED = "; the expected one is from the server's headers"

    def __init__(
        self,
        *,
        expected_hash: str,
        calculated_hash: str | None,
        file_path: Path,
        bad_pieces: int = 0,
        pieces: int = 0,
        page: str | None = None,
        was_there: bool = False,
        is_promised: bool = False,
    ) -> None:
        self.expected_hash = expected_hash
        self.calculated_hash = calculated_hash
        self.file_path = file_path
        self.bad_pieces = bad_pieces
        self.pieces = pieces
        self.was_there = was_there
        self.page = page
        got = f"{calculated_hash[:16]}…" if calculated_hash else "unknown"
        problem = f"expected {expected_hash[:16]}…, got {got}"
        if bad_pieces:
            problem = f"{bad_pieces:,} of {pieces:,} pieces are bad from every source"
        if is_promised:
            problem += self._PROMISED
        if page is not None:
            problem += f"; the server sent a web page ({page}); {_SIGN_IN}"
        if was_there:
            problem += FILE_UNCHANGED
        which = f"the existing {file_path.name}" if was_there else file_path.name
        super().__init__(f"hash mismatch for {which}: {problem}")

    @classmethod
    def is_of_headers(cls, message: str) -> bool:
        """Return True if `message` is that of this error for a digest from the server's headers."""
        return cls._PROMISED in message


class WorkerError(DownloadManagerError):
    """Base class of worker errors."""


class WorkerPoolError(DownloadManagerError):
    """Base class of worker pool errors."""


class WorkerPoolAlreadyStartedError(WorkerPoolError):
    """The pool was started twice."""


class QueueError(DownloadManagerError):
    """Base class of queue errors."""


class ProcessQueueError(QueueError):
    """The queue cannot do this operation in its present state."""


class ValidationError(DownloadManagerError):
    """A value given by the user is not valid."""


class RetryError(DownloadManagerError):
    """The retry loop ended without a result or an error."""
