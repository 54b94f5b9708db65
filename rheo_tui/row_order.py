"""RowOrder: keep rows sorted; a change costs a binary search instead of a sort."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

SortKey = tuple[Any, ...]
"""Sort key of a row; no two rows have the same, so it ends with the id."""


class RowOrder:
    """Ids in the order of their keys."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._keys: dict[str, SortKey] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, download_id: str) -> bool:
        return download_id in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __getitem__(self, position: int) -> str:
        return self._ids[position]

    def key(self, download_id: str) -> SortKey | None:
        """Return the key of an id; None if it is not here."""
        return self._keys.get(download_id)

    def position(self, download_id: str) -> int | None:
        """Return the position of an id; None if it is not here."""
        key = self._keys.get(download_id)
        if key is None:
            return None
        return bisect_left(self._ids, key, key=self._keys.__getitem__)

    def place(self, download_id: str, key: SortKey) -> None:
        """Insert an id, or move it to the place of a new key."""
        self.remove(download_id)
        at = bisect_left(self._ids, key, key=self._keys.__getitem__)
        self._keys[download_id] = key
        self._ids.insert(at, download_id)

    def remove(self, download_id: str) -> bool:
        """Remove an id; return False if it is not here."""
        at = self.position(download_id)
        if at is None:
            return False
        del self._ids[at]
        del self._keys[download_id]
        return True

    def fill_from(self, order: "RowOrder", ids: Iterable[str]) -> None:
        """Replace all ids by some ids of another order, given in their order there."""
        self._ids = list(ids)
        if len(self._ids) == len(order):
            self._keys = order._keys.copy()  # ten times as fast
        else:
            self._keys = dict(zip(self._ids, map(order._keys.__getitem__, self._ids), strict=True))

    def fill(self, keys: Mapping[str, SortKey]) -> None:
        """Replace all ids by those of `keys`."""
        self._keys = dict(keys)
        self._ids = sorted(self._keys, key=self._keys.__getitem__)
