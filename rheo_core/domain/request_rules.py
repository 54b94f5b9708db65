"""RequestRules: combine the request options of settings, host and download, also at redirects."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce

from .hosts import by_host, entries_for, host_key, is_same_host, normalise_host, patterns_for
from .redaction import without_login
from .request_options import NO_OPTIONS, ROUTE, ListedOptions, RequestOptions
from .text import printable


@dataclass(frozen=True, slots=True)
class Unclear:
    """An invalid setting. Requests that it would apply to are not made.

    The user chose a proxy, a certificate or a login for protection. Requests without it would be
    exposed.
    """

    sentence: str  # explains the mistake
    option: str = ""  # field of `RequestOptions`; "" for any
    host: str = ""  # key of `RequestRules.hosts`; "" for all hosts


@dataclass(frozen=True, slots=True)
class RequestRules:
    """Options of requests that do not come from the downloads themselves.

    Args:
        defaults: options for all hosts.
        hosts: options by host: `example.org`, or `*.example.org` for all hosts below it, without
            a port.
        insecure: hosts whose certificates are not checked, each by its name. Never store them.
        proxies: proxies of the *_PROXY variables, by scheme in lower case.
        unclear: invalid settings, which prevent requests.
    """

    defaults: RequestOptions = NO_OPTIONS
    hosts: Mapping[str, RequestOptions] = field(default_factory=dict)
    insecure: frozenset[str] = frozenset()
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)  # they may hold passwords
    unclear: tuple[Unclear, ...] = ()

    def __post_init__(self) -> None:
        """Write hosts as requests do. A rule that matches no request would protect nothing.

        Raises:
            ValueError: a key is not a host, a host has two tables, `insecure` has a pattern, or a
                scheme is not lower case.
        """
        object.__setattr__(self, "hosts", by_host(self.hosts))
        object.__setattr__(self, "insecure", frozenset(map(_insecure_host, self.insecure)))
        for scheme in self.proxies:
            if scheme != scheme.lower():
                raise ValueError(f"the scheme of a proxy is {scheme!r}; it must be lower case")

    @property
    def is_empty(self) -> bool:
        """True if there are no rules."""
        return self == _NO_RULES

    def of_host(self, host: str) -> RequestOptions:
        """Return the options for a host. The most specific pattern takes precedence."""
        return reduce(RequestOptions.over, entries_for(self.hosts, host), NO_OPTIONS)

    def checks_certificate(self, host: str) -> bool:
        """Return True if the certificate of a host is checked."""
        return host_key(host) not in self.insecure

    def refusal(self, host: str, own: RequestOptions = NO_OPTIONS) -> str | None:
        """Return the reason for blocking requests to `host`; None if they are allowed.

        An invalid setting has no effect if a more specific place sets its option: the download
        (`own`), or the table of the host for a general setting.
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
        """Return the reasons for blocking all hosts; an empty list if some requests are allowed."""
        places = (own, *self.hosts.values())
        return [
            each.sentence
            for each in self.unclear
            if not each.host and not any(options.decide(each.option) for options in places)
        ]

    def for_origin(self, host: str, own: RequestOptions) -> RequestOptions:
        """Return the options of a request to the URL that the user gave."""
        return _joined(own, self.of_host(host).over(self.defaults))

    def for_redirect(
        self, host: str, own: RequestOptions, origin_host: str, *, is_safe: bool
    ) -> RequestOptions:
        """Return the options of a request to another origin, to which a server redirects.

        Secrets of the download and of the defaults are left out. Secrets for the host itself are
        sent unless others may receive them.

        Args:
            host: the host that the redirect leads to.
            own: options of the download.
            origin_host: the host of the user's URL. If it is the same, only scheme or port differ,
                and its secrets are not sent.
            is_safe: the request uses https. Otherwise no secrets are sent.
        """
        at_host = self.of_host(host)
        if is_same_host(host, origin_host) or not is_safe:
            at_host = at_host.without_secrets()
        return _joined(own.without_secrets(), at_host.over(self.defaults.without_secrets()))

    def usual_proxies(self, own: RequestOptions) -> Mapping[str, str]:
        """Return the proxies of the environment, without logins if a list chose the route."""
        if isinstance(own, ListedOptions) and own.has_listed_route:
            return {scheme: without_login(proxy) for scheme, proxy in self.proxies.items()}
        return self.proxies


def _insecure_host(text: str) -> str:
    try:
        return normalise_host(text)
    except ValueError as error:
        raise ValueError(f"the insecure host {printable(text)!r} {error}") from None


def _joined(own: RequestOptions, stored: RequestOptions) -> RequestOptions:
    """Return the options of a download, completed by those of the settings.

    A list can name a proxy or an authority of its author, who could then read all secrets, even
    with https. So the user's logins, headers, cookies, netrc and certificates are not sent by a
    route that a list chose.
    """
    if isinstance(own, ListedOptions):
        own = own.yielding_to(stored)
        if own.has_listed_route:
            stored = stored.without_stored_secrets()
            if not own.by_list.isdisjoint(ROUTE):
                own = own.without_stored_files()
    return own.over(stored)


_NO_RULES = RequestRules()
