"""Totals: keep sums over all downloads; an update costs only the changed ones."""

from collections import Counter

from rheo_core.domain import DownloadSnapshot, DownloadStatus

from .size_guess import SizeGuess

_NOT_COUNTED = frozenset({DownloadStatus.FAILED, DownloadStatus.CANCELLED, DownloadStatus.SKIPPED})
_PAUSED, _COMPLETED = DownloadStatus.PAUSED, DownloadStatus.COMPLETED


def fraction_of(done: int, total: int, guessed: int | None) -> float | None:
    """Return the part of all downloads that has arrived, from 0.0 to 1.0.

    None if there is nothing to download, or if too few sizes are known.

    Args:
        done: bytes that have arrived.
        total: bytes of all downloads, as far as their sizes are known.
        guessed: bytes that downloads of unknown size may add; see `Totals.guessed_bytes`.
    """
    return done / (total + guessed) if total and guessed is not None else None


class Totals:
    """Bytes of all downloads, done and left, and other numbers for the header and the layout.

    Failed, cancelled and skipped downloads do not count, because their bytes will not arrive. A
    download of unknown size counts with the bytes that it has.

    Attributes:
        total_bytes: size of all downloads together.
        done_bytes: bytes of them that have arrived.
        left_bytes: bytes that will arrive; paused downloads do not count.
        unknown: number of unfinished downloads of unknown size.
        connections: connections that receive data now.
        completed_bytes: size of the completed downloads.
    """

    def __init__(self) -> None:
        self.total_bytes = self.done_bytes = self.left_bytes = self.completed_bytes = 0
        self.unknown = self.connections = 0
        self._sizes = SizeGuess()
        self._priorities: Counter[int] = Counter()
        self._seconds: dict[str, float] = {}  # time left of active downloads, by id

    @property
    def slowest_seconds(self) -> float:
        """Time until the slowest active download completes, seconds; 0.0 if none is known."""
        return max(self._seconds.values(), default=0.0)

    @property
    def priorities_differ(self) -> bool:
        """True if unfinished downloads have different priorities."""
        return len(self._priorities) > 1

    @property
    def guessed_bytes(self) -> int | None:
        """Bytes that downloads of unknown size may add; None if too few sizes are known."""
        return self._sizes.unknown_bytes

    @property
    def guessed_left_bytes(self) -> int | None:
        """Bytes of `guessed_bytes` that will arrive; those of paused downloads do not count."""
        return self._sizes.left_bytes

    @property
    def fraction(self) -> float | None:
        """See `fraction_of`."""
        return fraction_of(self.done_bytes, self.total_bytes, self.guessed_bytes)

    def add(self, row: DownloadSnapshot) -> None:
        """Count a row."""
        self._count(row, 1)
        self._note_seconds(row)

    def remove(self, row: DownloadSnapshot) -> None:
        """Undo `add` for a row that has left or changed."""
        self._count(row, -1)
        self._seconds.pop(row.id, None)

    def _note_seconds(self, row: DownloadSnapshot) -> None:
        if row.status.is_active and row.eta_seconds is not None:
            self._seconds[row.id] = row.eta_seconds
        else:
            self._seconds.pop(row.id, None)

    def replace(self, old: DownloadSnapshot, row: DownloadSnapshot) -> None:
        """Count a row instead of its former state.

        An active row mostly has only more bytes, and many rows change at each poll.
        """
        size, is_active = row.total_bytes, row.status.is_active
        if size is None or not is_active or not _differ_only_in_progress(old, row):
            self.remove(old)
            self.add(row)
            return
        arrived = min(row.bytes_downloaded, size) - min(old.bytes_downloaded, size)
        self.done_bytes += arrived
        self.left_bytes -= arrived
        self.connections += row.connections - old.connections
        self._note_seconds(row)

    def _count(self, row: DownloadSnapshot, sign: int) -> None:
        if row.status in _NOT_COUNTED:
            return
        done = row.bytes_downloaded
        size = done if row.total_bytes is None else row.total_bytes
        self.total_bytes += sign * size
        self.done_bytes += sign * min(done, size)
        is_completed, is_paused = row.status is _COMPLETED, row.status is _PAUSED
        known = size if is_completed else row.total_bytes
        self._sizes.count(row.name, known, sign, is_paused=is_paused)
        if is_completed:
            self.completed_bytes += sign * size
            return
        self._priorities[row.priority] += sign
        if not self._priorities[row.priority]:
            del self._priorities[row.priority]
        if row.status.is_active:
            self.connections += sign * row.connections
        if not is_paused:
            self.left_bytes += sign * max(size - done, 0)
            self.unknown += sign * (row.total_bytes is None)


def _differ_only_in_progress(old: DownloadSnapshot, row: DownloadSnapshot) -> bool:
    """Return True if two states of a row count the same, except for bytes and connections."""
    return (
        old.status is row.status
        and old.total_bytes == row.total_bytes
        and old.priority == row.priority
        and old.name == row.name
    )
