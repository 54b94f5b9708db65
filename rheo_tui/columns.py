"""Columns of the table: titles, widths and sort keys, and the layout for a width."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from rheo_core.domain import DownloadSnapshot

from .formatting import fraction_done
from .statuses import SORT_RANK

SortKey = float | str | tuple[int, float] | None
GAP = 1
_MIN_NAME_WIDTH = 19
_COMFORTABLE_NAME_WIDTH = 32
_MAX_STATUS_WIDTH = 44
_MAX_PROGRESS_WIDTH = 21


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


COLUMNS = {
    column.id: column
    for column in (
        Column("mark", "", 1),
        Column("name", "Name", 0),
        Column("size", "Size", 8, right=True, descending_first=True),
        Column("progress", "Progress", 12, descending_first=True, volatile=True),
        Column("speed", "Speed", 10, right=True, descending_first=True, volatile=True),
        Column("eta", "ETA", 6, right=True, volatile=True),
        Column("priority", "Pri", 4, right=True, descending_first=True, long_title="Priority"),
        Column("status", "Status", 24),
        Column("id", "ID", 8),
    )
}
QUEUE_ORDER = Column("queue", "Queue order", 0)
SORTABLE = (QUEUE_ORDER, *(column for column in COLUMNS.values() if column.id != "mark"))

# Dropped in this order when the screen is too narrow for all.
_DROP_ORDER = ("id", "priority", "size", "eta", "speed", "progress")

_KEYS: dict[str, Callable[[DownloadSnapshot], SortKey]] = {
    "queue": lambda row: row.order,
    "name": lambda row: row.name.casefold(),
    "size": lambda row: row.total_bytes,
    "progress": lambda row: fraction_done(row.bytes_downloaded, row.total_bytes),
    "speed": lambda row: row.speed_bps or None,
    "eta": lambda row: row.eta_seconds,
    "priority": lambda row: row.priority,
    "status": lambda row: SORT_RANK[row.status],
    "id": lambda row: row.id,
}


def sort_key(column_id: str) -> Callable[[DownloadSnapshot], SortKey]:
    """Return the function that gives a row's sort value; rows with None come last."""
    return _KEYS[column_id]


@lru_cache(maxsize=64)
def layout(width: int) -> tuple[PlacedColumn, ...]:
    """Return the columns that fit into `width` cells; the name takes the rest."""
    widths = {column.id: column.width for column in COLUMNS.values()}
    for dropped in _DROP_ORDER:
        if _name_width(widths, width) >= _MIN_NAME_WIDTH:
            break
        del widths[dropped]
    spare = _name_width(widths, width) - _COMFORTABLE_NAME_WIDTH
    if spare > 0:
        more = min(spare // 2, _MAX_STATUS_WIDTH - widths["status"])
        widths["status"] += more
        if "progress" in widths:
            widths["progress"] += min((spare - more) // 4, _MAX_PROGRESS_WIDTH - widths["progress"])
    widths["name"] = max(_name_width(widths, width), 1)
    return _place(widths)


def _name_width(widths: dict[str, int], width: int) -> int:
    return width - sum(widths.values()) + widths["name"] - GAP * (len(widths) - 1)


def _place(widths: dict[str, int]) -> tuple[PlacedColumn, ...]:
    placed: list[PlacedColumn] = []
    x = 0
    for column_id, width in widths.items():
        placed.append(PlacedColumn(COLUMNS[column_id], x, width))
        x += width + GAP
    return tuple(placed)
