"""Helpers for tests of the app: start it over the fake service, wait for conditions."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input

from rheo_core.domain import FileConfig
from rheo_tui.app import RheoApp
from rheo_tui.screen_memory import ScreenMemory
from rheo_tui.screens.main import MainScreen
from rheo_tui.widgets.footer import StatusFooter
from rheo_tui.widgets.line_view import LineView
from rheo_tui.widgets.table import DownloadTable
from tests.tui.fake_service import FakeService

_PATIENCE_SECONDS = 60.0


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    """Let an app run until `condition` holds."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not condition():
            await pilot.pause(0.005)


class Driver:
    """A running app with its service and pilot."""

    def __init__(self, app: RheoApp, service: FakeService, pilot: Pilot[None]) -> None:
        self.app = app
        self.service = service
        self.pilot = pilot

    @property
    def main(self) -> MainScreen:
        return self.app.main

    @property
    def table(self) -> DownloadTable:
        return self.main.query_one(DownloadTable)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()
        await self.main.refresh_from_engine()
        await self.pilot.pause()

    async def command(self, text: str) -> None:
        """Enter `text` at the command line."""
        await self.press("colon")
        self.main.query_one("#command-text", Input).value = text
        await self.press("enter")

    async def until(self, condition: Callable[..., object]) -> None:
        """Let the app run until `condition` holds."""
        await until(self.pilot, condition)

    async def fill(self, count: int = 3, *, size: int = 10_000_000) -> list[str]:
        """Queue `count` downloads and return their ids in order."""
        configs = [
            FileConfig(url=f"https://example.org/files/file-{at:05}.iso", size_bytes=size)
            for at in range(count)
        ]
        await self.service.add(configs)
        self.service.calls.clear()
        await self.update()
        return [config.id for config in configs]

    async def update(self) -> None:
        await self.main.refresh_from_engine()
        await self.pilot.pause()

    def called(self, name: str) -> list[Any]:
        return [value for call, value in self.service.calls if call == name]

    def messages(self) -> str:
        """Return the feedback at the bottom and the toasts."""
        toasts = [notice.message for notice in self.app._notifications]
        return " | ".join([self.main.query_one(StatusFooter).said, *toasts])

    def lines(self) -> list[str]:
        """Return the table as text."""
        return [self.table.render_line(y).text for y in range(self.table.size.height)]

    def screen_text(self) -> str:
        """Return the whole screen as text."""
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())


def plain_lines(view: LineView[Any]) -> list[str]:
    """Return the lines of `view` without style."""
    return [view.text_of(item).plain for item in view._items]


@asynccontextmanager
async def running(
    service: FakeService | None = None,
    configs: Sequence[FileConfig] = (),
    size: tuple[int, int] = (100, 30),
    memory: ScreenMemory | None = None,
) -> AsyncIterator[Driver]:
    """Run the app over a fake service until it is ready for keys."""
    service = service or FakeService()
    app = RheoApp(service, configs, memory=memory)
    async with app.run_test(size=size, notifications=True) as pilot:
        driver = Driver(app, service, pilot)
        await driver.until(lambda: service.started and app.main.client.ready)
        await driver.until(lambda: isinstance(app.screen, MainScreen))
        await driver.update()
        yield driver
