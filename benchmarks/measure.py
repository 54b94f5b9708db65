"""One run of one command: wall clock, CPU, peak memory, and whether its files are right."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rheo_core.domain.text import printable

from .server import Server, sha256_of
from .works import Work

TOO_LONG = "took too long"
_LAUNCHER = Path(__file__).parent / "programs" / "launcher.py"
_LIST_SECONDS = 5.0
"""Time a client gets after the first byte of a long list: its memory may still grow."""


@dataclass(slots=True)
class Run:
    """Cost of a run; if `problem` is not "", the other fields mean nothing."""

    wall: float = 0.0  # seconds; of a listed work: to the first byte
    cpu: float = 0.0  # seconds, of the process and its children
    peak: int = 0  # bytes, of the largest process
    inner: float | None = None  # seconds, as the program's own clock has it
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """Instructions for a client."""

    work: Work
    list_file: Path  # the URLs, one a line
    urls: list[str]
    folder: Path  # for the files
    checksum: str  # SHA-256 of the last file, hexadecimal
    authority: Path  # certificates to trust

    @property
    def wanted_hash(self) -> str:
        """Hash that the client must check; "" for none."""
        return self.checksum if self.work.hashed else ""

    @property
    def target(self) -> Path:
        """Path of the first file."""
        return self.folder / self.work.names[0]


def run(
    job: Job, command: list[str], environ: Mapping[str, str], server: Server, timeout: float
) -> Run:
    """Run a client once, in a new folder that is removed again."""
    home = job.folder.with_name("home")
    for folder in (job.folder, home):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    server.forget_requests()
    report, log = home / "report", home / "log"
    watched = str(server.requests) if job.work.listed else ""
    try:
        measured = _measured(command, report, watched)
        problem = _launch(measured, {**_environment(home, job.authority), **environ}, log, timeout)
        if problem:
            return Run(problem=problem)
        return _judge(job, report.read_text().split(), log)
    finally:
        shutil.rmtree(job.folder)
        shutil.rmtree(home)


def run_alone(command: list[str], home: Path, timeout: float) -> Run:
    """Run a command once; the caller judges its results.

    Args:
        command: the command.
        home: a folder for its home, its log and the figures.
        timeout: limit of the run, seconds.
    """
    home.mkdir(exist_ok=True)
    report, log = home / "report", home / "log"
    environ = _environment(home, Path(os.devnull))
    if problem := _launch(_measured(command, report), environ, log, timeout):
        return Run(problem=problem)
    wall, cpu, peak, code, _ = map(float, report.read_text().split())
    problem = f"exit code {code:.0f}: {_last_line(log)}" if code else ""
    return Run(wall, cpu, int(peak) * 1024, problem=problem)


def _measured(command: list[str], report: Path, watched: str = "") -> list[str]:
    """Return the command that writes what `command` took into `report`."""
    launch = [sys.executable, "-IS", str(_LAUNCHER), str(report), watched, str(_LIST_SECONDS)]
    return [*launch, *command]


def _environment(home: Path, authority: Path) -> dict[str, str]:
    """Nothing of the user's: no settings, no proxies."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "state"),
        "LC_ALL": "C.UTF-8",
        "SSL_CERT_FILE": str(authority),
        "CURL_CA_BUNDLE": str(authority),
    }


def _launch(command: list[str], environ: dict[str, str], log: Path, timeout: float) -> str:
    """Run a command; return its problem, "" if it ended by itself."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        code = process.wait(timeout)
    except subprocess.TimeoutExpired:
        return f"{TOO_LONG} (over {timeout:.0f} s)"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return f"not started: {_last_line(log)}" if code else ""


def _judge(job: Job, report: list[str], log: Path) -> Run:
    wall, cpu, peak, code, first_byte = map(float, report)
    result = Run(wall, cpu, int(peak) * 1024, _inner_seconds(log))
    if job.work.listed:
        result.wall = first_byte
        result.problem = "" if first_byte >= 0 else f"no request: {_last_line(log)}"
    elif code:
        result.problem = f"exit code {code:.0f}: {_last_line(log)}"
    else:
        result.problem = _fault_of(job)
    return result


def _fault_of(job: Job) -> str:
    """Return a problem of the files, "" if all are there and the last one is intact."""
    names = job.work.names
    missing = sum(not (job.folder / name).is_file() for name in names)
    if missing:
        return f"{missing} of {len(names)} files missing"
    wrong = sum((job.folder / name).stat().st_size != job.work.size for name in names)
    if wrong:
        return f"{wrong} of {len(names)} files of the wrong size"
    is_same = sha256_of(job.folder / names[-1]) == job.checksum
    return "" if is_same else f"{names[-1]} is not what was sent"


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "no message")
    return printable(last.strip())[:80]


def _inner_seconds(log: Path) -> float | None:
    line = _last_line(log)
    if not line.startswith('{"seconds"'):
        return None
    return float(json.loads(line)["seconds"])
