"""L20 on a terminal: the app and the command are interrupted, killed, or their window is closed."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.core.engine import names_in
from tests.e2e.terminal import APP, Terminal
from tests.faults.disk import check_kept
from tests.faults.program import COMMAND, Home
from tests.programs import needs_app
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.servers.scenarios import Tap
from tests.waiting import Until

BODY = body_of(3_000_000)
FIRST = 1_500_000
RHEO = [sys.executable, "-c", COMMAND, "download", "-x", "1", "-o"]


@needs_app
@pytest.mark.parametrize("end", ["TERM", "INT", "HUP", "window closed"])
async def test_l20_the_app(
    server: MisbehavingServer, tmp_path: Path, until: Until, end: str
) -> None:
    tap, folder, home = Tap(BODY, FIRST, ETag='"v1"'), tmp_path / "files", tmp_path / "home"
    url, final = server.on("/file.bin", tap), folder / "file.bin"
    alone = {"RHEO_CONNECTIONS": "1"}  # a second one would bring the other half
    async with Terminal([APP, "-d", str(folder), url], home, environ=alone) as terminal:
        await terminal.until(lambda: "50%" in terminal.line_with("file.bin"), "half of it")
        if end == "window closed":
            terminal.hang_up()
            await until(lambda: terminal.is_over)
        else:
            terminal.send_signal(signal.Signals[f"SIG{end}"])
            code = await terminal.exit_code()
            assert b"Traceback" not in terminal.painted
            assert code == 0
            assert end == "HUP" or terminal.is_restored
    assert check_kept(final, BODY) == FIRST
    tap.opened.set()
    async with Terminal([APP, "-d", str(folder)], home) as terminal:  # the list is there
        await terminal.until(lambda: "✓" in terminal.line_with("file.bin"), "the rest")
        await terminal.type("q")
        assert await terminal.exit_code() == 0
        assert terminal.is_restored
    assert final.read_bytes() == BODY and names_in(folder) == ["file.bin"]
    assert [request.range_start for request in server.requests] == [None, FIRST]


@needs_app
async def test_the_app_ends_with_a_terminal_that_tells_nobody(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    """Only the leader of the session gets the signal, and ignores it."""
    tap, folder, home = Tap(BODY, FIRST, ETag='"v1"'), tmp_path / "files", tmp_path / "home"
    url, final = server.on("/file.bin", tap), folder / "file.bin"
    leader = ["/bin/sh", "-c", "trap '' HUP; \"$@\"; exit", "sh"]
    command, one = [*leader, APP, "-d", str(folder), url], {"RHEO_CONNECTIONS": "1"}
    async with Terminal(command, home, environ=one) as terminal:
        await terminal.until(lambda: "50%" in terminal.line_with("file.bin"), "half of it")
        terminal.hang_up()
        await until(lambda: terminal.is_over)
    assert check_kept(final, BODY) == FIRST


async def test_a_terminal_that_goes_without_a_word_ends_no_download_of_the_command(
    server: MisbehavingServer, home: Home, tmp_path: Path, until: Until
) -> None:
    tap, folder = Tap(BODY, FIRST, ETag='"v1"'), tmp_path / "files"
    url, part = server.on("/file.bin", tap), folder / "file.bin.part"
    master, terminal = os.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", COMMAND, "download", url, "-o", folder,
        stdout=asyncio.subprocess.DEVNULL, stderr=terminal,
        env=home.environment | {"TERM": "xterm"},
    )  # fmt: skip
    os.close(terminal)
    await until(lambda: part.exists() and part.stat().st_size >= FIRST - 65536)
    os.close(master)
    tap.opened.set()
    async with asyncio.timeout(60):
        assert await process.wait() == 0
    assert (folder / "file.bin").read_bytes() == BODY


DEAD_WRITER = """
import os, sys
from textual.drivers._writer_thread import WriterThread
from rheo_tui import __main__, terminal_app

terminal_app.HANG_UP_SECONDS = 0.5

def write_until_gone(self):
    while (text := self._queue.get()) is not None:
        if os.path.exists(sys.argv[-1]):
            return  # as after a write to a terminal that is gone
        self._file.write(text)
        self._file.flush()

WriterThread.run = write_until_gone
sys.exit(__main__.main(sys.argv[1:-1]))
"""


@needs_app
async def test_l20_the_app_when_its_output_died_before_the_hangup(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    tap, folder, gone = Tap(BODY, FIRST, ETag='"v1"'), tmp_path / "files", tmp_path / "gone"
    url, final = server.on("/file.bin", tap), folder / "file.bin"
    command = [sys.executable, "-c", DEAD_WRITER, "-d", str(folder), url, str(gone)]
    async with Terminal(command, tmp_path / "home") as terminal:
        await terminal.until(lambda: "50%" in terminal.line_with("file.bin"), "half of it")
        gone.touch()
        await terminal.type("lj" * 100)  # more output than waits for the writer without blocking
        terminal.hang_up()
        await until(lambda: terminal.is_over)
    assert not final.exists() and (folder / "file.bin.part").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 2])
async def test_l20_the_command(
    server: MisbehavingServer, tmp_path: Path, number: signal.Signals, times: int
) -> None:
    tap, folder = Tap(BODY, FIRST, ETag='"v1"'), tmp_path / "files"
    line = [*RHEO, os.fspath(folder), server.on("/file.bin", tap)]
    path = {"PYTHONPATH": str(Path(__file__).parents[2])}
    async with Terminal(line, tmp_path / "home", environ=path) as terminal:
        await terminal.shows("1.5 MB/3.0 MB")
        for _ in range(times):
            terminal.send_signal(number)
        assert await terminal.exit_code() == 128 + number
        assert terminal.is_restored
        assert b"Traceback" not in terminal.painted
    assert not (folder / "file.bin").exists()
    tap.opened.set()
    async with Terminal(line, tmp_path / "home", environ=path) as terminal:
        assert await terminal.exit_code() == 0
    assert (folder / "file.bin").read_bytes() == BODY and names_in(folder) == ["file.bin"]
