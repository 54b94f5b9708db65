"""Where the bytes of one file may come from: its own URL, and mirrors of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rheo_core.domain.exceptions import DownloadError
from rheo_core.domain.file_config import MAX_MIRRORS, host_of

from .host_limits import HostLimiter
from .response_head import Validator

_MAX_REFUSALS = 2
"""Sources on one host that may be refused in a row: one refusal may be about its link, two are
about the host."""


@dataclass(slots=True, eq=False)
class Source:
    """A URL that offers the file, for one attempt."""

    url: str
    max_connections: int  # connections that it bears as far as is known; 0: it is left out
    connections: int = 0
    version: Validator | None = None  # as its replies tell it; None: there was none yet
    host: str = field(init=False)  # with the port, as `HostLimiter` counts
    final_host: str = field(init=False)  # the host that it led to last
    name: str = field(init=False)  # the host, as messages call it

    def __post_init__(self) -> None:
        self.host = self.final_host = host_of(self.url)
        self.name = self.host.rpartition(":")[0]


class Sources:
    """The sources of one file; `primary` is the one that said which version of it is fetched.

    Mirrors beyond the first `MAX_MIRRORS` are not used: each may cost a request an attempt.
    """

    def __init__(self, urls: Sequence[str], hosts: HostLimiter, max_connections: int) -> None:
        self._all = [Source(url, max_connections) for url in urls[: 1 + MAX_MIRRORS]]
        self._hosts = hosts
        self.original = self.primary = self._all[0]
        self.only: Source | None = None  # the only one that may be asked
        self._brought: list[tuple[Source, int, int]] = []  # from where to where, exclusive
        self._refusals: dict[str, list[DownloadError]] = {}  # in a row, by host

    def __len__(self) -> int:
        return len(self._all)

    def usable(self) -> Iterator[Source]:
        """Those that are not left out, in the order in which they were given.

        A host that has refused enough is left out with all sources that lead to it.
        """
        return (
            source
            for source in self._all
            if source.max_connections
            and self.only in (None, source)
            and self._bears(source.final_host)
        )

    def leave_out_main(self) -> bool:
        """Ask the main source no more; return whether another is left."""
        self.main.most = 0
        return next(self.usable(), None) is not None

    def refused(self, host: str, error: DownloadError) -> None:
        """Take note that a host has refused a request."""
        self._refusals.setdefault(host, []).append(error)

    def answered(self, host: str) -> None:
        """Take note that a host has answered."""
        self._refusals.pop(host, None)

    def check_host(self, host: str) -> None:
        """Raise the refusal of a host that has refused enough."""
        if not self._bears(host):
            raise self._refusals[host][-1]

    def _bears(self, host: str) -> bool:
        return len(self._refusals.get(host, ())) < _MAX_REFUSALS

    def note(self, source: Source, start: int, end: int) -> None:
        """Bytes of a source came into the file."""
        if end > start:
            self._brought.append((source, start, end))

    def least_in(self, ranges: Sequence[tuple[int, int]]) -> list[Source]:
        """Those that are not left out; first those that brought the fewest bytes of `ranges`."""
        brought = dict.fromkeys(self.usable(), 0)
        for source, start, end in self._brought:
            if source in brought:
                brought[source] += sum(
                    max(min(end, range_end) - max(start, range_start), 0)
                    for range_start, range_end in ranges
                )
        return sorted(brought, key=brought.__getitem__)

    def brought_another(self, version: Validator) -> bool:
        """Whether bytes came of another version than this one."""
        return any(source.version != version for source, _, _ in self._brought)

    def choose(self, idle_host: str | None = None) -> Source | None:
        """Return the one for a further connection: with the fewest, if there is room.

        A connection to `idle_host` is counted already and not in use.
        """
        free = [
            source
            for source in self._all
            if source.connections < source.max_connections
            and self.only in (None, source)
            and (source is self.primary or self._bears(source.final_host))
            and (source.final_host == idle_host or not self._hosts.is_full(source.final_host))
        ]
        return min(free, key=lambda source: source.connections, default=None)
