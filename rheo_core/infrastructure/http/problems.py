"""Sentences about connections that fail."""

import socket
import ssl

from rheo_core.domain.exceptions import CertificateError, ConnectionFailedError, DownloadError
from rheo_core.domain.text import printable, redact
from rheo_core.infrastructure.shortage import shortage_of_sockets

_MAX_CHARACTERS = 200


def connection_problem(error: Exception, host: str) -> DownloadError:
    """Return the error of this library for one of a socket, of TLS or of a name look-up."""
    if isinstance(error, DownloadError):
        return error
    if isinstance(error, OSError) and (shortage := shortage_of_sockets(error)) is not None:
        return shortage
    if isinstance(error, ssl.SSLCertVerificationError):
        return CertificateError(host, quoted(error.verify_message or error))
    return ConnectionFailedError(host, reason_of(error))


def reason_of(error: Exception) -> str:
    """Return in some words why a connection failed."""
    match error:
        case socket.gaierror():
            return "host name not found"
        case ssl.SSLError():
            return f"TLS handshake failed ({quoted(error.reason or error).lower()})"
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionResetError():
            return "connection reset by the server"
        case OSError():
            return quoted(error.strerror or error).lower()
    return quoted(error)


def quoted(message: object) -> str:
    """Return what another program or library says, without secrets and not too long."""
    text = printable(redact(str(message)))
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}…"
