import gc
from typing import Any

import pytest
from rich.segment import Segment
from textual.color import Color
from textual.filter import ANSIToTruecolor
from textual.strip import Strip

from rheo_core.domain import DownloadSnapshot, DownloadStatus
from rheo_core.domain.exceptions import HttpStatusError
from rheo_tui.ascii import AsciiFilter
from rheo_tui.widgets.row import RowPainter
from rheo_tui.widgets.tab_bar import TabBar
from rheo_tui.widgets.table import DownloadTable
from tests.tui.driving import Driver, running
from tests.tui.fake_service import FakeService


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 36), (200, 50)])
async def test_every_line_has_the_table_s_width(size: tuple[int, int]) -> None:
    async with running(size=size) as app:
        ids = await app.fill(60)
        app.service.advance(2)
        app.service.change(ids[5], name="東京オリンピック開会式映像資料集第一部完全版.mkv")
        await app.update()
        width = app.table.scrollable_content_region.width
        lengths = {app.table.render_line(y).cell_length for y in range(app.table.size.height)}
        assert lengths == {width}


@pytest.mark.parametrize(("width", "name"), [(40, "secret.pdf"), (40, "秘密.pdf"), (47, "a" * 20)])
async def test_a_cause_takes_the_empty_cells_of_a_short_name(width: int, name: str) -> None:
    async with running(size=(width, 10)) as app:
        first, second = await app.fill(2)
        for each in (first, second):
            app.service.fail(each, HttpStatusError(401, "Unauthorized"))
        app.service.change(first, name=name)
        app.service.change(second, name="b" * 99)
        await app.update()
        short, long = (line for line in app.lines() if "401" in line)
        assert f"{name} " in short and "✗ 401 needs a login" in short
        assert "…" in long and "✗ 401" in long


@pytest.mark.parametrize("rows", [0, 3, 200])  # with a hint, without a scroll bar, with one
async def test_lines_fill_the_screen(rows: int) -> None:
    async with running(size=(80, 24)) as app:
        await app.fill(rows)
        shown = "\n".join(strip.text for strip in app.main._compositor.render_strips())
        assert ("file-00001.iso" if rows else "Nothing to download yet") in shown
        width = 80 if rows < 24 else 79
        lines = app.table.render_lines(app.table.size.region)
        assert {line.cell_length for line in lines} == {width}


@pytest.fixture
def painted(painting: None, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the rows painted so far, one for each painting."""
    ids: list[str] = []
    paint = RowPainter.paint

    def counted(
        self: RowPainter, row: DownloadSnapshot, *args: Any, **kwargs: Any
    ) -> list[Segment]:
        ids.append(row.id)
        return paint(self, row, *args, **kwargs)

    monkeypatch.setattr(RowPainter, "paint", counted)
    return ids


async def test_10_000_rows_paint_only_visible_changes(painted: list[str]) -> None:
    async with running(size=(120, 36)) as app:
        ids = await app.fill(10_000)
        table = app.table
        await app.until(lambda: len(painted) >= table.page_size)
        painted.clear()
        for row in (ids[3], ids[7], ids[9_000]):
            app.service.change(row, speed_bps=5.0)
        await app.update()
        assert painted == [ids[3], ids[7]]
        await app.update()
        assert painted == [ids[3], ids[7]]


@pytest.mark.usefixtures("painting")
async def test_a_row_that_changes_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    line = DownloadTable._line

    def counted(self: DownloadTable, position: int, width: int) -> Strip:
        drawn.append(position)
        return line(self, position, width)

    async with running(size=(120, 36)) as app:
        ids = await app.fill(100)
        await app.until(lambda: len(app.table._drawn) == app.table.size.height)
        monkeypatch.setattr(DownloadTable, "_line", counted)
        app.service.change(ids[3], name="another.iso")
        await app.update()
        assert "another.iso" in app.screen_text()
        assert drawn == [3]


@pytest.mark.parametrize("rows", [0, 3, 200])
async def test_lines_are_drawn_again_for_other_filters(rows: int) -> None:
    async with running(size=(80, 24)) as app:
        await app.fill(rows)
        app.table.focus()
        app.table.render_lines(app.table.size.region)
        app.app._ascii_filters = [AsciiFilter()]
        lines = app.table.render_lines(app.table.size.region)
        assert all(line.text.isascii() for line in lines)


@pytest.mark.parametrize("rows", [3, 200])  # without a scroll bar, with one
@pytest.mark.usefixtures("painting")
async def test_a_line_is_filtered_only_when_it_is_drawn(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    filtered: list[str] = []
    apply = ANSIToTruecolor.apply

    def counted(self: ANSIToTruecolor, segments: list[Segment], background: Color) -> list[Segment]:
        filtered.append("".join(segment.text for segment in segments).strip())
        return apply(self, segments, background)

    async with running(size=(120, 36)) as app:
        ids = await app.fill(rows)
        await app.until(lambda: len(app.table._drawn) == app.table.size.height)
        monkeypatch.setattr(ANSIToTruecolor, "apply", counted)
        app.service.change(ids[1], name="another.iso")
        await app.update()
        assert len([line for line in filtered if ".iso" in line]) == 1


async def test_many_new_rows_are_left_out_of_garbage_collections() -> None:
    async with running() as app:
        for count in (10_000, 25_000):  # the second adds 15,000 to the first
            before = gc.get_freeze_count()
            ids = await app.fill(count)
            assert gc.get_freeze_count() >= before + 10_000
        await app.service.remove(ids)
        await app.update()
        before = gc.get_freeze_count()
        await app.fill(10_000)
        assert gc.get_freeze_count() > before


async def test_nothing_is_painted_while_nothing_changes(painted: list[str]) -> None:
    async with running() as app:
        await app.fill()
        painted.clear()
        revision = app.main.client.latest
        for _ in range(5):
            await app.update()
        assert painted == []
        assert app.main.client.latest is revision


async def test_states_and_reasons_in_words(still_clock: float) -> None:
    async with running(FakeService(max_concurrent=1), size=(140, 30)) as app:
        first, second, third = await app.fill()
        app.service.advance(1)
        app.service.change(
            third,
            status=DownloadStatus.RETRYING,
            retry_at=still_clock + 12,
            attempt=7,  # the download was paused several times
            failures=2,
            max_attempts=6,
        )
        await app.update()
        lines = "\n".join(app.lines())
        assert "● downloading" in lines
        assert "○ queued" in lines
        assert "12 s  ↻ retry 2 of 5" in lines
        app.service.fail(second, "404 Not Found")
        app.service.change(first, status=DownloadStatus.COMPLETED, speed_bps=0.0)
        await app.update()
        lines = "\n".join(app.lines())
        assert "✗ 404 Not Found" in lines
        assert "▸ 1 done" in lines
        tabs = app.main.query_one(TabBar).render().plain
        assert "6 Done 1" in tabs
        assert "4 Failed 1" in tabs


async def test_the_cursor_keeps_its_row() -> None:
    async with running() as app:
        ids = await app.fill(5)
        await app.press("down", "down")
        app.service.change(ids[4], priority=9, rank=0)
        await app.update()
        assert app.table.current and app.table.current.id == ids[2]
        await app.service.remove([ids[0]])
        await app.update()
        assert app.table.current and app.table.current.id == ids[2]


@pytest.mark.parametrize("theme", ["rheo-dark", "rheo-light", "ansi-dark", "ansi-light"])
async def test_themes(theme: str) -> None:
    async with running(FakeService(theme=theme)) as app:
        await app.fill()
        assert app.app.theme == theme
        assert "file-00000.iso" in app.lines()[1]


async def test_hints_name_the_keys_that_the_user_chose() -> None:
    keys = {"add": "f2", "load": "f3", "clear_finished": "f4"}
    async with running(FakeService(keys=keys)) as app:
        await app.fill(0)
        assert {"press F2 to type them", "or press F3 to load a list."} <= _parts(app)
        changed = {"add": "f5", "clear_finished": "f4"}
        app.main._show_settings(app.service.settings.model_copy(update={"keys": changed}))
        assert {"press F5 to type them", "or press o to load a list."} <= _parts(app)
        for each in (await app.fill(3))[:2]:
            app.service.change(each, status=DownloadStatus.COMPLETED)
        await app.update()
        assert any("F4 clears them from the list" in part for part in _parts(app))
        changed = {"details": "i", "clear": "ctrl+g", "tab_all": "f6"}
        app.main._show_settings(app.service.settings.model_copy(update={"keys": changed}))
        assert any("i shows them" in part for part in _parts(app))
        await app.press("4")
        assert "Press F6 to show all downloads." in _parts(app)
        app.main._filters.show_and_apply("nothing")
        assert "Press Ctrl+G to clear the filter." in _parts(app)


def _parts(app: Driver) -> set[str]:
    """Return the lines of the table, cut at commas."""
    lines = (strip.text for strip in app.table.render_lines(app.table.size.region))
    return {part.strip() for line in lines for part in line.split(",")}


async def test_all_tabs_have_a_place_in_eighty_columns() -> None:
    async with running(size=(80, 24)) as app:
        ids = await app.fill(120)
        app.service.change(ids[0], status=DownloadStatus.CANCELLED)
        await app.update()
        bar = app.main.query_one(TabBar)
        words = "1 All 120│2 Active 0│3 Queued 119│4 Failed 0│5 Paused 0│6 Done 0│7 Cancelled 1"
        assert bar.render().plain == f" {words}"
        await app.pilot.click(TabBar, offset=(2 + words.index("7"), 0))
        await app.until(lambda: app.table.model.shown == [ids[0]])


async def test_a_tab_opens_at_its_first_row() -> None:
    async with running() as app:
        ids = await app.fill(60)
        for done in ids[30:]:
            app.service.change(done, status=DownloadStatus.CANCELLED)
        await app.update()
        await app.press(*["down"] * 9, "7")
        assert app.table.current and app.table.current.id == ids[30]
        await app.press("down", "down", "1")  # the cursor keeps a row that is shown
        assert app.table.current.id == ids[32]


async def test_a_cause_takes_the_empty_cells_before_it() -> None:
    async with running(size=(80, 24)) as app:
        first, second, third = await app.fill()
        app.service.fail(first, "more than 20 redirects")
        app.service.fail(second, "a cause of the failure that is longer than the whole line")
        app.service.change(third, bytes_downloaded=5_000_000)
        app.service.fail(third, "more than 20 redirects in a partial file")
        await app.update()
        lines = app.lines()
        title, one, two, three = (
            next(each for each in lines if text in each)
            for text in ("Progress", "00.iso", "01.iso", "02.iso")
        )
        assert one.index("✗") == title.index("Status") - 7 and "✗ more than 20 redirects" in one
        assert two.index("✗") == title.index("Progress") and two.rstrip().endswith("…")
        assert "50%" in three.partition("✗")[0] and three.index("✗") > three.index("50%")
        assert {len(line) for line in (one, two, three)} == {len(lines[0])}


async def test_the_titles_stay_above_the_details() -> None:
    async with running(size=(80, 24)) as app:
        await app.fill(2)
        await app.press("enter")
        assert app.main.query_one("#details").display
        assert app.lines()[0].split()[:2] == ["Name", "Size"]


async def test_the_cause_of_a_retry_takes_the_empty_cells_too(still_clock: float) -> None:
    async with running(size=(80, 24)) as app:
        ids = await app.fill(1)
        app.service.change(
            ids[0],
            status=DownloadStatus.RETRYING,
            retry_at=still_clock + 12,
            failures=4,
            max_attempts=6,
            reason="connection refused",
        )
        await app.update()
        assert any("↻ connection refused · 4 of 5 in 12 s" in line for line in app.lines())
