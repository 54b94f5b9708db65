"""Internet Download Manager exports (.ef2): a URL and its headers between `<` and `>`."""

from collections.abc import Iterator

from rheo_core.domain.text import printable, redact_url
from rheo_core.domain.untrusted import Untrusted

from .reader_api import Candidate, Lines, ReadOptions

_FORM = "IDM entry"
_MAX_LINES = 100
_HEADERS = frozenset({"referer", "cookie", "user-agent", "authorization", "accept", "origin"})


def sniff(text: str) -> bool:
    """Check whether a line begins an entry."""
    return text == "<"


def read(lines: Lines, options: ReadOptions) -> Iterator[Candidate]:
    """Yield the download of an entry."""
    next(lines)
    first = lines.number
    taken: list[str] = []
    for line in lines:
        if (text := line.strip()) == ">":
            yield _candidate(first, taken)
            return
        if text == "<" or len(taken) == _MAX_LINES:
            lines.give_back(line)
            break
        if text:
            taken.append(text)
    yield Candidate(first, _FORM, problem="the entry does not end with '>'", form=_FORM)


def _candidate(line: int, texts: list[str]) -> Candidate:
    if not texts:
        return Candidate(line, _FORM, problem="the entry has no URL", form=_FORM)
    url, *fields = texts
    headers, ignored, problem = [], [], ""
    for text in fields:
        name, _, value = text.partition(":")
        if name.lower() in _HEADERS:
            headers.append((name, value.strip()))
        elif name.lower() == "postdata" and value.strip():
            problem = "the entry sends data; only GET is supported"
        else:
            ignored.append(printable(name[:50]))
    outside = Untrusted(url, headers=tuple(headers) or None)
    return Candidate(line, redact_url(url), outside, problem, _FORM, ignored)
