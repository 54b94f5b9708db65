"""What the HTTP library raises -> our own errors, in words a user understands."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from rheo_core.domain.exceptions import (
    CertificateError,
    ConnectionFailedError,
    DownloadTimeoutError,
    HttpStatusError,
    ProtocolError,
    TooManyRedirectsError,
)
from rheo_core.domain.text import printable


@contextmanager
def translated_errors(host: str, timeouts: aiohttp.ClientTimeout) -> Iterator[None]:
    """Raise errors of the HTTP library as DownloadErrors."""
    try:
        yield
    except aiohttp.TooManyRedirects as error:
        raise TooManyRedirectsError(len(error.history)) from error
    except aiohttp.ClientResponseError as error:
        if error.status >= 400 and not isinstance(error, aiohttp.ContentTypeError):
            raise _malformed_or_status(error) from error
        raise ProtocolError(f"malformed reply: {_said(error.message)}") from error
    except (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError) as error:
        raise CertificateError(host, _certificate_problem(error)) from error
    except aiohttp.ServerTimeoutError as error:
        raise _timeout(error, host, timeouts) from error
    except aiohttp.ClientConnectorDNSError as error:
        raise ConnectionFailedError(host, "host name not found") from error
    except aiohttp.ClientOSError as error:
        raise ConnectionFailedError(host, _os_problem(error)) from error
    except aiohttp.ServerDisconnectedError as error:
        raise ConnectionFailedError(host, "the server closed the connection") from error
    except aiohttp.InvalidURL as error:
        raise ProtocolError(f"redirect to an unusable address: {_said(error)}") from error
    except aiohttp.ClientPayloadError as error:
        raise ConnectionFailedError(host, "connection lost before all bytes came") from error
    except aiohttp.ClientError as error:
        raise ConnectionFailedError(host, _said(error)) from error
    except TimeoutError as error:
        raise DownloadTimeoutError("download took longer", timeouts.total) from error


def _malformed_or_status(error: aiohttp.ClientResponseError) -> HttpStatusError | ProtocolError:
    """aiohttp reports a reply it cannot parse as status 400 of its own."""
    if error.headers is None:
        return ProtocolError(f"malformed reply: {_said(error.message)}")
    return HttpStatusError(error.status, _said(error.message))


def _timeout(error: Exception, host: str, timeouts: aiohttp.ClientTimeout) -> DownloadTimeoutError:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return DownloadTimeoutError(f"no connection to {host}", timeouts.sock_connect)
    return DownloadTimeoutError(f"no data from {host}", timeouts.sock_read)


def _os_problem(error: aiohttp.ClientOSError) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, ssl.SSLError):
        return f"TLS handshake failed ({_said(cause.reason or cause)})".lower()
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    if isinstance(cause, ConnectionResetError):
        return "connection reset by the server"
    return _said(cause.strerror or cause).lower()


def _certificate_problem(error: Exception) -> str:
    cause = getattr(error, "certificate_error", error)
    return _said(getattr(cause, "verify_message", "") or cause)


def _said(message: object) -> str:
    text = printable(str(message))
    return text if len(text) <= 200 else f"{text[:200]}…"
