"""Terminals of every kind: sizes from 30x8 to 300x80, ASCII, 16 colours, no colours."""

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color

from rheo_core.domain import DownloadStatus
from rheo_core.domain.exceptions import HttpStatusError
from rheo_tui.ascii import AsciiFilter, needs_ascii
from rheo_tui.themes import theme_for
from rheo_tui.widgets.log_pane import LogPane
from tests.tui.driving import Driver, running
from tests.tui.failed import facts_of
from tests.tui.fake_service import FakeService


def screen(app: Driver) -> list[str]:
    return [strip.text for strip in app.main._compositor.render_strips()]


async def fill(app: Driver, count: int = 40) -> None:
    """Put a download of each state into the list."""
    ids = await app.fill(count)
    app.service.advance(1)
    app.service.change(ids[0], name="東京オリンピック開会式映像資料集第一部完全版.mkv")
    app.service.change(ids[1], total_bytes=None)
    for at, status in enumerate(DownloadStatus):
        app.service.change(
            ids[at + 4], status=status, **facts_of(HttpStatusError(404, "Not Found"))
        )
    await app.update()


@pytest.mark.parametrize(
    "size", [(30, 8), (40, 10), (60, 14), (80, 24), (120, 36), (160, 50), (300, 80)]
)
@pytest.mark.parametrize("show_log", [True, False])
@pytest.mark.halved("size", "show_log")
async def test_every_size_shows_rows_header_and_keys(size: tuple[int, int], show_log: bool) -> None:
    async with running(FakeService(show_log=show_log), size=size) as app:
        await fill(app)
        lines = screen(app)
        assert len(lines) == size[1]
        assert {cell_len(line) for line in lines} == {size[0]}
        assert "quit" in lines[-1]
        assert "%" in lines[0] or "%" in lines[1]
        names = [line for line in lines if ".iso" in line or ".mkv" in line]
        assert len(names) >= min(6, size[1] - 2)


@pytest.mark.parametrize("size", [(40, 10), (80, 14)])
async def test_a_low_screen_shows_the_log_only_if_asked(size: tuple[int, int]) -> None:
    async with running(FakeService(show_log=True), size=size) as app:
        await fill(app)
        log = app.main.query_one(LogPane)
        shown_at_first = log.display
        assert shown_at_first == (size[1] >= 14)
        await app.press("l")
        assert log.display != shown_at_first
        await app.press("l")
        assert log.display == shown_at_first


async def test_details_leave_rows_on_a_low_screen() -> None:
    async with running(size=(40, 10)) as app:
        await fill(app)
        await app.press("enter")
        assert app.table.size.height == 3
        assert app.main.query_one("#details").size.height >= 3


async def test_the_log_follows_through_every_size() -> None:
    async with running(FakeService(show_log=True), size=(100, 30)) as app:
        log = app.main.query_one(LogPane)
        for size in ((100, 30), (100, 10), (60, 14), (100, 40), (80, 24)):
            await app.pilot.resize_terminal(*size)
            for at in range(60):
                app.main.event_log.note(f"line {at}")
            await app.update()
            await app.pilot.pause()
            if log.display:
                assert log.scroll_y == log.max_scroll_y > 0, size


async def test_scrolling_up_stops_the_log_and_the_end_resumes_it() -> None:
    async with running(FakeService(show_log=True)) as app:
        log = app.main.query_one(LogPane)
        for at in range(60):
            app.main.event_log.note(f"line {at}")
        await app.update()
        log.scroll_up(animate=False)
        await app.pilot.pause()
        place = log.scroll_y
        app.main.event_log.note("more")
        await app.update()
        assert log.scroll_y == place < log.max_scroll_y
        log.scroll_end(animate=False, immediate=True)
        app.main.event_log.note("and more")
        await app.update()
        await app.until(lambda: log.scroll_y == log.max_scroll_y)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"LANG": "C"}, True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),  # as Python leaves it (PEP 538)
        ({"LC_ALL": "POSIX", "LANG": "de_DE.UTF-8"}, True),
        ({"LC_ALL": "C.UTF-8", "LANG": "C"}, False),
        ({"LANG": "en_US.ISO-8859-1"}, True),
        ({"LANG": "en_US.utf8"}, False),
        ({"LANG": "de_DE.UTF-8@euro"}, False),
    ],
)
def test_which_locales_need_ascii(environ: dict[str, str], expected: bool) -> None:
    assert needs_ascii(environ) == expected


@pytest.mark.parametrize("size", [(40, 10), (120, 36)])
async def test_an_ascii_terminal_gets_ascii_alone(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    async with running(FakeService(show_log=True), size=size) as app:
        await fill(app)
        lines = screen(app)
        assert all(line.isascii() for line in lines)
        assert {len(line) for line in lines} == {size[0]}
        shown = "\n".join(lines)
        assert "* " in shown and "x 404 Not Found" in shown
        await app.press("question_mark")
        strips = app.app.screen._compositor.render_strips()
        assert all(strip.text.isascii() for strip in strips)


def test_every_character_keeps_its_cells() -> None:
    text = "●○↻‖✓✗⊘◆▌▸▾━╾─│╭█▂…·×“é東é⣿⢀\u0301x"
    (segment,) = AsciiFilter().apply([Segment(text)], Color(0, 0, 0))
    assert segment.text.isascii()
    assert len(segment.text) == cell_len(text)
    assert segment.text.startswith("*o@=+x/#>>v=--|+#")


def test_a_terminal_with_16_colours_gets_its_own_theme() -> None:
    assert theme_for("rheo-dark", "standard") == "ansi-dark"
    assert theme_for("rheo-light", "standard") == "ansi-light"
    assert theme_for("rheo-dark", "truecolor") == "rheo-dark"
    assert theme_for("nord", "standard") == "nord"  # the user's own choice


async def test_the_cursor_and_states_are_seen_without_colours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with running(size=(120, 36)) as app:
        await fill(app, 16)
        await app.press("space")
        lines = app.lines()
        assert sum(line.startswith("▌") for line in lines) == 1
        assert sum(line.startswith("◆") for line in lines) == 1
        for glyph in "●○↻‖✗⊘":
            assert any(f"{glyph} " in line for line in lines), glyph


async def test_reduced_motion_keeps_the_piece_still(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(size=(120, 36)) as app:
        first, *_ = await app.fill(1)
        app.service.advance(1)
        app.service.change(first, total_bytes=None)
        await app.update()
        clock = [1000.0]
        monkeypatch.setattr("rheo_tui.widgets.table.time.time", lambda: clock[0])

        def bars() -> set[str]:
            seen = set()
            for _ in range(5):
                clock[0] += 0.25
                seen.add(app.table.render_line(1).text)
            return seen

        assert len(bars()) == 5
        app.app.animation_level = "none"
        assert len(bars()) == 1
