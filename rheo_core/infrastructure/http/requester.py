"""Send GET requests with the user's headers, logins, proxies and TLS; follow redirects."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from multidict import CIMultiDict

from rheo_core.domain.engine_options import DEFAULT_RESPONSE_TIMEOUT_SECONDS
from rheo_core.domain.exceptions import DownloadTimeoutError, RequestOptionsError
from rheo_core.domain.request_options import DIRECT, NO_OPTIONS, RequestOptions
from rheo_core.domain.request_rules import RequestRules
from rheo_core.domain.text import printable
from rheo_core.domain.tuning import DEFAULT_TUNING
from rheo_core.domain.urls import origin_of
from rheo_core.infrastructure.shared_timer import SharedTimer, TimeLimit
from rheo_core.version import __version__

from .auth import Login, NetrcFile, login_of
from .base import BaseHttpClient, PublicFields, Response, Timeouts
from .connection_problems import proxy_refusal
from .proxies import usual_proxy
from .recent_exchanges import RecentExchanges, SentHop
from .redirect_policy import RedirectPolicy, next_url
from .resolver import REDIRECT_ORIGIN
from .routes import Route
from .tls import check_https_proxy, tls_of
from .wire import WireClient

if TYPE_CHECKING:
    from aiohttp import ClientTimeout, CookieJar

    from .cookies import CookieFiles
    from .digest_login import DigestLogin

_OURS = PublicFields(
    {
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "User-Agent": f"rheo/{__version__}",
    }
)
"""Fields of each request. A content coding would hide the size, and ranges count encoded bytes."""
_PROXY_LOGIN_REQUIRED = int(HTTPStatus.PROXY_AUTHENTICATION_REQUIRED)
_log = logging.getLogger(__name__)

Admit = Callable[[str], Awaitable[None]]


class Requester:
    """Factory of requests, with their shared state: rules, cookies, digest nonces, netrc.

    Args:
        client: sends the requests.
        rules: options of all requests and of hosts, in addition to those of each download.
        response_timeout: limit for connecting and for the head of the response, for each hop,
            seconds; None: no limit. No byte and no interim response (RFC 9110 15.2) restarts it.
        patience: seconds after which `patience` calls back requests that still wait for a response.
    """

    def __init__(
        self,
        client: BaseHttpClient,
        rules: RequestRules | None = None,
        *,
        response_timeout: float | None = DEFAULT_RESPONSE_TIMEOUT_SECONDS,
        patience: float = DEFAULT_TUNING.response_patience_seconds,
    ) -> None:
        # It warns about odd cookie names, which servers choose and nobody can change.
        logging.getLogger("aiohttp.internal").setLevel(logging.ERROR)
        self.client = client
        self.response_timeout = response_timeout
        self.limits = SharedTimer(response_timeout)
        self.patience = SharedTimer(patience)
        self.recent = RecentExchanges()
        self.use_rules(rules or RequestRules())
        self._digests: dict[tuple[tuple[str, str], Login, bool], DigestLogin] = {}
        for host in sorted(self.rules.insecure):
            _log.warning("certificates of %s are not checked", printable(host))

    @cached_property
    def cookies(self) -> "CookieFiles":
        """Cookies from files."""
        from .cookies import CookieFiles  # imports aiohttp

        return CookieFiles()

    def use_rules(self, rules: RequestRules) -> None:
        """Apply these rules to later requests, and read netrc again."""
        self.rules = rules
        self.has_rules = not rules.is_empty
        self.netrc = NetrcFile()

    def get(
        self,
        url: str,
        headers: dict[str, str],
        timeouts: Timeouts,
        own: RequestOptions = NO_OPTIONS,
    ) -> "Exchange":
        """Return a request that is not sent yet.

        Args:
            url: may contain a login.
            headers: fields in addition to those of every request.
            timeouts: for each hop, in seconds.
            own: options of the download.
        """
        fields = _OURS | headers if headers else _OURS
        return Exchange(self, url, fields, self._for_client(timeouts), own)

    def _for_client(self, timeouts: Timeouts) -> "Timeouts | ClientTimeout":
        if isinstance(self.client, WireClient):
            return timeouts
        from .aiohttp_client import client_timeout

        return client_timeout(timeouts)

    def digest(self, url: str, login: Login, *, may_be_basic: bool) -> "DigestLogin":
        """Return the digest authentication of an origin (RFC 7616), with its nonces so far.

        Args:
            url: one of the origin.
            login: for this origin.
            may_be_basic: also answer a server that asks only for basic authentication.

        Raises:
            RequestOptionsError: the login cannot be used with digest authentication.
        """
        key = (origin_of(url), login, may_be_basic)
        if key not in self._digests:
            if problem := login.digest_problem:
                raise RequestOptionsError(f"user: digest authentication {problem}")
            from .digest_login import AnyLogin, DigestLogin  # imports aiohttp

            self._digests[key] = (AnyLogin if may_be_basic else DigestLogin)(login)
        return self._digests[key]


class Exchange:
    """One GET request, with the redirects that it follows."""

    def __init__(
        self,
        requester: Requester,
        url: str,
        headers: Mapping[str, str],
        timeouts: "Timeouts | ClientTimeout",
        own: RequestOptions,
    ) -> None:
        self._requester = requester
        self._policy = RedirectPolicy(url, own)
        self._current_url = self._policy.url  # of the last hop
        self._headers = headers
        self._timeouts = timeouts
        self._own = own
        self._jar: CookieJar | None = None
        self._sent: AbstractAsyncContextManager[Response] | None = None
        self.hops: list[SentHop] = []

    @property
    def host(self) -> str:
        """Host of the last hop, which caused the error if there was one."""
        return urlsplit(self._current_url).hostname or ""

    async def open(self, admit: Admit | None = None) -> Response:
        """Send the request, follow redirects, and return the head of the last response.

        Args:
            admit: awaited with the URL of each redirect before it is followed; may raise.

        Raises:
            TooManyRedirectsError: the redirects exceed the limit of `RedirectPolicy`.
            ProtocolError: a redirect is not valid or not allowed.
            RequestOptionsError: an option of the user cannot be applied.
            DownloadTimeoutError: the head of a response is not complete in time.
            ProxyRefusalError: the proxy requires a login, or another one.
            aiohttp.ClientError: any other failure.
        """
        url, policy = self._policy.url, self._policy
        try:
            while True:
                response = await self._send(url)
                if "Set-Cookie" in response.headers:
                    self._store_cookies(response)
                target = next_url(url, response)
                if target is None:
                    return response
                await self.close(None)
                self.hops[-1] = self.hops[-1].redirected()
                url = policy.follow(url, target, self._requester.rules)
                if policy.forgets_cookies(url):
                    self._jar = None
                if admit is not None:
                    await admit(url)
        except BaseException as error:
            await self.close(error)
            raise

    async def __aenter__(self) -> Response:
        return await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close(error)

    async def close(self, error: BaseException | None) -> None:
        """Release the response, if there is one."""
        sent, self._sent = self._sent, None
        if sent is not None:
            await sent.__aexit__(type(error) if error else None, error, None)

    async def _send(self, url: str) -> Response:
        headers: Mapping[str, str] = self._headers
        request_kwargs: dict[str, Any] = {}
        # The rules may have changed since the last hop.
        is_plain = not self._requester.has_rules and self._own is NO_OPTIONS
        if not is_plain or self._policy.login is not None or self._jar is not None:
            headers, request_kwargs = await self._prepare(url)
        self._current_url = url
        self.hops.append(SentHop(url, headers))
        sent = self._requester.client.get(
            url, headers=headers, timeout=self._timeouts, allow_redirects=False, **request_kwargs
        )
        try:
            with TimeLimit(self._requester.limits) as limit:
                if self._policy.origin is not None or request_kwargs:
                    response = await self._send_guarded(sent, request_kwargs)
                else:
                    response = await sent.__aenter__()
        except TimeoutError as error:
            if limit.has_expired:
                seconds = self._requester.response_timeout
                raise DownloadTimeoutError(
                    "no complete response", seconds, peer=f"from {self.host}"
                ) from error
            raise
        self._sent = sent
        self.hops[-1] = SentHop.of(url, headers, response)
        if response.status == _PROXY_LOGIN_REQUIRED and url.startswith("http:"):
            self._check_proxy(response, request_kwargs.get("proxy"))
        return response

    @staticmethod
    def _check_proxy(response: Response, proxy: str | None) -> None:
        """Raise the error of a 407, which for an http URL comes from the proxy if there is one."""
        if proxy is not None:
            sent_login = urlsplit(proxy).username is not None
            raise proxy_refusal(
                response.status, response.reason or "", response.headers, sent_login=sent_login
            )

    async def _send_guarded(
        self, sent: AbstractAsyncContextManager[Response], request_kwargs: dict[str, Any]
    ) -> Response:
        """Send a request after a redirect, or on a separate route; return the response.

        The resolver refuses private addresses if a redirect chose the host.
        """
        socks = request_kwargs["route"].socks if "route" in request_kwargs else None
        is_direct = socks is None and "proxy" not in request_kwargs
        token = REDIRECT_ORIGIN.set(self._policy.origin if is_direct else None)
        try:
            return await sent.__aenter__()
        finally:
            REDIRECT_ORIGIN.reset(token)

    async def _prepare(self, url: str) -> tuple[CIMultiDict[str], dict[str, Any]]:
        """Return the header fields of a request to `url`, and the arguments for its route.

        Raises:
            RequestOptionsError: a setting that applies is not valid or cannot be used.
        """
        rules = self._requester.rules
        if rules.unclear:
            self._policy.check_open(url, rules)
        options = self._policy.options_for(url, rules)
        headers = CIMultiDict(self._headers)
        fields = [("User-Agent", options.user_agent), ("Referer", options.referer)]
        headers.update({name: value for name, value in fields if value is not None})
        for name, _ in options.headers:
            headers.popall(name, None)
        headers.extend(options.headers)
        request_kwargs: dict[str, Any] = {}
        await self._add_login(url, options, headers, request_kwargs)
        await self._add_cookies(url, options, headers)
        self._choose_route(url, options, request_kwargs)
        return headers, request_kwargs

    async def _add_login(
        self,
        url: str,
        options: RequestOptions,
        headers: CIMultiDict[str],
        request_kwargs: dict[str, Any],
    ) -> None:
        """Add the login from the URL, or else from the options, or else from netrc."""
        login = self._policy.login
        if login is None and options.user is not None:
            login = login_of(options.user.get_secret_value())
        if login is None and options.bearer is not None:
            headers["Authorization"] = f"Bearer {options.bearer.get_secret_value()}"
            return
        known = "Authorization" in headers if login is None else login.password is not None
        if options.netrc and not known and self._policy.may_use_netrc(url):
            host = urlsplit(url).hostname or ""
            login = await self._requester.netrc.find(host, login and login.name) or login
        if login is None:
            return
        headers.pop("Authorization", None)
        waits = options.auth in ("digest", "any")
        if not waits:
            headers["Authorization"] = login.basic
        if waits or login.digest_problem is None:
            answer = self._requester.digest(url, login, may_be_basic=options.auth == "any")
            request_kwargs["middlewares"] = (answer,)

    async def _add_cookies(
        self, url: str, options: RequestOptions, headers: CIMultiDict[str]
    ) -> None:
        if options.cookies is not None:
            self._jar = await self._requester.cookies.jar(options.cookies)
        if self._jar is None or not self._policy.may_use_cookies(url):
            return
        from .cookies import cookie_header

        pairs = [headers.get("Cookie", ""), cookie_header(self._jar, url)]
        if any(pairs):
            headers["Cookie"] = "; ".join(filter(None, pairs))

    def _store_cookies(self, response: Response) -> None:
        """Store the cookies of a redirect for the next hops.

        If the cookies come from a file, all requests with that file get them.
        """
        from .cookies import new_jar, store_cookies

        if self._jar is None:
            self._jar = new_jar()
        store_cookies(self._jar, response)

    def _choose_route(
        self, url: str, options: RequestOptions, request_kwargs: dict[str, Any]
    ) -> None:
        """Set proxy, TLS context and interface."""
        parts = urlsplit(url)
        usual = self._requester.rules.usual_proxies(self._own)
        proxy = options.proxy_url or usual_proxy(usual, parts.scheme, parts.netloc)
        socks = None
        if proxy is not None and proxy != DIRECT:
            if proxy.startswith("socks"):
                socks = proxy
            else:
                request_kwargs["proxy"] = proxy
        route = Route(socks, options.ip_version, options.interface)
        if any(route):
            route.check(urlsplit(request_kwargs.get("proxy", url)).hostname or "")
            request_kwargs["route"] = route
        if parts.scheme == "https" or "proxy" in request_kwargs:
            host = parts.hostname or ""
            insecure = "" if self._requester.rules.checks_certificate(host) else host
            if request_kwargs.get("proxy", "").startswith("https:"):
                check_https_proxy(options, insecure)
            tls = tls_of(options, insecure=bool(insecure))
            if tls is not True:
                request_kwargs["ssl"] = tls
