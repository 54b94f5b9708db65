"""Find where a URL ends in a line, for lists, tables and prose."""

import re

from rheo_core.domain.file_extensions import is_file_name

SIGNS = ",;|\uff0c\u3001\uff1b"
"""Signs that may end a URL."""
_SEPARATOR = re.compile(rf"[\s{SIGNS}]")
_BETWEEN = re.compile(rf"[\"']?[{SIGNS}](?=[\"']?https?://)", re.IGNORECASE)
_BEFORE_NUMBER = re.compile(r"(?<=\.)(\w{1,5})[,;|](?=\d+(?:[,;|\s]|$))")
_BEFORE_BLANK = re.compile(r"(?<![,;|])[,;|]++(?=\s|$)")
_WITHIN = re.compile(r".[=/]https?(?::|%3A)", re.IGNORECASE)
_COMMENT = re.compile(r"\s(?:#|//\s).*")
_BEFORE_SCHEME = re.compile(r"(?<=[^\x00-\x7f\s])(?=https?://)", re.IGNORECASE)
_BEFORE_PROSE = re.compile(r"\.[A-Za-z0-9]{2,5}(?=[^\x00-\x7f])")
_COUNTER = re.compile(r"\(\d{1,4}\)")
_QUERY = re.compile(r"[?#]")
_EXTENSION = re.compile(r"\.(?!html?$)[A-Za-z0-9]{2,5}$")


def has_separator(text: str) -> bool:
    """Check cheaply whether a text may be more than one word."""
    return _SEPARATOR.search(text) is not None or not text.isascii()


def separated(text: str) -> str:
    """Add a space after each URL that a sign ends; a sign before a URL stays.

    Commas, semicolons and bars end a URL before another URL, before white space, and, as in tables,
    between an extension and a number. Elsewhere they belong to it: `/tile/12,34`, and
    `?url=http://a,http://b` for a service that takes several. Languages without blanks continue
    directly after a file name.
    """
    if not text.isascii():
        text = " ".join(map(_without_prose, _BEFORE_SCHEME.sub(" ", text).split(" ")))
    text = _BEFORE_NUMBER.sub(r"\1 ", _BEFORE_BLANK.sub(" ", text))
    if _BETWEEN.search(text) is None:
        return text
    return " ".join(map(_between, text.split()))


def _without_prose(word: str) -> str:
    """Return a word with a space before prose that follows a file: `a.iso和`."""
    rest = word.partition("://")[2]
    host, slash, _ = rest.partition("/")
    # Several patterns, because one would try every `://` with every `/` of a long word.
    match = _BEFORE_PROSE.search(word, len(word) - len(rest) + len(host) + 1) if slash else None
    if match is None or not is_file_name(f"x{match[0]}") or is_file_name(word):
        return word
    return f"{word[: match.end()]} {word[match.end() :]}"


def _between(word: str) -> str:
    parts: list[str] = []
    start = 0
    for sign in _BETWEEN.finditer(word):
        if _WITHIN.search(word, start, sign.start()):
            break  # the other signs follow it too
        parts.append(word[start : sign.start()])
        start = sign.start()
    return " ".join([*parts, word[start:]])


def without_comment(text: str) -> str:
    """Return a line without a comment at its end (`URL # latest`)."""
    return _COMMENT.sub("", text, count=1)


def with_encoded_blanks(text: str) -> str | None:
    """Encode a line that is one URL with blanks in its path; return None for other lines.

    Only the last word may end like a file, and no word may begin like an option or a URL. Otherwise
    the words after the first are something else, such as a title.
    """
    first, *others = text.split()
    if not others or not _EXTENSION.search(_QUERY.split(others[-1], maxsplit=1)[0]):
        return None
    if any("://" in word or word.startswith("//") for word in others):
        return None
    if any(word.startswith(("-", "(", "[")) and not _COUNTER.match(word) for word in others):
        return None
    if _EXTENSION.search(first) and "/" not in "".join(others):
        return None
    return text.replace(" ", "%20")
