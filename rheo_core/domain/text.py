"""Text from outside, made fit for a terminal, a log or a message."""

import re
import unicodedata
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

_SUBSTITUTE = "\ufffd"
_SECRET_PARAMETER = re.compile(
    r"(?i)((?:^|[&;])[^=&;]*(?:token|key|sig|signature|secret|password|passwd|auth|credential)"
    r"[^=&;]*=)[^&;]*"
)


def printable(text: str) -> str:
    """`text` on one line with nothing left that a terminal would obey.

    Control characters (C0, DEL, C1), surrogates, unassigned and private code points become
    U+FFFD; white space of every kind becomes a space; format characters (bidi marks, overrides
    and isolates, zero-width ones; Unicode category Cf) go.
    The result is not safe as markup: show it with markup off.
    """
    if text.isprintable():
        return text
    return "".join(map(_printable_character, text))


def _printable_character(character: str) -> str:
    if character.isprintable():
        return character
    if unicodedata.category(character) == "Cf":
        return ""
    return " " if character.isspace() else _SUBSTITUTE


def is_unicode(text: str) -> bool:
    """Whether `text` can be written as UTF-8: it holds no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def redact_url(url: str) -> str:
    """`url` fit to be shown: without login, and with the values of secret-looking query
    parameters (tokens, keys, signatures) replaced by `***`.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return printable(url)
    host = parts.netloc.rpartition("@")[2]
    query = _SECRET_PARAMETER.sub(r"\1***", parts.query)
    return printable(urlunsplit((parts.scheme, host, parts.path, query, parts.fragment)))


def at_most(lines: Sequence[str], separator: str = "\n", count: int = 10) -> str:
    """The first `count` lines and how many more there are; a flood is no message."""
    shown = list(lines[:count])
    if len(lines) > count:
        shown.append(f"and {len(lines) - count:,} more")
    return separator.join(shown)
