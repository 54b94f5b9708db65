"""The dialog that loads a list: complete a path, choose one, see what the file is."""

import os
from contextlib import nullcontext
from pathlib import Path

import pytest
from textual.widgets import Input, Static

from rheo_core.inputs import read_entries
from rheo_tui.app import RheoApp
from rheo_tui.list_kinds import kind_of
from rheo_tui.screen_memory import ScreenMemory
from rheo_tui.screens.entry_preview import EntryPreview
from rheo_tui.screens.load import LoadScreen
from rheo_tui.widgets.entry_table import EntryTable
from rheo_tui.widgets.keys_line import KeysLine
from rheo_tui.widgets.path_picker import PathPicker
from tests.tui.driving import Driver, running
from tests.tui.test_typed_ahead import type_at_once

SHA = "0" * 64


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the present folder, with lists in it."""
    lists = tmp_path / "here"
    (lists / "archive").mkdir(parents=True)
    (lists / "archive" / "old.txt").write_text("http://h/old\n")
    (lists / "links.txt").write_text("http://h/a\n  out=b\nhttp://h/c\n")
    (lists / ".hidden").write_text("http://h/x\n")
    (lists / "bad\x1bname").write_text("http://h/x\n")
    monkeypatch.chdir(lists)
    return lists


def path(app: Driver) -> Input:
    return app.app.screen.query_one("#path", Input)


def offered(app: Driver) -> list[str]:
    picker = app.app.screen.query_one(PathPicker)
    return [str(option.prompt).strip() for option in picker.options] if picker.display else []


def kind(app: Driver) -> str:
    line = app.app.screen.query_one("#list-kind", Static)
    return str(line.content) if line.display else ""


@pytest.mark.usefixtures("folder")
async def test_tab_completes_a_path_and_then_goes_on() -> None:
    async with running() as app:
        await app.press("o", *"ar", "tab")
        await app.until(lambda: path(app).value == "archive/")
        await app.press("o", "tab")
        await app.until(lambda: path(app).value == "archive/old.txt")
        await app.until(lambda: kind(app) == "list of URLs, 1 entry · 13 B")
        assert path(app).has_focus
        await app.press("tab")
        await app.until(lambda: not path(app).has_focus)
        await app.press("ctrl+s")
        await app.until(lambda: app.called("add") == [["http://h/old"]])


async def test_tab_completes_what_the_paths_have_in_common_and_then_goes_to_them(
    folder: Path,
) -> None:
    (folder / "lists.meta4").write_text("")
    (folder / "links-2.txt").write_text("http://h/z\n")
    async with running() as app:
        await app.press("o", "l", "tab")
        await app.until(lambda: path(app).value == "li")
        await app.press("n", "tab")
        await app.until(lambda: path(app).value == "links")
        assert path(app).has_focus
        await app.press("tab", "enter")
        await app.until(lambda: path(app).value == "links-2.txt")


@pytest.mark.usefixtures("folder")
async def test_the_down_key_goes_to_what_the_hint_names() -> None:
    async with running() as app:
        await app.press("o")
        keys = app.app.screen.query_one(KeysLine)
        await app.until(lambda: ("↓", "choose a path") in keys.lines)
        path(app).value = "links.txt"
        await app.until(lambda: ("↓", "entries") in keys.lines)
        await app.until(lambda: app.app.screen.query_one(EntryPreview).proposals)
        await app.press("down")
        await app.until(lambda: app.app.screen.query_one(EntryTable).has_focus)


async def test_enter_on_a_mistake_opens_the_file_in_the_editor(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "mixed").write_text("http://h/a\nhttp://\n")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s|http://$|http://h/b|" "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    monkeypatch.setattr(RheoApp, "suspend", nullcontext)
    async with running() as app:
        await app.press("o", *"mixed")
        count = app.app.screen.query_one(".verdict-count", Static)
        await app.until(lambda: "1 invalid" in str(count.content))
        await app.press("down", "enter")
        await app.until(lambda: str(count.content).startswith("2 to add"))


@pytest.mark.usefixtures("folder", "patient_keys")
async def test_tabs_typed_ahead_complete_too() -> None:
    async with running() as app:
        type_at_once(app, "o", *"ar", "tab", "o", "tab", "enter")
        await app.until(lambda: app.called("add") == [["http://h/old"]])


@pytest.mark.usefixtures("folder")
async def test_the_arrows_choose_a_folder_and_a_file_in_it() -> None:
    async with running() as app:
        await app.press("o")
        await app.until(lambda: app.app.screen.query("#path"))
        await app.until(lambda: offered(app) == ["archive/", "links.txt"])
        await app.press("down", "enter")
        await app.until(lambda: offered(app) == ["archive/old.txt"])
        assert path(app).value == "archive/"
        await app.press("enter")  # not a list yet: go to the choice
        assert app.app.screen.query_one(PathPicker).has_focus
        await app.press("enter")
        await app.until(lambda: path(app).value == "archive/old.txt")
        await app.until(lambda: kind(app))
        assert not offered(app)
        await app.press("enter")
        await app.until(lambda: app.called("add"))


async def test_recent_lists_come_first_and_are_kept(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "state" / "screen.json"
    async with running(memory=ScreenMemory(file)) as app:
        for name in ("links.txt", "archive/old.txt"):
            await app.press("o")
            await app.until(lambda: app.app.screen.query("#path"))
            path(app).value = name
            await app.until(lambda: kind(app))
            await app.press("enter")
            await app.until(lambda: app.app.screen is app.main)
    recent = [str(folder / "archive/old.txt"), str(folder / "links.txt")]
    os.chdir(tmp_path)
    async with running(memory=ScreenMemory.load(file)) as app:
        await app.press("o")
        await app.until(lambda: app.app.screen.query("#path"))
        await app.until(lambda: offered(app)[:3] == ["Recent lists", *recent])
        await app.press("down", "down", "enter")
        await app.until(lambda: path(app).value == recent[1])


@pytest.mark.usefixtures("folder")
async def test_a_wrong_path_says_so_and_offers_what_begins_like_it() -> None:
    async with running() as app:
        await app.press("o", *"li")
        count = app.app.screen.query_one(".verdict-count", Static)
        await app.until(lambda: str(count.content) == "Choose a path, or type more of it.")
        assert offered(app) == ["links.txt"]
        await app.press("q")
        await app.until(lambda: "Cannot read “liq”: No such file" in str(count.content))
        assert not offered(app)
        assert isinstance(app.app.screen, LoadScreen)


@pytest.mark.usefixtures("folder")
async def test_enter_keeps_the_sentence_on_a_path_that_cannot_be_read() -> None:
    async with running() as app:
        await app.press("o", "q", "enter")
        count = app.app.screen.query_one(".verdict-count", Static)
        assert str(count.content).startswith("Cannot read “q”: No such file")


@pytest.mark.parametrize("typed", ["~nobody-here", "~nobody-here/links.txt"])
async def test_the_home_folder_of_nobody_is_a_mistake_like_others(typed: str) -> None:
    async with running() as app:
        await app.press("o", *typed)
        said = f"Cannot read “{typed}”: the user does not exist."
        count = app.app.screen.query_one(".verdict-count", Static)
        await app.until(lambda: str(count.content) == said)
        await app.press("enter", "tab")
        assert str(count.content) == said
        assert isinstance(app.app.screen, LoadScreen)


async def test_what_to_do_about_the_rest_is_never_cut(folder: Path) -> None:
    (folder / "mixed").write_text("http://h/a\nhttp://\n")
    async with running(size=(40, 24)) as app:
        await app.press("o", *"mixed", "enter")
        await app.until(lambda: app.called("add") == [["http://h/a"]])
        await app.until(lambda: "1 line is not valid." in app.screen_text())
        await app.press("tab")
        table, keys = app.app.screen.query_one(EntryTable), app.app.screen.query_one(KeysLine)
        assert table.has_focus and keys.lines[-1] == ("Esc", "close")
        assert len(app.app.screen.query_one(EntryPreview).proposals) == 1  # only the rest


@pytest.mark.usefixtures("folder")
async def test_letters_typed_among_the_paths_edit_the_path() -> None:
    async with running() as app:
        await app.press("o", "enter")
        keys = app.app.screen.query_one(KeysLine)
        assert app.app.screen.query_one(PathPicker).has_focus
        assert ("Enter", "choose") in keys.lines
        await app.press("j", "k")
        assert path(app).value == "jk" and path(app).has_focus
        assert ("Enter", "add") in keys.lines
        await app.press("backspace", "backspace", "l", "enter")
        assert app.app.screen.query_one(PathPicker).has_focus
        await app.press("backspace", "a", "r", "tab")
        await app.until(lambda: path(app).value == "archive/")


@pytest.mark.usefixtures("folder")
async def test_tab_leads_to_nothing_that_is_empty() -> None:
    async with running() as app:
        await app.press("o", "q", "tab")
        assert isinstance(app.app.focused, Input) and app.app.focused.id == "default-folder"
        await app.press("shift+tab")
        assert path(app).has_focus


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://h/a\nhttp://h/b", "list of URLs, 2 entries"),
        ("http://h/a\n  out=b\nhttp://h/c", "aria2 list, 2 entries"),
        ("[InternetShortcut]\nURL=http://h/a\n", "shortcut, 1 entry"),
        ("curl http://h/a -k\ncurl http://h/b", "curl commands, 2 entries"),
        (f"{SHA}  a.iso", "checksum list, 1 entry"),
        ('{"url": "http://h/a"}', "JSON lines, 1 entry"),
        ('{"url": "http://h/a"}\ncurl http://h/b', "mixed list, 2 entries"),
        ("See http://h/a, she says.", "text with links, 1 entry"),
        ("", ""),
    ],
)
def test_what_a_list_is(text: str, expected: str) -> None:
    assert kind_of(list(read_entries(text.splitlines()))) == expected
