"""The links of a web page, when they are asked for.

Not by `html.parser`: of pages written to that end it takes time that grows with the square of their
length, minutes for 300 KB. What is searched here is searched once.
"""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from html import unescape
from urllib.parse import unquote, urldefrag, urlsplit

from rheo_core.domain.outside import Outside
from rheo_core.domain.references import resolve

from .reader_api import MAX_DOCUMENT_LENGTH, Candidate, InputError, Lines, ReadOptions, base_of

_FORM = "link of a page"
_LINKS = {
    "a": "href", "area": "href", "audio": "src", "embed": "src", "img": "src", "source": "src",
    "track": "src", "video": "src",
}  # fmt: skip

# Possessive, and to the end where there is no end: nothing is looked at twice.
_HIDDEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style)(?=[\s/>]).*?(?:</\1|\Z)", re.DOTALL | re.IGNORECASE
)
_TAG = re.compile(
    rf"<(?P<tag>base|{'|'.join(_LINKS)})(?=[\s/])"
    r"(?P<attributes>(?:[^<>\"']++|\"[^\"]*+\"|'[^']*+')*+)>",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(
    r"(?P<name>[^\s\"'=<>/]++)"
    r"(?:\s*+=\s*+(?:\"(?P<double>[^\"]*+)\"|'(?P<single>[^']*+)'|(?P<bare>[^\s\"'<>]++)))?"
)


def read(lines: Lines, options: ReadOptions) -> Iterator[Candidate]:
    """The links of the page that the rest of the text is, each once.

    Raises:
        InputError: nobody asked for its links, none is meant, its address is needed, or it is
            too large.
    """
    first = lines.number + 1
    if options.links is None:
        problem = "this is a web page; say which of its links are wanted, such as *.iso or *"
        raise InputError(first, problem, "links")
    tags = list(_tags(first, _whole(lines)))
    home = _home(base_of(options, first), tags)
    seen: set[str] = set()
    for number, tag, attributes in tags:
        link = attributes.get(_LINKS.get(tag, ""), "")
        url = _address(number, link, home)
        if url in seen or not _is_meant(url, options.links):
            continue
        seen.add(url)
        yield Candidate(number, url, Outside(url), form=_FORM)
    if not seen:
        raise InputError(first, f"no link of this page is like {options.links[:80]!r}", "links")


def _whole(lines: Lines) -> str:
    size = 0
    taken: list[str] = []
    for line in lines:
        size += len(line)
        if size > MAX_DOCUMENT_LENGTH:
            problem = f"a page may have {MAX_DOCUMENT_LENGTH:,} characters at most"
            raise InputError(lines.number, problem)
        taken.append(line if line.endswith("\n") else f"{line}\n")
    return "".join(taken)


def _tags(number: int, page: str) -> Iterator[tuple[int, str, dict[str, str]]]:
    """The tags that may hold links: line, name and attributes of each."""
    page = _HIDDEN.sub(lambda hidden: "\n" * hidden[0].count("\n"), page)
    counted = 0
    for match in _TAG.finditer(page):
        number += page.count("\n", counted, match.start())
        counted = match.start()
        attributes: dict[str, str] = {}
        for found in _ATTRIBUTE.finditer(match["attributes"]):
            value = found["double"] or found["single"] or found["bare"] or ""
            attributes.setdefault(found["name"].lower(), unescape(value).strip())
        yield number, match["tag"].lower(), attributes


def _home(base: str | None, tags: list[tuple[int, str, dict[str, str]]]) -> str:
    """What links are relative to: the address of the page, as its first `<base>` changes it."""
    bases = (found["href"] for _, tag, found in tags if tag == "base" and "href" in found)
    try:
        return resolve(base or "", next(bases, ""))
    except ValueError:
        return base or ""


def _address(number: int, link: str, home: str) -> str:
    """The whole address of a link; "" for one that leads to no file over HTTP."""
    if link[:1] in {"", "#"}:  # no link at all, or a place in the page itself
        return ""
    try:
        url = urldefrag(resolve(home, link)).url
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme in {"http", "https"}:
        return url.replace(" ", "%20")
    if url and not parts.scheme and not home:
        problem = "the links of this page are relative; its own address is needed"
        raise InputError(number, problem, "base")
    return ""


def _is_meant(url: str, pattern: str) -> bool:
    """Whether a link is wanted; one that ends in `/` leads to no file."""
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    if not name:
        return False
    return fnmatchcase(name.lower(), pattern.lower()) or fnmatchcase(url.lower(), pattern.lower())
