"""The name a reply suggests (RFC 6266 and RFC 8187), made safe.

What the grammar forbids and servers send all the same is read as browsers do where they agree on
it, and ignored where they do not; the URL names the file then.
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
"""Servers that make headers as they make pages; the semicolon would end the parameter."""
_ESCAPED = re.compile("|".join(_ESCAPES))
_NO_TOKEN = re.compile(r"=|.*/", re.DOTALL)


def filename_from_disposition(header: str) -> str | None:
    """The file name of a Content-Disposition header, as one safe path component.

    `filename*` wins over `filename` (RFC 6266 4.3). None where no usable name is given.
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
    if token.startswith('"'):  # nobody closed the quotes
        return _as_utf8(token[1:])
    return None if _NO_TOKEN.match(token) else _as_utf8(token)


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
    """An `ext-value` of RFC 8187 3.2.1; None where it is none, or not in the charset it names."""
    match = _EXTENDED.fullmatch(text.strip())
    charset = _CHARSETS.get(match["charset"].lower()) if match else None
    if match is None or charset is None:
        return None
    try:
        name = unquote_to_bytes(match["value"]).decode(charset)
    except UnicodeError:
        return None
    return None if charset == "latin-1" and _C1.search(name) else name  # it was UTF-8
