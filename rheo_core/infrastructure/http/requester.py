"""GET requests as the user wants them: what they carry, how they travel, where they may lead."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import ClientResponse
from multidict import CIMultiDict

from rheo_core.domain.exceptions import (
    DownloadTimeoutError,
    RequestOptionsError,
    TooManyRedirectsError,
)
from rheo_core.domain.file_config import origin_of
from rheo_core.domain.hosts import is_same_host
from rheo_core.domain.request_options import DIRECT, NO_OPTIONS, ListedOptions, RequestOptions
from rheo_core.domain.request_rules import RequestRules
from rheo_core.domain.text import printable

from .base import BaseHttpClient
from .cookies import CookieFiles, cookie_header, new_jar, take_cookies
from .factories import Route
from .logins import DigestLogin, Login, NetrcFile, login_of, split_login
from .private import Home
from .proxies import usual_proxy
from .redirects import check_hop, next_url
from .resolver import SENT_BY
from .tls import check_https_proxy, tls_of

_MOST_REDIRECTS = 10
_HEAD_TIMES = 4
"""The head of a reply may take this many times the patience for a connection and a byte. Each byte
renews that patience, and so does each interim reply (RFC 9110 15.2): it alone may never end."""
_log = logging.getLogger(__name__)

Admission = Callable[[str], Awaitable[None]]


class Requester:
    """Makes requests by rules; what they share (cookies, digest nonces, netrc) lives here.

    Args:
        client: sends them.
        rules: what holds besides what each download says.
    """

    def __init__(self, client: BaseHttpClient, rules: RequestRules | None = None) -> None:
        self.client = client
        self.cookies = CookieFiles()
        self.go_by(rules or RequestRules())
        self._digests: dict[tuple[tuple[str, str], Login], DigestLogin] = {}
        for host in sorted(self.rules.insecure):
            _log.warning("certificates of %s are not checked", printable(host))

    def go_by(self, rules: RequestRules) -> None:
        """Make requests by these rules from now on; netrc is read again."""
        self.rules = rules
        self.has_rules = not rules.are_empty
        self.netrc = NetrcFile()

    def get(
        self,
        url: str,
        headers: Mapping[str, str],
        timeouts: aiohttp.ClientTimeout,
        own: RequestOptions = NO_OPTIONS,
    ) -> "Exchange":
        """A request, not sent yet.

        Args:
            url: may have a login in it.
            headers: those of the engine.
            timeouts: of each of the requests that redirects make of it.
            own: what its download says.
        """
        return Exchange(self, url, headers, timeouts, own)

    def digest(self, url: str, login: Login) -> DigestLogin:
        """Answers the challenges of an origin (RFC 7616), and remembers them."""
        key = (origin_of(url), login)
        if key not in self._digests:
            if ":" in login.name:
                raise RequestOptionsError("user: a name with a colon does not go with digest")
            self._digests[key] = DigestLogin(login.name, login.password or "")
        return self._digests[key]


class Exchange:
    """One GET with the redirects that it meets."""

    def __init__(
        self,
        requester: Requester,
        url: str,
        headers: Mapping[str, str],
        timeouts: aiohttp.ClientTimeout,
        own: RequestOptions,
    ) -> None:
        self._requester = requester
        self._url, self._login = split_login(url)
        self._asked = self._url  # the last one
        self._headers = headers
        self._timeouts = timeouts
        self._own = own
        self._is_plain = not requester.has_rules and own is NO_OPTIONS
        self._has_left = False  # the origin of the user's URL, once
        self._sender: Home | None = None  # once there was a redirect
        self._jar: aiohttp.CookieJar | None = None
        self._sent: AbstractAsyncContextManager[ClientResponse] | None = None

    @property
    def home(self) -> str:
        """The host of the user's URL."""
        return urlsplit(self._url).hostname or ""

    @property
    def host(self) -> str:
        """The host that was asked last; where that failed, the one to blame."""
        return urlsplit(self._asked).hostname or ""

    async def open(self, admit: Admission | None = None) -> ClientResponse:
        """Ask, and follow redirects; returns the head of the last reply.

        Args:
            admit: awaited with the URL of each redirect before it is followed; may raise.

        Raises:
            TooManyRedirectsError: there is no end.
            ProtocolError: a redirect is not to be followed.
            RequestOptionsError: what the user wants cannot be done.
            aiohttp.ClientError: whatever else goes wrong.
        """
        url = self._url
        try:
            for _ in range(_MOST_REDIRECTS + 1):
                reply = await self._ask(url)
                if "Set-Cookie" in reply.headers:
                    self._take_cookies(reply)
                target = next_url(url, reply)
                if target is None:
                    return reply
                await self.close(None)
                url = self._follow(url, target)
                if admit is not None:
                    await admit(url)
        except BaseException as error:
            await self.close(error)
            raise
        raise TooManyRedirectsError(_MOST_REDIRECTS)

    async def __aenter__(self) -> ClientResponse:
        return await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close(error)

    async def close(self, error: BaseException | None) -> None:
        """Let go of the reply; nothing happens where there is none."""
        sent, self._sent = self._sent, None
        if sent is not None:
            await sent.__aexit__(type(error) if error else None, error, None)

    def _follow(self, before: str, target: str) -> str:
        """Where to go on, which is `target` without its login."""
        if self._sender is None:
            self._sender = Home.now(self.home)
        target, login = split_login(target)
        allowed = False
        if before.startswith("https:") and target.startswith("http:"):
            allowed = bool(self._options(before).allow_downgrade)
        check_hop(self._sender, before, target, allow_downgrade=allowed)
        if origin_of(target) != origin_of(self._url):
            self._has_left, self._login = True, None
            if isinstance(self._own, ListedOptions):
                self._jar = None  # of a file that the list may read for its own origin alone
        self._login = login or self._login
        return target

    async def _ask(self, url: str) -> ClientResponse:
        headers: Mapping[str, str] = self._headers
        travel: dict[str, Any] = {}
        if not self._is_plain or self._login is not None or self._jar is not None:
            headers, travel = await self._prepared(url)
        self._asked = url
        sent = self._requester.client.get(
            url, headers=headers, timeout=self._timeouts, allow_redirects=False, **travel
        )
        seconds = _head_seconds(self._timeouts)
        try:
            async with asyncio.timeout(seconds) as limit:
                if self._sender is not None or travel:
                    reply = await self._carefully(sent, travel)
                else:
                    reply = await sent.__aenter__()
        except TimeoutError as error:
            if limit.expired():
                raise DownloadTimeoutError(
                    f"no complete reply from {self.host}", seconds
                ) from error
            raise
        self._sent = sent
        return reply

    async def _carefully(
        self, sent: AbstractAsyncContextManager[ClientResponse], travel: dict[str, Any]
    ) -> ClientResponse:
        """The reply, where a server chose who is asked, or it does not go the usual way."""
        socks = travel["route"].socks if "route" in travel else None
        is_direct = socks is None and "proxy" not in travel
        sent_by = SENT_BY.set(self._sender if is_direct else None)
        try:
            return await sent.__aenter__()
        except Exception as error:
            if socks is not None:
                from .socks import explain_socks  # has been needed

                explain_socks(error, socks)
            raise
        finally:
            SENT_BY.reset(sent_by)

    def _options(self, url: str) -> RequestOptions:
        rules, parts = self._requester.rules, urlsplit(url)
        host = parts.hostname or ""
        if self._has_left:
            is_safe = parts.scheme == "https"
            return rules.elsewhere(host, self._own, self.home, is_safe=is_safe)
        return rules.at_home(host, self._own)

    def _check_open(self, url: str) -> None:
        own = self._own.without_secrets() if self._has_left else self._own
        if refusal := self._requester.rules.refusal(urlsplit(url).hostname or "", own):
            raise RequestOptionsError(refusal)

    async def _prepared(self, url: str) -> tuple[CIMultiDict[str], dict[str, Any]]:
        """The headers for `url`, and the arguments that tell how to get there.

        Raises:
            RequestOptionsError: a setting that would apply cannot be understood or done.
        """
        if self._requester.rules.unclear:
            self._check_open(url)
        options = self._options(url)
        headers = CIMultiDict(self._headers)
        given = [("User-Agent", options.user_agent), ("Referer", options.referer)]
        headers.update({name: value for name, value in given if value is not None})
        for name, _ in options.headers:
            headers.popall(name, None)
        headers.extend(options.headers)
        travel: dict[str, Any] = {}
        self._sign(url, options, headers, travel)
        await self._add_cookies(url, options, headers)
        self._choose_way(url, options, travel)
        return headers, travel

    def _sign(
        self, url: str, options: RequestOptions, headers: CIMultiDict[str], travel: dict[str, Any]
    ) -> None:
        """Say who asks: a login in the URL goes first, then what the user gives, then netrc."""
        login = self._login
        if login is None and options.user is not None:
            login = login_of(options.user.get_secret_value())
        if login is None and options.bearer is not None:
            headers["Authorization"] = f"Bearer {options.bearer.get_secret_value()}"
            return
        known = "Authorization" in headers if login is None else login.password is not None
        is_safe = not self._has_left or urlsplit(url).scheme == "https"
        if options.netrc and not known and is_safe and self._is_for_host(url):
            host = urlsplit(url).hostname or ""
            login = self._requester.netrc.find(host, login and login.name) or login
        if login is None:
            return
        headers.pop("Authorization", None)
        if options.auth != "digest":
            headers["Authorization"] = login.basic
        travel["middlewares"] = (self._requester.digest(url, login),)

    def _is_for_host(self, url: str) -> bool:
        """Whether what is kept for a host is for `url`; see `RequestRules.elsewhere`."""
        return not self._has_left or not is_same_host(urlsplit(url).hostname or "", self.home)

    async def _add_cookies(
        self, url: str, options: RequestOptions, headers: CIMultiDict[str]
    ) -> None:
        if options.cookies is not None:
            self._jar = await self._requester.cookies.jar(options.cookies)
        if self._jar is None or not (self._is_for_host(url) or self._is_home(url)):
            return
        found = [headers.get("Cookie", ""), cookie_header(self._jar, url)]
        if any(found):
            headers["Cookie"] = "; ".join(filter(None, found))

    def _is_home(self, url: str) -> bool:
        return origin_of(url) == origin_of(self._url)

    def _take_cookies(self, reply: ClientResponse) -> None:
        """What a redirect sets goes along from there; with a file, to all that have the file."""
        if self._jar is None:
            self._jar = new_jar()
        take_cookies(self._jar, reply)

    def _choose_way(self, url: str, options: RequestOptions, travel: dict[str, Any]) -> None:
        """Proxy, TLS, interface."""
        parts = urlsplit(url)
        usual = self._requester.rules.usual_proxies(self._own)
        proxy = options.proxy_url or usual_proxy(usual, parts.scheme, parts.netloc)
        socks = None
        if proxy is not None and proxy != DIRECT:
            if proxy.startswith("socks"):
                socks = proxy
            else:
                travel["proxy"] = proxy
        route = Route(socks, options.ip_version, options.interface)
        if any(route):
            if proxy in (None, DIRECT):
                route.check(parts.hostname or "")
            travel["route"] = route
        if parts.scheme == "https" or "proxy" in travel:
            host = parts.hostname or ""
            insecure = host if host in self._requester.rules.insecure else ""
            if travel.get("proxy", "").startswith("https:"):
                check_https_proxy(options, insecure)
            tls = tls_of(options, insecure=bool(insecure))
            if tls is not True:
                travel["ssl"] = tls


def _head_seconds(timeouts: aiohttp.ClientTimeout) -> float | None:
    """Seconds for the head of one hop; None if the user's patience for a byte is endless."""
    if timeouts.sock_read is None:
        return None
    return _HEAD_TIMES * ((timeouts.connect or 0.0) + timeouts.sock_read)
