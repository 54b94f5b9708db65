"""Sessions that are not ours, or damaged, as the user of the app meets them."""

import os
import re
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from rheo_core.domain import DownloadStatus, FileConfig
from rheo_core.infrastructure.session_head import LAYOUT
from rheo_core.infrastructure.session_rows import to_stored
from rheo_core.infrastructure.session_store import SessionStore
from rheo_core.tracking import DownloadRecord
from tests.e2e.terminal import APP, Terminal
from tests.faults.program import Home
from tests.programs import APP_PROGRAM, needs_app

pytestmark = needs_app


def make_session(path: Path, count: int = 1) -> None:
    store = SessionStore.open(path).store
    records = [
        DownloadRecord.of(FileConfig(url=f"http://127.0.0.1:9/file-{number:03}"))
        for number in range(count)
    ]
    for rank, record in enumerate(records):
        record.rank, record.status = rank, DownloadStatus.PAUSED
    store.save(map(to_stored, records))
    store.close()


def make_database(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def make_newer(path: Path) -> None:
    make_session(path)
    make_database(path, "PRAGMA user_version = 99")


def link_to_text(path: Path) -> None:
    target = path.with_name("target.txt")
    target.write_text("dear diary")
    path.symlink_to(target)


FOREIGN: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (lambda path: path.write_text("dear diary"), "it is not a session"),
    "empty": (lambda path: path.touch(), "it is empty"),
    "a browser's": (
        lambda path: make_database(
            path, "PRAGMA journal_mode = WAL", "CREATE TABLE moz_places (url TEXT)"
        ),
        "it is a file of another program",
    ),
    "newer": (make_newer, "it comes from a newer version"),
    "a folder": (lambda path: path.mkdir(), "not a regular file"),
    "a FIFO": (lambda path: os.mkfifo(path), "not a regular file"),
    "a symbolic link to text": (link_to_text, "it is not a session"),
    "a lock of somebody else": (
        lambda path: path.with_name("notes.txt-lock").write_text("somebody"),
        "notes.txt-lock is in the way",
    ),
    "a log of somebody else": (
        lambda path: path.with_name("notes.txt-wal").write_text("somebody"),
        "its journal exists",
    ),
}


def found_in(folder: Path) -> dict[str, object]:
    return {
        path.name: (path.lstat().st_mode, path.lstat().st_mtime_ns, path.lstat().st_ino)
        + ((path.read_bytes(),) if path.is_file() else ())
        for path in folder.iterdir()
    }


@pytest.mark.parametrize("kind", FOREIGN)
async def test_what_was_typed_and_is_not_ours_is_refused_and_left_alone(
    tmp_path: Path, kind: str
) -> None:
    make, word = FOREIGN[kind]
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "notes.txt"
    make(path)
    before = found_in(folder)
    ended = await Home(tmp_path / "home").run(APP_PROGRAM, "--session", path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("\n") == 1
    assert word in ended.err
    assert "notes.txt" in ended.err
    assert found_in(folder) == before


@pytest.mark.parametrize("path", ["/dev/null", "/dev/tty"])
async def test_a_device_is_no_session(tmp_path: Path, path: str) -> None:
    ended = await Home(tmp_path / "home").run(APP_PROGRAM, "--session", path)
    assert ended.code == 2
    assert "not a regular file" in ended.err


async def test_the_screen_does_not_open_for_it(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("dear diary")
    async with Terminal([APP, "--session", str(notes)], tmp_path / "home") as terminal:
        assert await terminal.exit_code() == 2
        assert b"\x1b[?1049h" not in terminal.painted
        assert b"it is not a session" in terminal.painted
    assert notes.read_text() == "dear diary"


async def test_our_own_session_of_a_newer_version_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    path = home / "state" / "rheo" / "session.db"
    make_session(path)
    make_database(path, "PRAGMA user_version = 99")
    before = path.read_bytes()
    async with Terminal([APP], home) as terminal:
        assert await terminal.exit_code() == 2
        assert b"\x1b[?1049h" not in terminal.painted
        told = terminal.painted.decode().strip()
    assert told == (
        f"rheo-tui: {path}: it comes from a newer version of this program (layout 99, here "
        f"{LAYOUT}); use that version"
    )
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*damaged*"))


def flip_in_a_url(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data.replace(b"127.0.0.1:9/file-007", b"127.0.0.1:9/filE-007"))


def flip_in_the_header(path: Path) -> None:
    path.write_bytes(b"sQLite" + path.read_bytes()[6:])


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(("damage", "left"), [(flip_in_a_url, 29), (flip_in_the_header, 30)])
async def test_the_app_shows_what_was_saved_of_a_damaged_list(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    own: bool,
    damage: Callable[[Path], None],
    left: int,
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    path = home / "state" / "rheo" / "session.db" if own else tmp_path / "list.db"
    make_session(path, 30)
    damage(path)
    damaged = path.read_bytes()
    command = [APP] if own else [APP, "--session", str(path)]
    told = f"{left}ofits30" if left < 30 else "allofits30"
    async with Terminal(command, home) as terminal:
        await terminal.until(
            lambda: f"{told}downloadsweresaved" in re.sub(r"[\s│▌┃]", "", terminal.text),
            "how many were saved",
        )
        await terminal.shows("file-006")
        if left == 30:
            await terminal.shows("file-007")
        else:
            assert "file-007" not in terminal.text
        await terminal.type("q")
        await terminal.exit_code()
    (aside,) = path.parent.glob("*.damaged-*")
    assert aside.read_bytes() == damaged
    assert aside.stat().st_mode & 0o777 == 0o600


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that answers nobody: downloads from it wait, and write nothing to the log."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listening:
        yield listening.getsockname()[1]


@contextmanager
def reading(path: Path) -> Iterator[Callable[[], int]]:
    """Read a session, so that nobody empties its log; yield a count of its downloads."""
    database = f"{path.as_uri()}?mode=ro"  # a writer would empty the log when it closes
    with (
        closing(sqlite3.connect(database, uri=True, isolation_level=None)) as reader,
        closing(sqlite3.connect(database, uri=True)) as counter,
    ):
        count = "SELECT count(*) FROM downloads"
        reader.execute("BEGIN")
        reader.execute(count).fetchone()
        yield lambda: int(counter.execute(count).fetchone()[0])


async def test_a_torn_log_after_a_kill_is_told_of(tmp_path: Path, silent_port: int) -> None:
    home, listing = tmp_path / "home", tmp_path / "list.txt"
    urls = (f"http://127.0.0.1:{silent_port}/file-{n:03}" for n in range(300))
    listing.write_text("\n".join(urls))
    path = tmp_path / "list.db"
    make_session(path, 0)
    command = [APP, "-d", str(tmp_path / "files"), "--session", str(path)]
    log = Path(f"{path}-wal")
    with reading(path) as saved:
        async with Terminal([*command, "-i", str(listing)], home) as terminal:
            # The app adds a list while it reads it, in any number of commits.
            await terminal.until(lambda: saved() == 300, "the list in the log")
            terminal.kill()
            await terminal.exit_code()
    data = bytearray(log.read_bytes())
    assert data
    data[32 + 24 + 4000] ^= 1  # in the first page of the first frame
    log.write_bytes(data)
    async with Terminal(command, home) as terminal:
        await terminal.until(
            lambda: re.search(r"all of its 300|\d+ of its 300", " ".join(terminal.text.split())),
            "how many were saved",
        )
        terminal.kill()
        await terminal.exit_code()
    assert list(tmp_path.glob("list.db.damaged-*-wal"))
