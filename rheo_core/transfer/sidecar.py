"""Fetch the checksum file next to a download, such as `a.iso.sha256` or SHA256SUMS.

`downloads/attempt.py` decides whether a download needs one.
"""

import zlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from rheo_core.domain.checksum_lines import NAMELESS, read_checksum_line
from rheo_core.domain.exceptions import DownloadError, FileValidationError, IncompleteError
from rheo_core.domain.hash_validation import HashAlgorithm, HashConfig
from rheo_core.domain.request_options import NO_OPTIONS, RequestOptions
from rheo_core.domain.retry import RetryPolicy
from rheo_core.domain.text import printable, redact_url
from rheo_core.domain.tuning import DEFAULT_TUNING
from rheo_core.domain.units import size_text
from rheo_core.domain.urls import host_of
from rheo_core.infrastructure.http import Exchange, Requester, Response, Timeouts
from rheo_core.infrastructure.shared_timer import TimeLimit

from .body import body_of
from .connection_permit import ConnectionPermit
from .errors import translated_errors
from .response_head import status_error

_MAX_BYTES = 4 << 20
"""Size limit of a checksum file. The files of whole distributions have about 100 KiB."""
_WHOLE = frozenset({HTTPStatus.OK, HTTPStatus.NON_AUTHORITATIVE_INFORMATION})
_POLICY = RetryPolicy()
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})
_ANY_FORMAT = 32 + zlib.MAX_WBITS
"""gzip or zlib, depending on the first bytes of the data."""


class Sidecar(NamedTuple):
    """URL of a possible checksum file."""

    url: str
    algorithm: HashAlgorithm
    is_single: bool  # it covers a single file, so it need not name it


_PLACES = (  # in the order of requests; a suffix of the name, or a whole name
    (".sha256", HashAlgorithm.SHA256, True),
    ("SHA256SUMS", HashAlgorithm.SHA256, False),
    (".sha512", HashAlgorithm.SHA512, True),
    ("SHA512SUMS", HashAlgorithm.SHA512, False),
)
_ENDINGS = tuple(ending for ending, _, _ in _PLACES)


def sidecars(url: str) -> list[Sidecar]:
    """Return the usual URLs of checksum files for the file at `url`, best first.

    The path is kept byte for byte. Query and fragment are dropped, because they apply only to the
    file. The result is empty if `url` is not http(s), is not valid, does not name a file, or names
    a checksum file.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return []
    folder, _, name = parts.path.rpartition("/")
    if parts.scheme not in ("http", "https") or not parts.netloc or not name:
        return []
    if name.endswith(_ENDINGS):
        return []
    checksum_files = []
    for ending, algorithm, is_single in _PLACES:
        path = f"{folder}/{name}{ending}" if is_single else f"{folder}/{ending}"
        address = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
        checksum_files.append(Sidecar(address, algorithm, is_single))
    return checksum_files


async def fetch_checksum(
    requester: Requester,
    url: str,
    timeouts: Timeouts,
    connect: Callable[[str], ConnectionPermit],
    limit: float,
    options: RequestOptions = NO_OPTIONS,
) -> HashConfig | None:
    """Return the checksum of the file at `url`, from the first checksum file next to it.

    Args:
        requester: sends the requests.
        url: URL of the file.
        timeouts: time limits of requests.
        connect: returns a permit for a connection to a host, with a name as from `host_of`.
        limit: time limit for one checksum file, seconds.
        options: options of the download for its requests.

    Raises:
        HostFullError: a host has no room, or a redirect leads to a full host.
        FileValidationError: no checksum was found, and a checksum file is unreadable.
        DownloadError: a checksum file exists, or may exist, but rheo cannot fetch it.
    """
    unreadable = ""
    filename = unquote(urlsplit(url).path.rpartition("/")[2])
    for sidecar in sidecars(url):
        exchange = requester.get(sidecar.url, {}, timeouts, options)
        try:
            text = await _fetch_text(exchange, connect(host_of(sidecar.url)), timeouts, limit)
        except _UnreadableError as error:
            unreadable = unreadable or f"no checksum found: {redact_url(sidecar.url)} {error}"
            continue
        checksum = hash_in(text, filename, sidecar.algorithm, is_single=sidecar.is_single)
        if checksum is not None:
            return checksum
    if unreadable:
        raise FileValidationError(unreadable)
    return None


class _UnreadableError(Exception):
    """A checksum file is unreadable. The reason completes a sentence about the file."""


async def _fetch_text(
    exchange: Exchange, permit: ConnectionPermit, timeouts: Timeouts, limit: float
) -> str:
    """Return the text of a response; empty if the file does not exist.

    Raises:
        _UnreadableError: the file is too large, or its coding is unknown or damaged.
        DownloadError: rheo cannot fetch the file.
    """

    async def go_on_to(url: str) -> None:
        await permit.move(host_of(url))

    async with permit as note_answer:
        try:
            with (
                translated_errors(lambda: exchange.host, timeouts, limit),
                TimeLimit.after(limit),
            ):
                response = await exchange.open(go_on_to)
                _check_status(response)
                note_answer()
                return await _text_of(response, timeouts.read)
        except DownloadError as error:
            permit.is_refusal(permit.host, error)
            raise
        finally:
            await exchange.close(None)


def _check_status(response: Response) -> None:
    """Raise the error of a response after which the file may exist later."""
    error = status_error(response.status, response.reason or "", response.headers)
    if _POLICY.should_retry_status(response.status, has_wait=error.retry_after is not None):
        raise error


async def _text_of(response: Response, stall_timeout: float | None) -> str:
    if response.status not in _WHOLE:
        return ""
    body = body_of(response, stall_timeout, DEFAULT_TUNING.max_batch_seconds)
    try:
        text = b""
        while chunk := await body.fill(_MAX_BYTES + 1 - len(text), lambda _: False):
            text += chunk
            _check_size(text)
        if response.content_length not in (None, len(text)):
            raise IncompleteError(len(text), response.content_length)
    finally:
        body.close()
    text = _decoded(text, ", ".join(response.headers.getall("Content-Encoding", ())))
    encoding = "utf-16" if text.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8"
    return text.decode(encoding, errors="replace")


def _decoded(data: bytes, codings: str) -> bytes:
    """Undo a Content-Encoding, which some servers apply without a request (RFC 9110 8.4)."""
    coding = codings.strip().lower()
    if coding in ("", "identity"):
        return data
    if coding not in _COMPRESSED:
        raise _UnreadableError(f"has the coding {printable(coding[:40])!r}, which is not supported")
    decoder = zlib.decompressobj(_ANY_FORMAT)
    try:
        data = decoder.decompress(data, _MAX_BYTES + 1)
    except zlib.error:
        raise _UnreadableError(f"is not valid {coding}") from None
    _check_size(data)
    if not decoder.eof:
        raise _UnreadableError(f"is not valid {coding}")
    return data


def _check_size(data: bytes) -> None:
    if len(data) > _MAX_BYTES:
        raise _UnreadableError(f"is too large (more than {size_text(_MAX_BYTES)})")


def hash_in(
    text: str, filename: str, algorithm: HashAlgorithm, *, is_single: bool
) -> HashConfig | None:
    """Return the checksum of `filename` in a checksum file.

    Lines with exactly this name come first, then lines with the name in a folder, then lines
    without a name. Unreadable lines, comments and PGP armour are ignored. The signature is not
    checked.

    Args:
        text: any text of any size.
        filename: last segment of the URL, percent-decoded.
        algorithm: algorithm of the checksums.
        is_single: the checksum file is for one file and need not name it.

    Returns:
        The checksum; None if none is found, if two differ, or if the text is a web page.
    """
    if text.lstrip("\ufeff \t\r\n").startswith("<"):  # "not found" with the status 200
        return None
    entries = list(_entries(text, algorithm))
    for is_meant in _matches(filename, is_single):
        hashes = {digest for name, digest in entries if is_meant(name)}
        if hashes:
            first = hashes.pop()
            return None if hashes else HashConfig(algorithm=algorithm, expected_hash=first)
    return None


def _matches(filename: str, is_single: bool) -> Iterator[Callable[[str], bool]]:
    yield lambda name: name == filename
    yield lambda name: name.rpartition("/")[2] == filename
    if is_single:
        yield lambda name: name == NAMELESS


def _entries(text: str, algorithm: HashAlgorithm) -> Iterator[tuple[str, str]]:
    """Yield names and hashes; hashes are hexadecimal in lower case."""
    for line in text.removeprefix("\ufeff").split("\n"):
        entry = read_checksum_line(line)
        if entry is None or entry.tag not in (None, algorithm):
            continue
        if len(entry.digest) == algorithm.hex_length:
            yield entry.name, entry.digest
