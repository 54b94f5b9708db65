"""Resolve links in redirects and pages as browsers do (WHATWG URL, 4.4 URL parsing).

In RFC 3986 a backslash is an ordinary character, so `http:\\\\other.example` is a path on the same
host. Browsers read it as a slash, and servers and pages are written for browsers. An address that
two programs read differently could evade every check.
"""

import re
from urllib.parse import quote, urljoin, urlsplit

from .text import shown_url

_PARTS = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?([^?#]*)(.*)", re.DOTALL)
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_ALL_PRINTABLE = re.compile("[!-~]*")
_AUTHORITY_END = re.compile("[/?#]")
_REMOVED = str.maketrans("", "", "\t\n\r")
_TRIMMED = "".join(map(chr, range(0x21)))  # control characters and the space


def ascii_url(url: str) -> str:
    """Percent-encode the characters of a URL, or a part of one, that are not ASCII."""
    if _ALL_PRINTABLE.fullmatch(url):
        return url
    return quote(url.encode(errors="surrogateescape"), safe=_PRINTABLE)


def split_authority(url: str) -> tuple[str, str, str]:
    """Return the scheme, the authority and the rest, byte for byte.

    `urlunsplit` would lose an empty query, as in `/f?`.
    """
    scheme, _, rest = url.partition("://")
    end = _AUTHORITY_END.search(rest)
    cut = end.start() if end else len(rest)
    return scheme, rest[:cut], rest[cut:]


def login_in(url: str) -> str:
    """Return the login in a URL as it is written there; "" for none."""
    return split_authority(url)[1].rpartition("@")[0]


def resolve(base: str, reference: str) -> str:
    """Return the URL that a reference leads to.

    Args:
        base: http(s) URL of the page or the request; "" if it is not known.
        reference: the original text, with any scheme.

    Raises:
        ValueError: it is not a URL. The message is one sentence without secrets.
    """
    reference = reference.strip(_TRIMMED).translate(_REMOVED)
    scheme, path, rest = _PARTS.fullmatch(reference).groups()  # type: ignore[union-attr]
    scheme = (scheme or "").lower()
    if scheme not in ("", "http", "https"):
        return _joined(base, reference)
    path = path.replace("\\", "/")
    # After a scheme other than that of the base, there is always a host.
    is_relative = scheme in ("", urlsplit(base).scheme) and not path.startswith("//")
    if not is_relative:
        path = f"//{path.lstrip('/')}"
        if path == "//":  # `urljoin` would return the base
            raise ValueError(f"URL {shown_url(reference)!r} has no host")
    return _joined(base, f"{scheme}{':' * bool(scheme)}{path}{rest}")


def _joined(base: str, reference: str) -> str:
    try:
        return urljoin(base, reference)
    except ValueError:  # its message quotes the authority, which may contain a password
        raise ValueError(f"URL {shown_url(reference)!r} is not valid") from None
