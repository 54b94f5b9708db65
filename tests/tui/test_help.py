"""The help in the context of the dialog that it is called from."""

import re
from collections.abc import Sequence

import pytest
from textual import events
from textual.containers import VerticalScroll
from textual.widgets import Input, OptionList, TextArea

from rheo_core.domain.exceptions import HttpStatusError
from rheo_tui.screens.add import AddScreen
from rheo_tui.screens.failures import FailuresScreen
from rheo_tui.screens.help import HelpScreen
from rheo_tui.screens.key_editor import KeyEditorScreen
from rheo_tui.widgets.command_line import CommandLine
from rheo_tui.widgets.filter_bar import FilterBar
from rheo_tui.widgets.keys_line import KeysLine
from tests.tui.driving import Driver, running
from tests.tui.fake_service import FakeService


def lines(app: Driver) -> list[str]:
    """Return the lines of the open help."""
    screen = app.app.screen
    assert isinstance(screen, HelpScreen)
    shown = screen.query_one("#help-keys")
    return [shown.render_line(y).text.strip() for y in range(shown.size.height)]


@pytest.mark.parametrize(
    ("opening", "key", "line"),
    [
        (["!"], "?", "x       Remove"),
        (["!"], "f1", "x       Remove"),
        ([","], "f1", "Ctrl+O  Open the file"),
        ([",", "tab"], "?", "E Ctrl+O  Open the file"),
        (["a"], "f1", "Ctrl+J        New line"),
        (["e"], "f1", "Enter Ctrl+S  Save"),
        (["o"], "f1", "↓             Choose a path"),
        (["h"], "?", "d Del   Forget"),
        (["|"], "?", "0        Auto"),
        (["s"], "?", "Enter  Sort"),
        (["."], "?", "Enter  Choose"),
        ([",", *"keys", "enter"], "?", "Backspace Del  Reset"),
    ],
)
@pytest.mark.parametrize("closing", ["the same", "f1", "escape"])
@pytest.mark.halved("opening", "closing")
async def test_a_dialog_s_own_keys_come_first(
    opening: Sequence[str], key: str, line: str, closing: str
) -> None:
    async with running(size=(60, 40)) as app:  # the help has one column
        ids = await app.fill()
        app.service.fail(ids[0], HttpStatusError(403, "Forbidden"))
        await app.update()
        await app.press(*opening)
        dialog = app.app.screen
        await app.press(key)
        heading, *keys = lines(app)
        assert heading == "In this dialog"
        assert " ".join(line.split()) in [" ".join(each.split()) for each in keys]
        assert "Add links" in " ".join(lines(app))  # further down: all actions
        await app.press(key if closing == "the same" else closing)
        assert app.app.screen is dialog


async def test_what_was_typed_is_there_when_the_help_closes() -> None:
    async with running() as app:
        await app.press("a", *"http://x/?", "f1")
        assert isinstance(app.app.screen, HelpScreen)
        await app.press("f1", "y")
        assert app.app.screen.query_one(TextArea).text == "http://x/?y"
        await app.press("escape", ",", *"parallel", "enter", "7", "f1", "escape", "?")
        assert app.app.screen.query_one("#settings-value", Input).value == "7?"
        await app.press("escape", "escape", "escape", "/", *"ab", "f1", "?", "c")
        assert app.main.query_one(FilterBar).query_one(Input).value == "abc"
        await app.press("escape", ":", *"se", "f1", "f1", "t")
        assert app.main.query_one(CommandLine).query_one(Input).value == "set"


async def test_keys_that_a_text_input_takes_are_left_out() -> None:
    async with running(size=(60, 40)) as app:
        await app.press(",", "f1")
        here = lines(app)[: lines(app).index("")]
        assert not {"/", "E"} & {line.split()[0] for line in here}
        await app.press("f1", "tab", "f1")
        here = lines(app)[: lines(app).index("")]
        assert {"/", "E"} <= {line.split()[0] for line in here}


async def test_the_cursor_of_a_list_stays_below_the_help() -> None:
    async with running() as app:
        ids = await app.fill()
        for code, each in zip((403, 404, 500), ids, strict=True):
            app.service.fail(each, HttpStatusError(code, "No"))
        await app.update()
        await app.press("!", "down", "down", "?", "?")
        screen = app.app.screen
        assert isinstance(screen, FailuresScreen)
        assert screen.query_one(OptionList).highlighted == 2


async def test_the_user_s_key_for_the_help_works_in_dialogs() -> None:
    async with running(FakeService(keys={"help": "f2", "log": "f1"})) as app:
        await app.press("h", "?")
        assert not isinstance(app.app.screen, HelpScreen)
        await app.press("f2")
        assert isinstance(app.app.screen, HelpScreen)
        await app.press("f2")
        assert not isinstance(app.app.screen, HelpScreen)
        await app.press("escape", "f1")
        assert app.app.screen is app.main  # there F1 is the key of the log


async def test_a_key_that_the_key_editor_waits_for_opens_no_help() -> None:
    async with running() as app:
        await app.press(",", *"keys", "enter", "enter", "f1")
        assert isinstance(app.app.screen, KeyEditorScreen)
        problem = app.app.screen.query_one("#keys-problem")
        assert "F1 is the key of “Show help”" in str(problem.render())


async def test_the_keys_of_the_dialog_are_searched_too() -> None:
    async with running() as app:
        await app.press("h", "?", *"search")
        assert lines(app)[0].split() == ["/", "Search", "In", "this", "dialog"]


@pytest.mark.parametrize(
    ("item", "line"),
    [
        ("Enter save", ("Enter", "save")),
        ("K J move", ("K J", "move")),
        ("A O S all", ("A O S", "all")),
        ("↑↓ PgUp PgDn scroll", ("↑↓ PgUp PgDn", "scroll")),
        ("Ctrl+J new line", ("Ctrl+J", "new line")),
        ("1-3 presets", ("1-3", "presets")),
        ("F8 use the options", ("F8", "use the options")),
        ("Empty: remove the tab", ("", "Empty: remove the tab")),
        ("+ add", ("+", "add")),
        ("Esc", ("Esc", "")),
    ],
)
def test_an_item_is_divided_into_keys_and_their_effect(item: str, line: tuple[str, str]) -> None:
    assert KeysLine(f"{item} · Esc close").lines == [line, ("Esc", "close")]


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160, 200])
@pytest.mark.parametrize("opening", ["", ",", "h"])
@pytest.mark.halved("width", "opening")
async def test_no_title_is_cut(width: int, opening: str) -> None:
    async with running(size=(width, 100)) as app:
        await app.press(*opening, "f1")
        assert "Show failures by cause" in " ".join(lines(app))
        assert not any(re.search(r"\w…", line) for line in lines(app))  # "Shift+↑ …" are keys


@pytest.mark.parametrize("opening", [["?"], ["a", "f1"]])
async def test_links_that_are_pasted_into_the_help_are_added(opening: list[str]) -> None:
    async with running() as app:
        await app.press(*opening)
        assert isinstance(app.app.screen, HelpScreen)
        app.app.post_message(events.Paste("limit"))
        await app.until(lambda: app.app.screen.query_one(Input).value == "limit")
        app.app.post_message(events.Paste("https://example.org/a.iso"))
        await app.until(lambda: isinstance(app.app.screen, AddScreen))
        await app.until(lambda: "1 to add" in app.screen_text())
        assert app.app.screen.query_one(TextArea).text == "https://example.org/a.iso"
        await app.press("ctrl+s")
        await app.until(lambda: app.app.screen is app.main)


async def test_a_search_takes_no_slash_at_its_beginning_and_end_scrolls_to_the_end() -> None:
    async with running(size=(60, 20)) as app:
        await app.press("?", "slash", *"filter")
        screen = app.app.screen
        assert screen.query_one(Input).value == "filter"
        assert "No action" not in app.screen_text()
        await app.press("escape", "end")
        scroll = screen.query_one(VerticalScroll)
        assert scroll.scroll_target_y == scroll.max_scroll_y > 0
        await app.press("home")
        assert scroll.scroll_target_y == 0
