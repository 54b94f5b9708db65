"""The name a reply suggests (RFC 6266 and RFC 8187), made safe."""

import re
from urllib.parse import unquote_to_bytes

from rheo_core.domain.filenames import sanitise_filename

_PARAMETER = re.compile(
    r"""(?:^|;)\s*(?P<name>[^\s;="]+)\s*=\s*
        (?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<token>[^;]*))""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_EXTENDED = re.compile(r"(?P<charset>[\w!#$%&+^`{}~-]+)'[^']*'(?P<value>.*)", re.DOTALL)
_CHARSETS = {"utf-8": "utf-8", "iso-8859-1": "latin-1", "us-ascii": "ascii"}


def filename_from_disposition(header: str) -> str | None:
    """The file name of a Content-Disposition header, as one safe path component.

    `filename*` wins over `filename` (RFC 6266 4.3). None where no usable name is given.
    """
    plain = extended = None
    for match in _PARAMETER.finditer(header):
        parameter = match["name"].lower()
        if parameter == "filename*":
            extended = extended or _decode_extended(match["token"] or match["quoted"] or "")
        elif parameter == "filename" and plain is None:
            plain = _decode_plain(match)
    name = extended or plain
    if not name:
        return None
    last = re.split(r"[/\\]", name)[-1]  # RFC 6266 4.3: only the last path segment counts
    return sanitise_filename(last, fallback="") or None


def _decode_plain(match: re.Match[str]) -> str:
    if match["quoted"] is not None:
        text = re.sub(r"\\(.)", r"\1", match["quoted"], flags=re.DOTALL)
    else:
        text = match["token"].strip()
    return _as_utf8(text)


def _as_utf8(text: str) -> str:
    """What the server meant: UTF-8 as most send it, else Latin-1 as RFC 9110 has it."""
    try:
        return text.encode("latin-1").decode("utf-8")  # read as Latin-1, sent as UTF-8
    except UnicodeError:
        raw = _bytes_of(text)
    try:
        return raw.decode("utf-8")
    except UnicodeError:
        return raw.decode("latin-1")


def _bytes_of(text: str) -> bytes:
    """aiohttp reads headers as UTF-8, with surrogates for bytes that are not."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # surrogates that stand for no byte
        return text.encode("utf-8", "replace")


def _decode_extended(text: str) -> str | None:
    match = _EXTENDED.fullmatch(text.strip())
    charset = _CHARSETS.get(match["charset"].lower()) if match else None
    if match is None or charset is None:
        return None
    try:
        return unquote_to_bytes(match["value"]).decode(charset)
    except UnicodeError:
        return None
