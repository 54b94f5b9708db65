"""Translate aiohttp errors into errors of this package. Imported with the first of them."""

import re
from collections.abc import Mapping

import aiohttp

from rheo_core.domain.exceptions import (
    CertificateError,
    ConnectionFailedError,
    DownloadError,
    DownloadTimeoutError,
    HttpStatusError,
    NoNetworkError,
    ProtocolError,
)
from rheo_core.domain.text import quoted
from rheo_core.infrastructure.http import Timeouts
from rheo_core.infrastructure.http.connection_problems import (
    TLS_INSTEAD_OF_HTTP,
    cause_of,
    certificate_problem,
    failed_lookup,
    is_unreachable,
    proxy_problem,
    proxy_refusal,
    reason_of,
)

_QUOTED_TLS = re.compile(r"^  b['\"]\\x1[56]\\x03", re.MULTILINE)
"""The first bytes of an alert or a handshake, as aiohttp's parser quotes them."""


def translation_of_aiohttp(
    error: BaseException, host: str, timeouts: Timeouts
) -> DownloadError | None:
    """Return the DownloadError for an aiohttp error; None if it does not concern a request."""
    match error:
        case aiohttp.ClientHttpProxyError():
            sent_login = "Proxy-Authorization" in error.request_info.headers
            headers: Mapping[str, str] = error.headers or {}
            return proxy_refusal(error.status, error.message, headers, sent_login=sent_login)
        case aiohttp.ClientProxyConnectionError():
            return proxy_problem(error.os_error, error.host)
        case aiohttp.ClientResponseError():
            if error.status >= 400 and not isinstance(error, aiohttp.ContentTypeError):
                return _malformed_or_status(error)
            return _malformed(error)
        case aiohttp.ClientConnectorCertificateError():
            return CertificateError(error.host or host, certificate_problem(error))
        case aiohttp.ClientConnectorSSLError() if error.host not in (None, host):
            return proxy_problem(cause_of(error), error.host)
        case aiohttp.ServerTimeoutError():
            return _timeout(error, host, timeouts)
        case aiohttp.ClientConnectorDNSError():
            # The error has the name of a proxy; `host` is that of the request.
            name = error.host or host
            return failed_lookup(name, error.os_error, is_proxy=name != host)
        case aiohttp.ClientOSError():
            if is_unreachable(cause_of(error)):
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
    return None


def _malformed_or_status(error: aiohttp.ClientResponseError) -> HttpStatusError | ProtocolError:
    """Return the error for status 400, which aiohttp also reports for malformed responses."""
    if error.headers is None:
        return _malformed(error)
    return HttpStatusError(error.status, quoted(error.message))


def _malformed(error: aiohttp.ClientResponseError) -> ProtocolError:
    """Return the first line of a parser's message, without the bytes that it quotes."""
    if _QUOTED_TLS.search(error.message):
        return ProtocolError(TLS_INSTEAD_OF_HTTP)
    reason = error.message.partition("\n")[0].partition(": b")[0]
    return ProtocolError(f"malformed response: {quoted(reason.strip().removesuffix(':'))}")


def _timeout(error: Exception, host: str, timeouts: Timeouts) -> DownloadTimeoutError:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return DownloadTimeoutError("no connection", timeouts.connect, peer=f"to {host}")
    return DownloadTimeoutError("no data", timeouts.read, "for", peer=f"from {host}")


def _os_problem(error: aiohttp.ClientOSError) -> str:
    return reason_of(cause_of(error))
