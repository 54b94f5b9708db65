"""Translate connection, TLS and DNS errors into clear messages."""

import errno
import socket
import ssl
from collections.abc import Mapping
from http import HTTPStatus

from rheo_core.domain.exceptions import (
    CertificateError,
    ConnectionFailedError,
    DownloadError,
    HostNotFoundError,
    NoNetworkError,
    ProxyRefusalError,
)
from rheo_core.domain.text import quoted
from rheo_core.infrastructure.shortage_errors import shortage_of_sockets

from .header_values import retry_after

NO_ROUTE = frozenset({errno.ENETUNREACH, errno.ENETDOWN})
_REFUSED_CERTIFICATE = "the server refuses the client certificate"
_NO_COMMON_VERSION = "the server offers no TLS version that is allowed here"
TLS_INSTEAD_OF_HTTP = "malformed response: it is TLS instead of HTTP; use https"
_TLS_PROBLEMS = {
    "WRONG_VERSION_NUMBER": "the server does not answer with TLS",
    "NO_PROTOCOLS_AVAILABLE": _NO_COMMON_VERSION,
    "UNSUPPORTED_PROTOCOL": _NO_COMMON_VERSION,
    "TLSV1_ALERT_PROTOCOL_VERSION": _NO_COMMON_VERSION,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server asks for a client certificate",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": (
        "the server refuses the TLS handshake; it may ask for a client certificate"
    ),
    "SSLV3_ALERT_BAD_CERTIFICATE": _REFUSED_CERTIFICATE,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": _REFUSED_CERTIFICATE,
    "SSLV3_ALERT_CERTIFICATE_REVOKED": _REFUSED_CERTIFICATE,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _REFUSED_CERTIFICATE,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": _REFUSED_CERTIFICATE,
    "TLSV1_ALERT_UNKNOWN_CA": _REFUSED_CERTIFICATE,
}
"""Messages by OpenSSL's reason. Alerts come from the server (RFC 8446 6.2)."""


def connection_problem(error: Exception, host: str) -> DownloadError:
    """Translate an error of a socket, of TLS or of a name lookup."""
    if isinstance(error, DownloadError):
        return error
    if isinstance(error, OSError) and (shortage := shortage_of_sockets(error)) is not None:
        return shortage
    if isinstance(error, ssl.SSLCertVerificationError):
        return CertificateError(host, quoted(error.verify_message or error))
    if isinstance(error, socket.gaierror):
        return failed_lookup(host, error)
    if isinstance(error, OSError) and is_unreachable(error):
        return NoNetworkError(host, reason_of(error))
    return ConnectionFailedError(host, reason_of(error))


def failed_lookup(host: str, error: OSError, *, is_proxy: bool = False) -> ConnectionFailedError:
    """Return the error for a failed lookup of the name of a server or a proxy."""
    if is_silent(error):
        return NoNetworkError(host, "no name server answers", is_lookup=True)
    return HostNotFoundError(host, is_proxy=is_proxy)


def proxy_problem(error: Exception, host: str, proxy: str = "the proxy") -> DownloadError:
    """Return the error for a failed connection to a proxy.

    Args:
        error: from a socket, from TLS, from a name lookup, or one of ours.
        host: of the proxy.
        proxy: its description in a sentence.
    """
    problem = connection_problem(error, host)
    if isinstance(problem, HostNotFoundError):
        return HostNotFoundError(problem.host, is_proxy=True)
    if type(problem) is not ConnectionFailedError:
        return problem
    words = problem.problem.replace("the server", proxy)  # the other end is the proxy
    return ConnectionFailedError(problem.host, words if proxy in words else f"{proxy}: {words}")


def proxy_refusal(
    status: int, reason: str, headers: Mapping[str, str], *, sent_login: bool
) -> ProxyRefusalError:
    """Return the error for a proxy that refused a request with this status.

    Args:
        status: of its response.
        reason: of the status line; may be empty.
        headers: of its response.
        sent_login: True if the request had a login for the proxy.
    """
    return ProxyRefusalError(
        status,
        quoted(reason),
        retry_after=retry_after(headers.get("Retry-After", "")),
        is_login_refused=sent_login and status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
    )


def is_silent(error: OSError) -> bool:
    """Return True if no name server answered."""
    return isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN


def is_unreachable(error: OSError) -> bool:
    """Return True if this machine has no route for a packet."""
    return not isinstance(error, socket.gaierror) and error.errno in NO_ROUTE


def reason_of(error: Exception) -> str:
    """Return the reason for a failed connection as a phrase."""
    match error:
        case ssl.SSLError():
            known = _TLS_PROBLEMS.get(error.reason or "")
            return known or f"TLS handshake failed ({quoted(error.reason or error).lower()})"
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionResetError():
            return "connection reset by the server"
        case OSError():
            return quoted(error.strerror or error).lower()
    return quoted(error)


def certificate_problem(error: Exception) -> str:
    """Return the reason for refusing a certificate."""
    cause = getattr(error, "certificate_error", error)
    return quoted(getattr(cause, "verify_message", "") or cause)


def cause_of(error: OSError) -> OSError:
    """Return the system's error inside a connection error of aiohttp."""
    return getattr(error, "os_error", error)
