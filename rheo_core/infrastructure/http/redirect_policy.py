"""Redirect policy: which redirects are followed, how many, and with which credentials.

The Fetch standard and RFC 9110 15.4 leave this to the client. Decision 0012 explains the rules.
"""

import re
from urllib.parse import quote, urlsplit

from rheo_core.domain.exceptions import ProtocolError, RequestOptionsError, TooManyRedirectsError
from rheo_core.domain.hosts import is_same_host
from rheo_core.domain.references import resolve
from rheo_core.domain.request_options import ListedOptions, RequestOptions
from rheo_core.domain.request_rules import RequestRules
from rheo_core.domain.text import is_unicode, printable
from rheo_core.domain.urls import normalise_url, origin_of

from .auth import split_login
from .base import Response
from .private_networks import OriginHost

_MAX_REDIRECTS = 20
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_AUTHORITY = re.compile(r"(?:[A-Za-z]+:)?//[^/?#\\\s]*")
_SAFE_CHARACTERS = "\t" + "".join(map(chr, range(0x21, 0x7F)))  # tabs are removed


def next_url(url: str, response: Response) -> str | None:
    """Return the target of a redirect; None if the response is not a redirect.

    Args:
        url: URL of the request.
        response: its response.

    Raises:
        ProtocolError: the response has several targets, or one that is not an http(s) URL.
    """
    if response.status not in _REDIRECTS:
        return None
    locations = set(response.headers.getall("Location", ()))
    if len(locations) > 1:
        raise ProtocolError("the redirect has more than one target")
    location = locations.pop() if locations else ""
    if not location:
        return None
    try:
        return normalise_url(resolve(url, _quoted(location))).partition("#")[0]
    except ValueError as error:
        raise ProtocolError(f"redirect to an invalid address: {error}") from None


def _quoted(location: str) -> str:
    """Encode characters that a URL must not contain, as browsers do. A host keeps its letters."""
    host = _AUTHORITY.match(location)
    kept = host[0] if host and is_unicode(host[0]) else ""
    rest = location[len(kept) :].encode(errors="surrogateescape")
    return kept + quote(rest, safe=_SAFE_CHARACTERS)


def check_hop(origin_host: OriginHost, before: str, url: str, *, allow_downgrade: bool) -> None:
    """Refuse hops that a user may request but a server may not.

    Args:
        origin_host: host of the user's URL.
        before: URL that redirects to `url`.
        url: target of the redirect.
        allow_downgrade: permit a hop from https to http.

    Raises:
        ProtocolError: the hop leads from https to http, or from a public address to this machine
            or a local network.
    """
    target = urlsplit(url)
    if target.scheme == "http" and urlsplit(before).scheme == "https" and not allow_downgrade:
        raise ProtocolError(
            f"refused a redirect from https to http ({printable(target.hostname or '')}); "
            "set allow_downgrade to follow it"
        )
    if origin_host.must_not_lead_to(target.hostname or ""):
        raise ProtocolError(
            f"refused a redirect to the private address {printable(target.hostname or '')}"
        )


class RedirectPolicy:
    """Hops of one request, and the options and secrets that each URL gets.

    Args:
        url: the user's URL; may contain a login.
        own: options of the download.
    """

    def __init__(self, url: str, own: RequestOptions) -> None:
        self.url, self.login = split_login(url)
        self._own = own
        self._hops = 0
        self._has_left = False  # a hop has led away from the origin of the user's URL
        self.origin: OriginHost | None = None  # None: no redirect yet

    @property
    def origin_host(self) -> str:
        """Host of the user's URL."""
        return urlsplit(self.url).hostname or ""

    def follow(self, before: str, target: str, rules: RequestRules) -> str:
        """Follow a hop from `before`; return `target` without its login.

        Raises:
            TooManyRedirectsError: `_MAX_REDIRECTS` hops were followed before.
            ProtocolError: the hop is not allowed.
        """
        self._hops += 1
        if self._hops > _MAX_REDIRECTS:
            raise TooManyRedirectsError(_MAX_REDIRECTS)
        if self.origin is None:
            self.origin = OriginHost.now(self.origin_host)
        target, login = split_login(target)
        allowed = False
        if before.startswith("https:") and target.startswith("http:"):
            allowed = bool(self.options_for(before, rules).allow_downgrade)
        check_hop(self.origin, before, target, allow_downgrade=allowed)
        if not self.is_origin(target):
            self._has_left, self.login = True, None
        # A name alone would let the server choose a stored login, which netrc completes.
        if login is not None and login.password is not None:
            self.login = login
        return target

    def forgets_cookies(self, target: str) -> bool:
        """Return True if the cookies came from a file that a list may use for its origin only."""
        is_listed = isinstance(self._own, ListedOptions) and "cookies" in self._own.by_list
        return is_listed and not self.is_origin(target)

    def options_for(self, url: str, rules: RequestRules) -> RequestOptions:
        """Return the options of a request to `url`, with the secrets that it may receive."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if self._has_left:
            is_safe = parts.scheme == "https"
            return rules.for_redirect(host, self._own, self.origin_host, is_safe=is_safe)
        return rules.for_origin(host, self._own)

    def check_open(self, url: str, rules: RequestRules) -> None:
        """Check that no invalid setting forbids requests to the host of `url`.

        Raises:
            RequestOptionsError: an invalid setting forbids them.
        """
        own = self._own.without_secrets() if self._has_left else self._own
        if refusal := rules.refusal(urlsplit(url).hostname or "", own):
            raise RequestOptionsError(refusal)

    def is_origin(self, url: str) -> bool:
        """Return True if `url` has the origin of the user's URL."""
        return origin_of(url) == origin_of(self.url)

    def may_use_netrc(self, url: str) -> bool:
        """Return True if a stored login for the host of `url` may be sent."""
        is_safe = not self._has_left or urlsplit(url).scheme == "https"
        return is_safe and self._is_for_host(url)

    def may_use_cookies(self, url: str) -> bool:
        """Return True if stored cookies for the host of `url` may be sent."""
        return self._is_for_host(url) or self.is_origin(url)

    def _is_for_host(self, url: str) -> bool:
        """Return False for another port or scheme of the origin; see `RequestRules.elsewhere`."""
        host = urlsplit(url).hostname or ""
        return not self._has_left or not is_same_host(host, self.origin_host)
