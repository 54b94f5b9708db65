"""Columns of the table: titles, widths and sort keys, and the layout for a width."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from rheo_core.domain import DownloadSnapshot, DownloadStatus
from rheo_core.domain.file_config import host_of

from .formatting import fraction_done
from .statuses import SORT_RANK

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
    )
}
QUEUE_ORDER = Column("queue", "Queue order", 0)
SORTABLE = (QUEUE_ORDER, *(column for column in COLUMNS.values() if column.id != "mark"))

# Dropped in this order when the screen is too narrow for all.
_DROP_ORDER = ("host", "priority", "speed", "progress", "left", "size")
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


def _queue_key(row: DownloadSnapshot) -> tuple[object, ...]:
    """Return the key of the queue order: running and broken first, the latest finished at last."""
    group = _GROUP_OF[row.status]
    if group == _LAST_GROUP:
        return (group, -(row.finished_at or row.added_at))
    return (group, *row.order)


_KEYS: dict[str, Callable[[DownloadSnapshot], SortKey]] = {
    "queue": _queue_key,
    "name": lambda row: row.name.casefold(),
    "host": lambda row: host_of(row.url),
    "size": lambda row: row.total_bytes,
    "progress": lambda row: fraction_done(row.bytes_downloaded, row.total_bytes),
    "speed": lambda row: row.speed_bps or None,
    "left": lambda row: row.eta_seconds,
    "priority": lambda row: row.priority,
    "status": lambda row: SORT_RANK[row.status],
}


def sort_key(column_id: str) -> Callable[[DownloadSnapshot], SortKey]:
    """Return the function that gives a row's sort value; rows with None come last."""
    return _KEYS[column_id]


@lru_cache(maxsize=64)
def layout(width: int, *, with_priority: bool = False) -> Layout:
    """Return the columns that fit into `width` cells; the name takes the rest.

    Args:
        width: cells of a row.
        with_priority: True shows priorities, which is of use only while they differ.
    """
    gap = 2 if width >= _WIDE else 1
    widths = {column.id: column.width for column in COLUMNS.values()}
    if width < _TINY:
        widths["status"] = _TINY_STATUS_WIDTH
    if not with_priority:
        del widths["priority"]
    if width < _HOST_FROM:
        del widths["host"]
    for dropped in _DROP_ORDER:
        if _name_width(widths, width, gap) >= _MIN_NAME_WIDTH:
            break
        widths.pop(dropped, None)
    _share_out(widths, _name_width(widths, width, gap) - _COMFORTABLE_NAME_WIDTH)
    widths["name"] = max(_name_width(widths, width, gap), 1)
    return Layout(_place(widths, gap), frozenset(widths))


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
