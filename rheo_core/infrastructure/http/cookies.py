"""Cookies: those of a file, those that a server sets, and whom they may be told (RFC 6265)."""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.cookies import Morsel
from pathlib import Path

from aiohttp import ClientResponse, CookieJar
from yarl import URL

from rheo_core.domain.exceptions import RequestOptionsError
from rheo_core.domain.text import printable
from rheo_core.user_files import read_secret, read_secret_async

_NOT_NETSCAPE = "not of Netscape's format (cookies.txt)"
_DOMAIN = re.compile(r"(?i);\s*domain\s*=\s*\.?([^;]*)")


class CookieFiles:
    """The jars that come from files: each is read once, and never written.

    What servers set for it lives as long as this.
    """

    def __init__(self) -> None:
        self._jars: dict[Path, asyncio.Task[CookieJar]] = {}

    async def jar(self, file: Path) -> CookieJar:
        """The jar of this file.

        Raises:
            RequestOptionsError: it cannot be read, or others may read or change it.
        """
        if file not in self._jars:
            self._jars[file] = asyncio.create_task(_load(file))
        task = self._jars[file]
        try:
            return await asyncio.shield(task)
        except RequestOptionsError:
            self._jars.pop(file, None)  # it may be put right
            raise


async def _load(file: Path) -> CookieJar:
    jar = new_jar()
    with _explained(file):
        data = await read_secret_async(file)
    for url, morsel in _parse(data, file):
        jar.update_cookies({morsel.key: morsel}, url)
    return jar


def new_jar() -> CookieJar:
    """An empty one; addresses may have cookies too, which are for them alone."""
    return CookieJar(unsafe=True, quote_cookie=False)


def read_cookies(file: Path) -> list[tuple[URL, Morsel[str]]]:
    """Return the cookies of a file, each with the URL of its host.

    Raises:
        RequestOptionsError: it cannot be read, or others may read or change it.
    """
    with _explained(file):
        data = read_secret(file)
    return _parse(data, file)


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise RequestOptionsError(f"{_shown(file)}: {reason}") from None


def _shown(file: Path) -> str:
    return f"cookies {printable(str(file))}"


def _parse(data: bytes, file: Path) -> list[tuple[URL, Morsel[str]]]:
    shown = _shown(file)
    try:
        # In text mode a CRLF at the end of a line would be one character.
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeError:
        text = ""
    if not text.strip():
        raise RequestOptionsError(f"{shown}: it is {_NOT_NETSCAPE}")
    cookies = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removeprefix("#HttpOnly_")  # in front of a host; it is for scripts in pages
        if not line.strip() or line.startswith("#"):
            continue
        try:
            cookies.append(_read_line(line.split("\t")))
        except (ValueError, OverflowError):  # its text would hold the line, and with it a cookie
            raise RequestOptionsError(f"{shown}: line {number} is {_NOT_NETSCAPE}") from None
    return cookies


def _read_line(fields: list[str]) -> tuple[URL, Morsel[str]]:
    """Return a cookie: host, whether also below it, path, https only, end, name, value.

    As curl does, the second column counts and not a dot before the host, an end of 0 is that of the
    session, and the value goes out as it is.

    Raises:
        ValueError, OverflowError: it is none.
    """
    host, below, path, secure, expires, name, value = fields
    host = host.removeprefix(".").lower()
    if not host:  # aiohttp would tell it to everybody
        raise ValueError
    morsel: Morsel[str] = Morsel()
    # `set` would refuse names such as `a[b]`, which PHP gives; aiohttp goes this way too.
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


def store_cookies(jar: CookieJar, reply: ClientResponse) -> None:
    """Put what the reply sets into the jar, but for what is meant for a public suffix.

    Such as `co.uk`, which would be told to strangers (RFC 6265 5.3, step 5); a host that is one
    itself, such as a name without a dot, may have its own.
    """
    host = reply.url.host or ""
    accepted = []
    for field in reply.headers.getall("Set-Cookie", ()):
        domains = _DOMAIN.findall(field)
        domain = domains[-1].strip().lower() if domains else ""
        if domain and _is_public_suffix(domain):
            if domain != host:
                continue
            field = _DOMAIN.sub("", field)
        accepted.append(field)
    jar.update_cookies_from_headers(accepted, reply.url)


def cookie_header(jar: CookieJar, url: str) -> str:
    """What a request to `url` says of cookies; "" where it has none."""
    cookies = jar.filter_cookies(URL(url, encoded=url.isascii()))
    return "; ".join(f"{name}={morsel.coded_value}" for name, morsel in cookies.items())


@cache
def _is_public_suffix(domain: str) -> bool:
    return bool(_public_suffixes().is_public(domain))


@cache
def _public_suffixes():  # type: ignore[no-untyped-def]
    from publicsuffixlist import PublicSuffixList  # its list takes a while to read

    return PublicSuffixList()
