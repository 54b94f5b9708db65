import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from rheo_core.domain import DownloadSnapshot, DownloadStats, DownloadStatus, Snapshot
from rheo_core.domain.filters import parse_filter
from rheo_tui.columns import COLUMNS, PERCENT_WIDTH, QUEUE_ORDER, layout
from rheo_tui.table_model import Sort, TableModel


def row(at: int, **values: object) -> DownloadSnapshot:
    name = str(values.pop("name", f"file-{at}"))
    queued = DownloadSnapshot(
        id=f"{at:016x}",
        url=f"https://example.org/{at}",
        name=name,
        status=DownloadStatus.QUEUED,
        reason="",
        priority=1,
        rank=at,
    )
    return queued._replace(**values)  # type: ignore[arg-type]


def snapshot(rows: Sequence[DownloadSnapshot], revision: int = 1, **values: object) -> Snapshot:
    return replace(
        Snapshot(revision=revision, downloads=tuple(rows), removed=(), stats=DownloadStats()),
        **values,  # type: ignore[arg-type]
    )


def names(model: TableModel) -> list[str]:
    return [model.rows[shown].name for shown in model.shown]


def test_rows_come_in_queue_order() -> None:
    model = TableModel()
    rows = [row(at) for at in range(50)]
    random.Random(1).shuffle(rows)
    change = model.apply(snapshot(rows))
    assert change.order
    assert model.shown == [f"{at:016x}" for at in range(50)]


def test_rows_below_the_others_cost_no_sort(monkeypatch: pytest.MonkeyPatch) -> None:
    model = TableModel()
    model.apply(snapshot([row(1), row(2)]))
    with monkeypatch.context() as patched:
        patched.delattr(TableModel, "rebuild")
        change = model.apply(snapshot([row(3), row(4)], 2))
    assert change.order
    assert names(model) == ["file-1", "file-2", "file-3", "file-4"]
    model.apply(snapshot([row(6), row(0)], 3, removed=(row(4).id,)))
    assert names(model) == ["file-0", "file-1", "file-2", "file-3", "file-6"]
    model.filter = parse_filter("file-7")
    model.rebuild()
    model.apply(snapshot([row(7), row(8)], 4))
    assert names(model) == ["file-7"]


def test_a_changed_row_is_reported_without_a_sort() -> None:
    model = TableModel()
    model.apply(snapshot([row(at) for at in range(10)]))
    change = model.apply(snapshot([row(4, bytes_downloaded=5)], 2))
    assert change.rows == {f"{4:016x}"}
    assert not change.order


def test_volatile_columns_are_sorted_later() -> None:
    model = TableModel()
    model.sort = Sort(COLUMNS["speed"], descending=True)
    model.apply(snapshot([row(0, speed_bps=5.0), row(1, speed_bps=9.0), row(2)]))
    assert names(model) == ["file-1", "file-0", "file-2"]
    model.apply(snapshot([row(0, speed_bps=20.0)], 2))
    assert names(model)[0] == "file-1"
    assert model.stale
    model.rebuild()
    assert names(model) == ["file-0", "file-1", "file-2"]


@pytest.mark.parametrize("descending", [False, True])
def test_rows_without_a_value_come_last(descending: bool) -> None:
    model = TableModel()
    model.sort = Sort(COLUMNS["size"], descending)
    model.apply(snapshot([row(0), row(1, total_bytes=1), row(2, total_bytes=9)]))
    assert names(model)[-1] == "file-0"


def test_choosing_the_same_column_again_turns_it_round() -> None:
    sort = Sort().towards(COLUMNS["size"])
    assert (sort.column.id, sort.descending) == ("size", True)
    assert not sort.towards(COLUMNS["size"]).descending
    assert sort.towards(QUEUE_ORDER) == Sort()


def test_filter_and_marks() -> None:
    model = TableModel()
    model.apply(snapshot([row(0, name="Linux.ISO"), row(1, name="b.zip"), row(2, name="c.iso")]))
    model.toggle_mark(f"{1:016x}")
    model.filter = parse_filter(" iso ")
    model.rebuild()
    assert names(model) == ["Linux.ISO", "c.iso"]
    assert model.marked_shown() == []  # hidden ones are safe from the keys
    model.invert_marks()
    assert [marked.name for marked in model.marked_shown()] == ["Linux.ISO", "c.iso"]
    change = model.apply(snapshot([row(1, name="now.iso")], 2))
    assert change.order
    assert "now.iso" in names(model)


def test_removed_rows_lose_their_mark_and_reset_drops_the_rest() -> None:
    model = TableModel()
    model.apply(snapshot([row(at) for at in range(3)]))
    model.toggle_mark(f"{0:016x}")
    model.apply(snapshot([], 2, removed=(f"{0:016x}",)))
    assert not model.marked
    assert len(model.shown) == 2
    model.apply(snapshot([row(7)], 3, reset=True))
    assert names(model) == ["file-7"]


def test_a_layout_fills_its_width() -> None:
    for width in range(10, 240):
        columns = layout(width).places
        end = columns[-1].x + columns[-1].width
        assert end == width or (end > width and width < 40), width
        assert all(one.x + one.width < other.x for one, other in pairwise(columns)), width


def test_columns_at_usual_widths() -> None:
    def ids(width: int) -> list[str]:
        return [place.column.id for place in layout(width).places]

    usual = [column for column in COLUMNS if column not in ("host", "priority", "folder", "id")]
    assert ids(78) == [column for column in usual if column != "speed"]
    assert ids(118) == usual
    assert ids(198) == [*usual[:2], "host", *usual[2:]]
    with_priority = [place.column.id for place in layout(198, with_priority=True).places]
    assert with_priority == [each for each in COLUMNS if each not in ("folder", "id")]
    assert ids(58) == ["mark", "name", "size", "status"]
    assert ids(38) == ["mark", "name", "status"]


@pytest.mark.parametrize("width", [118, 140, 198, 298])
def test_the_bar_has_18_to_40_cells(width: int) -> None:
    widths = {place.column.id: place.width for place in layout(width).places}
    assert 18 <= widths["progress"] - PERCENT_WIDTH <= 40
    assert widths["name"] >= 24
