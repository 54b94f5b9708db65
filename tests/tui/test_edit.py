"""The dialog that edits a download: validation while typing, and nothing typed is lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.screen import Screen
from textual.widgets import Input, Label, Static, TextArea

from rheo_core.config.settings import build_settings
from rheo_core.domain import DownloadError, DownloadStatus, FileConfig
from rheo_core.domain.exceptions import HttpStatusError
from rheo_tui.edit_fields import FIELDS, edited, problem_of, texts_of
from rheo_tui.screens.edit import EditScreen
from rheo_tui.services.edits import Edits
from rheo_tui.services.local import LocalService
from rheo_tui.undo import UndoStack
from tests.tui.driving import Driver, running
from tests.tui.fake_service import FakeService

URL = "https://example.org/files/file-00000.iso?token=secret"
NEW = "https://mirror.example.org/new.iso?sig=other"


async def opened(app: Driver) -> EditScreen:
    await app.press("e")
    screen = app.app.screen
    assert isinstance(screen, EditScreen)
    await app.until(lambda: screen._config is not None)
    await app.pilot.pause()
    return screen


def field(screen: Screen[Any], name: str) -> Input:
    return screen.query_one(f"#edit-{name}", Input)


def problem(screen: EditScreen, name: str) -> str:
    line = screen.query_one(f"#problem-{name}" if name else "#edit-problem", Static)
    return str(line.render()) if line.display else ""


@pytest.mark.parametrize("auth", ["basic", "any", "digest"])
@pytest.mark.parametrize("login", ["", "me", "me:secret"])
def test_another_login_is_not_sent_by_the_scheme_of_a_list(auth: str, login: str) -> None:
    config = FileConfig(url=URL, request={"user": "x:y", "auth": auth})
    theirs = config.model_copy(update={"list_options": ("auth",)})
    assert edited(theirs, {"login": login}).request.auth is None
    assert edited(theirs, {"login": "x:y"}).request.auth == auth  # nothing has changed
    assert edited(config, {"login": login}).request.auth == auth  # the user chose it


@pytest.mark.parametrize("status", [s for s in DownloadStatus if s is not DownloadStatus.COMPLETED])
async def test_a_pasted_link_replaces_the_old_one_in_every_state_but_done(
    status: DownloadStatus,
) -> None:
    async with running(size=(80, 24)) as app:
        (first,) = await app.fill(1)
        app.service.change(first, status=status)
        await app.update()
        screen = await opened(app)
        assert field(screen, "link").value == URL
        field(screen, "link").post_message(events.Paste(NEW))  # not in the box for links
        await app.until(lambda: field(screen, "link").value == NEW)
        await app.press("enter")
        await app.until(lambda: app.app.screen is app.main)
        ((edited_id, config),) = app.called("edit")
        assert (edited_id, config.source, config.url) == (first, NEW, URL)
        assert "Edited file-00000.iso" in app.messages()


@pytest.mark.parametrize("before", [(), ("tab", "shift+tab")])
async def test_typed_text_continues_the_link(before: tuple[str, ...]) -> None:
    async with running(size=(40, 10)) as app:
        await app.fill(1)
        link = field(await opened(app), "link")
        await app.press(*before)
        assert link.has_focus
        assert 0 < len(URL) - link.scroll_offset.x < link.size.width
        await app.press("x", "y")
        assert link.value == f"{URL}xy"
        link.post_message(events.Paste("&more"))
        await app.until(lambda: link.value == f"{URL}xy&more")
        link.post_message(events.Paste(NEW))
        await app.until(lambda: link.value == NEW)


async def test_typed_text_replaces_the_login_that_the_advice_leads_to() -> None:
    async with running(size=(80, 40)) as app:
        (first,) = await app.fill(1)
        login = field(await opened(app), "login")
        login.value = "ann:wrong"
        await app.press("enter")
        await app.until(lambda: app.app.screen is app.main)
        app.service.fail(first, HttpStatusError(401, "Unauthorized"))
        await app.update()
        login = field(await opened(app), "login")
        assert login.has_focus and login.value == "ann:wrong"
        await app.press("x")
        assert login.value == "x"


async def test_a_login_without_a_colon_says_what_it_means_while_typing() -> None:
    async with running(size=(80, 40)) as app:
        await app.fill()
        screen = await opened(app)
        login = field(screen, "login")
        for text, note in (
            ("ann", "Enter name:password, or turn on netrc"),
            ("ann:", ""),
        ):
            login.value = text
            await app.pilot.pause()
            assert problem(screen, "login").startswith(note) and bool(note) == bool(
                problem(screen, "login")
            )
        login.value = "ann"
        await app.press("enter")
        await app.until(lambda: app.called("edit"))


async def test_each_field_is_checked_while_typing() -> None:
    async with running(size=(80, 40)) as app:
        await app.fill()
        screen = await opened(app)
        for name, wrong, sentence in (
            (
                "link",
                "ftp://example.org/[b]x",
                "has scheme 'ftp'; only http and https are supported.",
            ),
            ("name", "a/b", "'a/b' is not a valid file name; "),
            ("folder", "../up", "“../up” should be"),
            ("hash", "sha256:12", "64"),
            ("priority", "0", "'0' should be a number from 1 to 1,000."),
            ("connections", "many", "'many' should be a number from 1 to 64."),
            ("connections", "99", "'99' should be a number from 1 to 64."),
            ("limit", "fast", "'fast' is not valid: it should be bytes per second such as 500K"),
        ):
            widget = field(screen, name)
            before = widget.value
            widget.value = wrong
            await app.pilot.pause()
            assert sentence in problem(screen, name), name
            await app.press("enter")  # nothing is saved, and the field gets the focus
            assert widget.has_focus
            widget.value = before
            await app.pilot.pause()
            assert problem(screen, name) == ""
        screen.query_one("#edit-headers", TextArea).text = "X-Key"
        await app.pilot.pause()
        assert "Write each header as Name: value" in problem(screen, "headers")


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (120, 36)])
async def test_escape_and_resize_keep_what_was_typed(size: tuple[int, int]) -> None:
    async with running(size=size) as app:
        await app.fill()
        screen = await opened(app)
        field(screen, "name").value = "other.iso"
        screen.query_one("#edit-headers", TextArea).text = "X-Key: 1\nX-More: 2"
        await app.pilot.resize_terminal(60, 20)
        assert field(screen, "name").value == "other.iso"
        await app.press("escape")
        assert "Not saved. Edit the download again to continue." in app.messages()
        screen = await opened(app)
        assert field(screen, "name").value == "other.iso"
        assert field(screen, "link").value == URL
        await app.press("ctrl+s")
        await app.until(lambda: app.app.screen is app.main)
        ((_, config),) = app.called("edit")
        assert config.filename == "other.iso"
        assert config.headers == (("X-Key", "1"), ("X-More", "2"))
        screen = await opened(app)
        await app.press("escape")
        assert "Not saved" not in app.messages()


async def test_errors_stay_in_the_dialog_with_what_was_typed() -> None:
    async with running() as app:
        first, *_ = await app.fill()
        screen = await opened(app)
        field(screen, "name").value = "other.iso"
        app.service.fail_with = DownloadError("the list cannot be written")
        await app.press("enter")
        await app.until(lambda: problem(screen, "") == "the list cannot be written.")
        app.service.fail_with = RuntimeError()
        await app.press("enter")
        await app.until(lambda: problem(screen, "") == "RuntimeError.")
        app.service.change(first, status=DownloadStatus.COMPLETED)  # meanwhile
        await app.press("enter")
        gone = "file-00000.iso finished meanwhile, so nothing was saved."
        await app.until(lambda: problem(screen, "") == gone)
        assert field(screen, "name").value == "other.iso"
        await app.update()
        await app.press("escape")
        await app.until(lambda: "Not saved: file-00000.iso finished meanwhile." in app.messages())
        await app.press("6", "e")  # on its tab it is the only row
        await app.until(lambda: "This download is already done." in app.messages())


@pytest.mark.parametrize(("keys", "what"), [("e", "file-00000.iso"), ("*e", "These downloads")])
async def test_texts_for_downloads_that_left_the_list_are_not_kept(keys: str, what: str) -> None:
    async with running() as app:
        ids = await app.fill(2)
        await app.press(*keys[:-1])
        screen = await opened(app)
        screen.query_one("#edit-headers", TextArea).text = "X-Key: 1"
        await app.service.remove(ids)
        await app.press("ctrl+s")
        gone = f"{what} left the list meanwhile, so nothing was saved."
        await app.until(lambda: problem(screen, "") == gone)
        await app.update()
        await app.press("escape")
        await app.until(lambda: f"Not saved: {what} left the list" in app.messages())
        assert not app.main._dialogs._drafts


async def test_a_field_shows_no_example_before_its_value_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(size=(80, 24)) as app:
        await app.fill()
        known, config_of = asyncio.Event(), app.service.config_of

        async def late(download_id: str) -> FileConfig | None:
            await known.wait()
            return await config_of(download_id)

        monkeypatch.setattr(app.service, "config_of", late)
        await app.press("e")
        screen = app.app.screen
        assert {field(screen, each).placeholder for each in ("link", "name", "hash")} == {"…"}
        known.set()
        await app.until(lambda: field(screen, "link").value == URL)
        assert field(screen, "hash").placeholder == FIELDS["hash"].example


async def test_keys_typed_ahead_continue_the_link(patient_keys: None) -> None:
    class Slow(FakeService):
        may_load = asyncio.Event()

        async def config_of(self, download_id: str) -> FileConfig | None:
            await self.may_load.wait()
            return await super().config_of(download_id)

    service = Slow()
    async with running(service) as app:
        await app.fill()
        for key in "exyz":
            app.app.post_message(events.Key(key, key))
        await app.until(lambda: isinstance(app.app.screen, EditScreen))
        await app.pilot.pause()
        link = field(app.app.screen, "link")
        assert link.value == ""
        service.may_load.set()
        await app.until(lambda: link.value == f"{URL}xyz")


async def test_an_error_while_the_download_is_read_is_shown() -> None:
    class Broken(FakeService):
        async def config_of(self, download_id: str) -> FileConfig | None:
            raise RuntimeError("engine on fire [/b]")

    async with running(Broken()) as app:
        await app.fill()
        await app.press("e")
        screen = app.app.screen
        assert isinstance(screen, EditScreen)
        await app.until(lambda: problem(screen, "") == "engine on fire [/b].")


def test_unchanged_texts_change_nothing_and_no_secret_is_lost() -> None:
    config = FileConfig(
        url="https://me:pw@example.org/a?token=x",
        filename="a.iso",
        destination_subdir="b/c",
        headers=(("Cookie", "k=v"),),
        hash_config=None,
        speed_limit=2_000_000,
        connections=3,
        priority=7,
    ).with_options(FileConfig(url="http://a/", request={"user": "me:pw"}).request)
    assert edited(config, texts_of(config)) == config
    assert texts_of(config)["login"] == "me:pw"
    assert not any(problem_of(name, text, config) for name, text in texts_of(config).items())


def test_empty_texts_return_to_the_defaults() -> None:
    config = FileConfig(
        url="http://example.org/a", filename="b", destination_subdir="c", speed_limit=5,
        connections=2, headers=(("X-Y", "z"),),
    )  # fmt: skip
    blank = {name: "" for name in FIELDS if name not in ("link", "priority")}
    assert edited(config, blank) == FileConfig(url="http://example.org/a")


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[LocalService]:
    service = LocalService(build_settings(download_dir=tmp_path), save=False)
    await service.start()
    yield service
    await service.close()


async def test_an_edit_can_be_undone_and_redone_on_a_real_engine(service: LocalService) -> None:
    config = FileConfig(url="http://127.0.0.1:9/a")
    await service.add([config])
    await service.pause([config.id])
    await service.set_priority([config.id], 3)
    undo = UndoStack()
    before = await service.config_of(config.id)
    assert before is not None and before.priority == 3
    new = before.model_copy(update={"filename": "b", "speed_limit": 1000, "priority": 9})
    assert await Edits(service, undo).edit({config.id: new}) == 1
    row = (await service.snapshot()).downloads[-1]
    assert (row.name, row.priority, row.speed_limit_bps, row.status) == ("b", 9, 1000, "paused")
    assert await undo.undo() == "Undid the edit of 1 download."
    assert await service.config_of(config.id) == before
    assert await undo.redo() == "Redid the edit of 1 download."
    assert await service.config_of(new.id) == new


@pytest.mark.parametrize("taken", [0, 1, 2])
async def test_an_edit_that_is_refused_for_one_of_several_can_be_undone(
    service: LocalService, taken: int
) -> None:
    configs = [FileConfig(url=f"http://127.0.0.1:9/{name}", filename=name) for name in "abc"]
    after = [config.model_copy(update={"destination_subdir": "s"}) for config in configs]
    obstacle = after[taken]
    await service.add([*configs, obstacle], paused=True)
    undo = UndoStack()
    with pytest.raises(ValueError, match="another download in the list"):
        await Edits(service, undo).edit(
            {config.id: new for config, new in zip(configs, after, strict=True)}
        )
    changed = [config for config in after if config is not obstacle]
    expected = {each.id for each in (*changed, configs[taken], obstacle)}
    assert {row.id for row in (await service.snapshot()).downloads} == expected
    assert await undo.undo() == "Undid the edit of 2 downloads."
    expected = {each.id for each in (*configs, obstacle)}
    assert {row.id for row in (await service.snapshot()).downloads} == expected


@pytest.mark.parametrize("taken", [0, 1, 2])
async def test_an_undo_or_redo_that_is_refused_can_be_tried_again(
    service: LocalService, taken: int
) -> None:
    before = [FileConfig(url=f"http://127.0.0.1:9/{name}", filename=name) for name in "abc"]
    after = [config.model_copy(update={"destination_subdir": "s"}) for config in before]
    await service.add(before, paused=True)
    undo = UndoStack()
    edits = {config.id: new for config, new in zip(before, after, strict=True)}
    assert await Edits(service, undo).edit(edits) == 3
    for change, result in ((undo.undo, before), (undo.redo, after)):
        obstacle = result[taken]
        await service.add([obstacle], paused=True)
        for _ in range(2):
            with pytest.raises(ValueError, match="another download in the list"):
                await change()
        await service.remove([obstacle.id])
        assert "skipped 2 that have changed" in await change()
        assert {row.id for row in (await service.snapshot()).downloads} == {
            config.id for config in result
        }


@pytest.mark.parametrize("size", [(80, 24), (80, 15), (40, 10)])
async def test_no_field_is_squeezed_out_and_the_keys_stay_in_sight(size: tuple[int, int]) -> None:
    async with running(size=size) as app:
        await app.fill()
        screen = await opened(app)
        rows = [screen.query_one(f"#edit-{name}").virtual_region.height for name in FIELDS]
        assert all(rows)
        keys = screen.query_one(".dialog-keys").region
        assert keys.bottom < size[1]
        assert keys.height


@pytest.mark.parametrize("secret", [{"login": "name:pass"}, {"headers": "X-Key: 1"}])
def test_a_login_that_no_request_would_send_is_not_accepted(secret: dict[str, str]) -> None:
    config = FileConfig(url=URL)
    assert edited(config, texts_of(config) | secret).source == URL
    same_host = texts_of(config) | secret | {"link": "https://example.org/new.iso"}
    assert edited(config, same_host).source == "https://example.org/new.iso"
    with pytest.raises(ValueError, match=r"would be sent to example\.org only"):
        edited(config, texts_of(config) | secret | {"link": NEW})
    moved = edited(config, texts_of(config) | {"link": NEW})
    with pytest.raises(ValueError, match=r"would be sent to example\.org only"):
        edited(moved, texts_of(moved) | secret)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("isos/linux", {"destination_subdir": "isos/linux"}),
        ("~/isos", {"download_dir": Path("/home/ann/isos")}),
        ("/isos", {"download_dir": Path("/isos")}),
    ],
)
def test_a_folder_may_be_elsewhere(
    text: str, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    config = edited(FileConfig(url=URL), {"folder": text})
    assert config == FileConfig(url=URL, **fields)
    assert edited(config, texts_of(config)) == config
    assert edited(config, {"folder": ""}) == FileConfig(url=URL)


def test_the_home_folder_of_nobody_is_not_accepted() -> None:
    said = problem_of("folder", "~nobody-here/x", FileConfig(url=URL))
    assert "The home folder “~nobody-here” is unknown; paths in yours begin with ~/" in said


@pytest.mark.parametrize("text", ["../isos", "a/../.."])
def test_a_folder_above_the_download_folder_is_not_accepted(text: str) -> None:
    assert "should be relative, such as isos/linux" in problem_of(
        "folder", text, FileConfig(url=URL)
    )


async def test_marked_downloads_that_are_not_done_get_what_the_user_changes() -> None:
    async with running() as app:
        ids = await app.fill(3)
        app.service.change(ids[0], status=DownloadStatus.COMPLETED)
        before = await app.service.config_of(ids[2])
        assert before is not None
        app.service.configs[ids[2]] = before = before.model_copy(update={"priority": 7})
        await app.update()
        app.main.model.marked |= set(ids)
        await app.update()
        screen = await opened(app)
        field(screen, "limit").value = "2M"
        await app.press("enter")
        await app.until(lambda: app.app.screen is app.main)
        saved = dict(app.called("edit"))
        assert set(saved) == set(ids[1:])
        assert all(config.speed_limit == 2_000_000 for config in saved.values())
        assert saved[ids[2]].priority == before.priority  # shown as 1, and not changed
        assert "Edited 2 downloads." in app.messages()


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"link": f"{NEW}#sha256={'a' * 64}"}, "a"),
        ({"link": f"{NEW}#sha256={'c' * 64}"}, "two sha256 hashes of the file differ"),
        ({"link": f"{NEW}#sha256={'c' * 64}", "hash": f"sha256:{'c' * 64}"}, "c"),
        ({"hash": f"sha256:{'c' * 64}", "link": f"{NEW}#sha256={'c' * 64}"}, "c"),
        ({"link": f"{NEW}#sha256={'c' * 64}", "hash": ""}, "c"),
        ({"link": f"{NEW}#md5={'c' * 32}"}, "a"),
        ({"link": NEW}, "a"),
    ],
)
def test_the_checksum_in_a_link_is_joined_with_that_in_its_field(
    texts: dict[str, str], expected: str
) -> None:
    checksum = {"algorithm": "sha256", "expected_hash": "a" * 64}
    config = FileConfig(url=URL, hash_config=checksum)
    assert not any(problem_of(name, text, config) for name, text in texts.items())
    if len(expected) > 1:
        with pytest.raises(ValueError, match=expected):
            edited(config, texts)
        return
    changed = edited(config, texts)
    assert changed.source == texts["link"]
    assert changed.hash_config is not None
    assert changed.hash_config.expected_hash == expected * 64


def test_a_checksum_in_a_link_that_is_not_valid_is_named_while_typing() -> None:
    sentence = "sha256 hash has 2 characters instead of 64."
    assert problem_of("link", f"{NEW}#sha256=12", FileConfig(url=URL)) == sentence


async def test_the_label_of_the_focused_field_stands_out() -> None:
    async with running() as app:
        await app.fill(1)
        screen = await opened(app)
        labels = screen.query(Label)

        def bold() -> list[str]:
            return [str(each.content) for each in labels if each.styles.text_style.bold]

        for label in ("Link", "Name", "Folder"):
            await app.until(lambda label=label: bold() == [label])
            await app.press("tab")
