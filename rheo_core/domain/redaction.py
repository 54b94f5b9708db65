"""Redact secrets in URLs and text. Text is secret unless it is known to be harmless.

`infrastructure/http/redirect_policy.py` drops secrets on redirects, and
`infrastructure/session_rows.py` drops them before it stores a session.
"""

import re
from itertools import groupby
from operator import itemgetter

from .secret_shapes import (
    SECRET_PLACES,
    SHARING_PLACES,
    UNMISTAKABLE,
    decoded,
    is_harmless,
    is_harmless_anchor,
    is_labelled_secret,
    is_plain,
    is_plain_phrase,
    is_random,
    is_token,
    sounds_secret,
)

HIDDEN = "***"
_AUTHORITY = re.compile(r"((?i:https?:)[\\/]*+|://|^//)((?:[^/?#\s:]++|:(?!//))*)")
"""The place of a login. Browsers accept any number of slashes and backslashes after `http:`.

No group is possessive: before Python 3.11.5, it may match too much in its last round."""
_SHORT = r"[A-Za-z0-9_~-]{0,19}+"
"""Too short for a token, unless the segment before announces one."""


def _any_of(words: frozenset[str]) -> str:
    """Return a pattern for `words` in any case, grouped by first letter so that it fails fast."""
    return "|".join(
        f"[{letter}{letter.upper()}](?i:{'|'.join(word[1:] for word in group)})/"
        for letter, group in groupby(sorted(words), key=itemgetter(0))
    )


_ANNOUNCED = rf"{_any_of(SECRET_PLACES)}|(?:{_any_of(SHARING_PLACES)})[^/]{{12}}"
_PLAIN_ADDRESS = re.compile(
    r"https?://[A-Za-z0-9.:_-]++"
    rf"(?:/(?!{_ANNOUNCED})(?:[0-9a-f-]++(?=/)|{_SHORT}(?:[.+,]{_SHORT})*+))*+"
)
_DELIMITER = re.compile(r"([?&;#])")
_INNER_DELIMITER = re.compile(r"[?&;#,~|]")
_BETWEEN_LABELS = re.compile(r"[?&;#,~|+\s]+")
_TAKEN_OUT = re.compile(r"[/=?&;]\*\*\*(?=[/?&;=)]|$)|://\*\*\*\.")
_CONDA_HASH = re.compile(r"#[0-9a-f]{32}")
_CONDA_TYPES = (".conda", ".tar.bz2")
_MAX_DEPTH = 3
_CLOSING = "'\")],.:;>}"
"""Punctuation of a sentence or a quotation after a URL."""


def is_plain_address(text: str) -> bool:
    """Return True if `text` is one URL without anything that could be a secret."""
    return _PLAIN_ADDRESS.fullmatch(text) is not None and "eyJ" not in text and "xox" not in text


def redact_word(word: str, depth: int = 0) -> str:
    """Return `word`, a text without white space, with the secrets of the URLs in it hidden."""
    if "://" in word:
        address = word.rstrip(_CLOSING)
        return _redact_address(address, depth) + word[len(address) :]
    word = without_login(word)
    if "=" not in word:
        return word
    head, *rest = _DELIMITER.split(word)
    if is_labelled_secret(head, "="):  # the rest of a URL with a space
        head = f"{head.partition('=')[0]}={HIDDEN}"
    return head + "".join(_redact_parameters(rest, depth, nameless=False))


def without_login(text: str) -> str:
    """Return `text` without the logins of the URLs in it."""
    return _AUTHORITY.sub(lambda match: match[1] + match[2].rpartition("@")[2], text)


def has_login(word: str) -> bool:
    """Return True if `word` begins with a name, a password and `@`."""
    login, at, _ = word.partition("@")
    return bool(at) and ":" in login


def is_redacted(url: str) -> bool:
    """Return True if a secret was removed from `url`, so that it cannot be fetched.

    The fragment does not count, because it is never sent.
    """
    return _TAKEN_OUT.search(url.partition("#")[0]) is not None


def _redact_address(address: str, depth: int) -> str:
    address = without_login(address)
    end = min((at for sign in "?#" if (at := address.find(sign)) >= 0), default=len(address))
    path, rest = address[:end], address[end:]
    if not (_CONDA_HASH.fullmatch(rest) and path.endswith(_CONDA_TYPES)):
        rest = "".join(_redact_parameters(_DELIMITER.split(rest)[1:], depth, nameless=True))
    return _redact_path(path) + rest


def _redact_path(path: str) -> str:
    """Hide tokens in a path. The name of the file stays if it looks like one."""
    if "://" not in path:
        return path
    segments = path.split("/")
    first = segments.index("") + 1
    first += "=" not in segments[first]  # a host has none
    place = ""
    for number in range(first, len(segments)):
        is_last = number == len(segments) - 1
        parts = _DELIMITER.split(segments[number])
        parts[::2] = [_redact_segment(part, place, is_last) for part in parts[::2]]
        place = decoded(segments[number]) or ""
        segments[number] = "".join(parts)
    return "/".join(segments)


def _redact_segment(segment: str, place: str, is_last: bool) -> str:
    plain = decoded(segment)
    if plain is None:
        return HIDDEN
    if any(map(has_login, plain.split("/"))):  # of an address in the path
        return HIDDEN
    if "=" in plain:
        return _redact_parameter(segment, 0, is_anchor=False)
    parts = plain.split("/")  # some servers treat an encoded slash as a slash
    for number, part in enumerate(parts, 1):
        is_secret = is_token(part, place, is_last and number == len(parts))
        if is_secret or is_labelled_secret(part, ":"):
            return HIDDEN
        place = part
    return segment


def _redact_parameters(pieces: list[str], depth: int, nameless: bool) -> list[str]:
    """Hide the secrets after a path: delimiters and parameters in alternation."""
    is_anchor = was_hidden = False
    for number in range(1, len(pieces), 2):
        delimiter, piece = pieces[number - 1], pieces[number]
        is_anchor = is_anchor or delimiter == "#"
        if not piece or not (nameless or "=" in piece):
            continue
        if was_hidden and delimiter == ";" and "=" not in piece:
            pieces[number - 1] = pieces[number] = ""  # the rest of a secret with a semicolon
            continue
        pieces[number] = _redact_parameter(piece, depth, is_anchor)
        was_hidden = pieces[number].endswith(HIDDEN)
    return pieces


def _redact_parameter(piece: str, depth: int, is_anchor: bool) -> str:
    name, equals, value = piece.partition("=")
    plain_name, plain_value = decoded(name), decoded(value)
    if plain_name is None or is_random(plain_name):
        return HIDDEN
    if plain_value is None:
        return f"{name}={HIDDEN}"
    if not equals:
        is_shown = is_plain_phrase(plain_name) if is_anchor else is_plain(plain_name)
        return piece if is_shown or piece == HIDDEN else HIDDEN
    if "://" in plain_value and not sounds_secret(plain_name):
        is_shown = depth < _MAX_DEPTH and redact_word(plain_value, depth + 1) == plain_value
    else:
        judge = is_harmless_anchor if is_anchor else is_harmless
        is_shown = judge(plain_name, plain_value) and _is_harmless_inside(plain_value, depth)
    return piece if is_shown else f"{name}={HIDDEN}"


def _is_harmless_inside(value: str, depth: int) -> bool:
    """Return True if parameters in the value of a parameter may be shown."""
    if any(is_labelled_secret(inner, ":") for inner in _BETWEEN_LABELS.split(value)):
        return False
    if "=" not in value:
        return True
    return depth < _MAX_DEPTH and all(
        "=" not in inner or _redact_parameter(inner.strip(), depth + 1, False) == inner.strip()
        for inner in _INNER_DELIMITER.split(value)
    )


def redact_tokens(text: str) -> str:
    """Return `text` without tokens that are recognised anywhere."""
    return UNMISTAKABLE.sub(HIDDEN, text)
