"""Links of a web page, if the user asks for them.

`html.parser` takes quadratic time for hostile pages: minutes for 300 KB. These expressions search
each part of a page once.
"""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from html import unescape
from urllib.parse import unquote, urldefrag, urlsplit

from rheo_core.domain.references import resolve
from rheo_core.domain.untrusted import Untrusted

from .reader_api import MAX_DOCUMENT_LENGTH, Candidate, InputError, Lines, ReadOptions, base_of

_FORM = "link of a page"
_LINKS = {
    "a": "href", "area": "href", "audio": "src", "embed": "src", "img": "src", "source": "src",
    "track": "src", "video": "src",
}  # fmt: skip
_MAX_LENGTH_OF_LINKS = 64 << 20
"""Maximum characters of all links of a page, each with the base that the page chooses."""

# Possessive, and up to the end of the page if a tag does not end, to search nothing twice.
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
    """Yield the links of a page, which is the rest of the text, each once.

    Raises:
        InputError: the user did not ask for links, none matches, the URL of the page is missing, or
            the page is too large.
    """
    first = lines.number + 1
    if options.links is None:
        problem = "this is a web page; choose links from it with a pattern such as *.iso or *"
        raise InputError(first, problem, "links")
    page = _HIDDEN.sub(lambda hidden: "\n" * hidden[0].count("\n"), whole_page(lines))
    base_url = _base_url_of(base_of(options, first), page)
    seen: set[int] = set()  # hashes, because a base may make each URL long
    size = 0
    for number, link in _links(first, page):
        size += len(base_url) + len(link)
        check_length_of_links(number, size)
        url = absolute_link(number, link, base_url)
        if hash(url) in seen or not matches(url, options.links):
            continue
        seen.add(hash(url))
        yield Candidate(number, url, Untrusted(url), form=_FORM)
    if not seen:
        raise InputError(first, f"no link of this page matches {options.links[:80]!r}", "links")


def check_length_of_links(number: int, size: int) -> None:
    """Check the length of all links of a page or feed together.

    Raises:
        InputError: there are too many characters, because a base may make each link long.
    """
    if size > _MAX_LENGTH_OF_LINKS:
        problem = f"the links of a page may have at most {_MAX_LENGTH_OF_LINKS:,} characters"
        raise InputError(number, f"{problem}; the rest is ignored")


def whole_page(lines: Lines) -> str:
    """Return the rest of the text.

    Raises:
        InputError: it is too large.
    """
    size = 0
    parts: list[str] = []
    for line in lines:
        size += len(line)
        if size > MAX_DOCUMENT_LENGTH:
            problem = f"a page may have at most {MAX_DOCUMENT_LENGTH:,} characters"
            raise InputError(lines.number, problem)
        parts.append(line if line.endswith("\n") else f"{line}\n")
    return "".join(parts)


def _links(number: int, page: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of each link."""
    counted = 0
    for match in _TAG.finditer(page):
        name = _LINKS.get(match["tag"].lower())
        link = attributes_of(match["attributes"]).get(name, "") if name is not None else ""
        if link:
            number += page.count("\n", counted, match.start())
            counted = match.start()
            yield number, link


def attributes_of(text: str) -> dict[str, str]:
    """Return the attributes of a tag by lower-case name; the first one of a name counts."""
    attributes: dict[str, str] = {}
    for attribute in _ATTRIBUTE.finditer(text):
        value = attribute["double"] or attribute["single"] or attribute["bare"] or ""
        attributes.setdefault(attribute["name"].lower(), unescape(value).strip())
    return attributes


def _base_url_of(base: str | None, page: str) -> str:
    """Return the base of relative links, from the URL of the page and its first `<base>`.

    It may come after links. A second search for tags takes less memory than a list of all.
    """
    matches = (match for match in _TAG.finditer(page) if match["tag"].lower() == "base")
    attributes_of_each = (attributes_of(match["attributes"]) for match in matches)
    bases = (attributes["href"] for attributes in attributes_of_each if "href" in attributes)
    try:
        return resolve(base or "", next(bases, ""))
    except ValueError:
        return base or ""


def absolute_link(number: int, link: str, base_url: str) -> str:
    """Return the absolute URL of a link; "" if it does not lead to a file over HTTP."""
    if link[:1] in {"", "#"}:  # not a link, or an anchor in the page itself
        return ""
    try:
        url = urldefrag(resolve(base_url, link)).url
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme in {"http", "https"}:
        return url.replace(" ", "%20")
    if url and not parts.scheme and not base_url:
        problem = "the links of this page are relative; give the address of the page"
        raise InputError(number, problem, "base")
    return ""


def matches(url: str, pattern: str) -> bool:
    """Check whether a link matches. A link that ends in `/` does not lead to a file."""
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    if not name:
        return False
    return fnmatchcase(name.lower(), pattern.lower()) or fnmatchcase(url.lower(), pattern.lower())
