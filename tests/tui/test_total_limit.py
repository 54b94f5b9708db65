"""The limit of all downloads together: set by a key, kept as a setting, and undone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from rheo_core.config.store import load_settings, settings_path
from rheo_tui.app import RheoApp
from rheo_tui.services.local import LocalService
from rheo_tui.widgets.footer import StatusFooter
from tests.tui.driving import Driver, running

SCHEDULE = "00:00-24:00 300K"


@asynccontextmanager
async def app_in(home: Path, *, until: str = "") -> AsyncIterator[Driver]:
    """Run the app on a real engine, whose settings are a file."""
    load = partial(load_settings, download_dir=home / "out")
    service = LocalService(load().settings, session_path=home / "session.db", load=load)
    app = RheoApp(service)
    async with app.run_test(size=(120, 30)) as pilot:
        driver = Driver(app, service, pilot)  # type: ignore[arg-type]
        await driver.until(lambda: app.main.client.ready and app.main.client.latest)
        yield driver


def limit_of(app: Driver) -> tuple[int | None, str]:
    latest = app.main.client.latest
    assert latest is not None
    return latest.speed_limit_bps, latest.speed_limit_reason


async def test_the_limit_of_all_downloads_holds_after_a_restart(tmp_path: Path) -> None:
    async with app_in(tmp_path) as app:
        await app.command("limit all 2M")
        await app.until(lambda: limit_of(app) == (2_000_000, ""))
        await app.until(lambda: load_settings().settings.speed_limit == 2_000_000)
    async with app_in(tmp_path) as app:
        assert limit_of(app) == (2_000_000, "")
        await app.command("limit all off")
        await app.until(lambda: limit_of(app) == (None, ""))
        await app.press("u")
        await app.until(lambda: limit_of(app) == (2_000_000, ""))
        await app.until(lambda: load_settings().settings.speed_limit == 2_000_000)


async def test_the_last_of_several_limits_is_saved(tmp_path: Path) -> None:
    async with app_in(tmp_path) as app:
        await app.pilot.press("[", "[", "[", "[")
        await app.until(lambda: limit_of(app) == (5_000_000, ""))
        await app.until(lambda: load_settings().settings.speed_limit == 5_000_000)


async def test_undo_of_a_limit_returns_to_the_schedule(tmp_path: Path) -> None:
    settings_path().parent.mkdir(parents=True, exist_ok=True)
    settings_path().write_text(f'schedule = ["{SCHEDULE}"]\n')
    async with app_in(tmp_path) as app:
        assert limit_of(app) == (300_000, "until 24:00")
        await app.command("limit all 5M")
        await app.until(lambda: limit_of(app) == (5_000_000, ""))
        await app.command("limit all 2M")
        await app.until(lambda: limit_of(app) == (2_000_000, ""))
        await app.press("u")
        await app.until(lambda: limit_of(app) == (5_000_000, ""))
        await app.press("u")
        await app.until(lambda: limit_of(app) == (300_000, "until 24:00"))
        await app.until(lambda: load_settings().settings.speed_limit is None)


async def test_undo_of_a_limit_returns_to_slow_mode(tmp_path: Path) -> None:
    async with app_in(tmp_path) as app:
        await app.press("t")
        await app.until(lambda: limit_of(app) == (100_000, "slow mode"))
        await app.command("limit all 5M")
        await app.until(lambda: limit_of(app) == (5_000_000, ""))
        await app.press("u")
        await app.until(lambda: limit_of(app) == (100_000, "slow mode"))
        await app.press("t")
        await app.until(lambda: limit_of(app) == (None, ""))


async def test_a_limit_that_cannot_be_saved_applies_and_says_so(tmp_path: Path) -> None:
    settings_path().mkdir(parents=True)  # a folder with the name of the file
    async with app_in(tmp_path) as app:
        await app.command("limit all 2M")
        await app.until(lambda: limit_of(app) == (2_000_000, ""))
        sentence = "The speed limit applies until you quit: "
        await app.until(lambda: any(sentence in each.text for each in app.main.event_log.lines))


async def test_a_list_of_values_is_shown_as_it_is_typed() -> None:
    async with running(size=(120, 30)) as app:
        await app.command("set schedule 08:00-18:00 2M; 18:00-24:00 off")
        said = app.main.query_one(StatusFooter)
        await app.until(lambda: said.said)
        assert said.said == "schedule is 08:00-18:00 2M; 18:00-24:00 off now."
