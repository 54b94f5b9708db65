"""Check the header fields that a user adds to requests.

`infrastructure/http/requester.py` adds default headers such as the User-Agent.
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from .text import is_unicode, printable

Headers = tuple[tuple[str, str], ...]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # token, RFC 9110 5.6.2
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_ENGINE = frozenset(
    {
        "accept-encoding", "connection", "content-length", "expect", "host", "if-match",
        "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "keep-alive",
        "proxy-authorization", "proxy-connection", "range", "te", "trailer", "transfer-encoding",
        "upgrade",
    }
)  # fmt: skip
_ANYWHERE = frozenset({"accept", "accept-language", "referer", "user-agent"})


def is_set_by_engine(name: str) -> bool:
    """Return True if the engine sets this header itself: ranges, conditions, framing, Host."""
    return as_servers_compare(name) in _ENGINE


def as_servers_compare(name: str) -> str:
    """Return a name in the form that servers compare.

    CGI and WSGI turn both `X-Y` and `X_Y` into `HTTP_X_Y` (RFC 3875 4.1.18).
    """
    return name.lower().replace("_", "-")


def for_any_origin(headers: Headers) -> Headers:
    """Return the headers that every server may see. All others count as secrets.

    Of a referer, only the origin is included.
    """
    shared = (
        (name, referring_origin(value) if name.lower() == "referer" else value)
        for name, value in headers
        if name.lower() in _ANYWHERE
    )
    # An empty User-Agent is intended; a referer without an origin is dropped.
    return tuple(pair for pair in shared if pair[1] or pair[0].lower() != "referer")


def referring_origin(referer: str) -> str:
    """Return the part of a referer for other origins, as browsers do; "" if it is not a URL."""
    try:
        parts = urlsplit(referer)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}/" if parts.scheme in ("http", "https") and host else ""


def read_headers(value: object) -> Headers:
    """Return pairs of names and values from such pairs or a mapping.

    Raises:
        ValueError: a header is not valid, or the engine sets it itself. The message contains its
            name, but never the value, which may be a secret.
    """
    pairs = value.items() if isinstance(value, Mapping) else value
    if not isinstance(pairs, Iterable) or isinstance(pairs, (str, bytes)):
        raise ValueError("headers should be a mapping or pairs of names and values")
    headers = tuple(map(_read_header, pairs))
    # The downloads of a command or a pattern share the headers, because copies would fill the
    # memory.
    return value if isinstance(value, tuple) and value == headers else headers


def _read_header(pair: object) -> tuple[str, str]:
    match pair:
        case (str(name), value):
            shown = printable(name[:50])
        case _:
            raise ValueError("headers should be a mapping or pairs of names and values")
    if not _NAME.fullmatch(name):
        raise ValueError(f"header name {shown!r} is not valid; use letters, digits and -")
    if is_set_by_engine(name):
        raise ValueError(f"header {shown!r} is set by the engine")
    if not isinstance(value, str):
        raise ValueError(f"the value of header {shown!r} should be text")
    return name, check_value(value, f"the value of header {shown!r}")


def check_value(value: str, what: str) -> str:
    """Return the value of a header without the white space around it.

    Args:
        value: text that may be a secret.
        what: label of the value for messages.

    Raises:
        ValueError: the value is not valid. The message contains `what`, but never the value.
    """
    value = value.strip(" \t")
    if _CONTROL.search(value):
        raise ValueError(f"{what} contains control characters")
    if not is_unicode(value):
        raise ValueError(f"{what} is not valid Unicode")
    return value
