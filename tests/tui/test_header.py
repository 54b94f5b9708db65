"""The header draws its lines itself; they must look and act as Textual's own."""

from collections.abc import Sequence

import pytest
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from rheo_core.domain import DownloadStatus
from rheo_tui.widgets.header import SummaryHeader
from tests.tui.driving import Driver, running

Cells = list[list[tuple[object, ...]]]


def cells_of(strips: list[Strip]) -> Cells:
    return [[(part.text, part.style, part.style and part.style.meta) for part in s] for s in strips]


def drawn_twice(header: SummaryHeader, crop: Region) -> tuple[Cells, Cells]:
    """Return the cells of a part of the header, by itself and by Textual."""
    itself = cells_of(header.render_lines(crop))
    header.refresh()  # or Textual shows lines that it has kept
    return itself, cells_of(Widget.render_lines(header, crop))


async def busy(app: Driver) -> SummaryHeader:
    ids = await app.fill(9)
    app.service.advance(2)
    app.service.change(ids[5], status=DownloadStatus.FAILED)
    await app.press("v", "down")
    return app.main.query_one(SummaryHeader)


@pytest.mark.parametrize("size", [(20, 8), (60, 20), (80, 24), (120, 36), (200, 50)])
async def test_lines_look_as_textual_draws_them(size: tuple[int, int]) -> None:
    async with running(size=size) as app:
        header = await busy(app)
        whole = header.size.region
        crops = (whole, Region(3, 0, 9, 1), Region(0, whole.height - 1, whole.width, 1))
        for app.app.theme in ("rheo-dark", "rheo-light", "ansi-dark"):
            await app.update()
            for crop in crops:
                itself, textual = drawn_twice(header, crop)
                assert itself == textual, app.app.theme


async def test_a_selection_is_shown_and_can_be_copied() -> None:
    async with running(size=(120, 36)) as app:
        header = await busy(app)
        plain = cells_of(header.render_lines(header.size.region))
        await app.pilot.mouse_down(header, offset=(1, 0))
        await app.pilot.hover(header, offset=(5, 0))
        await app.pilot.mouse_up(header, offset=(5, 0))
        assert app.main.get_selected_text() == "rheo "
        assert cells_of(header.render_lines(header.size.region)) != plain


@pytest.mark.usefixtures("painting")
async def test_a_change_looks_no_style_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(size=(120, 36)) as app:
        header = await busy(app)
        looked_up = []
        get = SummaryHeader.get_component_rich_style

        def counted(self: SummaryHeader, *names: str) -> Style:
            looked_up.append(names)
            return get(self, *names)

        monkeypatch.setattr(SummaryHeader, "get_component_rich_style", counted)
        before = header.render().plain
        app.service.advance(1)
        await app.update()
        header.render_lines(header.size.region)
        assert header.render().plain != before
        assert looked_up == []


@pytest.mark.parametrize(
    ("speeds", "left"),
    [((100, 100), ""), ((100,) * 3, "10 s"), ((100,) * 9 + (0,), ""), ((100,) * 9 + (0, 50), ""),
     ((100,) * 9 + (0, 50, 50, 50), "20 s"), ((900,) * 20 + (100,) * 10, "10 s")],
)  # fmt: skip
async def test_the_time_left_follows_from_the_seconds_since_data_flows(
    speeds: tuple[float, ...], left: str
) -> None:
    async with running(size=(120, 36)) as app:
        header = app.main.query_one(SummaryHeader)
        header._samples.clear()
        show(header, speeds)
        assert header._shown.time_left == left


def show(header: SummaryHeader, speeds: Sequence[float], **numbers: object) -> None:
    """Show one speed a second while 1000 bytes are left."""
    for speed in speeds:
        header._show(speed=speed, left=1000, **numbers)
        header._sample()


async def test_the_time_left_is_that_of_the_slowest_download_or_more() -> None:
    async with running(size=(120, 36)) as app:
        first, second = await app.fill(2)
        for each, seconds in ((first, 40.0), (second, 90.0)):
            app.service.change(each, status=DownloadStatus.IN_PROGRESS, eta_seconds=seconds)
        await app.update()
        header = app.main.query_one(SummaryHeader)
        show(header, [100] * 3)
        assert header._shown.time_left == "2 min"
        show(header, [1] * 20)
        assert header._shown.time_left == "17 min"
        app.service.change(second, status=DownloadStatus.COMPLETED)
        await app.update()
        show(header, [100] * 10)
        assert header._shown.time_left == "40 s"


@pytest.mark.parametrize("guessed", [0, 500])
async def test_the_time_left_grows_with_that_of_a_row_that_becomes_slower(guessed: int) -> None:
    async with running(size=(120, 36)) as app:
        first, unknown = await app.fill(2)
        size = None if guessed else 500
        app.service.change(unknown, status=DownloadStatus.IN_PROGRESS, total_bytes=size)
        app.service.change(first, status=DownloadStatus.IN_PROGRESS, speed_bps=99.0)
        header = app.main.query_one(SummaryHeader)
        about = "~" if guessed else ""
        for seconds, shown in ((5.0, "10 s"), (90.0, "2 min"), (None, "10 s"), (180.0, "3 min")):
            app.service.change(first, eta_seconds=seconds)
            await app.update()
            show(header, [(1000 + guessed) / 10] * 10, guessed_left=guessed)
            assert header._shown.time_left == about + shown


async def test_nothing_is_faster_than_the_limit() -> None:
    async with running(size=(120, 36)) as app:
        header = app.main.query_one(SummaryHeader)
        show(header, [1000] * 10)
        show(header, [500], limit=1)
        assert header._shown.time_left == "17 min"


@pytest.mark.parametrize("key", ["left_square_bracket", "S"])
async def test_a_limit_or_resumed_downloads_begin_another_mean(key: str) -> None:
    async with running(size=(120, 36)) as app:
        await app.fill(2)
        await app.press("p")
        header = app.main.query_one(SummaryHeader)
        show(header, [100] * 10)
        await app.press(key)
        show(header, [10] * 2)
        assert header._shown.time_left == ""
        show(header, [10])
        assert header._shown.time_left == "2 min"
