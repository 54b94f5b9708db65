"""TableModel: the downloads that the table shows, filtered, sorted and marked. No widgets."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from rheo_core.domain import DownloadSnapshot, Snapshot

from .columns import QUEUE_ORDER, Column, SortKey, sort_key
from .filters import SubstringFilter


@dataclass(frozen=True, slots=True)
class Sort:
    """Column and direction of the sort."""

    column: Column = QUEUE_ORDER
    descending: bool = False

    def towards(self, column: Column) -> "Sort":
        """Return the sort by `column`; reversed if it is the column already."""
        if column is self.column:
            return Sort(column, not self.descending)
        return Sort(column, column.descending_first)


@dataclass(slots=True)
class Change:
    """Changes that a snapshot made on the screen."""

    rows: list[int] = field(default_factory=list)  # positions of rows with other content
    order: bool = False  # rows were added, removed or moved


class TableModel:
    """All rows, and the order of those that are shown.

    The cost of `apply` grows with the number of changed rows. It sorts only if rows are removed,
    moved or inserted between others.
    """

    def __init__(self) -> None:
        self.rows: dict[str, DownloadSnapshot] = {}
        self.revisions: dict[str, int] = {}
        self.shown: list[str] = []
        self.marked: set[str] = set()
        self.sort = Sort()
        self.filter = SubstringFilter()
        self.stale = False  # a volatile column's order is out of date
        self._positions: dict[str, int] = {}

    def position(self, download_id: str) -> int | None:
        """Return the position of a row among those shown; None if it is hidden."""
        return self._positions.get(download_id)

    def row_at(self, position: int) -> DownloadSnapshot | None:
        """Return the row shown at `position`, or None."""
        if 0 <= position < len(self.shown):
            return self.rows[self.shown[position]]
        return None

    def apply(self, snapshot: Snapshot) -> Change:
        """Apply the changes of a snapshot; return the parts to repaint."""
        change = Change()
        if snapshot.reset:
            listed = {row.id for row in snapshot.downloads}
            change.order = self._forget([known for known in self.rows if known not in listed])
        change.order |= self._forget(snapshot.removed)
        changed, shown = [], len(self.shown)
        for row in snapshot.downloads:
            if not change.order and row.id not in self.rows and self._comes_last(row):
                self._positions[row.id] = len(self.shown)
                self.shown.append(row.id)
            change.order |= self._take(row, snapshot.revision)
            changed.append(row.id)
        if change.order:
            self.rebuild()
        change.order |= len(self.shown) != shown
        change.rows = [self._positions[row] for row in changed if row in self._positions]
        return change

    def _forget(self, ids: Iterable[str]) -> bool:
        visible = False
        for download_id in ids:
            if self.rows.pop(download_id, None) is not None:
                del self.revisions[download_id]
                self.marked.discard(download_id)
                visible |= download_id in self._positions
        return visible

    def _take(self, row: DownloadSnapshot, revision: int) -> bool:
        """Store `row`; return True if all rows must be sorted again at once."""
        old = self.rows.get(row.id)
        self.rows[row.id] = row
        self.revisions[row.id] = revision
        was_shown = row.id in self._positions
        if was_shown != self.filter.matches(row):
            return True
        key = sort_key(self.sort.column.id)
        if old is None or not was_shown or key(old) == key(row):
            return False
        if self.sort.column.volatile:
            self.stale = True  # sorted once a second; otherwise rows would jump
            return False
        return True

    def _comes_last(self, row: DownloadSnapshot) -> bool:
        """Return True if a new row goes below those shown, as while a long list is read."""
        last = self.row_at(len(self.shown) - 1)
        return (
            self.sort == Sort()
            and (last is None or last.order < row.order)
            and self.filter.matches(row)
        )

    def rebuild(self) -> None:
        """Filter and sort all rows again."""
        rows = [row for row in self.rows.values() if self.filter.matches(row)]
        rows.sort(key=lambda row: row.order)
        key = sort_key(self.sort.column.id)
        valued: list[tuple[SortKey, str]] = []
        valueless: list[str] = []
        for row in rows:
            value = key(row)
            if value is None:
                valueless.append(row.id)
            else:
                valued.append((value, row.id))
        valued.sort(key=lambda pair: pair[0], reverse=self.sort.descending)  # type: ignore[arg-type, return-value]
        self.shown = [row_id for _, row_id in valued] + valueless
        self._positions = {row_id: index for index, row_id in enumerate(self.shown)}
        self.stale = False

    def toggle_mark(self, download_id: str) -> None:
        """Mark or unmark a row."""
        self.marked ^= {download_id}

    def invert_marks(self) -> None:
        """Invert the marks of the rows shown."""
        self.marked ^= set(self.shown)

    def marked_shown(self) -> list[DownloadSnapshot]:
        """Return the marked rows in the order shown, without those that a filter hides."""
        positions = (self._positions.get(row) for row in self.marked)
        return [
            self.rows[self.shown[at]] for at in sorted(at for at in positions if at is not None)
        ]
