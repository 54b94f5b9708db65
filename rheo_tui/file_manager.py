"""Open files and folders with the programs of the desktop."""

import asyncio
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from rheo_core.domain.text import printable

_MOMENT_SECONDS = 1.0
_OPENERS = ("open",) if sys.platform == "darwin" else ("xdg-open", "gio")


def folder_of(destination: str, fallback: Path) -> Path:
    """Return the folder that holds `destination`, or `fallback` if it does not exist."""
    folder = Path(destination).absolute().parent if destination else fallback.absolute()
    return folder if folder.is_dir() else fallback.absolute()


async def open_path(path: Path) -> str:
    """Open a file or folder; return one sentence about a failure, or "".

    Waits a moment, because the program of the desktop may fail at once.
    """
    return await asyncio.to_thread(_open, path)


def _open(path: Path) -> str:
    path = path.absolute()
    cannot = f"Cannot open {printable(str(path))}"
    if not path.exists():
        return f"{printable(str(path))} does not exist."
    opener = next(filter(None, map(shutil.which, _OPENERS)), None)
    if opener is None:
        return f"{cannot}: {' or '.join(_OPENERS)} is not installed."
    command = [opener, "open"] if Path(opener).name == "gio" else [opener]
    try:
        status = _run([*command, str(path)])
    except OSError as error:
        return f"{cannot}: {error.strerror or error}."
    return f"{cannot}: {Path(opener).name} failed (exit status {status})." if status else ""


def _run(command: list[str]) -> int:
    """Run a program and return its exit status; 0 if it goes on running."""
    # No shell, and no output to this terminal. The path is absolute, so it cannot be an option.
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(_MOMENT_SECONDS)
    except subprocess.TimeoutExpired:  # it shows the file
        threading.Thread(target=process.wait, daemon=True).start()  # else its end leaves a zombie
        return 0
