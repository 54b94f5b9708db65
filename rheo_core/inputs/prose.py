"""Text with URLs in it: a letter, notes, a table."""

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from rheo_core.domain.outside import Outside

from .found import Found, InputError, Lines, ReadOptions

if TYPE_CHECKING:
    from linkify_it import LinkifyIt

_FORM = "text"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_HTTP = re.compile(r"https?://", re.IGNORECASE)
_LONGEST_WORD = 8192
"""Characters that linkify is given at once: the time it takes may grow with their square."""
_BETWEEN = re.compile(r"[,;|](?=https?://)", re.IGNORECASE)  # what linkify takes for a part of both


def begins(text: str) -> bool:
    """Whether a text with this first line is prose: several words, no URL first."""
    return len(text.split(maxsplit=1)) == 2 and not _SCHEME.match(text)


def read(lines: Lines, options: ReadOptions) -> Iterator[Found]:
    """The URLs of the rest of the text; lines without one are passed over.

    Raises:
        InputError: there is no URL in it.
    """
    first = lines.number + 1
    is_empty = True
    for line in lines:
        for url in urls_in(line):
            is_empty = False
            yield Found(lines.number, url, Outside(url), form=_FORM, may_be_pattern=True)
    if is_empty:
        raise InputError(first, "there is no http or https URL in this text")


def read_line(lines: Lines, options: ReadOptions) -> Iterator[Found]:
    """The URLs of one line of a list, which names one and more."""
    text = next(lines).strip()
    urls = [] if _SCHEME.match(text) else list(urls_in(text))
    for url in urls:
        yield Found(lines.number, url, Outside(url), form=_FORM, may_be_pattern=True)
    if not urls:
        problem = "there is no http or https URL in this line" if begins(text) else ""
        yield Found(lines.number, text, Outside(text), problem)


def urls_in(text: str) -> Iterator[str]:
    """The http(s) URLs in a text, without the punctuation around them."""
    if not _HTTP.search(text):
        return
    for word in _BETWEEN.sub(" ", text).split():
        if (begin := _HTTP.search(word)) is None:
            continue
        if len(word) > _LONGEST_WORD:
            yield word[begin.start() :]
            continue
        for match in _linkify().match(word) or ():
            if match.schema in ("http:", "https:"):
                yield match.url


@cache
def _linkify() -> "LinkifyIt":
    from linkify_it import LinkifyIt  # rarely needed, and slow to import

    return LinkifyIt(options={"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
