"""The clients: how each is found, and what its command line for a work is."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .measure import Job

_PROGRAMS = Path(__file__).parent / "programs"
_LIBRARIES = Path(__file__).parent / ".peers"
"""A virtual environment for the peers that are Python packages."""
_PACKAGES = ["pypdl", "parfive", "rheopy==0.7.0"]
_RHEO = str(Path(sys.executable).with_name("rheo"))
_APP = str(Path(sys.executable).with_name("rheo-tui"))
_NOT_DURABLE = {"RHEO_DURABLE": "false"}


@dataclass(frozen=True, slots=True)
class Peer:
    """A client; `command` gives None for a work that it has no way to do."""

    name: str
    version: Callable[[], str | None]  # None: not on this machine
    command: Callable[[Job], list[str] | None]
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_ours(self) -> bool:
        """True if the peer is this project in one of its forms."""
        return self.version is _ours


def install_libraries() -> None:
    """Make the virtual environment of the peers from PyPI."""
    subprocess.run([sys.executable, "-m", "venv", _LIBRARIES], check=True)
    pip = [str(_LIBRARIES / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *_PACKAGES], check=True)


def _program(name: str) -> Callable[[], str | None]:
    """The first line that `name --version` says."""

    def version() -> str | None:
        program = shutil.which(name)
        if program is None:
            return None
        said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
        return " ".join(said.partition("\n")[0].split()[:3])

    return version


def _library(name: str) -> Peer:
    python = str(_LIBRARIES / "bin" / "python")
    ask = f"import importlib.metadata as m; print(m.version({name!r}))"

    def version() -> str | None:
        if not Path(python).exists():
            return None
        asked = subprocess.run([python, "-c", ask], capture_output=True, text=True)
        return f"{name} {asked.stdout.strip()}" if asked.returncode == 0 else None

    def command(job: Job) -> list[str]:
        work = job.work
        numbers = [str(work.at_once), str(work.connections)]
        program = str(_PROGRAMS / "library.py")
        lists = [str(job.list_file), str(job.folder)]
        return [python, program, name, *lists, *numbers, job.wanted_hash]

    return Peer(name, version, command)


def _curl(job: Job) -> list[str] | None:
    if job.work.count > 1:
        settings = job.list_file.with_suffix(".curl")
        settings.write_text(
            "remote-name-all\n" + "".join(f'url = "{url}"\n' for url in job.urls), "utf-8"
        )
        parallel = ["--parallel", "--parallel-max", str(job.work.at_once)]
        return ["curl", "-sSf", *parallel, "--output-dir", str(job.folder), "-K", str(settings)]
    command = ["curl", "-sSf", "-o", str(job.target), job.urls[0]]
    if not job.work.hashed:
        return command
    # What its users do: a second program reads the file again.
    check = f"echo '{job.checksum}  {job.target}' | sha256sum --check --quiet"
    return ["sh", "-c", f'"$@" && {check}', "sh", *command]


def _aria2(job: Job) -> list[str]:
    connections = str(job.work.connections)
    return [
        *("aria2c", "--no-conf", "-q", "--file-allocation=none", "--min-split-size=1M"),
        *("-x", connections, "-s", connections, "-j", str(job.work.at_once)),
        *("-d", str(job.folder), f"--ca-certificate={job.authority}"),
        *([f"--checksum=sha-256={job.checksum}", job.urls[0]] if job.work.hashed else []),
        *([] if job.work.hashed else ["-i", str(job.list_file)]),
    ]


def _wget2(job: Job) -> list[str] | None:
    if job.work.hashed:
        return None
    threads = job.work.at_once * job.work.connections
    pieces = [f"--chunk-size={job.work.size // threads}"] if job.work.connections > 1 else []
    options = ["-q", "--no-config", f"--max-threads={threads}", *pieces]
    lists = ["-P", str(job.folder), "-i", str(job.list_file)]
    return ["wget2", *options, f"--ca-certificate={job.authority}", *lists]


def _axel(job: Job) -> list[str] | None:
    if job.work.count > 1 or job.work.hashed:
        return None
    # axel takes no certificate authority, so it checks no certificate (-k).
    insecure = ["-k"] if job.work.scheme == "https" else []
    connections = ["-n", str(job.work.connections)]
    return ["axel", "-q", *insecure, *connections, "-o", str(job.target), job.urls[0]]


def _options(job: Job) -> list[str]:
    """Of the command and of `programs/engine.py`."""
    checksum = ["--hash", f"sha256:{job.checksum}"] if job.work.hashed else []
    return ["-w", str(job.work.at_once), "-x", str(job.work.connections), *checksum]


def _rheo(job: Job) -> list[str]:
    what = [job.urls[0]] if job.work.hashed else ["-i", str(job.list_file)]
    return [_RHEO, "download", "-q", "-o", str(job.folder), *_options(job), *what]


def _engine(job: Job) -> list[str]:
    program = str(_PROGRAMS / "engine.py")
    return [sys.executable, program, str(job.list_file), str(job.folder), *_options(job)]


def _app(job: Job) -> list[str] | None:
    if not job.work.on_screen:
        return None
    watch = [sys.executable, str(_PROGRAMS / "terminal.py"), str(job.folder), str(job.work.count)]
    settings = [
        f"RHEO_MAX_CONCURRENT={job.work.at_once}",
        f"RHEO_CONNECTIONS={job.work.connections}",
    ]
    app = ["env", *settings, _APP, "-d", str(job.folder), "-i", str(job.list_file)]
    return [*watch, *app]


def _only_many(command: Callable[[Job], list[str]]) -> Callable[[Job], list[str] | None]:
    """Without syncing: of interest where there are many files."""
    return lambda job: command(job) if job.work.count > 1 and not job.work.listed else None


def _ours() -> str | None:
    from rheo_core import __version__

    return f"rheo {__version__}"


BASIS = "curl"
PEERS = [
    Peer(BASIS, _program("curl"), _curl),
    Peer("aria2", _program("aria2c"), _aria2),
    Peer("wget2", _program("wget2"), _wget2),
    Peer("axel", _program("axel"), _axel),
    _library("pypdl"),
    _library("parfive"),
    _library("rheopy"),
    Peer("rheo", _ours, _rheo),
    Peer("rheo engine", _ours, _engine),
    Peer("rheo app", _ours, _app),
    Peer("rheo, not durable", _ours, _only_many(_rheo), _NOT_DURABLE),
    Peer("rheo engine, not durable", _ours, _only_many(_engine), _NOT_DURABLE),
]
