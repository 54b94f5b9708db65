"""The start of the app: what costs time before the first screen."""

import gc
import subprocess
import sys
from collections.abc import Callable, Iterable

import pytest
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode

from rheo_core.domain import FileConfig, RheoError
from rheo_tui import garbage_collections
from rheo_tui.app import RheoApp
from rheo_tui.screens.fleet import FleetScreen
from rheo_tui.screens.main import MainScreen
from tests.tui.driving import running, until
from tests.tui.fake_service import FakeService
from tests.tui.fleet_stage import fleet_on_stage

PROGRAM = """
import sys
before = set(sys.modules)  # a measurement of coverage has imported its own
import rheo_tui.__main__, rheo_tui.app, rheo_tui.services.local, rheo_tui.services.threaded
print(" ".join(sys.modules.keys() - before))
"""
NEEDLESS = {
    "aiohttp",
    "defusedxml",
    "linkify_it",
    "pygments",
    "regex",
    "rheo_core.downloads",
    "rheo_core.engine",
    "rheo_core.inputs",
    "rheo_core.transfer",
    "rheo_tui.copying",
    "rheo_tui.demo",
    "rheo_tui.edit_fields",
    "rheo_tui.fleet_app",
    "rheo_tui.palette",
    "rheo_tui.proposals",
    "rheo_tui.screens.add",
    "rheo_tui.screens.edit",
    "rheo_tui.screens.help",
    "rheo_tui.screens.history",
    "rheo_tui.screens.load",
    "rheo_tui.screens.menu",
    "rheo_tui.screens.settings",
    "sqlite3",
    "textual.widgets._text_area",
    "tomlkit",
    "typer",
    "yarl",
}
"""Modules that the first screen does not use: the engine, the dialogs, and what they need."""


@pytest.fixture
def updated(monkeypatch: pytest.MonkeyPatch) -> list[DOMNode]:
    """Return the screens whose styles were applied, each time they were."""
    screens: list[DOMNode] = []
    update = Stylesheet.update_nodes

    def noted(sheet: Stylesheet, nodes: Iterable[DOMNode], **options: bool) -> None:
        nodes = list(nodes)
        screens.extend(node for node in nodes if isinstance(node, MainScreen | FleetScreen))
        update(sheet, nodes, **options)

    monkeypatch.setattr(Stylesheet, "update_nodes", noted)
    return screens


@pytest.mark.parametrize("size", [(30, 8), (80, 24), (120, 36), (200, 50)])
async def test_all_styles_of_the_first_screen_are_applied_once(
    size: tuple[int, int], updated: list[DOMNode]
) -> None:
    """Textual sets the classes for the size later, and then applies all of them again."""
    async with running(size=size) as app:
        assert updated == [app.main]
        classes = set(app.main.classes)
        await app.pilot.resize_terminal(79, 23)
        await app.pilot.resize_terminal(*size)
        assert set(app.main.classes) == classes  # those that Textual would set


async def test_a_watched_fleet_applies_its_styles_once(updated: list[DOMNode]) -> None:
    async with fleet_on_stage((80, 24), "rheo-light") as fleet:
        assert updated == [fleet.app.screen]


Reparsed = Callable[[], int]


@pytest.fixture
def reparsed(monkeypatch: pytest.MonkeyPatch) -> Reparsed:
    """Return a function that returns how often all styles were parsed again."""
    calls = []
    parse = Stylesheet.reparse

    def counted(sheet: Stylesheet) -> None:
        calls.append(sheet)
        parse(sheet)

    monkeypatch.setattr(Stylesheet, "reparse", counted)
    return lambda: len(calls)


def test_the_first_screen_imports_no_more_than_it_uses() -> None:
    # Not in this process, which has imported everything.
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, check=True
    )
    imported = set(done.stdout.split())
    assert "rheo_tui.screens.main" in imported
    assert sorted(NEEDLESS & imported) == []


@pytest.mark.parametrize("theme", ["rheo-dark", "rheo-light", "nord"])
async def test_the_styles_are_parsed_once_and_for_each_other_theme(
    theme: str, reparsed: Reparsed
) -> None:
    async with running(FakeService(theme=theme)) as app:
        assert app.app.theme == theme
        assert app.app.current_theme.name == theme
        assert reparsed() == 0
        background = app.main.styles.background
        app.app.theme = "ansi-light"
        await app.until(lambda: app.main.styles.background != background)
        assert reparsed() == 1


async def test_a_watched_fleet_parses_its_styles_once(reparsed: Reparsed) -> None:
    async with fleet_on_stage((80, 24), "rheo-light") as fleet:
        assert fleet.app.theme == "rheo-light"
        assert reparsed() == 0


class Reading(FakeService):
    """Notes whether the garbage collector is on while the list is read."""

    was_collecting = True

    async def start(self) -> None:
        self.was_collecting = gc.isenabled()
        await super().start()


@pytest.mark.parametrize(("rows", "kept"), [(0, False), (2, False), (3, True)])
async def test_rows_of_a_long_list_are_left_out_of_garbage_collections(
    rows: int, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(garbage_collections, "_MANY_ROWS", 3)
    service = Reading()
    await service.add([FileConfig(url=f"https://example.org/{at}") for at in range(rows)])
    before = gc.get_freeze_count()
    async with running(service) as app:
        assert not service.was_collecting
        await app.until(gc.isenabled)
        assert (gc.get_freeze_count() > before) == kept


async def test_garbage_is_collected_again_after_a_failed_start() -> None:
    service = Reading()
    service.fail_with = RheoError("no")
    async with RheoApp(service).run_test() as pilot:
        await until(pilot, lambda: not service.was_collecting and gc.isenabled())
