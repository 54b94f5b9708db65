"""Every screen of the app in a fixed state, for the tests that look at all of them.

`python -m tests.tui.gallery` stores the text of the screens anew. With the name of a folder it
draws them there as SVG files instead, in all sizes and colours, to look at.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, chdir
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch
from zlib import crc32

from textual.screen import Screen
from textual.widgets import Input, Static

from rheo_core.domain import DownloadSnapshot, DownloadStatus, ValidationResult
from rheo_core.domain.exceptions import HttpStatusError
from rheo_core.domain.failures import Failure, FailureKind
from rheo_core.domain.hash_algorithms import HashAlgorithm
from rheo_core.domain.hosts import HostWait
from rheo_core.domain.inspector_details import (
    ConnectionDetails,
    DownloadDetails,
    Hop,
    TransferDetails,
)
from rheo_tui.app import RheoApp
from rheo_tui.screens.confirm import QuitScreen
from rheo_tui.screens.main import MainScreen
from rheo_tui.screens.session_locked import SessionLockedScreen
from rheo_tui.services.event_log import LogLine
from rheo_tui.services.protocol import SessionLockedError
from rheo_tui.widgets.header import SummaryHeader
from screenshots.svg import steady
from tests.tui.driving import Driver
from tests.tui.failed import facts_of
from tests.tui.fake_service import FakeService
from tests.tui.fleet_stage import FLEET_KEYS, fleet_on_stage

MOMENT = 1_772_000_000.0
"""The time on every clock, seconds since the epoch."""
SIZES = ((40, 10), (80, 24), (120, 36), (200, 50))
STORED = Path(__file__).parent / "pictures"
_HOME = "/home/ann"
_MB = 1_000_000


@dataclass(frozen=True)
class Look:
    """A kind of terminal: the theme that it gets, and its environment."""

    name: str
    theme: str
    environ: Mapping[str, str] = field(default_factory=dict)


DARK = Look("dark", "rheo-dark")
LIGHT = Look("light", "rheo-light")
SIXTEEN = Look("16-colours", "ansi-dark")
PLAIN = Look("plain", "rheo-dark", {"NO_COLOR": "1", "LC_ALL": "C"})
LOOKS = (DARK, LIGHT, SIXTEEN, PLAIN)

Open = Callable[[Driver], Awaitable[None]]


@dataclass(frozen=True)
class Scene:
    """A screen, and the way to it from the main screen."""

    name: str
    open: Open
    rows: bool = True  # False: the list is empty
    is_locked: bool = False  # another process has the session
    is_fleet: bool = False  # a screen of `rheo-tui --fleet`


_UNAVAILABLE = facts_of(HttpStatusError(503, "Service Unavailable"))
_NOT_FOUND = facts_of(HttpStatusError(404, "Not Found"))
_UNAUTHORIZED = facts_of(HttpStatusError(401, "Unauthorized"))


def _row(name: str, host: str, status: DownloadStatus, **values: Any) -> DownloadSnapshot:
    return DownloadSnapshot(
        id=f"{crc32(name.encode()):08x}" * 2,
        url=f"https://{host}/pub/{name}",
        name=name,
        status=status,
        reason="",
        priority=1,
        rank=0.0,
        max_attempts=6,
        added_at=MOMENT - 3600,
    )._replace(**values)


def _some_rows() -> list[DownloadSnapshot]:
    status = DownloadStatus
    check = ValidationResult(
        algorithm=HashAlgorithm.SHA256,
        expected_hash="42215637" * 8,
        calculated_hash="f1a18511" * 8,
    )

    def moving(
        name: str, host: str, done: float, size: float | None, **more: Any
    ) -> DownloadSnapshot:
        total = None if size is None else int(size * _MB)
        left = None if size is None else (size - done) * _MB / 2e6
        return _row(
            name, host, status.IN_PROGRESS, bytes_downloaded=int(done * _MB), total_bytes=total,
            speed_bps=2e6, eta_seconds=left, connections=4, attempt=1, started_at=MOMENT - 60,
            **more,
        )  # fmt: skip

    rows = [
        moving("sentinel-2-tiles.parquet", "data.example.org", 5.3, 8.0),
        moving("東京オリンピック開会式映像資料集第一部完全版.mkv", "jp.example.net", 700, 4700),
        moving("measurements.csv", "data.example.org", 2.8, None),
        moving("archive-of-the-city-library-volume-17-of-42.tar.zst", "cdn.example", 1.1, 900),
        _row("debian-13.2.0-amd64-netinst.iso", "deb.example.org", status.PENDING, attempt=1),
        _row("router-1.9.3.bin", "cdn.example", status.VERIFYING, bytes_downloaded=3 * _MB,
             total_bytes=3 * _MB, attempt=1),
        _row("blender-5.0-linux-x64.tar.xz", "mirror.example.org", status.RETRYING, attempt=2,
             failures=2, **_UNAVAILABLE, retry_at=MOMENT + 12,
             bytes_downloaded=11 * _MB, total_bytes=24 * _MB),
        _row("router-1.9.2.bin", "cdn.example", status.FAILED, attempt=1, failures=1,
             error="wrong SHA-256: expected 42215637…, got f1a18511…",
             failure=Failure(FailureKind.HASH, "wrong SHA-256"),
             validation=check, total_bytes=3 * _MB, bytes_downloaded=3 * _MB,
             finished_at=MOMENT - 300),
        _row("report-2019.pdf", "archive.example.org", status.FAILED, attempt=1, failures=1,
             **_NOT_FOUND, finished_at=MOMENT - 200),
        *(_row(f"lecture-{n:02}.mp4", "video.example.org", status.FAILED, attempt=1, failures=1,
               **_UNAUTHORIZED, finished_at=MOMENT - n) for n in range(1, 4)),
        *(_row(f"112-how-disks-lie-part-{n}.mp3", "pod.example.org", status.QUEUED,
               total_bytes=145 * _MB) for n in range(1, 8)),
        *(_row(f"tile-{n:03}.png", "maps.example.org", status.QUEUED) for n in range(1, 4)),
        _row("nightly.tar.gz", "ci.example.org", status.QUEUED, start_at=MOMENT + 7200),
        _row("big-backup.img", "nas.example.org", status.PAUSED, bytes_downloaded=900 * _MB,
             total_bytes=2000 * _MB, attempt=1),
        _row("old-talk.webm", "video.example.org", status.CANCELLED, total_bytes=80 * _MB,
             finished_at=MOMENT - 900),
        _row("README.md", "cdn.example", status.SKIPPED, reason="file exists",
             destination=f"{_HOME}/Downloads/README.md", finished_at=MOMENT - 800),
        *(_row(f"IMG_{n}.jpg", "photos.example.org", status.COMPLETED, total_bytes=4 * _MB,
               bytes_downloaded=4 * _MB, average_speed_bps=3e6, finished_at=MOMENT - n,
               destination=f"{_HOME}/Downloads/IMG_{n}.jpg") for n in range(2041, 2047)),
    ]  # fmt: skip
    return [row._replace(rank=float(at)) for at, row in enumerate(rows)]


def _details(download_id: str) -> DownloadDetails:
    asked = (("Accept-Encoding", "identity"), ("Authorization", "***"))
    return DownloadDetails(
        download_id,
        f"{_HOME}/Downloads",
        referer="https://data.example.org/tiles",
        mirrors=("https://mirror.example.net/pub/sentinel-2-tiles.parquet",),
        expected_hash=f"sha256:{'42215637' * 8}",
        media_type="application/octet-stream",
        hops=(
            Hop("https://data.example.org/pub/sentinel-2-tiles.parquet", 302, "Found", asked,
                (("Location", "https://cdn.example/a?signature=***"),)),
            Hop("https://cdn.example/a?signature=***", 206, "Partial Content", asked[:1],
                (("Content-Range", "bytes 0-7999999/8000000"), ("ETag", '"5e7-1"'),
                 ("Server", "nginx"))),
        ),
        transfer=TransferDetails(
            8 * _MB,
            ((0, 2 * _MB), (4 * _MB, 5 * _MB)),
            (
                ConnectionDetails(0, 4 * _MB, 3_300_000, "cdn.example:443", 1.2e6, 61.0, 0.1),
                ConnectionDetails(4 * _MB, 6 * _MB, 5_400_000, "cdn.example:443", 8e5, 12.0, 0.1),
                ConnectionDetails(6 * _MB, 8 * _MB, 6_600_000, "cdn.example:443", 0.0, 61.0, 9.0),
            ),
        ),
    )  # fmt: skip


def _lines(rows: Sequence[DownloadSnapshot]) -> list[LogLine]:
    texts = (
        ("started: 8.0 MB", "info"),
        ("retrying: HTTP 503 Service Unavailable; retry 2 of 5 in 12 s", "warning"),
        ("✗ wrong SHA-256: expected 42215637…, got f1a18511…", "bad"),
        ("done: 4.0 MB in 2 s, 2.0 MB/s", "good"),
    )
    chosen = (rows[0], rows[6], rows[7], rows[-1])
    lines = [
        LogLine(MOMENT - 60 + at, text, level, row.id, row.name)  # type: ignore[arg-type]
        for at, ((text, level), row) in enumerate(zip(texts, chosen, strict=True))
    ]
    return [*lines, LogLine(MOMENT - 1, ":pause 3fa9")]


@asynccontextmanager
async def on_stage(scene: Scene, size: tuple[int, int], look: Look = DARK) -> AsyncIterator[Driver]:
    """Run the app and open a screen; all clocks stand still."""
    with tempfile.TemporaryDirectory() as home, patch.dict(os.environ):
        _settle_environment(Path(home), look)
        with patch.object(time, "time", lambda: MOMENT), chdir(_make_lists(Path(home))):
            if scene.is_fleet:
                async with fleet_on_stage(size, look.theme) as fleet:
                    await scene.open(fleet)
                    await fleet.pilot.pause()
                    yield fleet
                return
            service = _service(scene, look)
            app = RheoApp(service, make_service=_refuse if scene.is_locked else None)
            async with app.run_test(size=size, notifications=True) as pilot:
                driver = Driver(app, service, pilot)
                expected: type[Screen[Any]] = SessionLockedScreen if scene.is_locked else MainScreen
                await driver.until(lambda: isinstance(app.screen, expected))
                if not scene.is_locked:
                    await _fill(driver)
                await scene.open(driver)
                await pilot.pause()
                yield driver


def _settle_environment(home: Path, look: Look) -> None:
    for name in ("NO_COLOR", "LC_ALL", "LC_CTYPE", "EDITOR", "VISUAL"):
        os.environ.pop(name, None)
    os.environ.update(
        HOME=_HOME, LANG="C.UTF-8", TZ="UTC", XDG_CONFIG_HOME=str(home), **look.environ
    )
    time.tzset()


def _make_lists(home: Path) -> Path:
    """Make a folder with lists to load, and return it."""
    (folder := home / "lists").mkdir()
    (folder / "archive").mkdir()
    (folder / "links.txt").write_text(
        "https://example.org/talks/a.webm\n  out=opening.webm\nhttps://example.org/b.pdf\n"
    )
    (folder / "ubuntu.metalink").write_text("")
    return folder


def _service(scene: Scene, look: Look) -> FakeService:
    folder = Path(_HOME) / "Downloads"
    service = FakeService(
        show_log=True, theme=look.theme, download_dir=folder, speed_limit="20M", max_concurrent=6
    )
    if scene.is_locked:
        path = Path(_HOME) / ".local/state/rheo/session.db"
        service.fail_with = SessionLockedError(f"session {path}: in use by process 77", path)
    rows = _some_rows() if scene.rows else []
    for row in rows:
        service.put(row)
    for row in rows[:1]:
        service.known_details[row.id] = _details(row.id)
    service.host_waits = {"maps.example.org:443": HostWait(1, 1, "HTTP 429", MOMENT + 40)}
    return service


def _refuse(path: Path, *, read_only: bool) -> FakeService:
    raise AssertionError("no scene opens another session")


async def _fill(app: Driver) -> None:
    await app.until(lambda: app.service.started and app.main.client.ready)
    rows = list(app.service.rows.values())
    if rows:
        app.main.event_log.lines.extend(_lines(rows))
        app.main.event_log.written += 1
    await app.until(lambda: len(app.main.model.rows) == len(rows))
    header = app.main.query_one(SummaryHeader)
    for _ in range(130):  # more than it keeps, so that one more changes nothing
        header._sample()
        app.main._inspector._speeds._sampled_at = -1.0
        app.main._inspector.sample(rows)
    await app.update()


def picture(app: Driver) -> str:
    """Return the text of the screen, without blanks at the ends of lines."""
    return "\n".join(line.rstrip() for line in lines_of(app)) + "\n"


def lines_of(app: Driver) -> list[str]:
    """Return the lines of the screen."""
    return [strip.text for strip in app.app.screen._compositor.render_strips()]


# Scenes


def _keys(*keys: str) -> Open:
    async def press(app: Driver) -> None:
        for key in keys:
            await app.pilot.press(key)
        await app.pilot.pause()
        await app.update()

    return press


def _on(name: str, *keys: str) -> Open:
    """Press keys with the cursor on a download."""

    async def press(app: Driver) -> None:
        at = [app.main.model.rows[each].name for each in app.main.model.shown].index(name)
        app.table.cursor = at
        await _keys(*keys)(app)

    return press


async def _inspect(app: Driver, page: int) -> None:
    await _on("sentinel-2-tiles.parquet", "enter")(app)
    await app.until(lambda: app.main._inspector._details is not None)
    await _keys(*["tab"] * page)(app)


async def _unfold(app: Driver) -> None:
    app.table.toggle_fold()
    await app.update()


async def _existing(app: Driver) -> None:
    await _unfold(app)
    await _on("README.md", "d")(app)


async def _quit(app: Driver) -> None:
    await app.app.push_screen(QuitScreen(3, True))


async def _marked(app: Driver) -> None:
    await _keys("space", "space", "space", "slash", *"iso", "enter")(app)


async def _add(app: Driver) -> None:
    app.main.open_add(
        "https://example.org/talks/2026-keynote.webm\nftp://example.org/old.tar\n"
        "https://example.org/talks/slides-[01-24].png"
    )
    await app.until(lambda: "25 to add" in _count(app))


async def _add_table(app: Driver) -> None:
    await _add(app)
    await _keys("tab", "down", "space")(app)


def _count(app: Driver) -> str:
    """Return the line of a dialog with the number of its entries."""
    lines = app.app.screen.query(".verdict-count, #history-count").results(Static)
    return " ".join(str(each.content) for each in lines)


async def _load(app: Driver) -> None:
    await _keys("o")(app)
    await app.until(lambda: "Enter the path" in _count(app))
    await app.until(lambda: any("archive/" in line for line in lines_of(app)))  # it is painted


async def _load_list(app: Driver) -> None:
    await _load(app)
    app.app.screen.query_one("#path", Input).value = "links.txt"
    await app.until(lambda: "2 to add" in _count(app))


async def _history(app: Driver) -> None:
    await _keys("h")(app)
    await app.until(lambda: "13 downloads" in _count(app))


async def _history_details(app: Driver) -> None:
    await _history(app)
    await _keys("down", "enter")(app)
    await app.until(lambda: app.app.screen.query_one("#history-detail", Static).content)


SCENES = (
    Scene("main", _keys()),
    Scene("empty", _keys(), rows=False),
    Scene("all-states", _unfold),
    Scene("marked", _marked),
    Scene("filter", _keys("slash", *"status:failed host:vid")),
    Scene("command", _keys("colon", *"retry status:fai")),
    *(
        Scene(f"inspector-{name}", lambda app, at=at: _inspect(app, at))  # type: ignore[misc]
        for at, name in enumerate(("overview", "connections", "speed", "request", "log"))
    ),
    Scene("inspector-failed", _on("router-1.9.2.bin", "enter")),
    Scene("menu", _keys("full_stop")),
    Scene("copy", _keys("y")),
    Scene("limit", _keys("L")),
    Scene("sort", _keys("s")),
    Scene("failures", _keys("exclamation_mark")),
    Scene("edit", _on("report-2019.pdf", "e")),
    Scene("existing", _existing),
    Scene("settings", _keys("comma")),
    Scene("setting", _keys("comma", "down", "enter", "0")),
    Scene("key-editor", _keys("comma", *"keys", "enter")),
    Scene("help", _keys("question_mark")),
    Scene("palette", _keys("ctrl+p")),
    Scene("keep-tab", _keys("slash", *"iso", "enter", "F")),
    Scene("quit", _quit),
    Scene("locked", _keys(), is_locked=True),
    Scene("add", _add),
    Scene("add-empty", _keys("a")),
    Scene("add-table", _add_table),
    Scene("load", _load),
    Scene("load-list", _load_list),
    Scene("history", _history),
    Scene("history-details", _history_details),
    Scene("columns", _keys("vertical_line")),
    Scene("help-search", _keys("question_mark", *"limit")),
    *(
        Scene(name, lambda app, keys=keys: app.pilot.press(*keys), is_fleet=True)  # type: ignore[misc]
        for name, keys in FLEET_KEYS.items()
    ),
)


# Storing and drawing


def stored(scene: Scene) -> dict[str, str]:
    """Return the stored pictures of a scene by their sizes, such as `80x24`."""
    text = (STORED / f"{scene.name}.txt").read_text("utf-8")
    parts = [part.partition("\n") for part in text.split("═══ ")[1:]]
    return {title.partition(" ")[0]: content for title, _, content in parts}


async def _store(scene: Scene) -> None:
    parts = []
    for width, height in SIZES:
        async with on_stage(scene, (width, height)) as app:
            parts.append(f"═══ {width}x{height} {'═' * 20}\n{picture(app)}")
    STORED.mkdir(exist_ok=True)
    (STORED / f"{scene.name}.txt").write_text("".join(parts), "utf-8")


async def _draw(scene: Scene, size: tuple[int, int], look: Look, folder: Path) -> None:
    name = f"{scene.name}-{size[0]}x{size[1]}-{look.name}"
    async with on_stage(scene, size, look) as app:
        svg = app.app.export_screenshot(title=name)
    (folder / f"{name}.svg").write_text(steady(svg), "utf-8")


async def _main(folder: Path | None, names: Sequence[str]) -> None:
    scenes = [scene for scene in SCENES if not names or scene.name in names]
    if folder is None:
        for scene in scenes:
            await _store(scene)
        return
    for look, scene, size in product(LOOKS, scenes, SIZES):
        await _draw(scene, size, look, folder)


if __name__ == "__main__":
    to = Path(sys.argv[1]) if sys.argv[1:] else None
    asyncio.run(_main(to, sys.argv[2:]))
