"""The history screen over the fake service, and `:prune`."""

from typing import Any

import pytest
from textual.widgets import Input

from rheo_core.domain import DownloadSnapshot, DownloadStatus
from rheo_tui.screens.confirm import ConfirmScreen
from rheo_tui.screens.history import HistoryScreen
from rheo_tui.widgets.history_list import HistoryList
from tests.tui.driving import Driver, running
from tests.tui.fake_service import FakeService

DAY = 24 * 60 * 60
NOW = 1_790_000_000.0


def ended(number: int, **values: Any) -> DownloadSnapshot:
    row = DownloadSnapshot(
        id=f"{number:016x}",
        url=f"https://example.org/files/file-{number}.iso",
        name=f"file-{number}.iso",
        status=DownloadStatus.COMPLETED,
        reason="",
        priority=1,
        order=(-1, number),
        total_bytes=1_500_000,
        added_at=NOW,
        finished_at=NOW - number * DAY,
    )
    return row._replace(**values)


def with_history(*rows: DownloadSnapshot) -> FakeService:
    service = FakeService()
    service.past = {row.id: row for row in rows}
    return service


async def opened(app: Driver) -> HistoryList:
    await app.press("h")
    assert isinstance(app.app.screen, HistoryScreen)
    shown = app.app.screen.query_one(HistoryList)
    await app.until(lambda: said(app))
    return shown


def said(app: Driver) -> str:
    return str(app.app.screen.query_one("#history-count").render())


def names(shown: HistoryList) -> list[str]:
    return [row.name for row in shown.rows]


def screen(app: Driver) -> str:
    return app.app.export_screenshot().replace("&#160;", " ")


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50)])
async def test_it_shows_ended_downloads_latest_first(size: tuple[int, int]) -> None:
    rows = (ended(2, status=DownloadStatus.FAILED, total_bytes=None), ended(1))
    async with running(with_history(*rows), size=size) as app:
        (queued,) = await app.fill(1)
        shown = await opened(app)
        assert names(shown) == ["file-1.iso", "file-2.iso"]
        assert said(app) == "2 downloads"
        text = screen(app)
        for part in ("✓", "✗", "file-1.iso", "1.5 MB", "2026-", "example.org", "y copy URL · Esc"):
            assert part in text
        assert ("https://example.org/files" in text) == (size[0] > 120)
        await app.press("escape")
        await app.until(lambda: app.app.screen is app.main)
        assert queued in app.service.rows


async def test_the_search_is_live_and_escape_ends_it() -> None:
    async with running(with_history(*map(ended, range(30)))) as app:
        shown = await opened(app)
        await app.press("slash", *"FILE-2")
        await app.until(lambda: len(shown.rows) == 11)
        assert said(app) == "11 downloads"
        await app.press("x")
        await app.until(lambda: "No name or URL in the history contains “FILE-2x”" in said(app))
        await app.press("backspace", "0")
        await app.until(lambda: names(shown) == ["file-20.iso"])
        await app.press("enter")
        assert app.app.focused is shown
        assert not app.called("add_again")
        await app.press("slash", "escape")
        await app.until(lambda: len(shown.rows) == 30)
        assert isinstance(app.app.screen, HistoryScreen)


async def test_a_long_history_comes_in_pages() -> None:
    async with running(with_history(*map(ended, range(500)))) as app:
        shown = await opened(app)
        assert len(shown.rows) == 200
        assert said(app) == "200 downloads and more"
        for loaded in (400, 500):
            await app.press("end")
            await app.until(lambda loaded=loaded: len(shown.rows) == loaded)
        assert said(app) == "500 downloads"
        assert names(shown) == [f"file-{number}.iso" for number in range(500)]
        calls = len(app.called("history"))
        await app.press("g", "j")
        assert shown.current and shown.current.name == "file-1.iso"
        await app.press("G")
        assert shown.current.name == "file-499.iso"
        assert len(app.called("history")) == calls


async def test_a_row_that_is_loaded_twice_is_shown_once() -> None:
    async with running(with_history(*map(ended, range(300)))) as app:
        shown = await opened(app)
        app.service.past["new"] = ended(0, id="new", finished_at=NOW + DAY)  # moves all by one
        await app.press("end")
        await app.until(lambda: len(shown.rows) == 300)
        assert names(shown) == [f"file-{number}.iso" for number in range(300)]


async def test_queue_again() -> None:
    async with running(with_history(ended(1), ended(2))) as app:
        shown = await opened(app)
        await app.press("down", "enter")
        await app.until(lambda: names(shown) == ["file-1.iso"])
        assert app.called("add_again") == [[ended(2).id]]
        assert "Queued again: file-2.iso." in app.messages()
        await app.press("escape")
        await app.update()
        assert app.table.model.shown == [ended(2).id]


async def test_delete_one() -> None:
    async with running(with_history(ended(1), ended(2), ended(3))) as app:
        app.service.put(ended(4))  # in the list
        await app.update()
        shown = await opened(app)
        await app.press("d", "delete")
        await app.until(lambda: names(shown) == ["file-3.iso", "file-4.iso"])
        assert list(app.service.past) == [ended(3).id]
        await app.press("end", "d")
        message = "file-4.iso is in the list. Remove it there first."
        await app.until(lambda: message in app.messages())
        assert names(shown) == ["file-3.iso", "file-4.iso"]


async def test_delete_all_matches() -> None:
    async with running(with_history(*map(ended, range(30)))) as app:
        shown = await opened(app)
        await app.press("slash", *"file-2", "down")
        await app.until(lambda: len(shown.rows) == 11)
        for key, left in (("n", 30), ("y", 19)):
            await app.press("D")
            await app.until(lambda: isinstance(app.app.screen, ConfirmScreen))
            assert "Delete all with “file-2” in name or URL?" in screen(app)
            await app.press(key)
            await app.until(lambda left=left: len(app.service.past) == left)
        await app.until(lambda: not shown.rows)
        assert "Deleted 11 downloads from the history." in app.messages()


async def test_copy_takes_the_whole_link() -> None:
    async with running(with_history(ended(1))) as app:
        await opened(app)
        await app.press("y")
        await app.until(lambda: app.app.clipboard.endswith("file-1.iso?token=secret"))


async def test_nothing_yet() -> None:
    async with running() as app:
        await opened(app)
        assert said(app).startswith("No download has ended yet")
        await app.press("enter", "d", "D", "y")  # on nothing
        assert isinstance(app.app.screen, HistoryScreen)
        assert app.called("history") == [("", 200, 0)]


HOSTILE = ["x[/", "[b]bold[/b]", "a\x1b[31mred", "\u202egnp.exe", "日本語" * 40, "\\", ""]


async def test_hostile_names_are_only_text() -> None:
    rows = [
        ended(at, name=name, url=f"https://example.org/{name}") for at, name in enumerate(HOSTILE)
    ]
    async with running(with_history(*rows), size=(200, 40)) as app:
        await opened(app)
        shown = screen(app)
        assert "\x1b" not in shown and "\u202e" not in shown
        assert "[b]bold[/b]" in shown
        await app.press("slash", *"[/b]")
        await app.until(lambda: said(app) == "1 download")
        await app.press(*"[red]")
        await app.until(lambda: "contains “[/b][red]”" in said(app))


async def test_errors_are_shown() -> None:
    async with running(with_history(ended(1))) as app:
        await opened(app)
        app.service.fail_with = OSError("disk full")
        await app.press("d")
        await app.until(lambda: "Cannot delete the download: disk full." in app.messages())
        app.service.fail_with = OSError("disk full")
        app.app.screen.query_one(Input).value = "x"
        await app.until(lambda: "Cannot read the history: disk full." in app.messages())


async def test_prune() -> None:
    async with running(with_history(ended(1, finished_at=0.0), ended(2, finished_at=4e9))) as app:
        await app.command("prune")
        assert "prune needs an argument, such as “prune 30”." in app.messages()
        await app.press("escape")
        await app.command("prune a month")
        assert "“a month” is not a number of days such as 30" in app.messages()
        await app.press("escape")
        await app.command("prune 30d")
        await app.until(lambda: "Deleted 1 download older than 30 days" in app.messages())
        assert list(app.service.past) == [ended(2).id]
        await app.command("prune 0")
        assert app.called("forget") == [(None, "", 30), (None, "", 0)]
