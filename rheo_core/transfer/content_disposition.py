"""File names in Content-Disposition headers (RFC 6266 and RFC 8187).

If browsers agree on how to read a malformed header, this module reads it in the same way.
Otherwise it ignores the header, and the name comes from the URL.
"""

import codecs
import re
from contextlib import suppress
from email.errors import HeaderParseError
from email.header import decode_header
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
_LATIN_1 = codecs.lookup("latin-1").name
_C1 = re.compile(r"[\x80-\x9f]")
_ESCAPES = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}
"""HTML escapes that some servers use in headers; the semicolon would end the parameter."""
_ESCAPED = re.compile("|".join(_ESCAPES))
_NO_TOKEN = re.compile(r"=(?!\?)|(?!=\?).*/", re.DOTALL)
_SEPARATOR = re.compile(r"[/\\]")
_BAD_WORD = re.compile(r"\?[Qq]\?[^?]*=(?![0-9A-Fa-f]{2})")
_AFTER_WORD = re.compile(r"\?=[ \t]+")
_MAX_ENCODED_LENGTH = 4_000
"""Characters of encoded words or of an `ext-value`. Some codecs take quadratic time, and a name has
255 bytes."""
_PERCENT_ENCODED = re.compile("(?:%[0-9a-fA-F]{2})+")


def filename_from_disposition(header: str) -> str | None:
    """Return the file name of a Content-Disposition header, as one safe path component.

    `filename*` takes precedence over `filename` (RFC 6266 4.3). None if there is no usable name.
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
    last = _SEPARATOR.split(name)[-1]  # RFC 6266 4.3: only the last path segment counts
    return sanitise_filename(last, fallback="") or None


def _decode_plain(match: re.Match[str]) -> str | None:
    if match["quoted"] is not None:
        return _decode_value(re.sub(r"\\(.)", r"\1", match["quoted"], flags=re.DOTALL))
    token: str = match["token"].strip()
    if token.startswith('"'):  # the quotes are not closed
        return _decode_value(token[1:])
    return None if _NO_TOKEN.match(token) else _decode_value(token)


def _decode_value(text: str) -> str | None:
    """Decode the ways in which servers write letters beyond ASCII; None if it is malformed.

    Encoded words (RFC 2047) and `%D0%BE` count only if all is ASCII, as in Chrome and Firefox.
    """
    if not text.isascii():
        return _as_utf8(text)
    if "=?" in text:
        return _decode_words(text)
    return _PERCENT_ENCODED.sub(_decode_percent, text)


def _decode_words(text: str) -> str | None:
    if len(text) > _MAX_ENCODED_LENGTH or _BAD_WORD.search(text):
        return None
    try:
        parts = [
            part if isinstance(part, str) else part.decode(charset or "ascii")
            for part, charset in decode_header(_AFTER_WORD.sub("?=", text))
        ]
    except (HeaderParseError, LookupError, ValueError):
        return None
    return _SEPARATOR.sub("_", "".join(parts))


def _decode_percent(match: re.Match[str]) -> str:
    """Decode a sequence of percent-encoded bytes; leave it unchanged if it is not UTF-8."""
    with suppress(UnicodeDecodeError):
        return _SEPARATOR.sub("_", unquote_to_bytes(match[0]).decode())
    return match[0]


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
    match = _EXTENDED.fullmatch(text.strip()) if len(text) <= _MAX_ENCODED_LENGTH else None
    if match is None:
        return None
    try:
        name = unquote_to_bytes(match["value"]).decode(match["charset"])
        is_latin_1 = codecs.lookup(match["charset"]).name == _LATIN_1
    except (LookupError, ValueError):  # an unknown charset, or bytes that it does not have
        return None
    return None if is_latin_1 and _C1.search(name) else name  # it was UTF-8
