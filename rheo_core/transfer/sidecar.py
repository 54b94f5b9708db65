"""Checksum files that lie beside a download: where to look for them, and what they say."""

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

import aiohttp

from rheo_core.domain.checksum_lists import NAMELESS, read_checksum_line
from rheo_core.domain.exceptions import DownloadError
from rheo_core.domain.file_config import host_of
from rheo_core.domain.hash_validation import HashAlgorithm, HashConfig
from rheo_core.domain.request_options import NO_OPTIONS, RequestOptions
from rheo_core.domain.retry import RetryPolicy
from rheo_core.infrastructure.http import Exchange, Requester

from .errors import translated_errors
from .host_limits import Connection
from .response_head import status_error

_MAX_BYTES = 4 << 20
"""Bytes of a checksum file; those of whole distributions have some 100 KiB."""
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity"}
_TRANSIENT = RetryPolicy().transient_status_codes


class Sidecar(NamedTuple):
    """A place where a checksum file may be."""

    url: str
    algorithm: HashAlgorithm
    is_single: bool  # it speaks of one file, and need not name it


_PLACES = (  # in the order in which they are looked for; a suffix of the name, or a whole name
    (".sha256", HashAlgorithm.SHA256, True),
    ("SHA256SUMS", HashAlgorithm.SHA256, False),
    (".sha512", HashAlgorithm.SHA512, True),
    ("SHA512SUMS", HashAlgorithm.SHA512, False),
)
_ENDINGS = tuple(ending for ending, _, _ in _PLACES)


def sidecars(url: str) -> list[Sidecar]:
    """Where checksums of the file at `url` are commonly found, best first.

    The path is kept byte for byte. Query and fragment go: what is signed or asked of the file says
    nothing of its neighbours. Empty where `url` is not http(s), cannot be read, names no file, or
    is such a checksum file itself.
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
    places = []
    for ending, algorithm, is_single in _PLACES:
        path = f"{folder}/{name}{ending}" if is_single else f"{folder}/{ending}"
        address = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
        places.append(Sidecar(address, algorithm, is_single))
    return places


async def fetch_checksum(
    requester: Requester,
    url: str,
    timeouts: aiohttp.ClientTimeout,
    connect: Callable[[str], Connection],
    limit: float,
    options: RequestOptions = NO_OPTIONS,
) -> HashConfig | None:
    """Return the checksum of the file at `url` that the first checksum file beside it gives.

    Args:
        requester: sends the requests.
        url: of the file.
        timeouts: limits of patience.
        connect: gives a place for a connection to a host, as `host_of` names it.
        limit: seconds for one checksum file.
        options: those of its download.

    Raises:
        HostFullError: it was redirected to a host that has no room.
        DownloadError: one cannot be fetched, for another reason than that it is not there.
    """
    filename = unquote(urlsplit(url).path.rpartition("/")[2])
    timeouts = aiohttp.ClientTimeout(
        total=limit, sock_connect=timeouts.sock_connect, sock_read=timeouts.sock_read
    )
    for place in sidecars(url):
        exchange = requester.get(place.url, _HEADERS, timeouts, options)
        text = await _fetch_text(exchange, connect(host_of(place.url)), timeouts)
        checksum = hash_in(text, filename, place.algorithm, is_single=place.is_single)
        if checksum is not None:
            return checksum
    return None


async def _fetch_text(
    exchange: Exchange, connection: Connection, timeouts: aiohttp.ClientTimeout
) -> str:
    """Return the text of a reply; empty if there is none, or none of a sensible size."""

    async def go_on_to(url: str) -> None:
        await connection.move(host_of(url))

    async with connection as note_answer:
        try:
            with translated_errors(exchange.origin_host, timeouts):
                reply = await exchange.open(go_on_to)
                try:
                    if reply.status in _TRANSIENT:
                        raise status_error(reply.status, reply.reason or "", reply.headers)
                    note_answer()
                    return await _text_of(reply)
                finally:
                    await exchange.close(None)
        except DownloadError as error:
            connection.is_refusal(connection.host, error)
            raise


async def _text_of(reply: aiohttp.ClientResponse) -> str:
    if reply.status != HTTPStatus.OK:
        return ""
    data = bytearray()
    async for chunk in reply.content.iter_chunked(1 << 16):
        data += chunk
        if len(data) > _MAX_BYTES:
            return ""
    return data.decode(errors="replace")


def hash_in(
    text: str, filename: str, algorithm: HashAlgorithm, *, is_single: bool
) -> HashConfig | None:
    """The checksum that a checksum file gives for `filename`.

    A line that names it exactly counts more than one that names it in a folder, and that more than
    one without a name. Lines that cannot be read are passed over, and so are comments and the
    armour of PGP, whose signature is not checked.

    Args:
        text: of the checksum file; anything, of any size.
        filename: as the server has it: the last segment of the URL, percent-decoded.
        algorithm: of the checksums in it.
        is_single: it speaks of one file, and need not name it.

    Returns:
        The checksum; None where none is given, where two differ, or where the text is a web page.
    """
    if text.lstrip("\ufeff \t\r\n").startswith("<"):  # "not found" with the status 200
        return None
    entries = list(_entries(text, algorithm))
    for is_meant in _ways_to_mean(filename, is_single):
        hashes = {digest for name, digest in entries if is_meant(name)}
        if hashes:
            only = hashes.pop()
            return None if hashes else HashConfig(algorithm=algorithm, expected_hash=only)
    return None


def _ways_to_mean(filename: str, is_single: bool) -> Iterator[Callable[[str], bool]]:
    yield lambda name: name == filename
    yield lambda name: name.rpartition("/")[2] == filename
    if is_single:
        yield lambda name: name == NAMELESS


def _entries(text: str, algorithm: HashAlgorithm) -> Iterator[tuple[str, str]]:
    """Names and hashes; these hexadecimal in lower case."""
    for line in text.removeprefix("\ufeff").split("\n"):
        entry = read_checksum_line(line)
        if entry is None or entry.tag not in (None, algorithm):
            continue
        if len(entry.digest) == algorithm.hex_length:
            yield entry.name, entry.digest
