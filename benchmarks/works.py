"""The work: which files, from which server, how many at once."""

from dataclasses import dataclass, replace
from typing import Literal

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
LIMIT_BPS = 8 * MIB
"""Speed of a connection to the limited location, bytes/s."""
SLOW_BPS = 64 * KIB
"""Speed of a connection to the slow location, bytes/s."""

Scheme = Literal["http", "https"]


@dataclass(frozen=True, slots=True)
class Work:
    """Files to fetch.

    A `listed` work has all its URLs in one file and is stopped soon after its first byte. It
    measures how long a long list takes to begin, and its memory.
    """

    name: str
    title: str
    count: int
    size: int  # bytes, of each file
    scheme: Scheme = "http"
    hashed: bool = False  # the client is given the SHA-256 and checks it
    limited: bool = False
    listed: bool = False
    slow: bool = False  # listed, too
    at_once: int = 1  # files
    connections: int = 1  # for each file
    on_screen: bool = False  # the app takes part

    def scaled(self, scale: float) -> "Work":
        """The same work made smaller: fewer of the small files, or smaller large ones."""
        if self.size < MIB:
            return replace(self, count=max(2, round(self.count * scale)))
        return replace(self, size=max(KIB, round(self.size * scale)))

    @property
    def names(self) -> list[str]:
        """Of the files."""
        return [f"{number:07}.bin" for number in range(self.count)]

    @property
    def material(self) -> str:
        """The folder that the server has its files in."""
        return f"{1 if self.listed else self.count}x{self.size}"

    @property
    def bytes_on_disk(self) -> int:
        """Of the server's files, or of the client's."""
        return self.size * (1 if self.listed else self.count)


_ONE = Work("http", "2 GiB over HTTP, one connection", 1, 2 * GIB, on_screen=True)

WORKS = [
    _ONE,
    replace(
        _ONE,
        name="http-hash",
        title="2 GiB over HTTP, SHA-256 checked",
        hashed=True,
        on_screen=False,
    ),
    replace(
        _ONE,
        name="https",
        title="2 GiB over HTTPS, one connection",
        scheme="https",
        on_screen=False,
    ),
    replace(
        _ONE,
        name="https-hash",
        title="2 GiB over HTTPS, SHA-256 checked",
        scheme="https",
        hashed=True,
        on_screen=False,
    ),
    Work("large", "16 files of 64 MiB, 4 at once", 16, 64 * MIB, at_once=4),
    Work("small", "1,024 files of 64 KiB, 16 at once", 1024, 64 * KIB, at_once=16, on_screen=True),
    Work("tiny", "10,000 files of 10 KiB, 16 at once", 10_000, 10 * KIB, at_once=16),
    Work(
        "limited",
        "256 MiB from 8 MiB/s a connection, up to 16 connections",
        1,
        256 * MIB,
        limited=True,
        connections=16,
    ),
    Work("list-100k", "a list of 100,000 URLs, to its first byte", 100_000, 10 * KIB, listed=True),
    Work(
        "list-1m", "a list of 1,000,000 URLs, to its first byte", 1_000_000, 10 * KIB, listed=True
    ),
]
