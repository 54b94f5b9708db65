"""The filter of the app: live, with mistakes at their character, tabs that keep it, its cost."""

import time
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, Static

from rheo_core.domain import DownloadSnapshot, DownloadStats, DownloadStatus, Snapshot
from rheo_core.domain.exceptions import HttpStatusError
from rheo_core.domain.filters import parse_filter
from rheo_tui.app import RheoApp
from rheo_tui.screen_memory import ScreenMemory
from rheo_tui.screens import filter_handlers
from rheo_tui.screens.keep_tab import KeepTabScreen
from rheo_tui.table_model import TableModel
from rheo_tui.tabs import TABS, own_tabs
from rheo_tui.widgets.filter_bar import FilterBar
from rheo_tui.widgets.tab_bar import TabBar
from tests.tui.driving import Driver, running
from tests.tui.fake_service import FakeService

FAILED, RUNNING = DownloadStatus.FAILED, DownloadStatus.IN_PROGRESS


def hint(app: Driver) -> str:
    line = app.main.query_one("#filter-hint", Static)
    return str(line.render()) if line.display else ""


def count(app: Driver) -> str:
    return str(app.main.query_one("#filter-count", Static).render())


async def type_filter(app: Driver, text: str) -> None:
    if not isinstance(app.app.focused, Input):
        await app.press("slash")
    app.main.query_one("#filter-text", Input).value = text
    await app.update()


async def test_conditions_filter_while_they_are_typed() -> None:
    async with running() as app:
        ids = await app.fill(20)
        app.service.fail(ids[3], HttpStatusError(404, "Not Found"))
        app.service.fail(ids[4], HttpStatusError(403, "Forbidden"))
        await type_filter(app, "status:failed error:404")
        assert app.table.model.shown == [ids[3]]
        app.service.fail(ids[7], HttpStatusError(404, "Not Found"))
        await app.update()
        assert app.table.model.shown == [ids[3], ids[7]]


async def test_the_examples_of_conditions_fit_into_eighty_columns() -> None:
    async with running(size=(80, 24)) as app:
        await app.press("slash")
        await app.until(lambda: hint(app))
        assert f"{hint(app).strip()} " in app.screen_text()


async def test_enter_shows_a_condition_that_is_not_valid() -> None:
    async with running() as app:
        await app.fill(5)
        await app.press("slash", *"size", "greater_than_sign", "x")
        assert "it should be a size" in hint(app)
        await app.press("enter")
        assert "it should be a size" in app.messages()
        assert not hint(app)


async def test_a_mistake_is_shown_at_its_character_and_the_filter_stays() -> None:
    async with running() as app:
        ids = await app.fill(5)
        await type_filter(app, "file-00001")
        await type_filter(app, "file-00001 size:5 x")
        assert hint(app).index("↑") == 2 + len("file-00001 size")
        assert "size does not support “:”" in hint(app)
        assert app.table.model.shown == [ids[1]]
        assert "error at column 16" in count(app)
        await type_filter(app, "file-00001")
        assert "1 of 5" in count(app)


async def test_what_is_not_finished_is_no_mistake_yet() -> None:
    async with running() as app:
        await app.fill(5)
        await type_filter(app, "00001 or status:")
        assert len(app.table.model.shown) == 1
        assert "status needs a value" in hint(app)
        assert "1 of 5" in count(app)


@pytest.mark.parametrize("text", ["size>1x", "size>", "", "size:5 x"])
async def test_downloads_under_the_fold_count_while_no_filter_applies(text: str) -> None:
    async with running() as app:
        for each in (await app.fill(5))[:3]:
            app.service.change(each, status=DownloadStatus.COMPLETED)
        await app.update()
        await type_filter(app, text)
        app.service.advance(1)
        await app.update()
        assert app.table.model.lines == 3  # with one line for all of them
        bar = app.main.query_one(FilterBar)
        assert bar._count == "5 of 5"
        assert count(app) == ("error at column 5" if text == "size:5 x" else bar._count)
        await type_filter(app, "00001")
        assert count(app) == "1 of 5"


@pytest.mark.parametrize(("tab", "expected"), [("1", "1 of 5"), ("4", "1 of 3"), ("8", "1 of 2")])
async def test_the_count_is_of_the_open_tab(tab: str, expected: str) -> None:
    async with running(FakeService(tabs={"Gone": "error:404"})) as app:
        ids = await app.fill(5)
        for each, status in zip(ids[1:4], (404, 404, 403), strict=True):
            app.service.fail(each, HttpStatusError(status))
        await app.update()
        await app.press(tab)
        await type_filter(app, "00001")
        assert expected in count(app)
        await type_filter(app, "zzz")
        assert "“zzz”" in app.screen_text()
        assert "Press Esc to clear the filter." in app.screen_text()


async def test_a_mistake_far_to_the_right_stays_on_the_screen() -> None:
    async with running(size=(80, 24)) as app:
        await type_filter(app, f"{'word ' * 12}size:5 x")
        assert hint(app).index("↑") == 2 + 12 * 5 + 4
        assert hint(app).rstrip().endswith("↑")


async def test_hits_are_highlighted_in_the_names() -> None:
    async with running() as app:
        await app.fill(3)
        await type_filter(app, "00001")
        line = app.table.render_line(1)
        marked = [part.text for part in line if part.style and part.style.underline]
        assert marked == ["00001"]
        await app.press("escape")
        assert not any(part.style and part.style.underline for part in app.table.render_line(1))


async def test_f_keeps_the_filter_as_a_tab_and_removes_it(tmp_path: Path) -> None:
    async with running() as app:
        ids = await app.fill(5)
        app.service.fail(ids[1], HttpStatusError(404, "Not Found"))
        await app.update()
        await app.press("F")
        assert "There is no filter to keep." in app.messages()
        await app.press("4")
        await type_filter(app, "error:404 or error:403")
        await app.press("enter", "F")
        assert isinstance(app.app.screen, KeepTabScreen)
        await app.press(*"gone", "enter")
        kept = {"gone": "status:failed error:404 or status:failed error:403"}
        await app.until(lambda: app.service.settings.tabs == kept)
        assert not app.main.query_one(FilterBar).display
        assert "8 gone 1" in app.main.query_one(TabBar).render().plain
        assert app.table.model.shown == [ids[1]]
        app.service.fail(ids[2], HttpStatusError(403, "Forbidden"))
        await app.update()
        assert "8 gone 2" in app.main.query_one(TabBar).render().plain
        await app.press("1", "8")
        assert app.table.model.shown == [ids[1], ids[2]]
        await app.press("F")
        app.app.screen.query_one(Input).value = ""
        await app.press("enter")
        await app.until(lambda: app.service.settings.tabs == {})
        assert len(app.table.model.shown) == 5
        await app.press("8")
        assert "There is no such tab." in app.messages()


async def test_tabs_of_the_settings_are_on_keys_8_and_9() -> None:
    tabs = {"Big": "size>5m", "Slow": "speed<1k", "More": "!done"}
    async with running(FakeService(tabs=tabs), size=(140, 30)) as app:
        await app.fill(2)
        bar = app.main.query_one(TabBar).render().plain
        assert " 8 Big 2 " in bar and " 9 Slow 0 " in bar and " · More 2 " in bar


async def test_tabs_follow_the_settings_file() -> None:
    service = FakeService(tabs={"Big": "size>5m"})
    async with running(service, size=(140, 30)) as app:
        await app.fill(2)
        await app.press("8")
        service.settings = service.settings.model_copy(update={"tabs": {"Small": "size<5m"}})
        await app.command("reload")
        await app.until(lambda: "8 Small 0" in app.main.query_one(TabBar).render().plain)
        assert app.main.model.tab.id == "all"


async def test_filter_and_tab_are_kept_for_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "state" / "screen.json"
    for run in range(2):
        app = RheoApp(FakeService(), memory=ScreenMemory.load(path))
        async with app.run_test(size=(100, 30)) as pilot:
            driver = Driver(app, app.main._service, pilot)  # type: ignore[arg-type]
            await driver.until(lambda app=app: app.main.client.ready)
            if run == 0:
                await driver.press("3")
                await type_filter(driver, "size>1k")
            else:
                bar = app.main.query_one(FilterBar)
                assert bar.display and bar.query_one(Input).value == "size>1k"
                assert app.main.model.tab.id == "queued"
                assert app.focused is driver.table
    assert path.stat().st_mode & 0o777 == 0o600


def test_secrets_and_damaged_files_are_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "screen.json"
    memory = ScreenMemory(path, "url:https://me:c4nary@example.org")
    memory.add_command("add https://example.org/?token=c4narySecret0123456789")
    memory.add_command("pause")
    memory.save()
    assert "c4nary" not in path.read_text()
    assert ScreenMemory.load(path).commands == ("pause",)
    for text in ("", "[1]", '{"filter": 1, "commands": [2, "x"]}', "\x00", "[" * 100_000):
        path.write_text(text)
        assert ScreenMemory.load(path).filter == ""


async def test_in_a_long_list_the_filter_waits_until_the_user_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(filter_handlers, "_LONG_LIST", 4)
    async with running() as app:
        await app.fill(5)
        await app.press("slash", *"0000")
        await app.press(*"3")
        await app.until(lambda: len(app.table.model.shown) == 1)
        monkeypatch.setattr(filter_handlers, "_TYPING_SECONDS", 60.0)
        await app.press("backspace", *"4 size:")
        assert app.table.model.rows[app.table.model.shown[0]].name == "file-00003.iso"
        await app.press("backspace", "backspace", "backspace", "backspace", "backspace", "enter")
        assert app.table.model.rows[app.table.model.shown[0]].name == "file-00004.iso"


# The model


def row(number: int, **facts: Any) -> DownloadSnapshot:
    values: dict[str, Any] = {
        "id": f"{number:016}", "url": f"https://example.org/{number}", "name": f"file-{number}",
        "status": RUNNING, "reason": "", "priority": 1, "rank": float(number),
    }  # fmt: skip
    return DownloadSnapshot(**{**values, **facts})


def snapshot(*rows: DownloadSnapshot) -> Snapshot:
    return Snapshot(1, rows, (), DownloadStats())


def shown(model: TableModel) -> list[str]:
    return [model.rows[each].name for each in model.shown]


def test_rows_come_and_go_by_their_speed_only_once_a_second() -> None:
    model = TableModel()
    model.filter = parse_filter("speed<10k")
    model.apply(snapshot(row(1, speed_bps=5e3), row(2, speed_bps=5e6)))
    assert shown(model) == ["file-1"]
    model.apply(snapshot(row(1, speed_bps=5e6), row(2, speed_bps=5e3)))
    assert shown(model) == ["file-1"] and model.stale
    model.settle()
    assert shown(model) == ["file-2"]


def test_rows_come_and_go_by_their_age(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)  # a busy machine takes any time
    model = TableModel()
    model.filter = parse_filter("age<1h")
    assert model.depends_on_time
    model.apply(snapshot(row(1, added_at=now - 3599), row(2, added_at=now)))
    assert shown(model) == ["file-1", "file-2"]
    now += 2
    model.refilter()
    assert shown(model) == ["file-2"]


def test_an_expression_that_takes_too_long_is_dropped_and_nothing_is_lost() -> None:
    model = TableModel()
    slow = row(1, name="x" * 200 + "a" * 200 + "!")
    model.apply(snapshot(row(2)))
    model.filter = parse_filter("/(x+x+)+y(?<!z)\\b(a|aa)+$/")
    model.refilter()
    for number in range(5000):
        if model.problem:
            break
        model.apply(snapshot(slow._replace(speed_bps=float(number))))
    assert "takes too long" in model.problem
    assert not model.filter and shown(model) == [slow.name, "file-2"]


def test_a_change_costs_the_same_in_a_long_list() -> None:
    """Filters and tabs look at the changed rows only."""
    model = TableModel()
    tabs = own_tabs({"a": "size>1g or host:x", "b": "name:*.iso"})
    model.set_own_tabs(tabs)
    looked = [0]
    model.apply(snapshot(*(row(number) for number in range(20_000))))
    model.filter = parse_filter("file")
    model.refilter()
    plain = model.filter._test

    def counted(*arguments: Any) -> bool:
        looked[0] += 1
        return plain(*arguments)

    object.__setattr__(model.filter, "_test", counted)
    model.apply(snapshot(row(7, speed_bps=1.0), row(19_000, speed_bps=2.0)))
    assert looked[0] <= 4


def test_built_in_tabs_are_filters() -> None:
    assert [str(tab.filter) for tab in TABS][:3] == ["", "status:active", "status:queued,retrying"]


async def test_the_arrow_at_a_mistake_has_an_ascii_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    async with running() as app:
        await type_filter(app, "size:5 x")
        shown = app.app.export_screenshot().replace("&#160;", " ")
        assert "↑" not in shown and "^ size does not support" in shown
