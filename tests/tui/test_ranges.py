"""Ranges of marks by keys and by mouse, marks by pattern, and what they survive."""

import pytest
from textual.events import MouseMove

from rheo_core.domain import DownloadStatus
from rheo_tui.columns import COLUMNS
from rheo_tui.table_model import TableModel
from rheo_tui.widgets.header import SummaryHeader
from rheo_tui.widgets.table import DownloadTable
from tests.tui.driving import Driver, running


def marked(app: Driver) -> list[int]:
    """Return the numbers of the marked rows in the order shown."""
    return [int(row.name[5:10]) for row in app.table.model.marked_shown()]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (("v", "down", "down"), [0, 1, 2]),
        (("v", "down", "down", "up"), [0, 1]),
        (("v", "down", "v", "down", "down"), [0, 1]),
        (("v", "down", "escape", "down"), [0, 1]),
        (("down", "down", "v", "g"), [0, 1, 2]),
        (("v", "G"), list(range(9))),
        (("v", "down", "v", "down", "down", "v", "down"), [0, 1, 3, 4]),
        (("shift+down", "shift+down"), [0, 1, 2]),
        (("shift+down", "shift+down", "shift+up"), [0, 1]),
        (("shift+down", "down", "down", "shift+down"), [0, 1, 3, 4]),
        (("G", "shift+up"), [7, 8]),
        (("shift+end",), list(range(9))),
        (("G", "up", "shift+home"), list(range(8))),
        (("down", "shift+pagedown"), list(range(1, 9))),
        (("v", "down", "escape", "escape"), []),
    ],
    ids=lambda value: "-".join(map(str, value)),
)
async def test_ranges_by_keys(keys: tuple[str, ...], expected: list[int]) -> None:
    async with running() as app:
        await app.fill(9)
        await app.press(*keys)
        assert marked(app) == expected


async def test_the_header_says_that_the_cursor_marks() -> None:
    async with running(size=(120, 30)) as app:
        await app.fill(9)
        header = app.main.query_one(SummaryHeader)
        await app.press("v", "down")
        assert " marking " in header.render().plain
        await app.press("v", "down")
        assert " marking " not in header.render().plain
        await app.press("shift+down")
        assert " marking " not in header.render().plain


async def test_a_range_by_drag() -> None:
    async with running() as app:
        await app.fill(9)
        table = app.table
        await app.pilot.mouse_down(table, offset=(10, 2))
        await _drag(app, 5)
        assert marked(app) == [1, 2, 3, 4]
        await _drag(app, 3)
        assert marked(app) == [1, 2]
        await app.pilot.mouse_up(table, offset=(10, 3))
        await app.press("down")
        assert marked(app) == [1, 2]


async def _drag(app: Driver, y: int) -> None:
    """Move the mouse with its first button pressed."""
    await app.pilot._post_mouse_events([MouseMove], DownloadTable, (10, y), button=1)


async def test_ctrl_click_marks_one_and_a_click_does_not() -> None:
    async with running() as app:
        await app.fill(5)
        for y in (2, 4):
            await app.pilot.click(DownloadTable, offset=(10, y), control=True)
        assert marked(app) == [1, 3]
        await app.pilot.click(DownloadTable, offset=(10, 4), control=True)
        await app.pilot.click(DownloadTable, offset=(10, 1))
        assert marked(app) == [1]
        assert app.table.cursor == 0


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*00.iso", [0]),
        ("name:file-0000*.ISO", [0, 1, 2, 3, 4]),
        ("0003", [3]),
        ("example.org", range(5)),
    ],
)
async def test_marks_by_pattern(pattern: str, expected: list[int]) -> None:
    async with running() as app:
        await app.fill(5)
        await app.press("&", *pattern, "enter")
        assert marked(app) == list(expected)
        assert f"that match “{pattern}”" in app.messages()


async def test_marks_by_pattern_name_the_matches_under_the_fold() -> None:
    async with running() as app:
        ids = await app.fill(5)
        for each in ids[:3]:
            app.service.change(each, status=DownloadStatus.COMPLETED)
        await app.update()
        await app.press("&", *"iso", "enter")
        await app.until(lambda: "Marked 2 downloads" in app.messages())
        assert "that match “iso”; 3 done ones are not shown." in app.messages()
        await app.press("escape", "G", "enter")  # opens the fold
        await app.press("&", *"iso", "enter")
        await app.until(lambda: "Marked 5 downloads that match “iso”." in app.messages())


async def test_marks_survive_filter_and_sort_and_are_counted() -> None:
    async with running(size=(120, 30)) as app:
        await app.fill(20)
        await app.press("*", "slash", *"0001", "enter")
        header = app.main.query_one(SummaryHeader)
        assert "20 marked, 9 not shown" in header.render().plain
        await app.press("p")  # hidden ones are safe from the keys
        assert len(app.called("pause")[0]) == 11
        await app.press("escape")
        app.main._sort_by(COLUMNS["name"])
        assert len(marked(app)) == 20
        assert "20 marked" in header.render().plain


async def test_a_priority_as_a_number_for_all_marked() -> None:
    async with running() as app:
        await app.fill(4)
        await app.press("v", "down", "v", "#", *"7", "enter")
        assert [app.service.rows[row].priority for row in app.table.model.shown] == [7, 7, 1, 1]
        await app.press("u")
        assert {row.priority for row in app.service.rows.values()} == {1}
        for wrong in ("0", "1001", "high"):
            await app.command(f"priority {wrong}")
            assert f"“{wrong}” is not a priority; use a number from 1 to 1,000." in app.messages()
            await app.press("escape")


async def test_move_by_command() -> None:
    async with running() as app:
        first, *rest = await app.fill(4)
        await app.command("move bottom")
        assert app.table.model.shown == [*rest, first]
        await app.command(f"move top {first[:6]}")
        assert app.table.model.shown == [first, *rest]


def test_a_range_ends_if_its_first_row_is_gone() -> None:
    model = TableModel()
    model.begin_range("gone")
    model.extend_range("other")
    assert not model.has_range
