"""L07: small files wait in memory for their commit; killed, or a call fails, at every step.

A crash costs what was in memory, and leaves nothing to tidy up: no part file, no state.
"""

from pathlib import Path

import pytest

from tests.core.engine import names_in, serving
from tests.effort import effort
from tests.faults.program import (
    AT_ONCE,
    CALLS,
    COMMAND,
    ONE_THREAD,
    WITH_SESSION,
    Ended,
    Home,
    needs_strace,
    strace,
)
from tests.faults.test_disk_errors import FAILED, finish, sample
from tests.faults.test_kill import code_after, kill_at, some_steps, steps_in
from tests.servers.misbehaving import MisbehavingServer, body_of

KILLS = effort("KILLS", 24)
"""A quarter of it is tried in each case here, evenly spread; a large number tries every call."""
SIZES = {"tiny": [10_000], "small": [200_000], "ten": [10_000] * 5 + [200_000] * 5}


class Case:
    """Files on the server, and the program that fetches them all."""

    def __init__(
        self, server: MisbehavingServer, home: Home, program: str, sizes: list[int]
    ) -> None:
        self.bodies = {
            f"{number}.bin": body_of(size, str(number)) for number, size in enumerate(sizes)
        }
        self.urls = [
            server.on(f"/{name}", serving(body, ETag='"v1"')) for name, body in self.bodies.items()
        ]
        self._home, self._program = home, program

    async def run(self, folder: Path, before: tuple[str, ...] = ()) -> Ended:
        if self._program == "session":
            program = ONE_THREAD + WITH_SESSION
            return await self._home.run(program, folder, *self.urls, before=before)
        program = (ONE_THREAD if self._program == "command" else AT_ONCE) + COMMAND
        line = ("download", *self.urls, "-o", folder)
        return await self._home.run(program, *line, before=before)

    def whole_in(self, folder: Path, where: str) -> set[str]:
        """Which of the files are there; each of them is right."""
        names = {name for name in self.bodies if (folder / name).exists()}
        for name in names:
            assert (folder / name).read_bytes() == self.bodies[name], (where, name)
        return names


@needs_strace
@pytest.mark.parametrize(
    ("program", "sizes"),
    [
        *(("command", "tiny"), ("session", "small"), ("command", "ten"), ("session", "ten")),
        *(("on the loop", "tiny"), ("on the loop", "ten")),
    ],
)
@pytest.mark.halved("program", "sizes")
async def test_l07_killed_at_every_step(
    server: MisbehavingServer, tmp_path: Path, program: str, sizes: str
) -> None:
    case, log = Case(server, Home(tmp_path / "home"), program, SIZES[sizes]), tmp_path / "log"
    whole = await case.run(tmp_path / "count" / "files", strace("-e", f"trace={CALLS}", log=log))
    assert whole.code == 0, whole.err
    assert "linkat(" in log.read_text() and ".part" not in log.read_text()
    killed, steps = 0, some_steps(log, max(KILLS // 4, 1))
    for step in steps:
        where, folder = f"a kill at {step}", tmp_path / "-".join(map(str, step)) / "files"
        result = await case.run(folder, kill_at(step, log))
        assert result.code == code_after(step, log), (where, result)
        killed += result.code != 0
        there = case.whole_in(folder, where)
        assert not folder.exists() or set(names_in(folder)) == there, where
        before = len(server.requests)
        result = await case.run(folder)
        assert result.code == 0, (where, result)
        assert case.whole_in(folder, where) == set(case.bodies), where
        assert names_in(folder) == sorted(case.bodies), where
        again = {request.target.lstrip("/") for request in server.requests[before:]}
        assert again == set(case.bodies) - there, where
    assert killed > len(steps) // 2


@needs_strace
@pytest.mark.parametrize(
    ("program", "sizes"), [("command", "small"), ("session", "ten"), ("on the loop", "ten")]
)
async def test_whatever_call_fails(
    server: MisbehavingServer, tmp_path: Path, program: str, sizes: str
) -> None:
    case, log = Case(server, Home(tmp_path / "home"), program, SIZES[sizes]), tmp_path / "log"
    failed = 0
    whole = await case.run(tmp_path / "whole" / "files", strace("-e", f"trace={CALLS}", log=log))
    assert whole.code == 0, whole.err
    ours = {name + end for name in case.bodies for end in ("", ".part", ".part.state")}
    for (call, number), error in sample(steps_in(log)):
        where = f"{error} at {call} {number}"
        folder = tmp_path / where.replace(" ", "-") / "files"
        inject = ("-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={number}")
        result = await case.run(folder, strace(*inject))
        there = case.whole_in(folder, where)
        assert not folder.exists() or set(names_in(folder)) <= ours, where
        is_done = there == set(case.bodies)
        assert result.code == (0 if is_done else FAILED[program]), (where, result)
        failed += not is_done

        session = folder.with_name("state") / "session.db" if program == "session" else None
        stats = (await finish(folder, case.urls, session)).stats
        assert (stats.completed + stats.skipped, stats.failed) == (len(case.urls), 0), where
        assert case.whole_in(folder, where) == set(case.bodies), where
        assert names_in(folder) == sorted(case.bodies), where
    assert failed
