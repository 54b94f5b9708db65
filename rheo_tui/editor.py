"""The user's text editor, in the terminal of the app."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from textual.app import App, SuspendNotSupported

from rheo_core.domain.text import printable

_USUAL = ("sensible-editor", "nano", "vi")


def edit_file(app: App[None], path: Path) -> str:
    """Open a file in the user's editor and wait for its end; the app hides meanwhile. Blocks.

    Args:
        app: has the terminal.
        path: need not exist; its folder is created.

    Returns:
        A sentence on why it was not opened, or "".
    """
    command = editor()
    if command is None:
        return "No editor found. Set the variable EDITOR to the command of your editor."
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with app.suspend():
            subprocess.run([*command, str(path)], check=False)
    except (OSError, SuspendNotSupported) as error:
        return f"Cannot open {printable(str(path))}: {printable(str(error))}."
    return ""


def editor() -> list[str] | None:
    """Return the command of the user's editor; None if there is none."""
    for name in ("VISUAL", "EDITOR"):
        try:
            if words := shlex.split(os.environ.get(name, "")):
                return words
        except ValueError:  # its quotes are not closed
            continue
    return next(([name] for name in _USUAL if shutil.which(name)), None)
