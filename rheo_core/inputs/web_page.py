"""The links of a web page, when they are asked for."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from .found import LARGEST_DOCUMENT, Found, InputError, Lines, ReadOptions

_FORM = "link of a page"
_CHUNK = 64 << 10
"""Characters given to the parser at once: it looks again at what it could not end."""
_LINKS = {
    "a": "href", "area": "href", "audio": "src", "embed": "src", "img": "src", "source": "src",
    "track": "src", "video": "src",
}  # fmt: skip


def read(lines: Lines, options: ReadOptions) -> Iterator[Found]:
    """The links of the page that the rest of the text is, each once.

    Raises:
        InputError: nobody asked for its links, none is meant, its address is needed, or it is
            too large.
    """
    first = lines.number + 1
    if options.links is None:
        problem = "this is a web page; say which of its links are wanted, such as *.iso or *"
        raise InputError(first, problem, "links")
    page = _Page(first - 1)
    is_empty = True
    seen: set[str] = set()
    for number, link in _links(page, lines):
        url = _address(number, link, page.base, options.base)
        if url in seen or not _is_meant(url, options.links):
            continue
        seen.add(url)
        is_empty = False
        yield Found(number, url, {"url": url}, form=_FORM)
    if is_empty:
        raise InputError(first, f"no link of this page is like {options.links[:80]!r}", "links")


def _links(page: "_Page", lines: Lines) -> Iterator[tuple[int, str]]:
    size = 0
    chunk = ""
    for line in lines:
        size += len(line)
        if size > LARGEST_DOCUMENT:
            problem = f"a page may have {LARGEST_DOCUMENT:,} characters at most"
            raise InputError(lines.number, problem)
        chunk += line if line.endswith("\n") else f"{line}\n"
        if len(chunk) >= _CHUNK:
            page.read(chunk)
            yield from page.take()
            chunk = ""
    page.read(chunk, is_last=True)
    yield from page.take()


class _Page(HTMLParser):
    """Collects links with their lines."""

    def __init__(self, before: int) -> None:
        super().__init__(convert_charrefs=True)
        self.base = ""
        self._before = before
        self._found: list[tuple[int, str]] = []

    def read(self, text: str, *, is_last: bool = False) -> None:
        """Read on.

        Raises:
            InputError: the parser cannot.
        """
        try:
            self.feed(text)
            if is_last:
                self.close()
        except (AssertionError, ValueError):  # of some malformed declarations
            raise InputError(self._before + self.getpos()[0], "the page cannot be read") from None

    def take(self) -> list[tuple[int, str]]:
        """The links found since, with their lines."""
        found, self._found = self._found, []
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a link, or the base of all (HTML 4.2.3: the first one counts)."""
        attributes = dict(reversed(attrs))  # the first of a name counts
        if tag == "base" and not self.base:
            self.base = (attributes.get("href") or "").strip()
        elif link := (attributes.get(_LINKS.get(tag, "")) or "").strip():
            self._found.append((self._before + self.getpos()[0], link))


def _address(number: int, link: str, page_base: str, base: str | None) -> str:
    """The whole address of a link; "" for one that leads to no file over HTTP."""
    try:
        home = urljoin(base or "", page_base)
        url = urldefrag(urljoin(home, link)).url
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme in {"http", "https"}:
        return url.replace(" ", "%20")
    if not parts.scheme and not home and not link.startswith("#"):
        problem = "the links of this page are relative; its own address is needed"
        raise InputError(number, problem, "base")
    return ""


def _is_meant(url: str, pattern: str) -> bool:
    """Whether a link is wanted; one that ends in `/` leads to no file."""
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    if not name:
        return False
    return fnmatchcase(name.lower(), pattern.lower()) or fnmatchcase(url.lower(), pattern.lower())
