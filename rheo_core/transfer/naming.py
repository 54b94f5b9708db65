"""File name that a reply suggests (RFC 6266 and RFC 8187), made safe.

Malformed headers that servers send are read as browsers do if browsers agree. Otherwise they are
ignored, and the URL names the file.
"""

import re
from base64 import b64decode
from quopri import decodestring
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
_CHARSETS = {
    "utf-8": "utf-8", "iso-8859-1": "latin-1", "us-ascii": "ascii", "windows-1252": "cp1252",
    "euc-jp": "euc-jp", "shift_jis": "shift_jis", "iso-2022-jp": "iso-2022-jp",
    "euc-kr": "euc-kr", "ksc5601": "euc-kr", "gbk": "gbk", "gb2312": "gbk", "gb18030": "gb18030",
    "big5": "big5", "koi8-r": "koi8-r", "windows-1250": "cp1250", "windows-1251": "cp1251",
    "iso-8859-2": "iso-8859-2", "iso-8859-7": "iso-8859-7", "iso-8859-15": "iso-8859-15",
}  # fmt: skip
"""Charsets of browsers (WHATWG Encoding) that names are sent in."""
_ENCODED_WORD = re.compile(r"=\?([\w-]+)\?([bBqQ])\?([^?\s]*)\?=")
_AFTER_WORD = re.compile(r"(?<=\?=)\s+")
_BROKEN_Q = re.compile(r"=(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_C1 = re.compile(r"[\x80-\x9f]")
_ESCAPES = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}
"""HTML escapes that some servers use in headers; the semicolon would end the parameter."""
_ESCAPED = re.compile("|".join(_ESCAPES))
_NO_TOKEN = re.compile(r"=(?!\?)|.*/", re.DOTALL)


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
        return _decode_text(re.sub(r"\\(.)", r"\1", match["quoted"], flags=re.DOTALL))
    token: str = match["token"].strip()
    if token.startswith('"'):  # the quotes are not closed
        return _decode_text(token[1:])
    return None if _NO_TOKEN.match(token) else _decode_text(token)


def _decode_text(text: str) -> str | None:
    """Decode a name as Chrome and Firefox do: encoded words and escapes, if all of it is ASCII.

    None if an encoded word is not valid. A separator that was encoded does not separate.
    """
    if not text.isascii():
        return _as_utf8(text)
    if "=?" in text:
        return _decode_words(text)
    if _ESCAPE.search(text) is None:
        return text
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:  # in another encoding, or only something like it
        return text
    return text if _CONTROL.search(decoded) else _without_separators(decoded, text)


def _decode_words(text: str) -> str | None:
    """Decode the encoded words in a name (RFC 2047 2)."""
    parts = _ENCODED_WORD.split(_AFTER_WORD.sub("", text))
    decoded = [parts[0]]
    for charset, coding, content, after in zip(*(parts[at::4] for at in range(1, 5)), strict=True):
        known = _CHARSETS.get(charset.lower())
        if known is None:
            return None
        try:
            decoded += [_decode_word(coding, content).decode(known), after]
        except ValueError:
            return None
    name = "".join(decoded)
    return None if "=?" in name or "?=" in name else _without_separators(name, "")


def _decode_word(coding: str, content: str) -> bytes:
    """Return the bytes of an encoded word; raise ValueError if it is not valid."""
    if coding in "bB":
        return b64decode(content, validate=True)
    if _BROKEN_Q.search(content):
        raise ValueError("an escape is not complete")
    return decodestring(content.replace("_", " ").encode())


def _without_separators(decoded: str, encoded: str) -> str:
    """Replace the separators in a decoded name, unless they stood there before."""
    if set(encoded) & set("/\\"):
        return decoded
    return decoded.replace("/", "_").replace("\\", "_")


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
