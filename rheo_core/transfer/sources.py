"""Where the bytes of one file may come from: its own URL, and mirrors of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rheo_core.domain.file_config import host_of

from .hosts import Hosts


@dataclass(slots=True, eq=False)
class Source:
    """A URL that offers the file, for one attempt."""

    url: str
    most: int  # connections that it bears as far as is known; 0: it is left out
    connections: int = 0
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

    @property
    def has_mirrors(self) -> bool:
        """Whether there is more than one."""
        return len(self._all) > 1

    def usable(self) -> Iterator[Source]:
        """Those that are not left out, in the order in which they were given."""
        return (source for source in self._all if source.most)

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
