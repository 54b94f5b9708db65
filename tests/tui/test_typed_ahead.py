"""Keys that arrive together land where they would have landed one by one."""

import pytest
from textual import events
from textual.widgets import Input, TextArea

from rheo_tui.screens.settings import SettingsScreen
from rheo_tui.widgets.filter_bar import FilterBar
from tests.tui.driving import Driver, running

pytestmark = pytest.mark.usefixtures("patient_keys")
NAMES = {"/": "slash", ",": "comma", ":": "colon", "?": "question_mark", ".": "full_stop"}


def type_at_once(app: Driver, *keys: str) -> None:
    """Put keys into the queue of the app without waiting for an effect."""
    for key in keys:
        character = key if len(key) == 1 else None
        app.app.post_message(events.Key(NAMES.get(key, key), character))


async def test_text_for_a_dialog_that_is_not_open_yet() -> None:
    async with running() as app:
        await app.fill()
        type_at_once(app, "a", *"http://x/hq")  # h and q are keys of the list
        await app.until(lambda: app.app.screen.query(TextArea))
        box = app.app.screen.query_one(TextArea)
        await app.until(lambda: box.text == "http://x/hq")
        assert not app.service.closed


async def test_tab_moves_inside_the_dialog() -> None:
    async with running() as app:
        type_at_once(app, ",", "tab", "down", "enter", "7")
        await app.until(lambda: isinstance(app.app.screen, SettingsScreen))
        await app.until(lambda: app.app.screen.query("#settings-value"))
        field = app.app.screen.query_one("#settings-value", Input)
        await app.until(lambda: field.value == "7" and field.has_focus)
        assert "max_concurrent" in str(app.app.screen.query_one("#settings-help").render())


async def test_a_key_behind_the_end_of_a_dialog_goes_to_the_list() -> None:
    async with running() as app:
        first, second, _ = await app.fill()
        type_at_once(app, "?", "escape", "down", "p")
        await app.until(lambda: app.called("pause"))
        assert app.called("pause") == [[second]]
        assert first not in app.called("pause")[0]


async def test_enter_ends_the_filter_before_the_next_key() -> None:
    async with running() as app:
        ids = await app.fill(20)
        type_at_once(app, "/", *"0007", "enter", "x")
        await app.until(lambda: app.called("remove"))
        assert app.called("remove") == [[ids[7]]]
        assert app.main.query_one(FilterBar).display


@pytest.mark.parametrize("count", [1, 40])
async def test_no_key_is_lost(count: int) -> None:
    async with running() as app:
        await app.fill(50)
        type_at_once(app, *["down"] * count)
        await app.until(lambda: app.table.cursor == count)


async def test_keys_behind_a_paste_go_to_the_box_that_it_opens() -> None:
    async with running() as app:
        app.app.post_message(events.Paste("https://example.org/a\n"))
        type_at_once(app, "x", "y")
        await app.until(lambda: app.app.screen.query(TextArea))
        box = app.app.screen.query_one(TextArea)
        await app.until(lambda: box.text.replace("\n", "") == "https://example.org/axy")


async def test_what_waits_for_the_work_of_a_key_ends_with_the_app() -> None:
    async with running() as app:
        typed_ahead = app.app._typed_ahead
    assert not app.app.screen_stack
    typed_ahead._look_again(typed_ahead._turn)  # as a timer does that is due at the end
    typed_ahead._pass_on([], typed_ahead._turn)
