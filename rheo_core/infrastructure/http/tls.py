"""TLS contexts: the secure default, and contexts with the user's certificates."""

import os
import ssl
from functools import lru_cache
from pathlib import Path

from rheo_core.domain.exceptions import RequestOptionsError
from rheo_core.domain.request_options import RequestOptions
from rheo_core.domain.text import printable
from rheo_core.user_files import (
    FileVersion,
    check_private,
    open_regular,
    read_bounded,
    read_regular,
    version_of,
)

_PRIVATE_KEY = b"PRIVATE KEY-----"


def create_ssl_context() -> ssl.SSLContext:
    """Return a context that checks certificates and host names, with the system's authorities."""
    return _checking(None)


def _checking(authorities: str | None) -> ssl.SSLContext:
    _check_environment()
    context = ssl.create_default_context(cadata=authorities)
    context.set_alpn_protocols(["http/1.1"])  # some servers close connections without one
    return context


def _check_environment() -> None:
    """Check that OpenSSL does not wait for ever when it reads the authorities of the system.

    Raises:
        RequestOptionsError: one of their environment variables names a pipe.
    """
    paths = ssl.get_default_verify_paths()
    for variable, kind in (
        (paths.openssl_cafile_env, "file"),
        (paths.openssl_capath_env, "folder"),
    ):
        path = Path(os.environ.get(variable, ""))  # OpenSSL opens a whole list too
        if path.is_fifo():
            raise _problem(variable, path, f"it is a pipe, not a {kind}")


def tls_of(options: RequestOptions, *, insecure: bool) -> ssl.SSLContext | bool:
    """Return aiohttp's `ssl` argument; True for the default checks.

    Equal options share a context, and so their connections, until one of the files changes. Reads
    files.

    Args:
        options: may name a CA file and a client certificate.
        insecure: do not check the certificate of the server.

    Raises:
        RequestOptionsError: a file cannot be read or used.
    """
    ca, certificate, key = options.ca_file, options.client_cert, options.client_key
    if key is not None and certificate is None:
        raise _problem("client_key", key, "client_cert is missing")
    if ca is None and certificate is None:
        return not insecure
    versions = tuple(map(version_of, (ca, certificate, key)))
    return _context(ca, certificate, key, insecure, versions)


def context_of(tls: ssl.SSLContext | bool) -> ssl.SSLContext:
    """Return the context for an `ssl` argument; equal arguments share one."""
    if isinstance(tls, ssl.SSLContext):
        return tls
    return _context(None, None, None, insecure=not tls)


def check_https_proxy(options: RequestOptions, insecure: str) -> None:
    """Check that an https proxy is usable. aiohttp has one context for it and for the server.

    Args:
        options: those of the request.
        insecure: host of the server if its certificate is not checked, otherwise "".

    Raises:
        RequestOptionsError: the certificate of the server is not checked, or a client certificate
            would also be shown to the proxy.
    """
    if insecure:
        raise RequestOptionsError(f"--insecure {insecure}: cannot be used with an https proxy")
    if options.client_cert is not None:
        raise _problem(
            "client_cert",
            options.client_cert,
            "cannot be used with an https proxy, which would get it too",
        )


@lru_cache(maxsize=64)
def _context(
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    insecure: bool,
    versions: tuple[FileVersion | None, ...] = (),  # of the files, for the cache only
) -> ssl.SSLContext:
    context = _checking(None if ca is None else _authorities(ca))
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        _load_client_cert(context, certificate, key)
    return context


def _authorities(file: Path) -> str:
    no_certificate = _problem("ca_file", file, "it contains no certificate in PEM format")
    try:
        # Notes between certificates may have any encoding, but OpenSSL accepts only ASCII text.
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
        # Without this function OpenSSL would prompt for a password on the terminal.
        context.load_cert_chain(certificate, key, password=refuse)
    except ssl.SSLError as error:
        reason = (error.reason or "not in PEM form").replace("_", " ").lower()
        raise _problem("client_cert", certificate, f"it cannot be used: {reason}") from None
    except OSError as error:
        raise _problem("client_cert", certificate, error.strerror or "cannot be read") from None


def _check(name: str, file: Path) -> None:
    """Check that a file can be read, and that no other user can read one with a key."""
    try:
        with open_regular(file) as stream:
            if _PRIVATE_KEY in read_bounded(stream):
                check_private(stream)
    except FileNotFoundError:
        raise _problem(name, file, "no such file") from None
    except OSError as error:
        raise _problem(name, file, error.strerror or type(error).__name__) from None


def _problem(name: str, file: Path, reason: str) -> RequestOptionsError:
    return RequestOptionsError(f"{name} {printable(str(file))}: {reason}")
