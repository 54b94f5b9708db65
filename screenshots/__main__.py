"""Draws the pictures: the real app on the demo server, with the clock standing still.

`make screenshots` writes an SVG a scene into this folder. The demo's speeds are real, so the bars
may differ by a percent from run to run; times and dates do not.
"""

import asyncio
import os
import re
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from textual.pilot import Pilot

from rheo_core.config.settings import Settings
from rheo_core.domain import DownloadSnapshot
from rheo_tui.app import RheoApp
from rheo_tui.demo import DemoServer
from rheo_tui.services.local import LocalService
from screenshots.svg import steady

HERE = Path(__file__).parent
MOMENT = 1_772_000_000.0  # what every clock on the pictures shows
FREE = 76_000_000_000  # bytes on every disk
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
        self.pictures: list[str] = []

    def take(self) -> None:
        """Take a picture."""
        self.pictures.append(self.app.export_screenshot(title="rheo-tui"))

    async def until_done(self, count: int) -> None:
        """Let it run until so many downloads are complete."""
        while (latest := self.app.main.client.latest) is None or latest.stats.completed < count:
            await self.pilot.pause(0.05)

    async def until_failed(self, count: int) -> None:
        """Let it run until so many downloads have failed."""
        while (latest := self.app.main.client.latest) is None or latest.stats.failed < count:
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


async def connections(stage: Stage) -> None:
    await stage.until_halfway("debian-13.2.0-amd64-netinst.iso")
    await stage.select("debian-13.2.0-amd64-netinst.iso")
    await stage.pilot.press("enter", "tab")


async def failures(stage: Stage) -> None:
    await stage.until_done(5)
    await stage.pilot.press("exclamation_mark")


async def command(stage: Stage) -> None:
    await stage.until_done(2)
    await stage.pilot.press("colon", *"retry status:fai")


async def menu(stage: Stage) -> None:
    await main_view(stage)
    await stage.pilot.press("full_stop")


async def add(stage: Stage) -> None:
    await stage.until_done(1)
    stage.app.main.open_add(PASTED.rstrip())


async def settings(stage: Stage) -> None:
    await stage.until_done(1)
    await stage.pilot.press("comma", "down", "enter", *"99999")


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


async def play(scene: Scene, size: tuple[int, int], **changes: Any) -> list[str]:
    """Play a scene, with some settings changed; return the pictures taken, and one of its end."""
    with (
        tempfile.TemporaryDirectory(prefix="rheo-screenshot-") as home,
        patch.dict(os.environ, HOME=home),
    ):
        async with DemoServer() as server:
            usual: dict[str, Any] = {"download_dir": Path(home) / "Downloads", "connections": 1}
            session = Path(home) / "session.db"
            service = LocalService(Settings(**usual | changes), save=False, session_path=session)
            app = RheoApp(service, server.configs())
            async with app.run_test(size=size) as pilot:
                stage = Stage(app, pilot)
                await scene(stage)
                await pilot.pause(0.4)
                stage.take()
            port = re.search(r":(\d+)/", server.url("/"))
    assert port is not None
    return [
        steady(picture.replace(port[1], "8080").replace(home, "~")) for picture in stage.pictures
    ]


async def draw(name: str, scene: Scene, size: tuple[int, int], **changes: Any) -> None:
    """Play a scene and write the picture of its end."""
    picture = (await play(scene, size, **changes))[-1]
    _write(name, re.sub(r"terminal-\d+-", "rheo-", picture))


def _write(name: str, picture: str) -> None:
    (HERE / f"{name}.svg").write_text(picture, "utf-8")
    print(f"screenshots/{name}.svg")


RECORDED_KEYS = (
    "", "", "down", "enter", "", "tab", "", "enter", "slash", *"iso", "escape",
    "comma", "down", "escape", "full_stop", "escape", "exclamation_mark", "", "escape", "",
)  # fmt: skip
"""One key for each frame of the recording; "" waits."""
FRAME_SECONDS = 0.7


async def record() -> None:
    """Record a short session as an animated SVG."""

    async def session(stage: Stage) -> None:
        for key in RECORDED_KEYS:
            if key == "exclamation_mark":
                await stage.until_failed(2)
            if key:
                await stage.pilot.press(key)
            await stage.pilot.pause(FRAME_SECONDS)
            stage.take()

    pictures = await play(session, (80, 24))
    size = re.search(r'viewBox="[^"]*"', pictures[0])
    assert size is not None
    style = (
        f".frame{{visibility:hidden;animation:show {FRAME_SECONDS * len(pictures):.1f}s step-end "
        f"infinite}}@keyframes show{{0%{{visibility:visible}}{100 / len(pictures):.3f}%"
        "{visibility:hidden}}"
    )
    frames = "".join(map(_frame, range(len(pictures)), pictures))
    start = f'<svg {size[0]} xmlns="http://www.w3.org/2000/svg"><style>{style}</style>'
    _write("recording", f"{start}{frames}</svg>")


def _frame(at: int, picture: str) -> str:
    """Return the content of a picture, shown in its turn; its style has names of its own."""
    content = picture[picture.index(">", picture.index("<svg")) + 1 : picture.rindex("</svg>")]
    content = re.sub(r"terminal-\d+-", f"f{at}-", content)
    return f'<g class="frame" style="animation-delay:{at * FRAME_SECONDS:.1f}s">{content}</g>'


PICTURES: dict[str, tuple[Scene, tuple[int, int], dict[str, Any]]] = {
    "main-80x24": (main_view, (80, 24), {}),
    "main-120x36": (main_view, (120, 36), {}),
    "main-200x50": (main_view, (200, 50), {}),
    "light": (main_view, (100, 30), {"theme": "rheo-light"}),
    "16-colours": (main_view, (100, 30), {"theme": "ansi-dark"}),
    "narrow": (main_view, (40, 14), {}),
    "details": (details, (120, 36), {}),
    "connections": (connections, (120, 36), {"connections": 4, "connections_per_host": 32}),
    "failures": (failures, (100, 30), {}),
    "command": (command, (100, 30), {}),
    "menu": (menu, (100, 30), {}),
    "add": (add, (100, 40), {}),
    "settings": (settings, (100, 36), {}),
    "help": (help_page, (120, 40), {}),
    "filter": (filtered, (100, 30), {}),
    "history": (history, (100, 30), {}),
}


async def draw_all() -> None:
    """Draw all pictures at the same time: most of a scene is waiting for bytes."""
    command = (sys.executable, "-m", "screenshots")
    names = [*PICTURES, "recording"]
    drawing = [await asyncio.create_subprocess_exec(*command, name) for name in names]
    if any(await asyncio.gather(*(process.wait() for process in drawing))):
        sys.exit("not all pictures were drawn")


async def draw_named(name: str) -> None:
    """Draw one picture."""
    with (
        patch.object(time, "time", lambda: MOMENT),
        patch.object(LocalService, "free_space", lambda *_: FREE),
    ):
        if name == "recording":
            await record()
        else:
            scene, size, changes = PICTURES[name]
            await draw(name, scene, size, **changes)


if __name__ == "__main__":
    asyncio.run(draw_named(sys.argv[1]) if sys.argv[1:] else draw_all())
