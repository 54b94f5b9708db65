"""L22: garbage in our files at the start is reported, set aside, and no reason to crash."""

import hashlib
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from rheo_core import DownloadManager, FileConfig
from tests.core.engine import names_in, serving
from tests.e2e.terminal import APP, Terminal
from tests.faults.disk import kept_so_far
from tests.faults.program import COMMAND, HASTE, Home
from tests.programs import needs_app
from tests.servers.misbehaving import V1, MisbehavingServer, body_of
from tests.servers.scenarios import Tap
from tests.waiting import Until

Damage = Callable[[bytes], bytes]

BODY = body_of(1_200_000)
HALF = len(BODY) // 2


def from_the_future(state: bytes) -> bytes:
    """A state file that a later version wrote, as sound as can be."""
    _, _, body = state.split(b"\n", 2)
    body = body.replace(b"{", b'{"new":1,', 1)
    return b"\n".join((b"rheo part state 99", hashlib.sha256(body).hexdigest().encode(), body))


def flipped(data: bytes) -> bytes:
    """One bit is another."""
    return data[:-9] + bytes([data[-9] ^ 4]) + data[-8:]


DAMAGES: dict[str, Damage] = {
    "empty": lambda _: b"",
    "cut short": lambda data: data[: len(data) // 2],
    "random": lambda data: random.Random(7).randbytes(len(data)),
    "one bit": flipped,
}


@pytest.mark.parametrize("damage", [*DAMAGES, "the future"])
async def test_l22_the_state_file(
    server: MisbehavingServer, home: Home, tmp_path: Path, until: Until, damage: str
) -> None:
    """The command begins again, with nothing of what it cannot vouch for."""
    tap, folder = Tap(BODY, HALF, **V1), tmp_path / "files"
    line = ("download", server.on("/file.bin", tap), "-o", folder, "-x", 1)
    part, state = folder / "file.bin.part", folder / "file.bin.part.state"
    process = await home.start(HASTE + COMMAND, *line)
    await until(lambda: kept_so_far(part) >= HALF - 65536)
    process.send_signal(signal.SIGINT)
    await process.communicate()
    change = DAMAGES.get(damage, from_the_future)
    state.write_bytes(change(state.read_bytes()))
    tap.opened.set()
    result = await home.rheo(*line)
    assert result.code == 0, result.err
    assert (folder / "file.bin").read_bytes() == BODY and names_in(folder) == ["file.bin"]
    assert [request.range_start for request in server.requests] == [None, None]


SETTINGS = {
    "empty": "",
    "no TOML": "max_concurrent = = 3\n",
    "bytes": "\x00\x01\x02",
    "the future": 'version = 99\nquantum = true\n[shiny]\nlevel = "high"\n',
    "wrong types": 'max_concurrent = "many"\nconnections = [1]\ntheme = 3\n',
    "deep": f"a = {'[' * 5000}{']' * 5000}\n",
}


@pytest.mark.parametrize("damage", SETTINGS)
async def test_l22_the_settings_of_the_command(
    server: MisbehavingServer, home: Home, tmp_path: Path, damage: str
) -> None:
    """Nothing is downloaded by settings that nobody can be sure of."""
    home.config.parent.mkdir(parents=True)
    home.config.write_text(SETTINGS[damage])
    url = server.on("/file.bin", serving(BODY, **V1))
    result = await home.rheo("download", url, "-o", tmp_path / "files")
    is_sound = damage == "empty"
    assert result.code == (0 if is_sound else 2), result.err
    assert (tmp_path / "files" / "file.bin").exists() == is_sound == bool(server.requests)
    told = [line for line in result.err.splitlines() if str(home.config) in line]
    assert bool(told) != is_sound, result.err
    assert all(line.isprintable() and line.endswith(".") for line in told)
    assert home.config.read_text() == SETTINGS[damage]
    copies = list(home.config.parent.glob("settings.toml.bad-*"))
    assert [copy.read_text() for copy in copies] == [SETTINGS[damage]] * bool(told)


async def keep_a_list(home: Path, folder: Path, url: str) -> Path:
    """A session with a finished download and one that waits, as the app leaves it."""
    path = home / "state" / "rheo" / "session.db"
    async with DownloadManager(download_dir=folder, session_path=path) as manager:
        await manager.add([FileConfig(url=url)])
        await manager.wait_until_complete()
    (folder / "other.bin.part").write_bytes(b"half of it")
    return path


@needs_app
@pytest.mark.parametrize("damage", ["empty", "cut short", "random"])
async def test_l22_the_session_of_the_app(
    server: MisbehavingServer, tmp_path: Path, damage: str
) -> None:
    home, folder = tmp_path / "home", tmp_path / "files"
    path = await keep_a_list(home, folder, server.on("/file.bin", serving(BODY, **V1)))
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    before, files = path.read_bytes(), {p.name: p.read_bytes() for p in folder.iterdir()}
    url = server.on("/next.bin", serving(b"data"))
    async with Terminal([APP, "-d", str(folder), url], home, columns=200) as terminal:
        await terminal.shows("downloads were saved")
        await terminal.until(lambda: "✓" in terminal.line_with("next.bin"), "the new one")
        is_readable = damage == "cut short"
        assert bool(terminal.line_with(" file.bin")) == is_readable
        await terminal.type("q")
        assert await terminal.exit_code() == 0
        assert b"Traceback" not in terminal.painted and terminal.is_restored
    there = path.parent.glob("session.db.damaged-*")
    (aside,) = (p for p in there if not p.name.endswith(("-wal", "-shm")))
    assert aside.read_bytes() == before
    after = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert after == files | {"next.bin": b"data"}


@needs_app
@pytest.mark.parametrize("damage", ["bytes", "the future"])
async def test_l22_the_settings_of_the_app(tmp_path: Path, damage: str) -> None:
    home = Home(tmp_path / "home")
    home.config.parent.mkdir(parents=True)
    home.config.write_text(SETTINGS[damage])
    async with Terminal([APP, "-d", str(tmp_path)], home.path, columns=200) as terminal:
        await terminal.shows("settings.toml", "quit")
        await terminal.type("q")
        assert await terminal.exit_code() == 0
        assert b"Traceback" not in terminal.painted and terminal.is_restored
    (copy,) = home.config.parent.glob("settings.toml.bad-*")
    assert copy.read_text() == home.config.read_text() == SETTINGS[damage]


@needs_app
async def test_l22_the_state_of_a_download_in_the_app(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    home, folder, tap = tmp_path / "home", tmp_path / "files", Tap(BODY, HALF, **V1)
    url = server.on("/file.bin", tap)
    async with Terminal([APP, "-d", str(folder), url], home) as terminal:
        await terminal.until(lambda: "50%" in terminal.line_with("file.bin"), "half of it")
        terminal.send_signal(signal.SIGTERM)
        assert await terminal.exit_code() == 0
    (folder / "file.bin.part.state").write_bytes(random.Random(3).randbytes(300))
    tap.opened.set()
    async with Terminal([APP, "-d", str(folder)], home) as terminal:
        await terminal.until(lambda: "✓" in terminal.line_with("file.bin"), "all of it")
        await terminal.type("q")
        assert await terminal.exit_code() == 0
    assert (folder / "file.bin").read_bytes() == BODY and names_in(folder) == ["file.bin"]
