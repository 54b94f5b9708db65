"""Filter, commands and menus over a real engine and a real server."""

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Input, Static

from rheo_core import FileConfig
from rheo_core.config.settings import build_settings
from rheo_core.domain import DownloadStatus, HashConfig
from rheo_tui.app import RheoApp
from rheo_tui.screen_memory import ScreenMemory
from rheo_tui.screens.menu import MenuScreen
from rheo_tui.services.local import LocalService
from rheo_tui.services.threaded import ThreadedService
from tests.core.engine import serving
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.tui.driving import until

BODY = body_of(20_000)
DIGEST = sha256(BODY).hexdigest()
PAUSED, FAILED, DONE = DownloadStatus.PAUSED, DownloadStatus.FAILED, DownloadStatus.COMPLETED


class Real:
    """The app over a real engine."""

    def __init__(self, app: RheoApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    async def until(self, condition: Callable[[], object]) -> None:
        await until(self.pilot, condition)

    async def type(self, key: str, text: str) -> None:
        await self.pilot.press(key)
        field = "#filter-text" if key == "slash" else "#command-text"
        self.app.main.query_one(field, Input).value = text
        await self.pilot.pause()

    def shown(self) -> list[str]:
        model = self.app.main.model
        return sorted(model.rows[each].name for each in model.shown)

    def statuses(self) -> dict[str, DownloadStatus]:
        return {row.name: row.status for row in self.app.main.model.rows.values()}


@asynccontextmanager
async def real_app(
    server: MisbehavingServer, folder: Path, memory: ScreenMemory | None = None
) -> AsyncIterator[Real]:
    """Run the app with two files that are there, and two that are not."""
    settings = build_settings(download_dir=folder, max_retries=0, show_log=True)
    wanted = HashConfig.from_checksum_string(f"sha256:{DIGEST}")
    configs = [
        FileConfig(url=server.on("/pub/disc-1.iso", serving(BODY)), hash_config=wanted),
        FileConfig(url=server.on("/pub/notes.pdf", serving(BODY))),
        FileConfig(url=f"{server.url('/gone/disc-2.iso')}?token=c4nary"),
        FileConfig(url=server.url("/gone/later.zip")),
    ]
    service = ThreadedService(LocalService(settings, save=False))
    app = RheoApp(service, configs, memory=memory)
    async with app.run_test(size=(100, 40)) as pilot:
        real = Real(app, pilot)
        await real.until(lambda: sorted(real.statuses().values()) == [DONE, DONE, FAILED, FAILED])
        yield real


async def test_a_filter_follows_what_the_engine_does(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    async with real_app(server, tmp_path) as real:
        await real.type("slash", "status:failed error:404 host:127.0.0.1")
        assert real.shown() == ["disc-2.iso", "later.zip"]
        server.on("/gone/later.zip", serving(BODY))
        await real.pilot.press("enter", "R")
        await real.until(lambda: real.statuses()["later.zip"] is DONE)
        await real.until(lambda: real.shown() == ["disc-2.iso"])


async def test_a_command_acts_on_what_its_filter_names(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    async with real_app(server, tmp_path) as real:
        server.on("/gone/disc-2.iso?token=c4nary", serving(BODY))
        server.on("/gone/later.zip", serving(BODY))
        await real.type("colon", "retry status:failed name:*.iso")
        hint = real.app.main.query_one("#command-hint", Static)
        await real.until(lambda: str(hint.render()).strip().startswith("disc-2.iso"))
        await real.pilot.press("enter")
        await real.until(lambda: real.statuses()["disc-2.iso"] is DONE)
        assert real.statuses()["later.zip"] is FAILED
        await real.type("colon", "remove status:done")
        await real.pilot.press("enter")
        await real.until(lambda: real.statuses() == {"later.zip": FAILED})


async def test_the_menu_acts_and_copies(server: MisbehavingServer, tmp_path: Path) -> None:
    async with real_app(server, tmp_path) as real:
        await real.type("slash", "disc-1")
        await real.pilot.press("enter", "y", "h")
        await real.until(lambda: real.app.clipboard == f"sha256:{DIGEST}")
        await real.pilot.press("y", "j")
        await real.until(lambda: real.app.clipboard.startswith("{"))
        assert json.loads(real.app.clipboard)["destination_path"] == str(tmp_path / "disc-1.iso")
        await real.pilot.press("escape")
        await real.type("slash", "disc-2")
        await real.pilot.press("enter", "y", "c")
        await real.until(lambda: real.app.clipboard.startswith("curl"))
        assert "c4nary" not in real.app.clipboard
        await real.pilot.press("y", "y")
        await real.until(lambda: real.app.clipboard.endswith("token=c4nary"))
        server.on("/gone/disc-2.iso?token=c4nary", serving(BODY))
        await real.pilot.press("full_stop")
        await real.until(lambda: isinstance(real.app.screen, MenuScreen))
        await real.pilot.press("r")
        await real.until(lambda: real.statuses()["disc-2.iso"] is DONE)


async def test_commands_are_on_the_disk_before_the_app_ends(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    path = tmp_path / "screen.json"
    async with real_app(server, tmp_path / "out", ScreenMemory(path)) as real:
        await real.type("colon", "limit all 5M")
        await real.pilot.press("enter")
        await real.until(path.exists)
        assert ScreenMemory.load(path).commands == ("limit all 5M",)


def test_a_fifo_in_the_place_of_the_memory_does_not_stop_the_app(tmp_path: Path) -> None:
    os.mkfifo(path := tmp_path / "screen.json")
    assert ScreenMemory.load(path).commands == ()
