"""L20: the command is interrupted, at moments a die has chosen: its bytes are kept, and it says so.

With TEST_SIGNALS=100 in the environment, each signal is sent at 100 moments.
"""

import asyncio
import json
import random
import signal
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.core.engine import names_in, serving
from tests.effort import effort
from tests.faults.disk import check_kept
from tests.faults.program import COMMAND, LIMIT, Home, ended, has_received
from tests.fork_server import stop_reading
from tests.programs import Running
from tests.servers.misbehaving import V1, Exchange, MisbehavingServer, body_of
from tests.servers.scenarios import Tap
from tests.waiting import Until

BODY = body_of(1_200_000)
FIRST = 6 * 65536
SHORT_LIMIT = 2.0
MOMENTS = effort("SIGNALS", 2)
HANG = """
import os, threading
def hang(descriptor):
    open({flag!r}, "x").close()
    threading.Event().wait()
os.fdatasync = hang
"""
LATE = """
import os, sys
class Late:
    def __del__(self, kill=os.kill, pid=os.getpid()):
        kill(pid, {number:d})
sys.late = Late()
"""
"""Send a signal while the interpreter takes its modules down."""
SAID = "Interrupted. Run the same command again"


class Trap:
    """Send a signal after `moment` bytes of the first response, and then no more of it."""

    def __init__(self, moment: int, number: signal.Signals) -> None:
        self.victim: Running | None = None
        self._moment, self._number = moment, number

    async def __call__(self, exchange: Exchange) -> None:
        if exchange.number > 1:
            return await exchange.serve(BODY, **V1)
        cuts = {*range(0, self._moment, 50_000), self._moment}
        for start, end in pairwise(sorted(cuts)):
            if start == 0:
                await exchange.head(Content_Length=len(BODY), **V1)
            await exchange.send(BODY[start:end])
            await asyncio.sleep(0.002)  # the pace of the line, not a wait of the test
        assert self.victim is not None
        self.victim.send_signal(self._number)
        return None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_l20_interrupted_at_any_moment(
    server: MisbehavingServer, home: Home, tmp_path: Path, number: signal.Signals
) -> None:
    die = random.Random(number)
    moments = [0, *(die.randrange(len(BODY)) for _ in range(MOMENTS))]
    for moment in sorted(moments):
        folder, path = tmp_path / str(moment), f"/{moment}/file.bin"
        trap = Trap(moment, number)
        line = ("download", server.on(path, trap), "-x", "1", "-o", folder)  # one request a run
        final = folder / "file.bin"
        trap.victim = process = await home.start(COMMAND, *line)
        result = await ended(process)
        assert result.code == 128 + number and result.told_once(SAID), (moment, result)
        kept = check_kept(final, BODY) if any(folder.iterdir()) else 0

        result = await home.rheo(*line)
        assert result.code == 0, (moment, result)
        assert final.read_bytes() == BODY and names_in(folder) == ["file.bin"], moment
        for request in server.requests_for(path)[1:]:
            assert request.range_start == (kept or None), moment


@pytest.mark.parametrize("sent", [-1, 0, FIRST], ids=["no head", "no body", "a part"])
async def test_l24_what_comes_while_the_program_is_stopped_is_in_time(
    server: MisbehavingServer, home: Home, tmp_path: Path, sent: int
) -> None:
    """Ctrl+Z for longer than a limit; the bytes wait in the socket."""

    async def stop(exchange: Exchange) -> None:
        if sent >= 0:
            await exchange.head(Content_Length=len(BODY), **V1)
            await exchange.send(BODY[:sent])
        process.send_signal(signal.SIGSTOP)
        asyncio.get_running_loop().call_later(2 * SHORT_LIMIT, process.send_signal, signal.SIGCONT)
        if sent < 0:
            await exchange.head(Content_Length=len(BODY), **V1)
        await exchange.send(BODY[max(sent, 0) :])

    limits = {"stall_timeout": SHORT_LIMIT, "response_timeout": SHORT_LIMIT}
    home = replace(home, settings={**home.settings, **limits})
    line = ("download", server.on("/file.bin", stop), "--retries", "0", "-x", "1", "-o", tmp_path)
    process = await home.start(COMMAND, *line)
    result = await ended(process)
    assert result.code == 0, result
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert len(server.requests) == 1


COMMITTING = """
import os
real = os.link
def link(*arguments, **options):
    os.kill(os.getpid(), {number:d})
    real(*arguments, **options)
os.link = link
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_l20_a_commit_that_has_begun_is_brought_to_its_end(
    server: MisbehavingServer, home: Home, tmp_path: Path, number: signal.Signals
) -> None:
    line = ("download", server.on("/file.bin", serving(BODY, **V1)), "-o", tmp_path / "files")
    result = await home.run(COMMITTING.format(number=number) + COMMAND, *line)
    assert result.code == 0 and result.told_once("done "), result
    assert names_in(tmp_path / "files") == ["file.bin"]
    assert (tmp_path / "files" / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_l20_what_came_is_kept(
    server: MisbehavingServer, home: Home, tmp_path: Path, number: signal.Signals
) -> None:
    """Long before the first checkpoint."""
    tap = Tap(BODY, FIRST, **V1)
    line = ("download", server.on("/file.bin", tap), "-o", tmp_path / "files")
    part = tmp_path / "files" / "file.bin.part"
    process = await home.start(COMMAND, *line, "--json")
    await has_received(process, FIRST)
    process.send_signal(number)
    result = await ended(process)
    assert result.code == 128 + number and result.told_once(SAID)
    assert check_kept(part.with_suffix(""), BODY) == FIRST
    tap.opened.set()
    result = await home.rheo(*line)
    assert result.code == 0, result.err
    assert names_in(tmp_path / "files") == ["file.bin"]
    assert part.with_suffix("").read_bytes() == BODY
    assert [request.range_start for request in server.requests] == [None, FIRST]


async def test_l20_a_second_one_does_not_wait_for_the_disk(
    server: MisbehavingServer, home: Home, tmp_path: Path, until: Until
) -> None:
    """The disk hangs in the last checkpoint, for ever."""
    tap, hangs = Tap(BODY, FIRST, **V1), tmp_path / "hangs"
    line = ("download", server.on("/file.bin", tap), "-o", tmp_path / "files")
    part = tmp_path / "files" / "file.bin.part"
    process = await home.start(HANG.format(flag=str(hangs)) + COMMAND, *line)
    await until(lambda: part.exists() and part.stat().st_size >= FIRST - 65536)
    process.send_signal(signal.SIGINT)
    await until(hangs.exists)
    assert process.returncode is None
    process.send_signal(signal.SIGINT)
    assert (await ended(process)).code == 128 + signal.SIGINT

    tap.opened.set()
    result = await home.rheo(*line)
    assert result.code == 0, result.err
    assert names_in(tmp_path / "files") == ["file.bin"]
    assert part.with_suffix("").read_bytes() == BODY


@pytest.mark.parametrize("streams", [(1,), (2,), (1, 2)])
async def test_l20_nobody_reads_any_more(
    server: MisbehavingServer, home: Home, tmp_path: Path, streams: tuple[int, ...]
) -> None:
    """`rheo download --json URL | head`: what was asked for is downloaded all the same."""
    tap = Tap(BODY, FIRST, **V1)
    urls = [server.on("/file.bin", tap), server.on("/other.bin", serving(b"data"))]
    process = await home.start(COMMAND, "download", *urls, "-o", tmp_path / "files", "--json")
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT):
        while json.loads(await process.stdout.readline())["event_type"] != "download.started":
            continue
        for stream in streams:
            stop_reading(process, stream)
        tap.opened.set()
        assert await process.wait() == 0
    assert (tmp_path / "files" / "file.bin").read_bytes() == BODY
    assert names_in(tmp_path / "files") == ["file.bin", "other.bin"]


async def test_l20_ignored_by_the_parent(
    server: MisbehavingServer, home: Home, tmp_path: Path, until: Until
) -> None:
    """Shells do so with what a script runs in the background: a Ctrl+C is for the script."""
    tap = Tap(BODY, FIRST, **V1)
    ignoring = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    line = ("download", server.on("/file.bin", tap), "-o", tmp_path)
    process = await home.start(ignoring + COMMAND, *line)
    await until((tmp_path / "file.bin.part").exists)
    process.send_signal(signal.SIGINT)
    tap.opened.set()
    assert (await ended(process)).code == 0
    assert (tmp_path / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_l20_a_signal_at_the_very_end_keeps_the_exit_status(
    server: MisbehavingServer, home: Home, tmp_path: Path, number: signal.Signals
) -> None:
    line = ("download", server.on("/file.bin", serving(b"data")), "-o", tmp_path)
    result = await home.run(LATE.format(number=number) + COMMAND, *line)
    assert result.code == 0, result
