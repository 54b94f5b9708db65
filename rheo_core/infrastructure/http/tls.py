"""TLS: contexts with safe defaults, and those that a user asks for."""

import ssl
from functools import lru_cache
from pathlib import Path

from rheo_core.domain.exceptions import RequestOptionsError
from rheo_core.domain.request_options import RequestOptions
from rheo_core.domain.text import printable
from rheo_core.user_files import check_private, open_regular, read_regular

_PRIVATE_KEY = b"PRIVATE KEY-----"


def create_ssl_context() -> ssl.SSLContext:
    """A context that checks certificates and host names against the system's authorities."""
    return ssl.create_default_context()


def tls_of(options: RequestOptions, *, insecure: bool) -> ssl.SSLContext | bool:
    """What aiohttp takes as `ssl`; True where nothing is asked for.

    Equal wishes share a context, and with it their connections. Reads files.

    Raises:
        RequestOptionsError: a file cannot be read or used.
    """
    ca, certificate, key = options.ca_file, options.client_cert, options.client_key
    if key is not None and certificate is None:
        raise _problem("client_key", key, "there is no client_cert that it belongs to")
    if ca is None and certificate is None:
        return not insecure
    return _context(ca, certificate, key, insecure)


def check_https_proxy(options: RequestOptions, insecure: str) -> None:
    """Look whether an https proxy may be on the way: aiohttp has one context for it and the server.

    Raises:
        RequestOptionsError: a certificate is to be shown to the server, or that of `insecure`, its
            host, is not to be checked.
    """
    if insecure:
        raise RequestOptionsError(f"--insecure {insecure}: not with an https proxy")
    if options.client_cert is not None:
        raise _problem(
            "client_cert", options.client_cert, "not with an https proxy, which would see it too"
        )


@lru_cache(maxsize=64)
def _context(
    ca: Path | None, certificate: Path | None, key: Path | None, insecure: bool
) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca is not None:
        context = ssl.create_default_context(cadata=_authorities(ca))
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        _load_client_cert(context, certificate, key)
    return context


def _authorities(file: Path) -> str:
    no_certificate = _problem("ca_file", file, "it holds no certificate in PEM form")
    try:
        # Notes beside certificates may be in any encoding; as text OpenSSL is given ASCII only.
        decoded = read_regular(file).decode("utf-8-sig", errors="replace")
        text = decoded.encode("ascii", errors="replace").decode("ascii")
        if "-----BEGIN" not in text:
            raise no_certificate
        ssl.create_default_context(cadata=text)
    except (ssl.SSLError, ValueError):
        raise no_certificate from None
    except OSError as error:
        raise _problem("ca_file", file, error.strerror or type(error).__name__) from None
    return text


def _load_client_cert(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    def refuse() -> str:
        raise _problem("client_key", key or certificate, "it is encrypted, which is not supported")

    for name, file in (("client_cert", certificate), ("client_key", key)):
        if file is not None:
            _check(name, file)
    try:
        # Without a function here OpenSSL would ask the terminal for a password.
        context.load_cert_chain(certificate, key, password=refuse)
    except ssl.SSLError as error:
        reason = (error.reason or "not in PEM form").replace("_", " ").lower()
        raise _problem("client_cert", certificate, f"it cannot be used: {reason}") from None
    except OSError as error:
        raise _problem("client_cert", certificate, error.strerror or "cannot be read") from None


def _check(name: str, file: Path) -> None:
    """Check that a certificate or key can be read, and a key by nobody else."""
    try:
        with open_regular(file) as stream:
            if _PRIVATE_KEY in stream.read():
                check_private(stream)
    except FileNotFoundError:
        raise _problem(name, file, "no such file") from None
    except OSError as error:
        raise _problem(name, file, error.strerror or type(error).__name__) from None


def _problem(name: str, file: Path, reason: str) -> RequestOptionsError:
    return RequestOptionsError(f"{name} {printable(str(file))}: {reason}")
