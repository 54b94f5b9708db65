"""Columns of the download table: titles, widths, sort keys and layout."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import PurePath

from rheo_core.domain import DownloadSnapshot, DownloadStatus
from rheo_core.domain.text import printable
from rheo_core.domain.urls import host_of

from .formatting import fraction_done
from .status_look import SORT_RANK

SortKey = float | str | tuple[object, ...] | None
_WIDE = 100
"""Width from which columns are two cells apart."""
PERCENT_WIDTH = 5
_MIN_NAME_WIDTH = 17
_COMFORTABLE_NAME_WIDTH = 28
_MAX_STATUS_WIDTH = 44
_COMFORTABLE_PROGRESS_WIDTH = 18 + PERCENT_WIDTH
_MAX_PROGRESS_WIDTH = 40 + PERCENT_WIDTH


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `width` 0 takes the space that the others leave."""

    id: str
    title: str
    width: int
    right: bool = False  # aligned to the right edge
    descending_first: bool = False  # the first click shows the largest first
    volatile: bool = False  # its order changes while bytes flow
    long_title: str = ""


@dataclass(frozen=True, slots=True)
class PlacedColumn:
    """A column at its place in a layout, in cells."""

    column: Column
    x: int
    width: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns that fit into a width."""

    places: tuple[PlacedColumn, ...]
    ids: frozenset[str]

    def column_at(self, x: int) -> Column | None:
        """Return the column whose title is at cell `x`, or None."""
        for place in self.places:
            if place.x <= x <= place.x + place.width and place.column.id != "mark":
                return place.column
        return None

    def edge_at(self, x: int) -> "Edge | None":
        """Return the edge of a title at cell `x`, or None.

        The name takes the rest. So an edge moves with the mouse if it sizes the column beside it
        that is farther from the name.
        """
        is_behind_name = False
        for left, right in pairwise(self.places):
            is_behind_name |= left.column.id == "name"
            if left.column.id != "mark" and left.x + left.width <= x < right.x:
                return Edge(right, x, -1) if is_behind_name else Edge(left, x, 1)
        return None


@dataclass(frozen=True, slots=True)
class Edge:
    """Edge of a title that the mouse drags."""

    place: PlacedColumn  # the column that it sizes
    x: int  # where the drag began
    sign: int  # 1: a move to the right makes it wider; -1: narrower

    def width_at(self, x: int) -> int:
        """Return the width of the column while the mouse is at cell `x`."""
        return self.place.width + self.sign * (x - self.x)


COLUMNS = {
    column.id: column
    for column in (
        Column("mark", "", 1),
        Column("name", "Name", 0),
        Column("host", "Host", 20),
        Column("size", "Size", 13, right=True, descending_first=True),
        Column("progress", "Progress", 13, descending_first=True, volatile=True),
        Column("speed", "Speed", 10, right=True, descending_first=True, volatile=True),
        Column("left", "Left", 6, right=True, volatile=True, long_title="Time left"),
        Column("priority", "Pri", 3, right=True, descending_first=True, long_title="Priority"),
        Column("status", "Status", 20),
        Column("folder", "Folder", 24),
        Column("id", "ID", 8),
    )
}
_ALWAYS = frozenset({"name", "status"})  # the glyph of the status is never hidden
_ON_DEMAND = frozenset({"folder", "id"})
_CONDITIONS = {"host": "on wide screens", "priority": "if they differ"}
CHOOSABLE = tuple(column_id for column_id in COLUMNS if column_id != "mark")
MAX_WIDTH = 120
MIN_WIDTH = 3


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """The user's choice of columns; without one, the width of the screen decides.

    Attributes:
        order: ids in the user's order; others follow in the usual one.
        shown: ids of columns that are shown wherever there is space for them.
        hidden: ids of columns that are never shown.
        widths: widths in cells of the columns that the user has sized.
    """

    order: tuple[str, ...] = ()
    shown: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    widths: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, stored: Mapping[str, object]) -> "ColumnChoice":
        """Return a choice from stored values, without unknown or invalid ones."""

        def ids(name: str) -> tuple[str, ...]:
            value = stored.get(name)
            listed = value if isinstance(value, list) else []
            return tuple(dict.fromkeys(each for each in CHOOSABLE if each in listed))

        order, widths = stored.get("order"), stored.get("widths")
        listed = order if isinstance(order, list) else []
        known = tuple(dict.fromkeys(each for each in listed if each in CHOOSABLE))
        choice = cls(known, frozenset(ids("shown")), frozenset(ids("hidden")) - _ALWAYS)
        for column_id, width in widths.items() if isinstance(widths, dict) else ():
            if isinstance(width, int) and column_id in CHOOSABLE:
                choice = choice.sized(column_id, width)
        return choice

    def stored(self) -> dict[str, object]:
        """Return the choice as values for JSON."""
        return {
            "order": list(self.order),
            "shown": sorted(self.shown),
            "hidden": sorted(self.hidden),
            "widths": dict(self.widths),
        }

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of all columns in the user's order."""
        return (*self.order, *(each for each in CHOOSABLE if each not in self.order))

    def shows(self, column_id: str) -> bool:
        """Return True if a column is shown where there is space for it."""
        if column_id in self.hidden:
            return False
        return column_id in self.shown or column_id not in _ON_DEMAND

    def condition(self, column_id: str) -> str:
        """Return when a column is shown, in words; "" if the user has chosen, or always."""
        is_chosen = column_id in self.shown or column_id in self.hidden
        return "" if is_chosen else _CONDITIONS.get(column_id, "")

    def toggled(self, column_id: str) -> "ColumnChoice":
        """Show a column, hide it, or leave it to its condition again; name and status stay."""
        if column_id in _ALWAYS:
            return self
        shown, hidden = self.shown - {column_id}, self.hidden - {column_id}
        if column_id in self.hidden and column_id in _CONDITIONS:
            return replace(self, shown=shown, hidden=hidden)
        if self.shows(column_id) and not self.condition(column_id):
            return replace(self, shown=shown, hidden=hidden | {column_id})
        return replace(self, shown=shown | {column_id}, hidden=hidden)

    def moved(self, column_id: str, by: int) -> "ColumnChoice":
        """Move a column by some places."""
        ids = list(self.ids)
        at = ids.index(column_id)
        ids.insert(max(0, min(at + by, len(ids) - 1)), ids.pop(at))
        return replace(self, order=tuple(ids))

    def width(self, column_id: str) -> int | None:
        """Return the width that the user has chosen; None for an automatic one."""
        return dict(self.widths).get(column_id)

    def sized(self, column_id: str, width: int | None) -> "ColumnChoice":
        """Give a column a width; None makes it automatic. The name takes the rest."""
        if column_id == "name":
            return self
        others = tuple(each for each in self.widths if each[0] != column_id)
        if width is None:
            return replace(self, widths=others)
        width = max(MIN_WIDTH, min(width, MAX_WIDTH))
        return replace(self, widths=(*others, (column_id, width)))


AUTOMATIC = ColumnChoice()
QUEUE_ORDER = Column("queue", "Queue order", 0)
SORTABLE = (QUEUE_ORDER, *(column for column in COLUMNS.values() if column.id != "mark"))

# Dropped in this order when the screen is too narrow for all.
_DROP_ORDER = ("id", "folder", "host", "priority", "speed", "progress", "left", "size")
_HOST_FROM = 150
"""Width from which there is space for the host."""
_TINY, _TINY_STATUS_WIDTH = 50, 16

_GROUPS = (
    frozenset(status for status in DownloadStatus if status.is_active),
    frozenset({DownloadStatus.RETRYING}),
    frozenset({DownloadStatus.FAILED}),
    frozenset({DownloadStatus.QUEUED}),
    frozenset({DownloadStatus.PAUSED}),
    frozenset({DownloadStatus.CANCELLED}),
    frozenset({DownloadStatus.COMPLETED, DownloadStatus.SKIPPED}),
)
_GROUP_OF = {status: rank for rank, group in enumerate(_GROUPS) for status in group}
_LAST_GROUP = len(_GROUPS) - 1


def queue_key(row: DownloadSnapshot) -> tuple[object, ...]:
    """Return the key of the queue order: running and broken first, the latest finished last."""
    group = _GROUP_OF[row.status]
    if group == _LAST_GROUP:
        return (group, -(row.finished_at or row.added_at), -row.priority, row.rank)
    return (group, -row.priority, row.rank)


def folder_name(row: DownloadSnapshot) -> str:
    """Return the folder of the file, printable; "" until it is known."""
    return printable(str(PurePath(row.destination).parent)) if row.destination else ""


_NUMBER = re.compile("[0-9]+")


def name_key(name: str) -> str:
    """Return a text by which names sort as people count: IMG_2 before IMG_19.

    Each number begins with the number of its digits. A text, because 100,000 rows keep one each.
    """
    return _NUMBER.sub(_with_length, name.casefold())


def _with_length(number: re.Match[str]) -> str:
    digits = number[0].lstrip("0")
    return f"{len(digits):03}{digits}"


_KEYS: dict[str, Callable[[DownloadSnapshot], SortKey]] = {
    "queue": queue_key,
    "name": lambda row: name_key(row.name),
    "host": lambda row: host_of(row.url),
    "size": lambda row: row.total_bytes,
    "progress": lambda row: fraction_done(row.bytes_downloaded, row.total_bytes),
    "speed": lambda row: row.speed_bps or None,
    "left": lambda row: row.eta_seconds,
    "priority": lambda row: row.priority,
    "status": lambda row: SORT_RANK[row.status],
    "folder": folder_name,
    "id": lambda row: row.id,
}


def sort_key(column_id: str) -> Callable[[DownloadSnapshot], SortKey]:
    """Return the function that gives a row's sort value; rows with None come last."""
    return _KEYS[column_id]


@lru_cache(maxsize=64)
def layout(width: int, *, with_priority: bool = False, choice: ColumnChoice = AUTOMATIC) -> Layout:
    """Return the columns that fit into `width` cells; the name takes the rest.

    Args:
        width: cells of a row.
        with_priority: True shows priorities, which is useful only while they differ.
        choice: the user's choice.
    """
    gap = 2 if width >= _WIDE else 1
    shown = [column_id for column_id in choice.ids if choice.shows(column_id)]
    if not with_priority and "priority" not in choice.shown and "priority" in shown:
        shown.remove("priority")
    if width < _HOST_FROM and "host" not in choice.shown and "host" in shown:
        shown.remove("host")
    widths = {each: COLUMNS[each].width for each in ("mark", *shown)}
    if width < _TINY:
        widths["status"] = _TINY_STATUS_WIDTH
    for dropped in sorted(_DROP_ORDER, key=lambda each: each in choice.shown):  # those at last
        if _name_width(widths, width, gap) >= _MIN_NAME_WIDTH:
            break
        widths.pop(dropped, None)
    _share_out(widths, _name_width(widths, width, gap) - _COMFORTABLE_NAME_WIDTH)
    # Only now, so that a new size changes only that of the name.
    sized = {each: cells for each, cells in choice.widths if each in widths}
    widths |= sized
    _limit_sized(widths, sized, _name_width(widths, width, gap) - _MIN_NAME_WIDTH)
    widths["name"] = max(_name_width(widths, width, gap), 1)
    return Layout(_place(widths, gap), frozenset(widths))


def _limit_sized(widths: dict[str, int], sized: Mapping[str, int], spare: int) -> None:
    """Make columns that the user has sized narrower while the name has no space."""
    for column_id, cells in sized.items():
        less = max(0, min(-spare, cells - MIN_WIDTH))
        widths[column_id] -= less
        spare += less


def _share_out(widths: dict[str, int], spare: int) -> None:
    """Share the spare cells between bar, status and name."""

    def widen(column_id: str, by: int, most: int) -> None:
        nonlocal spare
        more = max(0, min(by, most - widths[column_id]))
        widths[column_id] += more
        spare -= more

    has_bar = "progress" in widths
    if has_bar:
        widen("progress", spare, _COMFORTABLE_PROGRESS_WIDTH)
    widen("status", spare // 2, _MAX_STATUS_WIDTH)
    if has_bar:
        widen("progress", spare // 3, _MAX_PROGRESS_WIDTH)


def _name_width(widths: dict[str, int], width: int, gap: int) -> int:
    # One cell is enough between the mark and the name.
    return width - sum(widths.values()) + widths["name"] - gap * (len(widths) - 2) - 1


def _place(widths: dict[str, int], gap: int) -> tuple[PlacedColumn, ...]:
    placed: list[PlacedColumn] = []
    x = 0
    for column_id, width in widths.items():
        placed.append(PlacedColumn(COLUMNS[column_id], x, width))
        x += width + (1 if column_id == "mark" else gap)
    return tuple(placed)
