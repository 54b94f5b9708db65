"""Programs of ours in processes of their own: forked from a warm one where that is possible."""

import asyncio
import fcntl
import os
import resource
import sys
import termios
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.fork_server import Forked, can_fork, fork_server

COMMAND = "from rheo_core.cli.main import app; app(prog_name='rheo')"
"""The `rheo` command, as program text."""

APP = str(Path(sys.executable).with_name("rheo-tui"))
"""The installed app."""

needs_app = pytest.mark.skipif(
    not Path(APP).exists(), reason="rheo-tui is not installed in this environment"
)

SCRIPT = """
import runpy, sys, warnings
warnings.simplefilter("error")
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""A program that runs the Python file it is given, with the arguments after that."""

WAITS = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
"""A program that writes its process id to a file, then waits."""

APP_PROGRAM = "import sys; from rheo_tui.__main__ import main; sys.exit(main())"

PATIENT_APP = """
import sys
from rheo_tui import typed_ahead
from rheo_tui.__main__ import main
typed_ahead._PATIENCE_SECONDS = 10.0
sys.exit(main())
"""
"""The app, which lets keys wait for the effect of the one before on a busy machine too."""

Running = asyncio.subprocess.Process | Forked


def is_alive(pid: int) -> bool:
    """Return True if a process has not ended; its parent may not have noticed its end."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # there is none, or it ended meanwhile
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def is_resting(pid: int) -> bool:
    """Return True if no thread of a process runs, could run or reads a disk; on Linux alone."""
    with suppress(OSError):  # it ended meanwhile
        states = (path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat"))
        return not any(state.rpartition(")")[2].split()[0] in "RD" for state in states)
    return True


def is_running(pid_file: Path) -> bool:
    """Return True if the process whose id is in this file has not ended."""
    return is_alive(int(pid_file.read_text()))


def limited(kind: int, soft: int, hard: int | None = None) -> Callable[[int], None]:
    """Return what limits a resource of the process whose id it is given (setrlimit(2))."""
    limits = soft, soft if hard is None else hard

    def limit(pid: int) -> None:
        if sys.platform == "linux":
            resource.prlimit(pid, kind, limits)
        else:  # it calls this itself
            resource.setrlimit(kind, limits)

    return limit


async def start_program(
    program: str,
    arguments: Sequence[object],
    environment: Mapping[str, str],
    *,
    cwd: Path | None = None,
    strace: Sequence[str] = (),
    within: Callable[[int], None] | None = None,
    **options: Any,
) -> Running:
    """Start a Python program given as text, with pipes for its standard streams.

    `within` is called with its process id, before it begins. Options of `create_subprocess_exec`
    need a Python of its own, which takes 0.4 CPU seconds more.
    """
    words = [str(argument) for argument in arguments]
    if can_fork and not options:
        return await fork_server().start(
            program, words, environment, cwd=cwd, strace=strace, within=within
        )
    pipe = asyncio.subprocess.PIPE
    if within:
        options["preexec_fn"] = lambda: within(os.getpid())
    return await asyncio.create_subprocess_exec(
        *strace, sys.executable, "-c", program, *words,
        env=environment, cwd=cwd,
        **{"stdin": pipe, "stdout": pipe, "stderr": pipe, **options},
    )  # fmt: skip


async def start_on_terminal(
    command: Sequence[str], environment: Mapping[str, str], terminal: int
) -> Running:
    """Start a command on a terminal that becomes its own; Python text and the app are forked."""
    words = [sys.executable, "-c", PATIENT_APP, *command[1:]] if command[0] == APP else command
    if can_fork and words[:2] == [sys.executable, "-c"]:
        _, _, program, *arguments = words
        return await fork_server().start_on(terminal, program, arguments, environment, Path.cwd())
    return await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY),
    )
