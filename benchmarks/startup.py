"""Start-up time of the programs, and their most expensive imports: `python -m benchmarks.startup`.

Prints seconds, medians of several starts: `rheo --help` to its end, `rheo-tui` to its first screen,
and the CPU of a whole `rheo download` of one small file beside curl and a Python without a program.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from threading import Thread

from rich.console import Console

from .machine import compile_packages
from .programs.terminal import run_in_terminal
from .results import show_table

_STARTS = 9
_DOWNLOADS = 30
_FILE_BYTES = 10 << 10
_MAX_PACKAGES = 10
_BIN = Path(sys.executable).parent
_FIRST_SCREEN = b"Nothing to download yet"
_LIMITS = {"rheo --help": 0.25, "rheo-tui": 0.6}  # seconds
_COMMAND = "import rheo_core.cli.__main__ as m; m.main()"
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


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _served_file() -> Iterator[tuple[str, Path]]:
    """Serve a small file; yield its URL and a folder for downloads."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "served").mkdir()
        Path(folder, "served", "file").write_bytes(os.urandom(_FILE_BYTES))
        handler = partial(_Silent, directory=f"{folder}/served")
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}/file", Path(folder, "downloads")
            server.shutdown()


def _cpu(command: list[str]) -> float:
    """Return the CPU seconds of a process, from its start to its end."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_utime + usage.ru_stime


def _download_costs(runs: int) -> dict[str, float]:
    """Return the CPU seconds of one download by program; medians of runs in turns."""
    with _served_file() as (url, folder):
        download = [url, "-q", "--exists", "overwrite", "-o", str(folder)]
        commands = {
            "rheo download": [sys.executable, "-c", _COMMAND, "download", *download],
            "curl": ["curl", "-s", "-o", os.devnull, url],
            "python -c pass": [sys.executable, "-c", "pass"],
        }
        rounds = [{name: _cpu(each) for name, each in commands.items()} for _ in range(runs)]
    return {name: median(each[name] for each in rounds) for name in commands}


def _download_imports() -> Counter[str]:
    with _served_file() as (url, folder):
        return _costs(_COMMAND, "download", url, "-q", "-o", str(folder))


def _costs(code: str, *arguments: str) -> Counter[str]:
    """Milliseconds that the modules of each package take to import, without those of others."""
    command = [sys.executable, "-X", "importtime", "-c", code, *arguments]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    costs: Counter[str] = Counter()
    for microseconds, module in _IMPORT_LINE.findall(said):
        costs[module.partition(".")[0]] += int(microseconds)
    return costs


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    options = _parser().parse_args(arguments)
    compile_packages()
    console = Console(width=None if sys.stdout.isatty() else 100)
    starts: dict[str, Callable[[], float]] = {"rheo --help": _help, "rheo-tui": _first_screen}
    rows = []
    for name, start in starts.items():
        seconds = median(start() for _ in range(options.starts))
        met = "yes" if 0 <= seconds <= _LIMITS[name] else "no"
        rows.append([name, f"{seconds:.3f}", f"{_LIMITS[name]}", met])
    show_table("Seconds to start", ["", "median", "limit", "met"], iter(rows), console)
    rows = [
        [name, f"{seconds:.3f}"] for name, seconds in _download_costs(options.downloads).items()
    ]
    show_table("CPU seconds of one small download", ["", "median"], iter(rows), console)
    imports = {name: _costs(code) for name, code in _IMPORTED.items()}
    imports["rheo download"] = _download_imports()
    for name, by_package in imports.items():
        total = by_package.total()
        rows = [
            [package, f"{cost / 1000:.1f}", f"{cost / total:.0%}"]
            for package, cost in by_package.most_common(_MAX_PACKAGES)
        ]
        title = f"{name}: {total / 1000:.0f} ms of imports (measuring slows them)"
        show_table(title, ["package", "ms, its own modules", "share"], iter(rows), console)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    starts = f"starts of each program, by default {_STARTS}"
    parser.add_argument("--starts", type=int, default=_STARTS, metavar="N", help=starts)
    downloads = f"downloads by each program, by default {_DOWNLOADS}"
    parser.add_argument("--downloads", type=int, default=_DOWNLOADS, metavar="N", help=downloads)
    return parser


if __name__ == "__main__":
    main()
