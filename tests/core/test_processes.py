"""The output of commands is bounded, and no process that they start outlives the end."""

import asyncio
import logging
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from rheo_core.infrastructure.processes import ProcessRunner
from tests.programs import WAITS, is_running
from tests.waiting import until

MIB = 1 << 20
DESCRIPTORS = Path("/proc/self/fd")
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"
DETACHED = f"import os; os.fork() and os._exit(0); os.setsid(); {WAITS}"


@pytest.fixture
async def commands() -> AsyncIterator[ProcessRunner]:
    commands = ProcessRunner()
    yield commands
    await commands.close()


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "processes" in record.name]


async def test_a_flood_of_output_is_read_and_dropped(
    commands: ProcessRunner, temporary: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    line, before = "y" * 1000, nameless()
    run = asyncio.create_task(commands.run(["yes", line], {}, 1.0))
    async with asyncio.timeout(60):
        while not run.done():
            await asyncio.sleep(0.01)
            assert list(temporary.iterdir()) == []
            assert nameless() == before
    assert run.result() == "yes: timed out after 1 s"
    *kept, last = logged(caplog)
    assert MIB - 2000 < sum(len(text) - len("yes: ") + 1 for text in kept) <= MIB + 1
    assert last.endswith("more bytes of output were dropped")
    assert int(last.split()[1]) > MIB  # it was not held up


def nameless() -> set[str]:
    """Return the open files without a name, as temporary ones are."""
    found = set()
    for link in DESCRIPTORS.iterdir():
        with suppress(OSError):
            found.add(str(link.readlink()))
    return {path for path in found if path.endswith(" (deleted)")}


async def test_a_command_that_writes_more_than_is_kept_comes_to_its_end(
    commands: ProcessRunner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    command = ["sh", "-c", "head -c 20000000 /dev/zero | tr '\\0' 'x'; echo; echo end >&2; exit 3"]
    assert await commands.run(command, {}, 60) == "sh: exit code 3"
    first, last = logged(caplog)
    assert len(first) == len("sh: ") + MIB
    assert last == f"sh: {20_000_005 - MIB} more bytes of output were dropped"


async def test_a_loop_that_has_a_flood_to_read_goes_on(commands: ProcessRunner) -> None:
    run = asyncio.create_task(commands.run(["yes"], {}, 1.0))
    turns = 0
    async with asyncio.timeout(60):
        while not run.done():
            await asyncio.sleep(0.001)
            turns += 1
    assert turns > 50


@pytest.mark.parametrize(
    "command", ["echo said", "echo said >&2", "printf said", "echo said; exec >&- 2>&-"]
)
async def test_all_output_is_there_at_the_end(
    commands: ProcessRunner, caplog: pytest.LogCaptureFixture, command: str
) -> None:
    caplog.set_level(logging.INFO)
    assert await commands.run(["sh", "-c", command], {}, 30) is None
    assert logged(caplog) == ["sh: said"]


async def test_a_secret_that_a_command_writes_is_not_logged(
    commands: ProcessRunner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await commands.run(["echo", "http://me:pw@x/a?hdnea=c4nary7x \x1b[31m"], {}, 30)
    assert logged(caplog) == ["echo: http://x/a?hdnea=*** \ufffd[31m"]


async def test_a_child_that_holds_the_pipe_delays_nothing_and_may_write(
    commands: ProcessRunner, tmp_path: Path
) -> None:
    """The pipe is read until the child or rheo ends."""
    done = tmp_path / "done"
    script = f"(sleep 0.3; head -c 3000000 /dev/zero; echo written > '{done}') & exit 0"
    async with asyncio.timeout(60):
        assert await commands.run(["sh", "-c", script], {}, 600) is None
    assert not done.exists()
    await until(done.exists)


@pytest.mark.parametrize("code", [WAITS, DEAF], ids=["polite", "deaf"])
@pytest.mark.parametrize("redirect", ["", ">/dev/null 2>&1"])
@pytest.mark.halved("code", "redirect")
async def test_what_was_left_in_the_background_ends_with_the_program(
    tmp_path: Path, code: str, redirect: str
) -> None:
    commands, pid = ProcessRunner(), tmp_path / "pid"
    script = f'"$1" -c "$2" "$3" {redirect} & exit 0'
    command = ["sh", "-c", script, "sh", sys.executable, code, str(pid)]
    assert await commands.run(command, {}, 60) is None
    await until(lambda: pid.exists() and pid.read_text() != "")
    assert await commands.run(["true"], {}, 60) is None  # does not forget it
    assert is_running(pid)
    await commands.close()
    await until(lambda: not is_running(pid))


async def test_a_time_out_ends_the_children_too(commands: ProcessRunner, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    command = ["sh", "-c", '"$1" -c "$2" "$3" & wait', "sh", sys.executable, DEAF, str(pid)]
    problem = await commands.run(command, {}, 3)
    assert problem == "sh: timed out after 3 s"
    await until(lambda: not is_running(pid))


async def test_a_program_that_detaches_itself_is_left_alone(tmp_path: Path) -> None:
    commands, pid = ProcessRunner(), tmp_path / "pid"
    assert await commands.run([sys.executable, "-c", DETACHED, str(pid)], {}, 60) is None
    await until(lambda: pid.exists() and pid.read_text() != "")
    async with asyncio.timeout(60):
        await commands.close()
    assert is_running(pid)
    os.kill(int(pid.read_text()), 9)


async def test_nothing_stays_open(tmp_path: Path) -> None:
    before = len(list(DESCRIPTORS.iterdir()))
    commands = ProcessRunner()
    for command in (["true"], ["/no/such/program"], ["a\0b"], ["sh", "-c", "sleep 600 &"]):
        await commands.run(command, {}, 30)
    await commands.close()
    assert len(list(DESCRIPTORS.iterdir())) == before
