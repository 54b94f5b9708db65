"""Check and normalise URLs; get their host and origin."""

import ipaddress
import re
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from .hosts import ascii_host, check_brackets, check_labels, dotted_host, host_key
from .references import split_authority
from .text import is_unicode, quoted, shown_url

_MAX_URL_LENGTH = 64 << 10  # characters; servers answer far shorter ones with 414
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")
_HOST = re.compile(r"[a-z0-9._-]+", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_NORMAL = re.compile(
    rf"https?://(?:(?:{_OCTET}\.){{3}}{_OCTET}(?=[:/])"
    r"|(?!(?:[^/:]*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)[:/])(?![^/:]{254})"
    r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*)"
    r"(?::(?:[1-9][0-9]{3}|[1-5][0-9]{4}|6[0-4][0-9]{3}))?/[!\"$->@-~]*(?:\?[!-\"$-~]+)?"
)
_ORIGIN = re.compile(r"https?://[^/?#]+")


def normalise_url(value: object) -> str:
    """Return an http(s) URL with scheme and host in lower case and without the default port.

    Path and query stay unchanged, because any change would break a signed URL.

    Raises:
        ValueError: the URL is not valid. The message is one sentence and names the mistake.
    """
    url = str(value).strip()
    if len(url) <= _MAX_URL_LENGTH and _NORMAL.fullmatch(url):
        return url  # the usual case; the rest takes five times as long
    if not url:
        raise ValueError("URL is empty")
    if len(url) > _MAX_URL_LENGTH:
        raise ValueError(f"URL is longer than {_MAX_URL_LENGTH:,} characters")
    if _SPACE.search(url):
        # The text after the space may be the URL's password, or a command with one.
        shown, *more = shown_url(url).split(maxsplit=1)
        shown += "…" if more else ""
        raise ValueError(f"URL {shown!r} contains white space or control characters")
    if not url.isascii() and not is_unicode(url):
        raise ValueError("URL contains characters that are not valid Unicode")
    try:
        parts = urlsplit(url)
        netloc = _normalise_netloc(parts)
    except ValueError as error:
        reason = f": {error}"
        if "@" in url:  # the invalid part may belong to the password
            reason = ""
        elif str(error).startswith("Port could"):  # the message quotes the text in its place
            reason = ": its port is not a number"
        elif "[" in (place := split_authority(url)[1].rpartition("@")[2]):
            reason = f": {_problem_of_brackets(place) or error}"
        raise ValueError(f"URL {shown_url(url)!r} is not valid{reason}") from None
    if "\\" in parts.netloc:  # curl reads `http://a\@b/` as b, browsers as a
        raise ValueError(f"URL {shown_url(url)!r} has a backslash in its login; write %5C instead")
    if parts.scheme not in _DEFAULT_PORTS:
        scheme = f"scheme {parts.scheme!r}" if parts.scheme else "no scheme"
        raise ValueError(f"URL {shown_url(url)!r} has {scheme}; only http and https are supported")
    if not parts.hostname:
        raise ValueError(f"URL {shown_url(url)!r} has no host")
    rest = split_authority(url)[2]
    return f"{parts.scheme}://{netloc}{'' if rest.startswith('/') else '/'}{rest}"


def _problem_of_brackets(place: str) -> str:
    """Return what is wrong with the brackets of a host; "" if they are correct.

    The messages of `urlsplit` depend on the version of Python.
    """
    try:
        ipaddress.IPv6Address(place.partition("[")[2].rpartition("]")[0].replace("%25", "%"))
    except ValueError:
        return "brackets are for IPv6 addresses"
    try:
        check_brackets(place)
    except ValueError as error:
        return str(error)
    return ""


def _normalise_netloc(parts: SplitResult) -> str:
    userinfo, at, place = parts.netloc.rpartition("@")
    host = parts.hostname or ""
    if "[" in place:
        check_brackets(place)
        ipaddress.IPv6Address(host.replace("%25", "%"))  # ValueError; RFC 6874: %25 before a zone
        host = f"[{host}]"
    elif host:
        host = ascii_host(host)
        if not _HOST.fullmatch(host):
            raise ValueError(f"host {quoted(host)!r} contains invalid characters")
        host = dotted_host(host)
        check_labels(host)
    port = parts.port  # raises ValueError unless 0-65535
    if port is not None and port != _DEFAULT_PORTS.get(parts.scheme):
        host = f"{host}:{port}"
    return f"{userinfo}{at}{host}"


def usable_urls(urls: Iterable[object], count: int) -> list[str]:
    """Return the first `count` valid http(s) URLs, normalised and without duplicates."""
    usable: dict[str, None] = {}
    for url in urls:
        with suppress(ValueError):
            usable[normalise_url(url)] = None
        if len(usable) == count:
            break
    return list(usable)


def host_of(url: str) -> str:
    """Return host and port of an http(s) URL, such as `example.org:443`.

    The result is the same for all spellings of a host.
    """
    return _host_of(_beginning(url))


def origin_of(url: str) -> tuple[str, str]:
    """Return scheme and host with port of a URL: the scope of its secrets (RFC 9110 4.3.1).

    A host with a trailing dot is another origin, as in browsers. Without the dot, the search
    domains of a network may lead to another host.
    """
    return _origin_of(_beginning(url))


def _beginning(url: str) -> str:
    plain = _ORIGIN.match(url)
    return plain[0] if plain else url


@lru_cache(maxsize=1024)  # a long list has few hosts, which also share one string
def _host_of(beginning: str) -> str:
    host, _, port = _origin_of(beginning)[1].rpartition(":")
    return f"{host_key(host)}:{port}"


@lru_cache(maxsize=1024)
def _origin_of(beginning: str) -> tuple[str, str]:
    parts = urlsplit(beginning)
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    return parts.scheme, f"{parts.hostname}:{port}"
