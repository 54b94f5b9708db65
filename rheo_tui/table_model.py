"""TableModel: the downloads that the table shows, filtered, sorted and marked. No widgets."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from rheo_core.domain import DownloadSnapshot, Snapshot

from .columns import QUEUE_ORDER, Column, SortKey, sort_key
from .filters import SubstringFilter


@dataclass(frozen=True, slots=True)
class Sort:
    """Which column rows are sorted by, and which way."""

    column: Column = QUEUE_ORDER
    descending: bool = False

    def towards(self, column: Column) -> "Sort":
        """The sort after `column` was chosen: the other way if it was chosen already."""
        if column is self.column:
            return Sort(column, not self.descending)
        return Sort(column, column.descending_first)


@dataclass(slots=True)
class Change:
    """What a snapshot changed on the screen."""

    rows: list[int] = field(default_factory=list)  # positions whose content changed
    order: bool = False  # rows came, went or changed places


class TableModel:
    """All rows known, and which of them are shown in which order.

    Costs of `apply` go with the number of changed rows; only rows that go, change places or come
    between others cost a sort.
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
        """Where the row is among those shown; None if it is not."""
        return self._positions.get(download_id)

    def row_at(self, position: int) -> DownloadSnapshot | None:
        """The row shown at `position`, if there is one."""
        if 0 <= position < len(self.shown):
            return self.rows[self.shown[position]]
        return None

    def apply(self, snapshot: Snapshot) -> Change:
        """Take over what changed; tells what to repaint."""
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
        """Store `row`; True if the order must be made anew at once."""
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
            self.stale = True  # sorted once a second, or rows would dance
            return False
        return True

    def _comes_last(self, row: DownloadSnapshot) -> bool:
        """Whether a new row goes below those shown, as when a long list is read."""
        last = self.row_at(len(self.shown) - 1)
        return (
            self.sort == Sort()
            and (last is None or last.order < row.order)
            and self.filter.matches(row)
        )

    def rebuild(self) -> None:
        """Filter and sort all rows anew."""
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
        """Mark the row, or take the mark away."""
        self.marked ^= {download_id}

    def invert_marks(self) -> None:
        """Marked rows among those shown lose the mark, the others get it."""
        self.marked ^= set(self.shown)

    def marked_shown(self) -> list[DownloadSnapshot]:
        """The marked rows in the order shown; those a filter hides are left out."""
        positions = (self._positions.get(row) for row in self.marked)
        return [
            self.rows[self.shown[at]] for at in sorted(at for at in positions if at is not None)
        ]
