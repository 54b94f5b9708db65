"""Open folders in the desktop's file manager."""

import shutil
import subprocess
import sys
from pathlib import Path

_OPENERS = ("open",) if sys.platform == "darwin" else ("xdg-open", "gio")


def folder_of(destination: str, fallback: Path) -> Path:
    """The folder that holds `destination`, or `fallback` while there is none."""
    folder = Path(destination).absolute().parent if destination else fallback.absolute()
    return folder if folder.is_dir() else fallback.absolute()


def open_folder(folder: Path) -> str:
    """Open `folder`, without waiting; gives one sentence on what went wrong, or ""."""
    if not folder.is_dir():
        return f"There is no folder {folder} yet."
    opener = next(filter(None, map(shutil.which, _OPENERS)), None)
    if opener is None:
        return f"Nothing here can open folders (no {' or '.join(_OPENERS)}): it is {folder}."
    command = [opener, "open"] if Path(opener).name == "gio" else [opener]
    try:
        # No shell, and nothing of it may reach this terminal. The path is absolute: no option.
        subprocess.Popen(
            [*command, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        return f"Cannot open the folder {folder}: {error.strerror or error}."
    return ""
