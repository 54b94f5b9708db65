"""The situations that the app is measured in; each gives what it found by name."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.server import Server
from benchmarks.works import GIB, MIB, Work
from rheo_core.domain import DownloadStatus, FileConfig
from rheo_core.infrastructure.session_rows import to_stored
from rheo_core.infrastructure.session_store import SessionStore
from rheo_core.tracking import DownloadRecord

from .keys import Sweeper, answer_seconds
from .watched import App, Engine

Found = dict[str, list[float]]
"""Shares of one core, seconds or bytes, one value a window or key."""

_PATIENCE_SECONDS = 60.0
_PATIENCE_ROW_SECONDS = 0.003
"""More of it for each row of a list, on a busy machine."""
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Size:
    """Amounts of everything. The limits hold for the defaults."""

    rows: int = 10_000
    active: int = 64
    windows: int = 7
    window: float = 5.0  # seconds
    settle: float = 4.0  # seconds before the first window or key
    keys: int = 200
    large: int = 2 * GIB  # bytes of a file at full speed
    slow: int = 64 * MIB  # bytes of a slow one, which must not end


class Place:
    """A folder for one run: home, downloads, list."""

    def __init__(self, folder: Path) -> None:
        self.home, self.out, self.list_file = folder / "home", folder / "out", folder / "list.txt"
        self.session = self.home / "session.db"
        for new in (self.home, self.out):
            new.mkdir(parents=True)

    def environ(self, **settings: object) -> dict[str, str]:
        """Nothing of the user's."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "RHEO_DOWNLOAD_DIR": str(self.out),
            **{f"RHEO_{name.upper()}": str(value) for name, value in settings.items()},
        }

    def write_list(self, urls: list[str]) -> None:
        """One URL a line."""
        self.list_file.write_text("".join(f"{url}\n" for url in urls))

    @property
    def started(self) -> int:
        """Downloads that have a part file."""
        return sum(1 for _ in self.out.glob("*.part"))


@contextmanager
def _place(folder: Path) -> Iterator[Place]:
    place = Place(folder)
    try:
        yield place
    finally:
        shutil.rmtree(folder)


def idle(folder: Path, size: Size, rows: int) -> Found:
    """Measure the app with a list that is paused."""
    with _place(folder) as place:
        _make_session(place.session, rows)
        with App(["--session", str(place.session)], place.environ()) as app:
            app.watch(size.settle)
            return {"app": [_share(app, size.window, app.watch) for _ in range(size.windows)]}


def _make_session(path: Path, rows: int) -> None:
    store = SessionStore.open(path).store
    records = [
        DownloadRecord.of(FileConfig(url=f"http://example.com/{number:07}.bin"))
        for number in range(rows)
    ]
    for rank, record in enumerate(records):
        record.rank, record.status = rank, DownloadStatus.PAUSED
    store.save(map(to_stored, records))
    store.close()


def _share(app: App, seconds: float, pass_time: Callable[[float], None]) -> float:
    """The share of one core that it takes while `pass_time(seconds)` runs."""
    begin, cpu = time.monotonic(), app.cpu_seconds
    pass_time(seconds)
    return (app.cpu_seconds - cpu) / (time.monotonic() - begin)


def busy(folder: Path, size: Size, server: Server) -> Found:
    """The app and the engine alone, at the same time, each with the same slow downloads."""
    work = Work("slow", "", size.rows, size.slow, listed=True, slow=True)
    server.offer(work)
    with _place(folder / "app") as for_app, _place(folder / "engine") as for_engine:
        found: Found = {"app": [], "engine": [], "painted": []}
        settings = {
            "max_concurrent": size.active,
            "connections": 1,
            "connections_per_host": 2 * size.active,
        }
        for place in (for_app, for_engine):
            place.write_list([server.url(work, name) for name in work.names])
        with (
            App(["-i", str(for_app.list_file)], for_app.environ(**settings)) as app,
            Engine(for_engine.list_file, for_engine.out, for_engine.environ(**settings)) as engine,
        ):
            for place in (for_app, for_engine):
                _wait_for(app, size, lambda place=place: place.started >= size.active)  # type: ignore[misc]
            _wait_for(app, size, lambda: app.shows(f"All {size.rows:,} "))
            app.watch(size.settle)
            for _ in range(size.windows):
                _window(app, engine, size.window, found)
            found["memory"] = [app.peak]
            found["engine memory"] = [engine.peak]
        return found


def _window(app: App, engine: Engine, seconds: float, found: Found) -> None:
    app.painted.clear()
    begin, of_app, of_engine = time.monotonic(), app.cpu_seconds, engine.cpu_seconds
    app.watch(seconds)
    took = time.monotonic() - begin
    found["app"].append((app.cpu_seconds - of_app) / took)
    found["engine"].append((engine.cpu_seconds - of_engine) / took)
    found["painted"].append(sum(len(data) for _, data in app.painted) / took)


def _wait_for(app: App, size: Size, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS + size.rows * _PATIENCE_ROW_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "the downloads do not begin"
        app.watch(_LOOK_SECONDS)


def full_speed(folder: Path, size: Size, server: Server) -> Found:
    """Keys while large files come as fast as they can, with the settings as they are at first."""
    work = Work("fast", "", size.rows, size.large, listed=True)
    server.offer(work)
    with _place(folder) as place:
        place.write_list([server.url(work, name) for name in work.names])
        with (
            App(["-i", str(place.list_file)], place.environ()) as app,
            Sweeper(place.out),
        ):
            _wait_for(app, size, lambda: place.started > 0)
            _wait_for(app, size, lambda: app.shows(f"All {size.rows:,} "))
            app.watch(size.settle)
            return {"keys": answer_seconds(app, size.keys), "memory": [app.peak]}
