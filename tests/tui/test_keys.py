from datetime import datetime
from pathlib import Path

import pytest
from textual.containers import Vertical, VerticalScroll

from rheo_core.domain import DownloadStatus
from rheo_tui.actions import ACTIONS, BY_ID, FAMILIES, family_keys
from rheo_tui.screens.confirm import QuitScreen
from rheo_tui.screens.help import HelpScreen
from rheo_tui.screens.menu import MenuScreen
from rheo_tui.screens.settings import SettingsScreen
from rheo_tui.screens.sort import SortScreen
from rheo_tui.services.event_log import LogLine
from rheo_tui.tabs import TABS
from rheo_tui.widgets.command_line import CommandLine
from rheo_tui.widgets.details import DetailsPane
from rheo_tui.widgets.filter_bar import FilterBar
from rheo_tui.widgets.footer import StatusFooter
from rheo_tui.widgets.log_pane import LogPane
from tests.tui.driving import Driver, plain_lines, running
from tests.tui.fake_service import FakeService


async def test_pause_resume_cancel_retry() -> None:
    async with running() as app:
        first, *_ = await app.fill()
        await app.press("p")
        assert app.service.rows[first].status is DownloadStatus.PAUSED
        await app.press("p")
        assert app.service.rows[first].status is DownloadStatus.QUEUED
        await app.press("c")
        assert app.service.rows[first].status is DownloadStatus.CANCELLED
        await app.press("r")
        assert app.service.rows[first].status is DownloadStatus.QUEUED


async def test_remove_and_undo() -> None:
    async with running() as app:
        first, second, third = await app.fill()
        await app.press("x")
        assert set(app.service.rows) == {second, third}
        assert len(app.table.model.shown) == 2
        await app.press("u")
        assert set(app.service.rows) == {first, second, third}
        assert app.table.model.shown[0] == first


async def test_actions_apply_to_marked_rows() -> None:
    async with running() as app:
        first, second, third = await app.fill()
        await app.press("space", "space")
        assert app.table.model.marked == {first, second}
        await app.press("p")
        assert app.called("pause") == [[first, second]]
        await app.press("^")
        assert app.table.model.marked == {third}
        await app.press("*")
        assert app.table.model.marked == {first, second, third}
        await app.press("*")
        assert not app.table.model.marked
        await app.press("space", "escape")
        assert not app.table.model.marked


async def test_priority_and_place() -> None:
    async with running() as app:
        first, second, third = await app.fill()
        await app.press("J")
        assert app.table.model.shown == [second, first, third]
        await app.press("K")
        assert app.table.model.shown == [first, second, third]
        await app.press("G", "+")
        assert app.table.model.shown == [third, first, second]
        await app.press("-")
        assert app.service.rows[third].priority == 1
        await app.press("*", "+")
        await app.until(lambda: "Priority is 2 for 3 downloads" in app.messages())
        await app.press("*", "G", "+")
        await app.until(lambda: "Priority is 3 for file-00002.iso" in app.messages())
        await app.press("*", "-")
        await app.until(lambda: "Priority is 1 to 2 for 3 downloads" in app.messages())


async def test_retry_all_failed() -> None:
    async with running() as app:
        first, second, _ = await app.fill()
        app.service.fail(first, "404 Not Found")
        app.service.fail(second, "410 Gone")
        await app.update()
        await app.press("R")
        assert app.called("retry") == [[first, second]]


async def test_clear_the_finished_keeps_the_failed() -> None:
    async with running() as app:
        first, second, third = await app.fill()
        await app.press("X")
        assert "No download has finished." in app.messages()
        app.service.fail(first, "404 Not Found")
        app.service.change(second, status=DownloadStatus.COMPLETED)
        app.service.change(third, status=DownloadStatus.SKIPPED)
        await app.update()
        await app.press("X")
        assert app.called("remove") == [[second, third]]
        await app.press("u")
        assert app.called("restore") == [[second, third]]


async def test_speed_limit_steps() -> None:
    async with running() as app:
        await app.press("[")
        assert app.called("set_speed_limit") == [50_000_000]
        await app.press("[", "]", "]")
        assert app.called("set_speed_limit")[1:] == [20_000_000, 50_000_000, None]
        await app.press("]")
        assert "There is no speed limit to raise." in app.messages()


@pytest.mark.parametrize(
    ("speed", "limit"),
    [
        (0.0, 50_000_000),
        (30.0, 100_000),
        (100_000.0, 100_000),
        (3_400_000.0, 2_000_000),
        (9e9, 50_000_000),
    ],
)
async def test_the_first_limit_is_below_the_present_speed(speed: float, limit: int) -> None:
    async with running() as app:
        (only,) = await app.fill(1)
        app.service.change(only, status=DownloadStatus.IN_PROGRESS, speed_bps=speed)
        await app.update()
        await app.press("[")
        assert app.called("set_speed_limit") == [limit]


async def test_the_menu_marks_the_present_limit() -> None:
    async with running() as app:
        first, second = await app.fill(2)
        for limit, marked in ((None, "No limit (now)"), (2_000_000, "2 MB/s (now)")):
            for row in (first, second):
                app.service.change(row, speed_limit_bps=limit)
            await app.update()
            await app.press("*", "L")
            assert [each for each in menu_lines(app) if "(now)" in each] == [marked]
            await app.press("escape", "*")
        app.service.change(second, speed_limit_bps=None)
        await app.update()
        await app.press("*", "L")
        assert not any("(now)" in each for each in menu_lines(app))


def menu_lines(app: Driver) -> list[str]:
    screen = app.app.screen
    assert isinstance(screen, MenuScreen)
    return [item.title for item in screen._items]


async def test_slow_mode_and_back() -> None:
    async with running() as app:
        await app.press("[", "t")
        assert "Slow mode is on: 100 kB/s in total." in app.messages()
        await app.press("t")
        assert app.called("set_speed_limit") == [50_000_000]
        assert app.called("set_slow") == [True, False]


async def test_disabled_actions_explain_themselves() -> None:
    async with running() as app:
        await app.press("c")
        assert "Nothing is selected." in app.messages()
        first, *_ = await app.fill()
        app.service.change(first, status=DownloadStatus.COMPLETED)
        await app.update()
        await app.press("c")
        assert "This download is already done." in app.messages()
        await app.press("r")
        assert "This download has not failed; it is done." in app.messages()
        assert not app.called("cancel")
        await app.press("u")
        assert "There is nothing to undo." in app.messages()


async def test_filter_is_live_and_escape_clears_it() -> None:
    async with running() as app:
        await app.fill(20)
        await app.press("slash", *"0001")
        bar = app.main.query_one(FilterBar)
        assert len(app.table.model.shown) == 11
        assert "11 of 20" in str(bar.query_one("#filter-count").render())
        await app.press("enter")
        assert app.app.focused is app.table
        await app.press("escape")
        assert not bar.display
        assert len(app.table.model.shown) == 20


async def test_sort_picker_and_header_click() -> None:
    async with running() as app:
        ids = await app.fill()
        await app.press("s")
        assert isinstance(app.app.screen, SortScreen)
        await app.press("down", "enter")
        assert app.table.model.sort.column.id == "name"
        await app.pilot.click(app.table, offset=(5, 0))
        assert app.table.model.sort.descending
        assert app.table.model.shown == ids[::-1]
        assert "Name ▼" in app.lines()[0]
        await app.press("J")
        assert "not sorted by queue order" in app.messages()


async def test_mouse_selects_marks_and_opens() -> None:
    async with running() as app:
        _, second, third = await app.fill()
        await app.pilot.click(app.table, offset=(10, 3))
        assert app.table.current and app.table.current.id == third
        await app.pilot.click(app.table, offset=(0, 2))
        assert app.table.model.marked == {second}
        await app.pilot.click(app.table, offset=(10, 2), times=2)
        await app.until(lambda: app.main.query_one(DetailsPane).display)


async def test_moving_in_a_long_list() -> None:
    async with running() as app:
        await app.fill(200)
        await app.press("G")
        assert app.table.cursor == 199
        assert "file-00199.iso" in app.lines()[-1]
        await app.press("pageup", "k")
        assert app.table.cursor == 199 - app.table.page_size - 1
        await app.press("g")
        assert app.table.cursor == app.table.scroll_offset.y == 0


async def test_details_and_log() -> None:
    async with running() as app:
        first, *_ = await app.fill()
        app.service.fail(first, "The disk is full")
        await app.update()
        await app.press("enter", "l")
        details = app.main.query_one(DetailsPane)
        assert details.display
        await app.until(lambda: plain_lines(app.main.query_one(LogPane)))
        assert any("The disk is full" in line for line in plain_lines(app.main.query_one(LogPane)))
        assert "The disk is full" in app.app.export_screenshot().replace("&#160;", " ")
        await app.press("enter", "l")
        assert not details.display
        assert not app.main.query_one(LogPane).display


async def test_the_log_folds_what_many_downloads_have_in_common() -> None:
    async with running() as app:
        await app.press("l")
        log = app.main.event_log
        for number in range(20):
            log.write(LogLine(0.0, "paused", download_id=f"{number}", name=f"{number}.iso"))
        for number in range(3):
            log.write(LogLine(0.0, "resumed", download_id=f"{number}", name=f"{number}.iso"))
        for number in range(4):
            log.write(LogLine(0.0, "✗ HTTP 404", "bad", f"{number}", f"bad{number}.iso"))
        pane = app.main.query_one(LogPane)
        pane.update_lines()
        words = [" ".join(line.split()[1:]) for line in plain_lines(pane)]
        assert words[-8:] == [
            "20 downloads paused",
            *(f"{number}.iso resumed" for number in range(3)),
            *(f"bad{number}.iso ✗ HTTP 404" for number in range(4)),
        ]
        assert len(log.of("7")) == 1  # the inspector shows them all


async def test_copy_and_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with running(FakeService(download_dir=tmp_path)) as app:
        await app.fill()
        await app.press("y", "y")
        assert app.app.clipboard == "https://example.org/files/file-00000.iso?token=secret"
        monkeypatch.setattr("rheo_tui.file_manager.shutil.which", lambda _: None)
        monkeypatch.setenv("DISPLAY", ":0")
        await app.press("f")
        await app.until(lambda: "is not installed. Sent its path" in app.messages())
        assert app.app.clipboard == str(tmp_path)


async def test_without_a_desktop_the_path_is_sent_and_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "Downloads"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("rheo_tui.file_manager.shutil.which", lambda _: None)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    async with running(FakeService(download_dir=folder), size=(80, 24)) as app:
        await app.press("f")
        sentence = "No desktop here. Sent ~/Downloads to the terminal's clipboard."
        await app.until(lambda: app.messages() == sentence)
        assert app.main.query_one(StatusFooter).size.height == 1
        assert app.app.clipboard == str(folder)


@pytest.mark.parametrize(
    ("said", "display", "reason"),
    [
        ("", ":0", "xdg-open failed (exit status 3)"),
        (
            "xdg-open: first\nxdg-open: file://{}: no\x1b program.",
            ":0",
            "xdg-open failed: no� program",
        ),
    ],
)
async def test_a_desktop_that_cannot_open_a_folder_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, display: str, reason: str
) -> None:
    (tmp_path / "said").write_text(said.format(tmp_path))
    opener = tmp_path / "xdg-open"
    opener.write_text(f"#!/bin/sh\ncat {tmp_path}/said >&2\nexit 3\n")
    opener.chmod(0o755)
    monkeypatch.setattr("rheo_tui.file_manager._OPENERS", (str(opener),))
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    async with running(FakeService(download_dir=tmp_path)) as app:
        await app.press("f")
        expected = f"Cannot open {tmp_path}: {reason}. Sent its path to the terminal's clipboard."
        await app.until(lambda: expected in app.messages())
        assert app.app.clipboard == str(tmp_path)
        opener.write_text("#!/bin/sh\nexit 0\n")
        await app.press("f")
        await app.until(lambda: f"Opened {tmp_path}." in app.messages())


async def test_command_line() -> None:
    async with running() as app:
        ids = await app.fill()
        line = app.main.query_one(CommandLine)
        await app.command("cancel 0000")
        assert "No download ID starts with “0000”" in app.messages()
        assert line.display
        await app.press("escape")
        await app.command(f"cancel {ids[1][:6]}")
        assert app.called("cancel") == [[ids[1]]]
        assert not line.display
        await app.command("limit all 2M")
        assert app.called("set_speed_limit") == [2_000_000]
        assert "Speed limit is 2 MB/s for all downloads." in app.messages()


async def test_commands_for_marked_or_selected_downloads() -> None:
    async with running() as app:
        first, second, third = (await app.fill())[:3]
        await app.command("limit 500K")
        assert app.called("limit_each") == [(500_000, [first])]
        assert "Speed limit is 500 kB/s for file-00000.iso." in app.messages()
        await app.press("space", "space")
        await app.command("limit off")
        await app.command("at 2126-01-01T10:00")
        assert "Starts 2 downloads at 2126-01-01 10:00." in app.messages()
        await app.command("at now")
        assert "2 downloads start as soon as they can." in app.messages()
        assert app.called("limit_each")[1:] == [(None, [first, second])]
        at = datetime(2126, 1, 1, 10).timestamp()
        assert app.called("set_start") == [([first, second], at), ([first, second], None)]
        assert app.service.rows[third].start_at is None


async def test_commands_that_stop() -> None:
    async with running() as app:
        ids = await app.fill(1)
        await app.command("stop-after 5G")
        await app.command("stop-after off")
        assert app.called("stop_after") == [5_000_000_000, None]
        await app.command("quit-when-done")
        assert app.app.is_running
        app.service.change(ids[0], status=DownloadStatus.COMPLETED)
        await app.update()
        assert app.called("close") == [None]


async def test_help_and_palette_come_from_the_registry() -> None:
    async with running(size=(120, 3 * len(ACTIONS))) as app:
        await app.press("?")
        assert isinstance(app.app.screen, HelpScreen)
        shown = app.app.export_screenshot().replace("&#160;", " ")
        together = {each for ids in FAMILIES.values() for each in ids}
        assert all(each.title in shown for each in ACTIONS if each.id not in together)
        assert all(title in shown for title in FAMILIES) and together <= BY_ID.keys()
        await app.press("escape", "ctrl+p")
        await app.until(lambda: "disabled: nothing is selected" in app.screen_text())
        await app.press(*"sett", "enter")
        await app.until(lambda: isinstance(app.app.screen, SettingsScreen))
        await app.press("escape", "ctrl+p", *"theme", "enter")  # only its help has this word
        await app.until(lambda: isinstance(app.app.screen, SettingsScreen))


async def test_keys_can_be_chosen() -> None:
    async with running(FakeService(keys={"help": "f1", "pause": "z", "nonsense": "q"})) as app:
        first, *_ = await app.fill()
        assert "Unknown actions in the keys setting: nonsense" in app.messages()
        await app.press("p")
        assert not app.called("pause")
        await app.press("z")
        assert app.called("pause") == [[first]]
        assert " z resume " in app.main.query_one(StatusFooter).render().plain
        await app.press("f1")
        assert isinstance(app.app.screen, HelpScreen)


async def test_quit_asks_only_while_downloads_run() -> None:
    async with running() as app:
        await app.fill()
        app.service.advance(1)
        await app.update()
        await app.press("q")
        assert isinstance(app.app.screen, QuitScreen)
        assert (
            "Partial data is kept" in app.screen_text()
            and "Enter quit · Esc stay" in app.screen_text()
        )
        await app.press("n")
        assert not app.service.closed
        await app.press("q")
        await app.pilot.press("y")
        await app.until(lambda: app.service.closed)
    async with running() as app:
        await app.pilot.press("q")
        await app.until(lambda: app.service.closed)
        assert app.called("close") == [None]


async def test_errors_of_the_engine_do_not_end_the_app() -> None:
    service = FakeService()
    async with running(service) as app:
        await app.fill()
        service.fail_with = RuntimeError("engine on fire [/b]")
        await app.press("p")
        assert "Pause or resume: engine on fire [/b]." in app.messages()
        assert any("on fire" in line.text for line in app.main.event_log.lines)
        await app.press("p")
        assert app.called("pause")


async def test_help_is_searched_while_typing() -> None:
    async with running(size=(120, 36)) as app:
        await app.press("?", *"undo")
        assert "Remove from the list" not in app.screen_text()
        assert "Undo" in app.screen_text()
        await app.press(*" xyz")
        assert "No action contains “undo xyz”." in app.screen_text()
        await app.press("escape")
        assert "Remove from the list" in app.screen_text()
        await app.press("?")
        assert app.app.screen is app.main


async def test_all_keys_fit_on_one_screen_and_a_lower_one_shows_that_there_are_more() -> None:
    async with running(size=(120, 36)) as app:
        await app.press("question_mark")
        scroll = app.app.screen.query_one(VerticalScroll)
        dialog = app.app.screen.query_one(".dialog", Vertical)
        assert scroll.max_scroll_y == 0 and not dialog.border_subtitle
        await app.pilot.resize_terminal(80, 24)
        await app.until(lambda: "more" in (dialog.border_subtitle or ""))
        assert scroll.max_scroll_y > 0
        await app.press("pagedown", "pagedown", "pagedown")
        await app.until(lambda: not dialog.border_subtitle)


@pytest.mark.parametrize(
    ("ids", "keymap", "keys"),
    [
        ([f"tab_{tab.id}" for tab in TABS], {}, "1-7"),
        ([f"tab_{tab.id}" for tab in TABS], {"tab_all": "f2"}, "F2 2 3 4 5 6 7"),
        (["move_top", "move_bottom"], {}, "Ctrl+Home End"),
        (["move_top", "move_bottom"], {"move_bottom": "alt+b"}, "Ctrl+Home …"),
        (["first", "last"], {}, "Home g End G"),
        (["priority_up", "priority_down"], {}, "+ -"),
        (["range_up", "range_down", "range_first"], {}, "Shift+↑ ↓ Home"),
    ],
)
def test_the_keys_of_actions_that_belong_together(
    ids: list[str], keymap: dict[str, str], keys: str
) -> None:
    assert family_keys([BY_ID[each] for each in ids], keymap, 14) == keys
