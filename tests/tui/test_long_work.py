"""Work on many downloads: progress in the feedback, Esc between two batches, true numbers."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, Static

from rheo_core.domain import FileConfig
from rheo_core.events import DownloadEventType
from rheo_core.inputs import Entry, ReadOptions
from rheo_tui import long_work, typed_ahead
from rheo_tui.long_work import LongWork
from rheo_tui.screens.entry_preview import EntryPreview
from rheo_tui.services.event_log import EventLog
from rheo_tui.services.protocol import ManyDownloadsEvent
from rheo_tui.widgets.footer import StatusFooter
from tests.tui.driving import Driver, running
from tests.tui.fake_service import FakeService


class GatedService(FakeService):
    """Waits in the third batch after `close_gate` until the gate is open."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.gate = asyncio.Event()
        self.close_gate()

    def close_gate(self) -> None:
        self.gate.clear()
        self._batches = 0

    async def remove(self, ids: Sequence[str]) -> int:
        await self._begin_batch()
        return await super().remove(ids)

    async def restore(self, ids: Sequence[str]) -> int:
        await self._begin_batch()
        return await super().restore(ids)

    async def _begin_batch(self) -> None:
        self._batches += 1
        if self._batches == 3:
            await self.gate.wait()


class GatedAdding(GatedService):
    """Waits while downloads are added, too."""

    async def add(self, configs: Sequence[FileConfig], **options: Any) -> None:
        await self._begin_batch()
        await super().add(configs, **options)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_work, "_BATCH_SIZE", 10)
    monkeypatch.setattr(long_work, "_SHOW_AFTER_SECONDS", 0.0)


def said(app: Driver) -> str:
    return app.main.query_one(StatusFooter).said


async def test_a_removal_shows_its_progress_and_stops_with_escape() -> None:
    service = GatedService()
    async with running(service) as app:
        ids = await app.fill(200)
        await app.press("*")
        await app.pilot.press("x")
        await app.until(lambda: "Removing: 20 of 200 · Esc stops" in said(app))
        await app.pilot.press("escape")
        service.gate.set()
        await app.until(lambda: "not done, because you stopped it" in said(app))
        assert len(service.rows) == 170
        assert "Removed 30 downloads; 170 not done" in said(app)
        await app.press("u")
        await app.until(lambda: "Undid the removal of 30 downloads" in said(app))
        assert sorted(service.rows) == sorted(ids)


async def test_its_progress_names_the_users_own_key() -> None:
    service = GatedService(keys={"clear": "ctrl+g"})
    async with running(service) as app:
        await app.fill(200)
        await app.press("*")
        await app.pilot.press("x")
        await app.until(lambda: "Removing: 20 of 200 · Ctrl+G stops" in said(app))
        await app.pilot.press("ctrl+g")
        service.gate.set()
        await app.until(lambda: "not done, because you stopped it" in said(app))


async def test_a_stopped_undo_goes_on_with_the_next() -> None:
    service = GatedService()
    async with running(service) as app:
        service.gate.set()
        await app.fill(200)
        await app.press("*", "x")
        await app.until(lambda: "Removed 200 downloads" in said(app))
        service.close_gate()
        await app.pilot.press("u")
        await app.until(lambda: "Restoring: 20 of 200 · Esc stops" in said(app))
        await app.pilot.press("escape")
        service.gate.set()
        await app.until(lambda: "stopped. Undo again to continue." in said(app))
        assert len(service.rows) == 30
        await app.press("u")
        await app.until(lambda: len(service.rows) == 200)
        await app.until(lambda: "Undid" in said(app) and "stopped" not in said(app))


async def test_a_stopped_redo_goes_on_with_the_next() -> None:
    service = GatedService()
    async with running(service) as app:
        service.gate.set()
        await app.fill(200)
        await app.press("*", "x")
        await app.until(lambda: "Removed 200 downloads" in said(app))
        await app.press("u")
        await app.until(lambda: len(service.rows) == 200)
        service.close_gate()
        await app.pilot.press("ctrl+r")
        await app.until(lambda: "Removing: 20 of 200 · Esc stops" in said(app))
        await app.pilot.press("escape")
        service.gate.set()
        await app.until(lambda: "stopped. Redo again to continue." in said(app))
        assert len(service.rows) == 170
        await app.press("ctrl+r")
        await app.until(lambda: not service.rows)
        await app.until(lambda: "Redid" in said(app) and "stopped" not in said(app))
        await app.press("u")
        await app.until(lambda: len(service.rows) == 200)


def count_line(app: Driver) -> str:
    return "".join(
        str(each.content) for each in app.app.screen.query(".verdict-count").results(Static)
    )


@pytest.mark.parametrize("dialog", ["add", "load"])
async def test_adding_a_long_list_shows_its_progress_and_stops_with_escape(
    dialog: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typed_ahead, "_PATIENCE_SECONDS", 0.05)  # Enter holds Escape back so long
    text = "".join(f"http://h/{at:03}.bin\n" for at in range(200))
    list_file = tmp_path / "list.txt"
    list_file.write_text(text)
    service = GatedAdding()
    async with running(service) as app:
        if dialog == "add":
            app.main.open_add(text)
        else:
            await app.press("o")
            await app.until(lambda: app.app.screen.query("#path"))
            app.app.screen.query_one("#path", Input).value = str(list_file)
        await app.until(lambda: "200 to add" in count_line(app))
        await app.pilot.press("enter")
        await app.until(lambda: count_line(app) == "Adding: 20 of 200 · Esc stops")
        await app.pilot.press("escape")
        await app.until(lambda: app.main.work.is_stopped)
        service.gate.set()
        await app.until(lambda: "170 to add" in count_line(app))
        assert "Stopped. The downloads added so far stay" in app.messages()
        assert len(service.rows) == 30
        await app.pilot.press("enter")
        await app.until(lambda: len(service.rows) == 200)
        await app.until(lambda: app.app.screen is app.main)


class GatedReading(FakeService):
    """Waits in the second reading of a file until the gate is open."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.gate = asyncio.Event()
        self.readings = 0

    async def check_file(self, path: Path, options: ReadOptions | None = None) -> list[Entry]:
        self.readings += 1
        if self.readings == 2:
            await self.gate.wait()
        return await super().check_file(path, options)


async def test_escape_stops_before_the_first_download_is_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typed_ahead, "_PATIENCE_SECONDS", 0.05)
    list_file = tmp_path / "list.txt"
    list_file.write_text("http://h/a\n")
    service = GatedReading()
    async with running(service) as app:
        await app.press("o")
        await app.until(lambda: app.app.screen.query("#path"))
        app.app.screen.query_one("#path", Input).value = str(list_file)
        await app.until(lambda: "1 to add" in count_line(app))
        await app.pilot.press("enter")
        await app.until(lambda: service.readings == 2)
        await app.pilot.press("escape")
        await app.until(lambda: app.app.screen.query_one(EntryPreview).is_stopped)
        service.gate.set()
        await app.until(lambda: "1 to add" in count_line(app))
        assert not app.called("add")
        await app.pilot.press("enter")
        await app.until(lambda: app.called("add") == [["http://h/a"]])


async def test_marking_by_a_filter_stops_too() -> None:
    async with running() as app:
        await app.fill(200)
        await app.command("mark name:file*")
        await app.until(lambda: "Marked 200 downloads that match" in said(app))
        assert len(app.main.model.marked) == 200


async def test_work_from_the_end_begins_with_the_last_batch() -> None:
    seen: list[int] = []

    async def note(some: Sequence[int]) -> int:
        seen.extend(some)
        return len(some)

    assert await LongWork().each("Noting", range(25), note, from_end=True) == 25
    assert seen == [*range(20, 25), *range(10, 20), *range(10)]


async def test_quick_work_shows_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_work, "_SHOW_AFTER_SECONDS", 60.0)
    sentences: list[str] = []
    work = LongWork(sentences.append)

    async def count(some: Sequence[int]) -> int:
        return len(some)

    assert await work.each("Counting", range(95), count) == 95
    assert not sentences and not work.stop()


def test_the_batches_of_one_work_are_one_line_of_the_log() -> None:
    log = EventLog()
    for count in (2000, 2000, 500):
        log.write_many(ManyDownloadsEvent(DownloadEventType.REMOVED, count, time.time()))
    assert [line.name for line in log.lines] == ["4,500 downloads"]
    log.note(":undo")
    log.write_many(ManyDownloadsEvent(DownloadEventType.REMOVED, 10, time.time()))
    assert [line.name for line in log.lines][-1] == "10 downloads"
