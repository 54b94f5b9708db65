"""TableModel: filter, sort and mark the downloads in the table, without widgets."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from rheo_core.domain import DownloadSnapshot, DownloadStatus, Snapshot
from rheo_core.domain.filters import NO_FILTER, Filter, Moment, SlowPatternError

from .columns import QUEUE_ORDER, Column, queue_key, sort_key
from .row_order import RowOrder, SortKey
from .tabs import ALL, Tab
from .totals import Totals

FOLD = ""
"""Id of the line of finished downloads."""
_DONE = frozenset({DownloadStatus.COMPLETED, DownloadStatus.SKIPPED})
_SEARCH_COST = 50
"""Number of rows that can be checked one by one in the time of one search."""
_MIN_BULK = 1000
"""Number of changes above which sorting all rows may be cheaper than a search for each."""
_UNSEEN_SECONDS = 0.5
"""Time in which a person cannot see that rows have moved, and press another key instead."""


@dataclass(frozen=True, slots=True)
class Sort:
    """Column and direction of the sort."""

    column: Column = QUEUE_ORDER
    descending: bool = False

    def towards(self, column: Column) -> "Sort":
        """Return the sort by `column`; reversed if it is already the sort column."""
        if column is QUEUE_ORDER:
            return Sort()
        if column is self.column:
            return Sort(column, not self.descending)
        return Sort(column, column.descending_first)


@dataclass(slots=True)
class Change:
    """Changes that a snapshot made on the screen."""

    rows: frozenset[str] = frozenset()  # ids of rows with other content
    order: bool = False  # lines were added, removed or moved


@dataclass(frozen=True, slots=True)
class Range:
    """A range of marks that follows the cursor."""

    first: str
    before: frozenset[str]  # marks before it began


@dataclass(frozen=True, slots=True)
class Former:
    """Place of a row before it moved by itself."""

    home: RowOrder | None
    key: SortKey
    time: float  # of the monotonic clock, when it moved


def _is_done(row: DownloadSnapshot) -> bool:
    return row.status in _DONE


class _Descending:
    """A value that sorts in reverse."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __lt__(self, other: "_Descending") -> bool:
        return bool(other._value < self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and bool(other._value == self._value)

    def __hash__(self) -> int:
        return hash(self._value)


class TableModel:
    """All rows, and the order of those that are shown.

    In queue order, running and failed downloads come first, and finished ones fold into one line at
    the end (`FOLD`). The cost of `apply` grows with the number of changed rows.

    Attributes:
        held: True keeps rows in their places while they change, because the user works on them.
        followed: id of the download that does not fold; see `follow`.
        own_tabs: the user's tabs, whose downloads are counted.
        problem: sentence on a filter that was dropped because it takes too long; "" for none.
    """

    def __init__(self) -> None:
        self.rows: dict[str, DownloadSnapshot] = {}
        self.marked: set[str] = set()
        self.totals = Totals()
        self.sort = Sort()
        self.filter: Filter = NO_FILTER
        self.tab: Tab = ALL
        self.held = False
        self.followed: str | None = None
        self.own_tabs: tuple[Tab, ...] = ()
        self.problem = ""
        self._in_own_tab: dict[str, set[str]] = {}  # ids of downloads by the id of the tab
        self._full_hosts: frozenset[str] = frozenset()
        self._moment = Moment(0.0)
        self._all = RowOrder()  # including hidden ones, so that a new filter needs no sort
        self._listed = RowOrder()
        self._finished = RowOrder()  # downloads under the fold
        self._unfolded = False  # chosen by the user
        self._moving: set[str] = set()  # rows whose new place is held back
        self._former: dict[str, Former] = {}  # of rows that moved a moment ago
        self._range: Range | None = None

    # Lines

    @property
    def folds(self) -> bool:
        """True if finished downloads have one line instead of being in the list."""
        return self.sort.column is QUEUE_ORDER and self.tab is ALL and not self.filter

    @property
    def has_fold(self) -> bool:
        """True if one line represents the finished downloads; False if there are no others."""
        return bool(self._listed) and bool(self._finished)

    @property
    def is_unfolded(self) -> bool:
        """True if the finished downloads are shown."""
        return self._unfolded or not self._listed

    @property
    def finished(self) -> int:
        """Number of downloads under the fold."""
        return len(self._finished)

    @property
    def lines(self) -> int:
        """Number of lines: rows, and the fold."""
        return len(self._listed) + self.has_fold + self._unfolded_rows

    @property
    def _unfolded_rows(self) -> int:
        return len(self._finished) if self.is_unfolded else 0

    @property
    def shown(self) -> list[str]:
        """Ids of all rows shown, in their order. This takes time for each."""
        return [*self._listed, *(self._finished if self.is_unfolded else ())]

    @property
    def match_count(self) -> int:
        """Number of rows of the tab that match the filter, also under the fold."""
        return len(self._listed) + len(self._finished)

    def id_at(self, position: int) -> str | None:
        """Return the id of the row at `position`, FOLD, or None outside the list."""
        listed = len(self._listed)
        if 0 <= position < listed:
            return self._listed[position]
        if not listed <= position < self.lines:
            return None
        position -= listed + self.has_fold
        return FOLD if position < 0 else self._finished[position]

    def row_at(self, position: int) -> DownloadSnapshot | None:
        """Return the row at `position`; None at the fold and outside the list."""
        download_id = self.id_at(position)
        return self.rows[download_id] if download_id else None

    def position(self, download_id: str) -> int | None:
        """Return the position of a row, or of FOLD; None if it is not shown."""
        listed = len(self._listed)
        if download_id == FOLD:
            return listed if self.has_fold else None
        position = self._listed.position(download_id)
        if position is None and self.is_unfolded:
            position = self._finished.position(download_id)
            return None if position is None else listed + self.has_fold + position
        return position

    def next_where(self, fits: Callable[[DownloadStatus], bool], position: int) -> str | None:
        """Return the id of the next row with a state that `fits`, or None.

        Args:
            fits: returns True for the states to look for.
            position: the search starts after this position, and wraps around to the first row.
        """
        shown = self.shown
        start = min(position + 1, len(shown))
        if self.has_fold and position >= len(self._listed):
            start = position  # the line of the fold is not a row
        following = chain(islice(shown, start, None), islice(shown, start))
        return next((each for each in following if fits(self.rows[each].status)), None)

    def first_finished(self) -> DownloadSnapshot | None:
        """Return the first row under the fold, or None."""
        return self.rows[self._finished[0]] if self._finished else None

    @property
    def folded_ids(self) -> list[str]:
        """Ids of the finished downloads that the fold hides."""
        return [] if self.is_unfolded else list(self._finished)

    def finished_rows(self) -> list[DownloadSnapshot]:
        """Return the rows under the fold."""
        return [self.rows[download_id] for download_id in self._finished]

    def toggle_fold(self) -> None:
        """Show or hide the finished downloads."""
        self._unfolded = not self._unfolded

    def follow(self, download_id: str | None) -> None:
        """Keep a download out of the fold in every state, so that the cursor can stay on it.

        The previously followed download goes to its place. None follows no download.
        """
        before, self.followed = self.followed, download_id
        if before is not None:
            self._settle_safely(self.rows[before], None)

    # Changes

    def hold(self) -> frozenset[str]:
        """Keep rows in their places from now on; return the ids of those that go back.

        Rows that moved a moment ago go back until `settle`, because the user aims at the place
        where they were.
        """
        if self.held:
            return frozenset()
        self._forget_former()
        self.held, former, self._former = True, self._former, {}
        for download_id, place in former.items():
            self._move(download_id, self._present_home(download_id), place.home, place.key)
        self._moving.update(former)
        return frozenset(former)

    def _forget_former(self) -> None:
        """Forget the former places of rows whose move the user may have seen."""
        since = time.monotonic() - _UNSEEN_SECONDS
        self._former = {row_id: at for row_id, at in self._former.items() if at.time >= since}

    def _move_by_itself(self, download_id: str, home: RowOrder | None, key: SortKey) -> None:
        """Move a row that no key has moved."""
        present = self._present_home(download_id)
        before = None if present is None else present.key(download_id)
        if not self.held:
            former = Former(present, before or key, time.monotonic())
            self._former.setdefault(download_id, former)
        self._move(download_id, present, home, key)

    def apply(self, snapshot: Snapshot) -> Change:
        """Apply the changes of a snapshot; return the parts to repaint."""
        self._full_hosts = snapshot.full_hosts
        self._moment = self.moment()
        self._forget_former()
        removed = list(snapshot.removed)
        if snapshot.reset:
            listed = {row.id for row in snapshot.downloads}
            removed = [known for known in self.rows if known not in listed]
        is_bulk = len(removed) + len(snapshot.downloads) > max(_MIN_BULK, len(self.rows) // 8)
        change = Change(order=self._forget(removed, in_place=not is_bulk))
        for row in snapshot.downloads:
            old = self._store(row)
            if not is_bulk:
                change.order |= self._settle_safely(row, old)
        if is_bulk or self.problem:
            change.order = True
            self.rebuild()
        change.rows = frozenset(row.id for row in snapshot.downloads)
        return change

    def _forget(self, removed: Iterable[str], *, in_place: bool) -> bool:
        """Drop rows; return True if lines changed. Not `in_place`: `rebuild` follows."""
        changed = False
        for download_id in removed:
            row = self.rows.pop(download_id, None)
            if row is None:
                continue
            self.totals.remove(row)
            self.marked.discard(download_id)
            self._moving.discard(download_id)
            self._former.pop(download_id, None)
            if download_id == self.followed:
                self.followed = None
            for ids in self._in_own_tab.values():
                ids.discard(download_id)
            if in_place:
                self._all.remove(download_id)
                changed |= self._listed.remove(download_id) or self._finished.remove(download_id)
        return changed

    def _store(self, row: DownloadSnapshot) -> DownloadSnapshot | None:
        old = self.rows.get(row.id)
        if old is None:
            self.totals.add(row)
        else:
            self.totals.replace(old, row)
        self.rows[row.id] = row
        for tab in self.own_tabs:
            self._count(tab, row)
        return old

    def _count(self, tab: Tab, row: DownloadSnapshot) -> None:
        ids = self._in_own_tab[tab.id]
        try:
            is_in = tab.filter.matches(row, self._moment)
        except SlowPatternError:
            is_in = False
        (ids.add if is_in else ids.discard)(row.id)

    def set_own_tabs(self, tabs: tuple[Tab, ...]) -> None:
        """Replace the user's tabs and count their downloads."""
        self.own_tabs, self._moment = tabs, self.moment()
        self._in_own_tab = {tab.id: set() for tab in tabs}
        for tab in tabs:
            for row in self.rows.values():
                self._count(tab, row)

    def own_counts(self) -> dict[str, int]:
        """Return the number of downloads in each of the user's tabs, by the id of the tab."""
        return {tab_id: len(ids) for tab_id, ids in self._in_own_tab.items()}

    def moment(self) -> Moment:
        """Return the current time and the full hosts."""
        return Moment(time.time(), self._full_hosts)

    def _settle_safely(self, row: DownloadSnapshot, old: DownloadSnapshot | None) -> bool:
        try:
            return self._settle(row, old)
        except SlowPatternError as error:
            self._drop_filter(error)
            return True

    def _drop_filter(self, error: SlowPatternError) -> None:
        self.problem = f"{error}."
        if self.filter:
            self.filter = NO_FILTER
        else:
            self.tab = ALL

    def _settle(self, row: DownloadSnapshot, old: DownloadSnapshot | None) -> bool:
        """Move `row` to its place, or hold that back; return True if lines changed."""
        home, key = self._home(row), self._key(row)
        if self._all.key(row.id) != key:
            self._all.place(row.id, key)
        present = self._present_home(row.id)
        if home is present and (home is None or home.key(row.id) == key):
            self._moving.discard(row.id)
            return False
        comes_or_goes = home is None or present is None
        if old is not None and (
            self._depends_on_bytes if comes_or_goes else self._keeps_back(row, old)
        ):
            self._moving.add(row.id)
            return False
        if old is not None and row.order == old.order:
            self._move_by_itself(row.id, home, key)
        else:  # new, or moved by the user
            self._move(row.id, present, home, key)
        return True

    def _keeps_back(self, row: DownloadSnapshot, old: DownloadSnapshot) -> bool:
        """Return True if the new place can wait: a volatile column, or the user is at work."""
        if self.sort.column.volatile:
            return True
        return self.held and row.order == old.order and row.name == old.name

    def _move(
        self, download_id: str, present: RowOrder | None, home: RowOrder | None, key: SortKey
    ) -> None:
        self._moving.discard(download_id)
        if present is not None and present is not home:
            present.remove(download_id)
        if home is not None:
            home.place(download_id, key)

    def _home(self, row: DownloadSnapshot) -> RowOrder | None:
        moment = self._moment
        if not (self.tab.filter.matches(row, moment) and self.filter.matches(row, moment)):
            return None
        folds = self.folds and _is_done(row) and row.id != self.followed
        return self._finished if folds else self._listed

    def _present_home(self, download_id: str) -> RowOrder | None:
        if download_id in self._listed:
            return self._listed
        return self._finished if download_id in self._finished else None

    def _key(self, row: DownloadSnapshot) -> SortKey:
        if self.sort.column is QUEUE_ORDER:  # a flat key, because each row keeps one
            return (*queue_key(row), row.id)
        value = sort_key(self.sort.column.id)(row)
        if value is None:
            return (True, row.order, row.id)
        return (False, _Descending(value) if self.sort.descending else value, row.order, row.id)

    @property
    def _depends_on_bytes(self) -> bool:
        return self.filter.depends_on_bytes or self.tab.filter.depends_on_bytes

    @property
    def depends_on_time(self) -> bool:
        """True if rows may come and go while nothing changes; see `refilter`."""
        return self.filter.depends_on_time or self.tab.filter.depends_on_time

    @property
    def stale(self) -> bool:
        """True if rows are not in their places; see `settle`."""
        return bool(self._moving)

    def settle(self) -> None:
        """Move the rows whose new places were held back."""
        moving, self._moving = self._moving, set()
        if len(moving) > max(_MIN_BULK, len(self.rows) // 8):
            self.rebuild()
            return
        self._moment = self.moment()
        try:
            for row in (self.rows[download_id] for download_id in moving):
                self._move_by_itself(row.id, self._home(row), self._key(row))
        except SlowPatternError as error:
            self._drop_filter(error)
            self.refilter()

    def rebuild(self) -> None:
        """Sort and filter all rows again."""
        self._all.fill({row.id: self._key(row) for row in self.rows.values()})
        self.refilter()

    def refilter(self) -> None:
        """Filter all rows again, after a change of the filter or the tab."""
        self._moment = self.moment()
        try:
            self._fill()
        except SlowPatternError as error:
            self._drop_filter(error)
            self._fill()
        self._moving.clear()
        self._former.clear()

    def _fill(self) -> None:
        rows, moment = self.rows, self._moment
        listed, finished = list(self._all), list[str]()
        for each in filter(None, (self.tab.filter, self.filter)):
            listed = each.select(map(rows.__getitem__, listed), moment)
        if self.folds:
            done = {row_id for row_id in listed if _is_done(rows[row_id])} - {self.followed}
            finished = [row_id for row_id in listed if row_id in done]
            listed = [row_id for row_id in listed if row_id not in done]
        self._listed.fill_from(self._all, listed)
        self._finished.fill_from(self._all, finished)

    # Marks

    def toggle_mark(self, download_id: str) -> None:
        """Mark or unmark a row."""
        self.marked ^= {download_id}

    def mark_shown(self) -> None:
        """Mark the rows shown; if all are marked, unmark them."""
        shown = set(self.shown)
        if shown <= self.marked:
            self.marked -= shown
        else:
            self.marked |= shown

    def mark_matching(self, ids: Sequence[str], matches: Callable[[DownloadSnapshot], bool]) -> int:
        """Mark those rows among `ids` that match; return their number."""
        matching = {each for each in ids if each in self.rows and matches(self.rows[each])}
        self.marked |= matching
        return len(matching)

    def invert_marks(self) -> None:
        """Invert the marks of the rows shown."""
        self.marked ^= set(self.shown)

    def begin_range(self, download_id: str) -> None:
        """Begin a range of marks at a row; see `extend_range`."""
        self._range = Range(download_id, frozenset(self.marked))
        self.marked.add(download_id)

    def extend_range(self, download_id: str) -> None:
        """Mark the rows from the beginning of the range to a row; unmark the rest of the range."""
        if self._range is None:
            return
        first, last = self.position(self._range.first), self.position(download_id)
        if first is None or last is None:  # not shown any more
            self.end_range()
            return
        first, last = min(first, last), max(first, last)
        ids = (self.id_at(position) for position in range(first, last + 1))
        self.marked = {*self._range.before, *filter(None, ids)}

    def end_range(self) -> None:
        """End the range; its marks stay."""
        self._range = None

    @property
    def has_range(self) -> bool:
        """True from `begin_range` to `end_range`."""
        return self._range is not None

    def marked_shown(self) -> list[DownloadSnapshot]:
        """Return the marked rows in the order shown, without those that are hidden."""
        if len(self.marked) > self.lines // _SEARCH_COST:
            return [self.rows[each] for each in self.shown if each in self.marked]
        places = ((self.position(download_id), download_id) for download_id in self.marked)
        shown = sorted((at, download_id) for at, download_id in places if at is not None)
        return [self.rows[download_id] for _, download_id in shown]
