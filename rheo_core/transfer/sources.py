"""Where the bytes of one file may come from: its own URL, and mirrors of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rheo_core.domain.file_config import host_of

from .hosts import Hosts
from .plan import Validator


@dataclass(slots=True, eq=False)
class Source:
    """A URL that offers the file, for one attempt."""

    url: str
    most: int  # connections that it bears as far as is known; 0: it is left out
    connections: int = 0
    version: Validator | None = None  # as its replies tell it; None: there was none yet
    host: str = field(init=False)  # with the port, as `Hosts` counts
    name: str = field(init=False)  # the host, as messages call it

    def __post_init__(self) -> None:
        self.host = host_of(self.url)
        self.name = self.host.rpartition(":")[0]


class Sources:
    """The sources of one file; `main` is the one that said which version of it is fetched."""

    def __init__(self, urls: Sequence[str], hosts: Hosts, most: int) -> None:
        self._all = [Source(url, most) for url in urls]
        self._hosts = hosts
        self.own = self.main = self._all[0]
        self.alone: Source | None = None  # the only one that may be asked
        self._brought: list[tuple[Source, int, int]] = []  # from where to where, exclusive

    @property
    def has_mirrors(self) -> bool:
        """Whether there is more than one."""
        return len(self._all) > 1

    def usable(self) -> Iterator[Source]:
        """Those that are not left out, in the order in which they were given."""
        return (source for source in self._all if source.most and self.alone in (None, source))

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
        """The one for a further connection: with the fewest, where there is room.

        A connection to `idle_host` is counted already and not in use.
        """
        free = [
            source
            for source in self.usable()
            if source.connections < source.most
            and (source.host == idle_host or not self._hosts.is_full(source.host))
        ]
        return min(free, key=lambda source: source.connections, default=None)
