"""Media types: recognise a web page that a server sends instead of a file."""

import re
from collections.abc import Iterable
from functools import lru_cache

from .file_extensions import is_file_name, is_never_text, is_page_name

_TYPE = re.compile(
    r"\s*(\"?)([a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127})\1(?:[\s;(]|$)", re.A
)
"""Ends as in browsers, because many servers forget the semicolon before `charset=utf-8`."""
_PAGES = frozenset(
    {"text/html", "application/xhtml+xml", "text/x-html", "application/vnd.wap.xhtml+xml"}
)
_MESSAGES = (
    "text/", "application/json", "application/xml", "application/problem", "application/jsonl",
    "application/x-json", "application/ndjson", "application/x-ndjson", "application/javascript",
    "application/x-javascript", "application/ecmascript", "application/yaml", "application/x-yaml",
)  # fmt: skip
_UNTOLD = frozenset({"application/octet-stream", "binary/octet-stream"})
_BEGINS_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?[\t\n\f\r ]*"
    rb"<(?:!doctype html|html|head|body|script|style|title|iframe|div|h1|!--)(?:[\t\n\f\r >]|$)",
    re.IGNORECASE,
)
"""Recognises a page without a media type, like browsers (mimesniff.spec.whatwg.org, 7.1)."""


@lru_cache(maxsize=16)  # the files of a list have few types; a hostile field may be long
def media_type(header: str | None) -> str | None:
    """Return the media type of a Content-Type field, in lower case; None if it has none.

    The last valid one counts, as in browsers (fetch.spec.whatwg.org, "extract a MIME type").
    """
    for part in reversed((header or "").lower().split(",")):
        if match := _TYPE.match(part):
            return match[2]
    return None


def is_page(type: str | None) -> bool:
    """Recognise the media type of a web page."""
    return type in _PAGES


def is_message(type: str | None) -> bool:
    """Recognise the media types of pages, texts and error messages of an API."""
    if type is None:
        return False
    is_structured = type.startswith("application/") and type.endswith(("+json", "+xml"))
    return is_page(type) or type.startswith(_MESSAGES) or is_structured


def begins_page(data: bytes) -> bool:
    """Recognise the first bytes of a web page."""
    return _BEGINS_PAGE.match(data) is not None


def _is_other_kind(came: str | None, recorded: str | None) -> bool:
    """Return True if a file of type `recorded` cannot have changed to type `came`."""
    kind, before = _kind(came), _kind(recorded)
    if kind == "text":
        return before != "text"
    return kind != "data" and kind != before and recorded not in _UNTOLD


def _kind(type: str | None) -> str:
    if is_message(type):
        return "text"
    top = (type or "").partition("/")[0]
    return {"image": "image", "audio": "media", "video": "media"}.get(top, "data")


def is_page_instead(
    came: str | None, recorded: str | None, names: Iterable[str], *, bytes_are_there: bool
) -> bool:
    """Decide if a response is a page, such as a sign-in form, instead of the file.

    Args:
        came: media type of the response.
        recorded: media type of the file, from an earlier response or from the user.
        names: names of the file as requested; the first counts most.
        bytes_are_there: a partial file would be replaced. Then every text is refused if the file
            is not a text, because APIs report expired tokens as JSON. So are images and videos
            instead of other data, because hosts send one if the referer is another site.
    """
    if not (bytes_are_there or is_page(came)):
        return False
    if recorded is None:
        first, *others = names
        if is_page_name(first):  # `--filename a.html` takes precedence over the URL
            return False
        if bytes_are_there and is_message(came) and any(map(is_never_text, (first, *others))):
            return True
        return is_page(came) and (bytes_are_there or any(map(is_file_name, (first, *others))))
    if bytes_are_there and _is_other_kind(came, recorded):
        return True
    return is_page(came) and not is_page(recorded)
