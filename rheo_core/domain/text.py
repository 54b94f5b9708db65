"""Make untrusted text safe for terminals, logs and messages."""

import re
import unicodedata
from collections.abc import Sequence
from urllib.parse import quote

from .redaction import HIDDEN, is_plain_address, redact_tokens, redact_word, without_login
from .secret_shapes import is_plain_phrase

_SUBSTITUTE = "\ufffd"
_MAX_QUOTED_LENGTH = 200
_MAX_READ_LENGTH = 10 * _MAX_QUOTED_LENGTH
_WORD = re.compile(r"\S+")
_WORD_OR_BLANK = re.compile(r"\S+|[^\S\t]")
_PLAIN_LINES = re.compile(r"[\t\r\n\x20-\x7e]*+")
_LINE_END = re.compile(r"[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]+$")
_NO_PORT = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://[^/?#@:\s\[\]]+:)(?!\d+(?:[/?#\s]|$))[^/?#\s]+")
"""A host and its port. In a login without a host, the password takes the place of the port."""
_NO_ADDRESS = re.compile(
    r"^([A-Za-z][A-Za-z0-9+.-]*://\[)(?![0-9A-Fa-f:.]*(?:%[\w.-]*)?(?:[\]/?#\s]|$))[^/?#\s\]]+"
)
"""Brackets that contain no IPv6 address."""
_COLON_WITHIN = re.compile(r":\S")
_SECRET_FIELD = re.compile(
    r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]{0,40}(?:key|token|secret|signature))"
    r":\s*\S[^\r\n]*"
)


def printable(text: str) -> str:
    """Return `text` on one line, without characters that control a terminal.

    Control characters (C0, DEL, C1), surrogates, unassigned and private code points become
    U+FFFD. White space of every kind becomes a space. Format characters (Unicode category Cf: bidi
    controls, zero-width characters) are removed. The result is not safe as markup.
    """
    if text.isprintable():
        return text
    return "".join(map(_printable_character, text))


def system_reason(error: OSError) -> str:
    """Return the reason of a system error in lower case, such as `permission denied`."""
    return printable(error.strerror or str(error)).lower()


def _printable_character(character: str) -> str:
    if character.isprintable():
        return character
    if unicodedata.category(character) == "Cf":
        return ""
    return " " if character.isspace() else _SUBSTITUTE


def visible(text: str) -> str:
    """Return `text` safe for an input box: like `printable`, but with lines and tabs.

    Invisible and control characters inside a URL are percent-encoded. The URL leads to the same
    place, and the characters become visible.
    """
    if _PLAIN_LINES.fullmatch(text):
        return text
    return "".join(map(_visible_line, text.splitlines(keepends=True)))


def _visible_line(line: str) -> str:
    end = _LINE_END.search(line)
    body = line[: end.start()] if end else line
    shown = _WORD_OR_BLANK.sub(_visible_word, body)
    # Not "\r": followed by a "\n" of the next line, it would be one line end instead of two.
    return shown if not end else shown + (end[0] if end[0] in {"\n", "\r\n"} else "\n")


def _visible_word(match: re.Match[str]) -> str:
    word = match[0]
    if word.isprintable() or "://" not in word:
        return printable(word)
    seen = [number for number, character in enumerate(word) if character.isprintable()]
    return "".join(map(_encoded_character, word[seen[0] : seen[-1] + 1]))


def _encoded_character(character: str) -> str:
    return character if character.isprintable() else quote(character, errors="replace")


def is_unicode(text: str) -> bool:
    """Return True if `text` can be encoded as UTF-8, because it has no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def redact(text: str) -> str:
    """Return `text` with `***` in the place of its secrets.

    Secrets are logins in URLs, Authorization and Cookie fields, and all parameters and segments of
    paths whose names or shapes are not known to be harmless (`secret_shapes`).
    """
    if is_plain_address(text):
        return text  # the usual case; the rest takes ten times as long
    if any(sign in text for sign in ("//", "=", "@")):
        text = _WORD.sub(lambda match: redact_word(match[0]), text)
    text = redact_tokens(text)
    return _SECRET_FIELD.sub(rf"\1: {HIDDEN}", text) if ":" in text else text


def redact_url(url: str) -> str:
    """Return `url` safe to show: on one line and without secrets."""
    return printable(redact(url))


def redact_unreadable(url: str) -> str:
    """Return an invalid URL as `redact_url` does. A login may extend to the last `@`."""
    if "@" in url:
        url = without_login(url)
    else:
        url = _NO_ADDRESS.sub(rf"\1{HIDDEN}", _NO_PORT.sub(rf"\1{HIDDEN}", url))
    login, at, place = url.rpartition("@")
    if not at or _is_prose(login):
        return redact_url(url)
    scheme, separator, _ = login.partition("://")
    return f"{printable(scheme) if separator else ''}{separator}{HIDDEN}@{redact_url(place)}"


def shown_url(url: str) -> str:
    """Return an invalid URL for a message, without secrets and shortened."""
    return shorten(redact_unreadable(url), _MAX_QUOTED_LENGTH)


def _is_prose(text: str) -> bool:
    """Return True if `text` contains no login, as in `@EXPLICIT` and `Mail: john.doe`."""
    last = text.rpartition(" ")[2]
    return not _COLON_WITHIN.search(text) and is_plain_phrase(last)


def shorten(text: str, length: int) -> str:
    """Return the first `length` characters of `text`, and an ellipsis if it was longer."""
    return text if len(text) <= length else f"{text[:length]}…"


def quoted(message: object) -> str:
    """Return another program's message on one line, without secrets and shortened.

    Each record of a session keeps it, and a server may send 100 kB.
    """
    # Cut twice: redaction takes time for each character.
    return shorten(printable(redact(str(message)[:_MAX_READ_LENGTH])), _MAX_QUOTED_LENGTH)


def at_most(lines: Sequence[str], separator: str = "\n", count: int = 10) -> str:
    """Return the first `count` lines, and the number of further ones."""
    shown = list(lines[:count])
    if len(lines) > count:
        shown.append(f"and {len(lines) - count:,} more")
    return separator.join(shown)
