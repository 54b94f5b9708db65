import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.widgets import Input, Static

from rheo_core.domain import FileConfig
from rheo_core.inputs import patterns
from rheo_tui import typed_ahead
from rheo_tui.screens.add import AddScreen, LinksArea
from rheo_tui.screens.confirm import QuitScreen
from rheo_tui.screens.entry_preview import EntryPreview
from rheo_tui.screens.load import LoadScreen
from rheo_tui.widgets.default_fields import FIELDS
from rheo_tui.widgets.entry_table import EntryTable
from tests.tui.driving import Driver, plain_lines, running
from tests.tui.fake_service import FakeService
from tests.tui.test_typed_ahead import type_at_once

PASTE = "https://example.org/a.iso\rftp://example.org/b\r\rhttps://example.org/a.iso\rno [/b] url"


async def paste(app: Driver, text: str) -> None:
    app.app.post_message(events.Paste(text))
    await app.pilot.pause()
    await app.until(lambda: isinstance(app.app.screen, AddScreen))
    await app.pilot.pause()


def verdicts(app: Driver) -> list[str]:
    """Return the lines of the table, with one blank between the columns."""
    lines = plain_lines(app.app.screen.query_one(EntryTable))
    return [" ".join(line.split()) for line in lines]


def words(app: Driver) -> list[str]:
    """Return the whole verdicts, which a narrow column may cut."""
    return [proposal.words for proposal in app.app.screen.query_one(EntryPreview).proposals]


@pytest.mark.parametrize("before", [(), ("slash",), ("colon",), ("a",)])
async def test_a_paste_anywhere_opens_add_with_all_of_it(before: tuple[str, ...]) -> None:
    async with running() as app:
        await app.press(*before)
        await paste(app, PASTE)
        assert app.app.screen.query_one(LinksArea).text == PASTE.replace("\r", "\n")
        await app.until(lambda: any("[/b]" in line for line in verdicts(app)))
        lines = verdicts(app)
        assert any(line.startswith("✗ 2 ") and "ftp" in line for line in lines)
        assert any(line.startswith("= 4 ") for line in lines)
        assert any(line.startswith("✗ 5 ") for line in lines)
        assert any(line.startswith("✓ 1 ") for line in lines)


async def test_the_keys_are_those_of_the_focused_part_and_say_what_a_field_takes() -> None:
    async with running(size=(80, 24)) as app:
        await paste(app, "https://example.org/a.iso")
        keys = app.app.screen.query_one("#entry-keys", Static)
        shown = [str(keys.content)]
        for _ in range(6):
            await app.press("tab")
            shown.append(str(keys.content))
        assert shown == [
            "Enter add · Ctrl+J new line · Tab entries, then folder · Esc close",
            "Space skip · Enter edit · Tab folder · Ctrl+S add · Esc close",
            "such as isos or ~/isos · Enter add · Tab next · → complete · Esc close",
            "1 or more · Enter add · Tab next · Esc close",
            "now, paused or 23:30 · Enter add · Tab next · → complete · Esc close",
            "last or first · Enter add · Tab next · → complete · Esc close",
            shown[0],
        ]


async def test_good_lines_are_queued_and_bad_ones_stay() -> None:
    async with running() as app:
        await paste(app, PASTE)
        await app.press("enter")
        assert app.called("add") == [["https://example.org/a.iso"]]
        assert isinstance(app.app.screen, AddScreen)
        assert app.app.screen.query_one(LinksArea).text == "ftp://example.org/b\n\nno [/b] url"
        said = "Added 1 download. Line 4: already in the list. 2 lines are not valid."
        assert str(app.app.screen.query_one(".verdict-count", Static).content) == said
        assert not app.app._notifications  # a toast would cover the keys
        await app.press("escape")
        await app.until(lambda: app.app.screen is app.main)
        assert len(app.table.model.shown) == 1


async def test_nothing_is_lost_when_the_engine_cannot_add() -> None:
    async with running() as app:
        await paste(app, "https://example.org/a")
        app.service.fail_with = OSError("no room")
        await app.press("enter")
        await app.until(lambda: "Cannot add: no room." in app.messages())
        assert isinstance(app.app.screen, AddScreen)
        assert app.app.screen.query_one(LinksArea).text == "https://example.org/a"


async def test_leaving_the_box_loses_nothing() -> None:
    async with running() as app:
        await app.press("a", *"http://a", "escape")
        await paste(app, "http://b")
        await app.until(lambda: _box(app) == "http://a\nhttp://b")
        await app.press("escape")
        await app.until(lambda: app.app.screen is app.main)
        assert app.messages() == "The links stay in the add box until you quit."
        await app.press("a")
        await app.until(lambda: _box(app) == "http://a\nhttp://b")
        await app.press("enter")
        assert app.called("add") == [["http://a/", "http://b/"]]
        await app.press("a")
        await app.until(lambda: isinstance(app.app.screen, AddScreen))
        assert _box(app) == ""


async def test_an_emptied_box_stays_empty() -> None:
    async with running() as app:
        await app.press("a", *"http://a", "escape", "a")
        await app.until(lambda: _box(app) == "http://a")
        await app.press("f7", "delete", "escape", "a")
        assert isinstance(app.app.screen, AddScreen)
        assert _box(app) == ""


async def test_a_key_clears_the_box_and_another_brings_the_text_back() -> None:
    async with running() as app:
        await paste(app, "http://a\nhttp://b")
        await app.press("ctrl+u")
        assert _box(app) == ""
        await app.press("ctrl+z")
        assert _box(app) == "http://a\nhttp://b"


def _field(app: Driver, name: str) -> Input:
    return app.app.screen.query_one(f"#default-{name}", Input)


async def test_the_folder_of_links_that_were_left_is_not_that_of_other_links() -> None:
    async with running() as app:
        await paste(app, "http://a")
        _field(app, "folder").value = "~nobody"
        await app.press("escape")
        await app.press("a")
        await app.until(lambda: _box(app) == "http://a")
        assert _field(app, "folder").value == "~nobody"
        await app.press("escape")
        await paste(app, "http://b")
        await app.until(lambda: _box(app) == "http://a\nhttp://b")
        assert _field(app, "folder").value == ""
        await app.press("enter")
        await app.until(lambda: app.called("add") == [["http://a/", "http://b/"]])


@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("runs", [False, True])
async def test_quitting_says_that_it_loses_the_links_in_the_box(runs: bool, is_open: bool) -> None:
    async with running() as app:
        if runs:
            await app.fill(1)
            app.service.advance(1)
            await app.update()
        await paste(app, "http://a\n\nhttp://b\nnonsense")
        if not is_open:
            await app.press("escape")
        await app.press("ctrl+q")
        assert isinstance(app.app.screen, QuitScreen)
        text = str(app.app.screen.query_one(Static).content)
        assert ("1 download is running." in text) == runs
        assert "3 lines in the add box are lost." in text
        await app.press("escape")
        if not is_open:
            await app.press("a")
        await app.until(lambda: _box(app).endswith("nonsense"))
        await app.press("ctrl+u", "escape", "ctrl+q")
        assert isinstance(app.app.screen, QuitScreen) == runs


@pytest.mark.parametrize("name", FIELDS)
async def test_links_pasted_into_a_field_go_to_the_box(name: str) -> None:
    async with running() as app:
        await paste(app, "http://a")
        _field(app, name).focus()
        await paste(app, "http://b")
        assert _box(app).splitlines() == ["http://a", "http://b"]
        assert _field(app, name).value == ""


async def test_text_typed_while_others_are_added_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed_ahead, "_PATIENCE_SECONDS", 0.01)

    class Slow(FakeService):
        begun, may_end = asyncio.Event(), asyncio.Event()

        async def add(self, configs: Sequence[FileConfig], **options: Any) -> None:
            self.begun.set()
            await self.may_end.wait()
            await super().add(configs, **options)

    service = Slow()
    async with running(service) as app:
        await app.press("a", *"http://a", "enter")
        await service.begun.wait()
        await app.press("ctrl+j", *"http://b")
        service.may_end.set()
        await app.until(lambda: _count(app) == "1 to add (50.0 GB free) · 1 duplicate")
        assert _box(app) == "http://a\nhttp://b"
        await app.press("enter")
        assert app.called("add") == [["http://a/"], ["http://b/"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http://a http://", "Added 1 download. Not added: URL 'http://' has no host."),
        ("http://a/[1-3].jpg", "1 download; possible pattern, taken literally."),
        ("curl http://a -k", "Added 1 download; ignored: --insecure."),
        ("# http://a", "Not added: the text contains no link."),
    ],
)
async def test_the_command_line_reports_all_that_it_added(text: str, message: str) -> None:
    async with running(size=(140, 30)) as app:
        await app.command(f"add {text}")
        await app.until(lambda: message in app.messages())


@pytest.mark.parametrize("key", ["enter", "escape"])
async def test_a_key_that_comes_with_the_paste(key: str) -> None:
    async with running() as app:
        app.app.post_message(events.Paste("http://a"))
        app.app.post_message(events.Key(key, None))
        await app.until(lambda: app.called("add") or app.messages())
        await app.until(lambda: app.app.screen is app.main)
        if key == "enter":
            assert app.called("add") == [["http://a/"]]
        else:
            await app.press("a")
            await app.until(lambda: _box(app) == "http://a")


async def test_a_long_paste_is_seen_from_its_end() -> None:
    async with running() as app:
        await paste(app, "\r".join(f"http://h/{n}" for n in range(2000)))
        box = app.app.screen.query_one(LinksArea)
        await app.until(lambda: box.scroll_offset.y == box.max_scroll_y > 1900)


async def test_typing_links() -> None:
    async with running() as app:
        await app.press("a", *"http://a", "ctrl+j", *"http://b")
        await app.until(lambda: len(verdicts(app)) == 2)
        await app.press("enter")
        assert app.called("add") == [["http://a/", "http://b/"]]
        await app.until(lambda: app.app.screen is app.main)


async def test_loading_a_list(tmp_path: Path) -> None:
    links = tmp_path / "links.txt"
    links.write_text("# mine\nhttps://example.org/1\nnonsense\nhttps://example.org/2\n")
    async with running() as app:
        await app.press("o")
        screen = app.app.screen
        assert isinstance(screen, LoadScreen)
        screen.query_one(Input).value = str(tmp_path / "missing")
        await app.until(lambda: "Cannot read" in _count(app))
        screen.query_one(Input).value = str(links)
        await app.until(lambda: "2 to add (50.0 GB free) · 1 invalid" in _count(app))
        assert any(line.startswith("✗ 3 ") for line in verdicts(app))
        await app.press("enter")
        await app.until(lambda: app.called("add"))
        assert app.called("add") == [["https://example.org/1", "https://example.org/2"]]


ASKING = "curl -x http://evil:3128 https://x/a"


async def test_a_proxy_is_used_only_for_the_text_that_the_user_allowed() -> None:
    async with running(size=(120, 40)) as app:
        await paste(app, f"https://x/b\r{ASKING}")
        await app.until(lambda: verdicts(app))
        assert verdicts(app)[:2] == [
            "✓ 2 a x not used: proxy http://evil:3128; curl command",
            "✓ 1 b x new",
        ]
        assert "Press F8 to use them" in _leave(app)
        await app.press("f8")
        await app.until(lambda: "uses proxy http://evil:3128" in words(app)[0])
        assert "Press F8 to ignore them" in _leave(app)
        await app.press("space")  # the box contains another text now
        await app.until(lambda: "not used" in words(app)[0])
        await app.press("f8", "f8")
        await app.until(lambda: "not used" in words(app)[0])
        await app.press("enter")
        await app.until(lambda: app.called("add"))
        assert "Line 2 asks for proxy http://evil:3128: not used." in app.messages()


async def test_a_list_file_asks_in_the_same_way(tmp_path: Path) -> None:
    lists = [tmp_path / "1.txt", tmp_path / "2.txt"]
    for path in lists:
        path.write_text(f"{ASKING}\n")
    async with running(size=(120, 40)) as app:
        await app.press("o")
        screen = app.app.screen
        screen.query_one(Input).value = str(lists[0])
        await app.until(lambda: words(app) and "not used" in words(app)[0])
        await app.press("f8")
        await app.until(lambda: "uses proxy" in words(app)[0])
        screen.query_one(Input).value = str(lists[1])
        await app.until(lambda: "not used" in words(app)[0])


async def test_a_list_file_with_other_options_must_be_allowed_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "1.txt"
    path.write_text(f"{ASKING}\n")
    async with running(size=(120, 40)) as app:
        await app.press("o")
        app.app.screen.query_one(Input).value = str(path)
        await app.until(lambda: words(app) and "not used" in words(app)[0])
        await app.press("f8")
        await app.until(lambda: "uses proxy http://evil:3128" in words(app)[0])
        path.write_text(f"{ASKING.replace('evil', 'worse')}\n")
        await app.press("enter")
        await app.until(lambda: "asks for proxy http://worse:3128" in words(app)[0])
        assert "Press F8 again to use them" in app.messages()
        assert not app.called("add")
        await app.press("enter")  # without the proxy
        await app.until(lambda: app.called("add"))


@pytest.mark.parametrize("text", ["http://evil/a\nhttp://evil/b\n", "http://h/a#md5=" + "0" * 32])
async def test_a_list_file_that_has_changed_is_shown_before_it_is_added(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "1.txt"
    path.write_text("http://h/a\n")
    async with running(size=(120, 40)) as app:
        await app.press("o")
        app.app.screen.query_one(Input).value = str(path)
        await app.until(lambda: words(app))
        path.write_text(text)
        await app.press("enter")
        await app.until(lambda: "The file has changed" in app.messages())
        await app.until(lambda: len(words(app)) == len(text.splitlines()))
        assert not app.called("add")
        await app.press("enter")
        await app.until(lambda: app.called("add"))


@pytest.mark.parametrize("keys", [["f8", "enter"], ["f8"]], ids=["at once", "one by one"])
async def test_options_that_were_never_shown_are_not_used(tmp_path: Path, keys: list[str]) -> None:
    path = tmp_path / "1.txt"
    path.write_text(f"{ASKING}\n")
    async with running(size=(120, 40)) as app:
        await app.press("o")
        app.app.screen.query_one(Input).value = str(path)
        await app.until(lambda: words(app) and "not used" in words(app)[0])
        path.write_text(f"{ASKING.replace('evil', 'worse')}\n")
        type_at_once(app, *keys)
        await app.until(lambda: "Press F8 again to use them" in app.messages())
        await app.until(lambda: "asks for proxy http://worse:3128" in words(app)[0])
        if keys[-1] != "enter":
            await app.press("enter")
        await app.update()
        assert not app.called("add")
        await app.press("f8")
        await app.until(lambda: "uses proxy http://worse:3128" in words(app)[0])
        await app.press("enter")
        await app.until(lambda: app.called("add"))


@pytest.mark.parametrize("budget", [10_000, pytest.param(100_000, marks=pytest.mark.long)])
async def test_patterns_of_a_paste_do_not_fill_the_memory(
    budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patterns, "MAX_URLS", budget)
    async with running(size=(120, 40)) as app:
        await paste(app, "\r".join(f"http://h/{at}/[1-{budget - 1}]" for at in range(10)))
        await app.until(lambda: f"{budget - 1:,} to add (50.0 GB free) · 1 invalid" in _count(app))
        assert verdicts(app)[0].startswith(
            f"✗ 2 http://h/1/[1-{budget - 1}] the patterns in this text"
        )


async def test_the_form_of_the_paste_is_shown(tmp_path: Path) -> None:
    async with running(size=(150, 40)) as app:
        await paste(app, "curl 'https://x/a' \\\r  -b 'sid=s3cret' -k\rhttps://x/img[01-03].jpg\r")
        await app.until(lambda: verdicts(app))
        assert verdicts(app) == [
            "✓ 1 a x curl command; ignored: --insecure",
            "✓ 3 img01.jpg x pattern: 3 files",
            "✓ 3 img02.jpg x pattern: 3 files",
            "✓ 3 img03.jpg x pattern: 3 files",
        ]
        assert _count(app) == "4 to add (50.0 GB free)"
        await app.press("enter")
        assert len(app.called("add")[0]) == 4


async def test_invalid_entries_come_first_and_keys_scroll() -> None:
    async with running(size=(80, 24)) as app:
        await paste(app, "https://x/[001-120]\rftp://x/\rhttps://x/001")
        await app.until(
            lambda: _count(app) == "120 to add (50.0 GB free) · 1 invalid · 1 duplicate"
        )
        lines = app.app.screen.query_one(EntryTable)
        assert lines.scroll_offset.y == 0
        assert [line[:3] for line in verdicts(app)[:4]] == ["✗ 2", "= 3", "✓ 1", "✓ 1"]
        heads = [next(iter(lines.render_line(y))) for y in range(3)]
        colours = {head.style.color for head in heads if head.style}
        assert len(colours) == 3
        await app.press("tab", "end")
        await app.until(lambda: lines.scroll_offset.y > 100)
        last = lines.render_line(lines.size.height - 1).text
        assert last.split()[:5] == ["▌✓", "1", "120", "pattern:", "120"]
        await app.press("ctrl+s")
        assert len(app.called("add")[0]) == 120


async def test_a_page_is_asked_about() -> None:
    async with running() as app:
        await paste(app, "<html><a href='x.iso'>x</a><a href='y.txt'>y</a></html>")
        await app.until(lambda: "1 invalid" in _count(app))
        await app.press("enter", *"*.iso", "enter")
        await app.until(lambda: "give the address of the" in " ".join(words(app)))
        await app.press("enter", *"http://h/", "enter")
        await app.until(lambda: app.called("add"))
        assert app.called("add") == [["http://h/x.iso"]]


async def test_sizes_beside_free_space() -> None:
    async with running(size=(150, 40)) as app:
        await paste(app, '{"url": "https://x/a", "size_bytes": 4000000000}\rhttps://x/b')
        await app.until(lambda: _count(app) == "2 to add, 4.0 GB + 1 unknown (50.0 GB free)")
        text = '{"url": "https://x/c", "size_bytes": 90000000000}'
        app.app.screen.query_one(LinksArea).load_text(text)
        await app.until(lambda: _count(app) == "1 to add, 90.0 GB (only 50.0 GB free)")


async def test_several_entries_of_a_line_stay_together() -> None:
    async with running() as app:
        await paste(app, "https://x/a https://x/b\rcurl -X POST \\\r https://x/c\rhttps://x/d")
        await app.press("enter")
        assert app.called("add") == [["https://x/a", "https://x/b", "https://x/d"]]
        assert app.app.screen.query_one(LinksArea).text == "curl -X POST \\\n https://x/c"


async def test_a_page_asks_for_its_links_and_its_address(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<html><a href=one.iso>1</a><a href=two.iso>2</a><a href=no.txt>3</a></html>")
    async with running() as app:
        await app.press("o")
        links, base = (
            app.app.screen.query_one(f".option-{name}", Input) for name in ("links", "base")
        )
        app.app.screen.query_one("#path", Input).value = str(page)
        await app.until(lambda: links.display)
        assert not base.display
        links.value = "*.iso"
        await app.until(lambda: base.display)
        base.value = "https://example.org/pub/"
        await app.until(lambda: "2 to add" in _count(app))
        base.focus()
        await app.press("enter")
        await app.until(lambda: app.called("add"))
        url = "https://example.org/pub/"
        assert app.called("add") == [[f"{url}one.iso", f"{url}two.iso"]]


def _box(app: Driver) -> str:
    return app.app.screen.query_one(LinksArea).text


def _leave(app: Driver) -> str:
    return str(app.app.screen.query_one(".verdict-leave", Static).content)


def _count(app: Driver) -> str:
    return str(app.app.screen.query_one(".verdict-count").render())


async def test_links_of_the_command_line_are_queued() -> None:
    config = FileConfig(url="https://example.org/first")
    async with running(configs=[config]) as app:
        await app.until(lambda: config.id in app.service.rows)
        await app.until(lambda: any("queued" in line.text for line in app.main.event_log.lines))


HOSTILE = ["x[/", "[b]bold[/b]", "[red]", "a\x1b[31mred", "\u202egnp.exe", "日本語" * 40, "\\"]


async def test_hostile_names_are_only_text() -> None:
    service = FakeService(show_log=True)
    async with running(service, size=(150, 40)) as app:
        ids = await app.fill(len(HOSTILE))
        for row, name in zip(ids, HOSTILE, strict=True):
            service.change(row, name=name, url=f"https://example.org/{name}")
            service.fail(row, f"bad {name}")
        await app.update()
        await app.press("enter")
        for _ in HOSTILE:
            await app.press("down", "y")
            shown = "".join(app.lines()) + app.app.export_screenshot()
            await app.press("escape", "full_stop")
            shown += app.app.export_screenshot()
            await app.press("escape", "y", "n")
            assert "\x1b" not in shown
            assert "\u202e" not in shown
        assert "x[/" in "".join(app.lines())
        await app.press("slash", *"[/b]")
        assert len(app.table.model.shown) == 1


async def test_an_empty_list_says_how_to_begin() -> None:
    async with running(size=(80, 24)) as app:
        assert any("Paste links anywhere" in line for line in app.lines())
        await app.fill()
        assert "Name" in app.lines()[0]


async def test_a_folder_is_chosen_for_all_links_that_name_none() -> None:
    async with running(size=(120, 36)) as app:
        await app.press("a")
        await paste(app, "https://example.org/a.iso\nhttps://example.org/b.iso\n  dir=own")
        field = app.app.screen.query_one("#default-folder", Input)
        await app.press("tab", "tab")  # past the verdicts
        assert app.app.focused is field
        field.value = "isos/linux"
        await app.until(
            lambda: any("a.iso example.org isos/linux" in line for line in verdicts(app))
        )
        assert any("b.iso example.org own" in line for line in verdicts(app))
        field.value = "../away"
        problem = app.app.screen.query_one("#default-problem", Static)
        await app.until(
            lambda: "“../away” should be relative, such as isos/linux" in str(problem.content)
        )
        app.app.screen.query_one(LinksArea).focus()
        await app.press("enter")
        assert not app.called("add")
        assert app.app.focused is field


async def test_the_bottom_line_says_what_was_added_and_the_log_stays_in_sight() -> None:
    async with running() as app:
        await paste(app, "https://example.org/a.iso\nhttps://example.org/b.iso")
        await app.press("enter")
        await app.until(lambda: app.app.screen is app.main)
        await app.until(lambda: app.messages() == "Added 2 downloads.")
        assert not app.app._notifications


async def test_links_that_were_left_are_wrapped_for_the_width_of_the_box() -> None:
    async with running(size=(40, 10)) as app:
        await app.press("a")
        screen = app.app.screen
        assert isinstance(screen, AddScreen)
        screen.insert("http://127.0.0.1:8929/files/report-210.txt")
        await app.press("escape", "a")
        await app.until(lambda: "│1  http://127.0.0.1:8929/files/rep" in app.screen_text())
        assert "│   ort-210.txt" in app.screen_text()
