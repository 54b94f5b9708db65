"""The inspector: five pages about the download in view, by keys and mouse, on all sizes."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from rich.console import Console
from rich.style import Style
from textual.widgets import Static

from rheo_core.config.settings import build_settings
from rheo_core.domain import DownloadSnapshot, DownloadStatus, FileConfig
from rheo_core.domain.inspector_details import (
    ConnectionDetails,
    DownloadDetails,
    Hop,
    TransferDetails,
)
from rheo_tui import file_manager
from rheo_tui.app import RheoApp
from rheo_tui.inspector_pages import PAGES, Inspected, speed
from rheo_tui.services.local import LocalService
from rheo_tui.speed_history import Sample, SpeedHistory
from rheo_tui.widgets.details import DetailsPane, PageBar
from rheo_tui.widgets.log_pane import LogPane
from tests.core.engine import Gate
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.tui.driving import Driver, running
from tests.tui.test_table_model import row
from tests.waiting import Until

SIZES = [(40, 10), (60, 16), (80, 24), (120, 36), (200, 50)]


def pane(app: Driver) -> DetailsPane:
    return app.main.query_one(DetailsPane)


def text(app: Driver) -> str:
    """Return the open page as text."""
    widget = pane(app).query_one("#details-text", Static)
    width = max(widget.size.width, 20)
    return "\n".join(line.text for line in widget.render_lines(widget.size.region)) if width else ""


def details_of(download_id: str) -> DownloadDetails:
    """Return details in which everything is known."""
    return DownloadDetails(
        download_id,
        "/downloads",
        referer="https://example.org/page",
        mirrors=("https://mirror.example/a",),
        expected_hash="sha256:abcd",
        media_type="application/zip",
        place=3,
        waiting=9,
        hops=(
            Hop("https://example.org/a", 302, "Found", (("Authorization", "***"),), ()),
            Hop("https://cdn.example/a", 206, "Partial Content", (),
                (("ETag", '"v1"'), ("Server", "nginx"))),
        ),
        transfer=TransferDetails(
            1000,
            ((0, 250), (500, 600)),
            (
                ConnectionDetails(0, 500, 300, "cdn.example:443", 10.0, 5.0, 0.1),
                ConnectionDetails(500, 1000, 700, "mirror.example:8080", 0.0, 5.0, 4.0),
                ConnectionDetails(900, 1000, 900, "cdn.example:443", 0.0, 0.1, 0.1),
            ),
        ),
    )  # fmt: skip


async def opened(app: Driver) -> str:
    """Open the inspector on a running download whose details are known."""
    first, *_ = await app.fill()
    app.service.advance(1)
    app.service.known_details[first] = details_of(first)
    await app.update()
    await app.press("enter")
    await app.until(lambda: app.main._inspector._details is not None)
    await app.pilot.pause()
    return first


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_every_page_on_every_size(size: tuple[int, int]) -> None:
    expected = {
        "overview": "file-00000.iso",
        "connections": "●",
        "speed": "mean",
        "request": "302 Found",
        "log": "started",
    }
    async with running(size=size) as app:
        await opened(app)
        for page in PAGES:
            assert pane(app).page is page
            await app.until(lambda page=page: expected[page.id] in text(app))
            await app.press("tab")
        assert pane(app).page is PAGES[0]
        await app.press("shift+tab")
        assert pane(app).page.id == "log"
        await app.press("escape")
        assert not pane(app).display


async def test_the_overview_says_where_it_comes_from_and_how_it_resumes() -> None:
    async with running(size=(200, 50)) as app:
        await opened(app)
        shown = " ".join(text(app).split())
        for fact in (
            "Priority 1, place 3 of 9 in the queue",
            "Final URL https://cdn.example/a",
            "From page https://example.org/page",
            "Type application/zip",
            "Server nginx",
            "Resumable yes: it has a strong ETag",
            'Version "v1"',
            "Expected sha256:abcd",
            "Mirrors https://mirror.example/a",
        ):
            assert fact in shown


async def test_the_segment_map_and_the_connections() -> None:
    async with running(size=(104, 40)) as app:
        await opened(app)
        await app.press("tab")
        lines = [line.strip() for line in text(app).splitlines() if line.strip()]
        (segments,) = [line for line in lines if "■" in line]
        assert segments.count("▪") == 3
        tenth = len(segments) // 10
        assert segments[: 2 * tenth] == "■" * 2 * tenth
        assert set(segments[4 * tenth : 5 * tenth - 1]) == {"·"}
        states = [line.split()[-1] for line in lines if line.startswith("●")]
        assert [line for line in lines if "stalled 4 s" in line]
        assert states[0] == "receiving" and states[2] == "connecting"


async def test_only_the_download_in_view_is_asked_for() -> None:
    async with running() as app:
        first, second, _ = await app.fill()
        await app.update()
        assert app.service.details_asked == []
        await app.press("enter")
        await app.until(lambda: first in app.service.details_asked)
        await app.press("down")
        await app.until(lambda: second in app.service.details_asked)
        assert set(app.service.details_asked) == {first, second}
        await app.press("escape")
        asked = len(app.service.details_asked)
        await app.update()
        assert len(app.service.details_asked) == asked


async def test_arrows_walk_from_download_to_download_while_it_is_open() -> None:
    async with running(size=(80, 24)) as app:
        await app.fill()
        await app.press("enter", "down", "down")
        await app.until(lambda: "file-00002.iso" in text(app))
        assert app.table.has_focus


async def test_pages_by_click_and_scrolling_by_keys() -> None:
    async with running(size=(80, 24)) as app:
        await opened(app)
        await app.pilot.click(PageBar, offset=(14, 0))
        assert pane(app).page.id == "connections"
        await app.press("shift+tab", "ctrl+d")
        scroll = pane(app).page_scroll
        await app.until(lambda: scroll.scroll_offset.y > 0)
        await app.press("ctrl+u", "ctrl+u")
        await app.until(lambda: scroll.scroll_offset.y == 0)


async def test_the_same_keys_scroll_the_log_while_the_details_are_closed() -> None:
    async with running(size=(80, 24)) as app:
        await app.fill()
        log = app.main.query_one(LogPane)
        await app.press("l") if not log.display else None
        for number in range(50):
            app.main.event_log.note(f"line {number}")
        log.update_lines()
        await app.until(lambda: log.scroll_offset.y > 20)
        bottom = log.scroll_offset.y
        await app.press("ctrl+u", "ctrl+u")
        await app.until(lambda: log.scroll_offset.y < bottom)
        await app.press("ctrl+d", "ctrl+d")
        await app.until(lambda: log.scroll_offset.y == bottom)
        await app.press("l", "ctrl+u")
        assert "Open the details or the log first." in app.messages()


async def test_keys_of_the_pages_say_why_they_do_nothing() -> None:
    async with running() as app:
        await app.fill()
        await app.press("tab")
        assert "Open the details first." in app.messages()


async def test_the_bar_of_pages_names_its_keys_if_there_is_space() -> None:
    async with running(size=(80, 24)) as app:
        await opened(app)
        assert str(pane(app).query_one(PageBar).render()).endswith("Tab next page · Esc close ")
        await app.pilot.resize_terminal(40, 24)
        await app.pilot.pause()
        assert "next page" not in str(pane(app).query_one(PageBar).render())


@pytest.mark.parametrize(
    ("limit", "at"), [(1_000_000, 0), (500_000, 2), (1_900_000, 0), (5_000_000, -1), (None, -1)]
)
def test_the_limit_is_a_line_in_the_graph(limit: int | None, at: int) -> None:
    samples = tuple(Sample(1_000_000.0, 1) for _ in range(4))
    seen = Inspected(row(0, speed_limit_bps=limit), "downloading", None, samples)
    console = Console(width=80)
    with console.capture() as captured:
        console.print(speed(seen, lambda _: Style(), 80))
    lines = captured.get().splitlines()[2:7]
    assert [place for place, line in enumerate(lines) if "┈" in line] == ([at] if at >= 0 else [])


@pytest.mark.parametrize(
    ("status", "end"), [(DownloadStatus.IN_PROGRESS, "now"), (DownloadStatus.QUEUED, "end")]
)
def test_the_graph_ends_now_only_while_it_runs(status: DownloadStatus, end: str) -> None:
    samples = tuple(Sample(speed_bps, 1) for speed_bps in (9.0, 0.0, 9.0))
    console = Console(width=80)
    with console.capture() as captured:
        console.print(speed(Inspected(row(0, status=status), "", None, samples), _plain, 80))
    text = captured.get()
    assert text.rstrip().endswith(end)
    assert "idle for 1 s" in text


@pytest.mark.parametrize(
    ("own", "total", "words"),
    [
        (None, 5_000_000, "limit 5 MB/s (all)"),
        (300_000, None, "limit 300 kB/s"),
        (300_000, 5_000_000, "limit 300 kB/s · limit 5 MB/s (all)"),
    ],
)
def test_the_page_of_the_speed_names_each_limit_in_force(
    own: int | None, total: int | None, words: str
) -> None:
    lines = _speed_lines(row(0, speed_limit_bps=own), (9.0, 9.0), total)
    assert lines[1] == f"mean 9 B/s · peak 9 B/s · {words}"


def test_the_graph_of_a_young_download_begins_at_the_left() -> None:
    speeds = (0.0, 0.0, 4.0, 8.0, 8.0)  # before the first data, nothing is idle
    lines = _speed_lines(row(0, status=DownloadStatus.IN_PROGRESS), speeds)
    assert lines[1] == "mean 4 B/s · peak 8 B/s"
    assert [line.rstrip("⠀") for line in lines[2:7]] == ["⠀⢸⡇", "⠀⢸⡇", "⠀⣼⡇", "⠀⣿⡇", "⠀⣿⡇"]
    assert lines[7] == "-5 s now"


def _speed_lines(
    row: DownloadSnapshot, speeds: Sequence[float], total: int | None = None
) -> list[str]:
    samples = tuple(Sample(each, 1) for each in speeds)
    console = Console(width=80)
    with console.capture() as captured:
        console.print(speed(Inspected(row, "", None, samples, total_limit=total), _plain, 80))
    return [line.rstrip() for line in captured.get().splitlines()]


def _plain(_: str) -> Style:
    return Style()


def test_samples_once_a_second_of_what_runs_and_not_for_ever() -> None:
    from rheo_core.domain import DownloadSnapshot

    history = SpeedHistory()
    row = DownloadSnapshot("a", "", "a", DownloadStatus.IN_PROGRESS, "", 1, 0, speed_bps=5.0)
    for at in range(2000):
        history.sample([row, row._replace(id="b", status=DownloadStatus.QUEUED)], 10 + at / 2)
    assert len(history.of("a")) == 600
    assert history.of("b") == ()
    for at in range(300):
        history.sample([row._replace(id=f"other-{at}")], 2000.0 + at)
    assert history.of("a") == ()


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[LocalService]:
    service = LocalService(build_settings(download_dir=tmp_path, show_log=False), save=False)
    yield service
    await service.close()


async def test_on_a_real_engine(
    service: LocalService, server: MisbehavingServer, until: Until
) -> None:
    gate = Gate(body_of(3_000_000), 1_000_000, ETag='"v1"')
    config = FileConfig(
        url=server.on("/f", gate), headers=(("X-Api-Key", "sekret"),), connections=1
    )
    app = RheoApp(service, [config])
    async with app.run_test(size=(120, 40)) as pilot:
        await until(gate.reached.is_set)
        await until(lambda: app.main.table.current)
        driver = Driver(app, service, pilot)  # type: ignore[arg-type]
        await pilot.press("enter")
        expected = {
            "overview": {"Resumable", "127.0.0.1"},
            "connections": {"■", "127.0.0.1"},
            "request": {"200 OK", "X-Api-Key"},
        }
        for page in PAGES:
            words = expected.pop(page.id, set())
            await driver.until(lambda words=words: all(word in text(driver) for word in words))
            assert "sekret" not in text(driver)
            await pilot.press("tab")
        assert not expected
        gate.opened.set()
        await until(lambda: service._manager.stats.completed == 1)


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_file_that_was_deleted_elsewhere_is_told_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    monkeypatch.setattr(file_manager, "_OPENERS", ("true",))
    path = tmp_path / "a.bin"
    if is_there:
        path.write_bytes(b"a")
    async with running(size=(120, 36)) as app:
        (first,) = await app.fill(1)
        app.service.known_details[first] = DownloadDetails(first, str(tmp_path))
        app.service.change(first, status=DownloadStatus.COMPLETED, destination=str(path))
        await app.update()
        await app.press("6", "enter")
        await app.until(lambda: app.main._inspector._details is not None)
        await app.pilot.pause()
        assert ("The file is no longer on the disk." in text(app)) is not is_there
        await app.press("O")
        said = "Opened" if is_there else "does not exist. Press A to download it again."
        await app.until(lambda: said in app.messages())
