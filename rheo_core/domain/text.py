"""Text from outside, made fit for a terminal, a log or a message."""

import re
import unicodedata
from collections.abc import Sequence
from urllib.parse import unquote

_SUBSTITUTE = "\ufffd"
_HIDDEN = "***"
_USERINFO = re.compile(r"(?<=://)[^/?#\s]*@")
_HOLDS_NO_SECRET = re.compile(r"https?://[A-Za-z0-9.:_-]+/[!\"$-:<>A-~]*")
_PARAMETER = re.compile(r"([?&;#])([^=?&;#\s]+)=([^&;#\s]+(?:;[^=?&;#\s]*(?![^&;#\s]))*)")
_WORD = re.compile(r"\S+")
_NAMELESS = re.compile(r"(?:^|(?<=[&;#]))[^=&;#]+(?=[&;#]|$)")
_SECRET_NAME = re.compile(
    r"(?i)token|key|sig|secret|pass|pwd|auth|credential|session|hmac|jwt|cookie|ticket|policy|bearer"
)
_SECRET_FIELD = re.compile(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie):\s*\S[^\r\n]*")


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


def redact(text: str) -> str:
    """`text` with the secrets in it replaced by `***`; a text without any as it is.

    Those of URLs (logins, and the values of query parameters whose name sounds like one: tokens,
    keys, signatures; what has no name in a fragment, which may be anything and is never sent)
    and those of Authorization and Cookie fields.
    """
    if _HOLDS_NO_SECRET.fullmatch(text):
        return text  # as most are: the rest of this costs five times as much
    if "://" in text:
        text = without_login(text)
    if "=" in text:
        text = _PARAMETER.sub(_redact_parameter, text)
    if "#" in text:
        text = _WORD.sub(_redact_fragment, text)
    return _SECRET_FIELD.sub(rf"\1: {_HIDDEN}", text) if ":" in text else text


def without_login(text: str) -> str:
    """`text` without the logins of the URLs in it."""
    return _USERINFO.sub("", text)


def _redact_parameter(found: re.Match[str]) -> str:
    is_secret = _SECRET_NAME.search(unquote(found[2])) is not None
    if not is_secret and "%" in found[3]:  # a URL in a URL
        inner = unquote(found[3])
        is_secret = "://" in inner and redact(inner) != inner
    return f"{found[1]}{found[2]}={_HIDDEN}" if is_secret else found[0]


def _redact_fragment(found: re.Match[str]) -> str:
    head, _, rest = found[0].partition("#")
    if "://" not in head:
        return found[0]
    fragment = rest.rstrip("'\")],.:;")  # the message that the URL stands in
    return f"{head}#{_NAMELESS.sub(_HIDDEN, fragment)}{rest[len(fragment) :]}"


def is_redacted(url: str) -> bool:
    """Whether the value of a parameter was taken out of `url`; it leads nowhere then."""
    return f"={_HIDDEN}" in url


def redact_url(url: str) -> str:
    """`url` fit to be shown: on one line, and without secrets."""
    return printable(redact(url))


def redact_unreadable(url: str) -> str:
    """`redact_url` for what cannot be read as a URL: its login may reach as far as the last `@`."""
    login, at, place = without_login(url).rpartition("@")
    if not at:
        return redact_url(place)
    scheme, mark, _ = login.partition("://")
    return f"{printable(scheme) if mark else ''}{mark}{_HIDDEN}@{redact_url(place)}"


def at_most(lines: Sequence[str], separator: str = "\n", count: int = 10) -> str:
    """The first `count` lines and how many more there are; a flood is no message."""
    shown = list(lines[:count])
    if len(lines) > count:
        shown.append(f"and {len(lines) - count:,} more")
    return separator.join(shown)
