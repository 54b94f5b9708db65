"""The table of entries in the dialogs that add: choices for single lines, and defaults for all."""

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import pytest
from rich.text import Text
from textual import events
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.widgets import Input, Static, TextArea

from rheo_core.domain import DownloadStatus, FileConfig
from rheo_core.domain.exceptions import HttpStatusError
from rheo_core.inputs import Entry, ReadOptions
from rheo_tui.entry_defaults import parse_folder
from rheo_tui.proposals import Proposal, Renewals
from rheo_tui.screens.add import AddScreen, LinksArea
from rheo_tui.screens.edit import EditScreen
from rheo_tui.screens.entry_preview import EntryPreview
from rheo_tui.typed_ahead import while_open
from rheo_tui.widgets.default_fields import DefaultFields
from rheo_tui.widgets.entry_table import EntryTable
from tests.core.engine import serving
from tests.servers.misbehaving import Exchange, MisbehavingServer
from tests.tui.driving import Driver, running
from tests.tui.fake_service import FakeService
from tests.tui.test_existing_files import ended, engine
from tests.tui.test_typed_ahead import type_at_once

SIGNED = "https://cdn.example.org/data-041.tar"
MB = 1_000_000


async def paste(app: Driver, *lines: str) -> None:
    app.app.post_message(events.Paste("\r".join(lines)))
    await app.until(lambda: isinstance(app.app.screen, AddScreen) and words(app))


def words(app: Driver) -> list[str]:
    """Return the verdicts; none before the dialog is built."""
    previews = app.app.screen.query(EntryPreview)
    return [each.words for preview in previews for each in preview.proposals]


def count(app: Driver) -> str:
    return str(app.app.screen.query_one(".verdict-count", Static).content)


def table(app: Driver) -> EntryTable:
    return app.app.screen.query_one(EntryTable)


def default(app: Driver, name: str) -> Input:
    return app.app.screen.query_one(DefaultFields).input(name)


async def test_space_skips_a_line_and_takes_it_back() -> None:
    async with running() as app:
        await paste(app, "http://h/a", "http://h/b", "http://h/c")
        await app.press("tab", "space", "space")
        assert words(app) == ["skip", "skip", "new"]
        assert count(app) == "1 to add (50.0 GB free) · 2 skipped"
        await app.press("home", "space")
        assert words(app) == ["new", "skip", "new"]
        await app.press("ctrl+s")
        await app.until(lambda: app.app.screen is app.main)
        assert app.called("add") == [["http://h/a", "http://h/c"]]
        assert "Added 2 downloads. Line 2: skipped." in app.messages()


async def test_choices_stay_with_their_download_while_the_text_and_the_folder_change() -> None:
    async with running() as app:
        await paste(app, "http://h/a", "http://h/b")
        await app.press("tab", "down", "space")
        links = app.app.screen.query_one(LinksArea)
        links.load_text("http://h/0\nhttp://h/a\nhttp://h/b")
        await app.until(lambda: words(app) == ["new", "new", "skip"])
        default(app, "folder").value = "isos"
        await app.until(
            lambda: (
                [
                    each.entry.config and each.entry.config.destination_subdir
                    for each in app.app.screen.query_one(EntryPreview).proposals
                ]
                == ["isos"] * 3
            )
        )
        assert words(app) == ["new", "new", "skip"]


async def test_esc_keeps_the_text_the_choices_and_the_fields() -> None:
    async with running() as app:
        await paste(app, "http://h/a", "http://h/b")
        default(app, "priority").value = "7"
        await app.press("tab", "space", "escape")
        await app.until(lambda: app.app.screen is app.main)
        await app.press("a")
        await app.until(lambda: words(app) == ["skip", "new"])
        assert default(app, "priority").value == "7"
        await app.press("enter")
        await app.until(lambda: app.app.screen is app.main)
        assert [row.priority for row in app.main.model.rows.values()] == [7]
        await app.press("a")
        await app.until(lambda: isinstance(app.app.screen, AddScreen))
        assert default(app, "priority").value == ""


def is_filled(screen: Screen[object]) -> bool:
    """Check that a form is open and shows the values of its line."""
    return any(field.value for field in screen.query("#edit-priority").results(Input))


async def test_enter_edits_a_line_and_its_verdict_follows(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    (tmp_path / "there.bin").write_bytes(b"old")
    urls = [server.on(f"/{name}", serving(name.encode())) for name in ("a.bin", "b.bin")]
    async with engine(tmp_path) as app:
        await paste(app, *urls)
        await app.press("tab", "enter")
        await app.until(lambda: is_filled(app.app.screen))
        form = app.app.screen
        assert not form.query("#edit-link")  # the text holds it
        form.query_one("#edit-name", Input).value = "there.bin"
        await app.press("enter")
        await app.until(lambda: isinstance(app.app.screen, AddScreen))
        await app.until(lambda: words(app) == ["already there: choose", "new"])
        await app.press("home", "e")
        await app.until(lambda: is_filled(app.app.screen))
        app.app.screen.query_one("#edit-name", Input).value = "mine.bin"
        app.app.screen.query_one("#edit-folder", Input).value = "isos"
        await app.press("enter")
        await app.until(lambda: isinstance(app.app.screen, AddScreen))
        await app.until(lambda: words(app) == ["edited", "new"])
        await app.press("ctrl+s")
        await app.until(lambda: app.app.screen is app.main)
        await ended(app, 2)
    assert (tmp_path / "isos" / "mine.bin").read_bytes() == b"a.bin"
    assert (tmp_path / "b.bin").read_bytes() == b"b.bin"


async def name_the_line(app: Driver, name: str, *keys: str) -> None:
    """Type another name for the line under the cursor, and press keys in the form."""
    await app.press("enter")
    await app.until(lambda: is_filled(app.app.screen))
    app.app.screen.query_one("#edit-name", Input).value = name
    await app.press(*keys)
    await app.until(lambda: isinstance(app.app.screen, AddScreen))


async def edit_the_line(app: Driver, **texts: str) -> None:
    """Change fields of the first line, and save."""
    await app.press("tab", "home", "enter")
    await app.until(lambda: is_filled(app.app.screen))
    for name, text in texts.items():
        widget = app.app.screen.query_one(f"#edit-{name}")
        if isinstance(widget, TextArea):
            widget.text = text
        else:
            cast("Input", widget).value = text
    await app.press("ctrl+s")


async def test_two_lines_edited_to_one_name_are_duplicates() -> None:
    async with running() as app:
        await paste(app, "http://h/1", "http://h/1#b")
        assert words(app) == ["already in the list, line 1", "new"]
        await app.press("tab")
        await name_the_line(app, "x.bin", "enter")
        await app.until(lambda: words(app) == ["new", "edited"])
        await app.press("home")
        await name_the_line(app, "x.bin", "enter")
        await app.until(lambda: words(app) == ["already in the list, line 1", "edited"])


async def test_what_was_typed_into_the_form_and_not_saved_comes_back() -> None:
    async with running() as app:
        await paste(app, "http://h/a")
        await app.press("tab")
        await name_the_line(app, "x.bin", "escape")
        assert words(app) == ["new"]
        await app.press("enter")
        await app.until(lambda: isinstance(app.app.screen, EditScreen))
        name = app.app.screen.query_one("#edit-name", Input)
        await app.until(lambda: name.value == "x.bin")


async def test_enter_on_a_line_that_was_not_understood_goes_to_it() -> None:
    async with running() as app:
        await paste(app, "http://h/a", "ftp://h/b", "http://h/c")
        await app.press("tab", "enter")
        links = app.app.screen.query_one(LinksArea)
        assert links.has_focus
        assert links.cursor_location == (1, 0)


@pytest.mark.parametrize(
    ("texts", "status"),
    [
        ({"priority": "4", "start": "p", "place": "f"}, DownloadStatus.PAUSED),
        ({"priority": "4", "start": "now"}, DownloadStatus.COMPLETED),
    ],
)
async def test_the_fields_hold_for_all_that_is_added(
    server: MisbehavingServer, tmp_path: Path, texts: dict[str, str], status: DownloadStatus
) -> None:
    asked: list[str] = []

    def answer(name: str) -> str:
        async def serve(exchange: Exchange) -> None:
            asked.append(name)
            await exchange.serve(b"x")

        return server.on(f"/{name}", serve)

    urls = [answer(f"{number}.bin") for number in range(3)]
    async with engine(tmp_path) as app:
        await paste(app, *urls, f'{{"url": "{answer("own.bin")}", "priority": 9}}')
        for name, text in texts.items():
            default(app, name).value = text
        await app.press("enter")
        await app.until(lambda: app.app.screen is app.main)
        rows = app.main.model.rows
        await app.until(lambda: [row.status for row in rows.values()] == [status] * 4)
        assert sorted(row.priority for row in rows.values()) == [4, 4, 4, 9]
        if status is DownloadStatus.PAUSED:
            await asyncio.sleep(0.05)
            assert not asked  # a paused download asks no server
            assert {row.start_at for row in rows.values()} == {None}


async def test_a_start_time_and_the_first_place() -> None:
    async with running() as app:
        ids = await app.fill(2)
        await paste(app, "http://h/a")
        default(app, "start").value = "23:59"
        default(app, "place").value = "first"
        await app.press("enter")
        await app.until(lambda: app.called("move"))
        ((moved, where),) = app.called("move")
        assert where == "top" and not set(moved) & set(ids)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("priority", "0", "The priority “0” should be a number from 1 to 1,000."),
        ("start", "soon", "The start “soon” should be a time such as 23:30"),
        ("place", "middle", "The place “middle” should be first or last."),
        (
            "folder",
            "../isos",
            "The folder “../isos” should be relative, such as isos/linux, or begin",
        ),
        (
            "folder",
            "~isos/new",
            "The home folder “~isos” is unknown; paths in yours begin with ~/.",
        ),
    ],
)
async def test_a_mistake_in_a_field_is_named_while_typing_and_adds_nothing(
    name: str, text: str, sentence: str
) -> None:
    async with running() as app:
        await paste(app, "http://h/a")
        default(app, name).value = text
        problem = app.app.screen.query_one("#default-problem", Static)
        await app.until(lambda: sentence in str(problem.content))
        await app.press("enter")
        assert not app.called("add")
        assert default(app, name).has_focus
        await app.press(*["backspace"] * len(text), "enter")
        await app.until(lambda: app.called("add"))


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("", (None, None)),
        ("isos/linux/", ("isos/linux", None)),
        ("~/Downloads", (None, None)),
        ("~/Downloads/isos", ("isos", None)),
        ("/home/ann/Downloads/isos/", ("isos", None)),
        ("~/isos/", (None, Path("/home/ann/isos"))),
        ("/home/ann/Downloads2", (None, Path("/home/ann/Downloads2"))),
        ("/srv/a/../b", (None, Path("/srv/b"))),
    ],
)
def test_a_folder_may_be_below_the_download_folder_or_elsewhere(
    text: str, folder: tuple[str | None, Path | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert parse_folder(text, Path("/home/ann/Downloads")) == folder


async def test_links_are_downloaded_into_a_folder_elsewhere(
    tmp_path: Path, server: MisbehavingServer
) -> None:
    for name in ("a.bin", "b.bin"):
        server.on(f"/{name}", serving(b"data"))
    (tmp_path / "isos").mkdir()
    (tmp_path / "isos" / "b.bin").write_bytes(b"mine")
    async with engine(tmp_path / "files") as app:
        await paste(app, *map(server.url, ("/a.bin", "/b.bin")))
        await app.until(lambda: words(app) == ["new", "new"])
        default(app, "folder").value = str(tmp_path / "isos")
        await app.until(lambda: words(app) == ["already there: choose", "new"])
        await app.press("tab", "s", "ctrl+s")
        await app.until(lambda: (tmp_path / "isos" / "a.bin").exists())
        assert (tmp_path / "isos" / "b.bin").read_bytes() == b"mine"
        assert not list((tmp_path / "files").iterdir())


async def test_empty_fields_show_what_is_usual() -> None:
    async with running(size=(80, 24)) as app:
        await paste(app, "http://h/a")
        names = ("folder", "priority", "start", "place")
        placeholders = [default(app, name).placeholder for name in names]
        assert placeholders == ["~/Downloads", "1", "now", "last"]
        width = default(app, "folder").scrollable_content_region.width
        assert width > len("~/Downloads")  # and nothing is cut off


async def test_a_mistake_takes_no_space_from_long_names() -> None:
    names = [f"a-long-name-of-film-number-{at}-2026.iso" for at in (1, 2)]
    async with running(size=(80, 24)) as app:
        app.main.open_add("\n".join(["ftp://b", *(f"https://example.org/{n}" for n in names)]))
        await app.until(lambda: "2 to add" in app.screen_text())
        table = app.screen_text().partition("Verdict")[2]
        assert all(f" {name} " in table for name in names)
        assert "has scheme 'ftp'; only" in table


@pytest.mark.parametrize("has_size", [True, False])
async def test_names_take_the_space_of_a_column_without_sizes(has_size: bool) -> None:
    name = "a-long-name-of-a-release-2026.iso"
    link = f"https://example.org/{name}"
    line = f'{{"url": "{link}", "size_bytes": 5}}' if has_size else link
    async with running(size=(80, 24)) as app:
        app.main.open_add(f"{line}\nftp://example.org/b")
        await app.until(lambda: "1 to add" in app.screen_text())
        shown = app.screen_text()
        assert (" Size " in shown) is has_size
        assert (f" {name} " in shown.partition("Verdict")[2]) is not has_size


@pytest.mark.parametrize(("size", "least"), [((80, 24), 38), ((40, 10), 26), ((200, 50), 60)])
async def test_the_folder_has_room_for_a_path_while_it_is_typed(
    size: tuple[int, int], least: int
) -> None:
    async with running(size=size) as app:
        await paste(app, "http://h/a")
        folder = default(app, "folder")
        folder.focus()
        await app.until(lambda: folder.scrollable_content_region.width >= least)
        assert app.app.screen.region.contains_region(folder.region)


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 36), (200, 50)])
async def test_no_field_hides_another(size: tuple[int, int]) -> None:
    async with running(size=size) as app:
        await paste(app, "http://h/a")
        for focused in ("folder", "priority", "start", "place"):
            default(app, focused).focus()
            await app.pilot.pause()
            fields = app.app.screen.query_one(DefaultFields)
            for name in ("folder", "priority", "start", "place"):
                region = default(app, name).region
                assert region.width >= len(default(app, name).placeholder) + 3, (focused, name)
                assert fields.region.contains_region(region), (focused, name)


async def test_the_folder_is_completed_from_the_disk(tmp_path: Path) -> None:
    (tmp_path / "isos" / "linux").mkdir(parents=True)
    async with engine(tmp_path) as app:
        await app.press("a", "tab", *"is")
        folder = default(app, "folder")
        await app.until(lambda: folder._suggestion == "isos/")
        await app.press("right", *"l")
        await app.until(lambda: folder._suggestion == "isos/linux/")


async def test_a_new_signature_renews_a_failed_download_and_undo_puts_it_back() -> None:
    async with running() as app:
        await app.service.add([FileConfig(url=f"{SIGNED}?sig=old&se=1", size_bytes=47 * MB)])
        (row_id,) = app.service.rows
        app.service.change(row_id, bytes_downloaded=21 * MB)
        app.service.fail(row_id, HttpStatusError(403))
        await app.update()
        app.service.calls.clear()
        await paste(app, f"curl '{SIGNED}?sig=new&se=2' -H 'X-Key: 1'")
        assert words(app) == ["new link for data-041.tar (21.0 of 47 MB kept)"]
        assert count(app) == "0 to add · 1 new link"
        await app.press("enter")
        await app.until(lambda: app.app.screen is app.main)
        assert not app.called("add")
        ((edited, config),) = app.called("edit")
        assert (edited, config.source) == (row_id, f"{SIGNED}?sig=new&se=2")
        assert config.headers == (("X-Key", "1"),)
        assert "Renewed 1 download." in app.messages()
        await app.press("u")
        await app.until(lambda: len(app.called("edit")) == 2)
        assert app.called("edit")[1][1].source != config.source


@pytest.mark.parametrize("is_file", [True, False])
@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.halved("is_file", "others")
async def test_a_link_whose_download_is_gone_at_enter_stays(
    tmp_path: Path, is_file: bool, others: int
) -> None:
    links = [f"{SIGNED}{n}?sig=new&se=2" for n in range(1 + others)]
    async with running(size=(160, 50)) as app:
        for n in range(1 + others):
            await app.service.add([FileConfig(url=f"{SIGNED}{n}?sig=old&se=1")])
        first, *rest = app.service.rows
        for each in (first, *rest):
            app.service.fail(each, HttpStatusError(403))
        await app.update()
        if is_file:
            (tmp_path / "list").write_text("\n".join(links))
            await app.press("o")
            app.app.screen.query_one(Input).value = str(tmp_path / "list")
            await app.until(lambda: words(app))
        else:
            await paste(app, *links)
        assert all(each.startswith("new link for") for each in words(app))
        edit = app.service.edit

        async def edit_too_late(download_id: str, config: FileConfig) -> str | None:
            app.service.change(first, status=DownloadStatus.COMPLETED)
            return await edit(download_id, config)

        app.service.edit = edit_too_late  # type: ignore[method-assign]
        shown = app.app.screen
        await app.press("enter")
        sentence = "Cannot renew: 1 download was completed or removed meanwhile. "
        sentence += "Check the lines, then press Enter again."
        await app.until(lambda: sentence in app.messages())
        assert app.app.screen is shown
        assert not any("Renewed" in each for each in app.messages())


async def test_a_renewed_download_goes_on_where_it_failed(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    body = bytes(range(256)) * 800

    async def half(exchange: Exchange) -> None:
        await exchange.head("200 OK", Content_Length=len(body), ETag='"1"', Accept_Ranges="bytes")
        await exchange.send(body[:100_000])
        await exchange.close()

    old = server.on("/d.bin?sig=old&se=1", half)
    new = server.on("/d.bin?sig=new&se=2", serving(body, ETag='"1"'))
    async with engine(tmp_path, max_retries=0) as app:
        await app.command(f"add {old}")
        (row,) = await ended(app, 1)
        assert row.status is DownloadStatus.FAILED
        await paste(app, new)
        assert words(app) == ["new link for d.bin (100 of 205 kB kept)"]
        await app.press("enter")
        await app.until(lambda: app.app.screen is app.main)
        await app.until(lambda: server.requests_for("/d.bin?sig=new&se=2"))
        (row,) = await ended(app, 1)
        assert row.status is DownloadStatus.COMPLETED
    assert (tmp_path / "d.bin").read_bytes() == body
    (request,) = server.requests_for("/d.bin?sig=new&se=2")
    assert request.range_start == 100_000


@pytest.mark.parametrize("is_file", [True, False])
async def test_options_of_a_link_that_renews_are_shown(tmp_path: Path, is_file: bool) -> None:
    text = f"curl -x http://evil:3128 --cacert /evil.pem --wrong '{SIGNED}?sig=new&se=2'"
    async with running(size=(160, 50)) as app:
        await app.service.add([FileConfig(url=f"{SIGNED}?sig=old&se=1")])
        (row_id,) = app.service.rows
        app.service.fail(row_id, HttpStatusError(403))
        await app.update()
        if is_file:
            (tmp_path / "list").write_text(text)
            await app.press("o")
            app.app.screen.query_one("#path", Input).value = str(tmp_path / "list")
            await app.until(lambda: words(app))
        else:
            await paste(app, text)
        not_used = "asks for proxy http://evil:3128, CA file /evil.pem: not used"
        assert words(app) == [f"{not_used}; new link for data-041.tar; ignored: --wrong"]
        assert "not used: proxy http://evil:3128" in app.screen_text()
        await app.press("f8")
        used = "uses proxy http://evil:3128, CA file /evil.pem, as requested"
        await app.until(
            lambda: words(app) == [f"{used}; new link for data-041.tar; ignored: --wrong"]
        )
        assert used in app.screen_text()


ASKING = "curl -x http://evil:3128 https://h/a"


@pytest.mark.parametrize("texts", [{"login": "me:secret"}, {"headers": "X-Key: secret"}])
async def test_a_typed_secret_is_not_sent_by_a_route_that_the_list_chose(
    texts: dict[str, str],
) -> None:
    async with running(size=(140, 50)) as app:
        await paste(app, ASKING)
        await edit_the_line(app, **texts, priority="7")
        await app.until(lambda: "edited" in words(app)[0])
        assert "without the login" not in words(app)[0]
        await app.press("f8")
        await app.until(lambda: "uses proxy" in words(app)[0])
        assert "edited" in words(app)[0]
        assert "without the login and headers that you entered" in words(app)[0]
        await app.press("f8")
        await app.until(lambda: "uses proxy" not in words(app)[0])
        await app.press("f8")
        await app.until(lambda: "uses proxy" in words(app)[0])
        await app.press("ctrl+s")
        await app.until(lambda: app.service.added)
        (config,) = app.service.added
        assert config.request.proxy_url == "http://evil:3128" and config.priority == 7
        assert config.request.user is None and config.headers == ()


@pytest.mark.parametrize("texts", [{"login": "me:secret"}, {"headers": "X-Key: secret"}])
async def test_it_cannot_be_entered_after_the_route_was_allowed(texts: dict[str, str]) -> None:
    async with running(size=(140, 50)) as app:
        await paste(app, ASKING)
        await app.press("f8")
        await app.until(lambda: "uses proxy" in words(app)[0])
        await edit_the_line(app, **texts)
        problem = app.app.screen.query_one("#edit-problem", Static)
        await app.until(lambda: "is not sent by a route that a list chose" in str(problem.content))


async def test_a_link_that_renews_may_be_added_as_a_new_download() -> None:
    async with running() as app:
        await app.service.add([FileConfig(url=f"{SIGNED}?sig=old&se=1")])
        (row_id,) = app.service.rows
        app.service.fail(row_id, HttpStatusError(403))
        await app.update()
        app.service.calls.clear()
        await paste(app, f"{SIGNED}?sig=new&se=2")
        assert words(app) == ["new link for data-041.tar"]
        await app.press("tab", "a")
        assert words(app) == ["as a new download"]
        await app.press("ctrl+s")
        await app.until(lambda: app.called("add"))
        assert not app.called("edit")


async def test_headers_for_another_host_are_not_given_to_a_download() -> None:
    async with running() as app:
        old = FileConfig(url="http://old/f.iso", size_bytes=5)
        await app.service.add([old])
        app.service.fail(old.id, HttpStatusError(403))
        new = FileConfig(url="http://new/f.iso", size_bytes=5, headers={"Cookie": "s=1"})
        assert Renewals(app.service.rows.values()).find(new) is None
        app.service.configs[old.id] = old
        await app.main.edits.renew({old.id: new})
        ((_, config),) = app.called("edit")
        assert (config.source, config.headers) == (new.url, ())


async def test_a_link_with_another_checksum_renews_nothing() -> None:
    async with running() as app:
        old = FileConfig(
            url="http://old/f.iso",
            size_bytes=5,
            hash_config={"algorithm": "sha256", "expected_hash": "a" * 64},
        )
        await app.service.add([old])
        app.service.fail(old.id, HttpStatusError(403))
        app.service.configs[old.id] = old
        await app.update()
        checksum = {"algorithm": "sha256", "expected_hash": "e" * 64}
        new = {"url": "http://new/f.iso", "size_bytes": 5, "hash_config": checksum}
        await paste(app, json.dumps(new))
        await app.press("enter")
        sentence = "Cannot renew: f.iso: two sha256 hashes of the file differ"
        await app.until(lambda: sentence in app.messages())
        assert not app.called("edit")
        assert app.app.screen is not app.main  # what was pasted is still there


async def test_same_name_and_size_renew_but_not_what_is_done_or_differs() -> None:
    async with running() as app:
        await app.service.add([FileConfig(url="http://old/f.iso", size_bytes=5)])
        (row_id,) = app.service.rows
        row = app.service.rows[row_id]

        def found(url: str, size: int | None = None, **values: Any) -> str:
            renews = Renewals([row._replace(**values)]).find(FileConfig(url=url, size_bytes=size))
            return renews.id if renews else ""

        assert found("http://new/f.iso", 5) == row_id
        assert not found("http://new/f.iso", 6)
        assert not found("http://new/f.iso")
        assert not found("http://new/g.iso", 5)
        assert not found("http://new/f.iso", 5, status=DownloadStatus.COMPLETED)
        assert not found("http://new/f.iso", 5, status=DownloadStatus.IN_PROGRESS)
        assert found("http://old/f.iso", status=DownloadStatus.FAILED) == row_id


SHARE = "https://cloud.example.org/s/Xy7Kd9LmQ2pRtWz/download"
OTHER_FILES = {  # redaction hides the part in which they differ
    SHARE: "https://cloud.example.org/s/Bq3Nf8TsV5hJcGa/download",
    "https://h/get.zip?id=9f8a7c6d5e4b3a29181716151413": "https://h/get.zip?id=0a1b2c3d4e5f607182",
    "https://h/get.php?key=AAAA1": "https://h/get.php?key=BBBB2",
    "https://h/get?file=3fa85f64-5717-4562-b3fc-2c963f66afa6": (
        "https://h/get?file=7c9e6679-7425-40de-944b-e07fc1f90ae7"
    ),
}


@pytest.mark.parametrize("old", OTHER_FILES)
@pytest.mark.parametrize("suffix", ["", "sig=1&se=1"])
@pytest.mark.halved("old", "suffix")
async def test_a_link_that_differs_in_a_hidden_part_renews_nothing(old: str, suffix: str) -> None:
    def signed(url: str) -> str:
        return f"{url}{'&' if '?' in url else '?'}{suffix}" if suffix else url

    async with running() as app:
        configs = [FileConfig(url=signed(url)) for url in (old, f"{old}0")]
        await app.service.add(configs)
        app.service.configs = {config.id: config for config in configs}
        await app.update()
        assert "***" in app.service.rows[configs[0].id].url
        await paste(app, signed(OTHER_FILES[old]))
        assert words(app) == ["new"]
        await app.press("ctrl+s")
        await app.until(lambda: len(app.called("add")) == 2)
        assert not app.called("edit")


@pytest.mark.parametrize("url", OTHER_FILES)
async def test_a_new_signature_renews_the_one_of_several_with_the_same_hidden_part(
    url: str,
) -> None:
    async with running() as app:
        mark = "&" if "?" in url else "?"
        configs = [
            FileConfig(url=f"{each}{mark}sig=old&se=1")
            for each in (OTHER_FILES[url], url, f"{url}0")
        ]
        await app.service.add(configs)
        app.service.configs = {config.id: config for config in configs}
        await app.update()
        await paste(app, f"{url}{mark}sig=new&se=2")
        assert words(app) == [f"new link for {configs[1].get_destination_filename()}"]
        await app.press("enter")
        await app.until(lambda: app.called("edit"))
        assert [download_id for download_id, _ in app.called("edit")] == [configs[1].id]


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (120, 36), (200, 50)])
async def test_a_resize_keeps_text_and_choices(size: tuple[int, int]) -> None:
    async with running(size=(100, 30)) as app:
        await paste(app, "http://h/a", "http://h/b")
        await app.press("tab", "space")
        await app.pilot.resize_terminal(*size)
        await app.pilot.pause()
        assert words(app) == ["skip", "new"]
        assert app.app.screen.query_one(LinksArea).text == "http://h/a\nhttp://h/b"
        assert table(app).size.height >= 2
        assert "new" in table(app).render_line(1).text


async def test_a_check_that_ends_after_the_dialog_does_no_harm() -> None:
    class Slow(FakeService):
        may_end = asyncio.Event()

        async def check(self, text: str, options: ReadOptions | None = None) -> list[Entry]:
            await self.may_end.wait()
            return await super().check(text, options)

    service = Slow()
    async with running(service) as app:
        app.app.post_message(events.Paste("http://h/a"))
        await app.until(lambda: app.app.screen.query("#default-folder"))
        screen = app.app.screen
        assert isinstance(screen, AddScreen)
        check = asyncio.create_task(while_open(AddScreen._check)(screen))
        await app.pilot.pause()
        screen.dismiss("")
        await app.until(lambda: app.app.screen is app.main and not screen.is_running)
        service.may_end.set()
        await check


async def test_a_missing_widget_of_an_open_dialog_is_a_fault() -> None:
    @while_open
    async def look(screen: Screen[object]) -> None:
        screen.query_one("#missing")

    async with running() as app:
        await paste(app, "http://h/a")
        with pytest.raises(NoMatches):
            await look(app.app.screen)


# Typed ahead


@pytest.mark.usefixtures("patient_keys")
async def test_keys_behind_a_paste_act_on_its_lines() -> None:
    async with running() as app:
        app.app.post_message(events.Paste("http://h/a\rhttp://h/b"))
        type_at_once(app, "tab", "space")
        app.app.post_message(events.Key("ctrl+s", None))
        await app.until(lambda: app.called("add"))
        assert app.called("add") == [["http://h/b"]]


@pytest.mark.usefixtures("patient_keys")
async def test_tab_behind_a_page_goes_to_the_question_about_it() -> None:
    async with running() as app:
        page = "<html><a href='http://h/x.iso'>x</a><a href='http://h/y.txt'>y</a></html>"
        app.app.post_message(events.Paste(page))
        type_at_once(app, "tab", *"*.iso", "enter")
        await app.until(lambda: app.called("add"))
        assert app.called("add") == [["http://h/x.iso"]]


@pytest.mark.usefixtures("patient_keys")
async def test_keys_behind_enter_go_to_the_list() -> None:
    async with running() as app:
        first, *_ = await app.fill(3)
        type_at_once(app, "a", *"http://h/a", "enter", "p")
        await app.until(lambda: app.called("pause"))
        assert app.called("pause") == [[first]]
        assert app.called("add") == [["http://h/a"]]


@pytest.mark.parametrize("lines", [1_000, pytest.param(20_000, marks=pytest.mark.long)])
@pytest.mark.usefixtures("painting")
async def test_a_long_paste_is_read_once_and_only_visible_lines_are_painted(
    lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks: list[str] = []
    painted: list[Proposal] = []
    check, text_of = FakeService.check, EntryTable.text_of

    async def counted_check(
        service: FakeService, text: str, options: ReadOptions | None = None
    ) -> list[Entry]:
        checks.append(text)
        return await check(service, text, options)

    def counted_text_of(table: EntryTable, item: Proposal) -> Text:
        painted.append(item)
        return text_of(table, item)

    monkeypatch.setattr(FakeService, "check", counted_check)
    monkeypatch.setattr(EntryTable, "text_of", counted_text_of)
    async with running() as app:
        await paste(app, *(f"http://h/file-{number}.bin" for number in range(lines)))
        await app.until(lambda: count(app).startswith(f"{lines:,} to add"))
        await app.press("tab", "end", "space")
        await app.until(lambda: "1 skipped" in count(app))
        assert table(app).cursor == lines - 1
        assert len(checks) == 1
        assert 0 < len({item.entry.line for item in painted}) < 100  # two screens


async def test_text_that_is_being_checked_is_not_checked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The fields appear later than the text on a busy machine, and report their values."""
    checks: list[str] = []
    go_on = asyncio.Event()
    check = FakeService.check

    async def slow_check(
        service: FakeService, text: str, options: ReadOptions | None = None
    ) -> list[Entry]:
        checks.append(text)
        await go_on.wait()
        return await check(service, text, options)

    monkeypatch.setattr(FakeService, "check", slow_check)
    async with running() as app:
        app.app.post_message(events.Paste("http://h/a"))
        await app.until(lambda: checks)
        screen = app.app.screen
        assert isinstance(screen, AddScreen)
        screen._check_now()  # as the timer of the fields does
        await app.pilot.pause()
        go_on.set()
        await app.until(lambda: count(app).startswith("1 to add"))
        assert checks == ["http://h/a"]


async def test_a_narrow_box_shows_one_option_at_a_time_with_its_label() -> None:
    async with running(size=(40, 10)) as app:
        app.main.open_add("https://example.org/a.iso")
        await app.until(lambda: "1 to add" in app.screen_text())
        await app.press("tab")
        for label in ("Folder  ~/", "Priority  1", "Start  now", "Place  last"):
            await app.press("tab")
            line = app.screen_text().split("\n")[-3]
            assert label in line
            assert sum(word in line for word in ("Folder", "Priority", "Start", "Place")) == 1


async def test_a_long_name_takes_the_cells_that_short_verdicts_leave() -> None:
    async with running(size=(40, 10)) as app:
        app.main.open_add("https://example.org/report-of-the-year.txt")
        await app.until(lambda: "1 to add" in app.screen_text())
        assert "✓ report-of-the-year.txt  new" in app.screen_text()
