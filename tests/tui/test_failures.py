"""Failures by cause and host."""

from pathlib import Path

import pytest
from textual.widgets import Input, OptionList

from rheo_core.domain import DownloadSnapshot, DownloadStatus
from rheo_core.domain.exceptions import FileExistsError, HashMismatchError, HttpStatusError
from rheo_tui.edit_fields import edited
from rheo_tui.failure_groups import failure_groups
from rheo_tui.screens.edit import EditScreen
from rheo_tui.screens.existing_file import ExistingFileScreen
from rheo_tui.screens.failures import FailuresScreen
from rheo_tui.screens.menu import MenuScreen
from rheo_tui.widgets.keys_line import KeysLine
from tests.tui.driving import Driver, running
from tests.tui.failed import facts_of
from tests.tui.fake_service import FakeService
from tests.tui.test_commands import row


def failed(name: str, host: str, error: Exception) -> DownloadSnapshot:
    return row(name, host, status=DownloadStatus.FAILED, **facts_of(error))


def mismatch(name: str, expected: str) -> HashMismatchError:
    return HashMismatchError(expected_hash=expected, calculated_hash="2", file_path=Path(name))


def test_groups_by_cause_and_host_the_largest_first() -> None:
    rows = [
        failed("a", "cdn.example", HttpStatusError(403, "Forbidden")),
        failed("b", "cdn.example", HttpStatusError(403, "Forbidden")),
        failed("c", "other.example", HttpStatusError(403, "Forbidden")),
        failed("d", "cdn.example", mismatch("d", "1")),
        failed("e", "cdn.example", mismatch("e", "3")),
        failed("f", "cdn.example", mismatch("f", "3")),
        row("g", "cdn.example", status=DownloadStatus.COMPLETED),
    ]
    assert [group.title for group in failure_groups(rows)] == [
        "3 × wrong checksum from cdn.example",
        "2 × 403 Forbidden from cdn.example",
        "1 × 403 Forbidden from other.example",
    ]


async def opened(app: Driver) -> FailuresScreen:
    await app.press("!")
    screen = app.app.screen
    assert isinstance(screen, FailuresScreen)
    return screen


def text(screen: FailuresScreen, selector: str) -> str:
    return str(screen.query_one(selector).render())


async def test_a_group_is_retried_removed_or_marked() -> None:
    async with running() as app:
        await app.press("!")
        assert "No download has failed." in app.messages()
        ids = await app.fill(6)
        for download_id in ids[:3]:
            app.service.fail(download_id, HttpStatusError(403, "Forbidden"))
        app.service.fail(ids[3], HttpStatusError(500, "Internal Server Error"))
        await app.update()
        screen = await opened(app)
        assert screen.query_one(OptionList).option_count == 2
        assert "file-00000.iso" in text(screen, "#failures-names")
        assert "expired; press E to replace them" in text(screen, "#failures-advice")
        await app.press("r")
        await app.until(lambda: app.called("retry"))
        assert sorted(app.called("retry")[0]) == sorted(ids[:3])
        for download_id in ids[:3]:
            app.service.fail(download_id, HttpStatusError(403, "Forbidden"))
        await app.update()
        await opened(app)
        await app.press("down", "x")
        await app.until(lambda: app.called("remove") == [[ids[3]]])
        await app.update()
        await opened(app)
        await app.press("enter")
        assert app.app.screen is app.main
        assert app.main.model.marked == set(ids[:3])


async def test_the_numbers_of_groups_are_aligned() -> None:
    async with running() as app:
        ids = await app.fill(12)
        for download_id in ids[:11]:
            app.service.fail(download_id, HttpStatusError(403, "Forbidden"))
        app.service.fail(ids[11], HttpStatusError(500, "Internal Server Error"))
        await app.update()
        groups = (await opened(app)).query_one(OptionList).options
        assert [str(each.prompt) for each in groups] == [
            "11 × 403 Forbidden from example.org",
            " 1 × 500 Internal Server Error from example.org",
        ]


async def test_the_keys_in_the_advice_work_there() -> None:
    async with running() as app:
        ids = await app.fill(3)
        app.service.fail(ids[2], HttpStatusError(401, "Unauthorized"))
        await app.update()
        screen = await opened(app)
        assert "Press e and enter a login" in text(screen, "#failures-advice")
        await app.press("e")
        await app.until(lambda: isinstance(app.app.screen, EditScreen))
        edit = app.app.screen
        await app.until(lambda: edit.query_one("#edit-link", Input).value)
        edit.query_one("#edit-login", Input).value = "ann:secret"
        await app.press("enter")
        await app.until(lambda: app.app.screen is app.main)
        assert [download_id for download_id, _ in app.called("edit")] == [ids[2]]
        assert "Edited file-00002.iso. Queued again." in app.messages()


async def test_the_links_of_a_group_are_copied() -> None:
    async with running() as app:
        ids = await app.fill(3)
        for download_id in ids[1:]:
            app.service.fail(download_id, "HTTP 404 Not Found")
        await app.update()
        await opened(app)
        await app.press("y")
        await app.until(lambda: isinstance(app.app.screen, MenuScreen))
        await app.press("l")
        await app.until(lambda: "Link copied (2 lines)." in app.messages())
        links = [app.service.rows[each].url for each in ids[1:]]
        copied = app.app.clipboard.splitlines()
        assert sorted(each.partition("?")[0] for each in copied) == sorted(links)


async def test_many_names_are_counted() -> None:
    async with running() as app:
        for download_id in await app.fill(9):
            app.service.fail(download_id, HttpStatusError(403, "Forbidden"))
        await app.update()
        screen = await opened(app)
        assert text(screen, "#failures-names").endswith(" and 5 more")
        await app.press("escape")
        assert app.app.screen is app.main


async def test_a_login_typed_for_a_group_goes_to_each_of_its_downloads() -> None:
    async with running(size=(80, 24)) as app:
        ids = await app.fill(4)
        for download_id in ids[1:]:
            app.service.fail(download_id, HttpStatusError(401, "Unauthorized"))
        await app.update()
        before = [await app.service.config_of(each) for each in ids[1:]]
        screen = await opened(app)
        assert "Press e and enter a login; the downloads restart" in text(
            screen, "#failures-advice"
        )
        await app.press("e")
        await app.until(lambda: isinstance(app.app.screen, EditScreen))
        edit = app.app.screen
        await app.until(lambda: edit.query_one("#edit-priority", Input).value)
        assert edit.query_one(".dialog").border_title == "Edit 3 downloads"
        assert not edit.query("#edit-link")
        await app.press(*"ann:secret", "enter")  # the login has the focus
        await app.until(lambda: app.app.screen is app.main)
        saved = dict(app.called("edit"))
        assert [edited(each, {"login": "ann:secret"}) for each in before if each] == [
            saved[each] for each in ids[1:]
        ]
        assert "Edited 3 downloads. Queued again." in app.messages()
        await app.press("u")
        await app.until(lambda: "Undid the edit of 3 downloads." in app.messages())
        assert [app.service.configs[each] for each in ids[1:]] == before


@pytest.mark.parametrize(
    ("count", "advice"),
    [(1, "The link may have expired; press e"), (2, "The links may have expired; press E")],
)
async def test_the_advice_fits_the_number_and_its_key_is_shown_on_one_line(
    count: int, advice: str
) -> None:
    async with running(size=(80, 24)) as app:
        for download_id in (await app.fill(3))[:count]:
            app.service.fail(download_id, HttpStatusError(403, "Forbidden"))
        await app.update()
        screen = await opened(app)
        assert advice in text(screen, "#failures-advice")
        assert screen.query_one(KeysLine).size.height == 1


async def test_the_users_own_keys_are_shown_and_work_there() -> None:
    async with running(FakeService(keys={"link": "ctrl+e", "retry": "z"})) as app:
        ids = await app.fill(2)
        app.service.fail(ids[1], HttpStatusError(401, "Unauthorized"))
        await app.update()
        screen = await opened(app)
        assert "Press Ctrl+E and enter a login" in text(screen, "#failures-advice")
        assert "z retry · Ctrl+E edit" in text(screen, ".dialog-keys")
        await app.press("ctrl+e")
        await app.until(lambda: isinstance(app.app.screen, EditScreen))
        await app.press("escape")
        await opened(app)
        await app.press("z")
        assert app.called("retry") == [[ids[1]]]


async def test_the_advice_on_existing_files_works_there() -> None:
    async with running() as app:
        ids = await app.fill(2)
        app.service.fail(ids[0], HttpStatusError(404, "Not Found"))
        await app.update()
        await opened(app)
        await app.press("d")
        assert "No existing file is in the way." in app.messages()
        app.service.fail(ids[0], FileExistsError(Path("/downloads/file-00000.iso")))
        await app.update()
        screen = await opened(app)
        assert "Press d to open the file" in text(screen, "#failures-advice")
        await app.press("d")
        assert isinstance(app.app.screen, ExistingFileScreen)
