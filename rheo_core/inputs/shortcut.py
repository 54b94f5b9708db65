"""Internet shortcuts saved by browsers and file managers: .url, .desktop and .webloc."""

import errno
import re
from collections.abc import Iterator
from io import BufferedReader

from rheo_core.domain.text import redact_url
from rheo_core.domain.untrusted import Untrusted

from .reader_api import Candidate, Lines, ReadOptions

_FORM = "shortcut"
_HEADS_BEFORE_URL = frozenset({"[internetshortcut]", "[desktop entry]"})
_HEADS = _HEADS_BEFORE_URL | {"[default]", "[{000214a0-0000-0000-c000-000000000046}]"}
"""Section headers; Windows and its browsers write the others, in any order."""
_PAIR = re.compile(r"([\w.@\[\]-]+)\s*=(.*)")
WEBLOC_ROOT = "plist"
"""First element of a .webloc in XML, in lower case."""
BINARY_MARK = b"bplist"
"""First bytes of a .webloc that is not XML."""
_MAX_BINARY_LENGTH = 1 << 20
"""Bytes."""


def sniff(text: str) -> bool:
    """Check whether a line begins a .url or .desktop."""
    return text.lower() in _HEADS


_PLIST_ERRORS = (
    AttributeError,
    LookupError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)
"""Errors that `plistlib` raises for damaged property lists, besides those of the XML parser."""


def read(lines: Lines, options: ReadOptions) -> Iterator[Candidate]:
    """Yield the URL of a .url or .desktop. Its other URLs lead to icons and pages."""
    first, url = lines.number + 1, ""
    for line in lines:
        text = line.strip()
        pair = _PAIR.match(text)
        starts_next = url and text.lower() in _HEADS_BEFORE_URL
        if starts_next or not (pair or sniff(text) or text[:1] in {"", "#", ";"}):
            lines.give_back(line)
            break
        if not url and pair and pair[1].lower() == "url":
            first, url = lines.number, pair[2].strip()
    yield _candidate(first, url)


def read_webloc(lines: Lines, options: ReadOptions) -> Iterator[Candidate]:
    """Yield the URL of a .webloc in XML, which is the rest of the text."""
    from .web_page import whole_page  # slow to import; most lists need this module, and no page

    number = lines.number + 1
    try:
        url = _url_of(whole_page(lines).encode())
    except ValueError as error:
        yield Candidate(number, _FORM, problem=str(error), form=_FORM)
    else:
        yield _candidate(number, url)


def webloc_as_xml(file: BufferedReader) -> str:
    """Return a binary .webloc as the XML that `read_webloc` reads.

    Raises:
        OSError: it is damaged, or another kind of binary data.
    """
    import plistlib  # rarely needed, and slow to import

    try:
        url = _url_of(file.read(_MAX_BINARY_LENGTH))
        return plistlib.dumps({"URL": url}).decode()
    except ValueError as error:
        raise OSError(errno.EILSEQ, str(error)) from None


def _url_of(webloc: bytes) -> str:
    """Return the URL of a property list; "" if it has none.

    Raises:
        ValueError: it is damaged.
    """
    import plistlib
    from xml.parsers.expat import ExpatError

    try:
        content = plistlib.loads(webloc)
    except (ExpatError, *_PLIST_ERRORS):
        raise ValueError("the property list is damaged") from None
    url = content.get("URL") if isinstance(content, dict) else None
    return url if isinstance(url, str) else ""


def _candidate(number: int, url: str) -> Candidate:
    if not url:
        return Candidate(number, _FORM, problem="the shortcut contains no URL", form=_FORM)
    return Candidate(number, redact_url(url), Untrusted(url), form=_FORM)
