"""Our programs as users start them: in a process and a home of their own."""

import asyncio
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.programs import COMMAND as COMMAND
from tests.programs import Running, start_program
from tests.shared_key import share_key

STRACE = shutil.which("strace")
needs_strace = pytest.mark.skipif(STRACE is None, reason="strace is not installed")

CALLS = "write,pwrite64,ftruncate,fdatasync,fsync,link,linkat,unlink,rename,renameat,renameat2"
"""The system calls that change files: each is a moment at which a program may be killed."""

LIMIT = 60.0
"""Seconds after which a program that has not ended counts as hanging."""


def tuned(**values: float) -> str:
    """Return the lines that give every engine of a program this `Tuning`."""
    return f"""
from rheo_core.domain.engine_options import EngineOptions
from rheo_core.domain.tuning import Tuning
EngineOptions.__init__.__kwdefaults__["tuning"] = Tuning(**{values})
"""


HASTE = tuned(
    checkpoint_seconds=0.0,
    join_threshold_seconds=0.0,
    join_after_seconds=0.01,
    min_segment_bytes=100_000,
    buffer_bytes=0,
)
"""A checkpoint every few milliseconds, the smallest writes, and more connections at once: small
files do for tests."""

ONE_THREAD = """
from rheo_core.infrastructure import disk
disk.DiskThreads.__init__.__defaults__ = (1,)
disk._BRIEF_SECONDS = 0.0
"""
"""strace counts calls by thread: with one for the disk, the busiest thread makes all its calls."""

AT_ONCE = """
from rheo_core.infrastructure import disk
disk._LatencyGate.inline_since = property(lambda _: 0.0, lambda *_: None)
"""
"""Brief work is the event loop's, however slow strace makes it."""

WITH_SESSION = """
import asyncio, logging, sys
from pathlib import Path
from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus, RheoError

DONE = (DownloadStatus.COMPLETED, DownloadStatus.SKIPPED)  # it has its name; the list did not know

logging.getLogger().addHandler(logging.NullHandler())  # the app shows problems, not the log

async def main(folder, *urls):
    async with DownloadManager(
        download_dir=folder,
        session_path=folder.with_name("state") / "session.db",
        connections=3,
        on_problem=lambda problem: print(problem, file=sys.stderr),
    ) as manager:
        await manager.add([FileConfig(url=url) for url in urls])
        await manager.resume_all()
        await manager.wait_until_complete()
        return 0 if all(row.status in DONE for row in manager.snapshot().downloads) else 1

try:
    sys.exit(asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:])))
except RheoError as error:
    print(error, file=sys.stderr)
    sys.exit(1)
"""
"""The engine as the app has it: with a list that is kept."""


@dataclass(frozen=True)
class Ended:
    """Result of a run."""

    code: int
    out: str
    err: str

    def told_once(self, words: str) -> bool:
        """Return True if exactly one line of standard error has these words."""
        return sum(words in line for line in self.err.splitlines()) == 1


def strace(*options: str, log: Path = Path(os.devnull)) -> tuple[str, ...]:
    """Return the command that traces a program and its threads; add `-p` or the program."""
    assert STRACE is not None
    return (STRACE, "-f", "--quiet=exit", "-o", str(log), *options)


@dataclass(frozen=True)
class Home:
    """Home of a user, apart from the settings and session of the one who runs the tests."""

    path: Path
    settings: Mapping[str, object] = field(default_factory=dict)  # as RHEO_* would have them

    @property
    def config(self) -> Path:
        return self.path / "config" / "rheo" / "settings.toml"

    @property
    def environment(self) -> dict[str, str]:
        # Without coverage: what a program writes for that could fail on the same disk.
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("COVERAGE", "RHEO_"))}
        ours = {f"RHEO_{name.upper()}": str(value) for name, value in self.settings.items()}
        return (
            kept
            | ours
            | {
                "HOME": str(self.path),
                "XDG_CONFIG_HOME": str(self.path / "config"),
                "XDG_STATE_HOME": str(self.path / "state"),
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "PYTHONDONTWRITEBYTECODE": "1",
                "SSL_CERT_FILE": os.devnull,
            }
        )

    async def start(
        self, program: str, *arguments: object, before: tuple[str, ...] = (), **options: Any
    ) -> Running:
        """Start a Python program given as text, with options of `start_program`."""
        share_key(self.path / "state")
        return await start_program(program, arguments, self.environment, strace=before, **options)

    async def run(
        self,
        program: str,
        *arguments: object,
        before: tuple[str, ...] = (),
        **options: Any,
    ) -> Ended:
        """Run it to its end."""
        return await ended(await self.start(program, *arguments, before=before, **options))

    async def rheo(self, *arguments: object, **options: Any) -> Ended:
        """Run `rheo` with these arguments."""
        return await self.run(COMMAND, *arguments, **options)


async def has_received(process: Running, count: int) -> None:
    """Wait until a command with `--json` has received `count` bytes; some may wait in memory."""
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT):
        event: dict[str, object] = {}
        while event.get("bytes_downloaded") != count:
            event = json.loads(await process.stdout.readline())


async def ended(process: Running) -> Ended:
    """Wait for the end of a program, which is never a traceback."""
    try:
        out, err = await asyncio.wait_for(process.communicate(), LIMIT)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert b"Traceback" not in err, err.decode()
    return Ended(process.returncode or 0, out.decode(), err.decode())
