"""The history screen over the fake service, and `:prune`."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, Static

from rheo_core.config.settings import build_settings
from rheo_core.domain import DownloadSnapshot, DownloadStatus, FileConfig
from rheo_core.domain.downloads import HistoryTotals
from rheo_core.domain.exceptions import HttpStatusError
from rheo_core.domain.text import printable
from rheo_tui.app import RheoApp
from rheo_tui.columns import folder_name
from rheo_tui.formatting import clock_text
from rheo_tui.screens.confirm import ConfirmScreen
from rheo_tui.screens.existing_file import ExistingFileScreen
from rheo_tui.screens.history import HistoryScreen
from rheo_tui.screens.main import MainScreen
from rheo_tui.services.local import LocalService
from rheo_tui.widgets.history_list import HistoryList
from tests.core.engine import serving
from tests.servers.misbehaving import MisbehavingServer
from tests.tui.driving import Driver, running
from tests.tui.failed import facts_of
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
        rank=number,
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


def detail(app: Driver) -> str:
    return str(app.app.screen.query_one("#history-detail", Static).content)


def names(shown: HistoryList) -> list[str]:
    return [row.name for row in shown.rows]


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50)])
async def test_it_shows_ended_downloads_latest_first(size: tuple[int, int]) -> None:
    rows = (ended(2, status=DownloadStatus.FAILED, total_bytes=None), ended(1))
    async with running(with_history(*rows), size=size) as app:
        (queued,) = await app.fill(1)
        shown = await opened(app)
        assert names(shown) == ["file-1.iso", "file-2.iso"]
        assert said(app) == "2 downloads · 1 done · 1 failed"
        text = app.screen_text()
        for part in ("✓", "✗", "file-1.iso", "1.5 MB", "2026-", "example.org", "Esc close"):
            assert part in text
        assert ("https://example.org/files" in text) == (size[0] > 120)
        await app.press("escape")
        await app.until(lambda: app.app.screen is app.main)
        assert queued in app.service.rows


async def test_a_narrow_list_shows_the_time_of_today() -> None:
    now = time.time()
    today, before = ended(1, finished_at=now), ended(2, finished_at=now - 200_000)
    async with running(with_history(today, before), size=(60, 24)) as app:
        await opened(app)
        text = app.screen_text()
        assert f"{clock_text(now)[11:16]} " in text
        assert clock_text(now - 200_000)[:10] in text


async def test_a_narrow_list_gives_names_the_space_that_the_times_leave() -> None:
    names = ["report-2019.txt", "report-2020.txt"]
    rows = [ended(at, name=name, finished_at=time.time()) for at, name in enumerate(names)]
    async with running(with_history(*rows), size=(40, 10)) as app:
        shown = await opened(app)
        await app.until(lambda: len(shown.rows) == 2)
        assert all(name in app.screen_text() for name in names)
        shown.append([ended(3, name="older.txt")])  # on another day, which takes more space
        await app.pilot.pause()
        texts = [str(shown.get_option_at_index(at).prompt) for at in range(3)]
        assert [text.rstrip()[-2:].isdigit() for text in texts] == [True] * 3
        assert not any(name in text for name in names for text in texts)


async def test_the_search_is_live_and_escape_ends_it() -> None:
    async with running(with_history(*map(ended, range(30)))) as app:
        shown = await opened(app)
        await app.press("slash", *"FILE-2")
        await app.until(lambda: len(shown.rows) == 11)
        assert said(app) == "11 downloads · 11 done · 0 failed"
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
        for loaded in (400, 500):
            await app.press("end")
            await app.until(lambda loaded=loaded: len(shown.rows) == loaded)
        assert said(app) == "500 downloads · 500 done · 0 failed"
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
        await app.press("down", "A")
        await app.until(lambda: names(shown) == ["file-1.iso"])
        assert app.called("add_again") == [[ended(2).id]]
        await app.until(lambda: "Queued again: file-2.iso." in app.messages())
        await app.press("escape")
        await app.update()
        assert app.table.model.shown == [ended(2).id]


async def test_failures_only() -> None:
    rows = [
        ended(1),
        ended(2, status=DownloadStatus.FAILED, **facts_of(HttpStatusError(404, "Not Found"))),
    ]
    async with running(with_history(*rows)) as app:
        shown = await opened(app)
        await app.press("exclamation_mark")
        await app.until(lambda: names(shown) == ["file-2.iso"])
        assert said(app) == "2 downloads · 1 done · 1 failed · failures only (! shows all)"
        assert "404 Not Found" in app.screen_text()
        await app.press("D")
        await app.until(lambda: isinstance(app.app.screen, ConfirmScreen))
        assert "Forget all failures?" in app.screen_text()
        await app.press("y")
        await app.until(lambda: list(app.service.past) == [ended(1).id])
        await app.until(lambda: said(app).startswith("No download in the history has failed"))
        await app.press("exclamation_mark")
        await app.until(lambda: names(shown) == ["file-1.iso"])


async def test_details_say_where_the_file_is_and_whether_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    rows = [
        ended(1, destination=str(tmp_path / "a"), average_speed_bps=2e6, bytes_downloaded=5),
        ended(2, destination=str(tmp_path / "b")),
    ]
    async with running(with_history(*rows), size=(160, 40)) as app:
        await opened(app)
        await app.press("enter")
        await app.until(lambda: f"{tmp_path / 'a'}  (on the disk)" in detail(app))
        assert "done · 5 B · at 2.0 MB/s" in detail(app)
        await app.press("down")
        await app.until(lambda: f"{tmp_path / 'b'}  (not on the disk)" in detail(app))
        await app.press("escape")  # the details first, as in the list
        assert not app.app.screen.query_one("#history-detail").display
        await app.press("escape")
        assert app.app.screen is app.main


@pytest.mark.parametrize("folder", ["\u0645\u06cc\u200c\u062e\u0648", "\udce9t\udce9", "\u202edir"])
async def test_a_path_is_printable_where_it_is_shown(tmp_path: Path, folder: str) -> None:
    path = tmp_path / folder / "a"
    path.parent.mkdir()
    path.write_text("x")
    row = ended(1, destination=str(path))
    assert folder_name(row) == printable(str(path.parent))
    async with running(with_history(row), size=(160, 40)) as app:
        await opened(app)
        await app.press("enter")
        await app.until(lambda: f"{printable(str(path))}  (on the disk)" in detail(app))
        app.app.copy_to_clipboard(row.destination)
        assert app.app.clipboard == row.destination.replace("\udce9", "\ufffd")


async def test_paths_are_short_where_they_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    row = ended(1, destination="/home/ann/isos/a.iso", added_at=NOW, finished_at=NOW)
    service = with_history(ended(2, destination="/home/annabel/b.iso"))
    async with running(service, size=(100, 40)) as app:
        service.put(row)
        await app.update()
        await app.press("home", "enter")
        await app.until(lambda: "File       ~/isos/a.iso" in app.screen_text())
        await app.press("escape", "d")
        await app.until(lambda: isinstance(app.app.screen, ExistingFileScreen))
        assert "│  ~/isos/a.iso " in app.screen_text()
        await app.press("escape")
        await opened(app)
        await app.press("enter")
        await app.until(lambda: "~/isos/a.iso  (not on the disk)" in detail(app))
        await app.press("down")
        await app.until(lambda: "/home/annabel/b.iso  (not on the disk)" in detail(app))


async def test_marks_take_several_at_once() -> None:
    async with running(with_history(*map(ended, range(5)))) as app:
        shown = await opened(app)
        await app.press("space", "down", "space")
        assert said(app).endswith("2 marked")
        await app.press("y")
        await app.until(lambda: app.app.clipboard.count("token=secret") == 2)
        await app.press("A")
        await app.until(lambda: app.called("add_again"))
        assert app.called("add_again") == [[ended(0).id, ended(2).id]]
        await app.until(lambda: len(shown.rows) == 3)
        await app.press("asterisk")
        for key, left in (("n", 3), ("y", 0)):
            await app.press("d")
            await app.until(lambda: isinstance(app.app.screen, ConfirmScreen))
            assert "Forget 3 downloads?" in app.screen_text()
            await app.press(key)
            await app.until(lambda left=left: len(shown.rows) == left)
        assert "Forgot 3 downloads. Files on the disk" in app.messages()
        assert [ids for ids, *_ in app.called("forget")] == [[ended(each).id for each in (1, 3, 4)]]


@pytest.mark.parametrize("key", ["a", "o", "escape"])
async def test_again_asks_if_the_file_is_on_the_disk(tmp_path: Path, key: str) -> None:
    (tmp_path / "a").write_text("x")
    async with running(with_history(ended(1, destination=str(tmp_path / "a")))) as app:
        shown = await opened(app)
        await app.press("A")
        await app.until(lambda: isinstance(app.app.screen, ExistingFileScreen))
        await app.press(key)
        await app.until(lambda: isinstance(app.app.screen, HistoryScreen))
        await app.pilot.pause()
        assert bool(app.called("add_again")) == bool(not shown.rows) == (key != "escape")
        assert ("(overwrite)" in app.messages()) == (key == "o")


async def test_totals_of_a_real_session(server: MisbehavingServer, tmp_path: Path) -> None:
    good, bad = server.on("/a.bin", serving(b"12345")), server.url("/missing")
    settings = build_settings(download_dir=tmp_path, max_retries=0)
    service = LocalService(settings, save=False, session_path=tmp_path / "session.db")
    await service.start()
    try:
        await service.add([FileConfig(url=good), FileConfig(url=bad)])
        while (await service.history_totals()).ended < 2:
            await asyncio.sleep(0.01)
        assert await service.history_totals() == HistoryTotals(2, 1, 5, 1)
        assert await service.history_totals("a.bin") == HistoryTotals(1, 1, 5, 0)
        assert [row.name for row in await service.history(failed=True)] == ["missing"]
    finally:
        await service.close()


async def test_forget_one() -> None:
    async with running(with_history(ended(1), ended(2), ended(3))) as app:
        app.service.put(ended(4))  # in the list
        await app.update()
        shown = await opened(app)
        assert "d forget" in app.screen_text()
        await app.press("d", "delete")
        await app.until(lambda: names(shown) == ["file-3.iso", "file-4.iso"])
        assert "Forgot file-1.iso. Its file is kept." in app.messages()
        assert list(app.service.past) == [ended(3).id]
        await app.press("end", "d")
        message = "file-4.iso is still in the list; remove it there first."
        await app.until(lambda: message in app.messages())
        assert names(shown) == ["file-3.iso", "file-4.iso"]


async def test_forget_all_matches() -> None:
    async with running(with_history(*map(ended, range(30)))) as app:
        shown = await opened(app)
        await app.press("slash", *"file-2", "down")
        await app.until(lambda: len(shown.rows) == 11)
        for key, left in (("n", 30), ("y", 19)):
            await app.press("D")
            await app.until(lambda: isinstance(app.app.screen, ConfirmScreen))
            assert "Forget all with “file-2” in name or URL?" in app.screen_text()
            await app.press(key)
            await app.until(lambda left=left: len(app.service.past) == left)
        await app.until(lambda: not shown.rows)
        assert (
            "Forgot 11 downloads. Files on the disk and downloads in the list are kept."
            in app.messages()
        )


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
        shown = app.screen_text()
        assert "\x1b" not in shown and "\u202e" not in shown
        assert "[b]bold[/b]" in shown
        await app.press("slash", *"[/b]")
        await app.until(lambda: said(app).startswith("1 download "))
        await app.press(*"[red]")
        await app.until(lambda: "contains “[/b][red]”" in said(app))


async def test_errors_are_shown() -> None:
    async with running(with_history(ended(1))) as app:
        await opened(app)
        app.service.fail_with = OSError("disk full")
        await app.press("d")
        await app.until(lambda: "Cannot forget the download: disk full." in app.messages())
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


class SlowStart(FakeService):
    """Opens when the test lets it; until then it has no history."""

    def __init__(self) -> None:
        super().__init__()
        self.may_open = asyncio.Event()

    async def start(self) -> None:
        await self.may_open.wait()
        await super().start()

    async def history(self, *args: Any, **kwargs: Any) -> list[DownloadSnapshot]:
        assert self.started, "not open"
        return await super().history(*args, **kwargs)


async def test_a_key_before_the_session_is_open_shows_the_history_once_it_is() -> None:
    service = SlowStart()
    service.past = {row.id: row for row in map(ended, range(3))}
    app = RheoApp(service)
    async with app.run_test(notifications=True) as pilot:
        driver = Driver(app, service, pilot)
        await driver.until(lambda: isinstance(app.screen, MainScreen))
        await driver.press("h")
        await driver.until(lambda: isinstance(app.screen, HistoryScreen))
        await pilot.pause(0.1)
        service.may_open.set()
        await driver.until(lambda: len(app.screen.query_one(HistoryList).rows) == 3)
        assert "Cannot read" not in driver.messages()


async def test_with_16_colours_no_text_has_the_colour_of_the_cursor_below_it() -> None:
    past = [ended(1), ended(2, status=DownloadStatus.CANCELLED), ended(3, reason="file exists")]
    service = with_history(*past)
    service.settings = service.settings.model_copy(update={"theme": "ansi-dark"})
    async with running(service, size=(80, 24)) as app:
        shown = await opened(app)
        for _ in past:
            row = shown.region.y + (shown.highlighted or 0)
            strip = app.app.screen._compositor.render_strips()[row].crop(*shown.region.column_span)
            colours = {
                (each.style.color, each.style.bgcolor)
                for each in strip
                if each.style and each.text.strip()
            }
            assert colours and not any(
                text and text.is_default and below and not below.is_default
                for text, below in colours
            )
            await app.press("down")
