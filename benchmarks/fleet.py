"""Fleets beside `rheo download` and img2dataset, on the same work: `python -m benchmarks.fleet`.

A local nginx has one file of 10 KiB at every path. All clients take turns, once a round, with 64
downloads at a time in each process. Then: a run that is complete is started again, a long list is
planned, and a driver completes many shards. Ends with 1 if a client of this project failed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from rich.console import Console

from .machine import compile_packages
from .measure import Run, run_alone
from .results import show_table
from .server import PROGRAM, Server
from .works import KIB, MIB, Work

_RHEO = str(Path(sys.executable).with_name("rheo"))
_DRIVER = Path(__file__).parent / "programs" / "fleet_scheduler.py"
_PEER = Path(__file__).parent / ".peers" / "img2dataset"
"""A virtual environment with img2dataset."""
_AT_ONCE = 64  # downloads in a process
_SHARDS_AT_ONCE = 2  # in a process of ours
_TIMEOUT = 600.0  # seconds of one run
_HEAD = ["", "wall, s", "own clock, s", "URLs/s", "CPU a URL, ms", "peak, MiB"]
_TARGETS = ["target", "limit", "found", "met"]
_PLANNED = 1_000_000  # lines
_DRIVEN = 100_000  # shards
_SMALL_SHARDS = 1_000

DOWNLOAD, IMG2DATASET = "rheo download", "img2dataset, 1 process"
FILES, FILES_2 = "fleet of 1, files", "fleet of 2, files"
TAR, TAR_2 = "fleet of 1, tar", "fleet of 2, tar"


@dataclass(frozen=True, slots=True)
class Client:
    """A program that downloads a list into a folder.

    Attributes:
        command: returns its command for a list and an output folder.
        downloaded: returns the number of files that came.
        seconds: returns the time by its own clock; None: it has none.
    """

    name: str
    command: Callable[[Path, Path], list[str]]
    downloaded: Callable[[Path], int]
    seconds: Callable[[Path], float | None] = lambda out: None


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the tables."""
    options = _parser().parse_args(arguments)
    if PROGRAM is None:
        print("benchmarks: nginx is needed (apt-get install nginx)", file=sys.stderr)
        return 1
    compile_packages()
    console = Console(width=None if sys.stdout.isatty() else 120)
    began = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load {os.getloadavg()[0]:.1f}"
    console.print(f"{began}, {options.rounds} rounds of {options.urls:,} URLs")
    clients = [*_ours(options.urls), *_peers(options, console)]
    memory = Path("/dev/shm")
    parent = options.folder or (memory if memory.is_dir() else None)
    with tempfile.TemporaryDirectory(prefix="rheo-fleet-", dir=parent) as name:
        folder = Path(name)
        with Server(folder) as server:
            runs = _in_turns(clients, options, server, folder)
            show_table("Downloads", _HEAD, _rows(runs, options.urls), console)
            found = [*_ratios(runs), *_others(options, server, folder)]
    show_table("Targets", _TARGETS, iter(found), console)
    console.print(f"load at the end: {os.getloadavg()[0]:.1f}")
    return int(any(run.problem for client in _ours(1) for run in runs[client.name]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--urls", type=int, default=20_000, metavar="N", help="of the list")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="of all other work")
    parser.add_argument("--install-peers", action="store_true", help="img2dataset from PyPI, first")
    parser.add_argument("--img2dataset", type=Path, metavar="PROGRAM", help="one that is installed")
    parser.add_argument("--folder", type=Path, help="for the files, instead of memory")
    return parser


# Clients


def _ours(urls: int) -> list[Client]:
    """This project: one process of `rheo download`, and fleets of one and two."""
    one = [_RHEO, "download", "-q", "-w", str(_AT_ONCE), "-x", "1"]
    download = Client(
        DOWNLOAD,
        lambda urls, out: [*one, "-i", str(urls), "-o", str(out)],
        lambda out: sum(1 for _ in out.iterdir()),
    )
    size = max(1, urls // 20)
    return [
        download,
        _fleet(FILES, 1, size, "--layout", "files"),
        _fleet(FILES_2, 2, size, "--layout", "files"),
        _fleet(TAR, 1, size, "--layout", "tar", "--compute-hash", "sha256"),
        _fleet(TAR_2, 2, size, "--layout", "tar", "--compute-hash", "sha256"),
    ]


def _fleet(name: str, processes: int, shard_size: int, *more: str) -> Client:
    run = [_RHEO, "fleet", "run", "-q", "-j", str(processes), "--shard-size", str(shard_size)]
    run += ["--concurrency", str(_AT_ONCE // _SHARDS_AT_ONCE), *_one_host(processes), *more]

    def seconds(out: Path) -> float:
        status = json.loads((out / "_rheo" / "status.json").read_text())
        return float(status["updated"] - status["started"])

    def downloaded(out: Path) -> int:
        facts = [json.loads(path.read_text()) for path in out.glob("part-*.json")]
        return sum(each["counts"].get("completed", 0) for each in facts)

    return Client(name, lambda urls, out: [*run, str(urls), "-o", str(out)], downloaded, seconds)


def _one_host(processes: int) -> list[str]:
    """Return the flags of a run that asks one host without a limit."""
    lanes = str(_SHARDS_AT_ONCE * processes)
    return ["--spread", "order", "--host-connections", "512", "--lanes", lanes]


def _peers(options: argparse.Namespace, console: Console) -> list[Client]:
    """img2dataset in one and two processes, if it is here or can be installed."""
    program: Path = options.img2dataset or _PEER / "bin" / "img2dataset"
    if options.install_peers and not program.exists():
        with suppress(subprocess.CalledProcessError):
            subprocess.run([sys.executable, "-m", "venv", _PEER], check=True)
            pip = [str(_PEER / "bin" / "pip"), "install", "-q", "--disable-pip-version-check"]
            subprocess.run([*pip, "img2dataset", "setuptools"], check=True)
    if not program.exists():
        console.print("img2dataset is left out: it is not installed. Try --install-peers.")
        return []
    size = max(1, options.urls // 20)
    return [
        _img2dataset(IMG2DATASET, program, 1, size),
        _img2dataset("img2dataset, 2 processes", program, 2, size),
    ]


def _img2dataset(name: str, program: Path, processes: int, shard_size: int) -> Client:
    """The same work: a tar and a table for each shard, SHA-256, files as they are."""
    flags = {
        "processes_count": processes,
        "thread_count": _AT_ONCE,
        "number_sample_per_shard": shard_size,
        "output_format": "webdataset",
        "input_format": "txt",
        "resize_mode": "no",
        "disable_all_reencoding": True,
        "compute_hash": "sha256",
        "enable_wandb": False,
    }
    run = [str(program), *(f"--{flag}={value}" for flag, value in flags.items())]

    def stats(out: Path) -> list[dict[str, float]]:
        return [json.loads(path.read_text()) for path in out.glob("*_stats.json")]

    def seconds(out: Path) -> float:
        shards = stats(out)
        first = min(shard["start_time"] for shard in shards)
        return max(shard["end_time"] for shard in shards) - first

    return Client(
        name,
        lambda urls, out: [*run, f"--url_list={urls}", f"--output_folder={out}"],
        lambda out: int(sum(each["successes"] for each in stats(out))),
        seconds,
    )


# Downloads


def _in_turns(
    clients: Sequence[Client], options: argparse.Namespace, server: Server, folder: Path
) -> dict[str, list[Run]]:
    """Run every client once a round; each round begins with another one."""
    source = _write_list(server, folder / "list.txt", options.urls)
    runs: dict[str, list[Run]] = {client.name: [] for client in clients}
    for number in range(options.rounds):
        turn = number % len(clients)
        for client in (*clients[turn:], *clients[:turn]):
            run = _run(client, source, folder, options.urls)
            runs[client.name].append(run)
            said = run.problem or f"{run.wall:.1f} s"
            print(f"round {number + 1}: {client.name}: {said}", file=sys.stderr, flush=True)
    return runs


def _write_list(server: Server, path: Path, count: int) -> Path:
    work = Work("fleet", "small files", count, 10 * KIB, listed=True)
    server.offer(work)
    with path.open("w") as file:
        file.writelines(f"{server.url(work, name)}\n" for name in work.names)
    return path


def _run(client: Client, source: Path, folder: Path, count: int) -> Run:
    out, home = folder / "out", folder / "home"
    run = run_alone(client.command(source, out), home, _TIMEOUT)
    if not run.problem:
        run.inner = client.seconds(out)
        if (downloaded := client.downloaded(out)) != count:
            run.problem = f"{downloaded:,} of {count:,} files"
    shutil.rmtree(out, ignore_errors=True)
    shutil.rmtree(home)
    return run


def _rows(runs: dict[str, list[Run]], urls: int) -> Iterator[list[str]]:
    for name, each in runs.items():
        if problem := next((run.problem for run in each if run.problem), ""):
            yield [name, f"failed: {problem}", "", "", "", ""]
            continue
        wall, cpu = _median(each, "wall"), _median(each, "cpu")
        clock = _clock(each)
        inner = "" if each[0].inner is None else f"{clock:.2f}"
        rates = [f"{urls / clock:,.0f}", f"{cpu / urls * 1000:.2f}"]
        yield [name, f"{wall:.2f}", inner, *rates, f"{_median(each, 'peak') / MIB:.0f}"]


def _median(runs: Sequence[Run], measure: str) -> float:
    return float(median(getattr(run, measure) for run in runs))


def _clock(runs: Sequence[Run]) -> float:
    """Return seconds by the program's own clock, or by the wall's if it has none."""
    return _median(runs, "wall" if runs[0].inner is None else "inner")


# Targets


def _ratios(runs: dict[str, list[Run]]) -> Iterator[list[str]]:
    good = {name: each for name, each in runs.items() if not any(run.problem for run in each)}

    def speed(name: str, basis: str, least: float) -> Iterator[list[str]]:
        if name in good and basis in good:
            found = _clock(good[basis]) / _clock(good[name])
            yield _at_least(f"{name}, against {basis}", least, found)

    yield from speed(FILES_2, FILES, 1.6)
    yield from speed(TAR_2, TAR, 1.6)
    yield from speed(FILES, DOWNLOAD, 0.85)
    if TAR in good and IMG2DATASET in good:
        found = _median(good[TAR], "cpu") / _median(good[IMG2DATASET], "cpu")
        yield _at_most(f"CPU a URL: {TAR}, against {IMG2DATASET}", 0.8, found)


def _others(options: argparse.Namespace, server: Server, folder: Path) -> Iterator[list[str]]:
    """A complete run again, a long list, and a driver of many shards."""
    home, out = folder / "home", folder / "out"
    count = max(1, int(_SMALL_SHARDS * options.scale))
    source = _write_list(server, folder / "small.txt", 10 * count)
    again = _fleet("", 2, 10, "--layout", "tar").command(source, out)
    first = run_alone(again, home, _TIMEOUT)
    run = run_alone(again, home, _TIMEOUT)
    title = f"a complete run of {count:,} shards again, s"
    yield _at_most(title, 1.0, run.wall, first.problem or run.problem)
    shutil.rmtree(out)

    count = int(_PLANNED * options.scale)
    source = _write_list(server, folder / "long.txt", count)
    run = run_alone([_RHEO, "fleet", "plan", str(source), "-o", str(out)], home, _TIMEOUT)
    title = f"plan {count:,} lines ({run.wall:.1f} s), MiB"
    yield _at_most(title, 200, run.peak / MIB, run.problem)
    shutil.rmtree(out)

    count = int(_DRIVEN * options.scale)
    run = run_alone([sys.executable, str(_DRIVER), str(count), str(out)], home, _TIMEOUT)
    title = f"drive {count:,} shards ({run.wall:.1f} s), MiB"
    yield _at_most(title, 150, run.peak / MIB, run.problem)


def _at_least(title: str, limit: float, found: float) -> list[str]:
    return [title, f">= {limit:g}", f"{found:.2f}", "yes" if found >= limit else "no"]


def _at_most(title: str, limit: float, found: float, problem: str = "") -> list[str]:
    if problem:
        return [title, f"<= {limit:g}", f"failed: {problem}", "no"]
    return [title, f"<= {limit:g}", f"{found:.2f}", "yes" if found <= limit else "no"]


if __name__ == "__main__":
    sys.exit(main())
