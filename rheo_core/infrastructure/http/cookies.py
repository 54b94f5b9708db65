"""Cookies from files and servers, and the hosts that may receive them (RFC 6265)."""

import asyncio
import logging
import re
import time
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.cookies import Morsel
from pathlib import Path

from aiohttp import CookieJar
from yarl import URL

from rheo_core.domain.exceptions import RequestOptionsError
from rheo_core.domain.text import at_most, printable
from rheo_core.user_files import FileVersion, read_secret, read_secret_async, version_of

from .base import Response

_NOT_NETSCAPE = "not in Netscape's cookies.txt format"
_ATTRIBUTES = frozenset({"domain", "expires", "max-age", "path", "secure"})
"""Attributes that decide whether a cookie is sent."""
_DOMAIN = re.compile(r"\.?([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)")
_IN_1970 = re.compile(r"[\s-](?:19)?70(?:\s|$)")
_FIELDS = 7
_FIELD_VALUE = re.compile(r"[^\x00-\x1f\x7f\udc80-\udcff]*")
_MAX_SHOWN_LINES = 5

_Cookie = tuple[URL, Morsel[str]]
"""A cookie, and the URL of its host."""
_log = logging.getLogger(__name__)


class CookieFiles:
    """Cookie jars from files. Each file is read again after a change, and never written.

    Cookies that servers add to a jar live until then.
    """

    def __init__(self) -> None:
        self._jars: dict[Path, asyncio.Task[CookieJar]] = {}
        self._versions: dict[Path, FileVersion | None] = {}

    async def jar(self, file: Path) -> CookieJar:
        """Return the jar of a file.

        Raises:
            RequestOptionsError: the file cannot be read, holds no cookies, or other users can read
                or change it.
        """
        version = version_of(file)
        if file not in self._jars or version != self._versions[file]:
            self._jars[file] = asyncio.create_task(_load(file))
            self._versions[file] = version
        task = self._jars[file]
        try:
            return await asyncio.shield(task)
        except RequestOptionsError:
            if self._jars.get(file) is task:
                del self._jars[file]  # the user may correct the file
            raise


async def _load(file: Path) -> CookieJar:
    jar = new_jar()
    with _explained(file):
        data = await read_secret_async(file)
    cookies, odd = _parse(data, file)
    if odd:
        lines = f"line{'s' if odd[1:] else ''} {at_most([*map(str, odd)], ', ', _MAX_SHOWN_LINES)}"
        _log.warning("%s: left out %s: %s", _shown(file), lines, _NOT_NETSCAPE)
    for url, morsel in cookies:
        jar.update_cookies({morsel.key: morsel}, url)
    return jar


def new_jar() -> CookieJar:
    """Return an empty jar. It also stores cookies of IP addresses, for that address only."""
    return CookieJar(unsafe=True, quote_cookie=False)


def check_cookies(file: Path) -> None:
    """Check that a cookie file is usable. Blocks.

    Raises:
        RequestOptionsError: as for `CookieFiles.jar`.
    """
    with _explained(file):
        data = read_secret(file)
    _parse(data, file)


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise RequestOptionsError(f"{_shown(file)}: {reason}") from None


def _shown(file: Path) -> str:
    return f"cookies {printable(str(file))}"


def _parse(data: bytes, file: Path) -> tuple[list[_Cookie], list[int]]:
    """Return the cookies of a file, and the numbers of the invalid lines.

    An invalid line does not affect the logins in the others. Its meaning is never guessed, because
    a cookie with a wrong host or without its https flag would reach the wrong server.

    Raises:
        RequestOptionsError: no line is valid.
    """
    cookies, odd = [], []
    # Text mode would have read CRLF as one character.
    text = data.removeprefix(BOM_UTF8).decode(errors="surrogateescape").replace("\r\n", "\n")
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removeprefix("#HttpOnly_")  # before a host; concerns scripts in pages only
        if not line.strip() or line.startswith("#"):
            continue
        try:
            cookies.append(_read_line(line.split("\t")))
        except (ValueError, OverflowError):
            odd.append(number)
    if not text.strip() or (odd and not cookies):
        what = f"line {odd[0]}" if odd else "it"
        raise RequestOptionsError(f"{_shown(file)}: {what} is {_NOT_NETSCAPE}")
    return cookies, odd


def _read_line(fields: list[str]) -> tuple[URL, Morsel[str]]:
    """Parse the cookie of a line: host, subdomains, path, https only, expiry, name, value.

    As in curl, the second column decides on subdomains, not a dot before the host. An expiry of 0
    marks a session cookie, and the value is sent unchanged.

    Raises:
        ValueError, OverflowError: the line is not a cookie.
    """
    if len(fields) == _FIELDS - 1:
        fields = [*fields, ""]  # an editor removed the tab before an empty value
    host, below, path, secure, expires, name, value = fields
    host = host.removeprefix(".").lower()
    if not host:  # aiohttp would send it to every host
        raise ValueError
    if secure.upper() not in ("TRUE", "FALSE") or not _FIELD_VALUE.fullmatch(f"{name}={value}"):
        raise ValueError
    morsel: Morsel[str] = Morsel()
    # `set` refuses names such as `a[b]`, which PHP uses. aiohttp sets the state directly too.
    state = {"key": name, "value": value, "coded_value": value}
    morsel.__setstate__(state)  # type: ignore[attr-defined]
    morsel["path"] = path
    if secure.upper() == "TRUE":
        morsel["secure"] = True
    if end := int(float(expires or 0)):
        morsel["max-age"] = str(end - int(time.time()))
    if below.upper() == "TRUE" and not _is_public_suffix(host):
        morsel["domain"] = host
    return URL.build(scheme="https", host=host), morsel


def store_cookies(jar: CookieJar, response: Response) -> None:
    """Store the cookies of a response, except those for a public suffix or with a false name.

    A cookie for a suffix such as `co.uk` would reach unrelated sites (RFC 6265 5.3, step 5). A
    host that is a public suffix itself, such as a name without a dot, may set its own cookies.
    """
    fields = response.headers.getall("Set-Cookie", ())
    accepted = [checked for field in fields if (checked := _checked(field, response.url, jar))]
    jar.update_cookies_from_headers(accepted, response.url)
    if any('"' in field for field in accepted):
        _keep_quotes(jar)


def _checked(field: str, url: URL, jar: CookieJar) -> str:
    """Rebuild a Set-Cookie field from its checked parts; return "" if it is refused.

    This splits fields as RFC 6265 5.2 does. aiohttp also interprets quotes and escapes, so it would
    find another domain in some of them. It also ignores the first second of 1970 as a date, with
    which servers delete cookies.
    """
    pair, *parts = field.split(";")
    attributes: dict[str, str] = {}
    for part in parts:
        name, _, value = part.partition("=")
        name, value = name.strip(" \t").lower(), value.strip(" \t")
        if name in _ATTRIBUTES and (value or name != "domain"):
            attributes[name] = value if name == "domain" else value.replace('"', "")
    if _has_false_prefix(pair, attributes, url):
        return ""
    if "domain" in attributes:
        domain = _DOMAIN.fullmatch(attributes.pop("domain").lower())  # others: only this host
        if domain and not _is_public_suffix(domain[1]):
            attributes["domain"] = domain[1]
        elif domain and domain[1] != url.host:
            return ""
    if url.scheme != "https" and ("secure" in attributes or _hides(jar, pair, attributes, url)):
        return ""
    if "max-age" not in attributes and _IN_1970.search(attributes.get("expires", "")):
        attributes["max-age"] = "0"
    checked = (f"{name}={value}" if value else name for name, value in attributes.items())
    return "; ".join([pair, *checked])


def _keep_quotes(jar: CookieJar) -> None:
    """Send values as servers set them (RFC 6265 5.4): aiohttp removes their quotes."""
    for morsel in jar:
        if morsel.coded_value != morsel.value:
            value = morsel.coded_value
            state = {"key": morsel.key, "value": value, "coded_value": value}
            morsel.__setstate__(state)  # type: ignore[attr-defined]


def _hides(jar: CookieJar, pair: str, attributes: Mapping[str, str], url: URL) -> bool:
    """Return True if a cookie would replace or hide one that only https may set.

    Anybody in the middle can answer a request without TLS (RFC 6265bis 5.7: leave secure cookies
    alone).
    """
    name = pair.partition("=")[0].strip()
    domain = attributes.get("domain") or url.host or ""
    path = attributes.get("path", "")
    if not path.startswith("/"):
        path = url.path.rpartition("/")[0] or "/"
    return any(
        morsel["secure"]
        and morsel.key == name
        and (_ends_with(domain, morsel["domain"]) or _ends_with(morsel["domain"], domain))
        and f"{path.rstrip('/')}/".startswith(f"{morsel['path'].rstrip('/')}/")
        for morsel in jar
    )


def _ends_with(host: str, domain: str) -> bool:
    return f".{host}".endswith(f".{domain}")


def _has_false_prefix(pair: str, attributes: Mapping[str, str], url: URL) -> bool:
    """Return True if a cookie breaks the promise of its name prefix (RFC 6265bis 4.1.3)."""
    name = pair.strip().lower()
    if not name.startswith(("__secure-", "__host-")):
        return False
    if url.scheme != "https" or "secure" not in attributes:
        return True
    is_of_host = "domain" not in attributes and attributes.get("path") == "/"
    return name.startswith("__host-") and not is_of_host


def cookie_header(jar: CookieJar, url: str) -> str:
    """Return the Cookie field of a request to `url`; "" if it has no cookies."""
    cookies = jar.filter_cookies(URL(url, encoded=url.isascii()))
    return "; ".join(f"{name}={morsel.coded_value}" for name, morsel in cookies.items())


@cache
def _is_public_suffix(domain: str) -> bool:
    return bool(_public_suffixes().is_public(domain))


@cache
def _public_suffixes():  # type: ignore[no-untyped-def]
    from publicsuffixlist import PublicSuffixList  # reading its list takes a while

    return PublicSuffixList()
