"""References in redirects and pages, resolved as browsers do (WHATWG URL, 4.4 URL parsing).

RFC 3986 knows no backslash: by its rules `http:\\\\other.example` is a path on the same host.
Servers and pages are written for browsers, and two readings of one address are a way round every
check.
"""

import re
from urllib.parse import urljoin, urlsplit

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
    # After another scheme than that of the base there is always a host, whatever stands between.
    is_relative = scheme in ("", urlsplit(base).scheme) and not path.startswith("//")
    if not is_relative:
        path = f"//{path.lstrip('/')}"
    return urljoin(base, f"{scheme}{':' * bool(scheme)}{path}{rest}")
