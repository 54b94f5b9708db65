"""The command and the app, killed at any moment of a segmented download, again and again.

Each kill may cost what came since the last checkpoint, and nothing that a checkpoint holds: the
server sees to it that no such byte is asked for again.
"""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

import pytest

from rheo_core.transfer.segments import WrittenRange
from tests import programs
from tests.core.engine import names_in, sha256
from tests.e2e.terminal import Terminal
from tests.effort import effort
from tests.faults import kill_sweep
from tests.faults.disk import state_of
from tests.faults.program import tuned
from tests.programs import Running, start_program
from tests.servers import nginx
from tests.servers.misbehaving import Exchange, Headers, MisbehavingServer, body_of
from tests.waiting import Until

BODY = body_of(10_000_000)
BLOCK = 5_000
KILLS = effort("KILLS", 4)
ROOT = Path(__file__).parents[2]

# Several connections at once, and checkpoints as often as bytes come: a kill meets each of them.
_BRISK = tuned(checkpoint_seconds=0.05, join_after_seconds=0.01, join_threshold_seconds=0.0)
COMMAND = _BRISK + programs.COMMAND
APP = f"{_BRISK}import sys; from rheo_tui.__main__ import main; sys.exit(main())"


class Line:
    """A good server that knows what it sent since it last was asked.

    Until `opened` is set it takes its time, and keeps the last block: no download comes to its end.
    """

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.sent: list[tuple[int, int]] = []

    async def __call__(self, exchange: Exchange) -> None:
        start, end = exchange.request.range_start, exchange.request.range_end or len(BODY)
        is_part = start is not None and exchange.request.headers["if-range"] == '"v1"'
        start = start if is_part and start is not None else 0
        headers: Headers = {"Content_Length": end - start, "ETag": '"v1"'}
        if is_part:
            headers["Content_Range"] = f"bytes {start}-{end - 1}/{len(BODY)}"
        await exchange.head("206 Partial Content" if is_part else "200 OK", **headers)
        for offset in range(start, end, BLOCK):
            block = offset, min(offset + BLOCK, end)
            if block[1] == len(BODY):
                await self.opened.wait()
            self.sent.append(block)
            await exchange.send(BODY[block[0] : block[1]])
            if not self.opened.is_set():
                await asyncio.sleep(0.01)  # the pace of the line, not a wait of the test

    def bytes_sent(self) -> int:
        return sum(end - start for start, end in self.sent)

    def check(self, kept: tuple[WrittenRange, ...]) -> None:
        """See that nothing of what was kept has been asked for; begin to note anew."""
        for start, end in self.sent:
            again = [piece for piece in kept if piece.start < end and start < piece.end]
            assert not again, f"{start} to {end} came again"
        self.sent.clear()


def kept_in(folder: Path) -> tuple[WrittenRange, ...]:
    """Return the ranges of the last checkpoint."""
    try:
        return state_of(folder / "file.bin.part").written
    except (FileNotFoundError, ValueError):  # no state yet, or its first one is half written
        return ()


def size_of(pieces: tuple[WrittenRange, ...]) -> int:
    return sum(piece.end - piece.start for piece in pieces)


def look(folder: Path) -> None:
    """Check that nothing has the final name and nothing strange is in the folder."""
    ours = {"file.bin.part", "file.bin.part.state", "file.bin.part.state.new"}
    assert not folder.exists() or set(names_in(folder)) <= ours


async def the_moment(
    turn: int, line: Line, folder: Path, seed: random.Random, until: Until
) -> None:
    """Anywhere from the very start on, and in turn where a new checkpoint has been made."""
    if turn % 2:
        await asyncio.sleep(seed.uniform(0, 1))
    else:
        before = size_of(kept_in(folder))
        much = line.bytes_sent() + seed.randrange(len(BODY) // 8)
        await until(lambda: size_of(kept_in(folder)) > before)
        await until(lambda: line.bytes_sent() >= much)


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.mark.parametrize("number", range(KILLS // 4 or 1))
async def test_l07_the_command_killed_at_random(
    server: MisbehavingServer, tmp_path: Path, until: Until, line: Line, number: int
) -> None:
    seed = random.Random(number)
    folder, url = tmp_path / "files", server.on("/file.bin", line)
    kept: tuple[WrittenRange, ...] = ()
    most = 0

    async def start() -> Running:
        line = ("-d", folder, "download", "-q", "-x", "4", url)
        environment = os.environ | {"HOME": str(tmp_path), "RHEO_CHUNK_SIZE": "65536"}
        return await start_program(COMMAND, line, environment)

    for turn in range(4):
        process = await start()
        await the_moment(turn, line, folder, seed, until)
        process.kill()
        assert await process.wait() == -signal.SIGKILL
        line.check(kept)
        look(folder)
        kept = kept_in(folder)
        most = max(most, size_of(kept))
    assert most, "no kill found a checkpoint"
    line.opened.set()
    process = await start()
    assert await asyncio.wait_for(process.wait(), 60) == 0
    line.check(kept)
    assert names_in(folder) == ["file.bin"]
    assert sha256((folder / "file.bin").read_bytes()) == sha256(BODY)


@pytest.mark.parametrize("number", range(KILLS // 4 or 1))
async def test_l07_the_app_killed_at_random(
    server: MisbehavingServer, tmp_path: Path, until: Until, line: Line, number: int
) -> None:
    """Only the first start gets the URL; the others read it from the session."""
    seed = random.Random(number)
    folder, url = tmp_path / "files", server.on("/file.bin", line)
    kept: tuple[WrittenRange, ...] = ()
    most = 0

    def app(*urls: str) -> Terminal:
        return Terminal(
            [sys.executable, "-c", APP, "-d", str(folder), *urls],
            tmp_path / "home",
            environ={"RHEO_CONNECTIONS": "4", "RHEO_CHUNK_SIZE": "65536", "PYTHONPATH": str(ROOT)},
        )

    for turn in range(4):
        async with app(*([] if turn else [url])) as terminal:
            if turn == 0:
                await until(lambda: line.sent)  # then it has been acknowledged
            await the_moment(turn, line, folder, seed, until)
            terminal.kill()
            await terminal.exit_code()
        line.check(kept)
        look(folder)
        kept = kept_in(folder)
        most = max(most, size_of(kept))
    assert most, "no kill found a checkpoint"
    line.opened.set()
    async with app() as terminal:
        await terminal.until(lambda: "✓" in terminal.line_with("file.bin"), "the rest")
        await terminal.type("q")
        assert await terminal.exit_code() == 0
    line.check(kept)
    assert names_in(folder) == ["file.bin"]
    assert sha256((folder / "file.bin").read_bytes()) == sha256(BODY)


@pytest.mark.skipif(nginx.PROGRAM is None, reason="nginx is not installed")
@pytest.mark.skipif(not Path(kill_sweep.COMMAND).exists(), reason="rheo is not installed here")
async def test_the_sweep_works(tmp_path: Path) -> None:
    """The long one is run by hand; see CONTRIBUTING.md."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.kill_sweep",
        "--kills", "2", "--size", "8", "--jobs", "1", "--seed", "1",
        cwd=ROOT, env=os.environ | {"TMPDIR": str(tmp_path)}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0
    assert b"wrong files: 0, orphans: 0" in told
