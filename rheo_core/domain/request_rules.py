"""Which options a request has: those of all, of its host, of its download."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce

from .hosts import entries_for
from .request_options import NO_OPTIONS, ROUTE, ListedOptions, RequestOptions
from .text import without_login


@dataclass(frozen=True, slots=True)
class RequestRules:
    """What holds for requests besides what a download says itself.

    Args:
        defaults: for all.
        hosts: by host: `example.org` is that one, `*.example.org` every one below it.
        insecure: hosts whose certificates are not checked. Never to be kept anywhere.
        proxies: by scheme, as `urllib.request.getproxies_environment` gives them.
    """

    defaults: RequestOptions = NO_OPTIONS
    hosts: Mapping[str, RequestOptions] = field(default_factory=dict)
    insecure: frozenset[str] = frozenset()
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)  # they may hold passwords

    @property
    def are_empty(self) -> bool:
        """Whether they say nothing."""
        return self == _NO_RULES

    def of_host(self, host: str) -> RequestOptions:
        """What is said of a host alone; the longest pattern counts most, its name even more."""
        return reduce(RequestOptions.over, entries_for(self.hosts, host), NO_OPTIONS)

    def at_home(self, host: str, own: RequestOptions) -> RequestOptions:
        """The options of a request to where the user sends it."""
        return _joined(own, self.of_host(host).over(self.defaults))

    def elsewhere(
        self, host: str, own: RequestOptions, home: str, *, is_safe: bool
    ) -> RequestOptions:
        """The options of a request to where a server sends it: another origin than the user named.

        The secrets of the download and those for all are not for it. What the user says of the
        host is, unless only scheme or port are others than at `home`, the host of the user's URL,
        or it does not go there by https (`is_safe`): somebody else may listen.
        """
        at_host = self.of_host(host)
        if host == home or not is_safe:
            at_host = at_host.without_secrets()
        return _joined(own.without_secrets(), at_host.over(self.defaults.without_secrets()))

    def usual_proxies(self, own: RequestOptions) -> Mapping[str, str]:
        """The proxies of the environment, without their logins on a route that a list chose."""
        if isinstance(own, ListedOptions) and own.has_listed_route:
            return {scheme: without_login(proxy) for scheme, proxy in self.proxies.items()}
        return self.proxies


def _joined(own: RequestOptions, stored: RequestOptions) -> RequestOptions:
    """The options of a download over those of the settings.

    A list can name a proxy or an authority of its author. What the user keeps (logins, headers,
    cookies, netrc, certificates) would end with him, by https too; so none of it takes a route
    that a list chose.
    """
    if isinstance(own, ListedOptions) and own.has_listed_route:
        stored = stored.without_kept_secrets()
        if not own.by_list.isdisjoint(ROUTE):
            own = own.without_kept_files()
    return own.over(stored)


_NO_RULES = RequestRules()
