"""References in redirects and pages, resolved as browsers do (WHATWG URL, 4.4 URL parsing).

In RFC 3986 a backslash is an ordinary character, so that `http:\\\\other.example` is a path on the
same host. Servers and pages are written for browsers, however. An address that two programs read
differently could evade every check.
"""

import re
from urllib.parse import urljoin, urlsplit

from .text import printable

_PARTS = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?([^?#]*)(.*)", re.DOTALL)
_REMOVED = str.maketrans("", "", "\t\n\r")
_TRIMMED = "".join(map(chr, range(0x21)))  # control characters and the space


def resolve(base: str, reference: str) -> str:
    """Return the URL that a reference leads to.

    Args:
        base: http(s) URL of the page or the request; "" if it is not known.
        reference: as it was written, of any scheme.

    Raises:
        ValueError: it is not a URL.
    """
    reference = reference.strip(_TRIMMED).translate(_REMOVED)
    scheme, path, rest = _PARTS.fullmatch(reference).groups()  # type: ignore[union-attr]
    scheme = (scheme or "").lower()
    if scheme not in ("", "http", "https"):
        return urljoin(base, reference)
    path = path.replace("\\", "/")
    # A scheme that differs from that of the base is always followed by a host.
    is_relative = scheme in ("", urlsplit(base).scheme) and not path.startswith("//")
    if not is_relative:
        path = f"//{path.lstrip('/')}"
        if path == "//":  # `urljoin` would return the base
            raise ValueError(f"{printable(reference[:80])!r} has no host")
    return urljoin(base, f"{scheme}{':' * bool(scheme)}{path}{rest}")
