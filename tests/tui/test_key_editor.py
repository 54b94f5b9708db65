"""The editor of keys: one meaning each, presets, applied at once."""

import pytest

from rheo_tui.actions import ACTIONS, BY_ID
from rheo_tui.key_choices import PRESETS, keys_of, preset_of, with_keys
from rheo_tui.screens.key_editor import KeyEditorScreen
from tests.tui.driving import Driver, running


def said(app: Driver) -> str:
    return str(app.app.screen.query_one("#keys-problem").render())


async def open_editor(app: Driver) -> KeyEditorScreen:
    await app.press(",", *"keys", "enter")
    screen = app.app.screen
    assert isinstance(screen, KeyEditorScreen)
    return screen


@pytest.mark.parametrize("name", PRESETS)
def test_in_a_preset_each_key_has_one_meaning(name: str) -> None:
    keys = [key for action in ACTIONS for key in keys_of(action, PRESETS[name])]
    assert len(keys) == len(set(keys))
    assert set(PRESETS[name]) <= set(BY_ID)
    assert preset_of(PRESETS[name]) == name


@pytest.mark.parametrize("key", ["p", "q", "comma", "ctrl+c", "tab", "space"])
def test_a_key_with_a_meaning_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"is the key of|is taken"):
        with_keys({}, BY_ID["retry"], [key])


def test_the_usual_keys_need_no_setting() -> None:
    keymap = with_keys({}, BY_ID["retry"], ["alt+r"])
    assert keymap == {"retry": "alt+r"}
    assert with_keys(keymap, BY_ID["retry"], keys_of(BY_ID["retry"], {})) == {}


async def test_a_new_key_holds_at_once_and_is_saved() -> None:
    async with running() as app:
        await app.fill()
        screen = await open_editor(app)
        first = screen._current  # of the list
        assert first is not None
        assert first.id == "add"
        await app.press("enter", "p")
        assert "p is the key of “Pause or resume”" in said(app)
        await app.press("enter", "f2")
        await app.until(lambda: app.service.settings.keys == {"add": "f2"})
        assert said(app) == "Saved."
        await app.press("plus", "f3")
        await app.until(lambda: app.service.settings.keys == {"add": "f2,f3"})
        await app.press("escape", "escape", "escape")
        assert app.app.screen is app.main
        await app.press("a")
        assert app.app.screen is app.main
        await app.press("f2")
        await app.until(lambda: app.app.screen is not app.main)


async def test_escape_is_no_new_key_and_backspace_is_the_default() -> None:
    async with running() as app:
        await open_editor(app)
        await app.press("enter", "f2")
        await app.until(lambda: app.service.settings.keys == {"add": "f2"})
        await app.press("enter", "escape")
        assert isinstance(app.app.screen, KeyEditorScreen)
        assert app.service.settings.keys == {"add": "f2"}
        await app.press("backspace")
        await app.until(lambda: app.service.settings.keys == {})


async def test_a_preset_replaces_own_keys_only_after_a_question() -> None:
    async with running() as app:
        await open_editor(app)
        assert "2 vim · 3 emacs" in " ".join(app.screen_text().split())
        await app.press("enter", "f2")
        await app.until(lambda: app.service.settings.keys == {"add": "f2"})
        await app.press("2")
        assert "“vim” replaces the keys that you have chosen." in app.screen_text()
        await app.press("n")
        assert app.service.settings.keys == {"add": "f2"}
        await app.press("2", "y")
        await app.until(lambda: app.service.settings.keys == dict(PRESETS["vim"]))
        await app.press("1")  # nothing of the user's is lost
        await app.until(lambda: app.service.settings.keys == {})


async def test_a_preset_changes_all_keys() -> None:
    async with running() as app:
        await app.fill()
        screen = await open_editor(app)
        await app.press("3")
        await app.until(lambda: app.service.settings.keys == dict(PRESETS["emacs"]))
        await app.until(lambda: "emacs" in said(app))
        assert screen.query_one(".dialog").border_subtitle == "emacs"
        await app.press("1")
        await app.until(lambda: app.service.settings.keys == {})
