"""Check the rows of a list: URL, checksum and file name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from rheo_core.domain.checksum_lines import ChecksumLine
from rheo_core.domain.hash_hints import join_hashes
from rheo_core.domain.hash_validation import HashConfig
from rheo_core.domain.text import printable, redact_unreadable, redact_url, shorten
from rheo_core.domain.urls import normalise_url
from rheo_core.inputs.reader_api import SUBSTITUTE, WRONG_ENCODING, problem_of

_NOTHING: Mapping[str, object] = MappingProxyType({})
_MAX_SHOWN_LENGTH = 200
_MAX_NAME_LENGTH = 1_000
_LOGIN = (
    "the URL contains a login, which would be stored in every file of the run; use netrc instead"
)


class ListError(ValueError):
    """A list is unusable; one sentence."""


class NoColumnError(ListError):
    """A list lacks a named column, or the column of URLs."""


class Row(NamedTuple):
    """One row. The fields are those of `FleetEntry` without its key.

    A tuple, because creating a frozen dataclass takes several times as long.
    """

    url: str
    size_bytes: int | None = None
    hash: str | None = None
    name: str | None = None
    extra: Mapping[str, object] = _NOTHING
    problem: str | None = None


def checked_row(
    number: int,
    url: object,
    *,
    checksum: object = None,
    algorithm: str = "",
    name: object = None,
    size_bytes: int | None = None,
    extra: Mapping[str, object] = _NOTHING,
) -> Row:
    """Return a row, with its problem if it cannot be downloaded.

    Args:
        number: number of the row in its list, counted from 1, for the problem.
        url: value of the URL column.
        checksum: `sha256:HEX`, or the digest alone; None or "" for none.
        algorithm: hash algorithm that the column is named after; "": the length decides.
        name: value of the name column.
        size_bytes: size in the list.
        extra: kept columns, with values for JSON.
    """
    try:
        if not isinstance(url, str) or not url:
            raise ValueError("there is no URL")
        if not url.isascii() and SUBSTITUTE in url:
            raise ValueError(WRONG_ENCODING)
        normal = normalise_url(url)
        if "@" in normal.split("/", 3)[2]:
            raise ValueError(_LOGIN)
        digest = _checked_hash(checksum, algorithm) if checksum else None
        if "#" in normal:
            digest = _joined(digest, normal)
    except ValueError as error:
        return unreadable_row(number, url, problem_of(error), extra)
    return Row(normal, size_bytes, digest, _shown(name, _MAX_NAME_LENGTH) or None, extra)


def unreadable_row(
    number: int, url: object, problem: str, extra: Mapping[str, object] = _NOTHING
) -> Row:
    """Return a row that cannot be downloaded, without the secrets in its URL."""
    shown = url if isinstance(url, str) else ""
    shown = redact_url(shown) if "://" in shown else redact_unreadable(shown)
    return Row(
        _shown(shown, _MAX_SHOWN_LENGTH),
        extra=extra,
        problem=printable(f"row {number:,}: {problem}"),
    )


def _checked_hash(checksum: object, algorithm: str) -> str:
    if not isinstance(checksum, str):
        raise ValueError(f"the hash is not text but {type(checksum).__name__}")
    if ":" not in checksum:
        digest = checksum.strip()
        known = algorithm or ChecksumLine("", digest, None).algorithm
        if known is None:
            shown = _shown(digest, _MAX_SHOWN_LENGTH)
            raise ValueError(f"hash {shown!r}: no known algorithm has {len(digest)} characters")
        checksum = f"{known}:{digest}"
    config = HashConfig.from_checksum_string(checksum)
    return f"{config.algorithm}:{config.expected_hash}"


def _joined(digest: str | None, url: str) -> str | None:
    """Return the strongest checksum of the row and its URL."""
    given = [HashConfig.from_checksum_string(digest)] if digest else []
    best = join_hashes(given, [url]).used
    return f"{best.algorithm}:{best.expected_hash}" if best else None


def _shown(value: object, length: int) -> str:
    return "" if value is None else shorten(printable(str(value)), length)
