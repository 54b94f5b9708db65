"""`python -m benchmarks`: this project and every peer found, on the same work, in turns."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from . import targets
from .machine import Circumstances, compile_packages
from .measure import TOO_LONG, Job, Run, run
from .peers import PEERS, Peer, install_libraries
from .results import Outcome, markdown_table, show, show_table, store
from .server import PROGRAM, Server
from .works import MIB, WORKS, Work

_RESULTS = Path(__file__).parent / "results"
_SLOW = 5
_LONG_SECONDS = 10
"""A peer that needs longer than this, and `_SLOW` times as long as the fastest, is not run again.
This project always is."""
_SPARE_BYTES = 1 << 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 where this project failed."""
    options = _parser().parse_args(arguments)
    if PROGRAM is None:
        print("benchmarks: nginx is needed (apt-get install nginx)", file=sys.stderr)
        return 1
    compile_packages()
    if options.install_peers:
        install_libraries()
    peers, missing, versions = _find(options.peers)
    works = [work.scaled(options.scale) for work in WORKS if work.name in options.only]
    console = Console(width=None if sys.stdout.isatty() else 120)
    if missing:
        console.print(f"Not on this machine: {', '.join(missing)}.")
    folder = _folder_for(works, options.folder)
    circumstances = Circumstances(str(folder), options.scale, options.rounds, versions, missing)
    outcomes: list[Outcome] = []
    try:
        with Server(folder) as server:
            for work in works:
                outcomes.append(_measure(work, peers, outcomes, server, folder, options))
                show(outcomes[-1], console)
                verdicts = markdown_table(targets.HEAD, targets.verdicts(outcomes))
                stored = store(outcomes, circumstances, verdicts, options.results)
    finally:
        shutil.rmtree(folder)
    show_table("Targets", targets.HEAD, targets.verdicts(outcomes), console)
    console.print(f"Stored as {stored}")
    ours = [peer.name for peer in peers if peer.is_ours]
    return int(any(outcome.problem(name) for outcome in outcomes for name in ours))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    works, peers = [work.name for work in WORKS], [peer.name for peer in PEERS]
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default: 5")
    parser.add_argument("--only", nargs="+", choices=works, default=works, metavar="WORK")
    parser.add_argument("--peers", nargs="+", choices=peers, default=peers, metavar="PEER")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="of all work")
    parser.add_argument("--timeout", type=float, default=120, metavar="S", help="of one run")
    parser.add_argument("--install-peers", action="store_true", help="those from PyPI, first")
    parser.add_argument("--folder", type=Path, help="for the files, instead of memory")
    parser.add_argument("--results", type=Path, default=_RESULTS, help="for the results")
    parser.epilog = f"Work: {', '.join(works)}. Peers: {', '.join(peers)}."
    return parser


def _find(wanted: Sequence[str]) -> tuple[list[Peer], list[str], dict[str, str]]:
    """The wanted peers on this machine, the names of those that are not, and the versions."""
    versions = {peer.name: peer.version() for peer in PEERS if peer.name in wanted}
    found = {name: version for name, version in versions.items() if version}
    missing = [name for name in versions if name not in found]
    return [peer for peer in PEERS if peer.name in found], missing, found


def _folder_for(works: Sequence[Work], parent: Path | None) -> Path:
    """A new folder, in memory where there is room for the files twice."""
    memory = Path("/dev/shm")
    needed = 2 * max((work.bytes_on_disk for work in works), default=0) + _SPARE_BYTES
    if parent is None and memory.is_dir() and shutil.disk_usage(memory).free > needed:
        parent = memory
    return Path(tempfile.mkdtemp(prefix="rheo-bench-", dir=parent))


def _measure(
    work: Work,
    peers: Sequence[Peer],
    before: Sequence[Outcome],
    server: Server,
    folder: Path,
    options: argparse.Namespace,
) -> Outcome:
    """Every peer once a round, so that what else the machine does hits them all.

    Each round begins with another peer.
    """
    job = _job(work, server, folder)
    outcome = Outcome(work)
    commands = [(peer, command) for peer in peers if (command := peer.command(job))]
    outcome.runs = {peer.name: [] for peer, _ in commands}
    for number in range(options.rounds):
        _touch(folder / "touched", work.bytes_on_disk)
        turn = number % max(1, len(commands))
        for peer, command in commands[turn:] + commands[:turn]:
            if number and not peer.is_ours and _is_done_with(outcome, peer.name):
                continue
            if any(_gave_up(other, work, peer.name) for other in before):
                result = Run(problem=f"{TOO_LONG} before")
            else:
                result = run(job, command, peer.environ, server, options.timeout)
            outcome.runs[peer.name].append(result)
            _tell(work, number, peer, result)
    return outcome


def _job(work: Work, server: Server, folder: Path) -> Job:
    checksum = server.offer(work)
    urls = [server.url(work, name) for name in work.names]
    list_file = folder / f"{work.name}.txt"
    list_file.write_text("".join(f"{url}\n" for url in urls))
    return Job(work, list_file, urls, folder / "out", checksum, server.authority)


def _touch(path: Path, size: int) -> None:
    """Write as much as a client will, and remove it.

    A virtual machine gets memory from its host when it first writes there, which would make the
    first client of a round nearly twice as slow.
    """
    with path.open("wb") as file:
        for _ in range(0, size, MIB):
            file.write(bytes(MIB))
    path.unlink()


def _gave_up(other: Outcome, work: Work, peer: str) -> bool:
    """Return True if a peer took too long for the same files."""
    return other.work.material == work.material and other.problem(peer).startswith(TOO_LONG)


def _is_done_with(outcome: Outcome, peer: str) -> bool:
    """Return True if another round would show nothing new."""
    if outcome.problem(peer):
        return True
    walls = [runs[0].wall for runs in outcome.runs.values() if not runs[0].problem]
    return outcome.runs[peer][0].wall > max(_SLOW * min(walls), _LONG_SECONDS)


def _tell(work: Work, number: int, peer: Peer, result: Run) -> None:
    what = f"failed: {result.problem}" if result.problem else f"{result.wall:.2f} s"
    print(f"{work.name}, round {number + 1}: {peer.name}: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
