"""L07: killed at a write-like system call, in turn; then started again until done."""

import re
import signal
from collections import Counter
from pathlib import Path

import pytest

from rheo_core.transfer.segments import WrittenRange
from tests.core.engine import names_in, sha256
from tests.effort import effort
from tests.faults.disk import kept_so_far, state_of
from tests.faults.program import (
    CALLS,
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

BODY = body_of(1_200_000)
KILLS = effort("KILLS", 24)
"""Number of calls that are tried, evenly spread; a large number tries every one."""


Step = tuple[str, int]
"""A system call, and which one of its kind in its thread."""


def steps_in(log: Path) -> list[Step]:
    """Every call of a whole run; strace counts by thread, and the busiest one has them all."""
    calls = re.findall(r"^(\d+) +(\w+)\(", log.read_text(), re.MULTILINE)
    most: dict[str, int] = {}
    for (_, call), count in Counter(calls).items():
        most[call] = max(count, most.get(call, 0))
    return [(call, number) for call in sorted(most) for number in range(1, most[call] + 1)]


def some_steps(log: Path, count: int) -> list[Step]:
    """Return `count` calls of a whole run, evenly spread."""
    steps = steps_in(log)
    return [steps[at] for at in sorted({index * len(steps) // count for index in range(count)})]


def kill_at(step: Step, log: Path) -> tuple[str, ...]:
    """Return the command that kills a program at this call, if it gets there."""
    call, number = step
    return strace("-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}", log=log)


def code_after(step: Step, log: Path) -> int:
    """Return the exit code of a program under `kill_at`."""
    return -signal.SIGKILL if step in steps_in(log) else 0


def kept_in(folder: Path) -> tuple[WrittenRange, ...]:
    """Return the ranges that the next run can resume from."""
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
    killed, steps = 0, some_steps(log, KILLS // 2)
    for step in steps:
        folder = tmp_path / "-".join(map(str, step)) / "files"
        result = await run(folder, *kill_at(step, log))
        assert result.code == code_after(step, log), (step, result)
        killed += result.code != 0
        final = folder / "file.bin"
        if final.exists():
            assert final.read_bytes() == BODY, f"a wrong file after a kill at {step}"
        kept, before = kept_in(folder), len(server.requests)
        result = await run(folder)
        assert result.code == 0, f"not done after a kill at {step}: {result}"
        assert final.read_bytes() == BODY, f"wrong bytes after a kill at {step}"
        assert names_in(folder) == ["file.bin"], f"orphans after a kill at {step}"
        again = [r.range_start for r in server.requests[before:] if is_fetched_again(r, kept)]
        is_whole = sum(piece.end - piece.start for piece in kept) == len(BODY)
        # Without a hash the server confirms bytes that are all there: it is asked for the last one.
        confirmation = [len(BODY) - 1] if is_whole and program == "session" else []
        assert again == confirmation, f"fetched again after a kill at {step}"
    assert (
        killed > len(steps) // 4
    )  # checkpoints depend on time, so runs have different numbers of calls


@needs_strace
async def test_l07_killed_while_a_mirror_replaces_a_wrong_file(
    server: MisbehavingServer, home: Home, tmp_path: Path
) -> None:
    wrong = server.on("/wrong/file.bin", paced(body_of(len(BODY), "other"), ETag='"w"'))
    mirror = server.on("/file.bin", paced(BODY, ETag='"v1"'))
    link = (wrong, "--mirror", mirror, "--hash", f"sha256:{sha256(BODY)}", "-x", 1)

    async def run(folder: Path, *before: str) -> Ended:
        program = HASTE + ONE_THREAD + COMMAND
        return await home.run(program, "download", *link, "-o", folder, before=before)

    log = tmp_path / "log"
    whole = await run(tmp_path / "count" / "files", *strace("-e", f"trace={CALLS}", log=log))
    assert whole.code == 0, whole.err
    of_mirror = 0
    for step in some_steps(log, KILLS // 2):
        folder = tmp_path / "-".join(map(str, step)) / "files"
        result = await run(folder, *kill_at(step, log))
        assert result.code == code_after(step, log), (step, result)
        kept, before = kept_in(folder), len(server.requests)
        is_of_mirror = bool(kept) and state_of(folder / "file.bin.part").fetched is not None
        result = await run(folder)
        assert result.code == 0, f"not done after a kill at {step}: {result}"
        assert (folder / "file.bin").read_bytes() == BODY, f"wrong bytes after a kill at {step}"
        assert names_in(folder) == ["file.bin"], f"orphans after a kill at {step}"
        if is_of_mirror:
            of_mirror += 1
            asked = server.requests[before:]
            assert [request.target for request in asked] == ["/file.bin"] * len(asked)
            assert [r.range_start for r in asked if is_fetched_again(r, kept)] == []
    assert of_mirror
