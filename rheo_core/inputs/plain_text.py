"""Find URLs in plain text: an email, notes, a table."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from rheo_core.domain.references import resolve
from rheo_core.domain.untrusted import Untrusted

from .reader_api import INVISIBLE, Candidate, Lines, ReadOptions, base_of, with_hint
from .url_words import separated

if TYPE_CHECKING:
    from linkify_it import LinkifyIt

_FORM = "text"
_RELATIVE = "relative to the base address"
_FILE = re.compile(r"\.[A-Za-z0-9]{2,5}$")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_HTTP = re.compile(r"https?://", re.IGNORECASE)
_BEGIN = re.compile(r"(?<![A-Za-z0-9+])https?://(?=[\w\[])", re.IGNORECASE)  # not `git+https:`
_MAX_WORD_LENGTH = 8192
"""Characters passed to linkify at once, because its time may grow with their square."""
_FENCES = '`|"'
"""Marks of code, tables and cells around a URL. A URL cannot contain them unencoded."""
_EMPHASIS = "*_~'"
_TRAILING = (
    "\u2026\u3002\uff0c\u3001\uff1b\uff1a\uff01\uff1f\u201c\u201d\u2018\u2019\u00ab\u00bb\u2039\u203a"
    + INVISIBLE
)
"""Punctuation beyond ASCII that does not belong to a URL at its end."""
_BRACKETS = dict(
    zip("\uff09\u300d\u300f\u3011\u300b\u3009", "\uff08\u300c\u300e\u3010\u300a\u3008", strict=True)
)
"""Full-width brackets. A closing one belongs to a URL only with its opening one."""


def sniff(text: str) -> bool:
    """Check whether a text with this first line is plain text: several words, no URL first."""
    return len(text.split(maxsplit=1)) == 2 and not _SCHEME.match(text)


def names_url(text: str) -> bool:
    """Check whether a line contains a URL of any scheme."""
    return "://" in text


def is_relative(text: str, options: ReadOptions) -> bool:
    """Check whether a line is a path that the user's base completes."""
    if options.base is None or ":" in text.partition("/")[0]:
        return False
    return len(text.split()) == 1 or _FILE.search(text) is not None


def _relative(number: int, text: str, base: str) -> Candidate:
    try:
        url = resolve(base, text.replace(" ", "%20"))
    except ValueError as error:
        return Candidate(number, text, problem=str(error), form=_RELATIVE)
    return Candidate(number, text, Untrusted(url), form=_RELATIVE, may_be_pattern=True)


def left_out(line: int, text: str, count: int, *, is_all: bool) -> Candidate:
    """Return the candidate for all lines of a text without a URL.

    Args:
        line: number of the first.
        text: the first.
        count: number of these lines.
        is_all: True if the text contains nothing else.
    """
    if is_all:
        return Candidate(line, text, problem="there is no http or https URL in this text")
    others = f" and {count - 1:,} others" if count > 2 else " and one other" if count == 2 else ""
    return Candidate(line, text, problem=f"no URL in this line{others}", is_left_out=True)


def read_line(lines: Lines, options: ReadOptions) -> Iterator[Candidate]:
    """Yield the URLs of one line, or the URL of a path relative to `options.base`."""
    text = next(lines).strip()
    urls = list(urls_in(text))
    if not urls and is_relative(text, options):
        yield _relative(lines.number, text, base_of(options, lines.number) or "")
        return
    yield from _candidates(lines.number, text, urls)
    if not urls:
        problem = "there is no http or https URL in this line" if sniff(text) else ""
        yield Candidate(lines.number, text, Untrusted(text), problem)


def _candidates(number: int, line: str, urls: Sequence[str]) -> Iterator[Candidate]:
    """Yield the URLs of a line; a single one with the checksum in the rest of the line."""
    if len(urls) == 1:
        yield with_hint(number, urls[0], line, _FORM)
        return
    for url in urls:
        yield Candidate(number, url, Untrusted(url), form=_FORM, may_be_pattern=True)


def urls_in(text: str) -> Iterator[str]:
    """Yield the http(s) URLs in a text, without the punctuation around them."""
    if "\\/" in text:  # as in JSON
        text = text.replace("\\/", "/")
    if not _HTTP.search(text):
        return
    for word in separated(text).split():
        if (begin := _BEGIN.search(word)) is None:
            continue
        # Cut before the URL, because linkify finds none after a letter, `=` or a backtick.
        before, address = word[: begin.start()][-1:], word[begin.start() :]
        if len(address) > _MAX_WORD_LENGTH:
            yield address
            continue
        if before and before in _FENCES:
            address = address.partition(before)[0]
        address = address.partition("[/")[0]  # BBCode: [url]…[/url]
        address = _within_brackets(address)
        for url in _linked(address):
            yield _without_end(url, before)


def _linked(address: str) -> list[str]:
    """Return the URLs in a text that begins with one; the text itself for unusual URLs."""
    links = [each for each in _linkify().match(address) or () if each.schema.startswith("http")]
    if links and links[0].index == 0:
        return [each.url for each in links]
    return [address.rstrip("'\")],.:;!?>}")]  # such as an IPv6 address


def _within_brackets(address: str) -> str:
    """Return a URL up to a full-width bracket that closes one before it."""
    if address.isascii():
        return address
    for at, letter in enumerate(address):
        opening = _BRACKETS.get(letter)
        if opening is not None and opening not in address[:at]:
            return address[:at]
    return address


def _without_end(url: str, before: str) -> str:
    """Return `url` without trailing marks that linkify treats as part of it."""
    if before and before in _EMPHASIS:
        url = url.rstrip(before)
    while url[-1] in _TRAILING or (url[-1] in _BRACKETS and _BRACKETS[url[-1]] not in url):
        url = url[:-1]
    return url


@cache
def _linkify() -> "LinkifyIt":
    from linkify_it import LinkifyIt  # rarely needed, and slow to import

    return LinkifyIt(options={"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
