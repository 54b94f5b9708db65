"""Errors of the HTTP library and the system, translated into errors of this package."""

import errno
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from rheo_core.domain.exceptions import (
    CertificateError,
    ConnectionFailedError,
    DestinationError,
    DiskFullError,
    DownloadError,
    DownloadTimeoutError,
    HttpStatusError,
    NoNetworkError,
    ProtocolError,
    ShortageError,
)
from rheo_core.domain.text import system_reason
from rheo_core.infrastructure.http.connection_problems import (
    failed_look_up,
    is_unreachable,
    proxy_refusal,
    quoted,
    reason_of,
)
from rheo_core.infrastructure.identity import ReplacedError
from rheo_core.infrastructure.shortage import shortage_of_files, shortage_of_sockets


@contextmanager
def translated_errors(host: str, timeouts: aiohttp.ClientTimeout, limit: float) -> Iterator[None]:
    """Raise errors of the HTTP library as DownloadErrors; `limit` is that of the block, seconds."""
    try:
        yield
    except Exception as error:
        ours = translation(error, host, timeouts, limit)
        if ours is None:
            raise
        raise ours from error


def translation(
    error: BaseException | None,
    host: str,
    timeouts: aiohttp.ClientTimeout,
    limit: float | None = None,
) -> DownloadError | None:
    """Return the DownloadError for an error of the HTTP library; None for any other error."""
    if isinstance(error, OSError) and (shortage := _shortage(error)) is not None:
        return shortage
    match error:
        case aiohttp.ClientHttpProxyError():
            return proxy_refusal(host, error.status, error.message)
        case aiohttp.ClientProxyConnectionError():
            kind = NoNetworkError if is_unreachable(error.os_error) else ConnectionFailedError
            return kind(error.host, f"the proxy: {_os_problem(error)}")
        case aiohttp.ClientResponseError():
            if error.status >= 400 and not isinstance(error, aiohttp.ContentTypeError):
                return _malformed_or_status(error)
            return ProtocolError(f"malformed reply: {_parser_problem(error)}")
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            return CertificateError(host, _certificate_problem(error))
        case aiohttp.ServerTimeoutError():
            return _timeout(error, host, timeouts)
        case aiohttp.ClientConnectorDNSError():
            # The error has the name of a proxy; `host` is that of the request.
            name = error.host or host
            return failed_look_up(name, error.os_error, is_proxy=name != host)
        case aiohttp.ClientOSError():
            if is_unreachable(_cause(error)):
                return NoNetworkError(host, _os_problem(error))
            return ConnectionFailedError(host, _os_problem(error))
        case aiohttp.ServerDisconnectedError():
            return ConnectionFailedError(host, "the server closed the connection")
        case aiohttp.InvalidURL():
            return ProtocolError(f"{host} cannot be requested: {quoted(error)}")
        case aiohttp.ClientPayloadError():
            return ConnectionFailedError(host, "connection lost before the transfer was complete")
        case aiohttp.ClientError():
            return ConnectionFailedError(host, quoted(error))
        case TimeoutError():
            return DownloadTimeoutError(f"no complete reply from {host}", limit)
    return None


def _shortage(error: OSError) -> ShortageError | None:
    return shortage_of_sockets(_cause(error))


def _cause(error: OSError) -> OSError:
    return error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error


def _malformed_or_status(error: aiohttp.ClientResponseError) -> HttpStatusError | ProtocolError:
    """Return the error for status 400, which aiohttp also reports for malformed replies."""
    if error.headers is None:
        return ProtocolError(f"malformed reply: {_parser_problem(error)}")
    return HttpStatusError(error.status, quoted(error.message))


def _parser_problem(error: aiohttp.ClientResponseError) -> str:
    """Return the first line of a parser's message, without the bytes that it quotes."""
    said = error.message.partition("\n")[0].partition(": b")[0]
    return quoted(said.strip().removesuffix(":"))


def _timeout(error: Exception, host: str, timeouts: aiohttp.ClientTimeout) -> DownloadTimeoutError:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return DownloadTimeoutError(f"no connection to {host}", timeouts.sock_connect)
    return DownloadTimeoutError(f"no data from {host}", timeouts.sock_read)


def _os_problem(error: aiohttp.ClientOSError) -> str:
    return reason_of(_cause(error))


def _certificate_problem(error: Exception) -> str:
    cause = getattr(error, "certificate_error", error)
    return quoted(getattr(cause, "verify_message", "") or cause)


_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class named_errors:  # noqa: N801
    """Raise OSError as DestinationError with the path and the reason, or as ShortageError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ReplacedError):
            raise DestinationError(Path(error.filename), str(error.strerror)) from error
        if not isinstance(error, OSError):
            return
        path = self._path
        if (shortage := shortage_of_files(error)) is not None:
            raise shortage from error
        if error.errno in _DISK_FULL:
            raise DiskFullError(path, is_too_large=error.errno == errno.EFBIG) from error
        if error.errno == errno.ELOOP:
            raise DestinationError(path, "is a symbolic link") from error
        raise DestinationError(path, system_reason(error)) from error
