"""Open the user's text editor in the terminal of the app."""

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from textual.app import App, SuspendNotSupported

from rheo_core.domain.text import printable

_USUAL = ("sensible-editor", "nano", "vi")
_END = (signal.SIGHUP, signal.SIGTERM)
"""Signals that end the app, which waits for the editor."""


def edit_file(app: App[None], path: Path) -> str:
    """Open a file in the user's editor and wait for its end; the app hides meanwhile. Blocks.

    Args:
        app: has the terminal.
        path: need not exist; its folder is created.

    Returns:
        A sentence about why it was not opened, or "".
    """
    command = editor()
    if command is None:
        return "No editor found. Set the variable EDITOR to the command of your editor."
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        words = [*command, str(path)]
        with app.suspend(), _ending_with_the_app() as watch, subprocess.Popen(words) as process:
            watch(process)
            process.wait()
    except (OSError, SuspendNotSupported) as error:
        return f"Cannot open {printable(str(path))}: {printable(str(error))}."
    return ""


@contextmanager
def _ending_with_the_app() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Pass signals that end the app on to the editor, because the app ends after it.

    Yields:
        A function that takes the editor. It also gets the signals that arrived while it
        started.
    """
    before = {number: signal.getsignal(number) for number in _END}
    editors: list[subprocess.Popen[bytes]] = []
    received: list[int] = []

    def watch(process: subprocess.Popen[bytes]) -> None:
        editors.append(process)
        for number in received:
            process.send_signal(number)

    def end(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for process in editors:
            process.send_signal(number)
        if callable(handler := before[signal.Signals(number)]):
            handler(number, frame)

    for number in _END:
        signal.signal(number, end)
    try:
        yield watch
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def editor() -> list[str] | None:
    """Return the command of the user's editor; None if there is none."""
    for name in ("VISUAL", "EDITOR"):
        try:
            if words := shlex.split(os.environ.get(name, "")):
                return words
        except ValueError:  # its quotes are not closed
            continue
    return next(([name] for name in _USUAL if shutil.which(name)), None)
