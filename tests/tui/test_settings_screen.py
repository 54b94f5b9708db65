"""The screen of all settings: search, change, check, preview, the file."""

import tomllib
from contextlib import nullcontext
from pathlib import Path

import pytest
from rich.text import Text
from textual.widgets import Input, OptionList, Static

from rheo_core.config.settings import GROUPS, Settings
from rheo_tui.screens.key_editor import KeyEditorScreen
from rheo_tui.screens.settings import SettingsScreen
from rheo_tui.setting_texts import TABLES, Setting, all_settings, changed
from rheo_tui.themes import NAMES
from rheo_tui.widgets.choice_list import ChoiceList
from tests.tui.driving import Driver, running
from tests.tui.fake_service import FakeService


async def edit(app: Driver, search: str, *keys: str) -> SettingsScreen:
    """Open the settings, search, and begin to change the first that is found."""
    await app.press(",", *search, "enter", *keys)
    screen = app.app.screen
    assert isinstance(screen, SettingsScreen)
    return screen


def problem(screen: SettingsScreen) -> str:
    return str(screen.query_one("#settings-problem").render())


def help_of(screen: SettingsScreen) -> str:
    return str(screen.query_one("#settings-help").render())


def test_every_setting_has_a_title_a_group_and_a_meaning() -> None:
    names = list(Settings.model_fields)
    assert next(iter(GROUPS)) == names[0]
    assert set(GROUPS) <= set(names)
    for setting in all_settings(Settings()):
        assert setting.label != setting.name
        assert setting.group
        assert "Default:" in setting.help


@pytest.mark.parametrize("name", [n for n in Settings.model_fields if n not in TABLES])
def test_the_text_of_a_setting_is_read_as_the_same_value(name: str) -> None:
    settings = Settings(
        speed_limit="1500K",
        schedule=["08:00-18:00 2M", "23:00-06:00 off"],
        on_complete=["notify", "a b"],
        timeout=2.5,
    )
    (text,) = (each.text for each in all_settings(settings) if each.name == name)
    assert changed(settings, name, text) == settings


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_no_text_means_the_default(name: str) -> None:
    settings = Settings(speed_limit="1500K", schedule=["08:00-18:00 2M"], max_concurrent=9)
    usual = Settings()
    assert getattr(changed(settings, name, " "), name) == getattr(usual, name)


async def test_a_change_is_checked_while_typing_and_saved() -> None:
    async with running() as app:
        screen = await edit(app, "parallel", *"9999")
        assert "Parallel downloads = '9999' is not valid" in problem(screen)
        assert "1 to 4,096" in problem(screen)
        await app.press("enter")
        assert not app.called("change_settings")
        await app.press("backspace", "backspace", "backspace")
        assert not problem(screen)
        await app.press("enter")
        await app.until(lambda: app.called("change_settings"))
        assert app.service.settings.max_concurrent == 9
        await app.until(lambda: problem(screen) == "Saved.")
        await app.press("escape", "escape")
        assert app.app.screen is app.main


@pytest.mark.parametrize(
    ("words", "label"), [("parallel", "Parallel downloads"), ("colours", "Colours")]
)
async def test_a_value_has_its_name_in_sight_on_the_smallest_screen(words: str, label: str) -> None:
    async with running(size=(40, 10)) as app:
        await edit(app, words)
        assert f" Settings: {label} " in app.screen_text()
        await app.press("escape")
        assert " Settings ─" in app.screen_text()


async def test_what_was_typed_stays_after_esc() -> None:
    async with running() as app:
        screen = await edit(app, "parallel", "9", "9", "escape")
        assert not screen.query_one("#settings-value").display
        await app.press("enter")
        assert screen.query_one("#settings-value", Input).value == "99"
        await app.press("escape")
        assert not app.called("change_settings")


async def test_limits_are_shown_as_they_are_typed() -> None:
    async with running(FakeService(speed_limit="1500K", schedule=["08:00-18:00 2M"])) as app:
        screen = await edit(app, "schedule")
        value = screen.query_one("#settings-value", Input)
        assert value.value == "08:00-18:00 2M"
        value.value = "23:00-06:00 off; 25:00-26:00 2M"
        await app.until(lambda: problem(screen).startswith("Schedule = "))
        value.value = "Sat,Sun 00:00-24:00 off;08:00-18:00 1M"
        await app.press("enter")
        await app.until(lambda: app.called("change_settings"))
        assert app.service.settings.schedule == ("Sat,Sun 00:00-24:00 off", "08:00-18:00 1M")
        assert app.service.settings.speed_limit == 1_500_000


async def test_colours_are_shown_while_moving_and_kept_by_enter() -> None:
    async with running() as app:
        screen = await edit(app, "colours", "down")
        await app.until(lambda: app.app.theme == NAMES[1])
        await app.press("escape")
        await app.until(lambda: app.app.theme == NAMES[0])
        await app.press("enter", "down", "enter")
        await app.until(lambda: app.service.settings.theme == NAMES[1])
        assert app.app.theme == NAMES[1]
        assert problem(screen) == "Saved."


async def test_the_help_line_explains_the_setting_under_the_cursor() -> None:
    async with running() as app:
        await app.press(",", "down")
        screen = app.app.screen
        assert isinstance(screen, SettingsScreen)
        assert "max_concurrent" in help_of(screen)
        await app.press(*"zzz")
        assert "No setting contains" in problem(screen)
        assert screen.query_one("#settings-list", OptionList).option_count == 0
        await app.press("enter", "escape", "escape")
        assert app.app.screen is app.main


async def test_a_search_takes_no_slash_at_its_beginning_and_end_goes_to_the_last() -> None:
    async with running() as app:
        await app.press(",", "slash", *"th/eme")
        assert app.app.screen.query_one("#settings-search", Input).value == "th/eme"
        help_line = app.app.screen.query_one("#settings-help", Static)
        assert not str(help_line.content)  # of a setting that is not shown any more
        await app.press("escape", "end")
        options = app.app.screen.query_one("#settings-list", ChoiceList)
        assert options.highlighted == options.option_count - 1
        await app.press("home")
        assert options.highlighted == 1


async def test_one_esc_leaves_the_keys_and_one_the_settings() -> None:
    async with running() as app:
        await app.press(",", *"key", "enter")
        await app.until(lambda: isinstance(app.app.screen, KeyEditorScreen))
        await app.press("escape")
        await app.until(lambda: isinstance(app.app.screen, SettingsScreen))
        await app.press("escape")
        await app.until(lambda: app.app.screen is app.main)


async def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with running() as app:
        screen = await edit(app, "folder")
        screen.query_one("#settings-value", Input).value = str(tmp_path / "file" / "sub")
        await app.press("enter")
        assert "Cannot use folder" in problem(screen)
        assert not app.called("change_settings")


async def test_no_value_is_cut_before_the_first_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[str] = []
    row_of = SettingsScreen._row

    def noted(screen: SettingsScreen, setting: Setting) -> Text:
        row = row_of(screen, setting)
        if setting.name == "download_dir":
            rows.append(row.plain)
        return row

    monkeypatch.setattr(SettingsScreen, "_row", noted)
    async with running(FakeService(download_dir="/srv/downloads"), size=(80, 24)) as app:
        await app.press(",")
    assert rows and all("/srv/downloads" in row for row in rows)


@pytest.mark.parametrize("name", TABLES)
def test_the_example_of_a_table_is_valid_in_the_file(name: str) -> None:
    assert getattr(Settings.model_validate(tomllib.loads(TABLES[name])), name)


@pytest.mark.parametrize("name", TABLES)
async def test_the_example_of_a_table_is_whole_at_80_columns(name: str) -> None:
    async with running(size=(80, 24)) as app:
        await app.press(",", *f"[{name}")
        about, example = app.app.screen.query_one("#settings-help"), TABLES[name].splitlines()
        lines = [line.text.strip() for line in about.render_lines(about.region.reset_offset)]
        assert lines[-len(example) :] == example


async def test_the_file_is_opened_in_the_editor_and_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "new" / "settings.toml"
    my_editor, opened = tmp_path / "my-editor", tmp_path / "opened"
    my_editor.write_text(f'#!/bin/sh\necho "$@" >> {opened}\n')
    my_editor.chmod(0o700)
    monkeypatch.setenv("VISUAL", "")
    monkeypatch.setenv("EDITOR", f"{my_editor} --wait")
    monkeypatch.setattr("textual.app.App.suspend", lambda _: nullcontext())
    service = FakeService()
    async with running(service) as app:
        await app.press(",", "ctrl+o")
        screen = app.app.screen
        assert isinstance(screen, SettingsScreen)
        assert "no file" in problem(screen)
        await app.press("escape")
        service.file = file
        await app.press(",", "ctrl+o")
        assert opened.read_text() == f"--wait {file}\n"
        assert file.parent.is_dir()
        assert app.called("reload_settings")
        await app.press("E", "tab", "E")  # the first one is typed into the search
        assert app.app.screen.query_one("#settings-search", Input).value == "E"
        assert len(opened.read_text().splitlines()) == 2
        for name in ("rules", "request", "hosts", "tabs"):
            await app.press("slash", "escape", *name, "enter")
        assert len(opened.read_text().splitlines()) == 6


async def test_an_unknown_theme_never_ends_the_app() -> None:
    async with running(FakeService(theme="nor")) as app:
        assert app.app.theme == NAMES[0]
        assert "Unknown theme “nor”; did you mean nord? Themes: rheo-dark, " in app.messages()
        await app.command("set theme no\u200br")
        assert "Unknown theme “no" in app.messages() and not app.called("change_settings")
        await app.press("escape")
        await app.command("set theme nord")
        await app.until(lambda: app.app.theme == "nord")
        app.service.settings = app.service.settings.model_copy(update={"theme": "x"})
        await app.main._reload_settings()  # as after a change of the file
        await app.until(lambda: "Unknown theme “x”" in app.messages())
        assert app.app.theme == NAMES[0]


async def test_labels_and_the_folder_are_whole_in_a_narrow_terminal() -> None:
    async with running(FakeService(download_dir=Path("~/Downloads")), size=(40, 10)) as app:
        await app.press(",")
        screen = app.app.screen
        assert isinstance(screen, SettingsScreen)
        listed = screen.query_one("#settings-list", OptionList)
        await app.until(lambda: listed.size.width)
        await app.pilot.pause()
        lines = [str(option.prompt) for option in listed.options]
        for setting in all_settings(app.service.settings):
            assert any(setting.label in line for line in lines), setting.label
        assert any(line.split() == ["Folder", "~/Downloads"] for line in lines), lines


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (120, 36)])
async def test_the_chosen_setting_is_always_in_sight(size: tuple[int, int]) -> None:
    async with running(size=size) as app:
        await app.press(",", "tab")
        listed = app.app.screen.query_one("#settings-list", OptionList)
        assert listed.has_focus
        for key, at in (("G", listed.option_count - 1), ("g", 1), ("end", listed.option_count - 1)):
            await app.press(key)
            assert listed.highlighted == at
            shown = range(listed.scroll_offset.y, listed.scroll_offset.y + listed.size.height)
            assert at in shown
        while listed.highlighted != 1:
            await app.press("up")
            assert listed.highlighted is not None
            line = listed.highlighted - listed.scroll_offset.y
            assert 0 <= line < listed.size.height
