"""L07: killed at a write-like system call, in turn; then started again until done."""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from rheo_core.transfer.segments import WrittenRange
from tests.core.engine import names_in, sha256
from tests.faults.disk import kept_so_far, state_of
from tests.faults.program import (
    COMMAND,
    HASTE,
    ONE_THREAD,
    WITH_SESSION,
    Ended,
    Home,
    needs_strace,
    strace,
)
from tests.servers.misbehaving import MisbehavingServer, Request, body_of
from tests.servers.scenarios import paced

CALLS = "write,pwrite64,ftruncate,fdatasync,fsync,link,linkat,unlink,rename,renameat,renameat2"
BODY = body_of(1_200_000)
KILLS = int(os.environ.get("RHEO_TEST_KILLS", "24"))
"""How many of the calls are tried, evenly spread; a large number tries every one."""
KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)


def count_calls(log: Path) -> int:
    """How many of the calls the busiest thread of a whole run makes: strace counts by thread."""
    lines = (line for line in log.read_text().splitlines() if "resumed>" not in line)
    return max(Counter(line.split()[0] for line in lines).values())


def kept_in(folder: Path) -> tuple[WrittenRange, ...]:
    """What the next run can go on from."""
    part = folder / "file.bin.part"
    return state_of(part).written if kept_so_far(part) else ()


def is_fetched_again(request: Request, kept: tuple[WrittenRange, ...]) -> bool:
    start = request.range_start or 0
    return any(piece.start <= start < piece.end for piece in kept)


@needs_strace
@pytest.mark.parametrize("program", ["session", "command"])
async def test_l07_killed_at_every_step(
    server: MisbehavingServer, home: Home, tmp_path: Path, program: str
) -> None:
    url = server.on("/file.bin", paced(BODY, ETag='"v1"'))

    async def run(folder: Path, *before: str) -> Ended:
        if program == "session":
            return await home.run(HASTE + ONE_THREAD + WITH_SESSION, folder, url, before=before)
        line = ("download", url, "-o", folder, "-x", 3, "--hash", f"sha256:{sha256(BODY)}")
        return await home.run(HASTE + ONE_THREAD + COMMAND, *line, before=before)

    log = tmp_path / "log"
    whole = await run(tmp_path / "count" / "files", *strace("-e", f"trace={CALLS}", log=log))
    assert whole.code == 0, whole.err
    calls, killed = count_calls(log), 0
    steps = sorted({1 + index * calls * 2 // KILLS for index in range(KILLS // 2)})
    for step in (step for step in steps if step <= calls):
        folder = tmp_path / str(step) / "files"
        inject = ("-e", f"trace={CALLS}", "-e", f"inject={CALLS}:signal=KILL:when={step}")
        result = await run(folder, *strace(*inject))
        assert result.code in (0, *KILLED), result
        killed += result.code != 0
        final = folder / "file.bin"
        if final.exists():
            assert final.read_bytes() == BODY, f"a wrong file after a kill at call {step}"
        kept, before = kept_in(folder), len(server.requests)
        result = await run(folder)
        assert result.code == 0, f"not done after a kill at call {step}: {result}"
        assert final.read_bytes() == BODY, f"wrong bytes after a kill at call {step}"
        assert names_in(folder) == ["file.bin"], f"orphans after a kill at call {step}"
        again = [r for r in server.requests[before:] if is_fetched_again(r, kept)]
        assert not again, f"fetched again after a kill at call {step}"
    assert killed > len(steps) // 4  # checkpoints go by the clock: not every run has as many calls
