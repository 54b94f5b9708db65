"""XML feeds and indexes: RSS, Atom, sitemaps, playlists and S3 listings."""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import quote, urlsplit, urlunsplit

from rheo_core.domain.untrusted import Untrusted

from .reader_api import Candidate, InputError, Lines, ReadOptions, base_of
from .web_page import (
    absolute_link,
    attributes_of,
    check_length_of_links,
    matches,
    whole_page,
)

_FORM = "link of a feed"
ROOTS = frozenset({"rss", "rdf", "feed", "urlset", "sitemapindex", "listbucketresult", "playlist"})
"""First elements of the documents that this module reads, in lower case."""
_ATTRIBUTES = {"enclosure": "url", "link": "href", "content": "url"}
_LINK = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(?:\w+:)?(?P<tag>enclosure|link|content)(?=[\s/])"
    r"(?P<attributes>(?:[^<>\"']++|\"[^\"]*+\"|'[^']*+')*+)>"
    r"|<(?:\w+:)?(?P<element>loc|location|Key)>(?P<text>[^<]*+)<",
    re.DOTALL,
)


def read(lines: Lines, options: ReadOptions) -> Iterator[Candidate]:
    """Yield the links of a feed, which is the rest of the text, each once.

    Raises:
        InputError: the user did not ask for links, none matches, a URL is missing, or the
            feed or its links are too long.
    """
    first = lines.number + 1
    if options.links is None:
        problem = (
            "this is a feed or an index; choose links from it with a pattern such as *.mp3 or *"
        )
        raise InputError(first, problem, "links")
    base = base_of(options, first) or ""
    seen: set[int] = set()  # hashes, because a base may make each URL long
    size = 0
    for number, element, link in _links(first, whole_page(lines)):
        size += len(base) + len(link)
        check_length_of_links(number, size)
        if element == "Key":
            url = absolute_link(
                number, f"./{quote(link, errors='surrogatepass')}", _folder_of(base)
            )
        else:
            url = absolute_link(number, link, base)
        if hash(url) not in seen and matches(url, options.links):
            seen.add(hash(url))
            yield Candidate(number, url, Untrusted(url), form=_FORM)
    if not seen:
        raise InputError(first, f"no link of this feed matches {options.links[:80]!r}", "links")


def _links(number: int, feed: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, element and text of each link."""
    counted = 0
    for match in _LINK.finditer(feed):
        number += feed.count("\n", counted, match.start())
        counted = match.start()
        if tag := match["tag"]:
            yield number, tag, attributes_of(match["attributes"]).get(_ATTRIBUTES[tag], "")
        elif match["element"]:
            yield number, match["element"], unescape(match["text"]).strip()


def _folder_of(base: str) -> str:
    """Return the URL of a bucket: its listing as a folder, without the query."""
    parts = urlsplit(base)
    path = parts.path if parts.path.endswith("/") else f"{parts.path}/"
    return urlunsplit(parts._replace(path=path, query="", fragment="")) if base else ""
