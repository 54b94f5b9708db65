"""`rheo-tui --fleet`: real runs, watched and steered through their output folders."""

import asyncio
import shutil
import threading
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from rheo_core.config.settings import Settings
from rheo_core.domain.fleet import STOP_NAME, facts_name
from rheo_core.domain.fleet_view import FleetView
from rheo_core.fleet.rows import Row
from rheo_core.fleet.shard import work_on_shard
from rheo_core.fleet.targets import open_target
from rheo_tui.__main__ import main
from rheo_tui.fleet_actions import FAILED_URL_ACTIONS, FLEET_ACTIONS, SHARD_ACTIONS
from rheo_tui.fleet_app import FleetApp
from rheo_tui.screens import fleet as fleet_screen
from rheo_tui.screens.confirm import ConfirmScreen
from rheo_tui.screens.failed_urls import FailedUrls, FailedUrlsScreen
from rheo_tui.screens.fleet import FleetScreen
from rheo_tui.services import fleet as fleet_service
from rheo_tui.services.fleet import FleetService
from rheo_tui.widgets.fleet_errors import FleetErrors
from rheo_tui.widgets.footer import StatusFooter
from rheo_tui.widgets.shard_table import ShardTable
from tests.fleet.runs import FleetRun, gone, planned, rows_of, serve
from tests.servers.misbehaving import Exchange, MisbehavingServer
from tests.waiting import until


async def busy(exchange: Exchange) -> None:
    await exchange.head("503 Service Unavailable", Content_Length=0)


@pytest.fixture
async def run(server: MisbehavingServer, tmp_path: Path) -> FleetRun:
    """A run of two shards; the first is complete, with three failures."""
    rows = rows_of(server, 8)
    rows[1] = Row(server.on("/gone.jpg", gone))
    rows[2] = Row(server.on("/busy.jpg?token=secret", busy))
    rows[3] = Row(
        "ftp://[red]x[/]\x1b]0;title\x07", problem="row 4: [bold]\x1b[2J\u202escheme 'ftp'"
    )
    run = planned(tmp_path / "out", rows, shard_size=4)
    await work_on_shard(run.tasks[0])
    return run


class Watched:
    """A running app over a fleet."""

    def __init__(self, app: FleetApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def view(self) -> FleetView | None:
        return self.app.main.view

    @property
    def table(self) -> ShardTable:
        return self.app.main.query_one(ShardTable)

    @property
    def said(self) -> str:
        return self.app.main.query_one(StatusFooter).said

    @property
    def problem(self) -> str:
        bar = self.app.main.query_one("#fleet-problem", Static)
        return str(bar.render()) if bar.display else ""

    async def until(self, condition: Callable[[], object]) -> None:
        await until(condition)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    def text(self) -> str:
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once."""
    monkeypatch.setattr(fleet_service, "_MIN_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(fleet_service, "_PAUSE_SHARE", 0.0)
    monkeypatch.setattr(fleet_screen, "_TRY_AGAIN_SECONDS", 0.01)


@asynccontextmanager
async def watching(
    out: str | Path, size: tuple[int, int] = (120, 36), settings: Settings | None = None
) -> AsyncIterator[Watched]:
    app = FleetApp(FleetService(str(out)), settings or Settings())
    async with app.run_test(size=size, notifications=True) as pilot:
        watched = Watched(app, pilot)
        await watched.until(lambda: watched.view is not None or watched.problem or app._exit)
        await pilot.pause()
        yield watched


async def test_shards_are_rows_and_progress_goes_on(run: FleetRun) -> None:
    async with watching(run.out) as app:
        assert "1 of 2 shards" in app.text() and "3 failed" in app.text()
        assert [row.id for row in app.table._items] == [(0, 1), (1, 1)]
        text = app.text()
        assert "http_404" in text and "127.0.0.1" in text and "unreadable" in text
        await work_on_shard(run.tasks[1])
        await app.until(lambda: app.view and app.view.state == "complete")
        await app.until(lambda: "2 of 2 shards" in app.text())


async def test_progress_inside_a_shard(
    run: FleetRun, server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = asyncio.Event()

    async def slow(exchange: Exchange) -> None:
        await may_end.wait()
        await serve(exchange)

    server.on("/6.jpg", slow)
    async with watching(run.out) as app:
        working = asyncio.create_task(work_on_shard(run.tasks[1]))
        await app.until(lambda: app.view and app.view.completed == 4)
        assert app.view and (app.view.state, app.view.shards_running) == ("running", 1)
        await app.until(lambda: "1 at work" in app.text())
        assert [row.state for row in app.table._items] == ["running", "done"]
        assert app.table.current and app.table.current.ended == 3
        may_end.set()
        await working
        await app.until(lambda: app.view and app.view.state == "complete")


async def test_failed_urls_with_their_reasons(run: FleetRun) -> None:
    async with watching(run.out) as app:
        await app.press("enter")
        assert isinstance(app.app.screen, FailedUrlsScreen)
        shown = app.app.screen.query_one(FailedUrls)
        await app.until(lambda: len(shown._items) == 3)
        await app.pilot.pause()
        text = app.text()
        assert "HTTP 404 Not Found" in text and "/gone.jpg" in text
        assert "secret" not in text
        assert "\x1b" not in text and "\u202e" not in text  # nothing acts on the terminal
        assert "[red]x[/]" in text  # nor as markup
        await app.press("down", "y")
        await app.until(lambda: app.app.clipboard.endswith("/busy.jpg?token=secret"))


async def test_failed_urls_can_be_filtered(run: FleetRun) -> None:
    async with watching(run.out) as app:
        await app.press("enter", "slash", *"503")
        shown = app.app.screen.query_one(FailedUrls)
        await app.until(lambda: [each.kind for each in shown._items] == ["http_503"])
        await app.press("escape")
        await app.until(lambda: len(shown._items) == 3)
        await app.press("slash", *"nothing", "enter")
        await app.until(lambda: "No failed URL has “nothing”" in app.text())
        await app.press("escape")
        await app.until(lambda: app.app.screen.query_one(Input).value == "")
        await app.until(lambda: len(shown._items) == 3)
        await app.press("escape")
        assert isinstance(app.app.screen, FleetScreen)


async def test_many_failed_urls_come_page_by_page(
    run: FleetRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_service, "PAGE_SIZE", 1)
    monkeypatch.setattr("rheo_tui.screens.failed_urls.PAGE_SIZE", 1)
    async with watching(run.out) as app:
        await app.press("enter")
        shown = app.app.screen.query_one(FailedUrls)
        await app.until(lambda: len(shown._items) == 3)


async def test_a_shard_without_failures_says_so(run: FleetRun) -> None:
    async with watching(run.out) as app:
        await app.press("down", "enter")
        assert app.said == "No URL of shard 000001 has failed."


# Steering


async def test_stop_asks_first_and_can_be_taken_back(run: FleetRun) -> None:
    async with watching(run.out) as app:
        await app.press("p", "n")
        assert not (run.out / STOP_NAME).exists()
        await app.press("p")
        assert isinstance(app.app.screen, ConfirmScreen)
        await app.press("y")
        await app.until((run.out / STOP_NAME).exists)
        await app.until(lambda: app.view and app.view.stop_requested)
        await app.until(lambda: app.said == "Running shards finish, and no new ones start.")
        await app.press("p")
        await app.until(lambda: not (run.out / STOP_NAME).exists())
        await app.until(lambda: "rheo fleet run -o" in app.said)


async def test_retry_plans_a_pass_and_names_the_command(run: FleetRun) -> None:
    async with watching(run.out) as app:
        await app.press("r")
        assert app.said == "The run is not complete."
        await work_on_shard(run.tasks[1])
        await app.until(lambda: app.view and app.view.state == "complete")
        await app.press("p")
        assert app.said == "The run is complete."
        await app.press("r", "y")
        await app.until(lambda: app.said.startswith("Planned pass 2 over 1 URL: rheo fleet run"))
        await app.until(lambda: app.view and app.view.shards == 3)
        await app.press("r")
        assert app.said == "The run is not complete."


async def test_a_folder_that_cannot_be_written(
    run: FleetRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    async with watching(run.out) as app:
        monkeypatch.setattr("rheo_core.fleet.targets.LocalTarget.put", refuse)
        await app.press("p", "y")
        await app.until(lambda: app.said == f"Cannot use {run.out}: Permission denied.")


async def test_the_order_changes_and_the_cursor_stays(run: FleetRun) -> None:
    async with watching(run.out) as app:
        await app.press("end", "s")
        assert app.said == "Order: by number."
        await app.until(lambda: app.app.main._service._order == "by number")
        await work_on_shard(run.tasks[1])
        await app.until(lambda: app.view and app.view.shards_done == 2)
        assert app.table.current and app.table.current.shard == 1
        await app.press("y")
        assert app.app.clipboard == f"{run.out}/part-000001.parquet"


# Folders that are away, or something else


async def test_a_folder_that_vanishes_and_comes_back(run: FleetRun, tmp_path: Path) -> None:
    async with watching(run.out) as app:
        shutil.move(run.out, tmp_path / "away")
        await app.until(lambda: "is not the output folder of a fleet" in app.problem)
        assert app.table._items  # what was read stays in sight
        shutil.move(tmp_path / "away", run.out)
        await app.until(lambda: not app.problem)


async def test_a_store_that_does_not_answer_keeps_no_key_waiting(
    run: FleetRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on = threading.Event()
    monkeypatch.setattr(fleet_screen, "_PATIENCE_SECONDS", 0.05)
    async with watching(run.out) as app:
        real = FleetService._look

        def look(self: FleetService) -> FleetView:
            may_go_on.wait()
            return real(self)

        monkeypatch.setattr(FleetService, "_look", look)
        await app.until(lambda: app.problem.endswith("does not answer. Waiting."))
        await app.press("down")
        assert app.table.cursor == 1
        may_go_on.set()
        await app.until(lambda: not app.problem)
        may_go_on.clear()
        await app.until(lambda: app.problem)
        await app.press("q")  # with a thread that waits
    may_go_on.set()


async def test_an_error_of_a_library_does_not_end_the_watch(
    run: FleetRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> FleetView:
        raise IndexError("tuple index\x1b[2J out of range")

    async with watching(run.out) as app:
        with monkeypatch.context() as broken:
            broken.setattr("rheo_core.fleet.watching.FleetWatcher.look", fail)
            await app.until(lambda: "out of range" in app.problem)
            assert "\x1b" not in app.problem
        await app.until(lambda: not app.problem)


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_a_run_in_a_store(run: FleetRun, kind: str) -> None:
    out = f"file://{run.out}"
    if kind == "memory":
        out = f"memory://{uuid.uuid4()}/out"
        target = open_target(out)
        for path in run.out.rglob("*"):
            if path.is_file():
                target.put(str(path.relative_to(run.out)), path.read_bytes())
    async with watching(out) as app:
        assert app.view and app.view.failed == 3
        await app.press("enter")
        await app.until(lambda: len(app.app.screen.query_one(FailedUrls)._items) == 3)


async def test_a_store_that_is_unknown_is_one_sentence(tmp_path: Path) -> None:
    async with watching("nothing://bucket/out") as app:
        await app.until(lambda: "nothing:// is unknown" in app.problem)


async def test_a_folder_without_a_plan_ends_the_app(tmp_path: Path) -> None:
    async with watching(f"memory://{uuid.uuid4()}") as app:
        await app.until(lambda: app.app._exit)
        assert app.app.return_code == 2


async def test_damaged_facts_are_named(run: FleetRun) -> None:
    (run.out / facts_name(1)).write_text("{")
    async with watching(run.out) as app:
        assert app.problem == "part-000001.json is damaged; remove it, and run the fleet again"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--fleet", "{tmp}"], 2, "{tmp} is not the output folder of a fleet: it has no plan"),
        (["--fleet", "{tmp}/none"], 2, "{tmp}/none is not the output folder of a fleet"),
        (["--fleet", "nothing://x"], 2, "nothing:// is unknown"),
        (["--fleet", "s3://user:word@x/y"], 2, "contains a login"),
        (
            ["--fleet", "{tmp}", "https://h/a"],
            2,
            "cannot be combined with URL, -i, --demo or --session",
        ),
        (["--fleet", "{tmp}/file"], 4, "cannot read {tmp}/file: not a directory"),
    ],
)
def test_bad_arguments_are_one_sentence(
    arguments: list[str],
    code: int,
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    assert main([each.format(tmp=tmp_path) for each in arguments]) == code
    err = capsys.readouterr().err
    assert sentence.format(tmp=tmp_path) in err and err.count("\n") == 1
    assert "word" not in err


# Keys


def test_every_action_has_a_handler() -> None:
    assert all(hasattr(FleetScreen, action.handler) for action in SHARD_ACTIONS)
    assert all(hasattr(FailedUrlsScreen, action.handler) for action in FAILED_URL_ACTIONS)
    handlers = {
        name
        for kind in (FleetScreen, FailedUrlsScreen)
        for name in dir(kind)
        if name.startswith("do_")
    }
    assert handlers == {each.handler for each in (*SHARD_ACTIONS, *FAILED_URL_ACTIONS)}
    assert len({each.id for each in FLEET_ACTIONS}) == len(FLEET_ACTIONS)


async def test_the_users_keys_hold_here_too(run: FleetRun) -> None:
    settings = Settings(keys={"details": "i", "cursor_down": "t"})
    async with watching(run.out, settings=settings) as app:
        await app.press("t")
        assert app.table.cursor == 1
        await app.press("up", "i")
        assert isinstance(app.app.screen, FailedUrlsScreen)


async def test_errors_on_a_low_screen(run: FleetRun) -> None:
    async with watching(run.out, (40, 10)) as app:
        errors = app.app.main.query_one(FleetErrors)
        assert not errors.display
        await app.press("exclamation_mark")
        assert errors.display and "http_404" in app.text()
        await app.press("escape")
        assert not errors.display
        await app.press("down")
        assert app.table.cursor == 1
    async with watching(run.out) as app:
        errors = app.app.main.query_one(FleetErrors)
        await app.press("exclamation_mark")
        assert not errors.display
        await app.press("exclamation_mark")
        assert errors.display


async def test_help_and_quit(run: FleetRun) -> None:
    async with watching(run.out) as app:
        await app.press("question_mark")
        assert "Show failed URLs" in app.text() and "In this dialog" not in app.text()
        await app.press("escape", "p", "f1")  # from the question whether to stop
        assert "In this dialog" in app.text() and "Stop" in app.text()
        await app.press("f1", "escape", "ctrl+c")
        assert app.said == "Press q to quit."
        await app.press("q")
        await app.until(lambda: app.app._exit)
