"""Sources of one file: the original URL and its mirrors.

`Sources.choose` picks the source of each further connection. `connection_group.py` leaves out a
source that refuses ranges.
"""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field

from rheo_core.domain.exceptions import DownloadError
from rheo_core.domain.file_config import MAX_MIRRORS
from rheo_core.domain.urls import host_of

from .host_limits import HostLimiter
from .validators import Validator

_MAX_REFUSALS = 2
"""Refusals in a row after which a host is left out. One may concern its link, two concern the
host."""


@dataclass(slots=True, eq=False)
class Source:
    """A URL of the file, and its state in one attempt."""

    url: str
    max_connections: int  # as far as is known; 0: the source is left out
    connections: int = 0
    version: Validator | None = None  # from its responses; None: no response yet
    host: str = field(init=False)  # with the port, as in `HostLimiter`
    final_host: str = field(init=False)  # end of its last redirects

    def __post_init__(self) -> None:
        self.host = self.final_host = host_of(self.url)

    @property
    def name(self) -> str:
        """Host in messages."""
        return self.host.rpartition(":")[0]


class Sources:
    """Sources of one file. `primary` decided which version is fetched.

    Mirrors after the first `MAX_MIRRORS` are not used, because each may cost a request in each
    attempt.

    Args:
        urls: of the file, the preferred one first.
        hosts: counts the connections.
        max_connections: of each source.
        wrong: URLs that are left out, because their file was wrong.
    """

    def __init__(
        self,
        urls: Sequence[str],
        hosts: HostLimiter,
        max_connections: int,
        wrong: Set[str] = frozenset(),
    ) -> None:
        right = [url for url in urls if url not in wrong] if wrong else urls
        self._all = [Source(url, max_connections) for url in right[: 1 + MAX_MIRRORS]]
        self.count = len(self._all)
        self._preferred = urls[0]
        self._max_connections = max_connections
        self._hosts = hosts
        self.original = self.primary = self._all[0]
        self.only: Source | None = None  # the only one to use; None: all
        self._brought: list[tuple[Source, int, int]] = []  # start and end (exclusive) of ranges
        self._refusals: dict[str, list[DownloadError]] = {}  # in a row, by host

    def usable(self) -> Iterator[Source]:
        """Return the sources that are not left out, in the given order.

        A host that has refused enough is left out with all sources that lead to it.
        """
        return (
            source
            for source in self._all
            if source.max_connections
            and self.only in (None, source)
            and self._is_accepting(source.final_host)
        )

    @property
    def has_replaced(self) -> bool:
        """True if the preferred URL had a wrong file, so that another one takes its place."""
        return self.original.url != self._preferred

    def drop_primary(self) -> bool:
        """Drop the primary source, because its file is wrong; return True if another is left."""
        self._all.remove(self.primary)
        self.readmit()
        following = next(self.usable(), None)
        if following is None:
            return False
        self.original = self.primary = following
        return True

    def readmit(self) -> None:
        """Give all sources another turn, whatever fault or version left them out."""
        for source in self._all:
            source.max_connections = self._max_connections

    def begin_with(self, source: Source) -> bool:
        """Drop the sources before this one; return True if there were any."""
        before = self._all.index(source)
        del self._all[:before]
        self.original = self.primary = source
        return before > 0

    def refused(self, host: str, error: DownloadError) -> None:
        """Record that a host has refused a request."""
        self._refusals.setdefault(host, []).append(error)

    def answered(self, host: str) -> None:
        """Record that a host has answered."""
        if self._refusals:
            self._refusals.pop(host, None)

    def check_host(self, host: str) -> None:
        """Raise the refusal of a host that has refused enough."""
        if not self._is_accepting(host):
            raise self._refusals[host][-1]

    def _is_accepting(self, host: str) -> bool:
        return not self._refusals or len(self._refusals.get(host, ())) < _MAX_REFUSALS

    def note(self, source: Source, start: int, end: int) -> None:
        """Record that bytes of a source are in the file."""
        if end > start:
            self._brought.append((source, start, end))

    def least_in(self, ranges: Sequence[tuple[int, int]]) -> list[Source]:
        """Return usable sources; first those that sent the fewest bytes of `ranges`."""
        brought = dict.fromkeys(self.usable(), 0)
        for source, start, end in self._brought:
            if source in brought:
                brought[source] += sum(
                    max(min(end, range_end) - max(start, range_start), 0)
                    for range_start, range_end in ranges
                )
        return sorted(brought, key=brought.__getitem__)

    def brought_another(self, version: Validator) -> bool:
        """Return True if bytes of a version other than this one arrived."""
        return any(source.version != version for source, _, _ in self._brought)

    def choose(self, idle_host: str | None = None) -> Source | None:
        """Return the source for a further connection, with the fewest so far; None: no room.

        `idle_host` has a counted connection that is not in use.
        """
        free = [
            source
            for source in self._all
            if source.connections < source.max_connections
            and self.only in (None, source)
            and (source is self.primary or self._is_accepting(source.final_host))
            and (source.final_host == idle_host or not self._hosts.is_full(source.final_host))
        ]
        return min(free, key=lambda source: source.connections, default=None)
