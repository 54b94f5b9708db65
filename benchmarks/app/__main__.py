"""`python -m benchmarks.app`: what the app costs over the engine, idle, and until a key is seen."""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from statistics import median, quantiles

from rich.console import Console

from benchmarks.machine import Circumstances, compile_packages
from benchmarks.results import markdown_table, show_table
from benchmarks.server import PROGRAM, Server
from benchmarks.works import MIB

from .works import Found, Size, busy, full_speed, idle

_RESULTS = Path(__file__).parents[1] / "results"
_HEAD = ["", "value", "limit", "met"]
_MAX_ADDED, _MAX_IDLE = 0.05, 0.01  # shares of one core
_MAX_SECONDS = 0.05  # from a key to the screen, 95th percentile
_MAX_MEMORY = 160  # MiB


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, store it with every single value."""
    options = _parser().parse_args(arguments)
    if PROGRAM is None:
        print("benchmarks: nginx is needed (apt-get install nginx)", file=sys.stderr)
        return 1
    compile_packages()
    size = Size(**{field.name: getattr(options, field.name) for field in fields(Size)})
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="rheo-app-", dir=memory if memory.is_dir() else None))
    circumstances = Circumstances(str(folder), 1, size.windows, {}, [])
    try:
        with Server(folder) as server:
            found = {
                "empty": idle(folder / "run", size, 0),
                "idle": idle(folder / "run", size, size.rows),
                "busy": busy(folder / "run", size, server),
                "full speed": full_speed(folder / "run", size, server),
            }
    finally:
        shutil.rmtree(folder)
    rows = list(_rows(size, found))
    show_table("The app", _HEAD, iter(rows), Console(width=None if sys.stdout.isatty() else 120))
    print(f"Stored as {_store(circumstances, size, found, rows, options.results)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.app", description=__doc__)
    for field in fields(Size):
        kind = type(field.default)
        parser.add_argument(f"--{field.name}", type=kind, default=field.default, metavar="N")
    parser.add_argument("--results", type=Path, default=_RESULTS, help="for the results")
    parser.epilog = "Window and settle are in seconds; large and slow are sizes of files, in bytes."
    return parser


def _rows(size: Size, found: dict[str, Found]) -> Iterator[list[str]]:
    """Cells of a table."""
    work, fast = found["busy"], found["full speed"]
    added = median(a - b for a, b in zip(work["app"], work["engine"], strict=True))
    yield _share(f"over the engine, {size.active} of {size.rows:,} active", added, _MAX_ADDED)
    yield _share("the app in these windows", median(work["app"]))
    yield _share("the engine alone", median(work["engine"]))
    yield _share(f"idle, {size.rows:,} rows", median(found["idle"]["app"]), _MAX_IDLE)
    yield _share("idle, empty list", median(found["empty"]["app"]), _MAX_IDLE)
    keys = fast["keys"]
    yield _milliseconds("key to screen at full speed, median", median(keys))
    last = quantiles(keys, n=20)[-1]
    yield _milliseconds("the same, 95th percentile", last, _MAX_SECONDS)
    yield ["keys that were seen", f"{len(keys)} of {size.keys}", "", ""]
    yield ["painted, KiB/s", f"{median(work['painted']) / 1024:.0f}", "", ""]
    for name, peak in (("busy", work["memory"][0]), ("at full speed", fast["memory"][0])):
        met = _met(peak / MIB, _MAX_MEMORY)
        yield [f"peak memory, {name}, MiB", f"{peak / MIB:.0f}", str(_MAX_MEMORY), met]


def _share(name: str, value: float, limit: float | None = None) -> list[str]:
    shown = "" if limit is None else f"{limit:.0%}"
    return [f"{name}, of one core", f"{value:.1%}", shown, _met(value, limit)]


def _milliseconds(name: str, value: float, limit: float | None = None) -> list[str]:
    shown = "" if limit is None else f"{limit * 1000:.0f}"
    return [f"{name}, ms", f"{value * 1000:.0f}", shown, _met(value, limit)]


def _met(value: float, limit: float | None) -> str:
    if limit is None:
        return ""
    return "yes" if value <= limit else "no"


def _store(
    circumstances: Circumstances,
    size: Size,
    found: dict[str, Found],
    rows: list[list[str]],
    folder: Path,
) -> Path:
    """Write app-TIME.json (every value) and app-TIME.md (the table); gives the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"app-{circumstances.began.replace(':', '')}.md"
    everything = {"circumstances": asdict(circumstances), "size": asdict(size), "found": found}
    file.with_suffix(".json").write_text(json.dumps(everything, indent=1))
    table = markdown_table(_HEAD, iter(rows))
    file.write_text(f"{circumstances.text()}\n\n## The app\n\n{table}\n")
    return file


if __name__ == "__main__":
    sys.exit(main())
