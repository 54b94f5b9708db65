"""Cookies: those of a file, those that a server sets, and whom they may be told (RFC 6265)."""

import asyncio
import re
import time
from functools import cache
from http.cookiejar import LoadError, MozillaCookieJar
from http.cookies import CookieError, Morsel
from pathlib import Path

from aiohttp import ClientResponse, CookieJar
from yarl import URL

from rheo_core.domain.exceptions import RequestOptionsError
from rheo_core.domain.text import printable

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
            RequestOptionsError: it cannot be read.
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
    await asyncio.to_thread(_fill, jar, file)
    return jar


def new_jar() -> CookieJar:
    """An empty one; addresses may have cookies too, which are for them alone."""
    return CookieJar(unsafe=True, quote_cookie=False)


def _fill(jar: CookieJar, file: Path) -> None:
    found = MozillaCookieJar()
    try:
        if not all(map(_is_readable, file.read_text("utf-8").splitlines())):
            raise LoadError
        # It would take 0, which stands for the end of the session, for the year 1970.
        found.load(str(file), ignore_discard=True, ignore_expires=True)
    except (LoadError, UnicodeError):  # its text holds the line, and with it a cookie
        problem = "it is not of Netscape's format (cookies.txt)"
        raise RequestOptionsError(f"cookies {printable(str(file))}: {problem}") from None
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise RequestOptionsError(f"cookies {printable(str(file))}: {reason}") from None
    for cookie in found:
        if cookie.expires and cookie.is_expired():
            continue
        host = cookie.domain.removeprefix(".").lower()
        morsel: Morsel[str] = Morsel()
        try:
            morsel.set(cookie.name, cookie.value or "", cookie.value or "")
        except CookieError:
            continue
        morsel["path"] = cookie.path
        if cookie.secure:
            morsel["secure"] = True
        if cookie.expires:
            morsel["max-age"] = str(int(cookie.expires - time.time()))
        # The second column tells whether it is for the hosts below as well.
        if cookie.domain_specified and not _is_public(host):
            morsel["domain"] = host
        jar.update_cookies({cookie.name: morsel}, URL.build(scheme="https", host=host))


def _is_readable(line: str) -> bool:
    """Whether a line is empty, a comment or a cookie; others would warn of a bug in Python."""
    text = line.removeprefix("#HttpOnly_").strip()
    return not text or text[0] in "#$" or line.count("\t") == 6


def take_cookies(jar: CookieJar, reply: ClientResponse) -> None:
    """Put what the reply sets into the jar, but for what is meant for a public suffix.

    Such as `co.uk`, which would be told to strangers (RFC 6265 5.3, step 5); a host that is one
    itself, such as a name without a dot, may have its own.
    """
    host = reply.url.host or ""
    accepted = []
    for field in reply.headers.getall("Set-Cookie", ()):
        domains = _DOMAIN.findall(field)
        domain = domains[-1].strip().lower() if domains else ""
        if domain and _is_public(domain):
            if domain != host:
                continue
            field = _DOMAIN.sub("", field)
        accepted.append(field)
    jar.update_cookies_from_headers(accepted, reply.url)


def cookie_header(jar: CookieJar, url: str) -> str:
    """What a request to `url` says of cookies; "" where it has none."""
    found = jar.filter_cookies(URL(url, encoded=url.isascii()))
    return "; ".join(f"{name}={morsel.coded_value}" for name, morsel in found.items())


@cache
def _is_public(domain: str) -> bool:
    return bool(_suffixes().is_public(domain))


@cache
def _suffixes():  # type: ignore[no-untyped-def]
    from publicsuffixlist import PublicSuffixList  # its list takes a while to read

    return PublicSuffixList()
