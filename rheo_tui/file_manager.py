"""Open files and folders with the programs of the desktop."""

import shutil
import subprocess
import sys
from pathlib import Path

from rheo_core.domain.text import printable

_OPENERS = ("open",) if sys.platform == "darwin" else ("xdg-open", "gio")


def folder_of(destination: str, fallback: Path) -> Path:
    """Return the folder that holds `destination`, or `fallback` if it does not exist."""
    folder = Path(destination).absolute().parent if destination else fallback.absolute()
    return folder if folder.is_dir() else fallback.absolute()


def open_path(path: Path) -> str:
    """Open a file or folder without waiting; return one sentence about a failure, or ""."""
    path = path.absolute()
    if not path.exists():
        return f"{printable(str(path))} does not exist."
    opener = next(filter(None, map(shutil.which, _OPENERS)), None)
    if opener is None:
        return f"Cannot open {printable(str(path))}: {' or '.join(_OPENERS)} is not installed."
    command = [opener, "open"] if Path(opener).name == "gio" else [opener]
    try:
        # No shell, and no output to this terminal. The path is absolute, so it cannot be an option.
        subprocess.Popen(
            [*command, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        return f"Cannot open {printable(str(path))}: {error.strerror or error}."
    return ""
