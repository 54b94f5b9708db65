"""PathLocks: one download at a time for each path."""

import asyncio
import unicodedata
from collections import Counter
from pathlib import Path
from weakref import WeakValueDictionary


class PathLocks:
    """Locks for paths, including the names of their part and state files."""

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._spellings = Counter[str]()  # of held paths, by `_folded`
        self._released = asyncio.Event()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def turn(self, path: Path) -> asyncio.Lock:
        """Return a lock for one choice at a time among `path` and its numbered names."""
        return self._turns.setdefault(_folded(path), asyncio.Lock())

    async def acquire(self, path: Path) -> None:
        """Lock the path; wait while another download holds it."""
        while not self.try_acquire(path):
            self._released.clear()
            await self._released.wait()

    def try_acquire(self, path: Path) -> bool:
        """Lock the path if it is free; return success."""
        names = _names_of(path)
        if not self._held.isdisjoint(names):
            return False
        self._held.update(names)
        self._spellings[_folded(path)] += 1
        return True

    def has_other_spelling(self, path: Path) -> bool:
        """Return True if another locked path differs in case or Unicode form only."""
        return self._spellings[_folded(path)] > 1

    def release(self, path: Path) -> None:
        """Unlock the path."""
        self._held.difference_update(_names_of(path))
        folded = _folded(path)
        self._spellings[folded] -= 1
        if not self._spellings[folded]:
            del self._spellings[folded]
        self._released.set()


def _folded(path: Path) -> str:
    """Return a path in the form that some file systems compare: without case, in NFC."""
    text = str(path)
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text.casefold())


def _names_of(path: Path) -> tuple[str, ...]:
    name = str(path)
    return name, f"{name}.part", f"{name}.part.state", f"{name}.part.state.new"
