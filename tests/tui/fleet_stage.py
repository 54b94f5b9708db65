"""The app over a fleet run in a fixed state, for the gallery."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from rheo_core.config.settings import Settings
from rheo_core.domain.fleet_view import FailedEntry, FleetView, ShardRow, ShardState
from rheo_tui.fleet_app import FleetApp
from rheo_tui.services.fleet import FailedPages, FleetService
from tests.tui.driving import Driver

MOMENT = 1_772_000_000.0
FLEET_KEYS = {
    "fleet": [],
    "fleet-errors": ["exclamation_mark"],
    "fleet-failed-urls": ["end", "enter"],
    "fleet-stop": ["p"],
    "fleet-help": ["question_mark"],
}
"""Screens of a fleet, and the keys that open them."""


def some_view() -> FleetView:
    """Return a run with shards in every state."""
    done, running = ShardState.DONE, ShardState.RUNNING
    rows = (
        ShardRow(7, 1, 10_000, running, 6_400, 131, 480_000_000, 57.2, "node-03", 1, MOMENT - 125),
        ShardRow(9, 1, 10_000, running, 0, 0, 0, 0.0, "node-11.cluster.example.org", 3, MOMENT - 4),
        ShardRow(4, 1, 10_000, ShardState.STOPPED, 2_100, 9, 160_000_000, 0.0, "node-07"),
        ShardRow(
            2, 1, 10_000, done, 8_765, 1_235, 650_000_000, 41.0, "node-03:4242", seconds=244.0
        ),
        *(ShardRow(shard, 1, 10_000) for shard in range(10, 60)),
        *(
            ShardRow(
                shard, 1, 10_000, done, 10_000, 0, 7 * 10**8, 63.1, "node-05:77", seconds=158.5
            )
            for shard in (0, 1, 3, 5, 6, 8)
        ),
        ShardRow(2, 2, 310, done, 288, 22, 20_000_000, 11.0, "node-03:4242", seconds=28.0),
    )
    return FleetView(
        "running", False, 600_000, 77_553, 1_397, 5_510_000_000, 1_590.4, 118_300_000.0,
        61, 8, 2, 5, 8, 8,
        (("timeout", 804), ("http_404", 391), ("dns", 120), ("http_503", 51), ("robots_tag", 20),
         ("too_large", 9), ("unreadable", 2)),
        (("images.example.org", 611), ("cdn.example", 204), ("東京.example.jp", 97),
         ("a-host-with-a-rather-long-name.of-a-department.university.example", 12)),
        rows,
        "shard 9: the worker was lost",
    )  # fmt: skip


class FixedFleet(FleetService):
    """A run that stands still."""

    async def look(self) -> FleetView:
        return some_view()

    def failed(self, row: ShardRow, text: str = "") -> FailedPages:
        return cast(FailedPages, None)

    async def page(self, pages: FailedPages) -> list[FailedEntry]:
        return [
            FailedEntry(f"000002000{at:02}", url, kind, error)
            for at, (url, kind, error) in enumerate(
                [
                    (
                        "https://images.example.org/2019/07/a-photo.jpg",
                        "timeout",
                        "no byte for 30 s",
                    ),
                    ("https://cdn.example/gone.png", "http_404", "HTTP 404 Not Found"),
                    ("https://東京.example.jp/桜.jpg?token=***", "dns", "the name is unknown"),
                    ("ftp://old.example/x", "unreadable", "row 12: scheme 'ftp' is not supported"),
                ]
                * 4
            )
        ]


class FleetDriver(Driver):
    """A running app over a fleet. It has no engine."""

    async def update(self) -> None:
        await self.pilot.pause()


@asynccontextmanager
async def fleet_on_stage(size: tuple[int, int], theme: str) -> AsyncIterator[Driver]:
    """Run the app over a run that stands still."""
    service: Any = FixedFleet("s3://bucket/crawls/2026-11")
    app: Any = FleetApp(service, Settings(theme=theme))
    async with app.run_test(size=size, notifications=True) as pilot:
        driver = FleetDriver(app, service, pilot)
        await driver.until(lambda: app.main.view is not None)
        await pilot.pause()
        yield driver
