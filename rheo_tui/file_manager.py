"""Open folders in the desktop's file manager, and files in their programs."""

import shutil
import subprocess
import sys
import threading
from pathlib import Path

from rheo_core.domain.text import printable

_OPENERS = ("open",) if sys.platform == "darwin" else ("xdg-open", "gio")


def folder_of(destination: str, fallback: Path) -> Path:
    """Return the folder that holds `destination`, or `fallback` if it does not exist."""
    folder = Path(destination).absolute().parent if destination else fallback.absolute()
    return folder if folder.is_dir() else fallback.absolute()


def open_folder(folder: Path) -> str:
    """Open `folder` without waiting; return one sentence about a failure, or ""."""
    if not folder.is_dir():
        return f"Folder {folder} does not exist yet."
    return _open(folder)


def open_file(path: Path) -> str:
    """Open `path` without waiting; return one sentence about a failure, or ""."""
    if not path.is_file():
        return f"File {printable(str(path))} does not exist any more."
    return _open(path.absolute())


def _open(path: Path) -> str:
    opener = next(filter(None, map(shutil.which, _OPENERS)), None)
    if opener is None:
        return f"Cannot open {printable(str(path))}: {' or '.join(_OPENERS)} is not installed."
    command = [opener, "open"] if Path(opener).name == "gio" else [opener]
    try:
        # No shell, and no output to this terminal. The path is absolute, so it cannot be an option.
        process = subprocess.Popen(
            [*command, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        return f"Cannot open {printable(str(path))}: {error.strerror or error}."
    threading.Thread(target=process.wait, daemon=True).start()  # else its end leaves a zombie
    return ""
