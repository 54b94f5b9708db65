"""Start-up time of the programs, and their most expensive imports: `python -m benchmarks.startup`.

Prints seconds, medians of several starts: `rheo --help` to its end, `rheo-tui` to its first screen.
"""

import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median

from rich.console import Console

from .machine import compile_packages
from .programs.terminal import run_in_terminal
from .results import show_table

_STARTS = 9
_MAX_PACKAGES = 10
_BIN = Path(sys.executable).parent
_FIRST_SCREEN = b"Nothing to download yet"
_LIMITS = {"rheo --help": 0.25, "rheo-tui": 0.6}  # seconds
_IMPORTED = {
    "rheo --help": "import sys; sys.argv = ['rheo', '--help']; import rheo_core.cli.__main__ as m;"
    "m.main()",
    "rheo-tui": "import rheo_tui.__main__, rheo_tui.app, rheo_tui.services.local",
}
_IMPORT_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)")


def _help() -> float:
    begin = time.monotonic()
    subprocess.run([_BIN / "rheo", "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - begin


def _first_screen() -> float:
    with tempfile.TemporaryDirectory() as home:
        places = [f"{name}={home}" for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")]
        command = ["env", *places, str(_BIN / "rheo-tui"), "-d", home]
        return run_in_terminal(command, lambda painted: _FIRST_SCREEN in painted)


def _costs(code: str) -> Counter[str]:
    """Milliseconds that the modules of each package take to import, without those of others."""
    command = [sys.executable, "-X", "importtime", "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    costs: Counter[str] = Counter()
    for microseconds, module in _IMPORT_LINE.findall(said):
        costs[module.partition(".")[0]] += int(microseconds)
    return costs


def main() -> None:
    """Print the tables."""
    compile_packages()
    console = Console(width=None if sys.stdout.isatty() else 100)
    starts: dict[str, Callable[[], float]] = {"rheo --help": _help, "rheo-tui": _first_screen}
    rows = []
    for name, start in starts.items():
        seconds = median(start() for _ in range(_STARTS))
        met = "yes" if 0 <= seconds <= _LIMITS[name] else "no"
        rows.append([name, f"{seconds:.3f}", f"{_LIMITS[name]}", met])
    show_table("Seconds to start", ["", "median", "limit", "met"], iter(rows), console)
    for name, code in _IMPORTED.items():
        costs = _costs(code)
        total = costs.total()
        rows = [
            [package, f"{cost / 1000:.1f}", f"{cost / total:.0%}"]
            for package, cost in costs.most_common(_MAX_PACKAGES)
        ]
        title = f"{name}: {total / 1000:.0f} ms of imports (measuring slows them)"
        show_table(title, ["package", "ms, its own modules", "share"], iter(rows), console)


if __name__ == "__main__":
    main()
