"""Guess unknown sizes of downloads from files with the same extension, or from all files."""

from collections.abc import Callable
from dataclasses import dataclass, field

_MAX_KINDS = 100
"""Extensions that count on their own; names from servers may have any number of them."""

_MAX_EXTENSION = 8


@dataclass(slots=True)
class _Kind:
    """Downloads whose names have the same extension."""

    sized: int = 0  # downloads of known size
    size: int = 0  # of all of these, bytes
    unsized: int = 0  # downloads of unknown size
    moving: int = 0  # those of them that are not paused


@dataclass
class SizeGuess:
    """Counts downloads by extension, of known and of unknown size."""

    _kinds: dict[str, _Kind] = field(default_factory=lambda: {"": _Kind()})

    def count(self, name: str, size: int | None, sign: int, *, is_paused: bool = False) -> None:
        """Count a download (`sign` 1), or no longer (-1).

        Args:
            name: name of its file.
            size: its bytes; None if unknown.
            sign: 1 or -1.
            is_paused: a download of unknown size is paused.
        """
        kind = self._kind_of(name)
        if size is not None:
            kind.sized += sign
            kind.size += sign * size
            return
        kind.unsized += sign
        kind.moving += sign * (not is_paused)

    @property
    def unknown_bytes(self) -> int | None:
        """Bytes of all downloads of unknown size together; None if too few sizes are known."""
        return self._guess(lambda kind: kind.unsized)

    @property
    def left_bytes(self) -> int | None:
        """Bytes of `unknown_bytes` that will arrive; those of paused downloads do not count."""
        return self._guess(lambda kind: kind.moving)

    def _guess(self, number: Callable[[_Kind], int]) -> int | None:
        """Return the bytes of some downloads of each kind, as if they had its mean size.

        Those of a kind without any known size, or without an extension, get the mean of all sizes.
        Three films say nothing about 200 reports, so this mean counts for no more downloads than it
        is made from.
        """
        kinds = self._kinds.values()
        sized, size = sum(kind.sized for kind in kinds), sum(kind.size for kind in kinds)
        total = others = 0
        for extension, kind in self._kinds.items():
            if extension and kind.sized:
                total += number(kind) * kind.size // kind.sized
            else:
                others += number(kind)
        if others > sized:
            return None
        return total + others * size // sized if others else total

    def _kind_of(self, name: str) -> _Kind:
        _, dot, extension = name.rpartition(".")
        extension = extension.lower() if dot and len(extension) <= _MAX_EXTENSION else ""
        if extension not in self._kinds:
            if len(self._kinds) == _MAX_KINDS:
                return self._kinds[""]
            self._kinds[extension] = _Kind()
        return self._kinds[extension]
