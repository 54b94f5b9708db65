"""Which options a request has: those of all, of its host, of its download."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce

from .hosts import entries_for, is_same_host, patterns_for
from .redaction import without_login
from .request_options import NO_OPTIONS, ROUTE, ListedOptions, RequestOptions


@dataclass(frozen=True, slots=True)
class Unclear:
    """A setting that cannot be understood. No request is made to which it would apply.

    The user chose a proxy, a certificate or a login to be safe. Requests without it would go the
    way that the user wanted to avoid.
    """

    sentence: str  # on what is wrong
    option: str = ""  # of `RequestOptions`; "" if it may be any
    host: str = ""  # as in `RequestRules.hosts`; "" for all


@dataclass(frozen=True, slots=True)
class RequestRules:
    """What holds for requests besides what a download says itself.

    Args:
        defaults: for all.
        hosts: by host: `example.org` is that one, `*.example.org` every one below it.
        insecure: hosts whose certificates are not checked. Never to be kept anywhere.
        proxies: by scheme, as `urllib.request.getproxies_environment` gives them.
        unclear: settings that close the hosts they are for.
    """

    defaults: RequestOptions = NO_OPTIONS
    hosts: Mapping[str, RequestOptions] = field(default_factory=dict)
    insecure: frozenset[str] = frozenset()
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)  # they may hold passwords
    unclear: tuple[Unclear, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether they say nothing."""
        return self == _NO_RULES

    def of_host(self, host: str) -> RequestOptions:
        """What is said of a host alone; the longest pattern counts most, its name even more."""
        return reduce(RequestOptions.over, entries_for(self.hosts, host), NO_OPTIONS)

    def refusal(self, host: str, own: RequestOptions = NO_OPTIONS) -> str | None:
        """Return why no request may be made to `host`; None if one may.

        An unclear setting does not matter if a nearer place decides its option: the download
        itself (`own`), or the table of the host for a setting of all.
        """
        return next(self._refusals(host, own), None) if self.unclear else None

    def _refusals(self, host: str, own: RequestOptions) -> Iterator[str]:
        patterns = list(patterns_for(host))
        for each in self.unclear:
            if not each.host or each.host in patterns:
                nearer = patterns[: patterns.index(each.host)] if each.host else patterns
                tables = (self.hosts[pattern] for pattern in nearer if pattern in self.hosts)
                if not any(options.decide(each.option) for options in (own, *tables)):
                    yield each.sentence

    def refusals_of_all(self, own: RequestOptions = NO_OPTIONS) -> list[str]:
        """Return why no request may be made, whatever its host; nothing if some may."""
        places = (own, *self.hosts.values())
        return [
            each.sentence
            for each in self.unclear
            if not each.host and not any(options.decide(each.option) for options in places)
        ]

    def for_origin(self, host: str, own: RequestOptions) -> RequestOptions:
        """The options of a request to where the user sends it."""
        return _joined(own, self.of_host(host).over(self.defaults))

    def for_redirect(
        self, host: str, own: RequestOptions, origin_host: str, *, is_safe: bool
    ) -> RequestOptions:
        """The options of a request to where a server sends it: another origin than the user named.

        The secrets of the download and those for all are not for it. What the user says of the
        host is, unless only scheme or port are others than at `origin_host`, the host of the user's
        URL, or it does not go there by https (`is_safe`): somebody else may listen.
        """
        at_host = self.of_host(host)
        if is_same_host(host, origin_host) or not is_safe:
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
        stored = stored.without_stored_secrets()
        if not own.by_list.isdisjoint(ROUTE):
            own = own.without_stored_files()
    return own.over(stored)


_NO_RULES = RequestRules()
