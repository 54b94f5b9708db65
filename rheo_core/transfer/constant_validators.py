"""Recognise ETags and dates that stay the same when the file changes.

Programs send them if they do not know the value, or do not have the body yet. Rejecting a good
validator only prevents a resume, but trusting a bad one mixes two versions of a file.
"""

import hashlib
import re
from base64 import b64encode
from datetime import UTC, datetime

_ZEROS = re.compile(r"[\W_0]*|0{8,}-\d+")
"""`0`, `-`, `0-0`, zero digests, and the ones that MinIO gives to files from before its time."""
_SEPARATOR = re.compile(r"[-:._]")
_WORDS = frozenset({
    "-1", "(null)", "empty", "etag", "false", "n/a", "na", "nan", "nil", "none", "null", "static",
    "true", "undefined", "unknown", "w/",
})  # fmt: skip
_DIGESTS = [
    hashlib.new(name, usedforsecurity=False)
    for name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b", "blake2s")
]
_OF_NOTHING = frozenset({
    *(each.hexdigest() for each in _DIGESTS),
    *(b64encode(each.digest()).decode().rstrip("=").lower() for each in _DIGESTS),
    "ef46db3751d8e999", "2d06800538d394c2", "99aa06d3014798d86001c324468d497f",  # xxhash
})  # fmt: skip
"""Digests of no bytes, in lower case. Some frameworks hash a body before it exists."""
_DIGEST = re.compile(r"[\w+/]{16,}")


_FIRST_YEAR = 1990
"""Earlier dates are older than the web. Build tools use such constants: 1970 (Nix, Bazel), 1980
(zip), 1985 (npm)."""
_UNITS = (1, 10**3, 10**6, 10**9)
"""Seconds to nanoseconds, in which servers write the time of a file into its ETag."""


def is_constant_etag(etag: str, size: int | None, modified: datetime | None) -> bool:
    """Return True if many versions of a file may have the same ETag.

    Args:
        etag: a strong ETag, with its quotes.
        size: size of the file, bytes, if the response gives it.
        modified: Last-Modified of the response, if it has one.
    """
    text = etag[1:-1].lower()
    if text in _WORDS or _ZEROS.fullmatch(text):
        return True
    if len(text) >= 16 and not _OF_NOTHING.isdisjoint(_DIGEST.findall(text)):
        return True
    return size is not None and _is_of_size_and_constant_time(text, size, modified)


def _is_of_size_and_constant_time(text: str, size: int, modified: datetime | None) -> bool:
    """Return True if an ETag consists of the file's size and a constant time.

    nginx, Apache, lighttpd and aiohttp build ETags from both; `FileETag Size` omits the time.
    """
    sizes = (f"{size:x}", str(size))
    if sizes[0] not in text and sizes[1] not in text:
        return False
    if modified is not None and not is_constant_moment(modified):  # the usual case, quickly
        return all(part.lstrip("0") in ("", *sizes) for part in _SEPARATOR.split(text))
    parts = {part.lstrip("0") for part in _SEPARATOR.split(text)}
    others = parts.difference(sizes, ("",))
    if len(others) == len(parts - {""}):
        return False  # another number has these digits
    if not others:
        return True
    if modified is None:
        return all(map(_is_early, others))
    times = [int(modified.timestamp()) * unit for unit in _UNITS]
    has_zero = len(parts) > len(parts - {""})
    return (times[0] == 0 and has_zero) or not others.isdisjoint(
        {*map(str, times), *(f"{time:x}" for time in times)}
    )


def _is_early(part: str) -> bool:
    """Return True if a part of an ETag may be a time before the web."""
    first = int(datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC).timestamp())
    try:
        return len(part) < 20 and int(part, 16) < first
    except ValueError:
        return False


def is_constant_date(text: str, moment: datetime) -> bool:
    """Return True if every version of a file may have the same date: `text`, parsed as `moment`.

    A two-digit year (RFC 850) does not give the century, and zero times may have this form.
    """
    return str(moment.year) not in text or is_constant_moment(moment)


def is_constant_moment(moment: datetime) -> bool:
    """Return True for a moment at which clocks and build tools begin.

    Clocks begin at New Year (2000, 2001 and others), and PHP's month 0, day 0 of the year 0 is
    30 November 1999; in any zone of whole hours.
    """
    if moment.year < _FIRST_YEAR:
        return True
    if moment.minute or moment.second:
        return False
    is_new_year = (moment.month, moment.day) in ((12, 31), (1, 1))
    return is_new_year or ((moment.year, moment.month) == (1999, 11) and moment.day >= 29)
