"""Links whose file is on the disk already: the user opens it, renames, overwrites or skips."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from textual import events
from textual.widgets import Input, OptionList, Static

from rheo_core import DownloadManager
from rheo_core.config.settings import build_settings
from rheo_core.domain import (
    DownloadSnapshot,
    DownloadStatus,
    FileConfig,
    FileExistsStrategy,
    HashConfig,
)
from rheo_core.inputs import Verdict
from rheo_tui import file_manager
from rheo_tui.app import RheoApp
from rheo_tui.screens.add import AddScreen, LinksArea
from rheo_tui.screens.edit import EditScreen
from rheo_tui.screens.entry_preview import EntryPreview
from rheo_tui.screens.existing_file import ExistingFileScreen, NameScreen
from rheo_tui.screens.load import LoadScreen
from rheo_tui.services.local import LocalService
from rheo_tui.widgets.default_fields import DefaultFields
from rheo_tui.widgets.entry_table import EntryTable
from tests.core.engine import serving, sha256
from tests.servers.misbehaving import MisbehavingServer
from tests.tui.driving import Driver, running
from tests.tui.fake_service import FakeService

OLD = b"old"


@asynccontextmanager
async def engine(folder: Path, **settings: Any) -> AsyncIterator[Driver]:
    """Run the app over a real engine."""
    service = LocalService(build_settings(download_dir=folder, **settings), save=False)
    app = RheoApp(service)
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        driver = Driver(app, cast("FakeService", service), pilot)
        await driver.until(lambda: app.is_attached and app.main.client.ready)
        yield driver


def place(server: MisbehavingServer, folder: Path, *names: str) -> list[str]:
    """Put files on the server, and older ones of their names into the folder."""
    for name in names:
        (folder / name).write_bytes(OLD)
    return [server.on(f"/{name}", serving(name.encode())) for name in names]


async def paste(app: Driver, *urls: str) -> None:
    app.app.post_message(events.Paste("\r".join(urls)))
    await app.until(lambda: isinstance(app.app.screen, AddScreen) and choices(app))


def choices(app: Driver) -> list[str]:
    """Return what becomes of the entries whose files exist, with their line numbers."""
    return [
        f"{proposal.entry.line} {proposal.words}"
        for preview in app.app.screen.query(EntryPreview)
        for proposal in preview.proposals
        if proposal.entry.verdict is Verdict.ON_DISK
    ]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".state"}


async def ended(app: Driver, count: int) -> list[DownloadSnapshot]:
    """Wait until all downloads have ended and return them."""
    rows = app.main.model.rows
    await app.until(
        lambda: len(rows) == count and all(row.status.is_terminal for row in rows.values())
    )
    return list(rows.values())


async def test_each_link_gets_the_choice_of_the_user(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    urls = place(server, tmp_path, "a.bin", "b.bin", "c.bin", "d.bin")
    fresh = server.on("/new.bin", serving(b"new.bin"))
    async with engine(tmp_path) as app:
        await paste(app, *urls, fresh)
        await app.press("enter")
        assert isinstance(app.app.screen, AddScreen)
        message = "Added 1 download. 4 files are already there: choose below."
        await app.until(lambda: message in app.screen_text())
        assert not app.app._notifications  # a toast would cover the keys
        assert app.app.screen.query_one(LinksArea).text == "\n".join(urls)
        await app.press("o", "a", "r")
        await app.until(lambda: isinstance(app.app.screen, NameScreen))
        field = app.app.screen.query_one(Input)
        assert field.value == "c (1).bin"
        field.value = "mine/../x.bin"
        await app.press("enter", "s")
        assert choices(app) == [
            "1 overwrite",
            "2 download again under a numbered name",
            "3 save as mine_.._x.bin",
            "4 skip",
        ]
        await app.press("ctrl+s")
        await app.until(lambda: app.app.screen is app.main)
        await ended(app, 4)
    assert files(tmp_path) == {
        "a.bin": b"a.bin",
        "b.bin": OLD,
        "b (1).bin": b"b.bin",
        "c.bin": OLD,
        "mine_.._x.bin": b"c.bin",
        "d.bin": OLD,
        "new.bin": b"new.bin",
    }


@pytest.mark.parametrize(
    ("key", "choice", "expected"),
    [
        ("enter", "open", ""),
        ("a", "again", "download again under a numbered name"),
        ("o", "overwrite", "overwrite"),
        ("s", "skip", "skip"),
        ("down,down,down,enter", "overwrite", "overwrite"),
        ("r", "rename", "save as a (1).bin"),
    ],
)
async def test_enter_offers_the_choices_of_the_hint(
    server: MisbehavingServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    choice: str,
    expected: str,
) -> None:
    urls = place(server, tmp_path, "a.bin", "b.bin")
    opener = tmp_path / "xdg-open"
    opener.write_text("#!/bin/sh\n")
    opener.chmod(0o755)
    monkeypatch.setattr(file_manager, "_OPENERS", (str(opener),))
    async with engine(tmp_path) as app:
        await paste(app, *urls)
        await app.press("tab", "enter")
        await app.until(lambda: isinstance(app.app.screen, ExistingFileScreen))
        name = app.app.screen.query_one(".existing-name", Static)
        assert str(name.content) == f"{tmp_path}/a.bin"
        await app.press(*key.split(","))
        if choice == "rename":
            await app.until(lambda: isinstance(app.app.screen, NameScreen))
            await app.press("enter")
        await app.until(lambda: isinstance(app.app.screen, AddScreen))
        if choice == "open":
            await app.until(lambda: f"Opened {tmp_path}/a.bin." in app.messages())
        first = expected or "already there: choose"
        assert choices(app) == [f"1 {first}", "2 already there: choose"]
        table = app.app.screen.query_one(EntryTable)
        assert table.cursor == (0 if choice == "open" else 1)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("A", {"a.bin": OLD, "b.bin": OLD, "a (1).bin": b"a.bin", "b (1).bin": b"b.bin"}),
        ("O", {"a.bin": b"a.bin", "b.bin": b"b.bin"}),
        ("S", {"a.bin": OLD, "b.bin": OLD}),
    ],
)
@pytest.mark.parametrize("strategy", ["skip", "error"])
@pytest.mark.halved("key", "strategy")
async def test_one_key_decides_all(
    server: MisbehavingServer, tmp_path: Path, key: str, expected: dict[str, bytes], strategy: str
) -> None:
    urls = place(server, tmp_path, "a.bin", "b.bin")
    async with engine(tmp_path, file_exists_strategy=strategy) as app:
        await paste(app, *urls)
        await app.press("tab", key, "ctrl+s")
        await app.until(lambda: app.app.screen is app.main)
        await ended(app, 0 if key == "S" else 2)
    assert files(tmp_path) == expected


async def test_a_list_file_asks_in_the_same_way(server: MisbehavingServer, tmp_path: Path) -> None:
    (folder := tmp_path / "out").mkdir()
    urls = place(server, folder, "a.bin", "b.bin")
    (listed := tmp_path / "links.txt").write_text("\n".join(urls))
    async with engine(folder) as app:
        await app.press("o")
        app.app.screen.query_one("#path", Input).value = str(listed)
        await app.until(lambda: len(choices(app)) == 2)
        await app.press("enter")
        assert isinstance(app.app.screen, LoadScreen)
        count = app.app.screen.query_one(".verdict-count", Static)
        assert "2 files are already there: choose below." in str(count.content)
        assert not app.app._notifications  # a toast would cover the keys
        await app.press("o", "s", "ctrl+s")
        await app.until(lambda: app.app.screen is app.main)
        await ended(app, 1)
    assert files(folder) == {"a.bin": b"a.bin", "b.bin": OLD}


async def test_the_link_of_a_completed_download_may_be_downloaded_again(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    body = b"first"
    url = server.on("/a.bin", lambda exchange: exchange.serve(body))
    same_name = server.on("/2/a.bin", serving(b"of another link"))
    async with engine(tmp_path) as app:
        await app.command(f"add {url}")
        await ended(app, 1)
        body = b"second"
        await paste(app, url, url)
        assert [line[:2] for line in choices(app)] == ["1 "]
        await app.press("tab", "o", "ctrl+s")
        await app.until(lambda: app.app.screen is app.main)
        await ended(app, 1)
        assert files(tmp_path) == {"a.bin": b"second"}
        await app.command(f"add {same_name}")  # it is another file and gets the next number
        await ended(app, 2)
        (tmp_path / "a.bin").unlink()
        await app.command(f"add {url}")
        await app.until(lambda: "already in the list" in app.messages())
    assert files(tmp_path) == {"a (1).bin": b"of another link"}


@pytest.mark.parametrize("has_moved", [True, False])
@pytest.mark.parametrize("way", ["paste", "existing"])
@pytest.mark.halved("way", "has_moved")
async def test_overwrite_replaces_the_file_that_was_shown(
    server: MisbehavingServer, tmp_path: Path, way: str, has_moved: bool
) -> None:
    """Not the user's own file with the name that the download would get now."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    body = b"first"
    url = server.on("/a.bin", lambda exchange: exchange.serve(body))
    (old / "a.bin").write_bytes(OLD)
    (new / "a.bin").write_bytes(OLD)
    async with engine(old) as app:
        await paste(app, url)
        await app.press("tab", "a", "ctrl+s")
        await ended(app, 1)
        assert files(old) == {"a.bin": OLD, "a (1).bin": b"first"}
        if has_moved:
            await app.command(f"set download_dir {new}")
            await app.until(lambda: app.main.client.service.settings.download_dir == new)
        body = b"second"
        if way == "paste":
            await paste(app, url)
            await app.press("tab", "o", "ctrl+s")
        else:
            await app.command("existing")
            await app.until(lambda: isinstance(app.app.screen, ExistingFileScreen))
            await app.press("o")
        await app.until(lambda: (old / "a (1).bin").read_bytes() == b"second")
    assert files(old) == {"a.bin": OLD, "a (1).bin": b"second"}
    assert files(new) == {"a.bin": OLD}


@pytest.mark.parametrize("change", ["rule", "download_dir"])
async def test_overwrite_stays_with_its_file_whatever_decides_on_folders(
    server: MisbehavingServer, tmp_path: Path, change: str
) -> None:
    old, new = tmp_path / "old", tmp_path / "old" / "isos"
    new.mkdir(parents=True)
    url = server.on("/a.bin", serving(b"new"))
    for folder in (old, new):
        (folder / "a.bin").write_bytes(OLD)
    rules = [{"host": ["127.0.0.1"], "folder": "isos"}] if change == "rule" else []
    async with engine(old, rules=rules) as app:
        await paste(app, url)
        app.app.screen.query_one(DefaultFields).input("start").value = "paused"
        await app.press("tab", "o", "ctrl+s")
        await app.until(lambda: len(app.main.model.rows) == 1)
        if change == "download_dir":
            await app.command(f"set download_dir {new}")
            await app.until(lambda: app.main.client.service.settings.download_dir == new)
        await app.press("S")
        await ended(app, 1)
    # With the rule, the user was asked about the file in its folder.
    assert (old / "a.bin").read_bytes() == OLD
    assert files(new) == {"a.bin": b"new" if change == "rule" else OLD}


@pytest.mark.parametrize(("field", "text"), [("name", "b.bin"), ("folder", "isos")])
@pytest.mark.parametrize("in_box", [True, False])
async def test_overwrite_does_not_follow_a_download_to_another_file(
    server: MisbehavingServer, tmp_path: Path, field: str, text: str, in_box: bool
) -> None:
    (tmp_path / "isos").mkdir()
    (url, _) = place(server, tmp_path, "a.bin", "b.bin")
    (tmp_path / "isos" / "a.bin").write_bytes(OLD)

    async def edit(key: str) -> None:
        await app.press(key)
        await app.until(
            lambda: (
                isinstance(app.app.screen, EditScreen)
                and app.app.screen.query_one("#edit-priority", Input).value
            )
        )
        app.app.screen.query_one(f"#edit-{field}", Input).value = text
        await app.press("ctrl+s")

    async with engine(tmp_path) as app:
        await paste(app, url)
        await app.press("tab", "o")
        if in_box:
            await edit("e")
            await app.until(lambda: choices(app) == ["1 already there: choose"])
            await app.press("o")
        else:
            app.app.screen.query_one(DefaultFields).input("start").value = "paused"
        await app.press("ctrl+s")
        await app.until(lambda: app.app.screen is app.main)
        if not in_box:
            await app.until(lambda: app.main.model.rows)
            before = set(app.main.model.rows)
            await edit("e")
            await app.until(lambda: app.app.screen is app.main)
            await app.until(lambda: app.main.model.rows and before.isdisjoint(app.main.model.rows))
            await app.press("S")
        (row,) = await ended(app, 1)
        is_done = row.status is DownloadStatus.COMPLETED
    assert is_done == in_box
    moved = tmp_path / ("b.bin" if field == "name" else "isos/a.bin")
    assert moved.read_bytes() == (b"a.bin" if in_box else OLD)
    assert (tmp_path / "a.bin").read_bytes() == OLD


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("place_of_other", ["isos", "elsewhere"])
@pytest.mark.parametrize("key", ["o", "O", "a", "r"])
@pytest.mark.halved("key", "place_of_other", "is_there")
async def test_a_choice_for_a_file_is_not_one_for_that_of_another_folder(
    server: MisbehavingServer, tmp_path: Path, key: str, place_of_other: str, is_there: bool
) -> None:
    (tmp_path / "files").mkdir()
    (url,) = place(server, tmp_path / "files", "a.bin")
    is_below = place_of_other == "isos"
    other = tmp_path / ("files/isos" if is_below else "elsewhere")
    other.mkdir()
    if is_there:
        (other / "a.bin").write_bytes(b"mine")
    async with engine(tmp_path / "files") as app:
        await paste(app, url)
        await app.press("tab", key)
        if key == "r":
            await app.until(lambda: isinstance(app.app.screen, NameScreen))
            await app.press("enter")
        await app.until(lambda: not choices(app)[0].endswith("choose"))
        chosen = choices(app)
        folder = app.app.screen.query_one(DefaultFields).input("folder")
        folder.value = place_of_other if is_below else str(other)
        await app.until(lambda: choices(app) == (["1 already there: choose"] if is_there else []))
        folder.value = ""
        await app.until(lambda: choices(app) == chosen)
        folder.value = place_of_other if is_below else str(other)
        await app.until(lambda: choices(app) != chosen)
        await app.press("ctrl+s")
        if is_there:
            await app.update()
            assert app.app.screen is not app.main
        else:
            await ended(app, 1)
    assert (tmp_path / "files" / "a.bin").read_bytes() == OLD
    assert (other / "a.bin").read_bytes() == (b"mine" if is_there else b"a.bin")


@pytest.mark.parametrize("key", ["o", "a", "r"])
@pytest.mark.parametrize("has_moved", [True, False])
@pytest.mark.halved("key", "has_moved")
async def test_a_completed_download_that_is_pasted_again_keeps_its_checks_and_route(
    server: MisbehavingServer, tmp_path: Path, key: str, has_moved: bool
) -> None:
    """The second file is another one, which its checksum refuses."""
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    body = b"good"
    url = server.on("/a.bin", lambda exchange: exchange.serve(body))
    checksum = HashConfig.from_checksum_string(f"sha256:{sha256(body)}")
    config = FileConfig(url=url, hash_config=checksum, request={"ip_version": 4}, timeout=50)
    async with engine(old, max_retries=0) as app:
        await app.main.client.add([config])
        await ended(app, 1)
        if has_moved:
            await app.command(f"set download_dir {new}")
            await app.until(lambda: app.main.client.service.settings.download_dir == new)
        body = b"evil"
        await paste(app, url)
        await app.press("tab", key)
        if key == "r":
            await app.until(lambda: isinstance(app.app.screen, NameScreen))
            await app.press("enter")
        await app.press("ctrl+s")
        await app.until(lambda: app.app.screen is app.main)
        rows = app.main.model.rows.values()
        await app.until(lambda: any(row.status is DownloadStatus.FAILED for row in rows))
        (row,) = (row for row in rows if row.status is DownloadStatus.FAILED)
        kept = await app.main.client.service.config_of(row.id)
    assert kept is not None and (kept.hash_config, kept.timeout) == (checksum, 50)
    assert kept.request.ip_version == 4
    assert files(old) == {"a.bin": b"good"}


@pytest.mark.parametrize("key", ["O", "A"])
async def test_a_choice_counts_for_one_paste(
    server: MisbehavingServer, tmp_path: Path, key: str
) -> None:
    """A line that is not valid keeps the text and the choices in the box."""
    (url,) = place(server, tmp_path, "a.bin")
    async with engine(tmp_path) as app:
        await paste(app, url, "http://a..b/")
        await app.press("tab", key, "ctrl+s")
        box = app.app.screen.query_one(LinksArea)
        await app.until(lambda: box.text == "http://a..b/")
        await ended(app, 1)
        (tmp_path / "a.bin").write_bytes(b"edited by the user")
        await app.press("escape")
        await app.until(lambda: app.app.screen is app.main)
        await paste(app, url)
        await app.until(lambda: choices(app) == ["2 already there: choose"])


@pytest.mark.parametrize("strategy", ["skip", "error"])
async def test_a_row_that_failed_because_of_a_file_names_it_after_the_folder_changed(
    server: MisbehavingServer, tmp_path: Path, strategy: str
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "a.bin").write_bytes(OLD)
    url = server.on("/a.bin", serving(b"a.bin"))
    async with engine(old, file_exists_strategy=strategy) as app:
        await app.main.client.add([FileConfig(url=url, size_bytes=5)])
        (row,) = await ended(app, 1)
        assert (row.status, row.destination) == (DownloadStatus.FAILED, str(old / "a.bin"))
        await app.command(f"set download_dir {new}")
        await app.until(lambda: app.main.client.service.settings.download_dir == new)
        await app.press("4", "d")
        await app.until(lambda: isinstance(app.app.screen, ExistingFileScreen))
        assert "old/a.bin" in app.screen_text()
        await app.press("o")
        await app.until(lambda: files(old) == {"a.bin": b"a.bin"})
    assert files(new) == {"a.bin": OLD}


@pytest.mark.parametrize("key", ["o", "a", "r"])
@pytest.mark.parametrize("size", [None, 5], ids=["skipped", "failed"])
@pytest.mark.halved("key", "size")
async def test_a_row_that_ended_because_of_a_file_offers_the_choices(
    server: MisbehavingServer, tmp_path: Path, key: str, size: int | None
) -> None:
    (url,) = place(server, tmp_path, "a.bin")
    async with engine(tmp_path) as app:
        await app.main.client.add([FileConfig(url=url, size_bytes=size)])
        (row,) = await ended(app, 1)
        assert row.status is (DownloadStatus.FAILED if size else DownloadStatus.SKIPPED)
        await app.press("6" if size is None else "4", "d", key)
        if key == "r":
            await app.until(lambda: isinstance(app.app.screen, NameScreen))
            await app.press("enter")
        await app.until(lambda: app.app.screen is app.main)
        await ended(app, 2 if key == "r" else 1)
    copied = {"a.bin": OLD, "a (1).bin": b"a.bin"}
    assert files(tmp_path) == ({"a.bin": b"a.bin"} if key == "o" else copied)


async def test_the_reason_and_the_key_are_shown(server: MisbehavingServer, tmp_path: Path) -> None:
    (url,) = place(server, tmp_path, "a.bin")
    async with engine(tmp_path, file_exists_strategy="error") as app:
        await app.main.client.add([FileConfig(url=url)])
        await ended(app, 1)
        await app.press("enter")
        shown = str(app.app.export_screenshot()).replace("&#160;", " ")
        assert "file already exists" in shown and "Press d to open the file" in shown


async def test_several_rows_are_decided_together() -> None:
    async with running() as app:
        ids = await app.fill()
        for row in ids[:2]:
            app.service.change(row, status=DownloadStatus.SKIPPED)
        await app.update()
        await app.press("d")
        message = "No existing file is in the way."
        assert message in app.messages()
        await app.press("6", "*", "d")
        assert isinstance(app.app.screen, ExistingFileScreen)
        keys = [str(option.prompt)[0] for option in app.app.screen.query_one(OptionList).options]
        assert keys == ["a", "o"]
        await app.press("v", "r", "escape")  # for one file only
        assert not app.called("add_again")
        await app.press("d", "down", "enter")
        await app.until(lambda: app.called("add_again"))
        assert sorted(app.called("add_again")[0]) == sorted(ids[:2])
        await app.until(lambda: "Queued again: 2 downloads (overwrite)." in app.messages())


@pytest.mark.parametrize("where", ["row", "box"])
async def test_the_file_is_opened(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    (folder := tmp_path / "out").mkdir()
    (url,) = place(server, folder, "a b.bin")
    url = url.replace(" ", "%20")
    log = tmp_path / "opened"
    opener = tmp_path / "xdg-open"
    opener.write_text(f'#!/bin/sh\necho "$1" > {log}.new && mv {log}.new {log}\n')
    opener.chmod(0o755)
    monkeypatch.setattr(file_manager, "_OPENERS", (str(opener),))
    async with engine(folder) as app:
        if where == "row":
            await app.main.client.add([FileConfig(url=url)])
            await ended(app, 1)
            await app.press("6", "d", "v")
        else:
            await paste(app, url)
            await app.press("tab", "v")
        await app.until(log.exists)
        assert log.read_text() == f"{folder}/a b.bin\n"
        (folder / "a b.bin").unlink()
        await app.press(*(["d", "v"] if where == "row" else ["v"]))
        await app.until(lambda: "a b.bin does not exist." in app.messages())


async def test_a_stored_overwrite_without_its_file_is_forgotten(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """Earlier versions did not store which file the user was asked about."""
    (url,) = place(server, tmp_path, "a.bin")
    config = FileConfig(url=url, file_exists_strategy=FileExistsStrategy.OVERWRITE)
    session = tmp_path / "session.db"
    async with DownloadManager(download_dir=tmp_path / "before", session_path=session) as manager:
        await manager.add([config], paused=True)
    settings = build_settings(download_dir=tmp_path)
    service = LocalService(settings, save=False, session_path=session)
    await service.start()
    try:
        await service.resume([config.id])
        async with asyncio.timeout(60):
            while not (await service.snapshot()).downloads[0].status.is_terminal:
                await asyncio.sleep(0.01)
    finally:
        await service.close()
    assert (tmp_path / "a.bin").read_bytes() == OLD


@pytest.mark.parametrize(
    ("body", "expected"),
    [(b"good", "already there: choose"), (b"evil", "new link for a.bin (4 B kept)")],
)
async def test_a_line_that_contradicts_an_ended_download_stays_with_its_reason(
    server: MisbehavingServer, tmp_path: Path, body: bytes, expected: str
) -> None:
    url = server.on("/a.bin", serving(body))
    other = server.on("/b.bin", serving(b"b"))
    checksum = HashConfig.from_checksum_string(f"sha256:{sha256(b'good')}")
    line = f"{url}#sha256={sha256(b'another')}"
    async with engine(tmp_path, max_retries=0) as app:
        await app.main.client.add([FileConfig(url=url, hash_config=checksum)])
        await ended(app, 1)
        app.app.post_message(events.Paste(f"{line}\r{other}"))
        await app.until(lambda: isinstance(app.app.screen, AddScreen))
        await app.until(lambda: "1 to add" in app.screen_text())
        await app.press("enter")
        await app.until(lambda: len(app.main.model.rows) == 2)
        await app.until(lambda: app.app.screen.query_one(LinksArea).text == line)
        preview = app.app.screen.query_one(EntryPreview)
        (proposal,) = preview.proposals
        assert proposal.words.endswith("Remove the earlier download first.")
        assert not app.app._notifications
        app.app.screen.query_one(LinksArea).text = f"{url}#sha256={sha256(b'good')}"
        await app.until(lambda: [each.words for each in preview.proposals] == [expected])
