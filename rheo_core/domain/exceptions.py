"""Exceptions of the engine.

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

from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from .failures import Failure, FailureKind
from .hash_algorithms import HashAlgorithm
from .text import printable, redact
from .units import count_text, duration_text, size_text

MAX_RETRY_AFTER_SECONDS = 3600.0
"""Maximum wait that rheo accepts from a server. If it asks for more, the download fails."""
_FILE_UNCHANGED = "; the file was not changed"
_SIGN_IN = "sign in, or get a new link if this one has expired"


class RheoError(Exception):
    """Base class of all errors of this library."""


class DownloadManagerError(RheoError):
    """Base class of errors of `DownloadManager` and of downloads."""


class InfrastructureError(RheoError):
    """Base class of errors below the engine, such as errors of the HTTP client."""


class HttpClientError(InfrastructureError):
    """Base class of errors of the HTTP client."""


class ClientNotInitialisedError(HttpClientError):
    """The client was used before `open()` or after `close()`."""


class ManagerNotInitialisedError(DownloadManagerError):
    """The manager was used before `open()` or after `close()`."""


class PendingDownloadsError(DownloadManagerError):
    """The manager's `async with` block ended while downloads were pending."""

    def __init__(self, pending_count: int) -> None:
        self.pending_count = pending_count
        super().__init__(
            f"the DownloadManager closed with {pending_count} pending download(s) and stopped "
            "them; call wait_until_complete() first, or close() to stop them deliberately"
        )


class DownloadError(DownloadManagerError):
    """Base class of errors that make a download fail.

    Attributes:
        kind: kind of the failure.
        brief: the message without host and path; "" if it cannot be shortened.
        existing: the existing file that is in the way; None if there is none.
    """

    kind = FailureKind.OTHER
    brief = ""
    existing: Path | None = None


def failure_of(error: BaseException) -> Failure:
    """Return the kind and the short message of an error, which are safe to show and to store."""
    if not isinstance(error, DownloadError):
        return Failure(FailureKind.OTHER)
    return Failure(error.kind, printable(redact(error.brief)))


class FileExistsError(DownloadError):
    """The destination exists, and the strategy is ERROR."""

    kind = FailureKind.FILE_EXISTS

    def __init__(self, path: Path) -> None:
        self.path = self.existing = path
        super().__init__(f"file already exists: {path}")


class HttpStatusError(DownloadError):
    """The server's final response has an error status."""

    _WORDS = "HTTP "

    def __init__(
        self,
        status: int,
        reason: str = "",
        *,
        retry_after: float | None = None,
        is_login_refused: bool = False,
    ) -> None:
        self.status = status
        self.reason = reason
        self.retry_after = retry_after  # seconds, as the server requested
        self.is_login_refused = is_login_refused  # True if the request had a login
        is_long = retry_after is not None and retry_after > MAX_RETRY_AFTER_SECONDS
        note = "; the login was refused" if is_login_refused else ""
        if is_long:
            note += f"; the server asks you to wait {duration_text(retry_after)}"
        self.brief = f"{status} {reason}".rstrip() + note
        super().__init__(self._WORDS + self.brief)
        self._classify()

    def _classify(self) -> None:
        """Set the kind, by status and login."""
        match self.status:
            case HTTPStatus.UNAUTHORIZED if self.is_login_refused:
                self.kind = FailureKind.LOGIN_REFUSED
            case HTTPStatus.UNAUTHORIZED:
                self.kind = FailureKind.LOGIN_MISSING
            case HTTPStatus.FORBIDDEN | HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
                self.kind = FailureKind.LINK_REFUSED
            case _:
                self.kind = FailureKind.HTTP_STATUS


class ProxyRefusalError(HttpStatusError):
    """The proxy refused the request, so the server did not receive it."""

    _WORDS = "the proxy refused the request: "

    def _classify(self) -> None:
        """Set the kind; the short message also names the proxy, unless the kind does."""
        if self.status != HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            self.kind, self.brief = FailureKind.CONNECTION, self._WORDS + self.brief
        elif self.is_login_refused:
            self.kind = FailureKind.PROXY_LOGIN_REFUSED
        else:
            self.kind = FailureKind.PROXY_LOGIN_MISSING


class ProtocolError(DownloadError):
    """The server's response contradicts itself or the request."""

    kind = FailureKind.PROTOCOL


class WebPageError(DownloadError):
    """The server sent a web page, an API's error message or an image instead of the file."""

    kind = FailureKind.WEB_PAGE

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
        facts = type_text if size is None else f"{type_text}, {count_text(size, 'byte')}"
        note = "; the partial file is kept" if is_kept else ""
        super().__init__(f"the server sent {what} ({facts}) instead of the file; {_SIGN_IN}{note}")


class TooLargeError(DownloadError):
    """The file is larger than `max_size`."""

    kind = FailureKind.TOO_LARGE

    def __init__(self, limit: int, size: int | None = None) -> None:
        self.limit = limit  # bytes
        self.size = size  # bytes; None: unknown, but more than `limit`
        what = "the file" if size is None else f"the file ({count_text(size, 'byte')})"
        super().__init__(f"{what} is larger than max_size ({count_text(limit, 'byte')})")


class RobotsTagError(DownloadError):
    """The server asks programs not to use the file (X-Robots-Tag), and the user respects that."""

    kind = FailureKind.ROBOTS_TAG

    def __init__(self, directive: str) -> None:
        self.directive = directive
        super().__init__(
            f"the server asks programs not to use this file (X-Robots-Tag: {directive})"
        )


class IncompleteError(DownloadError):
    """The connection ended before all bytes were received."""

    kind = FailureKind.INCOMPLETE

    def __init__(self, received: int, expected: int | None) -> None:
        self.received = received  # bytes
        self.expected = expected  # bytes; None: unknown
        amount = count_text(received, "byte")
        if expected is not None:
            amount = f"{received:,} of {count_text(expected, 'byte')}"
        super().__init__(f"connection closed after {amount}")


class ConnectionFailedError(DownloadError):
    """The server could not be reached, or the connection was lost."""

    kind = FailureKind.CONNECTION

    def __init__(self, host: str, problem: str) -> None:
        self.host = host
        self.problem = self.brief = problem
        super().__init__(f"{host}: {problem}")


class HostNotFoundError(ConnectionFailedError):
    """The name of the host or the proxy does not exist."""

    kind = FailureKind.DNS

    def __init__(self, host: str, *, is_proxy: bool = False) -> None:
        super().__init__(host, f"{'the proxy: ' if is_proxy else ''}host name not found")


class NoNetworkError(ConnectionFailedError):
    """This machine has no network, or no name server answers.

    With `network_timeout`, rheo waits until the network is back, and does not count the attempt.
    """

    kind = FailureKind.NO_NETWORK

    def __init__(self, host: str, problem: str, *, is_lookup: bool = False) -> None:
        self.is_lookup = is_lookup  # True if a name server should have answered for `host`
        self.is_ipv6_only = False  # True if all addresses of `host` are of IPv6
        super().__init__(host, problem)


class CertificateError(DownloadError):
    """The server's certificate is not trusted."""

    kind = FailureKind.CERTIFICATE

    def __init__(self, host: str, problem: str) -> None:
        self.host = host
        self.problem = problem
        self.brief = f"certificate refused: {problem}"
        super().__init__(f"{host}: {self.brief}")


class DownloadTimeoutError(DownloadError):
    """No data arrived for too long, or the whole attempt took too long.

    Args:
        what: the problem, such as "no data".
        seconds: length of the wait; None: unknown.
        span: word before the seconds.
        peer: the other side, such as "from example.org".
    """

    kind = FailureKind.TIMEOUT

    def __init__(
        self, what: str, seconds: float | None, span: str = "within", *, peer: str = ""
    ) -> None:
        self.seconds = seconds
        end = f" {span} {seconds:g} s" if seconds else ": timed out"
        self.brief = f"{what}{end}"
        super().__init__(f"{what} {peer}{end}" if peer else self.brief)


class HostFullError(DownloadError):
    """A redirect leads to a host that has reached its connection limit.

    Users never see this error, because rheo queues the download again until the host is free.
    """

    kind = FailureKind.HOST_FULL

    def __init__(self, host: str) -> None:
        self.host = host  # with its port
        super().__init__(f"{host} has reached its limit of connections")


class ShortageError(DownloadError):
    """This machine is short of a resource that every download needs, such as file descriptors.

    rheo runs fewer downloads at once and tries again. A download fails with this error only if no
    other download is running.
    """

    kind = FailureKind.SHORTAGE

    def __init__(self, problem: str, advice: str = "") -> None:
        self.problem = problem
        super().__init__(f"{problem}{advice}")

    @classmethod
    def of_threads(cls) -> "ShortageError":
        """Return the error for a thread that does not start."""
        return cls("cannot start another thread")


class RequestOptionsError(DownloadError):
    """Request options are unusable, for example because a file is missing."""

    kind = FailureKind.REQUEST_OPTIONS


class TooManyRedirectsError(DownloadError):
    """The number of redirects exceeds the limit."""

    kind = FailureKind.REDIRECTS

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(f"more than {count} redirects")


class DestinationError(DownloadError):
    """The destination cannot be written."""

    kind = FailureKind.DESTINATION

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = self.brief = problem
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
        disk_facts: str = "",
    ) -> None:
        self.missing = missing  # bytes that do not fit; None: unknown
        self.reserve = reserve  # bytes kept free while the length of a file is unknown
        self.is_too_large = is_too_large  # however much space the disk has
        problem = "disk full" if missing is None else f"disk full, {size_text(missing)} short"
        if reserve is not None:
            kept_free = size_text(reserve)
            problem += f": {kept_free} stays free because the length of the file is unknown"
        if is_too_large:
            problem = "the file is too large for this file system or for ulimit -f"
        if disk_facts:  # sizes of file and disk
            problem = f"disk full: {disk_facts}"
        super().__init__(path, problem)


class FileInUseError(DestinationError):
    """Another process is writing the file."""

    kind = FailureKind.FILE_IN_USE

    def __init__(self, path: Path) -> None:
        super().__init__(path, "another process is using it")


class FileValidationError(DownloadError):
    """Base class of errors found while checking a file."""

    kind = FailureKind.FILE

    @classmethod
    def of_existing(cls, path: Path, problem: str) -> "FileValidationError":
        """Return the error for an existing file that differs from the requested one."""
        error = cls(f"the existing {printable(path.name)}{problem}{_FILE_UNCHANGED}")
        error.kind, error.existing = FailureKind.EXISTING_DIFFERS, path
        return error


class FileAccessError(FileValidationError):
    """The file to check cannot be read."""

    kind = FailureKind.FILE_ACCESS


class HashMismatchError(FileValidationError):
    """The digest of a file differs from the expected one.

    Args:
        expected_hash: expected digest, hexadecimal; of the first bad piece if pieces are bad.
        calculated_hash: actual digest, hexadecimal; None: unknown.
        file_path: path of the file.
        bad_pieces: number of bad pieces; 0 if the whole file was checked at once.
        pieces: number of pieces of the file.
        page: media type of the web page that the server sent; None: no page.
        was_there: rheo did not download the file, because it existed already.
        is_promised: the expected digest comes from the server's headers.
        mirror_errors: errors of the mirrors that should have replaced the file or its bad pieces.
        algorithm: algorithm of the digests; None: unknown.
    """

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
        mirror_errors: Sequence[Exception] = (),
        algorithm: HashAlgorithm | None = None,
    ) -> None:
        self.expected_hash = expected_hash
        self.calculated_hash = calculated_hash
        self.file_path = file_path
        self.bad_pieces = bad_pieces
        self.pieces = pieces
        self.was_there = was_there
        self.page = page
        self.mirror_errors = mirror_errors
        got = f"{calculated_hash[:16]}…" if calculated_hash else "unknown"
        wrong = f"wrong {algorithm.usual_name if algorithm else 'checksum'}"
        problem = f"{wrong}: expected {expected_hash[:16]}…, got {got}"
        if bad_pieces:
            where = "at every source that sent them" if mirror_errors else "at every source"
            problem = f"{bad_pieces:,} of {pieces:,} pieces are damaged {where}"
        if is_promised:
            problem += "; the expected hash is from the server's headers"
        if page is not None:
            problem += f"; the server sent a web page ({page}); {_SIGN_IN}"
        if mirror_errors:
            which = "another source" if bad_pieces else "the mirror"
            problem += f"; {which} failed: {mirror_errors[0]}"
        if was_there:
            problem = f"the existing {file_path.name} has a {problem}{_FILE_UNCHANGED}"
        super().__init__(problem)
        self.brief = wrong
        if was_there:
            self.kind, self.existing = FailureKind.EXISTING_DIFFERS, file_path
        elif bad_pieces:
            self.kind = FailureKind.PIECES
        else:
            self.kind = FailureKind.PROMISED_HASH if is_promised else FailureKind.HASH


class WorkerError(DownloadManagerError):
    """Base class of worker errors."""


class WorkerPoolError(DownloadManagerError):
    """Base class of worker pool errors."""


class WorkerPoolAlreadyStartedError(WorkerPoolError):
    """The pool was started twice."""


class QueueError(DownloadManagerError):
    """Base class of queue errors."""


class ProcessQueueError(QueueError):
    """The queue does not allow the operation in its current state."""


class ValidationError(DownloadManagerError):
    """A value given by the user is not valid."""


class RetryError(DownloadManagerError):
    """The retry loop ended without a result or an error."""
