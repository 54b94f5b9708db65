"""The app with a session that another process has locked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual import events
from textual.widgets import Input, Static

from rheo_core.domain import FileConfig, RheoError
from rheo_core.domain.exceptions import HttpStatusError
from rheo_tui.action_reasons import Context
from rheo_tui.actions import ACTIONS, BY_ID
from rheo_tui.app import RheoApp
from rheo_tui.screens.history import HistoryScreen
from rheo_tui.screens.main import MainScreen
from rheo_tui.screens.session_locked import SessionLockedScreen
from rheo_tui.services.protocol import READ_ONLY, DownloadService, SessionLockedError
from rheo_tui.tabs import TABS
from rheo_tui.widgets.header import SummaryHeader
from tests.tui.driving import Driver, running, until
from tests.tui.fake_service import FakeService

LOOKING = {
    *(
        "next_active",
        "next_failed",
        "follow",
        "filter",
        "columns",
        "sort",
        "mark",
        "mark_all",
        "clear",
        "details",
        "log",
        "history",
        "copy",
        "menu",
    ),
    *("folder", "cursor_up", "cursor_down", "page_up", "page_down", "first", "last"),
    *("command", "palette", "help", "quit"),
    *("open", "invert_marks", "mark_matching", "range", "next_page", "previous_page"),
    *("range_up", "range_down", "range_page_up", "range_page_down", "range_first", "range_last"),
    *("details_up", "details_down"),
    *(f"tab_{tab.id}" for tab in TABS),
    *("tab_own_1", "tab_own_2", "invert_marks", "mark_matching", "open"),
    *("failures", "suspend"),
    *(action.id for action in ACTIONS if action.id.startswith("range")),
}


class Lists:
    """Makes fake services and records their sessions."""

    def __init__(self, **failures: RheoError) -> None:
        self.made: dict[str, FakeService] = {}
        self.failures = failures  # by the stem of the path; each raised once

    def __call__(self, path: Path, *, read_only: bool) -> DownloadService:
        service = FakeService()
        service.read_only = read_only
        service.fail_with = self.failures.pop(path.stem, None)
        self.made[str(path)] = service
        return service


@asynccontextmanager
async def locked(
    path: Path, lists: Lists, configs: tuple[FileConfig, ...] = ()
) -> AsyncIterator[Driver]:
    """Run the app over a session in use."""
    service = FakeService()
    service.fail_with = SessionLockedError(f"session {path}: in use by process 77", path)
    app = RheoApp(service, configs, make_service=lists)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        driver = Driver(app, service, pilot)
        await driver.until(lambda: isinstance(app.screen, SessionLockedScreen))
        await pilot.pause()
        yield driver


def said(app: Driver, where: str) -> str:
    return str(app.app.screen.query_one(where, Static).render())


async def test_it_says_who_has_the_list_and_q_quits(tmp_path: Path) -> None:
    async with locked(tmp_path / "session.db", Lists()) as app:
        assert said(app, "#locked-by").endswith("session.db: in use by process 77.")
        assert not app.app.screen.query_one(Input).display
        app.app.post_message(events.Paste("https://example.org/x"))
        await app.pilot.pause()
        assert isinstance(app.app.screen, SessionLockedScreen)
        await app.pilot.press("q")
    assert app.app.return_code == 1


async def test_quitting_by_force_is_the_same(tmp_path: Path) -> None:
    async with locked(tmp_path / "session.db", Lists()) as app:
        await app.pilot.press("ctrl+q")
    assert app.app.return_code == 1


async def test_without_other_lists_it_ends_with_the_sentence() -> None:
    service = FakeService()
    service.fail_with = SessionLockedError("session x: in use by process 77", Path("x"))
    app = RheoApp(service)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.return_code is not None)
    assert app.return_code == 1


async def test_read_only_shows_everything_and_changes_nothing(tmp_path: Path) -> None:
    path, lists = tmp_path / "session.db", Lists()
    config = FileConfig(url="https://example.org/x")
    async with locked(path, lists, (config,)) as app:
        await app.pilot.press("r")
        await app.until(lambda: isinstance(app.app.screen, MainScreen))
        app.service = lists.made[str(path)]
        await app.until(lambda: app.main.client.ready)
        assert f"No downloads were added: {READ_ONLY}." in app.messages()
        await app.fill(2)
        header = app.main.query_one(SummaryHeader).render().plain
        assert header.split()[:2] == ["rheo", "read-only"]
        for key in ("c", "x", "t"):
            await app.press("g", key)
            assert "This session is open read-only." in app.messages()
        await app.command("limit 2M")
        assert f"limit: {READ_ONLY}." in app.messages()
        app.app.post_message(events.Paste("https://example.org/y"))
        await app.pilot.pause()
        assert f"Cannot add: {READ_ONLY}." in app.messages()
        assert app.app.screen is app.main
        await app.press("h")
        assert isinstance(app.app.screen, HistoryScreen)
        assert [name for name, _ in app.service.calls] == ["history"]
        await app.press("escape", "q")
        await app.until(lambda: app.service.closed)


async def test_keys_of_the_history_change_nothing_either() -> None:
    service = FakeService()
    async with running(service) as app:
        first, *_ = await app.fill()
        await service.cancel([first])
        service.read_only = True
        await app.press("h")
        await app.until(lambda: app.app.screen.query("HistoryList").first().option_count)  # type: ignore[attr-defined]
        for key in ("A", "d", "D"):
            app.app.clear_notifications()
            await app.press(key)
            assert f"Cannot change the history: {READ_ONLY}." in app.messages()
        assert not app.called("add_again") and not app.called("forget")


@pytest.mark.parametrize("read_only", [False, True])
async def test_no_key_is_advised_that_does_nothing_there(read_only: bool) -> None:
    service = FakeService()
    async with running(service, size=(120, 36)) as app:
        (only,) = await app.fill(1)
        service.read_only = read_only
        service.fail(only, HttpStatusError(503, "Service Unavailable"))
        await app.update()
        await app.until(lambda: "503 Service Unavailable" in app.screen_text())
        assert ("Press r to retry." in app.screen_text()) is not read_only


def test_every_action_that_changes_something_is_disabled() -> None:
    context = Context(total=1, failed=1, finished=1, undoes="x", read_only=True)
    assert {action.id for action in ACTIONS if action.disabled(context) != READ_ONLY} == LOOKING
    assert BY_ID["add"].disabled(Context()) == ""


async def test_another_list(tmp_path: Path) -> None:
    (tmp_path / "session-2.db").touch()
    lists = Lists(taken=SessionLockedError("session taken.db: in use by process 78", tmp_path))
    config = FileConfig(url="https://example.org/x")
    async with locked(tmp_path / "session.db", lists, (config,)) as app:
        await app.pilot.press("n")
        field = app.app.screen.query_one(Input)
        await app.until(lambda: field.has_focus)
        assert field.value == str(tmp_path / "session-3.db")
        for bad, message in (
            ("  ", "Enter the path of a session file."),
            ("~no-such-user-here/x", "Unknown user: “~no-such-user-here/x”."),
            (str(tmp_path / "taken.db"), "session taken.db: in use by process 78."),
        ):
            field.value = bad
            await app.pilot.press("enter")
            await app.until(lambda message=message: said(app, "#locked-problem") == message)
        await app.pilot.press("escape")
        assert not field.display
        await app.pilot.press("n")
        await app.until(lambda: field.has_focus)
        await app.pilot.press("enter")
        await app.until(lambda: isinstance(app.app.screen, MainScreen))
        app.service = lists.made[str(tmp_path / "session-3.db")]
        await app.until(lambda: app.called("add") == [[config.url]])
        assert not app.service.read_only


async def test_try_again(tmp_path: Path) -> None:
    path = tmp_path / "session.db"
    lists = Lists(session=SessionLockedError("still in use", path))
    async with locked(path, lists) as app:
        await app.pilot.press("t")
        await app.until(lambda: said(app, "#locked-problem") == "still in use.")
        await app.pilot.press("t")
        await app.until(lambda: isinstance(app.app.screen, MainScreen))
        assert lists.made[str(path)].started


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_mark_is_seen(size: tuple[int, int]) -> None:
    service = FakeService()
    service.read_only = True
    async with running(service, size=size) as app:
        assert "read-only" in app.app.export_screenshot()
        assert any(
            "Downloads that the other process adds appear here." in line for line in app.lines()
        )
