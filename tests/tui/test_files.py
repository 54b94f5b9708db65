"""Finished files: delete to the trash, open, download again; pause and resume of all."""

import errno
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import send2trash

from rheo_core.config.settings import build_settings
from rheo_core.domain import DownloadStatus, FileConfig, FileExistsStrategy, HashConfig
from rheo_core.downloads import existing_file_check
from rheo_tui.action_handlers import DownloadHandlers
from rheo_tui.existing_files import Choice, Decision
from rheo_tui.screens.confirm import ConfirmScreen
from rheo_tui.services.local import LocalService
from rheo_tui.services.trash import DeletedFile, delete_file, remove_leftovers, restore_file
from rheo_tui.undo import UndoStack
from rheo_tui.widgets.footer import StatusFooter
from tests.core.engine import names_in, serving
from tests.servers.misbehaving import MisbehavingServer
from tests.tui.driving import running
from tests.waiting import Until


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[LocalService]:
    service = LocalService(build_settings(download_dir=tmp_path / "files"), save=False)
    await service.start()
    yield service
    await service.close()


async def done(
    service: LocalService, server: MisbehavingServer, until: Until, *names: str
) -> list[str]:
    """Download a small file for each name; return their ids."""
    configs = [FileConfig(url=server.on(f"/{name}", serving(name.encode()))) for name in names]
    await service.add(configs)
    await until(lambda: service._manager.stats.completed == len(names))
    return [config.id for config in configs]


def no_attributes(*_: object) -> None:
    raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))


def no_trash(_: object) -> None:
    raise PermissionError("no trash here")


async def test_files_go_to_the_trash_and_return_with_undo(
    service: LocalService,
    server: MisbehavingServer,
    tmp_path: Path,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trash = tmp_path / "data" / "Trash" / "files"
    trash.mkdir(parents=True)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(send2trash, "send2trash", lambda path: path.rename(trash / path.name))
    ids = await done(service, server, until, "a", "b")
    undo = UndoStack()
    handlers = DownloadHandlers(service, undo)
    deletion = await handlers.delete_files(ids)
    assert (deletion.ids, deletion.in_trash, deletion.problems) == (tuple(ids), 2, ())
    assert names_in(tmp_path / "files") == []
    assert names_in(trash) == ["a", "b"]
    (trash / "b").unlink()  # the user empties the trash
    (trash / "b").write_text("another b")
    undone = await undo.undo()
    assert undone == "Undid the deletion of 1 download; skipped 1 that has changed or is gone."
    (row,) = (await service.snapshot()).downloads
    assert (row.id, row.status) == (ids[0], DownloadStatus.COMPLETED)
    assert (tmp_path / "files" / "a").read_text() == "a"
    assert service.take_problems() == ["Cannot restore b: it was not found in the trash."]
    assert (
        await undo.redo()
        == "Redid the deletion of 1 download; skipped 1 that has changed or is gone."
    )
    assert names_in(trash) == ["a", "b"]


async def test_without_a_trash_files_return_with_undo(
    service: LocalService,
    server: MisbehavingServer,
    tmp_path: Path,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(send2trash, "send2trash", no_trash)
    ids = await done(service, server, until, "a", "b")
    undo = UndoStack()
    handlers = DownloadHandlers(service, undo)
    assert (await handlers.delete_files(ids)).in_trash == 0
    assert [name for name in names_in(tmp_path / "files") if not name.startswith(".")] == []
    (tmp_path / "files" / "b").write_text("another")
    assert await undo.undo() == "Undid the deletion of 2 downloads."
    assert (tmp_path / "files" / "a").read_text() == "a"
    assert (tmp_path / "files" / "b").read_text() == "another"
    (problem,) = service.take_problems()
    assert problem == "b is kept as b (1): another file has its name now."
    await service.close()
    assert names_in(tmp_path / "files") == ["a", "b", "b (1)"]


async def test_held_files_go_with_the_program(
    service: LocalService,
    server: MisbehavingServer,
    tmp_path: Path,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(send2trash, "send2trash", no_trash)
    await service.delete_files(await done(service, server, until, "a"))
    assert len(names_in(tmp_path / "files")) == 1
    await service.close()
    assert names_in(tmp_path / "files") == []


async def test_files_that_a_killed_program_held_go_later(
    service: LocalService,
    server: MisbehavingServer,
    tmp_path: Path,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(send2trash, "send2trash", no_trash)
    await service.delete_files(await done(service, server, until, "a", "b"))
    folder = tmp_path / "files"
    (folder / ".rheo-deleted-x").write_text("of another program")
    (folder / f".rheo-deleted-{'0' * 16}").symlink_to("nowhere")
    remove_leftovers(folder)  # another app may still undo this
    assert len(names_in(folder)) == 4
    monkeypatch.setattr("rheo_tui.services.trash._LEFTOVER_SECONDS", -1)
    remove_leftovers(folder)
    assert names_in(folder) == [f".rheo-deleted-{'0' * 16}", ".rheo-deleted-x"]


async def test_a_file_that_is_gone_is_named_and_its_row_stays(
    service: LocalService, server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    ids = await done(service, server, until, "a")
    (tmp_path / "files" / "a").unlink()
    deletion = await DownloadHandlers(service, UndoStack()).delete_files(ids)
    assert deletion.problems == ("Cannot delete a: no such file or directory.",)
    assert len((await service.snapshot()).downloads) == 1


def replace(path: Path) -> None:
    path.unlink()
    path.write_text("of another program")


def replace_by_same_size(path: Path) -> None:
    path.unlink()
    path.write_text("x")
    os.utime(path, (time.time() + 60, time.time() + 60))


def replace_at_once(path: Path) -> None:
    """Move another file of the same size to the name, as `mv mine.img f.bin` does."""
    (other := path.with_name("mine")).write_text("y")
    other.rename(path)


def replace_by_copy_of_attributes(path: Path) -> None:
    """Move the file of another link there."""
    replace_at_once(path)
    os.setxattr(path, "user.rheo.source", b"0" * 32)


def remove_attributes(path: Path) -> None:
    """Copy the file as a backup without attributes does, with its time."""
    copy = path.with_name("copy")
    shutil.copyfile(path, copy)
    shutil.copystat(path, copy)
    for name in os.listxattr(copy):
        os.removexattr(copy, name)
    copy.rename(path)


CHANGES = [
    replace,
    replace_by_same_size,
    replace_at_once,
    replace_by_copy_of_attributes,
    remove_attributes,
]


@pytest.mark.parametrize("has_attributes", [True, False])
@pytest.mark.parametrize("change", CHANGES)
async def test_a_file_of_another_program_is_not_deleted(
    service: LocalService,
    server: MisbehavingServer,
    tmp_path: Path,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
    has_attributes: bool,
) -> None:
    monkeypatch.setattr(send2trash, "send2trash", no_trash)
    if not has_attributes:
        monkeypatch.setattr(existing_file_check, "source_at", lambda _: None)
    ids = await done(service, server, until, "a")
    change(file := tmp_path / "files" / "a")
    theirs = file.read_text()
    deletion = await DownloadHandlers(service, UndoStack()).delete_files(ids)
    assert deletion.problems == ("Cannot delete a: it is no longer the downloaded file.",)
    await service.close()
    assert file.read_text() == theirs


async def test_the_downloaded_file_is_deleted_after_a_change_in_place(
    service: LocalService,
    server: MisbehavingServer,
    tmp_path: Path,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(send2trash, "send2trash", no_trash)
    ids = await done(service, server, until, "a")
    (tmp_path / "files" / "a").write_text("edited by the user")
    assert (await DownloadHandlers(service, UndoStack()).delete_files(ids)).ids == tuple(ids)


async def test_redo_does_not_delete_what_came_after_undo(
    service: LocalService,
    server: MisbehavingServer,
    tmp_path: Path,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(send2trash, "send2trash", no_trash)
    ids, undo = await done(service, server, until, "a"), UndoStack()
    await DownloadHandlers(service, undo).delete_files(ids)
    (file := tmp_path / "files" / "a").write_text("another")
    await undo.undo()
    await undo.redo()
    await service.close()
    assert file.read_text() == "another"


async def test_links_and_folders_are_never_deleted(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("x")
    link.symlink_to(target)
    for path in (link, tmp_path):
        with pytest.raises(OSError, match="is not a file"):
            delete_file(path)
    assert link.is_symlink() and target.exists()


def test_the_trash_of_the_desktop_gets_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.iso"
    file.write_text("x")
    code = "import sys, pathlib; from rheo_tui.services.trash import delete_file; "
    code += "print(delete_file(pathlib.Path(sys.argv[1])).now)"
    env = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}
    ran = subprocess.run(
        [sys.executable, "-c", code, str(file)], env=env, capture_output=True, text=True, check=True
    )
    trashed = tmp_path / "data" / "Trash" / "files" / "a.iso"
    assert ran.stdout == f"{trashed}\n"
    assert trashed.exists() and not file.exists()
    assert restore_file(DeletedFile(file, trashed, True, trashed.lstat())) == file
    assert file.exists()
    assert not list(trashed.parents[1].rglob("*.*"))


async def test_a_download_again_keeps_the_file_that_is_there(
    service: LocalService, server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    ids = await done(service, server, until, "a.txt")
    (tmp_path / "files" / "a.txt").write_text("edited")
    await service.add_again(ids, FileExistsStrategy.RENAME)
    await until(lambda: "a (1).txt" in names_in(tmp_path / "files"))
    assert (tmp_path / "files" / "a.txt").read_text() == "edited"


@pytest.mark.parametrize("has_attributes", [True, False])
async def test_the_file_that_is_shown_is_overwritten_if_the_user_says_so(
    service: LocalService,
    server: MisbehavingServer,
    tmp_path: Path,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
    has_attributes: bool,
) -> None:
    """Its name is that of a response, which by itself replaces no file of another origin."""
    folder = tmp_path / "files"
    (folder / "thesis.txt").write_text("the user's")
    if not has_attributes:
        monkeypatch.setattr(os, "setxattr", no_attributes)
    fields = {"Content_Disposition": 'attachment; filename="thesis.txt"'}
    config = FileConfig(url=server.on("/a", serving(b"new", **fields)))
    await service.add([config])
    await until(lambda: service._manager.stats.skipped == 1)
    (row,) = (await service.snapshot()).downloads
    decision = Decision(Choice.OVERWRITE)
    await service.add_again([row.id], decision.strategy, decision.paths_of([row], folder))
    await until(lambda: service._manager.stats.completed == 1)
    assert names_in(folder) == ["thesis.txt"]
    assert (folder / "thesis.txt").read_bytes() == b"new"


@pytest.mark.parametrize("is_listed", [True, False])
async def test_an_overwrite_is_not_repeated_unless_the_user_says_so_again(
    server: MisbehavingServer, tmp_path: Path, until: Until, is_listed: bool
) -> None:
    folder, settings = tmp_path / "files", build_settings(download_dir=tmp_path / "files")
    service = LocalService(settings, save=False, session_path=tmp_path / "session.db")
    await service.start()
    file = folder / "a.txt"
    file.write_text("the first of the user")
    url = server.on("/a.txt", serving(b"new"))
    config = Decision(Choice.OVERWRITE, path=str(file)).applied_to(FileConfig(url=url), folder)
    await service.add([config])
    await until(lambda: service._manager.stats.completed == 1)
    assert file.read_bytes() == b"new"
    if not is_listed:  # only the history has it
        await service.remove([config.id])
    file.unlink()
    file.write_text("the second of the user")
    await service.add_again([config.id])
    await until(lambda: (stats := service._manager.stats).skipped + stats.completed == 1)
    await service.close()
    assert file.read_text() == "the second of the user"


@pytest.mark.parametrize(
    ("reasons", "text"),
    [
        (["its login was not stored"], "existing file is kept. Its login was not stored."),
        (["file exists; its headers were not stored"], "Its headers were not stored."),
        ([""], "existing file is kept."),
        (
            ["its login was not stored", "", "its headers were not stored"],
            "kept. The logins or headers of 2 downloads were not stored.",
        ),
    ],
)
async def test_a_lost_login_is_reported_when_its_download_is_queued_again(
    reasons: list[str], text: str
) -> None:
    async with running() as app:
        for row, reason in zip(await app.fill(len(reasons)), reasons, strict=True):
            app.service.change(row, status=DownloadStatus.COMPLETED, reason=reason)
        await app.update()
        await app.press("enter", "asterisk", "A")
        await app.until(lambda: app.messages().endswith(text))


async def test_keys_for_finished_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened: list[Path] = []

    async def open_path(path: Path, _: object) -> str:
        opened.append(path)
        return ""

    monkeypatch.setattr("rheo_tui.screens.main.open_path", open_path)
    async with running() as app:
        first, *_ = await app.fill()
        await app.press("O")
        assert "There is no file to open; this download is queued." in app.messages()
        await app.press("delete")
        assert "There is no file to delete; this download is queued." in app.messages()
        await app.press("A")
        assert "This download is not done; it is queued." in app.messages()
        path = str(tmp_path / "file.iso")
        app.service.change(first, status=DownloadStatus.COMPLETED, destination=path)
        await app.update()
        await app.press("3", "1", "G", "enter", "G", "O")
        await app.until(lambda: opened == [Path(path)])
        await app.press("delete")
        footer = app.main.query_one(StatusFooter).render().plain
        assert "Moved file-00000.iso to the trash · u undo" in footer
        await app.press("u")
        assert first in app.service.rows
        await app.press("G", "A")
        assert app.called("add_again") == [[first]]


@pytest.mark.parametrize("marks_them", [True, False])
async def test_several_files_are_deleted_only_after_a_question(marks_them: bool) -> None:
    async with running() as app:
        ids = await app.fill(4)
        for done in ids[:3]:
            app.service.change(done, status=DownloadStatus.COMPLETED, destination=f"/x/{done}")
        await app.update()
        await app.press("6", "asterisk") if marks_them else await app.press("G")
        await app.press("delete")
        await app.until(lambda: isinstance(app.app.screen, ConfirmScreen))
        assert "Delete 3 files and remove" in app.app.export_screenshot().replace("&#160;", " ")
        await app.press("enter")
        assert isinstance(app.app.screen, ConfirmScreen)
        await app.press("escape")
        assert set(ids) <= set(app.service.rows) and "Nothing was deleted." in app.messages()
        await app.press("delete")
        await app.until(lambda: isinstance(app.app.screen, ConfirmScreen))
        await app.press("y")
        await app.until(lambda: list(app.service.rows) == ids[3:])
        assert "Moved 3 files to the trash" in app.messages()


async def test_pause_and_resume_all_and_undo() -> None:
    async with running() as app:
        first, second, third, fourth = await app.fill(4)
        app.service.change(first, status=DownloadStatus.PAUSED)
        app.service.change(fourth, status=DownloadStatus.COMPLETED)
        await app.update()
        await app.press("slash", *"00002", "enter", "P")
        assert app.called("pause") == [[second, third]]
        assert "Paused 2 downloads" in app.messages()
        await app.press("P")
        assert "No download is active or queued." in app.messages()
        await app.press("u")
        assert app.service.rows[first].status is DownloadStatus.PAUSED
        assert app.service.rows[third].status is DownloadStatus.QUEUED
        await app.press("S")
        assert app.called("resume")[-1] == [first]
        await app.press("S")
        assert "No download is paused." in app.messages()


@pytest.mark.parametrize("end", ["failed", "cancelled"])
@pytest.mark.parametrize("own", [{}, {"headers": {"X-Key": "new"}, "request": {"user": "new:pw"}}])
async def test_a_link_that_is_added_again_keeps_the_route_and_login_of_its_download(
    service: LocalService, server: MisbehavingServer, until: Until, end: str, own: dict[str, Any]
) -> None:
    url, request = server.url("/missing"), {"ip_version": 4, "user": "me:pw", "auth": "digest"}
    config = FileConfig(
        url=url, headers={"X-Key": "old"}, request=request, list_options=("ip_version",)
    )
    await service.add([config], paused=end == "cancelled")
    if end == "cancelled":
        await service.cancel([config.id])
    else:
        await until(lambda: service._manager.stats.failed == 1)
    again = FileConfig(url=url, priority=7, **own)
    assert again.id == config.id
    await service.add([again], paused=True)
    kept = await service.config_of(config.id)
    assert kept is not None and kept.request.ip_version == 4 and kept.priority == 7
    user = kept.request.user
    assert (user and user.get_secret_value(), dict(kept.headers)) == (
        ("new:pw", {"X-Key": "new"}) if own else ("me:pw", {"X-Key": "old"})
    )
    assert kept.list_options == ("ip_version",)


def checksum(text: str) -> HashConfig:
    return HashConfig.from_checksum_string(text)


async def test_a_checksum_for_a_waiting_download_is_not_dropped_without_a_word(
    service: LocalService,
) -> None:
    given, wait = checksum("sha256:" + "0" * 64), checksum("md5:" + "0" * 32)
    urls = [f"http://127.0.0.1:1/{number}" for number in range(6)]
    waiting = [FileConfig(url=url) for url in urls]
    waiting[0] = FileConfig(url=urls[0], hash_config=given)
    waiting[1] = FileConfig(url=urls[1], hash_config=wait)
    await service.add(waiting, paused=True)
    await service.add([FileConfig(url=url) for url in urls])
    await service.add([FileConfig(url=urls[0], hash_config=given)])
    assert not service.take_problems()
    await service.add([FileConfig(url=url, hash_config=given) for url in urls])
    assert service.take_problems() == [
        *(f"{n} is already in the list; this sha256 hash is not used." for n in (1, 2, 3)),
        "The same applies to 2 more downloads.",
    ]
    kept = [await service.config_of(config.id) for config in waiting]
    assert [config and config.hash_config for config in kept] == [given, wait, *[None] * 4]
    assert all(row.status is DownloadStatus.PAUSED for row in service._rows_now().values())


@pytest.mark.parametrize(
    ("own", "used", "note"),
    [
        ({}, {}, ""),
        ({"timeout": 10.0, "speed_limit": 50_000, "connections": 3}, ..., ""),
        ({"timeout": 1e6, "speed_limit": 10**9, "size_bytes": 9}, {}, ""),
        ({"hash_config": checksum("md5:" + "1" * 32)}, {}, "md5 hash (yours is used)"),
        ({"hash_config": checksum("sha512:" + "1" * 128)}, {}, "sha512 hash (yours is used)"),
        ({"hash_config": checksum("sha256:" + "1" * 64)}, None, "two sha256 hashes"),
        ({"url": "#sha256=" + "1" * 64}, None, "two sha256 hashes"),
        ({"pieces": {"algorithm": "md5", "length": 2, "hashes": ["1" * 32]}}, None, "is not added"),
    ],
)
@pytest.mark.parametrize("end", ["failed", "cancelled"])
async def test_a_link_that_is_added_again_keeps_the_checks_and_limits_of_its_download(
    service: LocalService,
    server: MisbehavingServer,
    until: Until,
    own: dict[str, Any],
    used: Any,
    note: str,
    end: str,
) -> None:
    """No list replaces a check of the user, whether it is weaker or stronger."""
    checks: dict[str, Any] = {"hash_config": checksum("sha256:" + "0" * 64), "sidecar": True}
    limits = {"timeout": 50.0, "speed_limit": 90_000, "connections": 2, "size_bytes": 7}
    config = FileConfig(url=server.url("/missing"), **checks, **limits)
    await service.add([config], paused=end == "cancelled")
    if end == "cancelled":
        await service.cancel([config.id])
    else:
        await until(lambda: service._manager.stats.failed == 1)
    other = FileConfig(url=server.url("/other"))
    again = FileConfig(**{**own, "url": config.url + own.get("url", "")})
    await service.add([again, other], paused=True)
    rows = {row.id: row.status for row in (await service.snapshot()).downloads}
    assert rows[other.id] is DownloadStatus.PAUSED
    assert (rows[config.id] is DownloadStatus.PAUSED) == (used is not None)
    kept = await service.config_of(config.id)
    expected = {**checks, **limits, **(own if used is ... else {})}
    assert kept is not None
    assert {name: getattr(kept, name) for name in expected} == expected
    problems = service.take_problems()
    assert (len(problems) == 1 and note in problems[0]) if note else not problems
