"""Lanes: give all URLs of a site to one worker at a time, so that host limits hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from hashlib import blake2b
from heapq import nsmallest

from rheo_core.domain.hosts import host_key

CONNECTIONS_PER_LANE = 16
"""Maximum number of connections to a host that one process needs. Lanes share a larger budget."""
_COUNTED_SITES = 1_000
_CACHED_HOSTS = 1 << 16


def authority_of(url: str) -> str:
    """Return host and port of a URL in its normal form."""
    return url.split("/", 3)[2]


@lru_cache(_CACHED_HOSTS)
def site_of(authority: str) -> str:
    """Return the registrable domain of a host, or the host itself if it is an address or one label.

    Args:
        authority: host, with or without port.
    """
    host = authority.rpartition("@")[2]
    if host.startswith("["):
        return host_key(host[1:].partition("]")[0])
    host = host_key(host.partition(":")[0])
    if host.rpartition(".")[2].isdigit():
        return host
    return _suffixes().privatesuffix(host) or host


@cache
def _suffixes():  # type: ignore[no-untyped-def]
    from publicsuffixlist import PublicSuffixList  # reading its list takes a while

    return PublicSuffixList()


class HeavySites:
    """Largest sites of a list, counted in constant memory (Misra and Gries, 1982).

    A count is too low by at most a thousandth of all URLs; sites with fewer may be missing.
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self.total = 0
        """Number of URLs counted."""

    def add(self, site: str) -> None:
        """Count one URL of a site."""
        self.total += 1
        counts = self._counts
        if site in counts:
            counts[site] += 1
        elif len(counts) < _COUNTED_SITES:
            counts[site] = 1
        else:
            self._counts = {site: count - 1 for site, count in counts.items() if count > 1}

    def counts(self) -> dict[str, int]:
        """Return the counts of the remaining sites."""
        return dict(self._counts)


@dataclass(slots=True)
class _Split:
    """Lanes of one site, which take turns."""

    lanes: tuple[int, ...]
    turn: int = 0

    def next(self) -> int:
        self.turn += 1
        return self.lanes[self.turn % len(self.lanes)]


@dataclass(slots=True)
class Lanes:
    """Assignment of sites to lanes: large ones to the emptiest lane, all others by their hash."""

    count: int
    _placed: dict[str, _Split] = field(default_factory=dict)

    @classmethod
    def balanced(cls, count: int, heavy: HeavySites, host_connections: int) -> "Lanes":
        """Create lanes with about equal numbers of URLs.

        A site with more URLs than a lane's share is split over several lanes, if the cluster's
        connections to it suffice for more than one.

        Args:
            count: number of lanes.
            heavy: the sites of the list.
            host_connections: connections to a host, of the whole cluster.
        """
        lanes = cls(count)
        load = [0.0] * count
        share = heavy.total / count
        most = min(count, -(-host_connections // CONNECTIONS_PER_LANE))
        for site, urls in sorted(heavy.counts().items(), key=lambda pair: (-pair[1], pair[0])):
            parts = most if urls > share else 1
            chosen = nsmallest(parts, range(count), key=load.__getitem__)
            for lane in chosen:
                load[lane] += urls / parts
            lanes._placed[site] = _Split(tuple(chosen))
        return lanes

    def lane_of(self, url: str) -> int:
        """Return the lane of the next URL, which is in its normal form."""
        site = site_of(authority_of(url))
        if (placed := self._placed.get(site)) is not None:
            return placed.next()
        digest = blake2b(site.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest) % self.count

    def split_sites(self) -> Mapping[str, int]:
        """Return the number of lanes of each site that has several."""
        return {
            site: len(placed.lanes)
            for site, placed in self._placed.items()
            if len(placed.lanes) > 1
        }
