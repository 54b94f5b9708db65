"""Draws the pictures: the real app on the demo server, with the clock standing still.

`make screenshots` writes an SVG a scene into this folder. The demo's speeds are real, so the bars
may differ by a percent from run to run; times and dates do not.
"""

import asyncio
import os
import re
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from unittest.mock import patch

from textual.pilot import Pilot

from rheo_core.config.settings import Settings
from rheo_core.domain import DownloadSnapshot
from rheo_tui.app import RheoApp
from rheo_tui.demo import DemoServer
from rheo_tui.services.local import LocalService

HERE = Path(__file__).parent
MOMENT = 1_772_000_000.0  # what every clock on the pictures shows
FREE = 76_000_000_000  # bytes on every disk
SIZES = ((80, 24), (120, 36), (200, 50))
PASTED = """\
https://example.org/talks/2026-keynote.webm
curl 'https://members.example.org/get?file=77&sig=4fd1' \\
  -H 'referer: https://members.example.org/' -b 'session=c2VjcmV0' -k -o minutes.pdf
https://mirror-a.example.org/tumbleweed.iso\thttps://mirror-b.example.org/tumbleweed.iso
  out=isos/tumbleweed.iso
  split=8
{"url": "https://example.org/data/2026.parquet", "size_bytes": 4702863360}
https://example.org/talks/slides-[01-24].png
ftp://example.org/old-server.tar
https://example.org/talks/2026-keynote.webm
Anna's notes are at https://example.org/notes.txt, she says.
"""

Scene = Callable[["Stage"], Awaitable[None]]


class Stage:
    """The app on the demo, and what a scene needs to steer it."""

    def __init__(self, app: RheoApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    async def until_done(self, count: int) -> None:
        """Let it run until so many downloads are complete."""
        while (latest := self.app.main.client.latest) is None or latest.stats.completed < count:
            await self.pilot.pause(0.05)

    async def until_halfway(self, name: str) -> None:
        """Let it run until half of this one is there."""
        rows = self.app.main.model.rows
        while not any(row.name == name and _is_halfway(row) for row in rows.values()):
            await self.pilot.pause(0.05)

    async def select(self, name: str) -> None:
        """Put the cursor on the row of this name."""
        await self.pilot.press("home")
        model = self.app.main.model
        names = [model.rows[download_id].name for download_id in model.shown]
        for _ in range(names.index(name)):
            await self.pilot.press("down")


def _is_halfway(row: DownloadSnapshot) -> bool:
    return row.total_bytes is not None and row.bytes_downloaded * 2 >= row.total_bytes


async def main_view(stage: Stage) -> None:
    await stage.until_halfway("sentinel-2-tiles.parquet")
    await stage.select("sentinel-2-tiles.parquet")


async def details(stage: Stage) -> None:
    await main_view(stage)
    await stage.pilot.press("enter")


async def add(stage: Stage) -> None:
    await stage.until_done(1)
    stage.app.main.open_add(PASTED.rstrip())


async def settings(stage: Stage) -> None:
    await stage.until_done(1)
    await stage.pilot.press("comma")


async def help_page(stage: Stage) -> None:
    await stage.until_done(1)
    await stage.pilot.press("question_mark")


async def filtered(stage: Stage) -> None:
    await stage.until_done(3)
    await stage.pilot.press("slash", *"iso", "enter", "space")


async def history(stage: Stage) -> None:
    await stage.until_done(4)
    await stage.pilot.press("X", "h")
    await stage.pilot.pause(0.4)
    stage.app.clear_notifications()


async def draw(name: str, scene: Scene, size: tuple[int, int]) -> None:
    """Play a scene and write its picture."""
    with (
        tempfile.TemporaryDirectory(prefix="rheo-screenshot-") as home,
        patch.dict(os.environ, HOME=home),
    ):
        async with DemoServer() as server:
            chosen = Settings(download_dir=Path(home) / "Downloads", connections=1)
            session = Path(home) / "session.db"
            service = LocalService(chosen, save=False, session_path=session)
            app = RheoApp(service, server.configs())
            async with app.run_test(size=size) as pilot:
                await scene(Stage(app, pilot))
                await pilot.pause(0.4)
                picture = app.export_screenshot(title="rheo-tui")
            port = re.search(r":(\d+)/", server.url("/"))
    assert port is not None
    picture = picture.replace(port[1], "8080").replace(home, "~")
    picture = re.sub(r"terminal-\d+-", "rheo-", picture)
    # Some viewers would drop the spaces at the start of a text.
    picture = picture.replace("<text ", '<text xml:space="preserve" ')
    (HERE / f"{name}.svg").write_text(picture, "utf-8")
    print(f"screenshots/{name}.svg")


async def draw_all() -> None:
    """Every picture, one after the other."""
    for columns, lines in SIZES:
        await draw(f"main-{columns}x{lines}", main_view, (columns, lines))
    await draw("details", details, (120, 36))
    await draw("add", add, (100, 40))
    await draw("settings", settings, (100, 30))
    await draw("help", help_page, (120, 40))
    await draw("filter", filtered, (100, 30))
    await draw("history", history, (100, 30))


if __name__ == "__main__":
    with (
        patch.object(time, "time", lambda: MOMENT),
        patch.object(LocalService, "free_space", lambda _: FREE),
    ):
        asyncio.run(draw_all())
