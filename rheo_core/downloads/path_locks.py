"""PathLocks: allow one download at a time for each path."""

import asyncio
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rheo_core.domain.exceptions import DestinationError
from rheo_core.infrastructure.locks import HAS_DESCRIPTOR_LOCKS

_ENDINGS = (".part", ".part.state", ".part.state.new")
"""Suffixes of rheo's own files next to a path."""


class PathInUseError(DestinationError):
    """Another download of this program is writing the file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "another download is writing this file")


class PathLocks:
    """Locks for paths, including the names of their part and state files."""

    def __init__(self) -> None:
        self._held: dict[str, str] = {}  # paths -> `_folded`
        self._like_ours: set[str] = set()  # those of them with one of the suffixes
        self._spellings = defaultdict[str, int](int)  # of held paths, by `_folded`
        self._turns: set[str] = set()  # paths among whose numbered names a download is choosing
        self._released = asyncio.Event()

    def turn(self, path: Path) -> "Turn":
        """Return a context for one choice at a time among `path` and its numbered names."""
        return Turn(_folded(str(path)), self._turns, self._released)

    async def acquire(self, path: Path) -> None:
        """Lock the path; wait while another download holds it."""
        while not self.try_acquire(path):
            self._released.clear()
            await self._released.wait()

    @contextmanager
    def for_part(self, path: Path) -> Iterator[None]:
        """Lock the path, to work on a part file there.

        Another download may hold the path, and still have another part file. If locks on files
        belong to descriptors, its own part file cannot be opened. So the path need not be free.

        Raises:
            PathInUseError: another download holds it, and may have the same part file.
        """
        is_free = self.try_acquire(path)
        if not is_free and not HAS_DESCRIPTOR_LOCKS:
            raise PathInUseError(path)
        try:
            yield
        finally:
            if is_free:
                self.release(path)

    def try_acquire(self, path: Path) -> bool:
        """Lock the path if it is free; return success."""
        name, held, like_ours = str(path), self._held, self._like_ours
        if name in held:
            return False
        if like_ours and any(f"{name}{ending}" in like_ours for ending in _ENDINGS):
            return False
        if name.endswith(_ENDINGS):
            if any(name.removesuffix(ending) in held for ending in _ENDINGS):
                return False
            like_ours.add(name)
        held[name] = folded = _folded(name)
        self._spellings[folded] += 1
        return True

    def has_other_spelling(self, path: Path) -> bool:
        """Return True if another locked path differs from this one in case or Unicode form only."""
        return self._spellings[self._held[str(path)]] > 1

    def release(self, path: Path) -> None:
        """Unlock the path."""
        name = str(path)
        folded = self._held.pop(name)
        self._like_ours.discard(name)
        self._spellings[folded] -= 1
        if not self._spellings[folded]:
            del self._spellings[folded]
        self._released.set()


class Turn:
    """Context in which one download chooses among the numbered names of a path."""

    def __init__(self, path: str, taken: set[str], released: asyncio.Event) -> None:
        self._path = path
        self._taken = taken
        self._released = released

    async def __aenter__(self) -> None:
        while self._path in self._taken:
            self._released.clear()
            await self._released.wait()
        self._taken.add(self._path)

    async def __aexit__(self, *_: object) -> None:
        self._taken.remove(self._path)
        self._released.set()


def _folded(path: str) -> str:
    """Return a path in the form that some file systems compare: without case, in NFC."""
    return path.lower() if path.isascii() else unicodedata.normalize("NFC", path.casefold())
