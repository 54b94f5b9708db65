"""Translate errors of HTTP libraries and of files (disk full, permission denied) into our own."""

import errno
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rheo_core.domain.exceptions import (
    CertificateError,
    DestinationError,
    DiskFullError,
    DownloadError,
    DownloadTimeoutError,
)
from rheo_core.domain.text import system_reason
from rheo_core.infrastructure.http import Timeouts
from rheo_core.infrastructure.http.base import is_of_aiohttp
from rheo_core.infrastructure.http.connection_problems import cause_of, certificate_problem
from rheo_core.infrastructure.identity import ReplacedError
from rheo_core.infrastructure.shortage_errors import shortage_of_files, shortage_of_sockets


@contextmanager
def translated_errors(host: Callable[[], str], timeouts: Timeouts, limit: float) -> Iterator[None]:
    """Raise errors of the HTTP library as DownloadErrors.

    Args:
        host: returns the host that caused an error; redirects change it.
        timeouts: time limits of the request.
        limit: time limit of the block, seconds.
    """
    try:
        yield
    except Exception as error:
        ours = translation(error, host(), timeouts, limit)
        if ours is None:
            raise
        raise ours from error


def translation(
    error: BaseException | None,
    host: str,
    timeouts: Timeouts,
    limit: float | None = None,
) -> DownloadError | None:
    """Return the DownloadError for an error of the HTTP library; None for any other error."""
    if error is None:
        return None
    if isinstance(error, OSError):
        shortage = shortage_of_sockets(cause_of(error))
        if shortage is not None:
            return shortage
    if is_of_aiohttp(error):
        from .aiohttp_errors import translation_of_aiohttp  # it is imported already

        return translation_of_aiohttp(error, host, timeouts)
    match error:
        case ssl.SSLCertVerificationError():
            return CertificateError(host, certificate_problem(error))
        case TimeoutError():
            return DownloadTimeoutError("no complete response", limit, peer=f"from {host}")
    return None


_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class named_errors:  # noqa: N801
    """Raise OSError as DestinationError with the path and the reason, or as ShortageError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
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
