"""Cost of long lists: `python -m benchmarks.scale [--counts 10000,100000,1000000]`.

For each number of downloads, in a process of its own: memory and CPU seconds to make and add them,
then the CPU time of each verb, once, among that many waiting ones. Costs that grow with the number
of downloads differ from column to column. Nothing is downloaded.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rheo_core import DownloadManager, FileConfig

_COUNTS = "10000,100000,1000000"
_REPEAT = 50
"""Verbs that one time is taken of; each on another download."""

Verb = Callable[[str], Awaitable[object]]


def urls(count: int) -> list[FileConfig]:
    """Downloads from ten hosts."""
    return [
        FileConfig(url=f"http://host{number % 10}.example/files/{number:07}.bin")
        for number in range(count)
    ]


class _Clock:
    """CPU time of the process, its threads included, by name; in the unit that the name ends with.

    Waiting is not counted: others may be at work on this machine.
    """

    def __init__(self) -> None:
        self.found: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str, times: int = 1) -> Iterator[None]:
        begin = time.process_time()
        yield
        seconds = time.process_time() - begin
        self.found[name] = seconds * (1000 if name.endswith("ms") else 1) / times


async def measure(count: int, folder: Path, *, session: bool) -> dict[str, float]:
    """Seconds and bytes, by what was done."""
    clock = _Clock()
    found = clock.found
    with clock("make the values, s"):
        configs = urls(count)
    ids = [config.id for config in configs[:: max(1, count // _REPEAT)]][:_REPEAT]
    path = folder / "session.db" if session else None
    manager = DownloadManager(download_dir=folder, session_path=path)
    if session:
        await manager.open(paused=True)
    with clock("add them, s"):
        await manager.add(configs)
    del configs
    found["peak memory, MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with clock("snapshot of all, s"):
        revision = manager.snapshot().revision
    with clock("snapshot of nothing, ms", _REPEAT):
        for _ in range(_REPEAT):
            manager.snapshot(revision)
    verbs: dict[str, Verb] = {
        "set_priority": lambda id_: manager.set_priority(id_, 5),
        "move to the top": lambda id_: manager.move(id_, to="top"),
        "move up": lambda id_: manager.move(id_, to="up"),
        "move after another": lambda id_: manager.move(id_, after=ids[0]),
        "pause": manager.pause,
        "resume": manager.resume,
        "cancel": manager.cancel,
        "retry": manager.retry,
        "remove": manager.remove,
        "restore": manager.restore,
    }
    for name, verb in verbs.items():
        with clock(f"{name}, ms", len(ids)):
            for id_ in ids:
                await verb(id_)
                revision = manager.snapshot(revision).revision
    with clock("pause all, s"):
        await manager.pause_all()
    assert manager.stats.paused == count, manager.stats
    with clock("resume all, s"):
        await manager.resume_all()
    assert manager.stats.queued == count, manager.stats
    found["peak memory at last, MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if session:
        with clock("close, s"):
            await manager.close()
        manager = DownloadManager(download_dir=folder, session_path=path)
        with clock("open again, s"):
            await manager.open(paused=True)
        await manager.close()
    return found


def measure_apart(count: int, *, session: bool) -> dict[str, float]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scale", "--one", str(count)]
    if session:
        command.append("--session")
    found: dict[str, float] = json.loads(subprocess.check_output(command))
    return found


def main() -> None:
    """Print the tables, or with `--one` measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", default=_COUNTS, help=f"of downloads, by default {_COUNTS}")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--session", action="store_true", help="only with a session file")
    options = parser.parse_args()
    if options.one is not None:
        with tempfile.TemporaryDirectory() as folder:
            found = asyncio.run(measure(options.one, Path(folder), session=options.session))
        print(json.dumps(found))
        return
    from rich.console import Console

    from .results import show_table

    counts = [int(count) for count in options.counts.split(",")]
    for session in (True,) if options.session else (False, True):
        columns = [measure_apart(count, session=session) for count in counts]
        rows = [[name, *(f"{column[name]:.3g}" for column in columns)] for name in columns[0]]
        title = "Kept in a session file" if session else "In memory only"
        heads = ["", *(f"{count:,}" for count in counts)]
        show_table(title, heads, iter(rows), Console(width=None if sys.stdout.isatty() else 100))


if __name__ == "__main__":
    main()
