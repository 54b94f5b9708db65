"""Open files and folders with desktop programs."""

import asyncio
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from rheo_core.domain.text import printable

from .formatting import short_path

_MOMENT_SECONDS = 1.0
_MAX_SAID = 4096  # bytes of a program's errors
_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")
_NO_DESKTOP = "No desktop here"
_OPENERS = ("open",) if sys.platform == "darwin" else ("xdg-open", "gio")


def folder_of(destination: str, fallback: Path) -> Path:
    """Return the folder of `destination`, or `fallback` if it does not exist."""
    folder = Path(destination).absolute().parent if destination else fallback.absolute()
    return folder if os.path.isdir(folder) else fallback.absolute()


async def open_path(path: Path, copy: Callable[[str], None]) -> str:
    """Open a file or folder; return one sentence about a failure, or "".

    Waits a moment, because the program of the desktop may fail at once.

    Args:
        path: the file or folder.
        copy: sends the path to the terminal's clipboard (OSC 52, which some terminals ignore) if
            it cannot be opened, as over ssh, so that the user can paste it.
    """
    path = await asyncio.to_thread(path.absolute)
    if not await asyncio.to_thread(path.exists):
        return f"{printable(str(path))} does not exist."
    problem = await asyncio.to_thread(_open, path)
    if not problem:
        return ""
    copy(str(path))
    if problem == _NO_DESKTOP:
        return f"{problem}. Sent {printable(short_path(path))} to the terminal's clipboard."
    where = printable(str(path))
    return f"Cannot open {where}: {problem}. Sent its path to the terminal's clipboard."


def _open(path: Path) -> str:
    """Open an existing path; return the reason of a failure, or ""."""
    opener = next(filter(None, map(shutil.which, _OPENERS)), None)
    if opener is None:
        return _no_desktop() or f"{' or '.join(_OPENERS)} is not installed"
    command = [opener, "open"] if Path(opener).name == "gio" else [opener]
    with TemporaryFile() as errors:
        try:
            status = _run([*command, str(path)], errors)
        except OSError as error:
            return error.strerror or str(error)
        if not status:
            return ""
        errors.seek(0)
        return _no_desktop() or _reason(opener, path, errors.read(_MAX_SAID), status)


def _no_desktop() -> str:
    has_desktop = sys.platform == "darwin" or any(map(os.environ.get, _DISPLAYS))
    return "" if has_desktop else _NO_DESKTOP


def _reason(opener: str, path: Path, errors: bytes, status: int) -> str:
    """Return the last line that a program wrote, without its own name and the path before it."""
    name = Path(opener).name
    lines = errors.decode(errors="replace").strip().splitlines()
    if not lines:
        return f"{name} failed (exit status {status})"
    words = lines[-1].removeprefix(f"{name}: ").removeprefix(f"{path.as_uri()}: ")
    return f"{name} failed: {printable(words).rstrip('.')}"


def _run(command: list[str], errors: IO[bytes]) -> int:
    """Run a program and return its exit status; 0 if it keeps running.

    Args:
        command: the program and its arguments.
        errors: the file for its errors.
    """
    # No shell, and no output to this terminal. The path is absolute, so it cannot be an option.
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        start_new_session=True,
    )
    try:
        return process.wait(_MOMENT_SECONDS)
    except subprocess.TimeoutExpired:  # it shows the file
        threading.Thread(target=process.wait, daemon=True).start()  # else its end leaves a zombie
        return 0
