"""The name a reply suggests (RFC 6266 and RFC 8187), made safe."""

import re
from urllib.parse import unquote_to_bytes

from rheo_core.domain.filenames import sanitise_filename

_PARAMETER = re.compile(
    r"""(?:^|;)\s*(?P<name>filename\*?)\s*=\s*
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
        if match["name"].endswith("*"):
            extended = extended or _decode_extended(match["token"] or match["quoted"] or "")
        elif plain is None:
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
    """Undo the Latin-1 reading of a header that was sent as UTF-8, as many servers do."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        # aiohttp decodes headers as UTF-8 with surrogates for what is not.
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _decode_extended(text: str) -> str | None:
    match = _EXTENDED.fullmatch(text.strip())
    charset = _CHARSETS.get(match["charset"].lower()) if match else None
    if match is None or charset is None:
        return None
    try:
        return unquote_to_bytes(match["value"]).decode(charset)
    except UnicodeError:
        return None
