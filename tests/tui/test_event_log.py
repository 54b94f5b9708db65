"""Lines of the event log."""

import re
from pathlib import Path

from rheo_core.config.settings import build_settings
from rheo_core.domain import FileConfig, HashAlgorithm
from rheo_core.domain.exceptions import HttpStatusError
from rheo_core.events import (
    DownloadFailedEvent,
    DownloadRepairingEvent,
    DownloadValidatingEvent,
    ErrorInfo,
)
from rheo_tui.services.event_log import EventLog, log_line
from rheo_tui.services.local import LocalService
from rheo_tui.services.poller import EngineClient
from rheo_tui.widgets.log_pane import LogPane
from tests.tui.driving import running
from tests.tui.fake_service import FakeService


def test_a_repair_is_logged_with_its_source() -> None:
    event = DownloadRepairingEvent(
        download_id="1", url="http://x/a.iso", bad_pieces=3, pieces=1400, host="b.example\x1b[2J"
    )
    line = log_line(event)
    assert (line.name, line.level) == ("a.iso", "warning")
    assert line.text.startswith("repairing: bad pieces: 3 of 1,400; fetched again from b.example")
    assert line.text.isprintable()


def test_a_failure_begins_with_its_cause() -> None:
    error = ErrorInfo.from_exception(HttpStatusError(404, "Not Found"))
    event = DownloadFailedEvent(download_id="1", url="http://x/a.iso", error=error)
    assert log_line(event).text == "✗ HTTP 404 Not Found"


def test_a_check_is_called_as_in_the_table() -> None:
    event = DownloadValidatingEvent(
        download_id="1", url="http://x/a.iso", algorithm=HashAlgorithm.SHA256
    )
    assert log_line(event).text == "checking: sha256"


async def test_a_new_download_has_its_own_name(tmp_path: Path) -> None:
    service = LocalService(build_settings(download_dir=tmp_path), save=False)
    event_log = EventLog()
    client = EngineClient(service, event_log, lambda *_: None, lambda _: None)
    await client.start()
    config = FileConfig(url="https://h.example/a.pdf", filename="b.pdf", start_at=4e9)
    await service.add([config])
    await client.poll(lambda _: "")
    await client.close()
    assert [(line.name, line.text) for line in event_log.lines] == [("b.pdf", "queued")]


async def test_an_empty_log_says_so() -> None:
    async with running(FakeService(show_log=True)) as app:
        assert "Nothing has happened yet." in app.screen_text()
        await app.fill()
        assert "Nothing has happened yet." not in app.screen_text()


async def test_a_verb_on_many_downloads_is_one_line(tmp_path: Path) -> None:
    service = LocalService(build_settings(download_dir=tmp_path), save=False)
    configs = [FileConfig(url=f"https://h.example/{number}") for number in range(500)]
    configs = [each.model_copy(update={"start_at": 4e9}) for each in configs]
    ids = [each.id for each in configs]
    event_log = EventLog()
    client = EngineClient(service, event_log, lambda *_: None, lambda _: None)
    await client.start()
    await service.add(configs)
    await service.pause(ids)
    await service.pause(ids[:1])  # nothing to do
    await service.resume(ids[:2])
    await service.remove(ids)
    await client.poll(lambda _: "one")
    await client.close()
    lines = [(line.name, line.text) for line in event_log.lines]
    assert lines == [
        ("500 downloads", "queued"),
        ("500 downloads", "paused"),
        ("one", "resumed"),
        ("one", "resumed"),
        ("500 downloads", "removed"),
    ]


async def test_the_rest_of_a_line_has_its_time_and_name_at_the_top() -> None:
    async with running(FakeService(show_log=True), size=(80, 24)) as app:
        log = app.main.query_one(LogPane)
        for number in range(9):
            app.main.event_log.note(f"{number} " + "words " * 12, name=f"file-{number}.iso")
        log.update_lines()
        await app.until(lambda: log.scroll_offset.y == log.max_scroll_y > 0)
        tops = []
        for _ in range(2):  # the start of a line, and its rest
            tops.append(log.render_line(0).text)
            log.scroll_relative(y=-1, animate=False, immediate=True)
        assert all(each[2] == each[5] == ":" and "file-" in each for each in tops), tops
        assert {bool(re.search(r"\d words", each)) for each in tops} == {True, False}
