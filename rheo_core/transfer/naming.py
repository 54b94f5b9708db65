"""File name that a reply suggests (RFC 6266 and RFC 8187), made safe.

Malformed headers that servers send are read as browsers do if browsers agree. Otherwise they are
ignored, and the URL names the file.
"""

import re
from urllib.parse import unquote_to_bytes

from rheo_core.domain.filenames import sanitise_filename

_PARAMETER = re.compile(
    r"""(?:^|;)\s*(?P<name>[^\s;="]+)\s*=\s*
        (?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<token>[^;]*))""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_EXTENDED = re.compile(
    r"(?P<charset>[\w!#$%&+^`{}~-]+)'[^']*'(?P<value>(?:[\x20-\x24\x26-\x7e]|%[0-9a-fA-F]{2})*)"
)
_CHARSETS = {"utf-8": "utf-8", "iso-8859-1": "latin-1", "us-ascii": "ascii"}
_C1 = re.compile(r"[\x80-\x9f]")
_ESCAPES = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}
"""HTML escapes that some servers use in headers; the semicolon would end the parameter."""
_ESCAPED = re.compile("|".join(_ESCAPES))
_NO_TOKEN = re.compile(r"=|.*/", re.DOTALL)


def filename_from_disposition(header: str) -> str | None:
    """Return the file name of a Content-Disposition header, as one safe path component.

    `filename*` wins over `filename` (RFC 6266 4.3). None if there is no usable name.
    """
    plain = extended = None
    header = _ESCAPED.sub(lambda escaped: _ESCAPES[escaped[0]], header)
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


def _decode_plain(match: re.Match[str]) -> str | None:
    if match["quoted"] is not None:
        return _as_utf8(re.sub(r"\\(.)", r"\1", match["quoted"], flags=re.DOTALL))
    token: str = match["token"].strip()
    if token.startswith('"'):  # the quotes are not closed
        return _as_utf8(token[1:])
    return None if _NO_TOKEN.match(token) else _as_utf8(token)


def _as_utf8(text: str) -> str:
    """Decode a name: UTF-8, as most servers send, else Latin-1, as RFC 9110 says."""
    try:
        return text.encode("latin-1").decode("utf-8")  # read as Latin-1, sent as UTF-8
    except UnicodeError:
        raw = _bytes_of(text)
    try:
        return raw.decode("utf-8")
    except UnicodeError:
        return raw.decode("latin-1")


def _bytes_of(text: str) -> bytes:
    """Return the raw bytes; aiohttp decodes headers as UTF-8 with surrogate escapes."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # surrogates that do not stand for a byte
        return text.encode("utf-8", "replace")


def _decode_extended(text: str) -> str | None:
    """Decode an `ext-value` (RFC 8187 3.2.1); None if it is malformed or not in its charset."""
    match = _EXTENDED.fullmatch(text.strip())
    charset = _CHARSETS.get(match["charset"].lower()) if match else None
    if match is None or charset is None:
        return None
    try:
        name = unquote_to_bytes(match["value"]).decode(charset)
    except UnicodeError:
        return None
    return None if charset == "latin-1" and _C1.search(name) else name  # it was UTF-8
